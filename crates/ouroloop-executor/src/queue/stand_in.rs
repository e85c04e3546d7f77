//! A queue behind locks, which loom can model.
//!
//! It has the parts that the real one has: an injector, a part of each worker that the others steal from, and batches
//! that are in neither of them for a moment, on their way from the one to the other.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{JobQueue, Popped};
use crate::sync::{Mutex, lock};

/// How many jobs a worker takes at most, whenever there are so many.
const BATCH: usize = 2;

type Part<J> = Arc<Mutex<VecDeque<J>>>;

pub(crate) struct StandIn<J> {
    injector: Mutex<VecDeque<J>>,
    parts: Mutex<Vec<Part<J>>>,
    moves: bool,
}

impl<J> StandIn<J> {
    /// One whose workers take the jobs one by one.
    pub(crate) fn new() -> StandIn<J> {
        StandIn {
            injector: Mutex::new(VecDeque::new()),
            parts: Mutex::new(Vec::new()),
            moves: false,
        }
    }

    /// One whose workers take batches.
    #[cfg(test)]
    pub(crate) fn with_batches() -> StandIn<J> {
        StandIn {
            moves: true,
            ..StandIn::new()
        }
    }

    fn steal(&self) -> Option<J> {
        if !self.moves {
            return None;
        }
        let parts = lock(&self.parts).clone();
        parts.iter().find_map(|part| lock(part).pop_front())
    }
}

impl<J: Send + 'static> JobQueue for StandIn<J> {
    type Job = J;
    type Local = Part<J>;

    fn local(&self) -> Part<J> {
        let part = Part::<J>::new(Mutex::new(VecDeque::new()));
        lock(&self.parts).push(part.clone());
        part
    }

    fn push(&self, job: J) {
        lock(&self.injector).push_back(job);
    }

    fn pop(&self, local: &Part<J>) -> Option<Popped<J>> {
        if !self.moves {
            let job = lock(&self.injector).pop_front()?;
            return Some(Popped { job, moved: false });
        }
        if let Some(job) = lock(local).pop_front() {
            return Some(Popped { job, moved: false });
        }
        let mut injector = lock(&self.injector);
        let count = injector.len().min(BATCH);
        let mut batch = injector.drain(..count).collect::<VecDeque<_>>();
        drop(injector);
        let Some(job) = batch.pop_front() else {
            let job = self.steal()?;
            return Some(Popped { job, moved: false });
        };
        let moved = !batch.is_empty();
        if moved {
            // Others find these jobs nowhere until here.
            lock(local).append(&mut batch);
        }
        Some(Popped { job, moved })
    }

    fn drain(&self) -> Vec<J> {
        let mut jobs: Vec<_> = lock(&self.injector).drain(..).collect();
        jobs.extend(std::iter::from_fn(|| self.steal()));
        jobs
    }

    fn is_empty(&self, _local: &Part<J>) -> bool {
        lock(&self.injector).is_empty()
            && (!self.moves || lock(&self.parts).iter().all(|part| lock(part).is_empty()))
    }

    fn waiting(&self) -> usize {
        let moved = match self.moves {
            true => lock(&self.parts).iter().map(|part| lock(part).len()).sum(),
            false => 0,
        };
        lock(&self.injector).len() + moved
    }
}
