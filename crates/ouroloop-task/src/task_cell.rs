//! The cell of a task: its future while it runs, its outcome from then on, in one allocation.
//!
//! This is the one module that touches a pinned future through a shared pointer, and that lends
//! and moves results out of one.
//!
//! # State
//!
//! The stage holds the future (`FUTURE`), then the outcome (`OUTCOME`), then nothing, once the value was
//! taken; the flags are in the header. `poll` puts the output where the future was; `end` gives the
//! final word, which may replace that output by an error.
//!
//! # Safety
//!
//! All is in one thread: a cell is neither `Send` nor `Sync`, and nothing here hands it to another.
//! What remains is that no two references into the stage overlap when one of them is exclusive, and that
//! it is read as what it holds:
//!
//! - While it holds the future, only `poll` and `end` look into it, and each refuses while one of
//!   them is under way (`BUSY`): a future may close its own loop, which ends all other tasks.
//! - `OUTCOME` is set, and the `DONE` flag after it, before anybody else looks.
//! - The outcome leaves only by `CellRef::take_outcome`, whose contract excludes living loans, and with the
//!   cell.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::{ManuallyDrop, needs_drop, offset_of};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context as PollContext, Poll, Waker};

use ouroloop_core::{Context, ExceptionContext, PanicPayload, has_context, swap_context};

use crate::cancel::Frame;
use crate::error::{Cancelled, TaskError};
use crate::header::{
    Awaited, BUSY, Begun, CellRef, EXPECTS_ERRORS, FUTURE, Header, InCell, OUTCOME, Polled,
    READING, TaskCellRef, TaskVtable, UNREAD,
};
use crate::pool::{Key, NIL};
use crate::tasks::Tasks;

/// What every cell of a task begins with.
#[repr(C)]
pub(crate) struct TaskHead {
    pub(crate) header: Header,
    pub(crate) info: TaskInfo,
}

/// What the loop and the graph want to know of a task without knowing its type.
pub(crate) struct TaskInfo {
    /// Unique per loop, from 1.
    pub(crate) id: u64,
    /// Its root scope, which names its slot while it is not done.
    pub(crate) root: Cell<Key>,
    pub(crate) created_at: &'static Location<'static>,
    /// Where the task runs; while it runs, this is in the thread's place.
    pub(crate) context: Cell<Option<Context>>,
    extras: Cell<Option<Box<Extras>>>,
}

/// What few tasks ever have.
#[derive(Default)]
struct Extras {
    name: Option<Rc<str>>,
    /// The count of requests that it ended with.
    last_count: u32,
    /// Whether a value is an error, where the maker of the task knew: an [`ErrorCheck`] of its type of values.
    error_check: Option<Box<dyn Any>>,
}

impl TaskInfo {
    /// Lets the thread be in the task's context, and gives one that somebody left: a foreign waker that sets a
    /// variable, say. Its drop is anybody's code.
    #[inline(always)]
    pub(crate) fn enter_context(&self) -> Option<Context> {
        // SAFETY: the cell is of one thread, and the reference is gone at the end of this line.
        let has_own = unsafe { &*self.context.as_ptr() }.is_some();
        match has_own || has_context() {
            true => self.swap_in_context(),
            false => None,
        }
    }

    #[cold]
    fn swap_in_context(&self) -> Option<Context> {
        swap_context(self.context.take())
    }

    /// Keeps the thread's context, if there is one by now, for the task, and leaves none.
    #[inline(always)]
    pub(crate) fn leave_context(&self) {
        if has_context() {
            self.swap_out_context();
        }
    }

    #[cold]
    fn swap_out_context(&self) {
        self.context.set(swap_context(None));
    }

    #[cold]
    fn with_extras<R>(&self, change: impl FnOnce(&mut Extras) -> R) -> R {
        let mut extras = self.extras.take().unwrap_or_default();
        let result = change(&mut extras);
        self.extras.set(Some(extras));
        result
    }

    /// Looks at what is there, if anything is.
    #[cold]
    fn extra<R>(&self, look: impl FnOnce(&Extras) -> Option<R>) -> Option<R> {
        let extras = self.extras.take()?;
        let found = look(&extras);
        self.extras.set(Some(extras));
        found
    }

    pub(crate) fn name(&self) -> Rc<str> {
        self.with_extras(|extras| {
            let name = &mut extras.name;
            name.get_or_insert_with(|| format!("Task-{}", self.id).into())
                .clone()
        })
    }

    pub(crate) fn set_name(&self, name: Rc<str>) {
        self.with_extras(|extras| extras.name = Some(name));
    }

    /// The count of requests that it ended with.
    pub(crate) fn last_count(&self) -> u32 {
        let count = self.extra(|extras| Some(extras.last_count));
        count.unwrap_or(0)
    }

    pub(crate) fn set_last_count(&self, count: u32) {
        self.with_extras(|extras| extras.last_count = count);
    }

    /// Of a task whose values are of type `T`.
    pub(crate) fn set_error_check<T: 'static>(&self, is_error: ErrorCheck<T>) {
        self.with_extras(|extras| extras.error_check = Some(Box::new(is_error)));
    }

    /// The same; what was set for such values.
    fn error_check<T: 'static>(&self) -> Option<ErrorCheck<T>> {
        self.extra(|extras| extras.error_check.as_ref()?.downcast_ref().copied())
    }

    /// The task in words, for messages.
    pub(crate) fn describe(&self) -> String {
        format!("task {:?}", self.name())
    }
}

#[repr(C)]
pub(crate) struct TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    head: TaskHead,
    stage: UnsafeCell<Stage<F, C::Value>>,
}

/// Whether a value is an error: see `Task::expect_errors`.
pub(crate) type ErrorCheck<T> = fn(&T) -> bool;

// In C's layout both begin where it begins.
#[repr(C)]
union Stage<F, T> {
    future: ManuallyDrop<F>,
    outcome: ManuallyDrop<Result<T, TaskError>>,
}

/// What a task makes of the output of its future; fixed when it is made.
pub(crate) trait Conclude<O> {
    type Value;
    fn conclude(output: O) -> Result<Self::Value, TaskError>;
}

/// The output is the value, whatever it is.
pub(crate) struct Plainly;

impl<O> Conclude<O> for Plainly {
    type Value = O;
    fn conclude(output: O) -> Result<O, TaskError> {
        Ok(output)
    }
}

/// An `Err` is the error of the task, which all who wait for it share.
pub(crate) struct Fallibly;

impl<T, E> Conclude<Result<T, E>> for Fallibly
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Value = T;
    fn conclude(output: Result<T, E>) -> Result<T, TaskError> {
        output.map_err(TaskError::failed)
    }
}

// SAFETY: `repr(C)`, and a `TaskHead` comes first. The functions cast the header back to this very type.
unsafe impl<F, C> InCell for TaskCell<F, C>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    const TASK: Option<TaskVtable> = Some(TaskVtable {
        poll: poll::<F, C>,
        end: end::<F, C>,
        outcome: offset_of!(TaskCell<F, C>, stage),
    });
}

/// # Safety
///
/// The header is that of a live cell of this type.
unsafe fn poll<F, C>(header: NonNull<Header>, waker: &Waker) -> Polled
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    // SAFETY: the header of a live cell of this type, by the caller's word.
    unsafe { header.cast::<TaskCell<F, C>>().as_ref() }.poll(waker)
}

/// # Safety
///
/// As for `poll`.
unsafe fn end<F, C>(header: NonNull<Header>, error: Option<TaskError>) -> Result<(), PanicPayload>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    // SAFETY: as for `poll`.
    unsafe { header.cast::<TaskCell<F, C>>().as_ref() }.end(error)
}

impl<F, C> TaskCell<F, C>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    /// Makes a cell to which there are two pointers.
    // Field by field: what is put together elsewhere and moved here as a whole is slow to read back.
    #[inline]
    pub(crate) fn make(
        tasks: &Rc<Tasks>,
        root: Key,
        future: F,
        context: Option<Context>,
        created_at: &'static Location<'static>,
    ) -> TaskCellRef {
        let id = tasks.next_id();
        let fill = |place: NonNull<Self>| {
            let place = place.as_ptr();
            // SAFETY: a place in the block that is being filled.
            let info = unsafe { &raw mut (*place).head.info };
            // SAFETY: as above; what is there is not initialized yet.
            unsafe {
                info.write(TaskInfo {
                    id,
                    root: Cell::new(root),
                    created_at,
                    context: Cell::new(context),
                    extras: Cell::new(None),
                });
            }
            // SAFETY: as above.
            let stage = unsafe { &raw mut (*place).stage };
            // SAFETY: as above; a stage begins with its future, if it has one.
            unsafe { stage.cast::<F>().write(future) };
        };
        // SAFETY: that was all but the header, and no panic.
        let cell = unsafe { CellRef::new(Rc::clone(tasks), 2, fill) };
        // SAFETY: such cells are those of tasks.
        unsafe { TaskCellRef::new(cell) }
    }

    #[inline]
    fn poll(&self, waker: &Waker) -> Polled {
        let header = &self.head.header;
        let _busy = Busy::begin(header, FUTURE);
        // SAFETY: it is there, and exclusive: `BUSY` keeps a second `poll`, and `end`, out; nobody else
        // looks into a stage that holds a future.
        let future = unsafe { &mut *self.stage.get().cast::<F>() };
        // SAFETY: a cell is never moved, and the future in it is only ever dropped in place.
        let future = unsafe { Pin::new_unchecked(future) };
        let Poll::Ready(output) = future.poll(&mut PollContext::from_waker(waker)) else {
            return Polled::Pending;
        };
        let outcome = C::conclude(output);
        let polled = match outcome.is_ok() && !header.has(EXPECTS_ERRORS) {
            true => Polled::Value,
            false => Polled::Output,
        };
        // SAFETY: the references above are not used any more, and `BUSY` keeps others out.
        if let Err(payload) = unsafe { self.replace(outcome) } {
            payload.resume();
        }
        polled
    }

    fn end(&self, error: Option<TaskError>) -> Result<(), PanicPayload> {
        let header = &self.head.header;
        let _busy = Busy::begin(header, 0);
        let dropped = match error {
            // SAFETY: exclusive: `BUSY` keeps `poll`, and a second `end`, out; `DONE`, which lets
            // others look, is set below.
            Some(error) => unsafe { self.replace(Err(error)) },
            None => Ok(()),
        };
        let error = match self.outcome() {
            Some(Err(error)) => Some(error),
            _ => None,
        };
        let unread = match error {
            Some(error) => matches!(error, TaskError::Panicked(_) | TaskError::Failed(_)),
            None => self.ended_in_error(),
        };
        header.finish(error, unread);
        dropped
    }

    /// Drops what the stage holds, and puts the outcome there; the panic of that drop is handed back.
    ///
    /// # Safety
    ///
    /// No reference into the stage is alive, and none is made while this runs.
    #[inline]
    unsafe fn replace(&self, outcome: Result<C::Value, TaskError>) -> Result<(), PanicPayload> {
        let dropped = if needs_drop::<F>() || self.head.header.has(OUTCOME) {
            // SAFETY: by the contract of this function.
            catch_unwind(AssertUnwindSafe(|| unsafe { self.drop_stage() }))
                .map_err(PanicPayload::from_payload)
        } else {
            Ok(())
        };
        self.head.header.clear(FUTURE);
        // SAFETY: nothing is there, and nobody looks, by the contract of this function.
        unsafe {
            self.stage
                .get()
                .cast::<Result<C::Value, TaskError>>()
                .write(outcome)
        };
        self.head.header.set(OUTCOME);
        dropped
    }

    /// Drops what the stage holds, in its place, as a pinned future asks.
    ///
    /// # Safety
    ///
    /// No reference into the stage is alive, and none is made while this runs.
    unsafe fn drop_stage(&self) {
        let (header, stage) = (&self.head.header, self.stage.get());
        // First the flag: what panics while it is dropped is not dropped again.
        if header.has(FUTURE) {
            header.clear(FUTURE);
            // SAFETY: it was there, and is not regarded as there any more.
            unsafe { stage.cast::<F>().drop_in_place() };
        }
        if header.has(OUTCOME) {
            header.clear(OUTCOME);
            // SAFETY: as above.
            unsafe { stage.cast::<Result<C::Value, TaskError>>().drop_in_place() };
        }
    }

    /// Looks at the outcome, if there is one.
    fn outcome(&self) -> Option<&Result<C::Value, TaskError>> {
        if !self.head.header.has(OUTCOME) {
            return None;
        }
        // SAFETY: it is there. Those who call this do not keep it while they call what could take it.
        Some(unsafe { &*self.stage.get().cast::<Result<C::Value, TaskError>>() })
    }
}

impl<F, C> Awaited for TaskCell<F, C>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    fn begin_cancel(&self, _request: &Cancelled, frames: &mut Vec<Frame>) -> Begun {
        let TaskHead { header, info } = &self.head;
        header
            .tasks()
            .begin_cancel_task(header, info.root.get(), frames)
    }

    fn end_cancel(&self, request: &Cancelled, accepted: bool) -> bool {
        let TaskHead { header, info } = &self.head;
        let root = info.root.get();
        header
            .tasks()
            .end_cancel_task(header, root, request, accepted)
    }

    fn error(&self) -> Option<TaskError> {
        match self.outcome() {
            Some(Err(error)) if self.head.header.done() => Some(error.clone()),
            _ => None,
        }
    }

    fn ended_in_error(&self) -> bool {
        match self.outcome() {
            Some(Err(_)) => true,
            Some(Ok(value)) if self.head.header.has(EXPECTS_ERRORS) => {
                let is_error = self.head.info.error_check::<C::Value>();
                is_error.is_some_and(|is_error| is_error(value))
            }
            _ => false,
        }
    }
}

/// A future is being polled or dropped, also if that panics.
struct Busy<'a>(&'a Header);

impl<'a> Busy<'a> {
    /// The cell has what is `needed`.
    #[inline]
    fn begin(header: &'a Header, needed: u32) -> Busy<'a> {
        let flags = header.flags();
        if flags & (BUSY | needed) != needed {
            refuse(flags);
        }
        header.set(BUSY);
        Busy(header)
    }
}

#[cold]
fn refuse(flags: u32) -> ! {
    assert!(
        flags & BUSY == 0,
        "a future is neither polled nor dropped within its own poll or drop"
    );
    unreachable!("a task is not scheduled after its end")
}

impl Drop for Busy<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.clear(BUSY);
    }
}

/// A look at a value under way, also if it panics: meanwhile it stays where it is.
pub(crate) struct Reading<'a> {
    header: &'a Header,
    outer: bool,
}

impl Reading<'_> {
    pub(crate) fn begin(header: &Header) -> Reading<'_> {
        let outer = header.has(READING);
        header.set(READING);
        Reading { header, outer }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.outer {
            self.header.clear(READING);
        }
    }
}

impl<F, C> Drop for TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    #[inline]
    fn drop(&mut self) {
        let TaskHead { header, info } = &self.head;
        debug_assert_eq!(header.told.first.get(), NIL, "who waits keeps it");
        let flags = header.flags();
        if flags & UNREAD != 0 {
            let report = ExceptionContext::new("Task exception was never retrieved");
            // SAFETY: as long as `OUTCOME` is set there is one, and `&mut self` is exclusive.
            let error = (flags & OUTCOME != 0).then(|| unsafe { &*self.stage.get_mut().outcome });
            let report = match error {
                Some(Err(error)) => error.clone().describe_in(report),
                _ => report,
            };
            header.tasks().report(report, info);
        }
        let stage = self.stage.get_mut();
        if flags & FUTURE != 0 {
            // SAFETY: it is there, and the cell goes.
            unsafe { ManuallyDrop::drop(&mut stage.future) };
        }
        if flags & OUTCOME != 0 {
            // SAFETY: as above.
            unsafe { ManuallyDrop::drop(&mut stage.outcome) };
        }
    }
}
