//! The selector of the operating system, by way of mio. The only file that names it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mio::unix::SourceFd;

use super::bell::Bell;
use super::{Interest, Selector, SelectorEvent, SelectorWaker, Token};

/// Not a token of the loop's table, which would have to be full first.
const WAKER: mio::Token = mio::Token(usize::MAX);

const EVENTS_CAPACITY: usize = 256;
const EVENTS_CAPACITY_MAX: usize = 16 * 1024;

const _: () = assert!(
    usize::BITS >= 64,
    "slot and generation share one token of the platform"
);

pub(crate) struct MioSelector {
    /// Made for the first descriptor: a loop that watches none takes none.
    platform: Option<Platform>,
    waker: Arc<MioWaker>,
    /// How many descriptors are watched; more, if one was closed without a word and is watched anew. Then the bell is not
    /// used, which does no harm.
    watched: usize,
}

struct Platform {
    poll: mio::Poll,
    events: mio::Events,
    events_capacity: usize,
}

impl MioSelector {
    pub(crate) fn new() -> MioSelector {
        MioSelector {
            platform: None,
            waker: Arc::new(MioWaker {
                bell: Bell::new(),
                waker: OnceLock::new(),
            }),
            watched: 0,
        }
    }

    fn platform(&mut self) -> io::Result<&mut Platform> {
        let platform = match self.platform.take() {
            Some(platform) => platform,
            None => Platform::new(&self.waker)?,
        };
        Ok(self.platform.insert(platform))
    }
}

impl Platform {
    fn new(waker: &MioWaker) -> io::Result<Platform> {
        let poll = mio::Poll::new()?;
        waker.connect(mio::Waker::new(poll.registry(), WAKER)?)?;
        Ok(Platform {
            poll,
            events: mio::Events::with_capacity(EVENTS_CAPACITY),
            events_capacity: EVENTS_CAPACITY,
        })
    }

    fn select(
        &mut self,
        events: &mut Vec<SelectorEvent>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            // The loop computes the timeout anew, so a storm of signals cannot stretch the wait.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut count = 0;
        for event in &self.events {
            count += 1;
            if event.token() != WAKER {
                events.push(translate(event));
            }
        }
        if count == self.events_capacity && count < EVENTS_CAPACITY_MAX {
            // More may be ready than there was room for: they come next time, and then all at once.
            self.events_capacity *= 2;
            self.events = mio::Events::with_capacity(self.events_capacity);
        }
        Ok(())
    }
}

impl Selector for MioSelector {
    fn register(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.platform()?.poll.registry().register(
            &mut SourceFd(&fd),
            pack(token),
            interests(interest),
        )?;
        self.watched += 1;
        Ok(())
    }

    fn reregister(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.platform()?.poll.registry().reregister(
            &mut SourceFd(&fd),
            pack(token),
            interests(interest),
        )
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        // Also if it fails: then the system has forgotten it already.
        self.watched = self.watched.saturating_sub(1);
        let registry = self.platform()?.poll.registry();
        registry.deregister(&mut SourceFd(&fd))
    }

    fn select(
        &mut self,
        events: &mut Vec<SelectorEvent>,
        mut timeout: Option<Duration>,
    ) -> io::Result<()> {
        if self.watched == 0 && timeout != Some(Duration::ZERO) {
            if self.waker.bell.wait(timeout) {
                return Ok(());
            }
            timeout = Some(Duration::ZERO);
        }
        match &mut self.platform {
            Some(platform) => platform.select(events, timeout),
            None => Ok(()),
        }
    }

    fn waker(&self) -> Arc<dyn SelectorWaker> {
        self.waker.clone()
    }

    fn as_raw_fd(&mut self) -> io::Result<Option<RawFd>> {
        Ok(Some(self.platform()?.poll.as_raw_fd()))
    }
}

/// A bell, and, once there is what to wait for with it, an eventfd, or what the platform has for it, which is never read;
/// one of them is used, once per sleep.
struct MioWaker {
    bell: Bell,
    waker: OnceLock<mio::Waker>,
}

impl MioWaker {
    /// From now on a wait for descriptors is ended by this one, by a wake-up before it, too.
    fn connect(&self, waker: mio::Waker) -> io::Result<()> {
        self.bell.with_state(|rung| {
            if rung {
                waker.wake()?;
            }
            let is_first = self.waker.set(waker).is_ok();
            debug_assert!(is_first, "a selector has one platform");
            Ok(())
        })
    }
}

impl SelectorWaker for MioWaker {
    fn wake(&self) {
        let write = || self.waker.get().map_or(Ok(()), mio::Waker::wake);
        if let Err(error) = self.bell.ring(write) {
            let line = format!("could not wake the event loop: {error}");
            if !crate::to_stderr_if_untraced(&line) {
                tracing::error!(target: "ouroloop::core", "{line}");
            }
        }
    }
}

fn pack(token: Token) -> mio::Token {
    mio::Token((token.slot as usize) << 32 | token.generation as usize)
}

fn unpack(token: mio::Token) -> Token {
    Token {
        slot: (token.0 >> 32) as u32,
        generation: token.0 as u32,
    }
}

fn interests(interest: Interest) -> mio::Interest {
    match interest {
        Interest {
            readable: true,
            writable: true,
        } => mio::Interest::READABLE | mio::Interest::WRITABLE,
        Interest { writable: true, .. } => mio::Interest::WRITABLE,
        Interest { .. } => mio::Interest::READABLE,
    }
}

fn translate(event: &mio::event::Event) -> SelectorEvent {
    SelectorEvent {
        token: unpack(event.token()),
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        write_closed: event.is_write_closed(),
        error: event.is_error(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const TOKEN: Token = Token {
        slot: 0,
        generation: 0,
    };

    /// Whether a foreign loop that waits for the selector's descriptor would go on.
    fn is_readable(selector: &mut MioSelector) -> bool {
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(1);
        let fd = selector.as_raw_fd().unwrap().unwrap();
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&fd), WAKER, mio::Interest::READABLE)
            .unwrap();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn a_wake_up_ends_a_wait_with_and_without_descriptors() {
        let mut selector = MioSelector::new();
        let (pipe, _other_end) = UnixStream::pair().unwrap();
        let mut events = Vec::new();
        for watches in [false, true, false] {
            if watches {
                let registered = selector.register(pipe.as_raw_fd(), TOKEN, Interest::READABLE);
                registered.unwrap();
            }
            // In every order of the two.
            for nap in [0, 10] {
                let waker = selector.waker();
                let helper = thread::spawn(move || {
                    thread::sleep(Duration::from_millis(nap));
                    waker.wake();
                });
                selector.select(&mut events, None).unwrap();
                helper.join().unwrap();
                selector.waker().wake();
                selector.select(&mut events, None).unwrap();
            }
            if watches {
                selector.deregister(pipe.as_raw_fd()).unwrap();
                // The last wake-up may be remembered.
                let short = Some(Duration::from_millis(1));
                selector.select(&mut events, short).unwrap();
            }
        }
        assert!(events.is_empty());
    }

    #[test]
    fn a_wake_up_shows_at_the_descriptor_until_the_next_wait() {
        let mut selector = MioSelector::new();
        let mut events = Vec::new();
        for timeout in [None, Some(Duration::ZERO)] {
            assert!(!is_readable(&mut selector));
            selector.waker().wake();
            assert!(is_readable(&mut selector));
            selector.select(&mut events, timeout).unwrap();
        }
        assert!(!is_readable(&mut selector));
    }

    #[test]
    fn a_wake_up_before_the_first_descriptor_ends_the_wait_for_it() {
        let mut selector = MioSelector::new();
        let (pipe, _other_end) = UnixStream::pair().unwrap();
        selector.waker().wake();
        let registered = selector.register(pipe.as_raw_fd(), TOKEN, Interest::READABLE);
        registered.unwrap();
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn a_wake_up_before_the_descriptor_is_asked_for_shows_there() {
        let mut selector = MioSelector::new();
        selector.waker().wake();
        assert!(is_readable(&mut selector));
    }

    #[test]
    fn a_wait_without_descriptors_ends_with_its_time() {
        let mut selector = MioSelector::new();
        let short = Some(Duration::from_millis(2));
        selector.select(&mut Vec::new(), short).unwrap();
        assert!(selector.platform.is_none());
    }

    #[test]
    fn a_token_survives_the_platform() {
        for token in [
            Token {
                slot: 0,
                generation: 0,
            },
            Token {
                slot: 1,
                generation: u32::MAX,
            },
            Token {
                slot: u32::MAX - 1,
                generation: 7,
            },
        ] {
            assert_eq!(unpack(pack(token)), token);
            assert_ne!(pack(token), WAKER);
        }
    }
}
