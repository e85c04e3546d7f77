//! A queue behind a lock, which loom can model.

use std::collections::VecDeque;

use super::{JobQueue, Popped};
use crate::sync::{Mutex, lock};

pub(crate) struct StandIn<J> {
    jobs: Mutex<VecDeque<J>>,
    workers: usize,
}

impl<J> StandIn<J> {
    pub(crate) fn new(workers: usize) -> StandIn<J> {
        StandIn {
            jobs: Mutex::new(VecDeque::new()),
            workers,
        }
    }
}

impl<J: Send + 'static> JobQueue for StandIn<J> {
    type Job = J;
    type Local = ();

    fn locals(&self) -> Vec<()> {
        vec![(); self.workers]
    }

    fn push(&self, job: J) {
        lock(&self.jobs).push_back(job);
    }

    fn pop(&self, _local: &()) -> Option<Popped<J>> {
        let job = lock(&self.jobs).pop_front()?;
        Some(Popped { job, moved: false })
    }

    fn drain(&self) -> Vec<J> {
        lock(&self.jobs).drain(..).collect()
    }

    fn is_empty(&self) -> bool {
        lock(&self.jobs).is_empty()
    }
}
