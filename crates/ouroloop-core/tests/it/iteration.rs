//! The order of one iteration: SEMANTICS of asyncio, as observed on CPython.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{EventLoop, IoPoll, LoopRef, VirtualClock};
use ouroloop_testkit::{Log, run_iterations};

use crate::support::{Port, build, on_every_loop, on_every_port, virtual_loop};

/// Moments that have passed already.
const PAST: Duration = Duration::from_nanos(2);
const PAST_2: Duration = Duration::from_nanos(1);

#[test]
fn what_was_queued_runs_before_io_and_io_before_timers() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("io")).unwrap();
        port.feed();
        event_loop
            .call_later(Duration::ZERO, log.line("timer0"))
            .unwrap();
        event_loop.call_at(PAST, log.line("timer-past")).unwrap();
        event_loop.call_at(PAST_2, log.line("timer-past2")).unwrap();
        event_loop.call_soon(log.line("soon")).unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "soon io timer-past2 timer-past timer0");
    });
}

#[test]
fn what_other_threads_left_runs_before_io_and_timers() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_reader(port.fd(), log.line("io")).unwrap();
        port.feed();
        event_loop
            .call_later(Duration::ZERO, log.line("timer"))
            .unwrap();
        let remote = event_loop.remote();
        LOG.set(Some(log.clone()));
        let from_thread = || LOG.with_borrow(|log| log.as_ref().unwrap().say("ts"));
        std::thread::spawn(move || remote.call_soon_threadsafe(from_thread).unwrap())
            .join()
            .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "ts io timer");
    });
}

thread_local! {
    /// For callbacks that come from elsewhere and run here.
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

#[test]
fn a_reader_runs_before_the_writer_of_its_descriptor() {
    on_every_port(|event_loop, port, _| {
        let log = Log::default();
        event_loop.add_writer(port.fd(), log.line("w")).unwrap();
        event_loop.add_reader(port.fd(), log.line("r")).unwrap();
        port.feed();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "r w");
    });
}

#[test]
fn a_timer_of_no_delay_that_a_timer_sets_runs_in_the_next_iteration() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let (next, line) = (event_loop.downgrade(), log.clone());
        event_loop
            .call_later(Duration::ZERO, move || {
                line.say("first");
                next.call_later(Duration::ZERO, line.line("second"))
                    .unwrap();
            })
            .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "first");
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "second");
    });
}

#[test]
fn a_timer_that_comes_due_while_the_batch_runs_waits_for_the_next() {
    let (event_loop, clock) = virtual_loop();
    let log = Log::default();
    event_loop
        .call_later(Duration::from_secs(1), log.line("timer"))
        .unwrap();
    let line = log.line("long");
    event_loop
        .call_soon(move || {
            clock.advance(Duration::from_secs(5));
            line();
        })
        .unwrap();
    event_loop.call_soon(log.line("soon")).unwrap();
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "long soon");
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "timer");
    event_loop.close().unwrap();
}

#[test]
fn stop_lets_the_batch_finish_and_leaves_the_next_one_queued() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let (stopper, line) = (event_loop.downgrade(), log.clone());
        event_loop
            .call_soon(move || {
                line.say("stop");
                stopper.stop();
                stopper.call_soon(line.line("next")).unwrap();
            })
            .unwrap();
        event_loop.call_soon(log.line("same batch")).unwrap();
        event_loop.run_forever().unwrap();
        assert_eq!(log.take(), "stop same batch");
        assert_eq!(event_loop.statistics().ready, 1);
        event_loop.stop();
        event_loop.run_forever().unwrap();
        assert_eq!(log.take(), "next");
    });
}

#[test]
fn stop_before_the_run_means_one_iteration_that_does_not_sleep() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        event_loop
            .call_later(Duration::from_secs(3600), log.line("never"))
            .unwrap();
        let before = event_loop.statistics().iterations;
        event_loop.stop();
        event_loop.run_forever().unwrap();
        assert_eq!(event_loop.statistics().iterations, before + 1);
        assert!(event_loop.time() < Duration::from_secs(3600));
        assert_eq!(log.take(), "");
    });
}

#[test]
fn call_soon_of_stop_and_a_run_are_exactly_one_batch() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        for turn in ["one", "two"] {
            let (next, line) = (event_loop.downgrade(), log.line(turn));
            event_loop
                .call_soon(move || drop(next.call_soon(line).unwrap()))
                .unwrap();
        }
        for expected in ["", "one two", ""] {
            let stopper = event_loop.downgrade();
            event_loop.call_soon(move || stopper.stop()).unwrap();
            event_loop.run_forever().unwrap();
            assert_eq!(log.take(), expected);
        }
    });
}

#[test]
fn io_is_polled_within_the_bound_though_the_loop_is_never_idle() {
    // The strict mode looks before each batch, the other one after 61 callbacks.
    for (policy, turns_max) in [(IoPoll::EveryIteration, 1), (IoPoll::default(), 62)] {
        let event_loop = build(EventLoop::builder().io_poll(policy).clock(
            // Time stands still, so that only callbacks count.
            ouroloop_core::Clock::virtual_time(),
        ));
        let port = Port::socket();
        let seen = Rc::new(Cell::new(None));
        let turn = busy(&event_loop);
        let (stopper, note, now) = (event_loop.downgrade(), seen.clone(), turn.clone());
        event_loop
            .add_reader(port.fd(), move || {
                note.set(Some(now.get()));
                stopper.stop();
            })
            .unwrap();
        // Past the poll at the beginning of the run, the socket becomes ready.
        let remote_end = Rc::new(port);
        let feeder = remote_end.clone();
        event_loop.call_soon(move || feeder.feed()).unwrap();
        event_loop.run_forever().unwrap();
        let turns = seen.get().unwrap();
        assert!(
            turns <= turns_max + 1,
            "{policy:?}: after {turns} iterations"
        );
        event_loop.close().unwrap();
    }
}

/// Keeps the loop from ever being idle; counts the iterations.
fn busy(event_loop: &LoopRef) -> Rc<Cell<u32>> {
    fn again(event_loop: &LoopRef, turn: Rc<Cell<u32>>) {
        let next = event_loop.clone();
        let callback = move || {
            turn.set(turn.get() + 1);
            again(&next, turn);
        };
        event_loop.call_soon(callback).unwrap();
    }
    let turn = Rc::new(Cell::new(0));
    again(event_loop, turn.clone());
    turn
}

/// A heartbeat each millisecond, which notes how late it was each time.
fn heartbeat(event_loop: &LoopRef, lateness: Rc<RefCell<Vec<Duration>>>) {
    const PERIOD: Duration = Duration::from_millis(1);
    let next = event_loop.clone();
    let when = event_loop.time() + PERIOD;
    event_loop
        .call_at(when, move || {
            lateness.borrow_mut().push(next.time() - when);
            if lateness.borrow().len() == 200 {
                next.stop();
            } else {
                heartbeat(&next, lateness);
            }
        })
        .unwrap();
}

#[test]
fn h21_a_callback_that_schedules_itself_starves_neither_timers_nor_io() {
    // The clock moves by the work that callbacks do, so the lateness is that of the loop alone.
    const WORK: Duration = Duration::from_micros(50);
    let (event_loop, clock) = virtual_loop();
    let port = Rc::new(Port::socket());
    fn again(event_loop: &LoopRef, clock: VirtualClock) {
        let next = event_loop.clone();
        let callback = move || {
            clock.advance(WORK);
            again(&next, clock);
        };
        event_loop.call_soon(callback).unwrap();
    }
    for _ in 0..5 {
        again(&event_loop, clock.clone());
    }
    // A timer of no delay that sets itself again.
    fn zero(event_loop: &LoopRef) {
        let next = event_loop.clone();
        event_loop
            .call_later(Duration::ZERO, move || zero(&next))
            .unwrap();
    }
    zero(&event_loop);
    // A socket that is always readable.
    port.feed();
    let reads = Rc::new(Cell::new(0_u32));
    let count = reads.clone();
    event_loop
        .add_reader(port.fd(), move || count.set(count.get() + 1))
        .unwrap();
    let lateness = Rc::new(RefCell::new(Vec::new()));
    heartbeat(&event_loop, lateness.clone());
    event_loop.run_forever().unwrap();
    let mut lateness = lateness.take();
    lateness.sort();
    assert!(
        lateness[198] <= Duration::from_millis(10),
        "p99 is {:?}",
        lateness[198]
    );
    assert!(
        lateness[199] <= 5 * WORK,
        "never later than a batch: {:?}",
        lateness[199]
    );
    assert!(
        reads.get() > 100,
        "the socket was read {} times",
        reads.get()
    );
    event_loop.close().unwrap();
}

#[test]
fn h21_on_a_real_clock_a_busy_loop_is_late_by_a_few_callbacks_at_most() {
    /// Works in each iteration until `fired`, and counts those that began when it was due.
    fn again(event_loop: LoopRef, work: Duration, when: Duration, fired: Rc<Cell<bool>>, due: u32) {
        let next = event_loop.clone();
        let callback = move || {
            if fired.get() {
                return next.stop();
            }
            let due = due + u32::from(next.time() >= when);
            assert!(
                due <= 9,
                "in the {due}th iteration since it was due, with work of {work:?}"
            );
            let begun = next.time();
            while next.time() - begun < work {}
            again(next, work, when, fired, due);
        };
        event_loop.call_soon(callback).unwrap();
    }
    for work in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_millis(2),
    ] {
        let event_loop = build(EventLoop::builder());
        event_loop.set_exception_handler(Some(Rc::new(|event_loop, context| {
            eprintln!("{context}");
            event_loop.stop();
        })));
        for _ in 0..10 {
            let fired = Rc::new(Cell::new(false));
            let flag = fired.clone();
            let delay = Duration::from_millis(5);
            let when = event_loop
                .call_later(delay, move || flag.set(true))
                .unwrap()
                .when();
            again(event_loop.downgrade(), work, when, fired.clone(), 0);
            event_loop.run_forever().unwrap();
            assert!(fired.get() && event_loop.time() >= when);
        }
        event_loop.close().unwrap();
    }
}
