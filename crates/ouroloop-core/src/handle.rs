//! Handles: what `call_soon` and its kin return, and what the ready queue holds.
//!
//! A scheduled callback is one allocation, a [`HandleCell`], shared by the queue (or the wheel)
//! and by the handle that the caller got. Cancelling takes the callback out of the cell and drops
//! it at once; the queue finds an empty cell later and skips it.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_timer::TimerKey;

use crate::{Context, LoopRef, swap_context};

/// A callback that was scheduled to run once: asyncio's `Handle`.
///
/// Dropping the handle loses nothing: the callback runs all the same.
///
/// # Examples
///
/// ```
/// use ouroloop::{bare_yield, get_running_loop};
///
/// ouroloop::run(async {
///     let event_loop = get_running_loop().unwrap();
///     let handle = event_loop.call_soon(|| unreachable!("it is cancelled")).unwrap();
///     handle.cancel();
///     assert!(handle.cancelled());
///     bare_yield().await;
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) cell: Rc<dyn Scheduled>,
}

impl Handle {
    /// Prevents the callback from running, and drops it now. Idempotent; without effect on a
    /// callback that has run.
    pub fn cancel(&self) {
        self.cell.cancel();
    }

    /// Tells whether [`cancel`](Self::cancel) was called.
    pub fn cancelled(&self) -> bool {
        self.cell.shared().cancelled.get()
    }

    /// Gives the context that the callback runs in: a copy of the one that was current when it was
    /// scheduled, unless it was given one.
    #[doc(alias = "get_context")]
    pub fn context(&self) -> Context {
        self.cell.shared().context.get_or_init(Context::new).clone()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.cell.shared();
        f.debug_struct("Handle")
            .field("cancelled", &shared.cancelled.get())
            .field("created_at", &format_args!("{}", shared.created_at))
            .finish()
    }
}

/// A callback that was scheduled for a moment of the loop's time: asyncio's `TimerHandle`.
///
/// Dropping the handle loses nothing: the callback runs all the same.
///
/// # Examples
///
/// ```
/// use ouroloop::get_running_loop;
/// use std::time::Duration;
///
/// ouroloop::run(async {
///     let event_loop = get_running_loop().unwrap();
///     let timer = event_loop.call_at(Duration::from_secs(3600), || {}).unwrap();
///     assert_eq!(timer.when(), Duration::from_secs(3600));
///     timer.cancel();
///     assert_eq!(event_loop.statistics().timers, 0);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    pub(crate) handle: Handle,
    pub(crate) event_loop: LoopRef,
    pub(crate) key: TimerKey,
    pub(crate) when_ns: u64,
}

impl TimerHandle {
    /// Prevents the callback from running, drops it now, and takes it out of the loop's timers.
    pub fn cancel(&self) {
        self.handle.cancel();
        self.event_loop.cancel_timer(self.key);
    }

    /// Tells whether [`cancel`](Self::cancel) was called.
    pub fn cancelled(&self) -> bool {
        self.handle.cancelled()
    }

    /// Gives the context that the callback runs in.
    #[doc(alias = "get_context")]
    pub fn context(&self) -> Context {
        self.handle.context()
    }

    /// Gives the loop's time at which the callback is due.
    pub fn when(&self) -> Duration {
        Duration::from_nanos(self.when_ns)
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when())
            .field("cancelled", &self.cancelled())
            .field(
                "created_at",
                &format_args!("{}", self.handle.cell.shared().created_at),
            )
            .finish()
    }
}

/// What the ready queue and the wheel know of a callback.
pub(crate) trait Scheduled {
    /// Runs the callback in its context, unless it was cancelled. Leaves that context in place:
    /// the batch takes it away, so that a report of a panic is made inside it.
    fn run(&self, event_loop: &LoopRef);

    fn cancel(&self);

    fn shared(&self) -> &HandleShared;
}

/// The part of a cell that does not depend on the callback's type.
pub(crate) struct HandleShared {
    pub(crate) cancelled: Cell<bool>,
    /// Unset: an empty context, which is not made before somebody looks at it.
    pub(crate) context: OnceCell<Context>,
    pub(crate) created_at: &'static Location<'static>,
}

impl HandleShared {
    pub(crate) fn new(context: Option<Context>, created_at: &'static Location<'static>) -> Self {
        let context = context.map_or_else(OnceCell::new, OnceCell::from);
        HandleShared {
            cancelled: Cell::new(false),
            context,
            created_at,
        }
    }

    #[inline]
    pub(crate) fn enter_context(&self) {
        if let Some(context) = self.context.get() {
            swap_context(Some(context.clone()));
        }
    }
}

/// A callback that runs once, with its handle.
pub(crate) struct HandleCell<F> {
    shared: HandleShared,
    callback: Cell<Option<F>>,
}

impl<F: FnOnce() + 'static> HandleCell<F> {
    pub(crate) fn scheduled(
        callback: F,
        context: Option<Context>,
        created_at: &'static Location<'static>,
    ) -> Rc<dyn Scheduled> {
        Rc::new(HandleCell {
            shared: HandleShared::new(context, created_at),
            callback: Cell::new(Some(callback)),
        })
    }
}

impl<F: FnOnce() + 'static> Scheduled for HandleCell<F> {
    fn run(&self, _event_loop: &LoopRef) {
        if let Some(callback) = self.callback.take() {
            self.shared.enter_context();
            callback();
        }
    }

    fn cancel(&self) {
        self.shared.cancelled.set(true);
        drop(self.callback.take());
    }

    fn shared(&self) -> &HandleShared {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_with_a_small_capture_fits_in_64_bytes() {
        fn size<F: FnOnce() + 'static>(_: F) -> usize {
            // The counts of the Rc come on top.
            size_of::<HandleCell<F>>() + 2 * size_of::<usize>()
        }
        let word = 1_u64;
        assert!(size(move || assert_eq!(word, 1)) <= 64);
    }

    #[test]
    fn cancelling_drops_the_callback_at_once() {
        let alive = Rc::new(());
        let capture = alive.clone();
        let cell = HandleCell::scheduled(move || drop(capture), None, Location::caller());
        let handle = Handle { cell };
        assert_eq!(Rc::strong_count(&alive), 2);
        handle.cancel();
        assert_eq!(Rc::strong_count(&alive), 1);
        handle.cancel();
        assert!(handle.cancelled());
    }

    #[test]
    fn the_context_of_a_handle_is_one_and_the_same() {
        let handle = Handle {
            cell: HandleCell::scheduled(|| {}, None, Location::caller()),
        };
        assert!(handle.context().same_as(&handle.context()));
    }
}
