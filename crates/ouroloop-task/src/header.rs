//! What every thing that can be awaited has: its loop, its state, and who is told of its end.

use std::cell::Cell;
use std::rc::Rc;

use crate::arena::NIL;
use crate::cancel::Frame;
use crate::error::{Cancelled, TaskError};
use crate::resource::ResourceState;
use crate::task_ref::{FutureRef, TaskInfo};
use crate::tasks::Tasks;

/// The part of a promise or a task that knows nothing of its value.
///
/// # Invariants
///
/// - `first..last` is the list of those to tell, in the order in which they asked; it is empty
///   from the moment that `DONE` is set and the list was fired.
/// - `CANCELLED` implies `ENDED_CANCELLED`, and that implies `DONE`.
pub(crate) struct Header {
    pub(crate) tasks: Rc<Tasks>,
    pub(crate) first: Cell<u32>,
    pub(crate) last: Cell<u32>,
    flags: Cell<u8>,
}

/// The outcome is there.
pub(crate) const DONE: u8 = 1;
/// The outcome is a cancellation: what `cancelled()` answers.
pub(crate) const CANCELLED: u8 = 1 << 1;
/// Who awaits it sees a cancellation: also a gather that stores one as its error.
pub(crate) const ENDED_CANCELLED: u8 = 1 << 2;
/// The outcome is an error that nobody has looked at.
pub(crate) const UNREAD: u8 = 1 << 3;
/// A request to cancel is being passed on: a circle of awaits refuses here.
pub(crate) const ASKING: u8 = 1 << 4;

impl Header {
    pub(crate) fn new(tasks: Rc<Tasks>) -> Header {
        Header {
            tasks,
            first: Cell::new(NIL),
            last: Cell::new(NIL),
            flags: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline]
    pub(crate) fn set(&self, flags: u8) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(crate) fn clear(&self, flags: u8) {
        self.flags.set(self.flags.get() & !flags);
    }

    #[inline]
    pub(crate) fn done(&self) -> bool {
        self.has(DONE)
    }

    /// Sets the flags that go with an outcome.
    pub(crate) fn finish(&self, error: Option<&TaskError>, unread: bool) {
        debug_assert!(!self.done());
        let cancelled = match error {
            Some(TaskError::Cancelled(_)) => CANCELLED | ENDED_CANCELLED,
            _ => 0,
        };
        self.set(DONE | cancelled | if unread { UNREAD } else { 0 });
    }
}

/// How a request to cancel begins at one thing.
pub(crate) enum Begun {
    /// It was cancelled there and then.
    Accepted,
    /// It asks others first: they were added to the frames, and `end_cancel` is called after them.
    Asking,
    /// It is done, or is being asked already.
    Refused,
}

/// What a task can wait for: a task, or a promise.
///
/// `begin_cancel` and `end_cancel` are called from one loop over an explicit stack, so that a
/// chain of any length is cancelled without recursion; neither runs a user's code.
pub(crate) trait Awaited {
    fn header(&self) -> &Header;

    fn begin_cancel(&self, request: &Cancelled, frames: &mut Vec<Frame>) -> Begun;

    /// Hears whether any of those that it asked accepted; answers for itself.
    fn end_cancel(&self, request: &Cancelled, accepted: bool) -> bool;

    /// The error that it ended with. A cancellation is one.
    fn error(&self) -> Option<TaskError>;

    /// Whether its outcome counts as an error that is not its cancellation.
    fn ended_in_error(&self) -> bool;

    /// What it is, for the wait graph; a task says it by [`Awaited::task`].
    fn state(&self) -> ResourceState {
        ResourceState::new("Task", None)
    }

    /// What else has to end before it does, as far as that is known.
    fn depends_on(&self) -> Vec<FutureRef> {
        Vec::new()
    }

    /// What is known of it if it is a task.
    fn task(&self) -> Option<&TaskInfo> {
        None
    }
}
