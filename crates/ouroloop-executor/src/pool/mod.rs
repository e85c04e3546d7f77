//! `ThreadPoolExecutor`: blocking and CPU-bound work on threads.

mod builder;
mod map;
pub(crate) mod seat;
pub(crate) mod workers;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use ouroloop_task::{TaskError, process_id};

pub use self::builder::ThreadPoolBuilder;
pub use self::map::ExecutorMap;
use self::seat::{Occupied, Seat};
use self::workers::{Crew, NotJoined, Refusal, THREADS_MAX, Workers};
use crate::concurrent::Future;
use crate::error::ExecutorError;
use crate::job::{self, JobInfo, Run, panics};
use crate::log;
use crate::queue::PoolQueue;
use crate::sync::thread;

/// A pool of threads for what blocks or computes: `concurrent.futures.ThreadPoolExecutor`.
///
/// A thread is started when a job finds none that is idle, up to
/// [`max_workers`](ThreadPoolBuilder::max_workers). Idle threads sleep and cost nothing. Clones are handles of the
/// same pool, which may be used from any thread.
///
/// # When to use it
///
/// For calls that block (files, databases, a library without an async interface) and for computations of more than
/// about a tenth of a millisecond: in a coroutine either would hold up the whole loop. A pool of few threads with a
/// queue is what both want; some hundreds of threads only get into each other's way.
///
/// For *data parallelism*, one computation spread over all processors, use rayon beside it: call it in a job
/// (`run_in_executor(None, || data.par_iter().map(f).sum())`), so that the loop goes on meanwhile and rayon's threads
/// do the work, or send it there directly with `rayon::spawn` and a [`Promise`](crate::concurrent::Promise), which [`wrap_future`](crate::wrap_future)
/// awaits. A job that waits for other jobs of its own pool needs a free thread for each of them; rayon's do not.
///
/// # Ordering
///
/// Jobs begin in the order in which they are submitted; with one worker exactly, with more of them about so.
///
/// # Dropping it
///
/// When the last handle goes, the pool is shut down without waiting: queued jobs are still run, and then the threads
/// end. Neither this nor the end of the program waits for a job: a process ends when `main` returns, whatever its
/// threads do, and what is queued then never runs. To wait, call [`shutdown`](ThreadPoolExecutor::shutdown), or
/// [`shutdown_timeout`](ThreadPoolExecutor::shutdown_timeout) if a job might never end.
///
/// # Differences from asyncio
///
/// `submit` gives a future in any case. After a shutdown, and if there is no thread to be had, the error is what the
/// future ends with.
///
/// # Examples
///
/// ```
/// use ouroloop::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new();
/// let word = pool.submit(|| "parallel".to_owned());
/// let squares: Result<Vec<_>, _> = pool.map(1..=4, |n| n * n).collect();
/// assert_eq!(word.result(None)?, "parallel");
/// assert_eq!(squares?, [1, 4, 9, 16]);
/// pool.shutdown(true, false)?;
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
#[derive(Clone)]
pub struct ThreadPoolExecutor {
    handle: Arc<Handle>,
}

/// What the users of a pool share. Its end is theirs; the workers do not count.
struct Handle {
    workers: Arc<Workers<Queue, Threads>>,
    max_workers: usize,
    pid: u32,
}

type Queue = PoolQueue<Arc<dyn Run>>;

thread_local! {
    /// The address of the pool that this thread is of.
    static POOL: Cell<usize> = const { Cell::new(0) };
    /// Made first, so dropped last.
    static SEAT: RefCell<Option<Occupied>> = const { RefCell::new(None) };
}

impl ThreadPoolExecutor {
    /// A pool with asyncio's defaults: as many threads as there are processors and 4 more, at most 32.
    #[allow(clippy::new_without_default, reason = "threads are worth a word")]
    pub fn new() -> ThreadPoolExecutor {
        ThreadPoolExecutor::with_options(ThreadPoolBuilder::default())
    }

    /// Begins to make a pool that is not quite the usual one.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    fn with_options(options: ThreadPoolBuilder) -> ThreadPoolExecutor {
        let max_workers = options
            .max_workers
            .map_or_else(default_workers, NonZeroUsize::get);
        let threads = Threads {
            options,
            spins: std::thread::available_parallelism().is_ok_and(|count| count.get() > 1),
        };
        let threads_max = max_workers.min(THREADS_MAX);
        ThreadPoolExecutor {
            handle: Arc::new(Handle {
                workers: Workers::new(PoolQueue::new(), threads, threads_max),
                max_workers,
                pid: process_id(),
            }),
        }
    }

    /// Has a thread of the pool call `f`.
    ///
    /// A panic of `f` is an error in the future, and the thread lives on. So is a shutdown of the pool
    /// ([`ExecutorError::Shutdown`]), a pool that was inherited by a fork ([`ExecutorError::Forked`]), and the want of
    /// any thread to run it ([`ExecutorError::ThreadStart`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{ExecutorError, TaskError, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new();
    /// let failed = pool.submit(|| -> u32 { panic!("out of ideas") });
    /// match failed.result(None) {
    ///     Err(ExecutorError::Task(TaskError::Panicked(panic))) => assert_eq!(panic.message(), "out of ideas"),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// ```
    #[track_caller]
    pub fn submit<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Future<T> {
        self.submit_as(f, None, Location::caller())
    }

    /// The same with a name for the job, which errors and wait graphs then show.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::ThreadPoolExecutor;
    ///
    /// let future = ThreadPoolExecutor::new().submit_named("index", || ());
    /// assert_eq!(future.job().unwrap().name(), Some("index"));
    /// ```
    #[track_caller]
    pub fn submit_named<T: Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Future<T> {
        self.submit_as(f, Some(name.into()), Location::caller())
    }

    /// Calls `f` with each item, all of them submitted now; an iterator over the results in the order of the items.
    ///
    /// Dropping the iterator cancels the calls that nobody has begun.
    ///
    /// # Errors
    ///
    /// Each item of the iterator is a `Result`: see [`Future::result`].
    #[track_caller]
    pub fn map<I, R>(
        &self,
        items: I,
        f: impl Fn(I::Item) -> R + Send + Sync + 'static,
    ) -> ExecutorMap<R>
    where
        I: IntoIterator<Item: Send + 'static>,
        R: Send + 'static,
    {
        let (f, place) = (Arc::new(f), Location::caller());
        let futures = items.into_iter().map(|item| {
            let f = f.clone();
            self.submit_as(move || f(item), None, place)
        });
        ExecutorMap::new(futures.collect())
    }

    /// Takes no more jobs. With `wait`, blocks until those that were submitted are done and the threads have ended; with
    /// `cancel_futures`, those that nobody has begun are cancelled. A second call is fine, and may wait.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::JoinsItself`] if a job of this pool would wait, and [`ExecutorError::Forked`] in the child of the
    /// process that made it; nothing is done then.
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), ExecutorError> {
        self.check_process()?;
        if wait {
            self.check_not_own()?;
        }
        self.begin_shutdown(cancel_futures);
        match wait {
            true => self.join(None),
            false => Ok(()),
        }
    }

    /// Shuts down and waits, but only so long: for the jobs, and for the destructors of what they left in thread-locals.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::StillRunning`] with the jobs and the threads that have not ended by then; they go on, and the
    /// threads end with them. [`ExecutorError::JoinsItself`] in a job of this pool; [`ExecutorError::Forked`] in the child of
    /// the process that made it. [`ExecutorError::ThreadStart`] if there is no thread to be had that waits for the others'
    /// end; the pool is shut down all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    /// use ouroloop::{ExecutorError, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new();
    /// let (release, released) = channel::<()>();
    /// let stuck = pool.submit_named("stuck", move || released.recv());
    /// # while !stuck.running() { std::thread::yield_now() }
    /// let error = pool.shutdown_timeout(Duration::from_millis(10)).unwrap_err();
    /// assert!(error.to_string().contains("job \"stuck\" submitted at"));
    /// drop(release);
    /// pool.shutdown(true, false)?;
    /// # Ok::<(), ExecutorError>(())
    /// ```
    pub fn shutdown_timeout(&self, limit: Duration) -> Result<(), ExecutorError> {
        self.check_process()?;
        self.check_not_own()?;
        self.begin_shutdown(false);
        self.join(Some(limit))
    }

    /// How many threads there may be.
    pub fn max_workers(&self) -> usize {
        self.handle.max_workers
    }

    /// How many threads there are at this moment.
    pub fn thread_count(&self) -> usize {
        self.handle.workers.threads()
    }

    /// The jobs that run at this moment; none in the child of a fork.
    pub fn running_jobs(&self) -> Vec<JobInfo> {
        let seats = self.seats();
        seats.iter().filter_map(|seat| seat.running()).collect()
    }

    fn seats(&self) -> Vec<Arc<Seat>> {
        match self.check_process() {
            Ok(()) => self.handle.workers.seats(),
            Err(_) => Vec::new(),
        }
    }

    fn submit_as<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
        name: Option<Arc<str>>,
        created_at: &'static Location<'static>,
    ) -> Future<T> {
        let (job, shared) = job::make(f, JobInfo::new(name, created_at), None);
        self.submit_job(job);
        Future::of(shared)
    }

    /// Has a thread run the job, or ends it in an error.
    pub(crate) fn submit_job(&self, job: Arc<dyn Run>) {
        match self.check_process() {
            Ok(()) => self.handle.workers.submit(job),
            Err(forked) => job.fail(TaskError::failed(forked)),
        }
    }

    /// An error in the child of the process that made the pool: it has none of its threads.
    pub(crate) fn check_process(&self) -> Result<(), ExecutorError> {
        let pid = self.handle.pid;
        match pid == process_id() {
            true => Ok(()),
            false => Err(ExecutorError::Forked { pid }),
        }
    }

    /// Does nothing in the child of a fork, where a lock may be held for ever.
    pub(crate) fn begin_shutdown(&self, cancel_futures: bool) {
        if self.check_process().is_err() {
            return;
        }
        let workers = &self.handle.workers;
        workers.shut_down();
        if cancel_futures {
            workers.drain().into_iter().for_each(Run::cancel);
        }
    }

    /// Whether it was shut down, and none of its threads is left.
    pub(crate) fn has_joined(&self) -> bool {
        self.handle.workers.has_joined()
    }

    /// Waits for the end of the threads of a pool that is shut down.
    pub(crate) fn join(&self, limit: Option<Duration>) -> Result<(), ExecutorError> {
        let joined = self.handle.workers.join(limit);
        joined.map_err(|not| match not {
            NotJoined::Late => self.still_running(limit.unwrap_or(Duration::MAX)),
            NotJoined::NoThread(error) => ExecutorError::ThreadStart(error),
        })
    }

    /// Whether the threads of a pool that is shut down have ended; they are joined then. For who cannot have a thread that
    /// waits for that.
    pub(crate) fn try_join(&self) -> bool {
        self.handle.workers.try_join()
    }

    pub(crate) fn still_running(&self, limit: Duration) -> ExecutorError {
        let seats = self.seats();
        let ending = seats.iter().filter(|seat| seat.is_ending());
        ExecutorError::StillRunning {
            limit,
            jobs: seats.iter().filter_map(|seat| seat.doing()).collect(),
            ending: ending
                .map(|seat| self.handle.workers.crew.name(seat))
                .collect(),
        }
    }

    pub(crate) fn check_not_own(&self) -> Result<(), ExecutorError> {
        match self.id().is_own() {
            true => Err(ExecutorError::JoinsItself),
            false => Ok(()),
        }
    }

    pub(crate) fn id(&self) -> PoolId {
        PoolId(Arc::as_ptr(&self.handle.workers).addr())
    }
}

/// Names a pool as long as it has threads.
#[derive(Clone, Copy)]
pub(crate) struct PoolId(usize);

impl PoolId {
    /// Whether this thread is one of that pool.
    pub(crate) fn is_own(self) -> bool {
        POOL.try_with(Cell::get) == Ok(self.0)
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolExecutor")
            .field("max_workers", &self.max_workers())
            .field("threads", &self.thread_count())
            .field("shut_down", &self.handle.workers.is_shut_down())
            .finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In the child of a fork nobody waits for this, and a lock may be held for ever.
        if self.pid == process_id() {
            self.workers.shut_down();
        }
    }
}

/// The threads, and what they do.
struct Threads {
    options: ThreadPoolBuilder,
    spins: bool,
}

impl Threads {
    fn name(&self, seat: &Seat) -> String {
        format!("{}_{}", self.options.thread_name_prefix, seat.number())
    }
}

impl Crew<Arc<dyn Run>> for Threads {
    fn begin(&self, workers: usize, seat: &Arc<Seat>) {
        POOL.set(workers);
        SEAT.set(Some(Seat::occupy(seat)));
    }

    fn run(&self, seat: &Seat, job: Arc<dyn Run>) {
        seat.set_doing(Some(job.info().clone()));
        // The job contains its own panics; this is for the destructor of a result that nobody wants.
        if panics(|| job.run(seat)) {
            log::error("the drop of a job's result panicked");
        }
        seat.end();
    }

    fn rest(&self, seat: &Seat) {
        seat.set_doing(None);
    }

    fn refuse(&self, job: Arc<dyn Run>, because: Refusal) {
        job.fail(TaskError::failed(ExecutorError::from(because)));
    }

    fn spins(&self) -> bool {
        self.spins
    }

    fn naps(&self) -> bool {
        true
    }

    fn start(
        &self,
        seat: Option<&Seat>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<thread::JoinHandle<()>> {
        let Some(seat) = seat else {
            let name = format!("{}_end", self.options.thread_name_prefix);
            return thread::Builder::new().name(name).spawn(body);
        };
        let mut builder = thread::Builder::new().name(self.name(seat));
        if let Some(stack_size) = self.options.stack_size {
            builder = builder.stack_size(stack_size);
        }
        builder.spawn(body)
    }
}

fn default_workers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors + 4).min(32)
}
