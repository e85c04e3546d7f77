//! What others may know of one thread of a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::job::JobInfo;
use crate::sync::{Mutex, lock};

/// The job was not begun, or nothing is left of it.
const IDLE: u8 = 0;
/// The job runs.
const RUNNING: u8 = 1;
/// It is through, and those who wait for it are told.
const TELLING: u8 = 2;

pub(crate) struct Seat {
    number: usize,
    /// How many jobs the thread took. It alone writes this.
    taken: AtomicUsize,
    /// The job that it took last, for those who ask why a shutdown takes so long.
    doing: Mutex<Option<JobInfo>>,
    /// How far it is with that.
    stage: AtomicU8,
    /// It is through with the queue.
    left: AtomicBool,
    /// The destructors of its thread-locals have run.
    gone: AtomicBool,
}

impl Seat {
    pub(crate) fn new(number: usize) -> Seat {
        Seat {
            number,
            taken: AtomicUsize::new(0),
            doing: Mutex::new(None),
            stage: AtomicU8::new(IDLE),
            left: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn count_taken(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn set_doing(&self, job: Option<JobInfo>) {
        // What was there has at most a name, so its drop calls nobody.
        *lock(&self.doing) = job;
    }

    /// The job runs from now on; before anybody can see that of the job itself.
    pub(crate) fn begin(&self) {
        self.stage.store(RUNNING, Ordering::Release);
    }

    /// The job has come to its end; before anybody can see that of the job itself.
    pub(crate) fn tell(&self) {
        self.stage.store(TELLING, Ordering::Release);
    }

    /// The thread is through with the job, and those who were told of it.
    pub(crate) fn end(&self) {
        self.stage.store(IDLE, Ordering::Release);
    }

    /// The job that runs.
    pub(crate) fn running(&self) -> Option<JobInfo> {
        self.doing_at(|stage| stage == RUNNING)
    }

    /// The job that the thread is busy with; also if it is through, and a callback of it is not.
    pub(crate) fn doing(&self) -> Option<JobInfo> {
        self.doing_at(|stage| stage != IDLE)
    }

    fn doing_at(&self, holds: impl Fn(u8) -> bool) -> Option<JobInfo> {
        let doing = lock(&self.doing);
        match holds(self.stage.load(Ordering::Acquire)) {
            true => doing.clone(),
            false => None,
        }
    }

    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Whether the thread has left the queue, and not ended.
    pub(crate) fn is_ending(&self) -> bool {
        self.left.load(Ordering::Relaxed) && !self.gone.load(Ordering::Relaxed)
    }

    /// Whether it has ended, but for what a join waits for next.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// What the thread keeps to say by its drop that it has ended.
    pub(crate) fn occupy(seat: &Arc<Seat>) -> Occupied {
        Occupied(seat.clone())
    }
}

/// A thread-local that is made before those of the jobs, and so dropped after them.
pub(crate) struct Occupied(Arc<Seat>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
    }
}
