//! What the allocator sees of the wheel: memory that stays in use, and calls.

use std::collections::VecDeque;

use allocation_counter::{AllocationInfo, measure};
use ouroloop_timer::TimerWheel;

/// What `make` allocates, beside what it gives: memory that this holds counts as in use.
fn keeping<T>(make: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut made = None;
    let info = measure(|| made = Some(make()));
    (made.expect("measure runs it once"), info)
}

const HOUR_NS: u64 = 3_600_000_000_000;

/// Ten million where that takes a second, and as many as take one without optimisation.
const ROUNDS: u64 = if cfg!(debug_assertions) {
    300_000
} else {
    10_000_000
};

#[test]
fn h27_setting_and_cancelling_takes_the_memory_of_one() {
    let (wheel, memory) = keeping(|| {
        let mut wheel = TimerWheel::new();
        for now in 0..ROUNDS {
            let key = wheel.insert(now + HOUR_NS, now);
            assert_eq!(wheel.cancel(key), Some(now));
        }
        wheel
    });
    assert_eq!(wheel.len(), 0);
    assert!(wheel.capacity() <= 128);
    assert!(memory.bytes_current < 2_048, "{memory:?}");
}

#[test]
fn h27_memory_is_flat_while_far_timers_come_and_go() {
    const LIVE: usize = 2_000;
    let mut wheel = TimerWheel::new();
    let mut keys = VecDeque::with_capacity(LIVE + 1);
    let mut turn = |now: u64| {
        keys.push_back(wheel.insert(now * 1_000 + HOUR_NS, now));
        if keys.len() > LIVE {
            // The oldest, and hence the first: what a heartbeat does.
            let oldest = keys.pop_front().unwrap();
            assert!(wheel.cancel(oldest).is_some());
            wheel.next_deadline();
        }
    };
    let warm_up = 2 * LIVE as u64;
    let warm = measure(|| (0..warm_up).for_each(&mut turn)).bytes_current;
    let rest = measure(|| (warm_up..ROUNDS).for_each(&mut turn)).bytes_current;
    assert_eq!(wheel.len(), LIVE);
    assert!(wheel.capacity() <= LIVE + 128);
    assert!(warm + rest <= 2 * warm, "{warm} bytes, then {rest} more");
    // 40 bytes a timer, with the wheels and all the rest within twice that.
    assert!(warm + rest <= 2 * 40 * LIVE as i64);
}

#[test]
fn h27_memory_follows_the_number_of_timers_down() {
    let count = if cfg!(debug_assertions) {
        50_000
    } else {
        1_000_000
    };
    let mut keys = Vec::with_capacity(count as usize);
    let ((mut wheel, survivor), memory) = keeping(|| {
        let mut wheel = TimerWheel::new();
        for n in 0..count {
            keys.push(wheel.insert(HOUR_NS + n % 1_000 * 1_000_000, n));
        }
        let survivor = wheel.insert(u64::MAX, count);
        (wheel, survivor)
    });
    let peak = memory.bytes_current;
    assert!(peak >= 40 * count as i64);
    assert!(peak <= 2 * 40 * count as i64);
    let freed = measure(|| {
        for key in keys.iter().copied() {
            wheel.cancel(key);
        }
    });
    let rest = peak + freed.bytes_current;
    // The survivor has the highest place of all, which keeps the list of chunks at its length.
    assert!(
        rest < 32 * 1_024 + peak / 100,
        "{rest} bytes for one timer, {peak} at the peak"
    );
    assert_eq!(wheel.deadline(survivor), Some(u64::MAX));
}

#[test]
fn a_new_wheel_allocates_nothing_and_its_first_timer_twice_or_so() {
    let (mut wheel, memory) = keeping(TimerWheel::new);
    assert_eq!(memory.count_total, 0);
    let memory = measure(|| {
        wheel.insert(1, 1);
    });
    assert!(memory.count_total <= 4, "{memory:?}");
}

#[test]
fn a_settled_wheel_does_not_allocate() {
    let mut wheel = TimerWheel::new();
    for n in 0..1_000 {
        wheel.insert(n * 1_000_000, n);
    }
    let turn_over = |wheel: &mut TimerWheel<u64>| {
        for _ in 0..10_000 {
            let (now, n) = wheel.pop_first().unwrap();
            wheel.insert(now + 1_000_000_000, n);
            let timeout = wheel.insert(now + 30_000_000_000, n);
            wheel.cancel(timeout);
        }
    };
    turn_over(&mut wheel);
    let calls = measure(|| turn_over(&mut wheel)).count_total;
    let calls_per_timer = calls as f64 / 10_000.0;
    assert!(calls_per_timer < 0.05, "{calls_per_timer} calls a timer");
}
