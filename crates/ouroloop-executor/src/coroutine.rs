//! `run_coroutine_threadsafe`: a coroutine for a loop, handed over by another thread.

use std::cell::Cell;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use ouroloop_core::{LoopError, RemoteHandle, with_running};
use ouroloop_task::{FutureRef, LoopTasks, TaskBuilder, TaskError, process_id};

use crate::bridge::{Bridge, Entry};
use crate::concurrent::cell::Watcher;
use crate::concurrent::{self, Promise};
use crate::error::ExecutorError;

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
    let promise = Promise::completed_by(Some(event_loop.thread_id()));
    let future = promise.future();
    let pid = event_loop.process_id();
    if pid != process_id() {
        // What is left for the loop here would never have its turn.
        let _ = promise.set_exception(ExecutorError::Forked { pid });
        return future;
    }
    let end = End {
        promise,
        created_at: Location::caller(),
    };
    // A loop that is closed drops the end, which says so.
    let _ = event_loop.call_soon_threadsafe(move || end.begin(make));
    future
}

/// The end of the chain in the loop's thread. Dropped before it is used, the loop is gone.
struct End<T: Send + 'static> {
    promise: Promise<T>,
    /// Who handed the coroutine over: the task is made in the name of that line.
    created_at: &'static Location<'static>,
}

impl<T: Send + 'static> End<T> {
    fn begin<F>(self, make: impl FnOnce() -> F + 'static)
    where
        F: Future<Output = T> + 'static,
    {
        if let Err(error) = self.try_begin(make) {
            tracing::debug!(target: "ouroloop::executor", %error, "a coroutine of another thread cannot begin");
        }
    }

    fn try_begin<F>(self, make: impl FnOnce() -> F + 'static) -> Result<(), LoopError>
    where
        F: Future<Output = T> + 'static,
    {
        // Whether the process is the loop's was asked by the caller, and is by the bridge, at less cost.
        let event_loop = with_running(|running| running.cloned()).ok_or(LoopError::NotRunning)?;
        let bridge = Bridge::of(&event_loop)?;
        let value = Rc::new(Cell::new(None));
        let place = value.clone();
        let options = TaskBuilder::new().created_at(self.created_at);
        let coroutine = async move { place.set(Some(make().await)) };
        let task = event_loop.create_task_with(options, coroutine)?;
        let word = bridge.enter(Entry::Task(task.as_future_ref()));
        let future = self.promise.future();
        // As in asyncio: a future that was cancelled already cancels the task after its first step was queued.
        future.watch(Watcher::CancelWord(event_loop.address(), word));
        task.as_future_ref()
            .add_done_callback_in(None, move |task| {
                bridge.leave(word);
                self.settle(task, &value);
            });
        Ok(())
    }

    /// Copies what came of the task, as asyncio's `_set_concurrent_future_state` does.
    ///
    /// If the future was cancelled meanwhile nobody looks at the exception, so that its loop reports it.
    fn settle(self, task: &FutureRef, value: &Cell<Option<T>>) {
        if task.cancelled() {
            self.promise.future().cancel();
        }
        if self.promise.set_running_or_notify_cancel() != Ok(true) {
            return;
        }
        let outcome = match task.exception() {
            Some(error) => Err(error),
            None => value.take().ok_or(TaskError::InvalidState),
        };
        let _ = self.promise.set(outcome);
    }
}

impl<T: Send + 'static> Drop for End<T> {
    fn drop(&mut self) {
        if !self.promise.future().done() {
            let _ = self.promise.set(Err(TaskError::LoopClosed));
        }
    }
}
