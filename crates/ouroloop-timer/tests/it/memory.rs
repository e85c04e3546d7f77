//! What the allocator sees: memory in use and calls, per thread, so that tests do not count for
//! each other.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::VecDeque,
};

use ouroloop_timer::TimerWheel;

struct Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: isize) {
    // A thread that is ending still frees.
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator, with the arguments as they came; the
// counting allocates nothing, since the thread locals are constant and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller got `memory` from `alloc` above with this layout, hence from System.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn in_use() -> isize {
    IN_USE.with(Cell::get)
}

fn calls() -> usize {
    CALLS.with(Cell::get)
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
    let before = in_use();
    let mut wheel = TimerWheel::new();
    for now in 0..ROUNDS {
        let key = wheel.insert(now + HOUR_NS, now);
        assert_eq!(wheel.cancel(key), Some(now));
    }
    assert_eq!(wheel.len(), 0);
    assert!(wheel.capacity() <= 128);
    assert!(in_use() - before < 2_048, "{} bytes", in_use() - before);
}

#[test]
fn h27_memory_is_flat_while_far_timers_come_and_go() {
    const LIVE: usize = 2_000;
    let mut wheel = TimerWheel::new();
    let mut keys = VecDeque::with_capacity(LIVE + 1);
    let before = in_use();
    let mut after_warm_up = 0;
    for now in 0..ROUNDS {
        keys.push_back(wheel.insert(now * 1_000 + HOUR_NS, now));
        if keys.len() > LIVE {
            // The oldest, and hence the first: what a heartbeat does.
            let oldest = keys.pop_front().unwrap();
            assert!(wheel.cancel(oldest).is_some());
            wheel.next_deadline();
        }
        if now == 2 * LIVE as u64 {
            after_warm_up = in_use() - before;
        }
    }
    assert_eq!(wheel.len(), LIVE);
    assert!(wheel.capacity() <= LIVE + 128);
    assert!(in_use() - before <= 2 * after_warm_up);
    // 40 bytes a timer, with the wheels and all the rest within twice that.
    assert!(in_use() - before <= 2 * 40 * LIVE as isize);
}

#[test]
fn h27_memory_follows_the_number_of_timers_down() {
    let count = if cfg!(debug_assertions) {
        50_000
    } else {
        1_000_000
    };
    let before = in_use();
    let mut wheel = TimerWheel::new();
    let mut keys = Vec::new();
    for n in 0..count {
        keys.push(wheel.insert(HOUR_NS + n % 1_000 * 1_000_000, n));
    }
    let survivor = wheel.insert(u64::MAX, count);
    let keys_bytes = (keys.capacity() * size_of_val(&keys[0])) as isize;
    let peak = in_use() - before - keys_bytes;
    assert!(peak >= 40 * count as isize);
    assert!(peak <= 2 * 40 * count as isize);
    for key in keys.drain(..) {
        wheel.cancel(key);
    }
    let rest = in_use() - before - keys_bytes;
    // The survivor has the highest place of all, which keeps the list of chunks at its length.
    assert!(
        rest < 32 * 1_024 + peak / 100,
        "{rest} bytes for one timer, {peak} at the peak"
    );
    assert_eq!(wheel.deadline(survivor), Some(u64::MAX));
}

#[test]
fn a_new_wheel_allocates_nothing_and_its_first_timer_twice_or_so() {
    let before = calls();
    let mut wheel = TimerWheel::new();
    assert_eq!(calls(), before);
    wheel.insert(1, 1);
    assert!(calls() - before <= 4, "{} calls", calls() - before);
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
    let before = calls();
    turn_over(&mut wheel);
    let calls_per_timer = (calls() - before) as f64 / 10_000.0;
    assert!(calls_per_timer < 0.05, "{calls_per_timer} calls a timer");
}
