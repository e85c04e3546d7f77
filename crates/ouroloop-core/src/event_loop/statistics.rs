//! Counts of what a loop has done: for tests, and for the curious.

use std::cell::Cell;

use super::LoopRef;

/// What a loop has done so far, and what it has before it: what [`LoopRef::statistics`] gives.
///
/// # Examples
///
/// ```
/// use ouroloop::{Statistics, bare_yield, get_running_loop};
///
/// ouroloop::run(async {
///     let event_loop = get_running_loop().unwrap();
///     let before: Statistics = event_loop.statistics();
///     bare_yield().await;
///     assert_eq!(event_loop.statistics().iterations - before.iterations, 1);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Iterations that were begun.
    pub iterations: u64,
    /// Calls of the selector.
    pub polls: u64,
    /// Entries of the ready queue that had their turn, cancelled ones included.
    pub callbacks: u64,
    /// Events that the selector has returned.
    pub io_events: u64,
    /// Items that came from other threads.
    pub posted: u64,
    /// Entries in the ready queue now.
    pub ready: usize,
    /// Timers that are pending now.
    pub timers: usize,
    /// Descriptors that are registered now.
    pub io_sources: usize,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(super) iterations: Cell<u64>,
    pub(super) polls: Cell<u64>,
    pub(super) io_events: Cell<u64>,
    pub(super) posted: Cell<u64>,
}

#[inline]
pub(super) fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

impl LoopRef {
    /// Counts what the loop has done, and what it has before it.
    pub fn statistics(&self) -> Statistics {
        let inner = self.inner();
        Statistics {
            iterations: inner.counters.iterations.get(),
            polls: inner.counters.polls.get(),
            callbacks: inner.ready.popped() as u64,
            io_events: inner.counters.io_events.get(),
            posted: inner.counters.posted.get(),
            ready: inner.ready.len(),
            timers: inner.timers.len(),
            io_sources: inner.io_count.get(),
        }
    }

    /// Gives how many iterations have begun: [`Statistics::iterations`] alone, for those who ask often.
    #[inline]
    pub fn iteration(&self) -> u64 {
        self.inner().counters.iterations.get()
    }
}
