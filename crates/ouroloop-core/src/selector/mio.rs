//! The selector of the operating system, by way of mio. The only file that names it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;

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
    poll: mio::Poll,
    events: mio::Events,
    events_capacity: usize,
    waker: Arc<MioWaker>,
}

impl MioSelector {
    pub(crate) fn new() -> io::Result<MioSelector> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(MioWaker(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(MioSelector {
            poll,
            events: mio::Events::with_capacity(EVENTS_CAPACITY),
            events_capacity: EVENTS_CAPACITY,
            waker,
        })
    }
}

impl Selector for MioSelector {
    fn register(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), pack(token), interests(interest))
    }

    fn reregister(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.poll
            .registry()
            .reregister(&mut SourceFd(&fd), pack(token), interests(interest))
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
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

    fn waker(&self) -> Arc<dyn SelectorWaker> {
        self.waker.clone()
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        Some(self.poll.as_raw_fd())
    }
}

/// An eventfd, or what the platform has for it; written once per sleep, and never read.
struct MioWaker(mio::Waker);

impl SelectorWaker for MioWaker {
    fn wake(&self) {
        if let Err(error) = self.0.wake() {
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
    use super::*;

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
