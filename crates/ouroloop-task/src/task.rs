//! `Task`: the handle of a coroutine that the loop runs.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::error::TaskError;
use crate::header::Awaited;
use crate::task_cell::TypedTask;
use crate::task_ref::{AsFutureRef, FutureRef, TaskRef};
use crate::tasks::Tasks;
use crate::wait::Wait;

/// The handle of a task: of a coroutine that the loop runs step by step, beside the others.
///
/// [`create_task`](crate::create_task) makes one. The loop owns it: dropping the handle detaches
/// the task, which goes on. Awaiting it by value moves the result out; awaiting `&task` lends it,
/// so that several can wait for one task, through an `Rc` if need be.
///
/// What a task has whatever its type, as `cancel`, `name`, `cancelling`, is on [`TaskRef`], which
/// this dereferences to.
///
/// # Errors
///
/// Awaiting it gives [`TaskError::Cancelled`] when somebody else cancelled it,
/// [`TaskError::Panicked`] with the payload when it panicked, and [`TaskError::LoopClosed`] when
/// its loop was closed before it was done.
///
/// # Cancellation
///
/// [`cancel`](TaskRef::cancel) asks what the task waits for; if that accepts, the task is woken and
/// unwinds to its nearest [`catch_cancelled`](crate::catch_cancelled). If nothing accepts, the
/// request is delivered at the task's next step. Cancelling a task that awaits this one passes the
/// request on to here, and the awaiting task unwinds if this ends cancelled.
///
/// # Ordering
///
/// A new task takes its first step in the next iteration, in the order of creation. Whoever
/// awaits it resumes one iteration after its end.
///
/// # Examples
///
/// ```
/// use ouroloop_core::new_event_loop;
/// use ouroloop_task::{create_task, LoopTasks};
///
/// let event_loop = new_event_loop()?;
/// let sum = event_loop.run_until_complete(async {
///     let one = create_task(async { 1 });
///     let two = create_task(async { 2 });
///     Ok::<_, ouroloop_task::TaskError>(one.await? + two.await?)
/// })??;
/// assert_eq!(sum, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Task<T: 'static> {
    typed: Rc<dyn TypedTask<T>>,
    untyped: TaskRef,
}

impl<T> Task<T> {
    pub(crate) fn new(typed: Rc<dyn TypedTask<T>>) -> Task<T> {
        let untyped = TaskRef(typed.clone().into_object());
        Task { typed, untyped }
    }

    /// The task without its type.
    pub fn as_task_ref(&self) -> TaskRef {
        self.untyped.clone()
    }

    /// The result, without waiting.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending; else what it ended with instead.
    pub fn result(&self) -> Result<&T, TaskError> {
        // SAFETY: `take` is called by those alone who own the handle by value, and the loan
        // borrows the handle.
        unsafe { self.typed.lend() }
    }

    /// What it ended with instead of a value, if anything.
    ///
    /// # Errors
    ///
    /// [`TaskError::InvalidState`] while it is pending, [`TaskError::Cancelled`] if it was
    /// cancelled.
    pub fn exception(&self) -> Result<Option<TaskError>, TaskError> {
        match self.result() {
            Ok(_) => Ok(None),
            Err(error @ (TaskError::InvalidState | TaskError::Cancelled(_))) => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Calls `callback` with the result once the task is done: see
    /// [`FutureRef::add_done_callback`] for when.
    ///
    /// A result that was moved out before is [`TaskError::ResultTaken`].
    pub fn add_done_callback(
        &self,
        callback: impl FnOnce(Result<&T, TaskError>) + 'static,
    ) -> crate::CallbackId {
        // The callback is kept by the task itself, so it must not keep the task.
        let task = Rc::downgrade(&self.typed);
        let mut callback = Some(callback);
        self.as_future_ref().add_done_callback(move |_| {
            let task = task.upgrade().expect("the argument keeps the task alive");
            task.read(&mut |result| {
                if let Some(callback) = callback.take() {
                    callback(result);
                }
            });
        })
    }

    /// Removes a callback that was not queued yet; how many were removed.
    pub fn remove_done_callback(&self, id: crate::CallbackId) -> usize {
        self.as_future_ref().remove_done_callback(id)
    }

    pub(crate) fn typed(&self) -> &Rc<dyn TypedTask<T>> {
        &self.typed
    }
}

impl<T, E> Task<Result<T, E>> {
    /// Says that an `Err` of this task is an error: see [`TaskBuilder::fallible`](crate::TaskBuilder::fallible).
    ///
    /// From then on it wins over a cancellation that was not delivered, and goes to the loop's
    /// exception handler if nobody ever looks at it.
    pub fn expect_errors(&self) {
        self.typed.set_error_check(Result::is_err);
    }
}

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

/// Awaits a task by value, and moves its result out.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TaskValue<T: 'static> {
    task: Task<T>,
    target: Rc<dyn Awaited>,
    wait: Wait,
}

impl<T> Future for TaskValue<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(&this.target, cx))?;
        // SAFETY: the handle was given by value, so no loan through it is alive.
        Poll::Ready(unsafe { this.task.typed.take() })
    }
}

/// Awaits a task by reference, and lends its result.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TaskLoan<'a, T: 'static> {
    task: &'a Task<T>,
    target: Rc<dyn Awaited>,
    wait: Wait,
    loan: PhantomData<&'a T>,
}

impl<'a, T> Future for TaskLoan<'a, T> {
    type Output = Result<&'a T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.wait.poll(&this.target, cx))?;
        Poll::Ready(this.task.result())
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = TaskValue<T>;

    fn into_future(self) -> TaskValue<T> {
        TaskValue {
            target: self.as_future_ref().0,
            wait: Wait::new(self.typed.header().tasks.clone()),
            task: self,
        }
    }
}

impl<'a, T> IntoFuture for &'a Task<T> {
    type Output = Result<&'a T, TaskError>;
    type IntoFuture = TaskLoan<'a, T>;

    fn into_future(self) -> TaskLoan<'a, T> {
        TaskLoan {
            target: self.as_future_ref().0,
            wait: Wait::new(self.typed.header().tasks.clone()),
            task: self,
            loan: PhantomData,
        }
    }
}

/// The task that is running, if this is called from within one: `None` in plain callbacks.
pub fn current_task() -> Option<TaskRef> {
    Tasks::running()?.current_cell().map(TaskRef)
}

/// The number of the task that is running: [`TaskRef::id`], without a reference to the task.
pub fn current_task_id() -> Option<u64> {
    Tasks::running()?.current_id()
}

/// The tasks of the running loop that are not done, oldest first, the current one included.
///
/// # Panics
///
/// If no loop is running in this thread.
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    crate::event_loop::running_tasks()
        .all()
        .into_iter()
        .map(TaskRef)
        .collect()
}
