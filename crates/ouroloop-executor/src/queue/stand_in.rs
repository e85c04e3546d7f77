//! A queue that loom can model.
//!
//! The jobs are behind a lock, but whether there are some is asked outside of it, as of the real queue: a lock would
//! order what the protocol of the workers has to order by its fences.

use std::collections::VecDeque;

use super::JobQueue;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

pub(crate) struct StandIn<J> {
    jobs: Mutex<VecDeque<J>>,
    /// Written under the lock.
    count: AtomicU64,
}

impl<J> StandIn<J> {
    pub(crate) fn new() -> StandIn<J> {
        StandIn {
            jobs: Mutex::new(VecDeque::new()),
            count: AtomicU64::new(0),
        }
    }
}

impl<J: Send + 'static> JobQueue for StandIn<J> {
    type Job = J;

    fn push(&self, job: J) {
        let mut jobs = lock(&self.jobs);
        jobs.push_back(job);
        self.count.store(jobs.len() as u64, Ordering::Release);
    }

    fn pop(&self) -> Option<J> {
        if self.is_empty() {
            return None;
        }
        let mut jobs = lock(&self.jobs);
        let job = jobs.pop_front();
        self.count.store(jobs.len() as u64, Ordering::Release);
        job
    }

    fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        self.count.load(Ordering::Acquire) as usize
    }
}
