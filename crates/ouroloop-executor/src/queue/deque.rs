//! The queue that pools have: crossbeam's injector, and a deque of each worker that the others steal from.
//!
//! All jobs come in by the injector, those of jobs too, so they begin in the order in which they were submitted:
//! with one worker exactly, as in Python. A worker takes several at once only when many are waiting.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_deque::{Injector, Steal, Stealer, Worker};

use super::{JobQueue, Popped};
use crate::sync::lock;

/// How many jobs a worker takes at most.
const BATCH: usize = 8;

/// How many jobs for each worker must wait before one takes a batch.
const CROWD: usize = 16;

pub(crate) struct DequeQueue<J> {
    injector: Injector<J>,
    /// Of the workers that were started. A new one makes a new list, and whoever has the old one sees that by `workers`.
    stealers: Mutex<Stealers<J>>,
    workers: AtomicUsize,
    /// How many workers may have jobs in their own part. Each counts itself before it moves any there.
    hoarders: AtomicUsize,
}

type Stealers<J> = Arc<Vec<Stealer<J>>>;

pub(crate) struct Local<J> {
    worker: Worker<J>,
    number: usize,
    known: RefCell<Stealers<J>>,
    hoards: Cell<bool>,
}

impl<J> DequeQueue<J> {
    pub(crate) fn new() -> DequeQueue<J> {
        DequeQueue {
            injector: Injector::new(),
            stealers: Mutex::default(),
            workers: AtomicUsize::new(0),
            hoarders: AtomicUsize::new(0),
        }
    }

    fn take_from_injector(&self, local: &Local<J>) -> Steal<J> {
        let crowd = CROWD * self.workers.load(Ordering::Relaxed);
        if self.injector.len() < crowd {
            return self.injector.steal();
        }
        if !local.hoards.replace(true) {
            // Before the jobs are out of the injector: who finds it empty must see this.
            self.hoarders.fetch_add(1, Ordering::SeqCst);
        }
        self.injector
            .steal_batch_with_limit_and_pop(&local.worker, BATCH)
    }

    /// From the others, beginning with the next one: so that not all try the same.
    fn steal_from_others(&self, local: &Local<J>) -> Steal<J> {
        if self.hoarders.load(Ordering::SeqCst) == 0 {
            return Steal::Empty;
        }
        let known = self.known(local);
        let (before, after) = known.split_at(local.number);
        let others = after.iter().skip(1).chain(before);
        others.map(Stealer::steal).collect()
    }

    /// The workers that were started, as this one knows them: it asks again when there are more.
    fn known(&self, local: &Local<J>) -> Stealers<J> {
        let mut known = local.known.borrow_mut();
        if known.len() != self.workers.load(Ordering::Acquire) {
            *known = lock(&self.stealers).clone();
        }
        known.clone()
    }
}

impl<J: Send + 'static> JobQueue for DequeQueue<J> {
    type Job = J;
    type Local = Local<J>;

    fn local(&self) -> Local<J> {
        let worker = Worker::new_fifo();
        let mut stealers = lock(&self.stealers);
        let number = stealers.len();
        let all = stealers.iter().cloned().chain([worker.stealer()]);
        *stealers = Arc::new(all.collect());
        self.workers.store(number + 1, Ordering::Release);
        Local {
            worker,
            number,
            known: RefCell::new(stealers.clone()),
            hoards: Cell::new(false),
        }
    }

    fn push(&self, job: J) {
        self.injector.push(job);
    }

    fn pop(&self, local: &Local<J>) -> Option<Popped<J>> {
        if local.hoards.get() {
            if let Some(job) = local.worker.pop() {
                return Some(Popped { job, moved: false });
            }
            local.hoards.set(false);
            self.hoarders.fetch_sub(1, Ordering::SeqCst);
        }
        loop {
            match self
                .take_from_injector(local)
                .or_else(|| self.steal_from_others(local))
            {
                Steal::Success(job) => {
                    let moved = local.hoards.get() && !local.worker.is_empty();
                    return Some(Popped { job, moved });
                }
                Steal::Empty => return None,
                // Another worker was quicker, so somebody gets on.
                Steal::Retry => {}
            }
        }
    }

    fn drain(&self) -> Vec<J> {
        let stealers = lock(&self.stealers).clone();
        let mut jobs = Vec::new();
        loop {
            let others = || stealers.iter().map(Stealer::steal).collect();
            match self.injector.steal().or_else(others) {
                Steal::Success(job) => jobs.push(job),
                Steal::Empty => return jobs,
                Steal::Retry => {}
            }
        }
    }

    fn is_empty(&self, local: &Local<J>) -> bool {
        self.injector.is_empty()
            && (self.hoarders.load(Ordering::SeqCst) == 0
                || self.known(local).iter().all(Stealer::is_empty))
    }

    fn waiting(&self) -> usize {
        let moved = match self.hoarders.load(Ordering::SeqCst) {
            0 => 0,
            _ => lock(&self.stealers).iter().map(Stealer::len).sum(),
        };
        self.injector.len() + moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(workers: usize) -> (DequeQueue<usize>, Vec<Local<usize>>) {
        let queue = DequeQueue::new();
        let locals = (0..workers).map(|_| queue.local()).collect();
        (queue, locals)
    }

    #[test]
    fn one_worker_takes_any_number_of_jobs_in_their_order() {
        let (queue, locals) = queue(1);
        (0..1000).for_each(|job| queue.push(job));
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop(&locals[0]).map(|it| it.job)).collect();
        assert!(taken.into_iter().eq(0..1000));
        assert!(queue.is_empty(&locals[0]));
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
        assert!(queue.is_empty(&locals[0]));
    }
}
