//! Very many of a kind, in small: what costs the same for each stays so, and nothing recurses or is done in one piece.
//!
//! `cargo xtask scale` measures the same with a million; here nothing looks at a clock. Allocations are counted, steps of
//! the loop are counted, and the stack is small.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use ouroloop::{
    Clock, Event, Lock, Runner, Task, bare_yield, create_task, gather, get_running_loop, sleep,
};

/// Runs a scenario on virtual time, and ends all that it leaves.
fn run(scenario: impl Future<Output = ()> + 'static) {
    let mut runner = Runner::new().clock(Clock::virtual_time());
    runner.run(scenario).expect("it ends");
    runner.close().expect("what is left ends when it is asked");
}

/// Tasks that sleep, each until another time.
async fn asleep(size: u64) {
    let nap = |at| create_task(sleep(Duration::from_millis(at * 7919 % size)));
    for task in (0..size).map(nap).collect::<Vec<_>>() {
        task.await.expect("it only sleeps");
    }
}

/// Tasks that sleep when the program ends.
async fn left_behind(size: u64) {
    for _ in 0..size {
        drop(create_task(sleep(Duration::from_secs(3600))));
    }
    bare_yield().await;
}

/// Callbacks, each at another time.
async fn timers(size: u64) {
    let called = Rc::new(Cell::new(0));
    let event_loop = get_running_loop().expect("it runs this");
    for at in 0..size {
        let called = called.clone();
        let delay = Duration::from_millis(at * 7919 % size);
        let call = move || called.set(called.get() + 1);
        event_loop.call_later(delay, call).expect("it is open");
    }
    sleep(Duration::from_millis(size)).await;
    assert_eq!(called.get(), size);
}

/// Tasks that wait for one lock, and get it in turn.
async fn one_lock(size: u64) {
    let lock = Rc::new(Lock::new());
    let held = lock.acquire().await;
    let wait = |_| {
        let lock = lock.clone();
        create_task(async move { drop(lock.acquire().await) })
    };
    let tasks: Vec<_> = (0..size).map(wait).collect();
    bare_yield().await;
    drop(held);
    for task in tasks {
        task.await.expect("it gets the lock");
    }
}

/// Tasks that wait for one lock, and are cancelled, the last one first.
async fn one_lock_given_up(size: u64) {
    let lock = Rc::new(Lock::new());
    let held = lock.acquire().await;
    let wait = |_| {
        let lock = lock.clone();
        create_task(async move { drop(lock.acquire().await) })
    };
    let tasks: Vec<_> = (0..size).map(wait).collect();
    bare_yield().await;
    for task in tasks.iter().rev() {
        task.cancel();
    }
    for task in tasks {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    drop(held);
    assert!(!lock.locked());
}

/// Tasks that wait for one event.
async fn one_event(size: u64) {
    let event = Rc::new(Event::new());
    let wait = |_| {
        let event = event.clone();
        create_task(async move { event.wait().await })
    };
    let tasks: Vec<_> = (0..size).map(wait).collect();
    bare_yield().await;
    event.set();
    for task in tasks {
        task.await.expect("it only waits");
    }
}

/// One gather of tasks that give a number each.
async fn one_gather(size: u64) {
    let number = |at| async move {
        bare_yield().await;
        at
    };
    let numbers = gather((0..size).map(number)).values().await;
    assert_eq!(numbers.expect("none fails").len() as u64, size);
}

/// A gather of tasks that sleep, which is cancelled.
async fn one_gather_cancelled(size: u64) {
    let all = gather((0..size).map(|_| sleep(Duration::from_secs(3600)))).values();
    bare_yield().await;
    all.cancel();
    assert!(all.await.is_err_and(|error| error.is_cancelled()));
}

/// Tasks each of which awaits the one made before it; gives the last.
async fn chain_of(size: u64) -> Task<()> {
    let mut last = create_task(std::future::pending());
    for _ in 1..size {
        let awaited = last;
        last = create_task(async move { drop(awaited.await) });
    }
    bare_yield().await;
    bare_yield().await;
    last
}

/// Such a chain, cancelled at its end.
async fn chain_cancelled(size: u64) {
    let last = chain_of(size).await;
    last.cancel();
    assert!(last.await.unwrap_err().is_cancelled());
}

/// Calls a macro with each scenario.
macro_rules! each_scenario {
    ($call:ident) => {
        $call!(
            asleep,
            left_behind,
            timers,
            one_lock,
            one_lock_given_up,
            one_event,
            one_gather,
            one_gather_cancelled,
            chain_cancelled,
        )
    };
}

#[test]
fn nothing_recurses_however_many_there_are() {
    const SIZE: u64 = 10_000;
    macro_rules! on_a_small_stack {
        ($($scenario:ident,)*) => {$(
            let thread = std::thread::Builder::new().stack_size(256 * 1024);
            let thread = thread.spawn(|| run($scenario(SIZE))).expect("there are threads");
            assert!(thread.join().is_ok(), stringify!($scenario));
        )*};
    }
    each_scenario!(on_a_small_stack);
}

#[test]
fn eight_times_as_many_allocate_eight_times_as_much() {
    const FEW: u64 = 1000;
    /// Buffers that double are up to twice as large as what they hold.
    const SLACK: f64 = 1.25;
    macro_rules! compare {
        ($($scenario:ident,)*) => {$(
            let of = |size| measure(|| run($scenario(size)));
            // The first run of a thread makes what is kept for the next one.
            of(FEW);
            let (few, many) = (of(FEW), of(8 * FEW));
            for (what, figure) in FIGURES {
                let growth = figure(&many) as f64 / figure(&few) as f64;
                assert!(
                    growth <= 8.0 * SLACK,
                    "{}: {what} grow {growth:.1} times: {few:?}, {many:?}",
                    stringify!($scenario),
                );
            }
            assert_eq!(many.count_current, 0, "{} leaves something", stringify!($scenario));
        )*};
    }
    type Figure = fn(&AllocationInfo) -> u64;
    const FIGURES: [(&str, Figure); 3] = [
        ("allocations", |info| info.count_total),
        ("bytes", |info| info.bytes_total),
        ("bytes at once", |info| info.bytes_max),
    ];
    each_scenario!(compare);
}

/// Counts the iterations in which a task that only yields had its turn, while the scenario runs.
fn turns_of_another(scenario: impl Future<Output = ()> + 'static) -> u64 {
    let turns = Rc::new(Cell::new(0));
    let count = turns.clone();
    run(async move {
        let other = create_task({
            let turns = turns.clone();
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    bare_yield().await;
                }
            }
        });
        scenario.await;
        other.cancel();
    });
    count.get()
}

#[test]
fn a_lock_that_goes_through_many_hands_lets_others_run_between_two_of_them() {
    let turns = turns_of_another(one_lock(1000));
    assert!(turns >= 1000, "{turns}");
}

#[test]
fn a_chain_that_unwinds_lets_others_run_between_two_of_its_tasks() {
    let turns = turns_of_another(chain_cancelled(1000));
    assert!(turns >= 1000, "{turns}");
}

#[test]
fn what_is_due_at_once_is_an_entry_for_each() {
    let entries = Rc::new(Cell::new(0));
    let count = entries.clone();
    run(async move {
        let event_loop = get_running_loop().expect("it runs this");
        event_loop.set_entry_observer(Some(Box::new(move |_| entries.set(entries.get() + 1))));
        for _ in 0..1000 {
            let second = Duration::from_secs(1);
            event_loop.call_later(second, || {}).expect("it is open");
        }
        sleep(Duration::from_secs(2)).await;
    });
    assert!(count.get() >= 1000, "{}", count.get());
}
