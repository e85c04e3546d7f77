//! `call_later` and `call_at`, on either clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ouroloop_core::{Context, ContextVar, EventLoop, TimerHandle};
use ouroloop_testkit::{Log, run_iterations};

use crate::support::{DropFlag, build, on_every_loop, run_for, scripted_loop, virtual_loop};

const MS: Duration = Duration::from_millis(1);

#[test]
fn timers_fire_at_their_deadline_and_in_its_order() {
    let (event_loop, clock) = virtual_loop();
    let log = Log::default();
    for millis in [5, 1, 3] {
        let (log, clock) = (log.clone(), clock.clone());
        event_loop
            .call_later(MS * millis, move || {
                log.say(clock.now().as_millis().to_string())
            })
            .unwrap();
    }
    run_for(&event_loop, MS * 10);
    assert_eq!(log.take(), "1 3 5");
    event_loop.close().unwrap();
}

#[test]
fn h28_equal_deadlines_fire_in_the_order_of_their_making() {
    let (event_loop, _) = virtual_loop();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for n in 0..1000 {
        let seen = seen.clone();
        event_loop
            .call_at(MS * 7, move || seen.borrow_mut().push(n))
            .unwrap();
    }
    run_for(&event_loop, MS * 8);
    assert!(seen.borrow().iter().copied().eq(0..1000));
    event_loop.close().unwrap();
}

#[test]
fn a_cancelled_timer_is_dropped_and_unlinked_at_once() {
    on_every_loop(|event_loop| {
        let (guard, dropped) = DropFlag::new();
        let timer = event_loop.call_later(MS, move || drop(guard)).unwrap();
        assert_eq!(event_loop.statistics().timers, 1);
        timer.cancel();
        assert!(dropped.get() && timer.cancelled());
        assert_eq!(event_loop.statistics().timers, 0);
        timer.cancel();
    });
}

#[test]
fn a_timer_that_is_cancelled_in_the_batch_it_is_due_in_does_not_run() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let victim: Rc<RefCell<Option<TimerHandle>>> = Rc::default();
    let slot = victim.clone();
    event_loop
        .call_at(MS, move || slot.borrow().as_ref().unwrap().cancel())
        .unwrap();
    *victim.borrow_mut() = Some(event_loop.call_at(MS, log.line("victim")).unwrap());
    run_for(&event_loop, MS * 2);
    assert_eq!(log.take(), "");
    event_loop.close().unwrap();
}

#[test]
fn cancelling_a_timer_that_has_fired_does_not_touch_a_newer_one() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let old = event_loop.call_later(MS, log.line("old")).unwrap();
    run_for(&event_loop, MS);
    event_loop.call_later(MS, log.line("new")).unwrap();
    old.cancel();
    run_for(&event_loop, MS);
    assert_eq!(log.take(), "old new");
    event_loop.close().unwrap();
}

#[test]
fn a_handle_knows_its_deadline() {
    let (event_loop, clock) = virtual_loop();
    clock.advance(MS * 3);
    assert_eq!(event_loop.call_later(MS, || {}).unwrap().when(), MS * 4);
    assert_eq!(event_loop.call_at(MS, || {}).unwrap().when(), MS);
    event_loop.close().unwrap();
}

#[test]
fn a_timer_runs_in_the_context_it_was_made_in() {
    static VAR: ContextVar<&str> = ContextVar::new("var");
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let say = |log: &Log| {
        let log = log.clone();
        move || log.say(VAR.get().unwrap_or("nothing"))
    };
    Context::new().run(|| {
        VAR.set("made");
        event_loop.call_later(MS, say(&log)).unwrap();
        event_loop.call_later_in(MS * 2, None, say(&log)).unwrap();
        VAR.set("given");
        event_loop
            .call_at_in(MS * 3, Some(ouroloop_core::copy_context()), say(&log))
            .unwrap();
        VAR.set("later");
    });
    run_for(&event_loop, MS * 4);
    assert_eq!(log.take(), "made nothing given");
    event_loop.close().unwrap();
}

#[test]
fn h06_delays_of_any_length_neither_overflow_nor_fire_early() {
    let delays = [
        Duration::from_nanos(1),
        Duration::from_micros(999),
        MS * (i32::MAX as u32 - 1),
        MS * i32::MAX as u32,
        MS * (i32::MAX as u32 + 1),
        MS * u32::MAX,
        Duration::from_nanos(u64::MAX - 1),
        Duration::from_nanos(u64::MAX),
        Duration::from_millis(u64::MAX),
        Duration::MAX,
    ];
    on_every_loop(|event_loop| {
        let log = Log::default();
        let timers: Vec<_> = delays[2..]
            .iter()
            .map(|delay| event_loop.call_later(*delay, log.line("fired")).unwrap())
            .collect();
        event_loop
            .call_at(Duration::MAX, log.line("fired"))
            .unwrap();
        run_iterations(event_loop, 3);
        run_for(event_loop, MS);
        assert_eq!(log.take(), "");
        timers.iter().for_each(TimerHandle::cancel);
        assert_eq!(event_loop.statistics().timers, 1);
    });
    // On virtual time, all the way.
    let (event_loop, clock) = virtual_loop();
    for delay in &delays[..7] {
        let (when, clock) = (event_loop.time() + *delay, clock.clone());
        event_loop
            .call_at(when, move || assert_eq!(clock.now(), when))
            .unwrap();
    }
    run_for(&event_loop, Duration::from_nanos(u64::MAX - 1));
    assert_eq!(event_loop.statistics().timers, 0);
    event_loop.close().unwrap();
}

#[test]
fn h07_a_sleep_of_less_than_a_millisecond_neither_spins_nor_ends_early() {
    let event_loop = build(EventLoop::builder());
    for _ in 0..20 {
        let before = event_loop.statistics().polls;
        let begun = Instant::now();
        run_for(&event_loop, Duration::from_micros(900));
        assert!(begun.elapsed() >= Duration::from_micros(900));
        let polls = event_loop.statistics().polls - before;
        assert!(polls <= 3, "{polls} polls");
    }
    event_loop.close().unwrap();
}

#[test]
fn h07_an_interrupted_wait_goes_on_for_what_is_left_of_it() {
    // The selector returns early, with nothing, as it does for a signal.
    let (event_loop, selector, clock) = scripted_loop();
    for millis in [1, 2, 3] {
        selector.at(MS * millis, 7, |event| event.readable = true);
    }
    run_for(&event_loop, MS * 10);
    assert_eq!(clock.now(), MS * 10);
    let timeouts: Vec<_> = selector.timeouts().into_iter().flatten().collect();
    assert_eq!(timeouts, [MS * 10, MS * 9, MS * 8, MS * 7]);
    event_loop.close().unwrap();
}

#[test]
fn waits_are_whole_milliseconds_on_a_real_clock() {
    let selector = ouroloop_core::ScriptedSelector::real_time();
    let event_loop = build(EventLoop::builder().selector(Box::new(selector.clone())));
    run_for(&event_loop, Duration::from_micros(20_500));
    let timeouts = selector.timeouts();
    assert!(!timeouts.is_empty());
    for timeout in timeouts {
        let timeout = timeout.expect("there is a timer");
        assert_eq!(timeout.subsec_nanos() % 1_000_000, 0, "{timeout:?}");
    }
    event_loop.close().unwrap();
}

#[test]
fn waits_longer_than_a_day_are_made_of_several() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let (event_loop, selector, clock) = scripted_loop();
    run_for(&event_loop, DAY * 2 + MS);
    assert_eq!(clock.now(), DAY * 2 + MS);
    assert_eq!(selector.timeouts(), [Some(DAY), Some(DAY), Some(MS)]);
    event_loop.close().unwrap();
}

#[test]
fn a_delay_counts_from_the_call_and_not_from_the_start_of_the_iteration() {
    let (event_loop, clock) = virtual_loop();
    let log = Log::default();
    let (handle, line) = (event_loop.downgrade(), log.clone());
    event_loop
        .call_soon(move || {
            clock.advance(MS * 50);
            let timer = handle.call_later(MS, line.line("fired")).unwrap();
            assert_eq!(timer.when(), MS * 51);
        })
        .unwrap();
    run_for(&event_loop, MS * 60);
    assert_eq!(log.take(), "fired");
    event_loop.close().unwrap();
}

#[test]
fn h27_cancelled_timers_do_not_pile_up() {
    let (event_loop, _) = virtual_loop();
    let count = Rc::new(Cell::new(0));
    for _ in 0..1_000_000 {
        let count = count.clone();
        event_loop
            .call_later(Duration::from_secs(1 << 30), move || {
                count.set(count.get() + 1)
            })
            .unwrap()
            .cancel();
    }
    assert_eq!(event_loop.statistics().timers, 0);
    assert_eq!(Rc::strong_count(&count), 1);
    event_loop.close().unwrap();
}
