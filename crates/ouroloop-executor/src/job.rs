//! A job: a closure that waits for a thread, and the future of its result, in one allocation.
//!
//! # State
//!
//! The closure is there until the job starts or is cancelled; whoever takes it out decides which of the two it is,
//! and says so in the cell.
//!
//! A job that was cancelled stays in the queue until a thread comes to it. So a large closure has an allocation of
//! its own, which the cancellation frees: what stays is small.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use ouroloop_core::PanicPayload;
use ouroloop_task::TaskError;

use crate::concurrent::Future;
use crate::concurrent::cell::{Cell, Erased, Shared, Watcher};
use crate::log;
use crate::pool::seat::Seat;
use crate::sync::{Mutex, lock};

/// What is known of a job: the line that submitted it, and its name if it was given one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobInfo {
    /// Seldom there, so no larger than a pointer.
    name: Option<Arc<Arc<str>>>,
    created_at: &'static Location<'static>,
}

impl JobInfo {
    pub(crate) fn new(name: Option<Arc<str>>, created_at: &'static Location<'static>) -> JobInfo {
        JobInfo {
            name: name.map(Arc::new),
            created_at,
        }
    }

    /// Its name, if it was submitted with one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &***name)
    }

    /// The line that submitted it.
    pub fn created_at(&self) -> &'static Location<'static> {
        self.created_at
    }
}

impl fmt::Display for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "job {name:?} submitted at {}", self.created_at),
            None => write!(f, "job submitted at {}", self.created_at),
        }
    }
}

/// Calls `f`, and tells whether it panicked, whatever the payload of the panic does when it is dropped.
pub(crate) fn panics(f: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        return false;
    };
    drop(PanicPayload::from_payload(payload));
    true
}

/// What a thread of a pool can do with a job.
pub(crate) trait Run: Send + Sync {
    /// Runs it in the thread with this seat, unless it was cancelled.
    fn run(self: Arc<Self>, seat: &Seat);

    /// Ends it unrun.
    fn fail(self: Arc<Self>, error: TaskError);

    /// Cancels it, unless it runs.
    fn cancel(self: Arc<Self>);

    fn info(&self) -> &JobInfo;
}

/// The size of a closure, in bytes, above which it is allocated by itself.
const LARGE: usize = 128;

/// A job as the pool sees it, and as those see it who want the result.
pub(crate) type Made<T> = (Arc<dyn Run>, Arc<dyn Shared<T>>);

/// Makes a job that nobody else sees yet; `watcher` is told of its end.
pub(crate) fn make<F, T>(work: F, info: JobInfo, watcher: Option<Watcher<T>>) -> Made<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if size_of::<F>() > LARGE {
        let work: Box<dyn FnOnce() -> T + Send> = Box::new(work);
        let job = Job::new(work, info, watcher);
        return (job.clone(), job);
    }
    let job = Job::new(work, info, watcher);
    (job.clone(), job)
}

struct Job<F, T: 'static> {
    work: Mutex<Option<F>>,
    cell: Cell<T>,
    info: JobInfo,
}

impl<F, T> Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn new(work: F, info: JobInfo, watcher: Option<Watcher<T>>) -> Arc<Job<F, T>> {
        Arc::new(Job {
            work: Mutex::new(Some(work)),
            cell: Cell::watched(watcher),
            info,
        })
    }

    /// Takes what there is to do, if it is there, and says by `mark` what becomes of the job: under the lock, so that
    /// whoever finds nothing sees why.
    fn take_work(&self, mark: impl FnOnce(&Cell<T>)) -> Option<F> {
        let mut slot = lock(&self.work);
        let work = slot.take();
        if work.is_some() {
            mark(&self.cell);
        }
        work
    }

    fn finish(self: &Arc<Self>, outcome: Result<T, TaskError>) {
        // It runs, so nobody else ends it.
        let _ = self
            .cell
            .finish_running(outcome, || Future::of(self.clone()));
    }

    fn drop_work(&self, work: F) {
        // The destructor of what the closure holds must not end a thread that goes on with others.
        if panics(move || drop(work)) {
            log::error(&format!("the drop of a cancelled {} panicked", self.info));
        }
    }
}

impl<F, T> Run for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>, seat: &Seat) {
        let begin = |cell: &Cell<T>| {
            seat.begin();
            cell.mark_running();
        };
        let Some(work) = self.take_work(begin) else {
            return;
        };
        let outcome = catch_unwind(AssertUnwindSafe(work))
            .map_err(|payload| TaskError::Panicked(PanicPayload::from_payload(payload)));
        seat.tell();
        self.finish(outcome);
    }

    fn fail(self: Arc<Self>, error: TaskError) {
        if let Some(work) = self.take_work(Cell::mark_running) {
            self.drop_work(work);
            self.finish(Err(error));
        }
    }

    fn cancel(self: Arc<Self>) {
        Erased::cancel(self);
    }

    fn info(&self) -> &JobInfo {
        &self.info
    }
}

impl<F, T> Shared<T> for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn cell(&self) -> &Cell<T> {
        &self.cell
    }

    fn erase(self: Arc<Self>) -> Arc<dyn Erased> {
        self
    }
}

impl<F, T> Erased for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn cancel(self: Arc<Self>) -> bool {
        // In the child of a fork the lock may be held for ever.
        if self.cell.check_process().is_err() {
            return self.cell.cancelled();
        }
        if let Some(work) = self.take_work(Cell::mark_cancelled) {
            self.drop_work(work);
            self.cell.tell_all(|| Future::of(self.clone()));
        }
        self.cell.cancelled()
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
        Some(&self.info)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_stays_of_a_cancelled_job_is_small() {
        let large = [0_u8; 100_000];
        let info = JobInfo::new(None, Location::caller());
        let (job, future) = make(move || large.len(), info, None);
        assert!(size_of_val(&*job) <= 2 * LARGE, "{}", size_of_val(&*job));
        assert!(future.erase().cancel());
        job.run(&Seat::new(0));
    }
}
