//! A job: a closure that waits for a thread, and the future of its result, in one allocation.
//!
//! # State
//!
//! The closure is there until the job starts or is cancelled; whoever changes the state of the cell
//! from pending takes it out, so nobody else looks for it.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use ouroloop_core::PanicPayload;
use ouroloop_task::TaskError;

use crate::concurrent::Future;
use crate::concurrent::cell::{Cell, Erased, Shared};
use crate::sync::{Mutex, lock};

/// What is known of a job: the line that submitted it, and its name if it was given one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobInfo {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) created_at: &'static Location<'static>,
}

impl JobInfo {
    /// Its name, if it was submitted with one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // This one may be of the same kind, and so without end.
        std::mem::forget(next);
    }
    true
}

/// What a thread of a pool can do with a job.
pub(crate) trait Run: Send + Sync {
    /// Runs it, unless it was cancelled.
    fn run(self: Arc<Self>);

    /// Ends it unrun.
    fn fail(self: Arc<Self>, error: TaskError);

    /// Cancels it, unless it runs.
    fn cancel(self: Arc<Self>);

    fn info(&self) -> &JobInfo;
}

pub(crate) struct Job<F, T: 'static> {
    work: Mutex<Option<F>>,
    cell: Cell<T>,
    info: JobInfo,
}

impl<F, T> Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(work: F, info: JobInfo) -> Arc<Job<F, T>> {
        Arc::new(Job {
            work: Mutex::new(Some(work)),
            cell: Cell::new(None),
            info,
        })
    }

    fn finish(self: &Arc<Self>, outcome: Result<T, TaskError>) {
        // A job that was cancelled meanwhile has nobody left to tell.
        let _ = self.cell.finish(outcome, || Future::of(self.clone()));
    }

    fn drop_work(&self) {
        let work = lock(&self.work).take();
        // The destructor of what the closure holds must not end a thread that goes on with others.
        if panics(move || drop(work)) {
            tracing::error!(target: "ouroloop::executor", "the drop of a cancelled {} panicked", self.info);
        }
    }
}

impl<F, T> Run for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) {
        if self.cell.start() != Ok(true) {
            return;
        }
        let work = lock(&self.work).take();
        let work = work.expect("only who starts or cancels the job takes it");
        let outcome = catch_unwind(AssertUnwindSafe(work))
            .map_err(|payload| TaskError::Panicked(PanicPayload::from_payload(payload)));
        self.finish(outcome);
    }

    fn fail(self: Arc<Self>, error: TaskError) {
        if self.cell.start() == Ok(true) {
            self.drop_work();
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
        self.cell
            .cancel(|| self.drop_work(), || Future::of(self.clone()))
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
