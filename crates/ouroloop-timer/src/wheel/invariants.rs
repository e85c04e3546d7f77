//! The invariants of the whole structure, checked by walking all of it; and short tests of what
//! can only be seen from inside. The tests of behaviour are in `tests/it`.

use alloc::{collections::VecDeque, vec::Vec};

use super::*;

impl<T> TimerWheel<T> {
    fn check(&mut self) {
        let mut seen = 0;
        let mut nodes = 0;
        let mut earliest = None;
        if !self.is_empty() {
            self.check_node(ROOT, 0, u64::MAX, &mut seen, &mut nodes, &mut earliest);
            assert_eq!(nodes, self.nodes.len(), "wheels in use but out of reach");
        }
        assert_eq!(seen, self.len(), "timers in no list");
        if self.first.place != PLACE_MAX {
            assert_eq!(earliest, Some(self.first));
        }
        let bound = self.first.deadline_ns;
        assert!(earliest.is_none_or(|first| bound <= first.deadline_ns));
        assert!(self.noted.is_empty() && self.noted_back.is_empty());
        assert_eq!(earliest, self.find_first());
    }

    fn check_node(
        &self,
        number: u32,
        from_ns: u64,
        to_ns: u64,
        seen: &mut usize,
        nodes: &mut usize,
        earliest: &mut Option<First>,
    ) {
        *nodes += 1;
        let node = self.nodes.node(number);
        assert_eq!(node.children & !node.occupied, 0);
        assert!(number == ROOT || node.occupied != 0);
        assert!(node.base_ns >= from_ns && node.covers(node.base_ns));
        for digit in 0..64 {
            let slot = SlotRef::new(number, digit);
            if node.occupied >> digit & 1 == 0 {
                let list = node.slot(digit);
                assert_eq!((list.head, list.tail), (Link::slot(slot), Link::slot(slot)));
                continue;
            }
            // A slot is a span of deadlines: those that share its digits.
            let (slot_from, slot_to) = self.span(slot);
            assert!(from_ns <= slot_from && slot_to <= to_ns);
            if let Some(child) = node.child(digit) {
                assert_eq!(self.nodes.node(child).parent, slot);
                self.check_node(child, slot_from, slot_to, seen, nodes, earliest);
                continue;
            }
            let seen_before = *seen;
            let mut prev = Link::slot(slot);
            let mut link = node.slot(digit).head;
            while let Target::Timer(place) = link.target() {
                let entry = self.entries.get(place);
                assert_eq!(entry.prev, prev);
                assert!((slot_from..=slot_to).contains(&entry.deadline_ns));
                if !matches!(earliest, Some(e) if e.deadline_ns <= entry.deadline_ns) {
                    *earliest = Some(First {
                        place,
                        deadline_ns: entry.deadline_ns,
                    });
                }
                *seen += 1;
                prev = link;
                link = entry.next;
            }
            assert_eq!(link, Link::slot(slot));
            assert_eq!(node.slot(digit).tail, prev);
            assert_ne!(prev, link, "an occupied slot has a timer");
            assert!(node.is_finest() || *seen - seen_before <= 2 * usize::from(CROWD));
        }
    }

    fn span(&self, slot: SlotRef) -> (u64, u64) {
        let node = self.nodes.node(slot.node());
        (node.first_ns(slot.digit()), node.last_ns(slot.digit()))
    }
}

/// A small, fast generator, so that no test depends on another crate's.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn the_structure_holds_through_random_use() {
    for seed in 1..=20_u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15 ^ seed << 20;
        let mut wheel = TimerWheel::new();
        let mut keys = Vec::new();
        for step in 0..600 {
            let random = xorshift(&mut state);
            match random % 8 {
                // Deadlines of every magnitude, with many equal ones.
                0..5 => {
                    let deadline = xorshift(&mut state) >> (random >> 8 & 63) & !(random >> 60 & 7);
                    keys.push(wheel.insert(deadline, step));
                }
                5 | 6 if !keys.is_empty() => {
                    let key = keys.swap_remove(random as usize / 8 % keys.len());
                    wheel.cancel(key);
                }
                7 if random >> 4 & 1 == 0 => {
                    let now = xorshift(&mut state) >> (random >> 8 & 63);
                    let mut fired = Vec::new();
                    wheel.expire(now, |step| fired.push(step));
                    assert!(wheel.next_deadline().is_none_or(|next| next > now));
                }
                _ => drop(wheel.pop_first()),
            }
            wheel.check();
        }
        for key in keys {
            wheel.cancel(key);
            wheel.check();
        }
        assert_eq!(wheel.nodes.len(), 1, "only the root is left");
    }
}

#[test]
fn a_few_timers_need_no_second_wheel() {
    let mut wheel = TimerWheel::new();
    for n in 0..=LOOK_THROUGH_MAX as u64 {
        wheel.insert(1_000_000_000 * (n + 1), n);
    }
    wheel.pop_first();
    assert_eq!(wheel.next_deadline(), Some(2_000_000_000));
    assert_eq!(wheel.nodes.len(), 1);
}

#[test]
fn a_crowd_of_equal_deadlines_takes_one_wheel() {
    let mut wheel = TimerWheel::new();
    let oldest = wheel.insert(0x1234_5678_9abc, 0);
    for n in 1..1000 {
        wheel.insert(0x1234_5678_9abc, n);
    }
    // The oldest is known to be first, and needs no search; without it there is one.
    wheel.cancel(oldest);
    assert_eq!(wheel.next_deadline(), Some(0x1234_5678_9abc));
    assert_eq!(wheel.nodes.len(), 2);
    wheel.check();
    assert!(wheel.drain().eq(1..1000));
}

#[test]
fn no_list_grows_long_unless_its_deadlines_are_equal() {
    let mut wheel = TimerWheel::new();
    for n in 0..50_000 {
        // Half of them crowd together, and all are far.
        wheel.insert(u64::MAX / 2 + (n / 2) * (n % 2), n);
        if n % 9_973 == 0 {
            wheel.check();
        }
    }
    wheel.check();
}

#[test]
fn a_list_whose_timers_are_cancelled_is_not_dealt_out() {
    let mut wheel = TimerWheel::new();
    // So many others that lists are counted, and they in the finest wheel.
    for n in 0..u64::from(CROWD) {
        wheel.insert(1, n);
    }
    wheel.insert(0, 0);
    wheel.pop_first();
    assert_eq!(wheel.next_deadline(), Some(1));
    let before = wheel.nodes.len();
    let mut keys = VecDeque::new();
    for n in 0..100_000 {
        keys.push_back(wheel.insert(u64::MAX - n, n));
        if keys.len() > CROWD as usize / 4 {
            wheel.cancel(keys.pop_front().unwrap());
        }
        assert_eq!(wheel.next_deadline(), Some(1));
    }
    assert_eq!(wheel.nodes.len(), before);
}

#[test]
fn wheels_are_given_back() {
    let mut wheel = TimerWheel::new();
    let mut state = 1;
    for _ in 0..20_000 {
        wheel.insert(xorshift(&mut state) >> 20, ());
        wheel.next_deadline();
    }
    let mut peak = 0;
    while wheel.pop_first().is_some() {
        peak = peak.max(wheel.nodes.len());
    }
    assert!(peak > 2);
    assert_eq!(wheel.nodes.len(), 1);
    assert!(wheel.nodes.memory() <= 16);
}

#[test]
fn spans_tile_the_whole_of_time() {
    let mut wheel = TimerWheel::new();
    wheel.insert(0, ());
    wheel.insert(u64::MAX, ());
    let (from, to) = wheel.span(SlotRef::new(ROOT, 15));
    assert_eq!((from, to), (0xf << 60, u64::MAX));
}
