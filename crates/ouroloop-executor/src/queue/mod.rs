//! Where jobs wait for a thread, as the workers see it.
//!
//! The real one is made of crossbeam's deques. loom cannot model those, so the workers know a trait of a few
//! methods, and the models run on a stand-in behind locks.

#[cfg(not(loom))]
mod deque;
#[cfg(loom)]
mod stand_in;

#[cfg(not(loom))]
pub(crate) use deque::DequeQueue as PoolQueue;
#[cfg(loom)]
pub(crate) use stand_in::StandIn as PoolQueue;

/// A queue that many threads put jobs into, and each worker takes from.
pub(crate) trait JobQueue: Send + Sync + 'static {
    type Job: Send;

    /// What belongs to one worker.
    type Local: Send;

    /// One for a worker that is about to be started; the others know of it at once.
    fn local(&self) -> Self::Local;

    fn push(&self, job: Self::Job);

    /// The next job for this worker. It is missed only if it was pushed while this looked, or if another worker
    /// is moving it (which then says so: see [`Popped::moved`]).
    fn pop(&self, local: &Self::Local) -> Option<Popped<Self::Job>>;

    /// Takes all jobs there are, on behalf of no worker.
    fn drain(&self) -> Vec<Self::Job>;

    /// Whether there is no job anywhere, as this worker sees it. One that is pushed, or moved, at the same time may be
    /// missed.
    fn is_empty(&self, local: &Self::Local) -> bool;

    /// About how many jobs there are.
    fn waiting(&self) -> usize;
}

pub(crate) struct Popped<J> {
    pub(crate) job: J,
    /// More jobs came into the worker's own part: others may have missed them, and must be told.
    pub(crate) moved: bool,
}
