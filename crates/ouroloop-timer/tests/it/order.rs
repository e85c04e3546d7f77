//! Cases of (deadline, age) that have gone wrong elsewhere.

use ouroloop_timer::TimerWheel;

const MS: u64 = 1_000_000;
const DAY: u64 = 86_400_000 * MS;

#[test]
fn h05_a_far_timer_hides_no_short_ones() {
    // 2^30 ms and 2^36 ns are where wheels of a fixed range have lost them.
    for start in [
        0,
        (1 << 30) * MS - 5,
        (1 << 36) - 1,
        12 * DAY + DAY / 2,
        3 * 365 * DAY,
    ] {
        let mut wheel = TimerWheel::new();
        wheel.insert(start + 400 * 365 * DAY, 0);
        let mut now = start;
        for n in 1..2_000 {
            wheel.insert(now + 10 * MS, n);
            assert_eq!(wheel.next_deadline(), Some(now + 10 * MS));
            now += 10 * MS;
            assert_eq!(wheel.pop_due(now - 1), None);
            assert_eq!(wheel.pop_due(now), Some(n));
            now += n * MS * 60;
        }
        assert_eq!(wheel.len(), 1);
    }
}

#[test]
fn h05_a_deadline_that_is_now_is_due_now() {
    for shift in 0..64 {
        let now = 1_u64 << shift;
        let mut wheel = TimerWheel::new();
        wheel.expire(now, |()| {});
        wheel.insert(now, ());
        assert_eq!(wheel.pop_due(now), Some(()));
    }
}

#[test]
fn h05_a_clock_that_jumped_over_many_finds_them_in_order() {
    let mut wheel = TimerWheel::new();
    for n in 0..5_000_u64 {
        // Spread over 40 days by a step that is prime to the count.
        wheel.insert(n * 2_741 % 5_000 * 691 * 1_000 * MS, n * 2_741 % 5_000);
    }
    let mut fired = Vec::new();
    wheel.expire(u64::MAX, |n| fired.push(n));
    assert!(fired.into_iter().eq(0..5_000));
}

#[test]
fn h05_a_clock_that_stands_still_or_goes_back_fires_nothing_early() {
    let mut wheel = TimerWheel::new();
    wheel.insert(1_000, 'a');
    wheel.insert(2_000, 'b');
    wheel.expire(1_500, |fired| assert_eq!(fired, 'a'));
    wheel.expire(1_500, |_| panic!("nothing is due"));
    wheel.expire(0, |_| panic!("nothing is due"));
    wheel.insert(1_200, 'c');
    assert_eq!(wheel.pop_due(1_100), None);
    assert_eq!(wheel.pop_due(1_200), Some('c'));
}

#[test]
fn h28_age_decides_among_equals_that_were_set_at_all_distances() {
    let deadline = 5 * DAY + 123;
    let mut wheel = TimerWheel::new();
    let mut age = 0;
    let mut now = 0;
    wheel.insert(u64::MAX, usize::MAX);
    while now < deadline {
        for _ in 0..20 {
            wheel.insert(deadline, age);
            age += 1;
        }
        // Others around it, so that its slot is dealt out level by level.
        for n in 0..20 {
            wheel.insert(now + (deadline - now) / 20 * n, usize::MAX);
        }
        now += (deadline - now).div_ceil(7);
        wheel.expire(now.min(deadline - 1), |other| assert_eq!(other, usize::MAX));
    }
    let mut fired = Vec::new();
    wheel.expire(deadline, |age| fired.push(age));
    fired.retain(|&age| age != usize::MAX);
    assert!(fired.into_iter().eq(0..age));
}

#[test]
fn h28_age_decides_among_a_hundred_thousand_equals() {
    let mut wheel = TimerWheel::new();
    let keys: Vec<_> = (0..100_000).map(|n| wheel.insert(DAY, n)).collect();
    wheel.insert(DAY - 1, 100_000);
    assert_eq!(wheel.pop_first(), Some((DAY - 1, 100_000)));
    for key in keys.iter().step_by(2) {
        wheel.cancel(*key);
    }
    assert!(wheel.drain().eq((1..100_000).step_by(2)));
}

#[test]
fn h28_what_a_due_timer_sets_takes_its_turn_in_the_same_round() {
    let mut wheel = TimerWheel::new();
    for name in ["a", "b"] {
        wheel.insert(10, name);
    }
    wheel.insert(20, "later");
    let mut fired = Vec::new();
    while let Some(name) = wheel.pop_due(20) {
        fired.push(name);
        if name == "a" {
            wheel.insert(10, "as old as b");
            wheel.insert(5, "older deadline");
            wheel.insert(21, "not due");
        }
    }
    assert_eq!(fired, ["a", "older deadline", "b", "as old as b", "later"]);
    assert_eq!(wheel.next_deadline(), Some(21));
}
