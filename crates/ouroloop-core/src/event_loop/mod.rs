//! The event loop itself: its handles, and what they can do, by subject.
//!
//! | module | subject |
//! | --- | --- |
//! | `inner` | what a loop consists of |
//! | `builder` | making one |
//! | `schedule` | `call_soon`, `call_later`, `call_at`, client words |
//! | `run` | `run_forever`, `run_once`, `stop`, and the slot of the running loop |
//! | `steps` | one iteration: waiting, gathering, running; public one by one |
//! | `batch` | running what is ready, and surviving it |
//! | `observe` | who looks on |
//! | `watch` | descriptors |
//! | `exceptions` | the exception handler and debug mode |
//! | `close` | the end |

mod batch;
mod builder;
mod close;
mod exceptions;
mod inner;
mod observe;
mod run;
mod schedule;
mod statistics;
mod steps;
mod watch;

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

pub use batch::BatchOrder;
pub use builder::{Builder, IoPoll, new_event_loop};
pub use exceptions::ExceptionHandler;
pub use observe::{EntryObserver, ReadyEntry};
pub use run::Entered;
pub use statistics::Statistics;

use self::inner::Inner;
use crate::clock::ClockReader;
use crate::local::OtherThreadsUse;
use crate::{LoopAddress, LoopError, LoopId, RemoteHandle, VirtualClock};

/// A user's handle of a loop: asyncio's event loop.
///
/// `run` makes one, and [`get_running_loop`](crate::get_running_loop) gives it; its methods are those of
/// [`LoopRef`], which this dereferences to. Handles are counted: when the last one is dropped and nobody has
/// closed the loop, it is closed, with a warning. What belongs to the loop itself holds a [`LoopRef`] instead,
/// which has all the methods and is not counted.
///
/// A loop stays in its thread. asyncio's debug mode finds calls from the wrong thread when they
/// happen; here they do not compile:
///
/// ```compile_fail,E0277
/// let event_loop = ouroloop::new_event_loop().unwrap();
/// std::thread::spawn(move || event_loop.call_soon(|| {}));
/// ```
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, get_running_loop};
/// use std::{cell::Cell, rc::Rc};
///
/// ouroloop::run(async {
///     let greeted = Rc::new(Cell::new(false));
///     let flag = greeted.clone();
///     get_running_loop().unwrap().call_soon(move || flag.set(true)).unwrap();
///     bare_yield().await;
///     assert!(greeted.get());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[doc(alias = "AbstractEventLoop")]
pub struct EventLoop(LoopRef);

impl EventLoop {
    /// Begins to make a loop that is not quite the usual one: see [`Builder`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Gives a reference that is not counted as a user's handle: for what the loop itself keeps, as its callbacks.
    ///
    /// # Examples
    ///
    /// ```
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let stopper = event_loop.downgrade(); // a counted handle would keep the loop from its end
    /// event_loop.call_soon(move || stopper.stop())?;
    /// event_loop.run_forever()?;
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn downgrade(&self) -> LoopRef {
        self.0.clone()
    }

    fn count(event_loop: &LoopRef) -> EventLoop {
        let users = &event_loop.inner().users;
        users.set(users.get() + 1);
        EventLoop(event_loop.clone())
    }
}

impl Clone for EventLoop {
    fn clone(&self) -> EventLoop {
        EventLoop::count(&self.0)
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        let users = &self.0.inner().users;
        users.set(users.get() - 1);
        self.0.close_if_abandoned();
    }
}

impl Deref for EventLoop {
    type Target = LoopRef;

    fn deref(&self) -> &LoopRef {
        &self.0
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("EventLoop", f)
    }
}

/// A loop, as its clients, its callbacks and its sources refer to it: it has all the methods.
///
/// Keeps the memory of the loop alive, and does not keep the loop open.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopRef, get_running_loop};
/// use std::time::Duration;
///
/// fn remind(event_loop: &LoopRef, what: &'static str) {
///     let event_loop_ = event_loop.clone();
///     event_loop
///         .call_later(Duration::from_millis(1), move || {
///             println!("{what}, at {:?}", event_loop_.time());
///         })
///         .unwrap();
/// }
///
/// ouroloop::run(async { remind(&get_running_loop().unwrap(), "tea") })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct LoopRef(Rc<OtherThreadsUse<RemoteHandle, Inner>>);

impl LoopRef {
    /// Gives the loop's id.
    #[inline]
    pub fn id(&self) -> LoopId {
        self.0.id
    }

    /// Gives a counted handle of the loop.
    pub fn handle(&self) -> EventLoop {
        EventLoop::count(self)
    }

    /// Gives a handle for other threads: see [`RemoteHandle`].
    pub fn remote(&self) -> RemoteHandle {
        RemoteHandle::new(&self.0.remote)
    }

    /// Gives the loop's time, since the origin of its clock: asyncio's `loop.time()`.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.time_ns())
    }

    /// Gives the loop's time in nanoseconds.
    #[inline]
    pub fn time_ns(&self) -> u64 {
        self.0.clock.now_ns()
    }

    /// Gives the loop's clock, if it is virtual: who has it moves the time.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Clock, EventLoop};
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().clock(Clock::virtual_time()).build()?;
    /// event_loop.virtual_clock().unwrap().advance(Duration::from_secs(7));
    /// assert_eq!(event_loop.time(), Duration::from_secs(7));
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn virtual_clock(&self) -> Option<VirtualClock> {
        match &self.0.clock {
            ClockReader::Monotonic(_) => None,
            ClockReader::Virtual(clock) => Some(clock.clone()),
        }
    }

    /// Gives the time of the earliest timer that is pending, on the clock of the loop.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.0.timers.next_ns().map(Duration::from_nanos)
    }

    /// Tells whether the loop is running: inside of `run_forever` and its kin, or entered by hand.
    pub fn is_running(&self) -> bool {
        self.0.running.get()
    }

    /// Tells whether the loop was closed.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    /// Tells whether both are references of one loop.
    pub fn same_loop(&self, other: &LoopRef) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// # Errors
    ///
    /// [`LoopError::Forked`] in the child of the process that made the loop.
    pub(crate) fn check_process(&self) -> Result<(), LoopError> {
        if std::process::id() == self.0.pid {
            Ok(())
        } else {
            Err(LoopError::Forked { pid: self.0.pid })
        }
    }

    /// Gives what names this loop and no other, in any thread.
    #[inline]
    pub fn address(&self) -> LoopAddress {
        LoopAddress::new(self.0.id, self.0.generation)
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), LoopError> {
        if self.0.closed.get() {
            Err(LoopError::Closed)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn inner(&self) -> &Inner {
        &self.0
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("id", &self.id())
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("debug", &self.debug())
            .finish()
    }
}

impl fmt::Debug for LoopRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("LoopRef", f)
    }
}
