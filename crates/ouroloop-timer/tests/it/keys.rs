//! What a key still means when its timer is gone.

use std::{cell::Cell, panic::AssertUnwindSafe, rc::Rc};

use ouroloop_timer::{TimerKey, TimerWheel};

fn assert_stale<T: std::fmt::Debug>(wheel: &mut TimerWheel<T>, key: TimerKey) {
    let len = wheel.len();
    assert_eq!(wheel.deadline(key), None);
    assert!(wheel.cancel(key).is_none());
    assert_eq!(wheel.len(), len);
}

#[test]
fn a_cancelled_timer_is_gone() {
    let mut wheel = TimerWheel::new();
    let key = wheel.insert(10, 'a');
    assert_eq!(wheel.cancel(key), Some('a'));
    assert_stale(&mut wheel, key);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_fired_timer_is_gone_even_when_its_place_is_taken() {
    let mut wheel = TimerWheel::new();
    let old = wheel.insert(10, 'a');
    assert_eq!(wheel.pop_due(10), Some('a'));
    let new = wheel.insert(10, 'b');
    assert_stale(&mut wheel, old);
    assert_eq!(wheel.deadline(new), Some(10));
}

#[test]
fn a_drained_timer_is_gone_and_the_rest_stays() {
    let mut wheel = TimerWheel::new();
    let keys = [3, 1, 2].map(|n| wheel.insert(n, n));
    {
        let mut drain = wheel.drain();
        assert_eq!(drain.len(), 3);
        assert_eq!(drain.next(), Some(1));
    }
    assert_stale(&mut wheel, keys[1]);
    assert_eq!(wheel.cancel(keys[0]), Some(3));
    assert_eq!(wheel.next_deadline(), Some(2));
}

#[test]
fn a_cleared_timer_is_gone_and_its_memory_too() {
    let mut wheel = TimerWheel::new();
    let keys: Vec<_> = (0..1_000).map(|n| wheel.insert(n, n)).collect();
    wheel.clear();
    assert_eq!((wheel.len(), wheel.capacity()), (0, 0));
    for n in 0..1_000 {
        wheel.insert(n, n);
    }
    for key in keys {
        assert_stale(&mut wheel, key);
    }
}

#[test]
fn a_key_outlives_the_chunk_that_its_timer_was_in() {
    let mut wheel = TimerWheel::new();
    let keys: Vec<_> = (0..10_000).map(|n| wheel.insert(n, n)).collect();
    assert_eq!(wheel.drain().count(), 10_000);
    assert!(wheel.capacity() < 10_000);
    for &key in &keys {
        assert_stale(&mut wheel, key);
    }
    for n in 0..10_000 {
        wheel.insert(n, n);
    }
    for key in keys {
        assert_stale(&mut wheel, key);
    }
}

#[test]
fn cancelling_the_first_brings_up_the_second() {
    let mut wheel = TimerWheel::new();
    let keys: Vec<_> = (0..100).map(|n| wheel.insert(n * 1_000, n)).collect();
    for (n, key) in (0..100).zip(keys) {
        assert_eq!(wheel.next_deadline(), Some(n * 1_000));
        assert_eq!(wheel.cancel(key), Some(n));
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn values_are_dropped_once() {
    struct Counted(Rc<Cell<usize>>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Rc::new(Cell::new(0));
    let mut wheel = TimerWheel::new();
    let keys: Vec<_> = (0..300)
        .map(|n| wheel.insert(n, Counted(drops.clone())))
        .collect();
    wheel.expire(99, drop);
    assert_eq!(drops.get(), 100);
    for key in &keys[100..200] {
        wheel.cancel(*key);
    }
    assert_eq!(drops.get(), 200);
    drop(wheel);
    assert_eq!(drops.get(), 300);
}

#[test]
fn a_panic_in_fire_loses_only_the_timer_it_was_called_with() {
    let mut wheel = TimerWheel::new();
    for n in 0..10 {
        wheel.insert(n, n);
    }
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        wheel.expire(9, |n| assert_ne!(n, 4, "as intended"));
    }));
    assert!(result.is_err());
    assert!(wheel.drain().eq(5..10));
}

#[test]
fn a_wheel_of_send_values_can_move_to_another_thread() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<TimerWheel<u64>>();
    is_send_and_sync::<TimerKey>();
}

#[test]
fn after_a_panic_in_fire_the_keys_and_the_order_are_as_they_were() {
    let mut wheel = TimerWheel::new();
    // Many slots that are due as a whole, with equal deadlines in each, and one in part.
    let keys: Vec<_> = (0..1_000_u64)
        .map(|n| wheel.insert(n * 7 % 500 * 1_000, n))
        .collect();
    let mut fired = Vec::new();
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        wheel.expire(400_123, |n| {
            fired.push(n);
            assert!(fired.len() < 300);
        });
    }));
    assert!(result.is_err());
    assert_eq!(wheel.len(), 700);
    let mut expected: Vec<_> = (0..1_000_u64).collect();
    expected.sort_by_key(|n| n * 7 % 500);
    assert_eq!(fired, expected[..300]);

    let cancelled = expected.remove(500);
    assert_eq!(wheel.cancel(keys[fired[0] as usize]), None);
    assert_eq!(wheel.cancel(keys[cancelled as usize]), Some(cancelled));
    assert!(wheel.drain().eq(expected[300..].iter().copied()));
}
