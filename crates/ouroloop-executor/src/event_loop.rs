//! What asyncio has as methods of the loop but lives here, and the functions beside them.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ouroloop_combinators::{sleep, timeout};
use ouroloop_core::{LoopError, LoopRef, snapshot_context, with_running};
use ouroloop_task::{TaskError, bare_yield};

use crate::bridge::{Bridge, ExecutorFuture};
use crate::concurrent;
use crate::error::ExecutorError;
use crate::job::{self, JobInfo};
use crate::pool::ThreadPoolExecutor;

/// How often a loop looks whether threads have ended, if no thread is to be had that waits for them.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A pool, or `None` for the one that is the loop's default.
pub trait IntoExecutor {
    /// The pool that was chosen.
    fn into_executor(self) -> Option<ThreadPoolExecutor>;
}

impl IntoExecutor for &ThreadPoolExecutor {
    fn into_executor(self) -> Option<ThreadPoolExecutor> {
        Some(self.clone())
    }
}

impl IntoExecutor for Option<&ThreadPoolExecutor> {
    fn into_executor(self) -> Option<ThreadPoolExecutor> {
        self.cloned()
    }
}

/// The methods of asyncio's loop that have to do with threads.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopExecutor, LoopTasks, ThreadPoolExecutor, new_event_loop};
///
/// let event_loop = new_event_loop()?;
/// let pool = ThreadPoolExecutor::builder().max_workers(1).build()?;
/// let answer = event_loop.run_in_executor(&pool, || 6 * 7)?;
/// assert_eq!(event_loop.run_until_complete(answer)?, 42);
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LoopExecutor {
    /// Has a thread call `f`: see [`run_in_executor`]. The loop need not be running yet.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed; [`ExecutorError::Shutdown`] once its default executor was shut
    /// down, if that one is meant.
    #[track_caller]
    fn run_in_executor<T: Send + 'static>(
        &self,
        executor: impl IntoExecutor,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<ExecutorFuture<T>, ExecutorError>;

    /// Makes the future of another thread one of this loop: see [`wrap_future`].
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed; [`LoopError::Forked`] in the child of the process that made it.
    #[track_caller]
    fn wrap_future<T>(
        &self,
        future: &concurrent::Future<T>,
    ) -> Result<ExecutorFuture<T>, LoopError>;

    /// Sets the pool that `None` means from now on. The one before, if there was one, is given up: the end of the loop does
    /// not wait for its jobs.
    ///
    /// The pool is the loop's from now on: the end of `run`, and [`close`](ouroloop_core::LoopRef::close), shut it down, for
    /// all who have a handle of it. Do not give a loop the pool that others share; name that one in
    /// [`run_in_executor`](LoopExecutor::run_in_executor) instead.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed; [`LoopError::Forked`] in the child of the process that made the pool
    /// or the loop.
    fn set_default_executor(&self, executor: &ThreadPoolExecutor) -> Result<(), LoopError>;

    /// Takes no more jobs for the default executor, and waits until its threads have ended, for at most `timeout`.
    ///
    /// [`run`](https://docs.rs/ouroloop) does this at its end, with a limit of 300 seconds; also if it was done before, and
    /// jobs had not ended within the limit. What is never to be waited for belongs into a pool of its own.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::StillRunning`] with the jobs that have not ended by then. They go on, and nobody waits for them.
    /// [`ExecutorError::JoinsItself`] if this loop runs in a job of that executor; nothing is done then.
    ///
    /// # Cancellation
    ///
    /// The executor is shut down all the same, without waiting.
    ///
    /// # Differences from asyncio
    ///
    /// The limit is an error instead of a warning, and counts in real time on a loop that has virtual time.
    #[must_use = "futures do nothing unless they are awaited"]
    fn shutdown_default_executor(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), ExecutorError>>>>;
}

impl LoopExecutor for LoopRef {
    #[track_caller]
    fn run_in_executor<T: Send + 'static>(
        &self,
        executor: impl IntoExecutor,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<ExecutorFuture<T>, ExecutorError> {
        run_on(&Bridge::of(self)?, executor, f, Location::caller())
    }

    #[track_caller]
    fn wrap_future<T>(
        &self,
        future: &concurrent::Future<T>,
    ) -> Result<ExecutorFuture<T>, LoopError> {
        let bridge = Bridge::of(self)?;
        Ok(ExecutorFuture::of(&bridge, future, Location::caller()))
    }

    fn set_default_executor(&self, executor: &ThreadPoolExecutor) -> Result<(), LoopError> {
        let bridge = Bridge::of(self)?;
        if let Err(ExecutorError::Forked { pid }) = executor.check_process() {
            return Err(LoopError::Forked { pid });
        }
        bridge.executor.set(executor.clone());
        Ok(())
    }

    fn shutdown_default_executor(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), ExecutorError>>>> {
        let (event_loop, limit) = (self.clone(), timeout.into());
        Box::pin(async move {
            let Some(pool) = Bridge::of(&event_loop)?.executor.shut_down()? else {
                return Ok(());
            };
            pool.begin_shutdown(false);
            let ended = match end_of(&event_loop, &pool, limit) {
                Ok(ended) => event_loop.wrap_future(&ended)?,
                // No thread is to be had that waits for the others.
                Err(_) => return look_for_end_of(&event_loop, &pool, limit).await,
            };
            let in_time = match event_loop.virtual_clock() {
                None => self::timeout(limit, ended).await,
                Some(_) => Ok(ended.await),
            };
            match in_time {
                Ok(ended) => ended?,
                Err(_) => Err(pool.still_running(limit.unwrap_or(Duration::MAX))),
            }
        })
    }
}

/// Done when the threads of the pool have ended; in an error if the limit passed on a loop whose own timers know nothing of
/// real time.
///
/// As in asyncio, a thread waits for them: a loop that did it would stand still meanwhile.
fn end_of(
    event_loop: &LoopRef,
    pool: &ThreadPoolExecutor,
    limit: Option<Duration>,
) -> io::Result<concurrent::Future<Result<(), ExecutorError>>> {
    let promise = concurrent::Promise::new();
    let future = promise.future();
    if pool.has_joined() {
        let _ = promise.set_result(Ok(()));
        return Ok(future);
    }
    let (pool, limit) = (
        pool.clone(),
        limit.filter(|_| event_loop.virtual_clock().is_some()),
    );
    let watcher = std::thread::Builder::new().name("ouroloop-shutdown".into());
    let watch = move || promise.set_result(pool.join(limit));
    watcher.spawn(watch)?;
    Ok(future)
}

/// The same without a thread: looks again and again.
async fn look_for_end_of(
    event_loop: &LoopRef,
    pool: &ThreadPoolExecutor,
    limit: Option<Duration>,
) -> Result<(), ExecutorError> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    while !pool.try_join() {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(pool.still_running(limit.unwrap_or(Duration::MAX)));
        }
        match event_loop.virtual_clock() {
            None => _ = sleep(LOOK_AGAIN).await,
            // Its timers do not wait.
            Some(_) => {
                std::thread::sleep(LOOK_AGAIN);
                bare_yield().await;
            }
        }
    }
    Ok(())
}

/// Has a thread call `f`, so that the loop can go on meanwhile: asyncio's `run_in_executor`.
///
/// The executor is a pool, or `None` for the loop's default one, which is made by its first use.
///
/// The call is submitted now, not when the result is awaited. A panic of `f`, a pool that was shut down and the want of
/// any thread are errors of the result.
///
/// # Cancellation
///
/// See [`ExecutorFuture`]: a call that no thread has begun never happens, another one runs to its end.
///
/// # Ordering
///
/// When `f` has returned, two iterations of the loop pass until the awaiting task resumes.
///
/// # Panics
///
/// If no loop is running in this thread; [`LoopExecutor::run_in_executor`] needs none.
///
/// # Differences from asyncio
///
/// What `f` borrows it must own; there are no further arguments, since a closure has them.
///
/// # Examples
///
/// ```
/// use std::fs;
/// use ouroloop::{ThreadPoolExecutor, run_in_executor};
///
/// ouroloop::run(async {
///     let manifest = run_in_executor(None, || fs::read_to_string("Cargo.toml"));
///     assert!(manifest.await.unwrap().unwrap().contains("[package]"));
///
///     let one_by_one = ThreadPoolExecutor::builder().max_workers(1).build().unwrap();
///     assert_eq!(run_in_executor(&one_by_one, || 42).await.unwrap(), 42);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn run_in_executor<T: Send + 'static>(
    executor: impl IntoExecutor,
    f: impl FnOnce() -> T + Send + 'static,
) -> ExecutorFuture<T> {
    let place = Location::caller();
    let run = match Bridge::running() {
        Some(bridge) => run_on(&bridge, executor, f, place),
        None => running_at("run_in_executor", place).run_in_executor(executor, f),
    };
    run.unwrap_or_else(|error| failed(&running_at("run_in_executor", place), error, place))
}

/// Has a thread of the default executor call `f` in a copy of the current context: asyncio's `to_thread`.
///
/// A coroutine: nothing happens before it is awaited, or made a task.
///
/// # Errors
///
/// [`TaskError::Panicked`] if `f` panicked; [`TaskError::Failed`] with an [`ExecutorError`] if the executor was shut down,
/// or no thread is to be had.
///
/// # Cancellation
///
/// As with [`run_in_executor`].
///
/// # Panics
///
/// If no loop is running, when it is first polled.
///
/// # Examples
///
/// ```
/// use ouroloop::{ContextVar, to_thread};
///
/// static USER: ContextVar<&str> = ContextVar::new("user");
///
/// ouroloop::run(async {
///     USER.set("ada");
///     assert_eq!(to_thread(|| USER.get()).await.unwrap(), Some("ada"));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn to_thread<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, TaskError>> {
    let place = Location::caller();
    async move {
        let event_loop = running_at("to_thread", place);
        // An empty context too: the thread keeps what the jobs before this one have set.
        let context = snapshot_context().unwrap_or_default();
        let call = move || context.run(f);
        let bridge = Bridge::of(&event_loop)
            .map_err(|error| forked(&error).map_or(TaskError::LoopClosed, TaskError::failed))?;
        let pool = bridge.executor.get_or_make().map_err(TaskError::failed)?;
        submit(&bridge, &pool, call, place).await
    }
}

/// Makes the future of another thread one that the running loop can await: asyncio's `wrap_future`.
///
/// # Errors
///
/// In what it returns: what `future` ends with, and [`ExecutorError::Forked`] as [`TaskError::Failed`] in the child of a
/// fork, if it is one that the parent waits for.
///
/// # Cancellation
///
/// Cancelling what this returns, or a task that awaits it, cancels `future` one iteration later, if nobody has begun with it.
///
/// # Ordering
///
/// Two iterations after `future` is done those who wait resume; also if it is done already.
///
/// # Panics
///
/// If no loop is running in this thread; [`LoopExecutor::wrap_future`] needs none.
///
/// # Differences from asyncio
///
/// The result is moved to whoever asks first. Wrap a future once, and do not ask for its result elsewhere.
///
/// # Examples
///
/// ```
/// use ouroloop::{ThreadPoolExecutor, wrap_future};
///
/// let pool = ThreadPoolExecutor::new();
/// let future = pool.submit(|| "from elsewhere");
/// ouroloop::run(async move {
///     assert_eq!(wrap_future(&future).await.unwrap(), "from elsewhere");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn wrap_future<T>(future: &concurrent::Future<T>) -> ExecutorFuture<T> {
    let place = Location::caller();
    let running = running_at("wrap_future", place);
    match Bridge::of(&running) {
        Ok(bridge) => ExecutorFuture::of(&bridge, future, place),
        Err(error) => refused(&running, future, error, place),
    }
}

#[inline]
fn run_on<T: Send + 'static>(
    bridge: &Rc<Bridge>,
    executor: impl IntoExecutor,
    f: impl FnOnce() -> T + Send + 'static,
    created_at: &'static Location<'static>,
) -> Result<ExecutorFuture<T>, ExecutorError> {
    match executor.into_executor() {
        Some(pool) => Ok(submit(bridge, &pool, f, created_at)),
        None => {
            let pool = bridge.executor.get_or_make()?;
            Ok(submit(bridge, &pool, f, created_at))
        }
    }
}

/// Gives the pool a job, and the loop a future of it, which knows the job before any thread does.
fn submit<T: Send + 'static>(
    bridge: &Rc<Bridge>,
    pool: &ThreadPoolExecutor,
    f: impl FnOnce() -> T + Send + 'static,
    created_at: &'static Location<'static>,
) -> ExecutorFuture<T> {
    let info = JobInfo::new(None, created_at);
    let mut made = None;
    let future = ExecutorFuture::of_watched(bridge, created_at, |watcher| {
        let (job, shared) = job::make(f, info, Some(watcher));
        made = Some(job);
        shared
    });
    made.into_iter().for_each(|job| pool.submit_job(job));
    future
}

/// A future that has failed already.
fn failed<T: Send + 'static>(
    running: &LoopRef,
    error: ExecutorError,
    created_at: &'static Location<'static>,
) -> ExecutorFuture<T> {
    let promise = concurrent::Promise::new();
    match Bridge::of(running) {
        Ok(bridge) => {
            // Nobody else can have set it.
            let _ = promise.set_exception(error);
            ExecutorFuture::of(&bridge, &promise.future(), created_at)
        }
        Err(error) => refused(running, &promise.future(), error, created_at),
    }
}

/// A future that has failed since this process is the child of the one that made the running loop.
fn refused<T>(
    running: &LoopRef,
    future: &concurrent::Future<T>,
    error: LoopError,
    created_at: &'static Location<'static>,
) -> ExecutorFuture<T> {
    match (forked(&error), Bridge::detached(running)) {
        (Some(forked), Ok(bridge)) => {
            ExecutorFuture::failed(&bridge, future, TaskError::failed(forked), created_at)
        }
        _ => panic!("cannot use an executor: {error}"),
    }
}

/// The error of what is used in the child of a fork.
fn forked(error: &LoopError) -> Option<ExecutorError> {
    match error {
        LoopError::Forked { pid } => Some(ExecutorError::Forked { pid: *pid }),
        _ => None,
    }
}

/// The running loop. That it is not the one of a forked parent is looked at where it is used.
fn running_at(function: &str, place: &'static Location<'static>) -> LoopRef {
    let running = with_running(|running| running.cloned());
    running.unwrap_or_else(|| panic!("{function} at {place}: {}", LoopError::NotRunning))
}
