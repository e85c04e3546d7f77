//! The decisions that a seed makes: who of a batch runs next, and how late the loop wakes.
//!
//! Two generators, so that time on the dot and late time give the same order of the same batches.

use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{BatchOrder, Lateness};

use super::recorder::Recorder;
use crate::Random;

/// The order of a seed: any entry of the batch, each as likely as another. `None` is asyncio's.
pub(super) fn order(seed: u64, recorder: &Rc<Recorder>) -> Option<BatchOrder> {
    if seed == 0 {
        return None;
    }
    let mut random = Random::new(seed);
    let recorder = recorder.clone();
    Some(Box::new(move |left| {
        let index = match left {
            1 => 0,
            more => random.below(more),
        };
        recorder.choose(index);
        index
    }))
}

/// The lateness of a seed: none for half of all jumps, else up to `percent` of the jump.
pub(super) fn lateness(seed: u64, percent: u32) -> Option<Lateness> {
    if seed == 0 || percent == 0 {
        return None;
    }
    let mut random = Random::new(seed ^ LATENESS);
    Some(Box::new(move |jump| {
        if random.one_in(2) {
            return Duration::ZERO;
        }
        let most_ns = jump.as_nanos() * u128::from(percent) / 100;
        let most_ns = usize::try_from(most_ns).unwrap_or(usize::MAX - 1);
        Duration::from_nanos(random.below(most_ns + 1) as u64)
    }))
}

/// Tells the second generator from the first; any number would do.
const LATENESS: u64 = 0x006c_6174_656e_6573;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_jumps_are_on_time_and_none_is_too_late() {
        let mut lateness = lateness(3, 25).unwrap();
        let jump = Duration::from_secs(4);
        let late: Vec<_> = (0..1_000).map(|_| lateness(jump)).collect();
        let on_time = late.iter().filter(|it| it.is_zero()).count();
        assert!((400..600).contains(&on_time), "{on_time}");
        let most = late.into_iter().max().unwrap();
        assert!(most <= Duration::from_secs(1) && most > Duration::from_millis(900));
    }

    #[test]
    fn the_longest_jump_can_be_late_too() {
        let mut lateness = lateness(1, u32::MAX).unwrap();
        for _ in 0..100 {
            lateness(Duration::MAX);
        }
    }
}
