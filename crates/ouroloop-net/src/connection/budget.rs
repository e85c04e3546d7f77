//! How much one connection may do in one turn of the loop.
//!
//! Whoever reads from a peer that is always faster never has to wait, and would keep the loop for
//! himself. asyncio receives once an iteration; here several calls may follow each other, but not
//! for ever.

use std::cell::Cell;

use ouroloop_core::LoopRef;

const CALLS_MAX: u32 = 16;
const TIME_MAX_NS: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Budget {
    /// The iteration that the rest is about.
    iteration: Cell<u64>,
    calls: Cell<u32>,
    since_ns: Cell<u64>,
}

impl Budget {
    /// Counts a call of the operating system in this iteration.
    pub(super) fn spend(&self, event_loop: &LoopRef) {
        let iteration = event_loop.statistics().iterations;
        if self.iteration.replace(iteration) != iteration {
            self.calls.set(0);
            self.since_ns.set(event_loop.time_ns());
        }
        self.calls.set(self.calls.get() + 1);
    }

    /// Whether so many calls were made in this iteration that others should have their turn.
    pub(super) fn calls_spent(&self, event_loop: &LoopRef) -> bool {
        self.calls.get() >= CALLS_MAX && self.iteration.get() == event_loop.statistics().iterations
    }

    /// The same, or so much time has gone by since the first call.
    pub(super) fn spent(&self, event_loop: &LoopRef) -> bool {
        let some =
            self.calls.get() > 0 && self.iteration.get() == event_loop.statistics().iterations;
        some && (self.calls.get() >= CALLS_MAX
            || event_loop.time_ns() - self.since_ns.get() >= TIME_MAX_NS)
    }
}

#[cfg(test)]
mod tests {
    use ouroloop_core::new_event_loop;

    use super::*;

    #[test]
    fn a_budget_is_for_one_iteration() {
        let event_loop = new_event_loop().unwrap();
        let budget = Budget::default();
        assert!(!budget.spent(&event_loop), "nothing was spent yet");
        for _ in 0..CALLS_MAX {
            assert!(!budget.calls_spent(&event_loop));
            budget.spend(&event_loop);
        }
        assert!(budget.calls_spent(&event_loop) && budget.spent(&event_loop));
        event_loop.call_soon(|| {}).unwrap();
        event_loop.run_once().unwrap();
        assert!(!budget.calls_spent(&event_loop) && !budget.spent(&event_loop));
        event_loop.close().unwrap();
    }
}
