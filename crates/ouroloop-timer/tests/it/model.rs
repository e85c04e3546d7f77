//! A reference that is too simple to be wrong, and random programs for both.
//!
//! Programs start at every boundary of a level and around it, where wheels of the textbook kind
//! have their wrap-arounds, and there is always one far timer, which in some of them has hidden
//! all near ones.

use std::{cmp::Reverse, collections::BinaryHeap};

use ouroloop_timer::{TimerKey, TimerWheel};
use proptest::prelude::*;

/// A heap of (deadline, age), and a list of what is cancelled.
#[derive(Default)]
struct Reference {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    gone: Vec<bool>,
}

impl Reference {
    fn insert(&mut self, deadline: u64) -> usize {
        self.heap.push(Reverse((deadline, self.gone.len())));
        self.gone.push(false);
        self.gone.len() - 1
    }

    fn cancel(&mut self, age: usize) -> bool {
        !std::mem::replace(&mut self.gone[age], true)
    }

    fn next_deadline(&mut self) -> Option<u64> {
        while let Some(&Reverse((deadline, age))) = self.heap.peek() {
            if !self.gone[age] {
                return Some(deadline);
            }
            self.heap.pop();
        }
        None
    }

    fn pop_due(&mut self, now: u64) -> Option<usize> {
        if self.next_deadline()? > now {
            return None;
        }
        let Reverse((_, age)) = self.heap.pop()?;
        self.gone[age] = true;
        Some(age)
    }

    fn len(&self) -> usize {
        self.gone.iter().filter(|gone| !**gone).count()
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Set a timer this far ahead.
    Ahead(u64),
    /// Set a timer this far in the past.
    Past(u64),
    /// Set a timer with the deadline of an earlier one.
    Same(usize),
    /// Set many with one deadline, or next to each other.
    Crowd { delay: u64, count: u8, apart: u64 },
    /// Cancel an earlier one, which may be gone.
    Cancel(usize),
    /// Let the clock go on, and fire what is due.
    Advance(u64),
    /// Let the clock jump to the next deadline, and fire one of what is due.
    Jump,
}

const SLOT: u64 = 1 << 6;
const DAYS_12_5: u64 = 1_080_000_000_000_000;
const YEARS_3: u64 = 94_672_800_000_000_000;

/// The start of each slot of each level's second wheel, and what else has been a boundary.
fn starts() -> Vec<u64> {
    let mut starts: Vec<u64> = (0..64)
        .step_by(6)
        .flat_map(|shift| [1, 63].map(|digit| 1_u64.wrapping_shl(shift).saturating_mul(digit)))
        .chain([1 << 36, 1 << 20, DAYS_12_5, YEARS_3, u64::MAX - 2])
        .flat_map(|at| (at.saturating_sub(2))..=at.saturating_add(2))
        .chain([0])
        .collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

fn distance() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(SLOT),
        (0_u32..11, 0_u64..5)
            .prop_map(|(level, off)| ((1_u64 << (level * 6)) + off).saturating_sub(2)),
        Just(DAYS_12_5),
        Just(YEARS_3),
        (any::<u64>(), 0_u32..64).prop_map(|(random, shift)| random >> shift),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => distance().prop_map(Op::Ahead),
        2 => distance().prop_map(Op::Past),
        3 => any::<usize>().prop_map(Op::Same),
        1 => (distance(), 5_u8..40, 0_u64..3).prop_map(|(delay, count, apart)| Op::Crowd { delay, count, apart }),
        5 => any::<usize>().prop_map(Op::Cancel),
        2 => distance().prop_map(Op::Advance),
        3 => Just(Op::Jump),
    ]
}

/// The wheel and the reference, side by side.
struct Both {
    wheel: TimerWheel<usize>,
    reference: Reference,
    keys: Vec<(TimerKey, u64)>,
    now: u64,
}

impl Both {
    fn starting_at(now: u64) -> Self {
        let mut both = Self {
            wheel: TimerWheel::new(),
            reference: Reference::default(),
            keys: Vec::new(),
            now,
        };
        both.insert(u64::MAX);
        both
    }

    fn insert(&mut self, deadline: u64) {
        let age = self.reference.insert(deadline);
        self.keys.push((self.wheel.insert(deadline, age), deadline));
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Ahead(delay) => self.insert(self.now.saturating_add(delay)),
            Op::Past(ago) => self.insert(self.now.saturating_sub(ago)),
            Op::Same(which) => self.insert(self.keys[which % self.keys.len()].1),
            Op::Crowd {
                delay,
                count,
                apart,
            } => {
                for n in 0..u64::from(count) {
                    self.insert(self.now.saturating_add(delay).saturating_add(n * apart));
                }
            }
            Op::Cancel(which) => {
                let age = which % self.keys.len();
                if age == 0 {
                    return; // the far timer stays
                }
                let expected = self.reference.cancel(age).then_some(age);
                let (key, deadline) = self.keys[age];
                assert_eq!(self.wheel.deadline(key), expected.map(|_| deadline));
                assert_eq!(self.wheel.cancel(key), expected);
            }
            Op::Advance(by) => {
                self.now = self.now.saturating_add(by);
                let mut fired = Vec::new();
                self.wheel.expire(self.now, |age| fired.push(age));
                let expected: Vec<_> =
                    std::iter::from_fn(|| self.reference.pop_due(self.now)).collect();
                assert_eq!(fired, expected);
            }
            Op::Jump => {
                if let Some(next) = self.reference.next_deadline() {
                    self.now = self.now.max(next);
                }
                assert_eq!(
                    self.wheel.pop_due(self.now),
                    self.reference.pop_due(self.now)
                );
            }
        }
        assert_eq!(self.wheel.next_deadline(), self.reference.next_deadline());
        assert_eq!(self.wheel.len(), self.reference.len());
    }

    fn finish(mut self) {
        let rest: Vec<_> = std::iter::from_fn(|| self.reference.pop_due(u64::MAX)).collect();
        assert!(self.wheel.drain().eq(rest));
        assert!(self.wheel.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn h05_any_program_from_any_start_fires_as_the_reference_does(
        start in prop_oneof![3 => proptest::sample::select(starts()), 1 => any::<u64>()],
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut both = Both::starting_at(start);
        for op in ops {
            both.run(op);
        }
        both.finish();
    }

    #[test]
    fn h28_timers_due_together_fire_in_the_order_of_insertion(
        start in proptest::sample::select(starts()),
        delays in proptest::collection::vec(distance(), 1..4),
        // Which deadline each timer gets, and how far the clock goes on before the next one.
        inserts in proptest::collection::vec((any::<usize>(), 0_u64..40), 1..200),
    ) {
        let deadlines: Vec<_> = delays.iter().map(|&delay| start.saturating_add(delay)).collect();
        let mut both = Both::starting_at(start);
        for (which, percent) in inserts {
            both.insert(deadlines[which % deadlines.len()]);
            let left = deadlines.iter().max().unwrap().saturating_sub(both.now);
            both.run(Op::Advance(left / 100 * percent));
        }
        both.finish();
    }
}

#[test]
fn h05_every_start_and_every_step_from_it() {
    let steps = [0, 1, SLOT, 1 << 20, 1 << 30, 1 << 36, DAYS_12_5, YEARS_3];
    for start in starts() {
        for step in steps {
            let mut both = Both::starting_at(start);
            for delay in steps {
                both.run(Op::Ahead(delay));
                both.run(Op::Ahead(delay.saturating_sub(1)));
                both.run(Op::Ahead(delay + 1));
                both.run(Op::Same(2));
            }
            both.run(Op::Advance(step));
            both.run(Op::Ahead(step));
            both.run(Op::Past(1));
            both.run(Op::Advance(step));
            both.finish();
        }
    }
}
