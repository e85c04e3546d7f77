//! "A coroutine or a task": what asyncio's functions take.

use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef};
use pin_project_lite::pin_project;

use crate::error::TaskError;
use crate::event_loop::{LoopTasks, running_tasks};
use crate::header::UNREPORTED;
use crate::promise::{Promise, PromiseFuture, PromiseValue};
use crate::task::{Task, TaskValue};
use crate::task_ref::{AsFutureRef, FutureRef};
use crate::wait::Wait;

/// Something that can be awaited: a coroutine (any future), or a task or promise that exists
/// already.
///
/// `wait_for` takes these. `&task` and `&promise` are awaitable where their result is `Clone`. Programs
/// name this trait only to write functions that take what asyncio's take.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Awaitable;
/// use ouroloop::{TaskError, create_task};
///
/// async fn twice<A: Awaitable<Output = u32>>(what: A) -> Result<u32, TaskError> {
///     Ok(2 * what.into_awaited().await?)
/// }
///
/// ouroloop::run(async {
///     assert_eq!(twice(async { 21 }).await.unwrap(), 42);
///     assert_eq!(twice(create_task(async { 21 })).await.unwrap(), 42);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
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

    /// Makes the future that awaits it in its caller's place: a coroutine runs as part of the calling task.
    ///
    /// The future gives the [`TaskError`] that a task or promise ended with; for a coroutine never one.
    ///
    /// # Cancellation
    ///
    /// A coroutine is dropped with the future; for a task or promise the request is passed on, as for
    /// [`Task`] and [`Promise`].
    fn into_awaited(self) -> Self::Awaited;

    /// Gives what is awaited, unless it is a coroutine, which does not exist beside its caller.
    fn existing(&self) -> Option<FutureRef>;
}

/// Something that can run beside its caller: a coroutine, which becomes a task, or what exists
/// already.
///
/// `gather`, `as_completed` and [`ensure_future`] take these. What runs in a task outlives the call that
/// made it, so a coroutine has to own what it uses. Programs name this trait only to write functions
/// that take what asyncio's take.
///
/// # Examples
///
/// ```
/// use ouroloop::{AsFutureRef, IntoTask, create_task};
///
/// ouroloop::run(async {
///     let made = async { 1 }.into_task(); // a new task
///     let task = create_task(async { 2 });
///     let same = (&task).into_task(); // the task that there is
///     assert_eq!(same.as_future_ref(), task.as_future_ref());
///     assert_eq!(made.await.unwrap() + same.await.unwrap(), 3);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run as a task",
    label = "neither a task nor a coroutine that owns what it uses",
    note = "pass `async move {{ ... }}` that borrows nothing, a `Task`, a `PromiseFuture`, or a reference to one whose result is `Clone`"
)]
pub trait IntoTask: Awaitable {
    /// Makes it run on `event_loop`, if it does not run yet.
    ///
    /// # Errors
    ///
    /// If a task has to be made: [`LoopError::Closed`] on a closed loop, and [`LoopError::Io`] on one that
    /// holds 16,777,215 tasks and scopes.
    #[track_caller]
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<Self::Output>, LoopError>;

    /// Makes it run on `event_loop` for those who keep the task to themselves, as `gather` does: one that is made
    /// here is not reported if the loop is closed while it is pending.
    ///
    /// # Errors
    ///
    /// As for [`into_task_on`](IntoTask::into_task_on).
    #[track_caller]
    fn into_own_task_on(self, event_loop: &LoopRef) -> Result<Eventual<Self::Output>, LoopError>
    where
        Self: Sized,
    {
        let is_new = self.existing().is_none();
        let eventual = self.into_task_on(event_loop)?;
        if let (true, Source::Task(task)) = (is_new, &eventual.source) {
            task.as_future_ref().0.set(UNREPORTED);
        }
        Ok(eventual)
    }

    /// Makes it run on the running loop, if it does not run yet.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes;
    /// [`into_task_on`](IntoTask::into_task_on) gives an error instead.
    #[track_caller]
    fn into_task(self) -> Eventual<Self::Output>
    where
        Self: Sized,
    {
        let tasks = running_tasks("into_task", ", or use `into_task_on(&event_loop)`");
        match self.into_task_on(&tasks.event_loop) {
            Ok(eventual) => eventual,
            Err(error) => panic!("into_task: {error}"),
        }
    }
}

/// Makes a task of a coroutine, and leaves tasks and promises as they are: asyncio's `ensure_future`.
///
/// For functions that take either. What they get can be awaited, cancelled and asked. To make a task of a
/// coroutine, [`create_task`](crate::create_task) is the plainer way.
///
/// On a loop that is not running: [`IntoTask::into_task_on`].
///
/// # Panics
///
/// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes.
///
/// # Differences from asyncio
///
/// A task or promise of another loop is no error yet: awaiting what this gives is
/// [`TaskError::WrongLoop`]. What is none of the three does not compile; any other awaitable goes into an
/// `async` block.
///
/// # Examples
///
/// ```
/// use ouroloop::{IntoTask, create_task, ensure_future};
/// use std::future::pending;
///
/// fn give_up(on: impl IntoTask<Output: 'static>) {
///     let task = ensure_future(on);
///     task.cancel();
///     println!("{} is not wanted any more", task.task_name().unwrap());
/// }
///
/// ouroloop::run(async {
///     let task = create_task(pending::<()>());
///     give_up(&task); // this very task
///     give_up(async { 42 }); // a new one, which never starts
///     assert!(task.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn ensure_future<A: IntoTask>(awaitable: A) -> Eventual<A::Output> {
    let tasks = running_tasks("ensure_future", ", or use `into_task_on(&event_loop)`");
    match awaitable.into_task_on(&tasks.event_loop) {
        Ok(eventual) => eventual,
        Err(error) => panic!("ensure_future: {error}"),
    }
}

pin_project! {
    /// The future of a coroutine that is awaited in its caller's place: what [`Awaitable::into_awaited`] gives
    /// for one.
    ///
    /// # Cancellation
    ///
    /// The coroutine is dropped with it.
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

/// Something that runs beside its caller, whatever kind of thing that is: what [`ensure_future`] makes of a
/// coroutine, a task or a promise.
///
/// Awaiting it gives the result: moved out if it was made of a handle by value, cloned if it was
/// made of a reference. What it has whatever it is made of, such as `cancel` and `done`, is on
/// [`FutureRef`], which this dereferences to.
///
/// # Errors
///
/// Awaiting it gives the errors of [`Task`] or [`Promise`], whichever it is of.
///
/// # Cancellation
///
/// The request is passed on to what runs, as for [`Task`]. Dropping it cancels nothing.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::Eventual;
/// use ouroloop::{IntoTask, create_future};
///
/// ouroloop::run(async {
///     let promise = create_future();
///     let work: [Eventual<u32>; 2] = [async { 1 }.into_task(), promise.future().into_task()];
///     promise.set_result(2).unwrap();
///     let mut sum = 0;
///     for eventual in work {
///         sum += eventual.await.unwrap();
///     }
///     assert_eq!(sum, 3);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct Eventual<T: 'static> {
    future: FutureRef,
    source: Source<T>,
}

enum Source<T: 'static> {
    /// The handle was given by value: its result is moved out.
    Task(Task<T>),
    Shared(Rc<dyn Fn() -> Result<T, TaskError>>),
}

impl<T> Eventual<T> {
    /// Makes one of whatever is waited for, and a way to get at its result once it is done.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::lowlevel::Eventual;
    /// use ouroloop::{AsFutureRef, create_future};
    ///
    /// ouroloop::run(async {
    ///     let promise = create_future();
    ///     let future = promise.future();
    ///     let half = Eventual::new(promise.as_future_ref(), move || future.result().map(|n| n / 2));
    ///     promise.set_result(84).unwrap();
    ///     assert_eq!(half.await.unwrap(), 42);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
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
            source: Source::Task(task),
        }
    }

    fn sharing(task: &Task<T>) -> Eventual<T>
    where
        T: Clone,
    {
        // SAFETY: the cell is that of a task of this type, and `inspect` reads.
        let other: Task<T> = unsafe { Task::new(task.as_future_ref().0) };
        Eventual::new(task.as_future_ref(), move || other.inspect(T::clone))
    }

    fn waiting_for(promise: PromiseFuture<T>) -> Eventual<T>
    where
        T: Clone,
    {
        Eventual::new(promise.as_future_ref(), move || promise.result().cloned())
    }

    /// Makes sure that a loop can wait for it: what is pending on another loop, or on one that is
    /// closed, becomes one that has ended with [`TaskError::WrongLoop`] or
    /// [`TaskError::LoopClosed`]. For those who implement [`IntoTask`].
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] if `event_loop` is closed.
    pub fn on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        let Some(error) = self.future.misuse_on(event_loop) else {
            return Ok(self);
        };
        let ended = event_loop.create_future::<T>()?;
        // It was made here, so it is pending.
        let _ = ended.set_error(error.clone());
        Ok(Eventual::new(ended.as_future_ref(), move || {
            Err(error.clone())
        }))
    }

    /// Takes the result, if it is done; that of a task is moved out, so that a second call gives
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

    /// Asks something of the value, if it is done, and leaves it where it is.
    ///
    /// # Errors
    ///
    /// As for [`take`](Eventual::take).
    pub fn inspect<R>(&self, look: impl Fn(&T) -> R) -> Result<R, TaskError> {
        match &self.source {
            Source::Task(task) => task.inspect(look),
            Source::Shared(result) => result().map(|value| look(&value)),
        }
    }

    /// Clones the result, if it is done.
    ///
    /// # Errors
    ///
    /// As for [`take`](Eventual::take).
    pub fn peek(&self) -> Result<T, TaskError>
    where
        T: Clone,
    {
        match &self.source {
            Source::Task(task) => task.inspect(T::clone),
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

impl<T> Deref for Eventual<T> {
    type Target = FutureRef;

    fn deref(&self) -> &FutureRef {
        &self.future
    }
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
///
/// # Cancellation
///
/// As described for [`Eventual`].
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
        ready!(this.wait.poll(cx))?;
        Poll::Ready(this.eventual.take())
    }
}

impl<T> IntoFuture for Eventual<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = EventualValue<T>;

    fn into_future(self) -> EventualValue<T> {
        EventualValue {
            wait: Wait::new(self.future.0.clone()),
            eventual: self,
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
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        self.on(event_loop)
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
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Eventual::of(self).on(event_loop)
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
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
        Eventual::sharing(self).on(event_loop)
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
            fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
                Eventual::waiting_for(self.future()).on(event_loop)
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
            fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<T>, LoopError> {
                Eventual::waiting_for(self.future()).on(event_loop)
            }
        }
    )*};
}

promises_are_awaitable!(Promise, PromiseFuture);
