//! Handing out what is due, a slot at a time.
//!
//! Of a slot that is due as a whole the list is taken as it is and sorted: its timers need not be
//! dealt out over finer wheels before, nor be unlinked one by one.

use super::{First, LOOK_THROUGH_MAX, TimerWheel};
use crate::{
    links::{SlotRef, Target},
    nodes::ROOT,
};

/// Timers that are due, in their order: in no list any more, and among the entries still.
pub(super) struct Due<'a, T> {
    wheel: &'a mut TimerWheel<T>,
    handed_out: usize,
}

impl<'a, T> Due<'a, T> {
    #[inline(never)]
    pub(super) fn gather(wheel: &'a mut TimerWheel<T>, now_ns: u64) -> Self {
        while !wheel.is_empty_of_lists() && wheel.gather_first_slot(now_ns) {}
        Self {
            wheel,
            handed_out: 0,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<T> {
        let first = self.wheel.noted.get(self.handed_out)?;
        self.handed_out += 1;
        Some(self.wheel.entries.remove(first.place).value)
    }
}

/// What was not handed out, because the receiver panicked, is filed again.
impl<T> Drop for Due<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let wheel = &mut *self.wheel;
        for index in self.handed_out..wheel.noted.len() {
            let First { place, deadline_ns } = wheel.noted[index];
            let slot = wheel.slot_for(deadline_ns);
            wheel.link_again(slot, place);
        }
        wheel.forget_first();
        wheel.forget_noted(0);
    }
}

impl<T> TimerWheel<T> {
    fn is_empty_of_lists(&self) -> bool {
        self.is_empty() || self.nodes.node(ROOT).occupied == 0
    }

    /// Moves what is due in the first slot to `noted`. False if there may be no more in others.
    fn gather_first_slot(&mut self, now_ns: u64) -> bool {
        let mut at = ROOT;
        let (slot, to_ns) = loop {
            let node = self.nodes.node(at);
            let digit = node.first_digit();
            if node.first_ns(digit) > now_ns {
                return false;
            }
            match node.child(digit) {
                Some(child) => at = child,
                None => break (SlotRef::new(at, digit), node.last_ns(digit)),
            }
        };
        let begun = self.noted.len();
        let all = to_ns <= now_ns;
        if all {
            self.note_list(slot);
            self.nodes.empty(slot);
        } else if !self.note_due_part(slot, now_ns) {
            self.deal_out(slot);
            return true;
        }
        // Stable, since the list is in the order of age.
        self.noted[begun..].sort_by_key(|timer| timer.deadline_ns);
        all
    }

    /// Moves what is due in a slot to `noted`; false, and nothing is moved, if the list is too long to
    /// look through.
    fn note_due_part(&mut self, slot: SlotRef, now_ns: u64) -> bool {
        let begun = self.noted.len();
        let mut link = self.nodes.slot_mut(slot).head;
        for _ in 0..=LOOK_THROUGH_MAX {
            let Target::Timer(place) = link.target() else {
                for index in begun..self.noted.len() {
                    self.detach(self.noted[index].place);
                }
                return true;
            };
            let entry = self.entries.get(place);
            link = entry.next;
            let deadline_ns = entry.deadline_ns;
            if deadline_ns <= now_ns {
                self.noted.push(First { place, deadline_ns });
            }
        }
        self.noted.truncate(begun);
        false
    }

    /// Takes a timer out of its list.
    fn detach(&mut self, place: u32) {
        let entry = self.entries.get(place);
        let (prev, next) = (entry.prev, entry.next);
        self.close_gap(prev, next);
    }
}
