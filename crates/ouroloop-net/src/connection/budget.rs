//! How much one connection may do in one turn of the loop.
//!
//! Whoever reads from a peer that is always faster never has to wait, and would keep the loop for
//! himself. asyncio receives once an iteration; here several calls may follow each other, but not
//! for ever.

use std::cell::Cell;

use crate::net::Net;

const CALLS_MAX: u32 = 16;
const TIME_MAX_NS: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Budget {
    /// The iteration that the rest is about.
    iteration: Cell<u64>,
    calls: Cell<u32>,
}

impl Budget {
    /// Counts a call of the operating system in this iteration.
    pub(super) fn spend(&self, net: &Net) {
        let iteration = net.event_loop().iteration();
        if self.iteration.replace(iteration) != iteration {
            self.calls.set(0);
            net.note_time(iteration);
        }
        self.calls.set(self.calls.get() + 1);
    }

    /// Whether so many calls were made in this iteration that others should have their turn.
    pub(super) fn calls_spent(&self, net: &Net) -> bool {
        self.calls.get() >= CALLS_MAX && self.iteration.get() == net.event_loop().iteration()
    }

    /// The same, or so much time has gone by since the iteration began to read or write. The first
    /// call of each iteration is always free.
    pub(super) fn spent(&self, net: &Net) -> bool {
        let some = self.calls.get() > 0 && self.iteration.get() == net.event_loop().iteration();
        some && (self.calls.get() >= CALLS_MAX || net.time_since_noted_ns() >= TIME_MAX_NS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ouroloop_core::{EventLoop, VirtualClock, new_event_loop};

    use super::*;

    #[test]
    fn a_budget_is_for_one_iteration() {
        let event_loop = new_event_loop().unwrap();
        let net = Net::of(&event_loop).unwrap();
        let budget = Budget::default();
        assert!(!budget.spent(&net), "nothing was spent yet");
        for _ in 0..CALLS_MAX {
            assert!(!budget.calls_spent(&net));
            budget.spend(&net);
        }
        assert!(budget.calls_spent(&net) && budget.spent(&net));
        event_loop.call_soon(|| {}).unwrap();
        event_loop.run_once().unwrap();
        assert!(!budget.calls_spent(&net) && !budget.spent(&net));
        event_loop.close().unwrap();
    }

    #[test]
    fn the_time_of_an_iteration_is_shared_and_leaves_each_one_call() {
        let event_loop = EventLoop::builder()
            .clock(VirtualClock::new())
            .build()
            .unwrap();
        let net = Net::of(&event_loop).unwrap();
        let (first, second) = (Budget::default(), Budget::default());
        first.spend(&net);
        event_loop
            .virtual_clock()
            .unwrap()
            .advance(Duration::from_nanos(TIME_MAX_NS));
        assert!(first.spent(&net));
        assert!(!second.spent(&net), "its first call");
        second.spend(&net);
        assert!(second.spent(&net));
        event_loop.close().unwrap();
    }
}
