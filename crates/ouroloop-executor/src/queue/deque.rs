//! The queue that pools have: crossbeam's injector, and a deque of each worker that the others steal from.
//!
//! All jobs come in by the injector, those of jobs too, so they begin in the order in which they were submitted:
//! with one worker exactly, as in Python. A worker takes several at once only when many are waiting.

use std::sync::Mutex;

use crossbeam_deque::{Injector, Steal, Stealer, Worker};

use super::{JobQueue, Popped};

/// How many jobs a worker takes at most.
const BATCH: usize = 8;

/// How many jobs for each worker must wait before one takes a batch.
const CROWD: usize = 16;

pub(crate) struct DequeQueue<J> {
    injector: Injector<J>,
    stealers: Vec<Stealer<J>>,
    locals: Mutex<Vec<Local<J>>>,
}

pub(crate) struct Local<J> {
    worker: Worker<J>,
    number: usize,
}

impl<J> DequeQueue<J> {
    pub(crate) fn new(workers: usize) -> DequeQueue<J> {
        let locals: Vec<_> = (0..workers)
            .map(|number| Local {
                worker: Worker::new_fifo(),
                number,
            })
            .collect();
        DequeQueue {
            injector: Injector::new(),
            stealers: locals.iter().map(|local| local.worker.stealer()).collect(),
            locals: Mutex::new(locals),
        }
    }

    fn take_from_injector(&self, local: &Local<J>) -> Steal<J> {
        if self.injector.len() < CROWD * self.stealers.len() {
            return self.injector.steal();
        }
        self.injector
            .steal_batch_with_limit_and_pop(&local.worker, BATCH)
    }

    /// From the others, beginning with the next one: so that not all try the same.
    fn steal_from_others(&self, local: &Local<J>) -> Steal<J> {
        let (before, after) = self.stealers.split_at(local.number);
        after
            .iter()
            .skip(1)
            .chain(before)
            .map(Stealer::steal)
            .collect()
    }
}

impl<J: Send + 'static> JobQueue for DequeQueue<J> {
    type Job = J;
    type Local = Local<J>;

    fn locals(&self) -> Vec<Local<J>> {
        std::mem::take(&mut *crate::sync::lock(&self.locals))
    }

    fn push(&self, job: J) {
        self.injector.push(job);
    }

    fn pop(&self, local: &Local<J>) -> Option<Popped<J>> {
        if let Some(job) = local.worker.pop() {
            return Some(Popped { job, moved: false });
        }
        loop {
            match self
                .take_from_injector(local)
                .or_else(|| self.steal_from_others(local))
            {
                Steal::Success(job) => {
                    let moved = !local.worker.is_empty();
                    return Some(Popped { job, moved });
                }
                Steal::Empty => return None,
                // Another worker was quicker, so somebody gets on.
                Steal::Retry => {}
            }
        }
    }

    fn drain(&self) -> Vec<J> {
        let mut jobs = Vec::new();
        loop {
            let others = || self.stealers.iter().map(Stealer::steal).collect();
            match self.injector.steal().or_else(others) {
                Steal::Success(job) => jobs.push(job),
                Steal::Empty => return jobs,
                Steal::Retry => {}
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.stealers.iter().all(Stealer::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(workers: usize) -> (DequeQueue<usize>, Vec<Local<usize>>) {
        let queue = DequeQueue::new(workers);
        let locals = queue.locals();
        (queue, locals)
    }

    #[test]
    fn one_worker_takes_any_number_of_jobs_in_their_order() {
        let (queue, locals) = queue(1);
        (0..1000).for_each(|job| queue.push(job));
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop(&locals[0]).map(|it| it.job)).collect();
        assert!(taken.into_iter().eq(0..1000));
        assert!(queue.is_empty());
    }

    #[test]
    fn few_jobs_are_taken_one_by_one() {
        let (queue, locals) = queue(2);
        (0..3).for_each(|job| queue.push(job));
        let first = queue.pop(&locals[0]).unwrap();
        assert_eq!((first.job, first.moved), (0, false));
        assert_eq!(queue.pop(&locals[1]).unwrap().job, 1);
    }

    #[test]
    fn what_a_worker_took_and_does_not_come_to_is_stolen_by_another() {
        let (queue, locals) = queue(2);
        (0..100).for_each(|job| queue.push(job));
        let first = queue.pop(&locals[0]).unwrap();
        assert!(first.moved, "it took a batch, and says so");
        let mut rest: Vec<_> =
            std::iter::from_fn(|| queue.pop(&locals[1]).map(|it| it.job)).collect();
        rest.sort_unstable();
        assert!(rest.into_iter().eq(1..100));
        assert!(queue.is_empty());
    }
}
