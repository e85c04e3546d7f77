//! The loop's timers: the wheel, and what the loop knows about it without asking.
//!
//! The loop asks at every iteration whether a timer is due. `bound` answers "no" without looking
//! into the wheel: no timer is due before it. It is exact after each look, goes down at an insert,
//! and is left alone by a cancel, after which it may be too early: that costs one look.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ouroloop_timer::{TimerKey, TimerWheel};
use slab::Slab;

use crate::handle::Scheduled;
use crate::ready::ReadyQueue;
use crate::{ClientId, ClientWord};

/// The bound when there is no timer.
const NONE: u64 = u64::MAX;

/// The latest deadline: later ones are meant for never, and are as good here.
const WHEN_MAX_NS: u64 = NONE - 1;

pub(crate) struct Timers {
    /// A word of the loop's own is the place of a callback.
    wheel: RefCell<TimerWheel<ClientWord>>,
    callbacks: RefCell<Slab<Rc<dyn Scheduled>>>,
    bound: Cell<u64>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            wheel: RefCell::new(TimerWheel::new()),
            callbacks: RefCell::default(),
            bound: Cell::new(NONE),
        }
    }

    #[inline]
    pub(crate) fn insert(&self, when_ns: u64, word: ClientWord) -> TimerKey {
        let when_ns = when_ns.min(WHEN_MAX_NS);
        if when_ns < self.bound.get() {
            self.bound.set(when_ns);
        }
        self.wheel.borrow_mut().insert(when_ns, word)
    }

    pub(crate) fn insert_callback(&self, when_ns: u64, callback: Rc<dyn Scheduled>) -> TimerKey {
        let place = self.callbacks.borrow_mut().insert(callback);
        self.insert(when_ns, ClientWord::of_loop(place as u64))
    }

    /// Takes a timer out. True if it was there.
    #[inline]
    pub(crate) fn cancel(&self, key: TimerKey) -> bool {
        let mut wheel = self.wheel.borrow_mut();
        let Some(word) = wheel.cancel(key) else {
            return false;
        };
        if wheel.is_empty() {
            self.bound.set(NONE);
        }
        drop(wheel);
        if word.is_of(ClientId::OF_LOOP) {
            drop(self.take_callback(word));
        }
        true
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
    pub(crate) fn move_due(&self, now_ns: u64, ready: &ReadyQueue) {
        let mut wheel = self.wheel.borrow_mut();
        wheel.expire(now_ns, |word| {
            if !word.is_of(ClientId::OF_LOOP) {
                ready.push_word(word);
            } else if let Some(callback) = self.take_callback(word) {
                ready.push_callback(callback);
            }
        });
        let next = wheel.next_deadline();
        debug_assert!(
            next.is_none_or(|next_ns| next_ns > now_ns),
            "every due timer was moved"
        );
        self.bound.set(next.unwrap_or(NONE));
    }

    /// Takes out all timers up to the first callback, which is returned; for closing.
    pub(crate) fn pop_callback(&self) -> Option<Rc<dyn Scheduled>> {
        loop {
            let (_, word) = self.wheel.borrow_mut().pop_first()?;
            if word.is_of(ClientId::OF_LOOP) {
                return self.take_callback(word);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.wheel.borrow().len()
    }

    /// The caller drops it when no borrow is held.
    fn take_callback(&self, word: ClientWord) -> Option<Rc<dyn Scheduled>> {
        let place = word.payload() as usize;
        self.callbacks.borrow_mut().try_remove(place)
    }
}
