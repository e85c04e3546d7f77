//! "A coroutine or a task": what asyncio's functions take.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef};
use pin_project_lite::pin_project;

use crate::error::TaskError;
use crate::event_loop::{LoopTasks, running_tasks};
use crate::promise::{Promise, PromiseFuture, PromiseValue};
use crate::task::{Task, TaskValue};
use crate::task_cell::TypedTask;
use crate::task_ref::{AsFutureRef, FutureRef};
use crate::wait::Wait;

/// Something that can be awaited: a coroutine (any future), or a task or promise that exists
/// already.
///
/// `wait_for` takes these. `&task` and `&promise` are awaitable where their result is `Clone`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a coroutine nor a task",
    label = "this cannot be awaited here",
    note = "pass a future, a `Task`, a `PromiseFuture`, or a reference to one whose result is `Clone`"
)]
pub trait Awaitable {
    /// What comes of it.
    type Output;
    /// The future that awaits it in its caller's place.
    type Awaited: Future<Output = Result<Self::Output, TaskError>>;

    /// Awaits it in its caller's place: a coroutine runs as part of the calling task.
    fn into_awaited(self) -> Self::Awaited;

    /// What is awaited, unless it is a coroutine, which does not exist beside its caller.
    fn existing(&self) -> Option<FutureRef>;
}

/// Something that can run beside its caller: a coroutine, which becomes a task, or what exists
/// already. This is asyncio's `ensure_future`.
///
/// `gather`, `as_completed` and `shield` take these. What runs in a task outlives the call that
/// made it, so a coroutine has to own what it uses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run as a task",
    label = "neither a task nor a coroutine that owns what it uses",
    note = "pass `async move {{ ... }}` that borrows nothing, a `Task`, a `PromiseFuture`, or a reference to one whose result is `Clone`"
)]
#[doc(alias = "ensure_future")]
pub trait IntoTask: Awaitable {
    /// Makes it run on `event_loop`, if it does not run yet.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] if a task has to be made and the loop is closed.
    #[track_caller]
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<Self::Output>, LoopError>;

    /// The same for those who keep the task to themselves, as `gather` does: one that is made here
    /// is not reported if the loop is closed while it is pending.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] if a task has to be made and the loop is closed.
    #[track_caller]
    fn into_own_task_on(self, event_loop: &LoopRef) -> Result<Eventual<Self::Output>, LoopError>
    where
        Self: Sized,
    {
        let is_new = self.existing().is_none();
        let eventual = self.into_task_on(event_loop)?;
        if let (true, Source::Task(task)) = (is_new, &eventual.source) {
            task.info().log_destroyed.set(false);
        }
        Ok(eventual)
    }

    /// Makes it run on the running loop, if it does not run yet.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    fn into_task(self) -> Eventual<Self::Output>
    where
        Self: Sized,
    {
        match self.into_task_on(&running_tasks().event_loop) {
            Ok(eventual) => eventual,
            Err(error) => panic!("cannot make a task: {error}"),
        }
    }
}

pin_project! {
    /// A coroutine that is awaited in its caller's place.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct InPlace<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = Result<F::Output, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(Ok)
    }
}

impl<F: Future> Awaitable for F {
    type Output = F::Output;
    type Awaited = InPlace<F>;

    fn into_awaited(self) -> InPlace<F> {
        InPlace { future: self }
    }

    fn existing(&self) -> Option<FutureRef> {
        None
    }
}

impl<F> IntoTask for F
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[track_caller]
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<F::Output>, LoopError> {
        Ok(Eventual::of(event_loop.create_task(self)?))
    }
}

/// The result of something that runs beside its caller, whatever kind of thing that is.
///
/// Awaiting it gives the result: moved out if it was made of a handle by value, cloned if it was
/// made of a reference.
pub struct Eventual<T: 'static> {
    future: FutureRef,
    source: Source<T>,
}

enum Source<T> {
    /// The handle was given by value: its result is moved out.
    Task(Rc<dyn TypedTask<T>>),
    Shared(Rc<dyn Fn() -> Result<T, TaskError>>),
}

impl<T> Eventual<T> {
    /// Made of whatever is waited for, and a way to get at its result once it is done: for those
    /// who build combinators.
    pub fn new(
        future: FutureRef,
        result: impl Fn() -> Result<T, TaskError> + 'static,
    ) -> Eventual<T> {
        Eventual {
            future,
            source: Source::Shared(Rc::new(result)),
        }
    }

    fn of(task: Task<T>) -> Eventual<T> {
        Eventual {
            future: task.as_future_ref(),
            source: Source::Task(task.typed().clone()),
        }
    }

    fn sharing(task: &Task<T>) -> Eventual<T>
    where
        T: Clone,
    {
        let typed = task.typed().clone();
        Eventual::new(task.as_future_ref(), move || read(&*typed, T::clone))
    }

    fn waiting_for(promise: PromiseFuture<T>) -> Eventual<T>
    where
        T: Clone,
    {
        Eventual::new(promise.as_future_ref(), move || promise.result().cloned())
    }

    /// The result, if it is done; that of a task is moved out, so that a second call gives
    /// [`TaskError::ResultTaken`].
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending; else what it ended with instead.
    pub fn take(&self) -> Result<T, TaskError> {
        match &self.source {
            // SAFETY: the task's handle was given by value, and this never lends its result.
            Source::Task(task) => unsafe { task.take() },
            Source::Shared(result) => result(),
        }
    }

    /// Asks something of the value, if it is done.
    ///
    /// # Errors
    ///
    /// As for [`take`](Eventual::take).
    pub fn inspect<R>(&self, look: impl Fn(&T) -> R) -> Result<R, TaskError> {
        match &self.source {
            Source::Task(task) => read(&**task, look),
            Source::Shared(result) => result().map(|value| look(&value)),
        }
    }

    /// The result, if it is done; it stays where it is.
    ///
    /// # Errors
    ///
    /// As for [`take`](Eventual::take).
    pub fn peek(&self) -> Result<T, TaskError>
    where
        T: Clone,
    {
        match &self.source {
            Source::Task(task) => read(&**task, T::clone),
            Source::Shared(result) => result(),
        }
    }
}

impl<T, E> Eventual<Result<T, E>> {
    /// Says that an `Err` of this is an error: see [`Task::expect_errors`]. Only tasks heed it.
    pub fn expect_errors(&self) {
        if let Source::Task(task) = &self.source {
            task.set_error_check(Result::is_err);
        }
    }
}

/// Looks at a task's result.
fn read<T, R>(task: &dyn TypedTask<T>, look: impl Fn(&T) -> R) -> Result<R, TaskError> {
    let mut seen = None;
    task.read(&mut |result| seen = Some(result.map(&look)));
    seen.unwrap_or(Err(TaskError::InvalidState))
}

impl<T> AsFutureRef for Eventual<T> {
    fn as_future_ref(&self) -> FutureRef {
        self.future.clone()
    }
}

impl<T> std::fmt::Debug for Eventual<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.future.fmt(f)
    }
}

/// The future of an [`Eventual`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct EventualValue<T: 'static> {
    eventual: Eventual<T>,
    wait: Wait,
}

impl<T> Unpin for EventualValue<T> {}

impl<T> Future for EventualValue<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(&this.eventual.future.0, cx))?;
        Poll::Ready(this.eventual.take())
    }
}

impl<T> IntoFuture for Eventual<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = EventualValue<T>;

    fn into_future(self) -> EventualValue<T> {
        let tasks = self.future.0.header().tasks.clone();
        EventualValue {
            eventual: self,
            wait: Wait::new(tasks),
        }
    }
}

impl<T> Awaitable for Eventual<T> {
    type Output = T;
    type Awaited = EventualValue<T>;

    fn into_awaited(self) -> EventualValue<T> {
        self.into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.future.clone())
    }
}

impl<T> IntoTask for Eventual<T> {
    fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Ok(self)
    }
}

impl<T> Awaitable for Task<T> {
    type Output = T;
    type Awaited = TaskValue<T>;

    fn into_awaited(self) -> TaskValue<T> {
        self.into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.as_future_ref())
    }
}

impl<T> IntoTask for Task<T> {
    fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Ok(Eventual::of(self))
    }
}

impl<T: Clone> Awaitable for &Task<T> {
    type Output = T;
    type Awaited = EventualValue<T>;

    fn into_awaited(self) -> EventualValue<T> {
        Eventual::sharing(self).into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.as_future_ref())
    }
}

impl<T: Clone> IntoTask for &Task<T> {
    fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Ok(Eventual::sharing(self))
    }
}

macro_rules! promises_are_awaitable {
    ($($promise:ident),*) => {$(
        impl<T: Clone> Awaitable for $promise<T> {
            type Output = T;
            type Awaited = PromiseValue<T>;

            fn into_awaited(self) -> PromiseValue<T> {
                self.into_future()
            }

            fn existing(&self) -> Option<FutureRef> {
                Some(self.as_future_ref())
            }
        }

        impl<T: Clone> IntoTask for $promise<T> {
            fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
                Ok(Eventual::waiting_for(self.future()))
            }
        }

        impl<T: Clone> Awaitable for &$promise<T> {
            type Output = T;
            type Awaited = EventualValue<T>;

            fn into_awaited(self) -> EventualValue<T> {
                Eventual::waiting_for(self.future()).into_future()
            }

            fn existing(&self) -> Option<FutureRef> {
                Some(self.as_future_ref())
            }
        }

        impl<T: Clone> IntoTask for &$promise<T> {
            fn into_task_on(self, _event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
                Ok(Eventual::waiting_for(self.future()))
            }
        }
    )*};
}

promises_are_awaitable!(Promise, PromiseFuture);
