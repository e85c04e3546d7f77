//! Where jobs wait for a thread, as the workers see it.
//!
//! The real one is crossbeam's. loom cannot model that, so the workers know a trait of a few methods, and the models
//! run on a stand-in.

#[cfg(not(loom))]
mod injector;
#[cfg(loom)]
mod stand_in;

#[cfg(not(loom))]
pub(crate) use injector::InjectorQueue as PoolQueue;
#[cfg(loom)]
pub(crate) use stand_in::StandIn as PoolQueue;

/// A queue that many threads put jobs into, and workers take from, first in, first out.
pub(crate) trait JobQueue: Send + Sync + 'static {
    type Job: Send;

    fn push(&self, job: Self::Job);

    /// The next job. One is missed only if it is pushed at the same time.
    fn pop(&self) -> Option<Self::Job>;

    /// Whether there is no job. One that is pushed at the same time may be missed.
    fn is_empty(&self) -> bool;

    /// About how many jobs there are.
    fn waiting(&self) -> usize;
}
