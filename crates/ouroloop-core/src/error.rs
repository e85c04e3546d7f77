//! What can go wrong with a loop, and what to do about it.
//!
//! One enum for the crate. Where asyncio has a `RuntimeError` with a text, there is a variant with
//! a name here; the text says the way out.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// What can go wrong with an event loop.
///
/// Where asyncio has a `RuntimeError` with a text, there is a variant with a name here.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopError, get_running_loop, new_event_loop};
///
/// assert!(matches!(get_running_loop(), Err(LoopError::NotRunning)));
/// let event_loop = new_event_loop()?;
/// event_loop.close()?;
/// assert!(matches!(event_loop.call_soon(|| {}), Err(LoopError::Closed)));
/// # Ok::<(), LoopError>(())
/// ```
#[doc(alias = "RuntimeError")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopError {
    /// The descriptor belongs to an [`IoSource`](crate::IoSource), or has a reader or writer and
    /// was to become a source. Two owners would steal each other's readiness.
    #[error(
        "file descriptor {fd} is registered already: drop its source, or remove its reader and writer, first"
    )]
    AlreadyRegistered {
        /// The descriptor in question.
        fd: RawFd,
    },

    /// The loop was asked to run from inside one of its own callbacks or steps.
    #[error("this event loop is already running: schedule work on it instead of running it again")]
    AlreadyRunning,

    /// The loop is closed; it takes no more work and cannot be opened again.
    #[error("event loop is closed: make a new one, with new_event_loop() or a new Runner")]
    Closed,

    /// Nothing is ready and nothing can become ready: on virtual time there is no timer left to
    /// jump to (or jumping was switched off), no I/O source, and no handle in another thread.
    #[error(
        "deadlock at {now:?} of virtual time: nothing is ready, {timers} timers are pending, and neither I/O nor another thread can wake the loop; schedule something, or advance the clock"
    )]
    Deadlock {
        /// The loop's time when that was found.
        now: Duration,
        /// Timers that wait for the clock to be advanced by hand.
        timers: usize,
    },

    /// The process has forked since the loop was made. Parent and child would share one kernel
    /// selector, and each would take events from the other.
    #[error(
        "this event loop was made by process {pid}, before a fork: make a new one in the child"
    )]
    Forked {
        /// The process that made the loop.
        pid: u32,
    },

    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// Another loop is running in this thread.
    #[error(
        "another event loop is running in this thread: await the future there instead of running it, or give this loop a thread of its own"
    )]
    LoopInLoop,

    /// No loop was set for this thread, and none is running in it.
    #[error(
        "no current event loop in this thread: call set_event_loop(), or make one with new_event_loop()"
    )]
    NoCurrentLoop,

    /// No loop is running in this thread.
    #[error("no running event loop: call this from a callback or a task of a loop")]
    NotRunning,

    /// The loop cannot be closed while it runs.
    #[error(
        "cannot close a running event loop: stop it first, and close it when the run has returned"
    )]
    Running,

    /// A [`ContextToken`](crate::ContextToken) was used on a variable that did not make it.
    #[error("this token was made by another context variable: reset the variable that made it")]
    TokenOfOtherVariable,

    /// A [`ContextToken`](crate::ContextToken) was used in a context other than its own.
    #[error("this token was made in another context: reset the variable where it was set")]
    TokenOfOtherContext,

    /// As many loops are open in this process as there are loop ids.
    #[error("{max} event loops are open in this process: close some first")]
    TooManyLoops {
        /// How many there can be.
        max: usize,
    },
}
