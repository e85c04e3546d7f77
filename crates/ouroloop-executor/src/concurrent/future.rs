//! The waiting side.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ouroloop_task::TaskError;

use super::cell::{Shared, Watcher};
use crate::error::ExecutorError;
use crate::job::JobInfo;

/// The result of what another thread does: `concurrent.futures.Future`.
///
/// Clones are further handles of the same result. Dropping all of them loses nothing but the result:
/// the job or the coroutine goes on.
///
/// # Cancellation
///
/// [`cancel`](Future::cancel) takes a job that no thread has begun out of the way; one that runs cannot
/// be stopped. With a coroutine of a loop it cancels the task.
///
/// # Differences from asyncio
///
/// [`result`](Future::result) moves the value out; the next one gets [`TaskError::ResultTaken`].
///
/// # Examples
///
/// ```
/// use ouroloop::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new();
/// let future = pool.submit(|| (1..=10).product::<u32>());
/// assert_eq!(future.result(None)?, 3_628_800);
/// assert!(future.done() && !future.cancelled());
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
#[doc(alias = "concurrent.futures.Future")]
#[must_use = "dropping the future loses the result, and an error with it"]
pub struct Future<T: 'static> {
    pub(crate) shared: Arc<dyn Shared<T>>,
}

impl<T> Future<T> {
    pub(crate) fn of(shared: Arc<dyn Shared<T>>) -> Future<T> {
        Future { shared }
    }

    /// Blocks this thread until there is a result, or the limit has passed, and moves it out.
    ///
    /// For plain threads. In a loop everything else would stand still meanwhile: await
    /// [`wrap_future`](crate::wrap_future) there. Nor for jobs that wait for jobs of their own pool: each of them keeps a
    /// thread, and if all threads wait so, none is left for what they wait for, and all wait for ever, without an error.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::TimedOut`] if the limit passed; [`ExecutorError::Task`] with what the job or the
    /// coroutine came to instead of a value (a panic is one of these); [`ExecutorError::BlocksItsLoop`] in
    /// the thread of the loop that is to complete it; [`ExecutorError::Forked`] in the child of a fork, where nobody
    /// completes what the parent waits for.
    pub fn result(&self, timeout: impl Into<Option<Duration>>) -> Result<T, ExecutorError> {
        self.block(timeout.into())?;
        Ok(self.shared.cell().take()?)
    }

    /// Blocks as [`result`](Future::result) does, and tells the error, if there is one. The result stays.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::TimedOut`], [`ExecutorError::BlocksItsLoop`], [`ExecutorError::Forked`];
    /// [`ExecutorError::Task`] with the cancellation if it was cancelled.
    pub fn exception(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<TaskError>, ExecutorError> {
        self.block(timeout.into())?;
        match self.shared.cell().error() {
            Some(error) if self.cancelled() => Err(error.into()),
            error => Ok(error),
        }
    }

    /// Cancels it, unless somebody has begun with it; whether it is cancelled now.
    ///
    /// What the closure of a job holds is dropped at once. Its place in the queue, a few hundred bytes at most, stays until a thread
    /// comes to it: a million jobs that are cancelled behind one that blocks keep theirs so long.
    ///
    /// # Ordering
    ///
    /// The callbacks are called here, before this returns. A task behind it is cancelled by a callback of its
    /// loop.
    pub fn cancel(&self) -> bool {
        self.shared.clone().erase().cancel()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.shared.cell().cancelled()
    }

    /// Whether somebody works on it at this moment: it cannot be cancelled any more.
    pub fn running(&self) -> bool {
        self.shared.cell().running()
    }

    /// Whether it has ended, with a value, an error or a cancellation.
    pub fn done(&self) -> bool {
        self.shared.cell().done()
    }

    /// Calls `callback` once this is done; at once if it is.
    ///
    /// # Ordering
    ///
    /// Callbacks are called in the order in which they were added, in the thread that completes or cancels it.
    /// A panic of one is logged, and the next is called. It must not block: with a job, that thread is one of the
    /// pool. In the child of a fork the callbacks for what the parent waits for are never called.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use ouroloop::ThreadPoolExecutor;
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let pool = ThreadPoolExecutor::new();
    /// pool.submit(|| "done").add_done_callback(move |future| {
    ///     sender.send(future.result(None).unwrap()).unwrap();
    /// });
    /// assert_eq!(receiver.recv()?, "done");
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn add_done_callback(&self, callback: impl FnOnce(&Future<T>) + Send + 'static) {
        self.watch(Watcher::Call(Box::new(callback)));
    }

    /// What is known of the job behind it, if it is one.
    pub fn job(&self) -> Option<&JobInfo> {
        self.shared.info()
    }

    /// An error in the child of the process that made this.
    pub(crate) fn check_process(&self) -> Result<(), ExecutorError> {
        self.shared.cell().check_process()
    }

    pub(crate) fn watch(&self, watcher: Watcher<T>) {
        if let Err(watcher) = self.shared.cell().watch(watcher) {
            watcher.tell(self.cancelled(), || self.clone());
        }
    }

    fn block(&self, timeout: Option<Duration>) -> Result<(), ExecutorError> {
        let cell = self.shared.cell();
        if cell.done() {
            return Ok(());
        }
        cell.check_process()?;
        if cell.is_at_home() {
            return Err(ExecutorError::BlocksItsLoop);
        }
        match cell.block(timeout) {
            true => Ok(()),
            false => Err(ExecutorError::TimedOut),
        }
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Future<T> {
        Future::of(self.shared.clone())
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match () {
            () if self.cancelled() => "cancelled",
            () if self.done() => "finished",
            () if self.running() => "running",
            () => "pending",
        };
        match self.job() {
            Some(info) => write!(f, "<Future of {info}, {state}>"),
            None => write!(f, "<Future, {state}>"),
        }
    }
}
