//! The loop's timers: the wheel, and what the loop knows about it without asking.
//!
//! The loop asks at every iteration whether a timer is due. `bound` answers "no" without looking
//! into the wheel: no timer is due before it. It is exact after each look, goes down at an insert,
//! and is left alone by a cancel, after which it may be too early: that costs one look.

use std::cell::{Cell, RefCell};

use ouroloop_timer::{TimerKey, TimerWheel};

use crate::ready::{Ready, ReadyQueue};

/// The bound when there is no timer.
const NONE: u64 = u64::MAX;

/// The latest deadline: later ones are meant for never, and are as good here.
const WHEN_MAX_NS: u64 = NONE - 1;

pub(crate) struct Timers {
    wheel: RefCell<TimerWheel<Ready>>,
    bound: Cell<u64>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            wheel: RefCell::new(TimerWheel::new()),
            bound: Cell::new(NONE),
        }
    }

    #[inline]
    pub(crate) fn insert(&self, when_ns: u64, entry: Ready) -> TimerKey {
        let when_ns = when_ns.min(WHEN_MAX_NS);
        if when_ns < self.bound.get() {
            self.bound.set(when_ns);
        }
        self.wheel.borrow_mut().insert(when_ns, entry)
    }

    /// Takes a timer out. The caller drops it when no borrow is held.
    #[inline]
    pub(crate) fn cancel(&self, key: TimerKey) -> Option<Ready> {
        let mut wheel = self.wheel.borrow_mut();
        let entry = wheel.cancel(key);
        if wheel.is_empty() {
            self.bound.set(NONE);
        }
        entry
    }

    /// The earliest deadline.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let next = self.wheel.borrow_mut().next_deadline();
        self.bound.set(next.unwrap_or(NONE));
        next
    }

    /// Whether a timer may be pending. If not, none is.
    #[inline]
    pub(crate) fn may_be_any(&self) -> bool {
        self.bound.get() != NONE
    }

    /// Whether a timer may be due at `now_ns`. If not, none is.
    #[inline]
    pub(crate) fn may_be_due(&self, now_ns: u64) -> bool {
        self.bound.get() <= now_ns && self.may_be_any()
    }

    /// Moves what is due to the end of the ready queue, in the order of (deadline, age).
    pub(crate) fn move_due(&self, now_ns: u64, ready: &ReadyQueue) -> usize {
        let mut count = 0;
        let mut wheel = self.wheel.borrow_mut();
        while let Some(entry) = wheel.pop_due(now_ns) {
            ready.push(entry);
            count += 1;
        }
        let next = wheel.next_deadline();
        debug_assert!(
            next.is_none_or(|next_ns| next_ns > now_ns),
            "every due timer was moved"
        );
        self.bound.set(next.unwrap_or(NONE));
        count
    }

    /// Takes any timer out; for closing.
    pub(crate) fn pop_any(&self) -> Option<Ready> {
        self.wheel.borrow_mut().pop_first().map(|(_, entry)| entry)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.wheel.borrow().len()
    }
}
