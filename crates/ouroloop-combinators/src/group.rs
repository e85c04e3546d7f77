//! `TaskGroup`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ouroloop_task::{
    AsFutureRef, Cancelled, CancelledBy, FutureRef, Resource, ResourceState, Scope, ScopeHandle,
    Task, TaskBuilder, TaskError, TaskRef, Waiter, WaiterKey,
};
use pin_project_lite::pin_project;

use crate::caller::Caller;
use crate::error::ExceptionGroup;

/// Runs `body` with a group of tasks, and waits for all of them: asyncio's
/// `async with TaskGroup() as tg`.
///
/// The first child that fails, other than by cancellation, ends the group: the other children and
/// the body are cancelled, and all are waited for. A body that fails does the same to the children.
/// The handle of the group can be cloned into children, which may add more.
///
/// Children own what they use (`'static`), though they need not be `Send`. Letting them borrow from
/// the caller was tried: a group whose future is leaked, or dropped by a `select!`, ends before its
/// children do, and they would be left with dangling references; stable Rust has no way to forbid
/// that. Share by `Rc`, which costs no atomics here.
///
/// # Errors
///
/// [`ExceptionGroup`] with all errors in the order in which they came, that of the body last. A
/// child that was merely cancelled is none. If [`TaskGroup::cancel`] ended the body there is no value either:
/// that is an `ExceptionGroup` of nothing, and no error at all if
/// [`unless_cancelled`](TaskGroupRun::unless_cancelled) is said.
///
/// # Cancellation
///
/// The children are cancelled and waited for, and then the cancellation goes on, unless there were
/// errors: those win, and the task is cancelled at its next await instead. Dropped without that, by
/// a `select!` for example, the group cancels its children and does not wait.
///
/// # Ordering
///
/// Children start in the order of their creation, in the next iteration, and are cancelled in that
/// order. One that has not started then never runs. Leaving the group takes one iteration more than
/// its last child, and none if it has no child.
///
/// # Panics
///
/// Outside of a task, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, task_group};
/// use std::{error::Error, io};
///
/// #[ouroloop::main]
/// async fn main() -> io::Result<()> {
///     let sum = task_group(async |tg| {
///         let one = tg.create_task(async { Ok::<_, TaskError>(1) })?;
///         let two = tg.create_task(async { Ok::<_, TaskError>(2) })?;
///         Ok::<_, Box<dyn Error + Send + Sync>>(one.await? + two.await?)
///     })
///     .await?;
///     assert_eq!(sum, 3);
///     Ok(())
/// }
/// ```
#[doc(alias = "TaskGroup")]
#[track_caller]
pub fn task_group<R, E>(
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> TaskGroupRun<impl Future<Output = Result<Option<R>, ExceptionGroup>>>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    TaskGroupRun {
        run: run_group(body, Caller::of("task_group")),
    }
}

pin_project! {
    /// The future of [`task_group`].
    ///
    /// # Cancellation
    ///
    /// As described for [`task_group`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TaskGroupRun<F> {
        #[pin]
        run: F,
    }
}

impl<F, R> TaskGroupRun<F>
where
    F: Future<Output = Result<Option<R>, ExceptionGroup>>,
{
    /// Gives the value, or `None` if [`TaskGroup::cancel`] ended the body before it had one: the silent end of
    /// asyncio's `TaskGroup.cancel`.
    ///
    /// A body that is through before, or that catches the cancellation, has its value.
    ///
    /// # Errors
    ///
    /// [`ExceptionGroup`] if something failed, cancelled or not.
    ///
    /// # Cancellation
    ///
    /// As described for [`task_group`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Runner, TaskError, VirtualClock, sleep, task_group};
    /// use std::time::Duration;
    ///
    /// Runner::new().clock(VirtualClock::new()).run(async {
    ///     let answer = task_group(async |tg| {
    ///         let group = tg.clone();
    ///         let stop_button = async move {
    ///             sleep(Duration::from_secs(1)).await;
    ///             group.cancel();
    ///         };
    ///         tg.create_task(stop_button).unwrap();
    ///         sleep(Duration::from_secs(3600)).await; // hard work
    ///         Ok::<_, TaskError>(42)
    ///     });
    ///     assert_eq!(answer.unless_cancelled().await.unwrap(), None);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn unless_cancelled(self) -> impl Future<Output = Result<Option<R>, ExceptionGroup>> {
        self.run
    }
}

impl<F, R> Future for TaskGroupRun<F>
where
    F: Future<Output = Result<Option<R>, ExceptionGroup>>,
{
    type Output = Result<R, ExceptionGroup>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.project().run.poll(cx))?;
        Poll::Ready(ended.ok_or_else(|| ExceptionGroup::new(Vec::new())))
    }
}

async fn run_group<R, E>(
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
    caller: Caller,
) -> Result<Option<R>, ExceptionGroup>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let parent = caller.task();
    let scope = Scope::new();
    let group = TaskGroup {
        state: Rc::new(State {
            created_at: caller.place,
            parent: parent.clone(),
            scope: scope.handle(),
            children: RefCell::new(BTreeMap::new()),
            errors: RefCell::new(Vec::new()),
            exit: RefCell::new(None),
            exiting: Cell::new(false),
            aborting: Cell::new(false),
            parent_cancel_requested: Cell::new(false),
        }),
    };
    let guard = AbortOnDrop(group.clone());
    let state = &group.state;
    let left = scope.catch(body(group.clone())).await;

    state.exiting.set(true);
    let mut propagate = None;
    let mut body_error = None;
    let mut value = None;
    match left {
        Ok(Ok(result)) => value = Some(result),
        Ok(Err(error)) => body_error = Some(TaskError::failed(error)),
        Err(cancelled) => propagate = Some(cancelled),
    }
    if value.is_none() && !state.aborting.get() {
        state.abort();
    }
    while !state.children.borrow().is_empty() {
        let waiter = Waiter::on(state.clone());
        state.exit.replace(Some(waiter.key()));
        let waited = scope.catch(waiter).await;
        state.exit.replace(None);
        if let Err(cancelled) = waited {
            if !state.aborting.get() {
                state.abort();
                propagate = Some(cancelled);
            } else if body_error.is_none() && cancelled.by() != CancelledBy::Group {
                // Nobody else would deliver it, should the group end without an error.
                propagate.get_or_insert(cancelled);
            }
        }
    }
    drop(guard);
    scope.close();

    if state.parent_cancel_requested.get() && parent.uncancel() == 0 {
        propagate = None;
    }
    let mut errors = state.errors.take();
    if let (Some(cancelled), true) = (propagate, errors.is_empty()) {
        cancelled.raise().await;
    }
    errors.extend(body_error);
    if !errors.is_empty() {
        // A request from outside stays counted, and is delivered at the next await.
        parent.redeliver();
        return Err(ExceptionGroup::new(errors));
    }
    // Only `TaskGroup::cancel` ends a body early without an error or a cancellation.
    Ok(value)
}

/// A group of tasks under way: what the body of a [`task_group`] is given. Clones are the same group.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, TaskGroup, task_group};
///
/// async fn crawl(tg: TaskGroup, depth: u32) -> Result<(), TaskError> {
///     if depth > 0 {
///         let deeper = crawl(tg.clone(), depth - 1);
///         tg.create_task(Box::pin(deeper) as std::pin::Pin<Box<dyn Future<Output = _>>>).ok();
///     }
///     Ok(())
/// }
///
/// ouroloop::run(async {
///     task_group(async |tg| {
///         tg.create_task(crawl(tg.clone(), 3)).ok();
///         Ok::<_, TaskError>(())
///     })
///     .await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TaskGroup {
    state: Rc<State>,
}

struct State {
    created_at: &'static Location<'static>,
    parent: TaskRef,
    scope: ScopeHandle,
    /// Those that are not done, by number, which is the order of their creation.
    children: RefCell<BTreeMap<u64, FutureRef>>,
    errors: RefCell<Vec<TaskError>>,
    /// Whom the last child wakes.
    exit: RefCell<Option<WaiterKey>>,
    exiting: Cell<bool>,
    aborting: Cell<bool>,
    parent_cancel_requested: Cell<bool>,
}

/// Why a group takes no more tasks: what [`TaskGroup::create_task`] gives.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, TaskGroupError, task_group};
///
/// ouroloop::run(async {
///     let tg = task_group(async |tg| Ok::<_, TaskError>(tg)).await.unwrap();
///     let late = tg.create_task(async {});
///     assert_eq!(late.unwrap_err(), TaskGroupError::Finished);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskGroupError {
    /// Its body and all its tasks have ended. Create tasks while it runs.
    #[error("the task group is finished; create tasks while its body or a child runs")]
    Finished,
    /// It was cancelled, or something in it failed. Let the error go on.
    #[error("the task group is shutting down; return from its body")]
    ShuttingDown,
}

impl From<TaskGroupError> for TaskError {
    fn from(error: TaskGroupError) -> TaskError {
        TaskError::failed(error)
    }
}

impl From<TaskGroupError> for io::Error {
    fn from(error: TaskGroupError) -> io::Error {
        io::Error::other(error)
    }
}

/// What a child of a group may give: a `Result`, or nothing. Programs need not name it.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, task_group};
///
/// ouroloop::run(async {
///     task_group(async |tg| {
///         tg.create_task(async { println!("gives nothing") }).unwrap();
///         let parsed = tg.create_task(async { "42".parse::<u32>() }).unwrap();
///         assert_eq!(parsed.await?, 42);
///         Ok::<_, TaskError>(())
///     })
///     .await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a child of a task group gives a `Result` or `()`, not `{Self}`",
    note = "let it end with `Ok::<_, TaskError>(value)`, or any other error type"
)]
pub trait ChildOutput {
    /// The value of the child's task.
    type Value: 'static;

    /// Gives the value, or the error that ends the group.
    ///
    /// # Errors
    ///
    /// The error of the child, as [`TaskError::Failed`] unless it is a [`TaskError`] already.
    fn into_result(self) -> Result<Self::Value, TaskError>;
}

impl ChildOutput for () {
    type Value = ();

    fn into_result(self) -> Result<(), TaskError> {
        Ok(())
    }
}

impl<T: 'static, E: Into<Box<dyn Error + Send + Sync>>> ChildOutput for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, TaskError> {
        self.map_err(TaskError::failed)
    }
}

impl TaskGroup {
    /// Adds a task to the group: asyncio's `tg.create_task`.
    ///
    /// Its value is that of `Ok`; its error is shared by the group and all who await the task.
    ///
    /// # Errors
    ///
    /// [`TaskGroupError::Finished`] once the body and all children have ended,
    /// [`TaskGroupError::ShuttingDown`] once the group was cancelled or something in it failed; the future is
    /// dropped.
    ///
    /// # Ordering
    ///
    /// As for `create_task`: its first step is queued, and runs in the next iteration.
    ///
    /// # Panics
    ///
    /// If the group's loop is not running in this thread.
    #[track_caller]
    pub fn create_task<F>(
        &self,
        future: F,
    ) -> Result<Task<<F::Output as ChildOutput>::Value>, TaskGroupError>
    where
        F: Future + 'static,
        F::Output: ChildOutput,
    {
        self.create_task_with(TaskBuilder::new(), future)
    }

    /// Adds a task to the group, with a name or other options.
    ///
    /// # Errors
    ///
    /// As for [`create_task`](TaskGroup::create_task).
    ///
    /// # Panics
    ///
    /// If the group's loop is not running in this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskBuilder, TaskError, task_group};
    ///
    /// ouroloop::run(async {
    ///     task_group(async |tg| {
    ///         let options = TaskBuilder::new().name("poller");
    ///         let task = tg.create_task_with(options, async {}).unwrap();
    ///         assert_eq!(&*task.name(), "poller");
    ///         Ok::<_, TaskError>(())
    ///     })
    ///     .await
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn create_task_with<F>(
        &self,
        options: TaskBuilder,
        future: F,
    ) -> Result<Task<<F::Output as ChildOutput>::Value>, TaskGroupError>
    where
        F: Future + 'static,
        F::Output: ChildOutput,
    {
        let state = &self.state;
        if state.exiting.get() && state.children.borrow().is_empty() {
            return Err(TaskGroupError::Finished);
        }
        if state.aborting.get() {
            return Err(TaskGroupError::ShuttingDown);
        }
        let task = options
            .fallible()
            .create_task(async move { future.await.into_result() });
        state
            .children
            .borrow_mut()
            .insert(task.id(), task.as_future_ref());
        let group = self.clone();
        let id = task.id();
        task.as_future_ref()
            .add_done_callback(move |child| group.state.child_done(id, child));
        Ok(task)
    }

    /// Ends the group early: its tasks and its body are cancelled, which is no error. asyncio's
    /// `TaskGroup.cancel`, of Python 3.15.
    ///
    /// A body that ends without another await, or is through already, or catches the cancellation, gives its
    /// value. One that is waiting unwinds and has none: where that may be, say
    /// [`unless_cancelled`](TaskGroupRun::unless_cancelled). Does nothing the second time, and once the group has
    /// ended.
    ///
    /// # Differences from asyncio
    ///
    /// There is no group before its body runs, so it cannot be cancelled then.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, sleep, task_group};
    /// use std::{future::pending, time::Duration};
    ///
    /// ouroloop::run(async {
    ///     let spinner = sleep(Duration::from_secs(3600));
    ///     let answer = task_group(async |tg| {
    ///         tg.create_task(spinner).unwrap();
    ///         tg.cancel(); // the work is done
    ///         Ok::<_, TaskError>(42)
    ///     });
    ///     assert_eq!(answer.await.unwrap(), 42);
    ///
    ///     let ended = task_group(async |tg| {
    ///         let group = tg.clone();
    ///         tg.create_task(async move { group.cancel() }).unwrap();
    ///         pending::<Result<(), TaskError>>().await
    ///     });
    ///     assert_eq!(ended.unless_cancelled().await.unwrap(), None);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn cancel(&self) {
        let state = &self.state;
        if state.exiting.get() && state.children.borrow().is_empty() {
            return;
        }
        if !state.aborting.get() {
            state.abort();
        }
        state.cancel_parent();
    }
}

impl Resource for State {
    fn state(&self) -> ResourceState {
        let children = self.children.borrow();
        ResourceState::new("TaskGroup", self.created_at).futures(children.values().cloned())
    }
}

impl State {
    fn abort(&self) {
        self.aborting.set(true);
        let request = Cancelled::new(CancelledBy::Group);
        let children: Vec<_> = self.children.borrow().values().cloned().collect();
        for child in children {
            child.request(&request);
        }
    }

    fn cancel_parent(&self) {
        if !self.parent_cancel_requested.replace(true) {
            self.scope.cancel(&Cancelled::new(CancelledBy::Group));
        }
    }

    fn child_done(&self, id: u64, child: &FutureRef) {
        self.children.borrow_mut().remove(&id);
        let error = match child.cancelled() {
            true => None,
            false => child.exception(),
        };
        let failed = error.is_some();
        self.errors.borrow_mut().extend(error);
        let exit = match self.children.borrow().is_empty() {
            true => self.exit.take(),
            false => None,
        };
        // After the error is written down, and with nothing borrowed: this may poll the group.
        if let Some(exit) = exit {
            exit.fire();
        }
        let is_first = !self.aborting.get() && !self.parent_cancel_requested.get();
        if failed && is_first && !self.parent.done() {
            self.abort();
            self.cancel_parent();
        }
    }
}

/// Cancels the children of a group that is dropped before its exit.
struct AbortOnDrop(TaskGroup);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if !self.0.state.children.borrow().is_empty() {
            self.0.state.abort();
        }
    }
}
