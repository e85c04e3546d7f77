//! Making a loop.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::rc::Rc;
use std::time::Duration;

use super::inner::{Inner, PollState};
use super::statistics::Counters;
use super::{EventLoop, LoopRef};
use crate::clock::ClockReader;
use crate::inbox;
use crate::io::IoTable;
use crate::local::OtherThreadsUse;
use crate::ready::ReadyQueue;
use crate::remote::RemoteShared;
use crate::selector::MioSelector;
use crate::timers::Timers;
use crate::{Clock, LoopAddress, LoopError, Selector};

/// Makes a loop that is not running and is not set as the thread's current one: asyncio's
/// `new_event_loop`.
///
/// # Errors
///
/// [`LoopError::TooManyLoops`]. The operating system is not asked for anything yet: what it refuses is an error of the first
/// [`add_reader`](LoopRef::add_reader), [`selector_fd`](LoopRef::selector_fd), connection or server.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::cancel_all_tasks;
/// use ouroloop::{LoopTasks, RunError, new_event_loop};
///
/// fn main() -> Result<(), RunError> {
///     let event_loop = new_event_loop()?;
///     let answer = event_loop.run_until_complete(async { 42 })?;
///     cancel_all_tasks(&event_loop)?; // `run` does these two, too
///     event_loop.close()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
pub fn new_event_loop() -> Result<EventLoop, LoopError> {
    EventLoop::builder().build()
}

/// When a loop that is never idle looks for I/O: what [`Builder::io_poll`] takes.
///
/// With nothing ready the loop always polls: there it sleeps. asyncio polls before each batch as
/// well, which costs a system call for what may be one small callback.
///
/// # Examples
///
/// ```
/// use ouroloop::{EventLoop, IoPoll, Runner, bare_yield, get_running_loop};
///
/// let strict = || EventLoop::builder().io_poll(IoPoll::EveryIteration).build();
/// Runner::new().loop_factory(strict).run(async {
///     bare_yield().await;
///     assert!(get_running_loop().unwrap().statistics().iterations > 0);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum IoPoll {
    /// Before each batch, as asyncio does. The strict mode: the order of I/O and timers among
    /// callbacks is asyncio's under load, too.
    EveryIteration,
    /// Before the first batch of a run; then before each batch at which `callbacks_max` callbacks
    /// have run since the last poll, or `time_max` has passed.
    ///
    /// The clock is read in each iteration, unless callbacks are quick (eight of them take less
    /// than an eighth of `time_max`) and no timer is due within `time_max`: then after every
    /// eighth callback. So what is ready waits for at most `callbacks_max` callbacks and one batch;
    /// in time, for at most `time_max` and one batch, or for the first eight callbacks that are
    /// quick no longer.
    Amortised {
        /// Callbacks between two polls.
        callbacks_max: u32,
        /// Time between two polls.
        time_max: Duration,
    },
}

impl Default for IoPoll {
    /// Amortised over 61 callbacks or one millisecond.
    fn default() -> IoPoll {
        IoPoll::Amortised {
            callbacks_max: 61,
            time_max: Duration::from_millis(1),
        }
    }
}

/// Makes a loop with a clock, a selector or a policy of its own.
///
/// `Runner::loop_factory` runs a program on one.
///
/// # Examples
///
/// ```
/// use ouroloop::{Clock, EventLoop, IoPoll};
///
/// let event_loop = EventLoop::builder()
///     .clock(Clock::virtual_time())
///     .io_poll(IoPoll::EveryIteration)
///     .debug(true)
///     .build()?;
/// assert!(event_loop.debug());
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[must_use = "a builder makes a loop when build() is called"]
pub struct Builder {
    clock: Clock,
    selector: Option<Box<dyn Selector>>,
    debug: Option<bool>,
    io_poll: IoPoll,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            clock: Clock::default(),
            selector: None,
            debug: None,
            io_poll: IoPoll::default(),
        }
    }

    /// Takes the time from this clock instead of the monotonic one.
    pub fn clock(self, clock: impl Into<Clock>) -> Builder {
        Builder {
            clock: clock.into(),
            ..self
        }
    }

    /// Waits by this selector instead of the operating system's.
    pub fn selector(self, selector: Box<dyn Selector>) -> Builder {
        Builder {
            selector: Some(selector),
            ..self
        }
    }

    /// Switches debug mode on or off. Without this, it is on if the environment variable
    /// `OUROLOOP_DEBUG` is set to anything but nothing or `0`.
    pub fn debug(self, debug: bool) -> Builder {
        Builder {
            debug: Some(debug),
            ..self
        }
    }

    /// Sets when a loop that is never idle looks for I/O.
    pub fn io_poll(self, io_poll: IoPoll) -> Builder {
        Builder { io_poll, ..self }
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// [`LoopError::TooManyLoops`].
    pub fn build(self) -> Result<EventLoop, LoopError> {
        let selector = match self.selector {
            Some(selector) => selector,
            None => Box::new(MioSelector::new()),
        };
        let (id, generation) = inbox::claim()?;
        let inbox = inbox::inbox(id);
        inbox.open(generation, selector.waker());
        let clock = ClockReader::new(self.clock);
        let polling = PollState::new(self.io_poll, &clock);
        let debug = self.debug.unwrap_or_else(debug_from_environment);
        let event_loop = LoopRef(Rc::new(OtherThreadsUse::new(Inner {
            id,
            generation,
            pid: std::process::id(),
            clock,
            ready: ReadyQueue::default(),
            timers: Timers::new(),
            clients: RefCell::default(),
            users: Cell::new(0),
            running: Cell::new(false),
            stepping: Cell::new(false),
            stopping: Cell::new(false),
            closed: Cell::new(false),
            inbox,
            drained: RefCell::default(),
            remote: RemoteShared::new(LoopAddress::new(id, generation)),
            waits_virtually: selector.waits_virtually(),
            selector: RefCell::new(Some(selector)),
            io: RefCell::new(IoTable::default()),
            io_count: Cell::new(0),
            events: RefCell::default(),
            polling,
            exception_handler: RefCell::default(),
            debug: Cell::new(debug),
            slow_callback_ns: Cell::new(100_000_000),
            batch_order: RefCell::default(),
            batch_order_epoch: Cell::new(0),
            entry_observer: RefCell::default(),
            entry_observer_epoch: Cell::new(0),
            watched: Cell::new(debug),
            counters: Counters::default(),
        })));
        tracing::debug!(target: "ouroloop::core", loop_id = id.index(), "made an event loop");
        Ok(event_loop.handle())
    }
}

fn debug_from_environment() -> bool {
    asks_for_debug(std::env::var_os("OUROLOOP_DEBUG").as_deref())
}

fn asks_for_debug(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty() && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_mode_is_asked_for_by_anything_but_nothing_and_zero() {
        for (value, expected) in [
            (None, false),
            (Some(""), false),
            (Some("0"), false),
            (Some("1"), true),
        ] {
            assert_eq!(asks_for_debug(value.map(OsStr::new)), expected, "{value:?}");
        }
    }
}
