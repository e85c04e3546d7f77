//! Delays of all sizes become deadlines, without overflow and without rounding.

use std::time::Duration;

use ouroloop_timer::{TimerWheel, deadline_after};

const MS: u64 = 1_000_000;
const I32_MAX_MS: u64 = i32::MAX as u64;

/// Each delay, and the deadline it gives at time 0 if that is in range.
const TABLE: [(Duration, u64); 15] = [
    (Duration::ZERO, 0),
    (Duration::from_nanos(1), 1),
    (Duration::from_micros(999), 999_000),
    (Duration::from_millis(1), MS),
    (Duration::new(1, 999_999_999), 1_999_999_999),
    (Duration::from_millis(I32_MAX_MS - 1), (I32_MAX_MS - 1) * MS),
    (Duration::from_millis(I32_MAX_MS), I32_MAX_MS * MS),
    (Duration::from_millis(I32_MAX_MS + 1), (I32_MAX_MS + 1) * MS),
    (Duration::from_millis(u32::MAX as u64), u32::MAX as u64 * MS),
    (Duration::from_nanos(u64::MAX - 1), u64::MAX - 1),
    (Duration::from_nanos(u64::MAX), u64::MAX),
    (Duration::from_millis(u64::MAX), u64::MAX),
    (
        Duration::from_secs(u64::MAX / 1_000_000_000),
        18_446_744_073_000_000_000,
    ),
    (Duration::from_secs(u64::MAX), u64::MAX),
    (Duration::MAX, u64::MAX),
];

#[test]
fn h06_each_delay_gives_its_deadline_or_the_last_one() {
    for (delay, deadline) in TABLE {
        for now in [0, 1, MS, 1 << 36, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let exact = u128::from(now) + delay.as_nanos();
            let expected = u64::try_from(exact).unwrap_or(u64::MAX);
            assert_eq!(
                deadline_after(now, delay),
                expected,
                "{delay:?} after {now}"
            );
        }
        assert_eq!(deadline_after(0, delay), deadline, "{delay:?}");
    }
}

#[test]
fn h06_each_delay_fires_on_time_beside_all_the_others() {
    for now in [0, 1, (1 << 36) - 1, u64::MAX - MS] {
        let mut wheel = TimerWheel::new();
        for (delay, _) in TABLE {
            let deadline = deadline_after(now, delay);
            wheel.insert(deadline, deadline);
        }
        let mut fired = 0;
        while let Some(next) = wheel.next_deadline() {
            if let Some(just_before) = next.checked_sub(1) {
                assert_eq!(wheel.pop_due(just_before), None, "early");
            }
            while let Some(deadline) = wheel.pop_due(next) {
                assert_eq!(deadline, next);
                fired += 1;
            }
        }
        assert_eq!(fired, TABLE.len());
    }
}

#[test]
fn h06_a_deadline_in_the_past_is_due_at_once() {
    let mut wheel = TimerWheel::new();
    let now = 1_000_000_000_000;
    wheel.insert(now + 1, "future");
    wheel.expire(now, |what| panic!("{what} fired early"));
    wheel.insert(now, "now");
    wheel.insert(0, "long past");
    wheel.insert(now - 1, "just past");
    assert_eq!(wheel.next_deadline(), Some(0));
    let mut fired = Vec::new();
    wheel.expire(now, |what| fired.push(what));
    assert_eq!(fired, ["long past", "just past", "now"]);
}

#[test]
fn h06_the_last_deadline_fires_at_the_last_moment_only() {
    let mut wheel = TimerWheel::new();
    wheel.insert(u64::MAX, "last");
    assert_eq!(wheel.next_deadline(), Some(u64::MAX));
    assert_eq!(wheel.pop_due(u64::MAX - 1), None);
    assert_eq!(wheel.pop_due(u64::MAX), Some("last"));
    // And the clock may stand still there.
    wheel.insert(deadline_after(u64::MAX, Duration::MAX), "again");
    assert_eq!(wheel.pop_due(u64::MAX), Some("again"));
    assert!(wheel.is_empty());
}
