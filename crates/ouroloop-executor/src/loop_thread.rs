//! A loop in a thread of its own, and the other threads' handle of it.
//!
//! # State
//!
//! *running*, until somebody stops the loop; then *stopped*, with its tasks as they are; then *closed*. The thread lives
//! until the last step, since a loop cannot leave its thread.

use std::fmt;
use std::future::Future;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use ouroloop_combinators::cancel_all_tasks;
use ouroloop_core::{
    EventLoop, LoopError, PanicPayload, RemoteHandle, get_running_loop, new_event_loop,
    set_event_loop,
};
use ouroloop_task::{LoopTasks, RunError, TaskError, process_id};

use crate::bridge::Bridge;
use crate::concurrent;
use crate::coroutine::run_coroutine_threadsafe;
use crate::error::ExecutorError;
use crate::event_loop::LoopExecutor;
use crate::pool::PoolId;

/// How long the close of the loop waits for the jobs of its default executor: as long as `run` does.
const EXECUTOR_LIMIT: Duration = Duration::from_secs(300);

/// An event loop that runs in a thread of its own, and takes work from any other.
///
/// What asyncio's users build of `new_event_loop`, a thread that calls `run_forever`, `run_coroutine_threadsafe`,
/// `call_soon_threadsafe(loop.stop)`, `join` and `close`; with an error for each of these in the wrong order.
///
/// # Dropping it
///
/// Stops and closes the loop, without waiting for that: what its tasks would still have done is lost as they are cancelled.
///
/// # Differences from asyncio
///
/// [`close`](LoopThread::close) cancels the tasks that are left and waits for them, as `run` does at its end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ouroloop::{ExecutorError, LoopThread, sleep};
///
/// let thread = LoopThread::start()?;
/// let future = thread.run_coroutine_threadsafe(|| async {
///     sleep(Duration::from_millis(1)).await;
///     1
/// });
/// assert_eq!(future.result(None)?, 1);
/// assert!(matches!(thread.close(), Err(ExecutorError::LoopNotStopped)));
/// thread.stop()?;
/// thread.join(None)?;
/// thread.close()?;
/// # Ok::<(), ExecutorError>(())
/// ```
pub struct LoopThread {
    remote: RemoteHandle,
    shared: Arc<Shared>,
    id: ThreadId,
    pid: u32,
    handle: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Default)]
struct Stage {
    stop_asked: bool,
    stopped: bool,
    close_asked: bool,
    /// The default executor that the loop had when it stopped, and then when the close has come to waiting for that.
    executor: Option<PoolId>,
    /// The thread was joined.
    closed: bool,
    /// How the loop ended, until somebody asked.
    ended: Option<Result<(), ExecutorError>>,
}

impl LoopThread {
    /// Starts a thread, and a loop in it.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::ThreadStart`] if there is no thread to be had; [`ExecutorError::Loop`] if there is no loop.
    pub fn start() -> Result<LoopThread, ExecutorError> {
        LoopThread::start_in(thread::Builder::new().name("ouroloop-loop".into()))
    }

    /// The same in a thread with another name, or another size of its stack.
    ///
    /// # Errors
    ///
    /// As for [`start`](LoopThread::start).
    ///
    /// # Panics
    ///
    /// If the name holds a zero byte: the builder is std's, which panics then.
    pub fn start_in(builder: thread::Builder) -> Result<LoopThread, ExecutorError> {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = channel();
        let body = {
            let shared = shared.clone();
            move || shared.body(&sender)
        };
        let handle = builder.spawn(body).map_err(ExecutorError::ThreadStart)?;
        let id = handle.thread().id();
        let Ok(remote) = receiver.recv() else {
            return join(handle).and(Err(ExecutorError::LoopStopped));
        };
        Ok(LoopThread {
            remote: remote?,
            shared,
            id,
            pid: process_id(),
            handle: Mutex::new(Some(handle)),
        })
    }

    /// The handle of the loop, which outlives this one and can be cloned.
    pub fn remote(&self) -> &RemoteHandle {
        &self.remote
    }

    /// Runs a coroutine as a task of the loop: see [`run_coroutine_threadsafe`].
    ///
    /// # Errors
    ///
    /// The future fails with [`ExecutorError::LoopStopped`] if the loop has stopped, as it is not started again. What was
    /// handed over just before, or by way of [`remote`](LoopThread::remote), is cancelled when the loop is closed, before its
    /// first step.
    #[track_caller]
    pub fn run_coroutine_threadsafe<F>(
        &self,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> concurrent::Future<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let is_stopped = self.check_process().is_ok() && {
            let stage = self.shared.lock();
            stage.stopped && !stage.closed
        };
        if is_stopped {
            let promise = concurrent::Promise::new();
            let future = promise.future();
            let _ = promise.set_exception(ExecutorError::LoopStopped);
            return future;
        }
        run_coroutine_threadsafe(&self.remote, make)
    }

    /// Whether the loop runs; false in the child of a fork.
    pub fn is_running(&self) -> bool {
        self.check_process().is_ok() && !self.shared.lock().stopped
    }

    /// Stops the loop when the callbacks that are ready have had their turn. Does not wait for that: see
    /// [`join`](LoopThread::join).
    ///
    /// # Errors
    ///
    /// [`ExecutorError::LoopStopped`] if it has stopped already; [`ExecutorError::Forked`] in the child of a fork.
    pub fn stop(&self) -> Result<(), ExecutorError> {
        self.check_process()?;
        let mut stage = self.shared.lock();
        if stage.stopped {
            return Err(ExecutorError::LoopStopped);
        }
        if !std::mem::replace(&mut stage.stop_asked, true) {
            drop(stage);
            let shared = self.shared.clone();
            let stop = move || shared.stop_running();
            self.remote.call_soon_threadsafe(stop)?;
        }
        Ok(())
    }

    /// Waits until the loop has stopped, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::LoopNotStopped`] if nobody has called [`stop`](LoopThread::stop), so that it would wait for ever;
    /// [`ExecutorError::JoinsItself`] in the loop's own thread; [`ExecutorError::TimedOut`] if a callback holds the loop up;
    /// [`ExecutorError::Forked`] in the child of a fork.
    pub fn join(&self, timeout: impl Into<Option<Duration>>) -> Result<(), ExecutorError> {
        self.check_process()?;
        self.check_not_own()?;
        let deadline = timeout.into().and_then(|it| Instant::now().checked_add(it));
        let mut stage = self.shared.lock();
        if !stage.stopped && !stage.stop_asked {
            return Err(ExecutorError::LoopNotStopped);
        }
        while !stage.stopped {
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(ExecutorError::TimedOut);
            }
            stage = wait(&self.shared.changed, stage, left);
        }
        Ok(())
    }

    /// Cancels the tasks that are left and waits for them, closes the loop, and waits for the end of the thread. A second
    /// call does nothing, but for waiting while the first one does.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::LoopNotStopped`] while the loop runs; [`ExecutorError::JoinsItself`] in its own thread, and in a job of
    /// its default executor, which it would wait for;
    /// [`ExecutorError::StillRunning`] if jobs of its default executor did not end within 300 seconds: the loop is closed
    /// all the same. [`ExecutorError::Forked`] in the child of a fork. What went wrong in the loop is told to the first who
    /// asks.
    pub fn close(&self) -> Result<(), ExecutorError> {
        self.check_process()?;
        self.check_not_own()?;
        let mut stage = self.shared.lock();
        if !stage.stopped {
            return Err(ExecutorError::LoopNotStopped);
        }
        stage.check_not_waited_for()?;
        stage.close_asked = true;
        drop(stage);
        self.shared.changed.notify_all();
        let handle = lock(&self.handle).take();
        let Some(handle) = handle else {
            let mut stage = self.shared.lock();
            while !stage.closed {
                stage.check_not_waited_for()?;
                stage = wait(&self.shared.changed, stage, None);
            }
            return Ok(());
        };
        let joined = join(handle);
        let mut stage = self.shared.lock();
        stage.closed = true;
        let ended = stage.ended.take();
        drop(stage);
        self.shared.changed.notify_all();
        joined.and(ended.unwrap_or(Ok(())))
    }

    fn check_process(&self) -> Result<(), ExecutorError> {
        match self.pid == process_id() {
            true => Ok(()),
            false => Err(ExecutorError::Forked { pid: self.pid }),
        }
    }

    fn check_not_own(&self) -> Result<(), ExecutorError> {
        match thread::current().id() == self.id {
            true => Err(ExecutorError::JoinsItself),
            false => Ok(()),
        }
    }
}

impl Drop for LoopThread {
    fn drop(&mut self) {
        // It has stopped already, or it stops. In the child of a fork it is the parent's.
        if let Err(ExecutorError::Forked { .. }) = self.stop() {
            return;
        }
        self.shared.lock().close_asked = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for LoopThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopThread")
            .field("thread", &self.id)
            .field("remote", &self.remote)
            .finish()
    }
}

impl Stage {
    /// An error in a job that the close of the loop waits for.
    fn check_not_waited_for(&self) -> Result<(), ExecutorError> {
        match self.executor.is_some_and(PoolId::is_own) {
            true => Err(ExecutorError::JoinsItself),
            false => Ok(()),
        }
    }
}

impl Shared {
    /// Has those know who would close the loop in a job of its default executor.
    fn tell_executor(&self, event_loop: &EventLoop) {
        let bridge = Bridge::existing(event_loop);
        self.lock().executor = bridge.and_then(|bridge| bridge.executor.id());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        lock(&self.stage)
    }

    /// Stops the loop of this thread, but not the run that closes it: a coroutine may have stopped the loop before.
    fn stop_running(&self) {
        let stopped = self.lock().stopped;
        if let (false, Ok(event_loop)) = (stopped, get_running_loop()) {
            event_loop.stop();
        }
    }

    /// What the thread does.
    fn body(&self, started: &Sender<Result<RemoteHandle, LoopError>>) {
        let event_loop = match new_event_loop() {
            Ok(event_loop) => event_loop,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        set_event_loop(Some(&event_loop));
        let _ = started.send(Ok(event_loop.remote()));
        let ran = event_loop.run_forever();
        self.tell_executor(&event_loop);
        let mut stage = self.lock();
        stage.stopped = true;
        self.changed.notify_all();
        while !stage.close_asked {
            stage = wait(&self.changed, stage, None);
        }
        drop(stage);
        let closed = self.shut_down(&event_loop);
        set_event_loop(None);
        let mut stage = self.lock();
        stage.executor = None;
        stage.ended = Some(ran.map_err(ExecutorError::from).and(closed));
    }

    /// As `run` does at its end.
    fn shut_down(&self, event_loop: &EventLoop) -> Result<(), ExecutorError> {
        // One iteration for what was handed over since the stop, so that it is cancelled with the rest. A stop among that
        // ends this, and not the next run.
        event_loop.stop();
        let taken = event_loop.run_forever().map_err(ExecutorError::from);
        let cancelled = cancel_all_tasks(event_loop).map_err(from_run);
        self.tell_executor(event_loop);
        let ended = event_loop
            .run_until_complete(event_loop.shutdown_default_executor(EXECUTOR_LIMIT))
            .map_err(from_run);
        event_loop.close()?;
        taken.and(cancelled).and(ended.and_then(|ended| ended))
    }
}

fn from_run(error: RunError) -> ExecutorError {
    match error {
        RunError::Loop(error) => error.into(),
        RunError::Task(error) => error.into(),
        error => ExecutorError::Task(TaskError::failed(error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a>(
    changed: &Condvar,
    stage: MutexGuard<'a, Stage>,
    limit: Option<Duration>,
) -> MutexGuard<'a, Stage> {
    match limit {
        None => changed.wait(stage).unwrap_or_else(PoisonError::into_inner),
        Some(limit) => {
            let waited = changed.wait_timeout(stage, limit);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

fn join(handle: JoinHandle<()>) -> Result<(), ExecutorError> {
    handle.join().map_err(|payload| {
        let panic = PanicPayload::from_payload(payload);
        ExecutorError::LoopThreadPanicked(panic.message().to_owned())
    })
}
