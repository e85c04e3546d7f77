//! `run_coroutine_threadsafe`: a coroutine for a loop, handed over by another thread.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use ouroloop_core::{LoopError, RemoteHandle, with_running};
use ouroloop_task::{AsFutureRef, FutureRef, LoopTasks, TaskBuilder, TaskError, process_id};

use crate::bridge::{Bridge, Settle};
use crate::concurrent;
use crate::concurrent::cell::{Cell, Erased, Shared, Watcher};
use crate::error::ExecutorError;
use crate::job::{JobInfo, panics};
use crate::log;
use crate::sync::{Mutex, lock};

/// Runs a coroutine as a task of a loop in another thread; from any thread.
///
/// What is sent is a function that makes the coroutine, so the coroutine itself need not be `Send`. A panic of
/// either, and what the task ends with otherwise, is in the future that this returns.
///
/// # Errors
///
/// In the future: [`TaskError::LoopClosed`] if the loop is closed, or closes before the task is done;
/// [`TaskError::Failed`] with [`ExecutorError::Forked`] in the child of the process that made the loop.
///
/// # Cancellation
///
/// Cancelling the future ends it at once, and cancels the task by a callback of its loop. If the task is
/// cancelled by somebody else, the future is. Dropping the future does nothing: the task goes on. If the task panics after
/// the future was cancelled, the loop reports that.
///
/// # Ordering
///
/// The task is made in the next iteration of the loop and begins in the one after. What one thread hands over
/// begins in that order.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::{LoopThread, run_coroutine_threadsafe, sleep};
///
/// let thread = LoopThread::start()?;
/// let future = run_coroutine_threadsafe(thread.remote(), || async {
///     sleep(Duration::from_millis(1)).await;
///     42
/// });
/// assert_eq!(future.result(Duration::from_secs(10))?, 42);
/// thread.stop()?;
/// thread.join(None)?;
/// thread.close()?;
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
#[track_caller]
pub fn run_coroutine_threadsafe<F>(
    event_loop: &RemoteHandle,
    make: impl FnOnce() -> F + Send + 'static,
) -> concurrent::Future<F::Output>
where
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let handed = Arc::new(Handed {
        cell: Cell::new(Some(event_loop.thread_id())),
        value: Mutex::new(None),
    });
    let future = handed.future();
    let pid = event_loop.process_id();
    if pid != process_id() {
        // What is left for the loop here would never have its turn.
        handed.fail(TaskError::failed(ExecutorError::Forked { pid }));
        return future;
    }
    let beginning = Beginning {
        handed: Some(handed),
        created_at: Location::caller(),
    };
    // A loop that is closed drops it, which says so.
    let _ = event_loop.call_soon_threadsafe(move || beginning.begin(make));
    future
}

/// A coroutine that was handed over: its future, and what it came to.
struct Handed<T: 'static> {
    cell: Cell<T>,
    /// From the end of the coroutine until the task's end is told.
    value: Mutex<Option<T>>,
}

impl<T: Send + 'static> Handed<T> {
    fn future(self: &Arc<Self>) -> concurrent::Future<T> {
        concurrent::Future::of(self.clone())
    }

    fn fail(self: &Arc<Self>, error: TaskError) {
        // One that was cancelled in the meantime needs no error.
        let _ = self.cell.finish(Err(error), || self.future());
    }
}

impl<T: Send + 'static> Settle for Handed<T> {
    /// Copies what came of the task, as asyncio's `_set_concurrent_future_state` does.
    ///
    /// If the future was cancelled meanwhile nobody looks at the exception, so that its loop reports it.
    fn settle(self: Arc<Self>, task: &FutureRef) {
        let value = lock(&self.value).take();
        if task.cancelled() {
            self.cell.cancel(|| self.future());
        }
        if self.cell.start() != Ok(true) {
            return;
        }
        let outcome = match task.exception() {
            Some(error) => Err(error),
            None => value.ok_or(TaskError::InvalidState),
        };
        let _ = self.cell.finish_running(outcome, || self.future());
    }

    fn close(self: Arc<Self>) {
        let value = lock(&self.value).take();
        self.fail(TaskError::LoopClosed);
        if panics(|| drop(value)) {
            log::error("the result of a coroutine panicked when it was dropped");
        }
    }
}

impl<T: Send + 'static> Shared<T> for Handed<T> {
    fn cell(&self) -> &Cell<T> {
        &self.cell
    }

    fn erase(self: Arc<Self>) -> Arc<dyn Erased> {
        self
    }
}

impl<T: Send + 'static> Erased for Handed<T> {
    fn cancel(self: Arc<Self>) -> bool {
        self.cell.cancel(|| self.future())
    }

    fn cancelled(&self) -> bool {
        self.cell.cancelled()
    }

    fn running(&self) -> bool {
        self.cell.running()
    }

    fn error(&self) -> Option<TaskError> {
        self.cell.error()
    }

    fn info(&self) -> Option<&JobInfo> {
        None
    }
}

/// What begins the task in the loop's thread. Dropped before it did, the loop is gone.
struct Beginning<T: Send + 'static> {
    /// None once the task is made.
    handed: Option<Arc<Handed<T>>>,
    /// Who handed the coroutine over: the task is made in the name of that line.
    created_at: &'static Location<'static>,
}

impl<T: Send + 'static> Beginning<T> {
    fn begin<F>(self, make: impl FnOnce() -> F + 'static)
    where
        F: Future<Output = T> + 'static,
    {
        if let Err(error) = self.try_begin(make) {
            tracing::debug!(target: "ouroloop::executor", %error, "a coroutine of another thread cannot begin");
        }
    }

    fn try_begin<F>(mut self, make: impl FnOnce() -> F + 'static) -> Result<(), LoopError>
    where
        F: Future<Output = T> + 'static,
    {
        // Whether the process is the loop's was asked by the caller, and is by the bridge, at less cost.
        let event_loop = with_running(|running| running.cloned()).ok_or(LoopError::NotRunning)?;
        let bridge = Bridge::of(&event_loop)?;
        let Some(handed) = self.handed.clone() else {
            return Ok(());
        };
        let (word, ending) = bridge.enter_task(handed.clone());
        let place = handed.clone();
        let coroutine = async move {
            // In this order they are dropped, if they are before the first step.
            let (make, _ending) = (make, ending);
            let value = make().await;
            *lock(&place.value) = Some(value);
        };
        let options = TaskBuilder::new().created_at(self.created_at);
        let task = event_loop.create_task_with(options, coroutine)?;
        self.handed = None;
        bridge.set_task(word, task.as_future_ref());
        // As in asyncio: a future that was cancelled already cancels the task after its first step was queued.
        handed
            .future()
            .watch(Watcher::CancelWord(event_loop.address(), word));
        Ok(())
    }
}

impl<T: Send + 'static> Drop for Beginning<T> {
    fn drop(&mut self) {
        if let Some(handed) = self.handed.take() {
            handed.fail(TaskError::LoopClosed);
        }
    }
}
