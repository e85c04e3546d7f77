//! `Task`: the handle of a coroutine that the loop runs.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::error::TaskError;
use crate::header::{CellRef, EXPECTS_ERRORS, TaskCellRef, UNREAD};
use crate::task_cell::Reading;
use crate::task_ref::{AsFutureRef, FutureRef, TaskRef};
use crate::tasks::Tasks;
use crate::wait::Wait;

/// The handle of a task: of a coroutine that the loop runs step by step, beside the others.
///
/// [`create_task`](crate::create_task) makes one. The loop owns the task: dropping the handle
/// detaches it, and the task goes on. Awaiting the handle by value moves the result out; awaiting `&task`
/// lends it, so that several can wait for one task, through an `Rc` if need be.
///
/// What a task has whatever its type, such as `cancel`, `name` and `cancelling`, is on [`TaskRef`], which
/// this dereferences to.
///
/// # Errors
///
/// Awaiting it gives [`TaskError::Cancelled`] when somebody else cancelled it,
/// [`TaskError::Panicked`] with the payload when it panicked, and [`TaskError::LoopClosed`] when
/// its loop was closed before it was done. A misuse has a name too: [`TaskError::SelfAwait`] for a task
/// that awaits itself, [`TaskError::WrongLoop`] for one of another loop, and
/// [`TaskError::ResultTaken`] if the result was moved out before.
///
/// Where no loop runs at all, as under the `block_on` of another library, it is no error: whoever awaits it waits until
/// somebody runs its loop, or drives it step by step, and for ever if nobody does. Give it to
/// [`run_until_complete`](crate::LoopTasks::run_until_complete) there.
///
/// # Cancellation
///
/// [`cancel`](TaskRef::cancel) asks what the task waits for; if that accepts, the task is woken and
/// unwinds to its nearest [`catch_cancelled`](crate::catch_cancelled). If nothing accepts, the
/// request is delivered at the task's next step. A task that has not begun is dropped unpolled.
///
/// Cancelling a task that awaits this one passes the request on to here, and the awaiting task unwinds if
/// this one ends cancelled for it; `shield` keeps it off. Dropping the await itself, as `select!` does,
/// cancels nothing.
///
/// # Ordering
///
/// A new task takes its first step in the next iteration, in the order of creation. Whoever
/// awaits it resumes one iteration after its end.
///
/// # Differences from asyncio
///
/// A task that nobody refers to is not lost, since the loop owns it. A cancellation by somebody else
/// comes to those who await as a value, `Err(TaskError::Cancelled)`; only the request that was
/// passed on from the awaiting task unwinds it. asyncio cannot tell the two apart.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, create_task};
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), TaskError> {
///     let one = create_task(async { 1 });
///     let two = create_task(async { 2 });
///     assert_eq!(one.await? + two.await?, 3);
///
///     let list = create_task(async { vec![1, 2, 3] });
///     assert_eq!((&list).await?.len(), 3); // lent: `list` can be awaited again
///     assert_eq!(list.await?, [1, 2, 3]);
///     Ok(())
/// }
/// ```
pub struct Task<T: 'static> {
    /// Of a task whose value is a `T`.
    untyped: TaskRef,
    value: PhantomData<fn() -> T>,
}

impl<T> Task<T> {
    /// # Safety
    ///
    /// The cell is that of a task whose value is a `T`. It is only lent within a [`Reading`], if somebody else
    /// may own another handle.
    #[inline]
    pub(crate) unsafe fn new(cell: CellRef) -> Task<T> {
        Task {
            // SAFETY: it is a task, by the caller's word.
            untyped: TaskRef(unsafe { TaskCellRef::new(cell) }),
            value: PhantomData,
        }
    }

    #[inline]
    fn cell(&self) -> &CellRef {
        &self.untyped.0
    }

    /// Gives a reference to the task that does not know its type, and may be cloned.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, create_task, sleep};
    /// use std::time::Duration;
    ///
    /// ouroloop::run(async {
    ///     let slow = create_task(sleep(Duration::from_secs(3600)));
    ///     let watched = slow.as_task_ref();
    ///     create_task(async move { watched.cancel() });
    ///     assert!(matches!(slow.await, Err(TaskError::Cancelled(_))));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn as_task_ref(&self) -> TaskRef {
        self.untyped.clone()
    }

    /// Lends the result, without waiting.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, [`TaskError::ResultTaken`] if an await by value
    /// moved the result out; else what it ended with instead: [`TaskError::Cancelled`],
    /// [`TaskError::Panicked`], [`TaskError::LoopClosed`], or [`TaskError::Failed`] for a
    /// [fallible](crate::TaskBuilder::fallible) task.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, bare_yield, create_task};
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(async { 42 });
    ///     assert!(matches!(task.result(), Err(TaskError::InvalidState)));
    ///     bare_yield().await;
    ///     assert_eq!(task.result().unwrap(), &42);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn result(&self) -> Result<&T, TaskError> {
        // SAFETY: `take` is called by those alone who own the handle by value, and the loan
        // borrows the handle. The second handle, which a done-callback is lent, lives within a `read`,
        // during which `take` refuses.
        unsafe { self.cell().outcome() }
    }

    /// Gives the error that the task ended with, if any, without waiting.
    ///
    /// Having asked counts as having looked at the error, so it is not reported as never retrieved. An `Err`
    /// among the values of a task is no error unless the task was told so. One that was told by
    /// [`expect_errors`](Task::expect_errors) has an error that says so, and the `Err` itself stays the
    /// [`result`](Task::result); one that was made [fallible](crate::TaskBuilder::fallible) has it here, as
    /// [`TaskError::Failed`].
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, [`TaskError::Cancelled`] if it was
    /// cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{bare_yield, create_task};
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(async { panic!("out of paper") });
    ///     bare_yield().await;
    ///     let error = task.exception().unwrap().expect("it panicked");
    ///     assert_eq!(error.to_string(), "the task panicked: out of paper");
    ///     # std::mem::drop::<ouroloop::Task<()>>(task);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn exception(&self) -> Result<Option<TaskError>, TaskError> {
        match self.result() {
            Ok(_) if self.cell().awaited().ended_in_error() => {
                Ok(Some(TaskError::failed(ErrorIsValue)))
            }
            Ok(_) => Ok(None),
            Err(error @ (TaskError::InvalidState | TaskError::Cancelled(_))) => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Calls `callback` with the task, to be asked, once it is done.
    ///
    /// Within the callback [`result`](Task::result) lends the result, and nobody can move it out; one that was
    /// moved out before is [`TaskError::ResultTaken`]. The callback runs in the context that is current now; a
    /// panic in it goes to the loop's exception handler.
    ///
    /// # Ordering
    ///
    /// Through the loop, never at once: in the iteration after the task's end, among those who wait for it in
    /// the order in which they asked. On a task that is done it is queued now.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Task, bare_yield, create_task};
    ///
    /// fn callback(task: &Task<u32>) {
    ///     match task.result() {
    ///         Ok(answer) => println!("{}: {answer}", task.name()),
    ///         Err(error) => println!("{}: {error}", task.name()),
    ///     }
    /// }
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(async { 42 });
    ///     task.add_done_callback(callback);
    ///     (&task).await.unwrap();
    ///     bare_yield().await; // it is called now
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn add_done_callback(
        &self,
        callback: impl FnOnce(&Task<T>) + 'static,
    ) -> crate::CallbackId {
        self.as_future_ref().add_done_callback(move |done| {
            // SAFETY: it is called with what it was added to: a task whose value is a `T`.
            let task = unsafe { Task::new(done.0.clone()) };
            // Somebody else may own the first handle and await it by value; the value stays meanwhile.
            let _reading = Reading::begin(&done.0);
            callback(&task);
        })
    }

    /// Removes a callback that was not queued yet, and gives how many were removed: 0 or 1.
    pub fn remove_done_callback(&self, id: crate::CallbackId) -> usize {
        self.as_future_ref().remove_done_callback(id)
    }

    /// Looks at the value, if it is done with one, and leaves it where it is.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, TaskError> {
        let _reading = Reading::begin(self.cell());
        self.result().map(look)
    }

    /// Moves the value out, if it is done with one.
    ///
    /// # Safety
    ///
    /// Nothing that [`result`](Task::result) lent through this handle is alive.
    #[inline]
    pub(crate) unsafe fn take(&self) -> Result<T, TaskError> {
        // SAFETY: the task is of this type; of loans, those through this handle are excluded by the caller,
        // and those through others live within a `Reading`.
        unsafe { self.cell().take_outcome() }
    }

    /// Tells the task how to know an error among its values: from then on an error wins over an
    /// undelivered cancellation, and is reported if nobody ever looks at it.
    pub(crate) fn set_error_check(&self, is_error: fn(&T) -> bool)
    where
        T: 'static,
    {
        let cell = self.cell();
        cell.set(EXPECTS_ERRORS);
        self.untyped.0.info().set_error_check(is_error);
        if cell.done() && cell.awaited().ended_in_error() {
            cell.set(UNREAD);
        }
    }
}

impl<T, E> Task<Result<T, E>> {
    /// Says that an `Err` of this task is an error: see [`TaskBuilder::fallible`](crate::TaskBuilder::fallible).
    ///
    /// From then on it wins over a cancellation that was not delivered, `wait` with `FIRST_EXCEPTION` stops at
    /// it, [`exception`](Task::exception) tells of it, and it goes to the loop's exception handler if nobody
    /// ever looks at it. The task's value stays the `Result`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{AsFutureRef, bare_yield, create_task};
    ///
    /// ouroloop::run(async {
    ///     let task = create_task(async { Err::<(), _>("no paper") });
    ///     task.expect_errors();
    ///     bare_yield().await;
    ///     assert!(task.as_future_ref().ended_in_error());
    ///     assert!(task.exception().unwrap().is_some());
    ///     assert_eq!(task.await.unwrap(), Err("no paper"));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn expect_errors(&self) {
        self.set_error_check(Result::is_err);
    }
}

/// Stands for an error that is a value of a task, and stays there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the task gave an `Err`; ask `result()` for it, or await the task")]
struct ErrorIsValue;

impl<T> Deref for Task<T> {
    type Target = TaskRef;

    fn deref(&self) -> &TaskRef {
        &self.untyped
    }
}

impl<T> AsFutureRef for Task<T> {
    fn as_future_ref(&self) -> FutureRef {
        self.untyped.as_future_ref()
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.untyped.fmt(f)
    }
}

/// The future of a [`Task`] that is awaited by value: it moves the result out.
///
/// `task.await` makes it; nobody has to name it, but for a struct that keeps one.
///
/// # Cancellation
///
/// As described for [`Task`]. Dropping it gives the handle up, which detaches the task.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TaskValue<T: 'static> {
    /// For a task whose value is a `T`, and whose handle was given by value.
    wait: Wait,
    value: PhantomData<fn() -> T>,
}

impl<T> Future for TaskValue<T> {
    type Output = Result<T, TaskError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(cx))?;
        // SAFETY: the task is of this type, and its handle was given by value, so no loan through it is alive.
        Poll::Ready(unsafe { this.wait.target().take_outcome() })
    }
}

/// The future of a [`Task`] that is awaited by reference: it lends the result.
///
/// `(&task).await` makes it; nobody has to name it, but for a struct that keeps one.
///
/// # Cancellation
///
/// As described for [`Task`]. Dropping it leaves the task and its handle as they are.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TaskLoan<'a, T: 'static> {
    task: &'a Task<T>,
    wait: Wait,
    loan: PhantomData<&'a T>,
}

impl<'a, T> Future for TaskLoan<'a, T> {
    type Output = Result<&'a T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(cx))?;
        Poll::Ready(this.task.result())
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = TaskValue<T>;

    #[inline]
    fn into_future(self) -> TaskValue<T> {
        TaskValue {
            wait: Wait::new(self.untyped.0.into_cell()),
            value: PhantomData,
        }
    }
}

impl<'a, T> IntoFuture for &'a Task<T> {
    type Output = Result<&'a T, TaskError>;
    type IntoFuture = TaskLoan<'a, T>;

    fn into_future(self) -> TaskLoan<'a, T> {
        TaskLoan {
            wait: Wait::new(self.cell().clone()),
            task: self,
            loan: PhantomData,
        }
    }
}

/// Gives the task that is running, if this is called from within one: `None` in plain callbacks, and
/// outside of a loop.
///
/// # Differences from asyncio
///
/// Outside of a running loop this is `None`, where asyncio raises RuntimeError.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, current_task};
///
/// ouroloop::run(async {
///     let task = create_task(async { current_task().unwrap().id() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), id);
/// })?;
/// assert!(current_task().is_none());
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn current_task() -> Option<TaskRef> {
    Tasks::running()?.current_cell().map(TaskRef)
}

/// Gives the key of the task that is running, for [`ResourceState::holders`](crate::ResourceState::holders): a
/// number that no other task of this thread has, also none of another loop.
pub fn current_task_key() -> Option<u64> {
    let tasks = Tasks::running()?;
    Some(tasks.key_of(tasks.current_id()?))
}

/// Gives the number of the task with this key, [`TaskRef::id`]: for those who kept a
/// [`current_task_key`].
pub fn task_id_of_key(key: u64) -> u64 {
    Tasks::id_of_any(key)
}

/// Gives the number of the task that is running: [`TaskRef::id`], without a reference to the task.
///
/// For what is asked often, as a log line or the owner of a lock.
///
/// # Examples
///
/// ```
/// use ouroloop::current_task_id;
///
/// ouroloop::run(async { assert!(current_task_id().is_some()) })?;
/// assert_eq!(current_task_id(), None);
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn current_task_id() -> Option<u64> {
    Tasks::running()?.current_id()
}

/// Gives the tasks of the running loop that are not done, oldest first, the current one included.
///
/// # Panics
///
/// If no loop is running in this thread; [`LoopTasks::all_tasks`](crate::LoopTasks::all_tasks) asks a
/// loop that is not.
///
/// # Differences from asyncio
///
/// A list in the order of creation, where asyncio gives a set.
///
/// # Examples
///
/// ```
/// use ouroloop::{all_tasks, create_task, current_task};
///
/// ouroloop::run(async {
///     let other = create_task(async {});
///     assert_eq!(all_tasks(), [current_task().unwrap(), other.as_task_ref()]);
///     other.await.unwrap();
///     assert_eq!(all_tasks().len(), 1);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    crate::event_loop::running_tasks("all_tasks", ", or use `all_tasks()` of the loop")
        .all()
        .into_iter()
        .map(TaskRef)
        .collect()
}
