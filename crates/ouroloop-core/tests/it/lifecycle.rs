//! Making, running, stopping and closing a loop; the running and the current one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{
    EventLoop, LoopError, LoopRef, get_event_loop, get_running_loop, new_event_loop,
    running_loop_id, set_event_loop, with_running,
};
use ouroloop_testkit::{Log, run_iterations};
use tracing::Level;

use crate::support::{
    DropFlag, build, logged, on_every_loop, run_for, scripted_loop, virtual_loop,
};

#[test]
fn a_new_loop_is_neither_running_nor_closed_nor_current() {
    let event_loop = new_event_loop().unwrap();
    assert!(!event_loop.is_running() && !event_loop.is_closed());
    assert!(matches!(get_running_loop(), Err(LoopError::NotRunning)));
    assert!(matches!(get_event_loop(), Err(LoopError::NoCurrentLoop)));
    assert_eq!(running_loop_id(), None);
    assert!(with_running(|running| running.is_none()));
    event_loop.close().unwrap();
}

#[test]
fn while_a_loop_runs_it_is_the_running_loop_of_its_thread() {
    on_every_loop(|event_loop| {
        let expected = event_loop.downgrade();
        let log = Log::default();
        let line = log.line("seen");
        event_loop
            .call_soon(move || {
                assert!(expected.is_running());
                assert!(get_running_loop().unwrap().same_loop(&expected));
                assert!(get_event_loop().unwrap().same_loop(&expected));
                assert_eq!(running_loop_id(), Some(expected.id()));
                assert!(with_running(|running| running
                    .unwrap()
                    .same_loop(&expected)));
                let elsewhere = std::thread::spawn(|| get_running_loop().is_err());
                assert!(elsewhere.join().unwrap());
                line();
            })
            .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "seen");
        assert!(get_running_loop().is_err());
    });
}

#[test]
fn the_current_loop_is_the_one_that_was_set_and_never_made_by_itself() {
    let (one, _) = virtual_loop();
    let (two, _) = virtual_loop();
    set_event_loop(Some(&one));
    assert!(get_event_loop().unwrap().same_loop(&one));
    let in_thread =
        std::thread::spawn(|| matches!(get_event_loop(), Err(LoopError::NoCurrentLoop)));
    assert!(in_thread.join().unwrap());
    // The running one comes first.
    let entered = two.enter().unwrap();
    assert!(get_event_loop().unwrap().same_loop(&two));
    drop(entered);
    set_event_loop(None);
    assert!(matches!(get_event_loop(), Err(LoopError::NoCurrentLoop)));
    one.close().unwrap();
    two.close().unwrap();
}

#[test]
fn a_loop_in_a_loop_is_refused_and_leaves_both_untouched() {
    on_every_loop(|event_loop| {
        let (other, _) = virtual_loop();
        let log = Log::default();
        let (same, line) = (event_loop.downgrade(), log.clone());
        event_loop
            .call_soon(move || {
                for result in [
                    same.run_forever(),
                    same.run_once(),
                    same.run_batch().map(drop),
                ] {
                    assert!(matches!(result, Err(LoopError::AlreadyRunning)));
                }
                assert!(matches!(same.enter(), Err(LoopError::AlreadyRunning)));
                for result in [other.run_forever(), other.run_once()] {
                    assert!(matches!(result, Err(LoopError::LoopInLoop)));
                }
                assert!(!other.is_running());
                assert!(get_running_loop().unwrap().same_loop(&same));
                other.close().unwrap();
                line.say("refused");
            })
            .unwrap();
        event_loop.call_soon(log.line("next")).unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "refused next");
    });
}

#[test]
fn a_running_loop_cannot_be_closed() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let (same, line) = (event_loop.downgrade(), log.clone());
        event_loop
            .call_soon(move || {
                assert!(matches!(same.close(), Err(LoopError::Running)));
                assert!(!same.is_closed());
                same.call_soon(line.line("still open")).unwrap();
            })
            .unwrap();
        run_iterations(event_loop, 2);
        assert_eq!(log.take(), "still open");
    });
}

#[test]
fn closing_drops_what_is_scheduled_unrun_and_is_idempotent() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let mut flags = Vec::new();
        let mut guarded = || {
            let (guard, dropped) = DropFlag::new();
            flags.push(dropped);
            let line = log.line("ran");
            move || {
                let _held = &guard;
                line();
            }
        };
        event_loop.call_soon(guarded()).unwrap();
        event_loop
            .call_later(Duration::from_secs(5), guarded())
            .unwrap();
        event_loop.add_reader(0, guarded()).ok();
        event_loop.set_batch_order(Some(Box::new({
            let guarded = guarded();
            move |_| {
                guarded();
                0
            }
        })));
        event_loop.close().unwrap();
        event_loop.close().unwrap();
        assert!(event_loop.is_closed());
        assert!(flags.iter().all(|dropped| dropped.get()));
        assert_eq!(log.take(), "");
    });
}

#[test]
fn a_closed_loop_refuses_work_and_says_why() {
    on_every_loop(|event_loop| {
        let timer = event_loop
            .call_later(Duration::from_secs(5), || {})
            .unwrap();
        let remote = event_loop.remote();
        event_loop.close().unwrap();
        let second = Duration::from_secs(1);
        for result in [
            event_loop.call_soon(|| {}).map(drop),
            event_loop.call_later(second, || {}).map(drop),
            event_loop.call_at(second, || {}).map(drop),
            event_loop.call_soon_threadsafe(|| {}),
            remote.call_soon_threadsafe(|| {}),
            remote.stop(),
            event_loop.run_forever(),
            event_loop.run_once(),
            event_loop.enter().map(drop),
            event_loop.poll(None).map(drop),
            event_loop.process_events(),
            event_loop.run_batch().map(drop),
            event_loop.add_reader(0, || {}),
            event_loop.add_writer(0, || {}),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, LoopError::Closed), "{error:?}");
            assert!(error.to_string().starts_with("event loop is closed"));
        }
        // These are harmless, and asyncio lets them be.
        event_loop.stop();
        assert!(event_loop.time() < Duration::from_secs(3600));
        assert!(!event_loop.remove_reader(0) && !event_loop.remove_writer(0));
        timer.cancel();
        assert!(remote.is_closed() && !remote.is_running());
    });
}

#[test]
fn a_destructor_at_close_finds_the_loop_closed_and_nothing_borrowed() {
    struct Nosy(LoopRef);
    impl Drop for Nosy {
        fn drop(&mut self) {
            assert!(self.0.is_closed());
            assert!(matches!(self.0.call_soon(|| {}), Err(LoopError::Closed)));
            assert!(self.0.close().is_ok());
            self.0.statistics();
            self.0.remove_reader(0);
            self.0.set_exception_handler(None);
        }
    }
    on_every_loop(|event_loop| {
        let nosy = || Nosy(event_loop.downgrade());
        let (soon, later) = (nosy(), nosy());
        event_loop.call_soon(move || drop(soon)).unwrap();
        event_loop
            .call_later(Duration::from_secs(1), move || drop(later))
            .unwrap();
        let nosy = nosy();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
            let _held = &nosy;
            panic!("a destructor failed: {context}");
        })));
        event_loop.close().unwrap();
    });
}

#[test]
fn a_loop_can_be_run_again_after_it_was_stopped() {
    on_every_loop(|event_loop| {
        for _ in 0..3 {
            let stopper = event_loop.downgrade();
            event_loop
                .call_later(Duration::from_millis(1), move || stopper.stop())
                .unwrap();
            event_loop.run_forever().unwrap();
            assert!(!event_loop.is_running());
        }
    });
}

#[test]
fn dropping_the_last_handle_closes_the_loop_with_a_warning() {
    let (event_loop, _) = virtual_loop();
    let (guard, dropped) = DropFlag::new();
    event_loop.call_soon(move || drop(guard)).unwrap();
    let uncounted = event_loop.downgrade();
    let copy = event_loop.clone();
    assert!(logged(|| drop(event_loop)).is_empty());
    assert!(!uncounted.is_closed());
    let lines = logged(|| drop(copy));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].0, Level::WARN);
    assert!(lines[0].1.starts_with("unclosed event loop"));
    assert!(uncounted.is_closed());
    assert!(dropped.get());
    // A handle of a closed loop changes nothing.
    assert!(logged(|| drop(uncounted.handle())).is_empty());
}

#[test]
fn a_loop_that_was_closed_is_dropped_without_a_word() {
    let (event_loop, _) = virtual_loop();
    event_loop.close().unwrap();
    assert!(logged(|| drop(event_loop)).is_empty());
}

#[test]
fn a_loop_whose_last_handle_goes_while_it_runs_is_closed_when_the_run_is_over() {
    let slot: Rc<RefCell<Option<EventLoop>>> = Rc::default();
    let event_loop = build(EventLoop::builder());
    let uncounted = event_loop.downgrade();
    let (take, check) = (slot.clone(), uncounted.clone());
    uncounted
        .call_soon(move || {
            drop(take.take());
            assert!(!check.is_closed());
            check.stop();
        })
        .unwrap();
    *slot.borrow_mut() = Some(event_loop);
    let lines = logged(|| uncounted.run_forever().unwrap());
    assert_eq!(lines.len(), 1);
    assert!(uncounted.is_closed());
}

#[test]
fn the_memory_of_a_closed_loop_is_freed() {
    let (event_loop, _) = virtual_loop();
    // Circles through the loop: a callback that holds the loop, and a timer that holds itself.
    let (guard, dropped) = DropFlag::new();
    let held = (event_loop.downgrade(), Rc::new(guard));
    let reader_held = held.clone();
    event_loop.call_soon(move || drop(held)).unwrap();
    event_loop.set_exception_handler(Some(Rc::new(move |_, _| {
        let _held = &reader_held;
    })));
    assert!(!dropped.get());
    event_loop.close().unwrap();
    assert!(dropped.get());
}

#[test]
fn ids_are_recycled_and_many_loops_can_be_made_one_after_the_other() {
    let mut ids = std::collections::HashSet::new();
    for _ in 0..5000 {
        let clock = ouroloop_core::Clock::virtual_time();
        let selector = Box::new(ouroloop_core::ScriptedSelector::real_time());
        let event_loop = EventLoop::builder()
            .clock(clock)
            .selector(selector)
            .build()
            .unwrap();
        ids.insert(event_loop.id());
        event_loop.close().unwrap();
    }
    assert!(ids.len() < 200, "{} ids for 5000 loops", ids.len());
}

#[test]
fn the_statistics_count_what_was_done() {
    let (event_loop, _) = virtual_loop();
    assert_eq!(event_loop.statistics(), Default::default());
    event_loop.call_soon(|| {}).unwrap();
    event_loop
        .call_later(Duration::from_secs(1), || {})
        .unwrap();
    let statistics = event_loop.statistics();
    assert_eq!((statistics.ready, statistics.timers), (1, 1));
    event_loop.run_once().unwrap();
    event_loop.run_once().unwrap();
    let statistics = event_loop.statistics();
    assert_eq!((statistics.iterations, statistics.callbacks), (2, 2));
    assert_eq!((statistics.ready, statistics.timers), (0, 0));
    event_loop.close().unwrap();
}

#[test]
fn a_selector_that_fails_ends_the_run_and_the_loop_can_be_run_again() {
    let (event_loop, selector, _) = scripted_loop();
    let log = Log::default();
    event_loop
        .call_later(Duration::from_secs(1), log.line("fired"))
        .unwrap();
    selector.fail_select(std::io::ErrorKind::OutOfMemory);
    match event_loop.run_forever() {
        Err(LoopError::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory),
        other => panic!("{other:?}"),
    }
    assert!(!event_loop.is_running());
    run_for(&event_loop, Duration::from_secs(2));
    assert_eq!(log.take(), "fired");
    event_loop.close().unwrap();
}
