//! What the loop needs from the platform: a short list, so that a script can stand in for it.
//!
//! The real one is on mio, in a file of its own: nothing outside of it names mio. The other one,
//! [`ScriptedSelector`], returns the events that a test wrote down.

mod bell;
mod mio;
mod scripted;

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

#[cfg(all(test, loom))]
pub(crate) use self::bell::Bell;
pub(crate) use self::mio::MioSelector;
pub use self::scripted::{ScriptedSelector, SelectorCall};

/// Waits for events of file descriptors, and can be woken from other threads: what the loop needs from the
/// platform.
///
/// Readiness is *edge-triggered*: an event says that something has become ready since the last
/// one. `register` and `reregister` arm anew: what is ready then is reported by the next `select`.
///
/// # Examples
///
/// [`ScriptedSelector`] is one, and has an example.
pub trait Selector {
    /// Begins to watch `fd`; its events carry `token`.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `AlreadyExists` if `fd` is watched.
    fn register(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;

    /// Changes what `fd` is watched for, and arms it again.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `NotFound` if `fd` is not watched.
    fn reregister(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;

    /// Ceases to watch `fd`.
    ///
    /// # Errors
    ///
    /// Those of the operating system; `NotFound` if `fd` is not watched.
    fn deregister(&mut self, fd: RawFd) -> io::Result<()>;

    /// Appends the events that have come to `events`; if there are none, waits for the first, or
    /// for a wake-up, or until `timeout` has passed. It may return early, with nothing.
    ///
    /// # Errors
    ///
    /// Those of the operating system. A wait that a signal interrupts is not one: it may return early, or go on.
    fn select(
        &mut self,
        events: &mut Vec<SelectorEvent>,
        timeout: Option<Duration>,
    ) -> io::Result<()>;

    /// Gives what other threads hold to end a wait.
    fn waker(&self) -> Arc<dyn SelectorWaker>;

    /// Gives a descriptor that is readable when `select` would not wait, if the platform has one. A wake-up from before
    /// this call shows there, too; one that ends a `select` under way need not.
    ///
    /// # Errors
    ///
    /// Those of the operating system, which may give it only now.
    fn as_raw_fd(&mut self) -> io::Result<Option<RawFd>>;

    /// Tells whether waiting takes no real time, because `select` moves the loop's virtual clock.
    fn waits_virtually(&self) -> bool {
        false
    }
}

/// Ends the wait of a [`Selector`], or its next one if it is not waiting.
pub trait SelectorWaker: Send + Sync {
    /// Makes the selector return. May be called from any thread, at any time.
    fn wake(&self);
}

/// Says which registration an event belongs to: what a [`Selector`] is given for each descriptor.
///
/// Slots are used again, and so are the numbers of file descriptors; the generation tells an event
/// that is meant for an earlier owner of the slot.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct Token {
    /// The place in the loop's table.
    pub slot: u32,
    /// How often the place was given away before.
    pub generation: u32,
}

/// What a [`Selector`] watches a descriptor for.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct Interest {
    /// For data to read, or the end of it.
    pub readable: bool,
    /// For room to write.
    pub writable: bool,
}

impl Interest {
    /// Both directions.
    pub const BOTH: Interest = Interest {
        readable: true,
        writable: true,
    };
    /// Reading only.
    pub const READABLE: Interest = Interest {
        readable: true,
        writable: false,
    };
    /// Writing only.
    pub const WRITABLE: Interest = Interest {
        readable: false,
        writable: true,
    };
}

/// Something that happened to a registered descriptor, as a [`Selector`] reports it.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct SelectorEvent {
    /// Of the registration.
    pub token: Token,
    /// There is something to read, if only the end of the data.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer will write no more.
    pub read_closed: bool,
    /// The peer will read no more.
    pub write_closed: bool,
    /// The descriptor has an error to report.
    pub error: bool,
}

impl SelectorEvent {
    /// Makes an event in which nothing has happened yet; set what has.
    pub const fn new(token: Token) -> SelectorEvent {
        SelectorEvent {
            token,
            readable: false,
            writable: false,
            read_closed: false,
            write_closed: false,
            error: false,
        }
    }

    /// Tells whether a reader has something to do: data, the end of it, or an error.
    pub fn concerns_reader(&self) -> bool {
        self.readable || self.read_closed || self.error
    }

    /// Tells whether a writer has something to do: room, a peer that went away, or an error.
    pub fn concerns_writer(&self) -> bool {
        self.writable || self.write_closed || self.error
    }
}
