//! What others may know of one thread of a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::job::JobInfo;
use crate::sync::{Mutex, lock};

pub(crate) struct Seat {
    number: usize,
    /// How many jobs the thread took. It alone writes this.
    taken: AtomicUsize,
    /// The job that it runs, for those who ask why a shutdown takes so long.
    doing: Mutex<Option<JobInfo>>,
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

    pub(crate) fn doing(&self) -> Option<JobInfo> {
        lock(&self.doing).clone()
    }

    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Whether the thread has left the queue, and not ended.
    pub(crate) fn is_ending(&self) -> bool {
        self.left.load(Ordering::Relaxed) && !self.gone.load(Ordering::Relaxed)
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
