//! Time that jumps when nothing is ready, and knows when nothing ever will be.

use std::time::{Duration, Instant};

use ouroloop_core::{EventLoop, LoopError, VirtualClock};
use ouroloop_testkit::{Log, run_iterations};

use crate::support::{Port, build, run_for, scripted_loop, virtual_loop};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_year_passes_at_once() {
    let (event_loop, clock) = virtual_loop();
    let begun = Instant::now();
    run_for(&event_loop, HOUR * 24 * 365);
    assert_eq!(clock.now(), HOUR * 24 * 365);
    assert_eq!(event_loop.time(), clock.now());
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(event_loop.statistics().polls, 0, "nobody to poll");
    event_loop.close().unwrap();
}

#[test]
fn time_does_not_pass_while_something_is_ready() {
    let (event_loop, clock) = virtual_loop();
    event_loop.call_later(HOUR, || {}).unwrap();
    for _ in 0..5 {
        event_loop.call_soon(|| {}).unwrap();
        event_loop.run_once().unwrap();
        assert_eq!(clock.now(), Duration::ZERO);
    }
    event_loop.run_once().unwrap();
    assert_eq!(clock.now(), HOUR);
    event_loop.close().unwrap();
}

#[test]
fn time_does_not_jump_when_the_loop_is_to_stop() {
    let (event_loop, clock) = virtual_loop();
    event_loop.call_later(HOUR, || {}).unwrap();
    run_iterations(&event_loop, 3);
    assert_eq!(clock.now(), Duration::ZERO);
    event_loop.close().unwrap();
}

#[test]
fn a_loop_that_can_never_go_on_says_so_and_can_be_run_again() {
    let (event_loop, clock) = virtual_loop();
    clock.advance(HOUR);
    for _ in 0..2 {
        match event_loop.run_forever() {
            Err(LoopError::Deadlock { now, timers }) => assert_eq!((now, timers), (HOUR, 0)),
            other => panic!("{other:?}"),
        }
        assert!(!event_loop.is_running());
    }
    run_for(&event_loop, HOUR);
    event_loop.close().unwrap();
}

#[test]
fn with_a_script_the_end_of_everything_is_a_deadlock_too() {
    let (event_loop, _, _) = scripted_loop();
    run_for(&event_loop, HOUR);
    assert!(matches!(
        event_loop.run_forever(),
        Err(LoopError::Deadlock { .. })
    ));
    // With a descriptor there might be an event, but the script has none.
    event_loop.add_reader(5, || {}).unwrap();
    assert!(matches!(event_loop.run_forever(), Err(LoopError::Io(_))));
    event_loop.close().unwrap();
}

#[test]
fn without_auto_advance_only_the_test_moves_the_clock() {
    let (event_loop, clock) = virtual_loop();
    clock.set_auto_advance(false);
    assert!(!clock.auto_advance());
    let log = Log::default();
    event_loop.call_later(HOUR, log.line("fired")).unwrap();
    assert!(matches!(
        event_loop.run_once(),
        Err(LoopError::Deadlock { timers: 1, .. })
    ));
    assert_eq!(clock.now(), Duration::ZERO);
    clock.advance(HOUR);
    event_loop.run_once().unwrap();
    assert_eq!(log.take(), "fired");
    event_loop.close().unwrap();
}

#[test]
fn real_io_comes_before_a_jump() {
    let (event_loop, clock) = virtual_loop();
    let log = Log::default();
    let port = Port::socket();
    port.feed();
    let (now, line) = (clock.clone(), log.clone());
    event_loop
        .add_reader(port.fd(), move || {
            line.say(format!("io at {:?}", now.now()))
        })
        .unwrap();
    event_loop.call_later(HOUR, || {}).unwrap();
    event_loop.run_once().unwrap();
    assert_eq!(log.take(), "io at 0ns");
    event_loop.close().unwrap();
}

#[test]
fn without_timers_a_source_is_waited_for_in_real_time() {
    let (event_loop, clock) = virtual_loop();
    let port = Port::socket();
    let stopper = event_loop.downgrade();
    event_loop
        .add_reader(port.fd(), move || stopper.stop())
        .unwrap();
    let Port::Socket { theirs, .. } = &port else {
        unreachable!()
    };
    let mut theirs = theirs.borrow().try_clone().unwrap();
    let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut theirs, b"x").unwrap());
    event_loop.run_forever().unwrap();
    feeder.join().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    event_loop.close().unwrap();
}

#[test]
fn without_timers_a_remote_handle_is_waited_for_in_real_time() {
    let (event_loop, _) = virtual_loop();
    let remote = event_loop.remote();
    let helper = std::thread::spawn(move || remote.stop().unwrap());
    event_loop.run_forever().unwrap();
    helper.join().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn when_the_last_remote_handle_goes_a_sleeping_loop_finds_its_deadlock() {
    for _ in 0..300 {
        let (event_loop, _) = virtual_loop();
        let remote = event_loop.remote();
        let helper = std::thread::spawn(move || drop(remote));
        assert!(matches!(
            event_loop.run_forever(),
            Err(LoopError::Deadlock { .. })
        ));
        helper.join().unwrap();
        event_loop.close().unwrap();
    }
}

#[test]
fn what_a_thread_leaves_before_its_handle_goes_is_run() {
    for _ in 0..300 {
        let (event_loop, _) = virtual_loop();
        let remote = event_loop.remote();
        let helper = std::thread::spawn(move || remote.stop().unwrap());
        event_loop
            .run_forever()
            .expect("the stop arrives before the deadlock");
        helper.join().unwrap();
        event_loop.close().unwrap();
    }
}

#[test]
fn a_script_waits_for_what_is_first() {
    let (event_loop, selector, clock) = scripted_loop();
    let log = Log::default();
    let say = |what: &'static str| {
        let (log, clock) = (log.clone(), clock.clone());
        move || log.say(format!("{what}@{}", clock.now().as_secs()))
    };
    event_loop.add_reader(5, say("io")).unwrap();
    selector.at(Duration::from_secs(2), 5, |event| event.readable = true);
    selector.at(Duration::from_secs(4), 5, |event| event.readable = true);
    event_loop
        .call_later(Duration::from_secs(1), say("timer"))
        .unwrap();
    event_loop
        .call_later(Duration::from_secs(3), say("timer"))
        .unwrap();
    run_for(&event_loop, Duration::from_secs(5));
    assert_eq!(log.take(), "timer@1 io@2 timer@3 io@4");
    event_loop.close().unwrap();
}

#[test]
fn a_script_can_wait_for_real_until_a_thread_has_something() {
    let (event_loop, selector, clock) = scripted_loop();
    selector.set_waits_for_wakes(true);
    let remote = event_loop.remote();
    let helper = std::thread::spawn(move || remote.stop().unwrap());
    event_loop.run_forever().unwrap();
    helper.join().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    event_loop.close().unwrap();
}

#[test]
fn h06_at_the_end_of_time_every_timer_is_due_and_the_loop_goes_on() {
    let (event_loop, clock) = virtual_loop();
    clock.advance(HOUR);
    let log = Log::default();
    event_loop
        .call_later(Duration::MAX, log.line("never"))
        .unwrap();
    clock.advance(Duration::MAX);
    event_loop.run_once().unwrap();
    event_loop.call_later(HOUR, log.line("at once")).unwrap();
    event_loop.run_once().unwrap();
    assert_eq!(log.take(), "never at once");
    event_loop.close().unwrap();
}

#[test]
fn two_loops_can_share_a_clock() {
    let clock = VirtualClock::new();
    let one = build(EventLoop::builder().clock(clock.clone()));
    let two = build(EventLoop::builder().clock(clock.clone()));
    run_for(&one, HOUR);
    assert_eq!(two.time(), HOUR);
    one.close().unwrap();
    two.close().unwrap();
}

#[test]
fn a_loop_that_comes_late_finds_more_in_one_batch_and_nothing_early() {
    let (event_loop, clock) = virtual_loop();
    clock.set_lateness(Some(Box::new(|jump| jump / 2)));
    let log = Log::default();
    for seconds in [10, 14, 16] {
        let (line, clock) = (log.clone(), clock.clone());
        event_loop
            .call_at(Duration::from_secs(seconds), move || {
                line.say(format!("{seconds}@{}", clock.now().as_secs()));
            })
            .unwrap();
    }
    for _ in 0..2 {
        event_loop.run_once().unwrap();
    }
    assert_eq!(log.take(), "10@15 14@15 16@16");
    clock.set_lateness(None);
    assert_eq!(event_loop.next_deadline(), None);
    let when = clock.now() + HOUR;
    event_loop.call_at(when, log.line("on time")).unwrap();
    assert_eq!(event_loop.next_deadline(), Some(when));
    event_loop.run_once().unwrap();
    assert_eq!((log.take().as_str(), clock.now()), ("on time", when));
    event_loop.close().unwrap();
}

#[test]
fn only_a_loop_on_virtual_time_has_a_clock_to_move() {
    let (event_loop, clock) = virtual_loop();
    event_loop.virtual_clock().unwrap().advance(HOUR);
    assert_eq!(clock.now(), HOUR);
    event_loop.close().unwrap();
    let event_loop = EventLoop::builder().build().unwrap();
    assert!(event_loop.virtual_clock().is_none());
    event_loop.close().unwrap();
}
