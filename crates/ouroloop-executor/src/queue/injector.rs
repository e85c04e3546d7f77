//! The queue that pools have: crossbeam's injector.
//!
//! It gives jobs out one by one, in the order in which they came in, those of jobs too. Workers take no batches into
//! parts of their own: a job would wait there behind one that blocks, while those that came later are run.

use crossbeam_deque::{Injector, Steal};

use super::JobQueue;

pub(crate) struct InjectorQueue<J>(Injector<J>);

impl<J> InjectorQueue<J> {
    pub(crate) fn new() -> InjectorQueue<J> {
        InjectorQueue(Injector::new())
    }
}

impl<J: Send + 'static> JobQueue for InjectorQueue<J> {
    type Job = J;

    fn push(&self, job: J) {
        self.0.push(job);
    }

    fn pop(&self) -> Option<J> {
        loop {
            match self.0.steal() {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                // Another worker was quicker, so somebody gets on.
                Steal::Retry => {}
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_taken_in_their_order() {
        let queue = InjectorQueue::new();
        (0..1000).for_each(|job| queue.push(job));
        assert_eq!(queue.waiting(), 1000);
        assert!(std::iter::from_fn(|| queue.pop()).eq(0..1000));
        assert!(queue.is_empty());
    }
}
