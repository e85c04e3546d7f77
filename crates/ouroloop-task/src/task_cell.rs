//! The cell of a task: its future while it runs, its outcome from then on, in one allocation.
//!
//! This is the one module that touches a pinned future through a shared pointer, and that lends
//! and moves results out of one.
//!
//! # State
//!
//! `Future -> Done -> Taken`, never back. [`TaskObject::poll`] stores the output where the future
//! was; [`TaskObject::end`] gives the final word, which may replace that output by an error.
//!
//! # Safety
//!
//! All is in one thread: a cell is neither `Send` nor `Sync`, and nothing here hands it to another.
//! What remains is that no two references to `stage` overlap when one of them is exclusive:
//!
//! - While the stage is `Future`, only `poll` and `end` look into it, and each refuses while one of
//!   them is under way (`busy`): a future may close its own loop, which ends all other tasks.
//! - `Done` is set, and the `DONE` flag after it, before anybody else looks.
//! - `Done` is left only by `take`, whose contract excludes living loans.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ouroloop_core::{ExceptionContext, PanicPayload};

use crate::cancel::Frame;
use crate::error::{Cancelled, TaskError};
use crate::header::{Awaited, Begun, Header, UNREAD};
use crate::task_ref::TaskInfo;

pub(crate) struct TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    header: Header,
    info: TaskInfo,
    /// Whether a value is an error, where the maker of the task knew: see `set_error_check`.
    is_error: Cell<Option<ErrorCheck<C::Value>>>,
    /// A value is being looked at through `read`.
    reading: Cell<bool>,
    /// The future is being polled, or dropped by `end`.
    busy: Cell<bool>,
    stage: UnsafeCell<Stage<F, C::Value>>,
}

/// Whether a value is an error.
type ErrorCheck<T> = fn(&T) -> bool;

enum Stage<F, T> {
    Future(F),
    Done(Result<T, TaskError>),
    Taken,
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

/// A task, whatever its future and its value.
pub(crate) trait TaskObject: Awaited {
    fn info(&self) -> &TaskInfo;

    /// Whether its future is being polled or dropped right now, further out on the stack.
    fn is_busy(&self) -> bool;

    /// Polls the future; an output is kept.
    fn poll(&self, waker: &Waker) -> Poll<()>;

    /// Ends the task with an error, or with the output that was kept. The future, or a value that
    /// an error replaces, is dropped here; its panic is handed back.
    fn end(&self, error: Option<TaskError>) -> Result<(), PanicPayload>;

    fn into_awaited(self: Rc<Self>) -> Rc<dyn Awaited>;
}

/// A task whose value is a `T`.
pub(crate) trait TypedTask<T>: TaskObject {
    /// Looks at the outcome for as long as `look` runs.
    fn read(&self, look: &mut dyn FnMut(Result<&T, TaskError>));

    /// Lends the outcome.
    ///
    /// # Safety
    ///
    /// `take` must not be called while the loan lives.
    unsafe fn lend(&self) -> Result<&T, TaskError>;

    /// Moves the outcome out.
    ///
    /// # Safety
    ///
    /// Nothing that `lend` gave out may be alive.
    unsafe fn take(&self) -> Result<T, TaskError>;

    /// Tells the task how to know an error among its values: from then on an error wins over an
    /// undelivered cancellation, and is reported if nobody ever looks at it.
    fn set_error_check(&self, is_error: fn(&T) -> bool);

    fn into_object(self: Rc<Self>) -> Rc<dyn TaskObject>;
}

impl<F, C> TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    pub(crate) fn new(future: F, header: Header, info: TaskInfo) -> Self {
        TaskCell {
            header,
            info,
            is_error: Cell::new(None),
            reading: Cell::new(false),
            busy: Cell::new(false),
            stage: UnsafeCell::new(Stage::Future(future)),
        }
    }

    /// Replaces the stage; the panic of what is dropped is handed back.
    ///
    /// # Safety
    ///
    /// No reference into the stage may be alive, and a future in it is never polled again.
    unsafe fn replace(&self, stage: Stage<F, C::Value>) -> Result<(), PanicPayload> {
        let place = self.stage.get();
        catch_unwind(AssertUnwindSafe(|| {
            // The assignment drops the old stage where it is, as a pinned future asks, and
            // writes the new one even if that drop panics.
            // SAFETY: exclusive, by the contract of this function; `place` is valid, since it
            // comes from a cell that `&self` keeps alive.
            unsafe { *place = stage };
        }))
        .map_err(PanicPayload::from_payload)
    }

    /// # Safety
    ///
    /// No exclusive reference into the stage may be made while this one lives.
    unsafe fn stage(&self) -> &Stage<F, C::Value> {
        // SAFETY: shared, by the contract of this function.
        unsafe { &*self.stage.get() }
    }

    fn outcome(stage: &Stage<F, C::Value>) -> Result<&C::Value, TaskError> {
        match stage {
            Stage::Future(_) => Err(TaskError::InvalidState),
            Stage::Done(Ok(value)) => Ok(value),
            Stage::Done(Err(error)) => Err(error.clone()),
            Stage::Taken => Err(TaskError::ResultTaken),
        }
    }
}

impl<F, C> Awaited for TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    fn header(&self) -> &Header {
        &self.header
    }

    fn begin_cancel(&self, _request: &Cancelled, frames: &mut Vec<Frame>) -> Begun {
        let root = self.info.root.get();
        self.header.tasks.begin_cancel_task(self, root, frames)
    }

    fn end_cancel(&self, request: &Cancelled, accepted: bool) -> bool {
        let root = self.info.root.get();
        self.header
            .tasks
            .end_cancel_task(self, root, request, accepted)
    }

    fn error(&self) -> Option<TaskError> {
        if !self.header.done() {
            return None;
        }
        // SAFETY: `DONE` is set, so the stage is not written again but by `take`, which runs no
        // user's code and so cannot happen before this returns.
        match unsafe { self.stage() } {
            Stage::Done(Err(error)) => Some(error.clone()),
            _ => None,
        }
    }

    fn ended_in_error(&self) -> bool {
        // SAFETY: called by `Tasks` right after `poll` kept an output, or by others once `DONE` is
        // set; the only writer left is `take`, which cannot happen before this returns.
        match unsafe { self.stage() } {
            Stage::Done(Err(_)) => true,
            Stage::Done(Ok(value)) => self.is_error.get().is_some_and(|is_error| is_error(value)),
            Stage::Future(_) | Stage::Taken => false,
        }
    }

    fn task(&self) -> Option<&TaskInfo> {
        Some(&self.info)
    }
}

impl<F, C> TaskObject for TaskCell<F, C>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    fn info(&self) -> &TaskInfo {
        &self.info
    }

    fn is_busy(&self) -> bool {
        self.busy.get()
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        let _busy = Flag::raise(&self.busy);
        // SAFETY: exclusive: `busy` keeps a second `poll`, and `end`, out; nobody else looks into
        // a stage that is not done.
        let stage = unsafe { &mut *self.stage.get() };
        let Stage::Future(future) = stage else {
            unreachable!("a task is not scheduled after its end");
        };
        // SAFETY: the cell is behind an `Rc` and never moved, and the future in it is only ever
        // dropped in place, by `replace`.
        let future = unsafe { Pin::new_unchecked(future) };
        let Poll::Ready(output) = future.poll(&mut Context::from_waker(waker)) else {
            return Poll::Pending;
        };
        // SAFETY: the references above are not used any more; the future is done.
        let dropped = unsafe { self.replace(Stage::Done(C::conclude(output))) };
        if let Err(payload) = dropped {
            payload.resume();
        }
        Poll::Ready(())
    }

    fn end(&self, error: Option<TaskError>) -> Result<(), PanicPayload> {
        let _busy = Flag::raise(&self.busy);
        let dropped = match error {
            // SAFETY: exclusive: `busy` keeps `poll`, and a second `end`, out; `DONE`, which lets
            // others look, is set below.
            Some(error) => unsafe { self.replace(Stage::Done(Err(error))) },
            None => Ok(()),
        };
        // SAFETY: nobody writes to the stage from here to the end of the borrow.
        let error = match unsafe { self.stage() } {
            Stage::Done(Err(error)) => Some(error),
            _ => None,
        };
        let unread = match error {
            Some(error) => matches!(error, TaskError::Panicked(_) | TaskError::Failed(_)),
            None => self.ended_in_error(),
        };
        self.header.finish(error, unread);
        dropped
    }

    fn into_awaited(self: Rc<Self>) -> Rc<dyn Awaited> {
        self
    }
}

impl<F, C> TypedTask<C::Value> for TaskCell<F, C>
where
    F: Future + 'static,
    C: Conclude<F::Output> + 'static,
{
    fn read(&self, look: &mut dyn FnMut(Result<&C::Value, TaskError>)) {
        if !self.header.done() {
            return look(Err(TaskError::InvalidState));
        }
        self.header.clear(UNREAD);
        let _reading = Reading {
            flag: &self.reading,
            outer: self.reading.replace(true),
        };
        // SAFETY: `DONE` is set; `take`, the only writer left, refuses while `reading` is.
        look(Self::outcome(unsafe { self.stage() }));
    }

    unsafe fn lend(&self) -> Result<&C::Value, TaskError> {
        if !self.header.done() {
            return Err(TaskError::InvalidState);
        }
        self.header.clear(UNREAD);
        // SAFETY: `DONE` is set; `take`, the only writer left, is excluded by the caller.
        Self::outcome(unsafe { self.stage() })
    }

    unsafe fn take(&self) -> Result<C::Value, TaskError> {
        if !self.header.done() {
            return Err(TaskError::InvalidState);
        }
        if self.reading.get() {
            return Err(TaskError::ResultTaken);
        }
        self.header.clear(UNREAD);
        // SAFETY: `DONE` is set, no loan lives by the caller's word, and nobody reads.
        let stage = unsafe { &mut *self.stage.get() };
        if let Stage::Done(Err(error)) = stage {
            return Err(error.clone());
        }
        match std::mem::replace(stage, Stage::Taken) {
            Stage::Done(outcome) => outcome,
            Stage::Future(_) | Stage::Taken => Err(TaskError::ResultTaken),
        }
    }

    fn set_error_check(&self, is_error: fn(&C::Value) -> bool) {
        self.is_error.set(Some(is_error));
        if self.header.done() && self.ended_in_error() {
            self.header.set(UNREAD);
        }
    }

    fn into_object(self: Rc<Self>) -> Rc<dyn TaskObject> {
        self
    }
}

/// A flag that is up, also if what happens meanwhile panics.
struct Flag<'a>(&'a Cell<bool>);

impl<'a> Flag<'a> {
    fn raise(flag: &'a Cell<bool>) -> Flag<'a> {
        assert!(
            !flag.replace(true),
            "a future is neither polled nor dropped within its own poll or drop"
        );
        Flag(flag)
    }
}

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A look at the value under way, also if it panics.
struct Reading<'a> {
    flag: &'a Cell<bool>,
    outer: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.flag.set(self.outer);
    }
}

impl<F, C> Drop for TaskCell<F, C>
where
    F: Future,
    C: Conclude<F::Output>,
{
    fn drop(&mut self) {
        let tasks = &self.header.tasks;
        tasks.bury(&self.header);
        if self.header.has(UNREAD) {
            let report = ExceptionContext::new("Task exception was never retrieved");
            let report = match self.stage.get_mut() {
                Stage::Done(Err(error)) => error.clone().describe_in(report),
                _ => report,
            };
            tasks.report(report, &self.info);
        }
    }
}
