//! What can go wrong between threads and loops, and what to do about it.

use std::io;
use std::time::Duration;

use ouroloop_core::LoopError;
use ouroloop_task::TaskError;

use crate::job::JobInfo;

/// An error of executors, of the futures that cross threads, and of loops in threads.
///
/// What a job itself came to is a [`TaskError`]: a pool that refuses a job, or finds no thread for
/// it, leaves one of these in the job's future as [`TaskError::Failed`].
///
/// # Examples
///
/// ```
/// use ouroloop::{ExecutorError, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new();
/// pool.shutdown(true, false)?;
/// let refused = pool.submit(|| 1).exception(None)?.unwrap();
/// assert!(matches!(refused.downcast_ref(), Some(ExecutorError::Shutdown)));
/// # Ok::<(), ExecutorError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The thread of a loop would wait for something that only this loop can do. Await it instead:
    /// [`wrap_future`](crate::wrap_future).
    #[error(
        "this would block the event loop that has to complete the future; await `wrap_future(&future)` instead"
    )]
    BlocksItsLoop,

    /// The process has forked since the pool, the thread or the future was made, and what completes it is the parent's.
    #[error(
        "this was made by process {pid}, before a fork, and its threads are not here; make a new one in the child"
    )]
    Forked {
        /// The process that made it.
        pid: u32,
    },

    /// A thread was to wait for its own end: a job that shuts down its own pool, or a coroutine
    /// that joins the thread it runs in.
    #[error("a thread cannot join itself; do that in another thread, or shut down without waiting")]
    JoinsItself,

    /// The names of threads cannot hold a zero byte.
    #[error("`thread_name_prefix` must not contain a zero byte; leave it out")]
    InvalidThreadName,

    /// The loop of the thread has not stopped. Call `stop()` first.
    #[error("the loop of the thread is still running; call `stop()` first, then `join()`")]
    LoopNotStopped,

    /// The loop of the thread has stopped already, or is closed.
    #[error("the loop of the thread has stopped already; start another `LoopThread`")]
    LoopStopped,

    /// The thread of the loop panicked; the message of the panic.
    #[error("the thread of the loop panicked: {0}")]
    LoopThreadPanicked(String),

    /// The loop is closed, or could not be made.
    #[error(transparent)]
    Loop(#[from] LoopError),

    /// A pool needs at least one thread.
    #[error("`max_workers` must be greater than 0")]
    NoWorkers,

    /// The pool was shut down; it takes no more jobs.
    #[error("cannot schedule new futures after shutdown; make another executor, or submit earlier")]
    Shutdown,

    /// The pool did not come to its end within the limit. The jobs that are named never ended; give
    /// each of them a way to learn that it is to stop. The threads that are named have no more jobs, and run the
    /// destructors of their thread-locals.
    #[error("the executor did not finish joining its threads within {limit:?}: {}", list(.jobs, .ending))]
    StillRunning {
        /// How long the threads were waited for.
        limit: Duration,
        /// What they were doing.
        jobs: Vec<JobInfo>,
        /// The names of those that have left the queue, and not ended.
        ending: Vec<String>,
    },

    /// The job or coroutine came to no value.
    #[error(transparent)]
    Task(#[from] TaskError),

    /// The operating system gave no thread.
    #[error("cannot start a thread; end other threads, or ask for a smaller stack")]
    ThreadStart(#[source] io::Error),

    /// The limit of a blocking wait passed. The future goes on.
    #[error("the future was not done within the limit; wait again, or cancel it")]
    TimedOut,
}

fn list(jobs: &[JobInfo], ending: &[String]) -> String {
    let jobs = jobs.iter().map(|job| format!("{job} still running"));
    let ending = ending
        .iter()
        .map(|name| format!("thread {name:?} is ending"));
    let all: Vec<_> = jobs.chain(ending).collect();
    match all.is_empty() {
        true => "they are about to end".into(),
        false => all.join(", "),
    }
}
