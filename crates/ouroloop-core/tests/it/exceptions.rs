//! Panics, the exception handler, debug mode, and what is logged.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{Client, ContextVar, EventLoop, ExceptionContext};
use ouroloop_testkit::{Log, Reports, quiet_panic, run_iterations};
use tracing::Level;

use crate::support::{DropFlag, build, logged, on_every_loop, virtual_loop};

#[test]
fn h12_a_callback_that_panics_is_reported_and_its_batch_goes_on() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let reports = Reports::of(event_loop);
        event_loop.call_soon(log.line("before")).unwrap();
        event_loop.call_soon(|| quiet_panic("oh")).unwrap();
        let line = line!() - 1;
        event_loop.call_soon(log.line("between")).unwrap();
        event_loop
            .call_later(Duration::ZERO, || quiet_panic("no"))
            .unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "before between");
        let reports = reports.take();
        assert_eq!(reports.len(), 2);
        assert_eq!(reports[0].message(), "Exception in callback");
        assert_eq!(reports[0].panic().unwrap().message(), "oh");
        assert_eq!(reports[0].created_at().unwrap().line(), line);
        let place = reports[0].created_at().unwrap();
        assert_eq!(
            reports[0].to_string(),
            format!("Exception in callback in <Handle> created at {place}: panicked: oh")
        );
        assert_eq!(reports[1].panic().unwrap().message(), "no");
    });
}

#[test]
fn a_loop_that_runs_for_ever_survives_the_panic_of_its_last_callback() {
    on_every_loop(|event_loop| {
        let reports = Reports::of(event_loop);
        let stopper = event_loop.downgrade();
        event_loop
            .call_soon(move || {
                stopper.stop();
                quiet_panic("last");
            })
            .unwrap();
        event_loop.run_forever().unwrap();
        assert_eq!(reports.take().len(), 1);
        assert_eq!(event_loop.statistics().iterations, 1);
        assert!(!event_loop.is_running());
    });
}

#[test]
fn a_word_that_panics_is_described_by_its_client() {
    struct Faulty;
    impl Client for Faulty {
        fn run(&self, _: u64) {
            quiet_panic("in run");
        }
        fn posted(&self, _: u64) {
            quiet_panic("in posted");
        }
        fn describe(&self, payload: u64) -> String {
            match payload {
                1 => "<Task one>".into(),
                _ => quiet_panic("in describe"),
            }
        }
        fn close(&self) {
            quiet_panic("in close");
        }
    }
    impl Drop for Faulty {
        fn drop(&mut self) {
            quiet_panic("in drop");
        }
    }
    let (event_loop, _) = virtual_loop();
    let reports = Reports::of(&event_loop);
    let client = event_loop.register_client(Rc::new(Faulty));
    event_loop.schedule(client.word(1));
    event_loop.schedule(client.word(2));
    ouroloop_core::post(event_loop.id(), client.word(3));
    run_iterations(&event_loop, 1);
    let seen: Vec<_> = reports
        .take()
        .iter()
        .map(|it| it.panic().unwrap().message().to_string())
        .collect();
    assert_eq!(seen, ["in posted", "in run", "in describe"]);
    event_loop.close().unwrap();
    let seen: Vec<_> = reports
        .take()
        .iter()
        .map(|it| it.panic().unwrap().message().to_string())
        .collect();
    assert_eq!(seen, ["in close", "in drop"]);
}

#[test]
fn h12_a_destructor_that_panics_at_close_does_not_keep_the_rest_from_being_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            quiet_panic("bomb");
        }
    }
    on_every_loop(|event_loop| {
        let reports = Reports::of(event_loop);
        let mut flags = Vec::new();
        for _ in 0..2 {
            let (guard, dropped) = DropFlag::new();
            event_loop.call_soon(move || drop(guard)).unwrap();
            flags.push(dropped);
            let bomb = Bomb;
            event_loop.call_soon(move || drop(bomb)).unwrap();
            let (guard, dropped) = DropFlag::new();
            event_loop
                .call_later(Duration::from_secs(9), move || drop(guard))
                .unwrap();
            flags.push(dropped);
            let bomb = Bomb;
            event_loop
                .call_later(Duration::from_secs(8), move || drop(bomb))
                .unwrap();
        }
        event_loop.close().unwrap();
        assert!(flags.iter().all(|dropped| dropped.get()));
        assert_eq!(reports.take().len(), 4);
    });
}

#[test]
fn the_handler_runs_in_the_context_of_what_failed() {
    static WHO: ContextVar<&str> = ContextVar::new("who");
    let (event_loop, _) = virtual_loop();
    let seen = Rc::new(Cell::new(None));
    let note = seen.clone();
    event_loop.set_exception_handler(Some(Rc::new(move |_, _| note.set(WHO.get()))));
    ouroloop_core::Context::new().run(|| {
        WHO.set("the callback's");
        event_loop.call_soon(|| quiet_panic("oh")).unwrap();
    });
    run_iterations(&event_loop, 1);
    assert_eq!(seen.get(), Some("the callback's"));
    assert_eq!(WHO.get(), None);
    event_loop.close().unwrap();
}

#[test]
fn a_handler_that_panics_falls_back_to_the_default_one() {
    let (event_loop, _) = virtual_loop();
    event_loop.set_exception_handler(Some(Rc::new(|_, _| quiet_panic("handler"))));
    let lines = logged(|| {
        event_loop.call_exception_handler(ExceptionContext::new("first"));
        event_loop.call_soon(|| quiet_panic("second")).unwrap();
        run_iterations(&event_loop, 1);
    });
    let errors: Vec<_> = lines
        .iter()
        .map(|(level, line)| (*level, line.as_str()))
        .collect();
    let twice = (
        Level::ERROR,
        "Unhandled error in exception handler: panicked: handler",
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(errors[0], twice);
    assert_eq!(errors[1], (Level::ERROR, "first"));
    assert_eq!(errors[2], twice);
    assert!(
        errors[3]
            .1
            .starts_with("Exception in callback in <Handle> created at")
    );
    event_loop.close().unwrap();
}

#[test]
fn the_default_handler_logs_message_source_and_causes() {
    let (event_loop, _) = virtual_loop();
    let lines = logged(|| {
        event_loop.call_exception_handler(
            ExceptionContext::new("it failed")
                .with_source("<Task 7>")
                .with_exception(io::Error::other("for a reason")),
        );
    });
    assert_eq!(
        lines,
        [(Level::ERROR, "it failed in <Task 7>: for a reason".into())]
    );
    event_loop.close().unwrap();
}

#[test]
fn the_handler_can_be_looked_at_and_taken_away() {
    let (event_loop, _) = virtual_loop();
    assert!(event_loop.exception_handler().is_none());
    let reports = Reports::of(&event_loop);
    assert!(event_loop.exception_handler().is_some());
    event_loop.set_exception_handler(None);
    let lines = logged(|| event_loop.call_exception_handler(ExceptionContext::new("to the log")));
    assert_eq!(lines.len(), 1);
    assert!(reports.take().is_empty());
    event_loop.close().unwrap();
}

#[test]
fn debug_mode_warns_of_callbacks_and_words_that_hold_up_the_loop() {
    struct Slow(Rc<dyn Fn()>);
    impl Client for Slow {
        fn run(&self, _: u64) {
            (self.0)();
        }
        fn posted(&self, _: u64) {}
        fn describe(&self, payload: u64) -> String {
            format!("<Task {payload}>")
        }
        fn close(&self) {}
    }
    let (event_loop, clock) = virtual_loop();
    event_loop.set_debug(true);
    let work = {
        let clock = clock.clone();
        move |millis| clock.advance(Duration::from_millis(millis))
    };
    let word_work = work.clone();
    let client = event_loop.register_client(Rc::new(Slow(Rc::new(move || word_work(250)))));
    let lines = logged(|| {
        let (quick, slow) = (work.clone(), work.clone());
        event_loop.call_soon(move || quick(99)).unwrap();
        event_loop.call_soon(move || slow(100)).unwrap();
        event_loop.schedule(client.word(4));
        run_iterations(&event_loop, 1);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].1.starts_with("Executing <Handle created at "),
        "{}",
        lines[0].1
    );
    assert!(lines[0].1.contains("exceptions.rs"), "{}", lines[0].1);
    assert!(
        lines[0].1.contains(" took 0.100 seconds: "),
        "{}",
        lines[0].1
    );
    assert_eq!(lines[1].0, Level::WARN);
    assert_eq!(
        lines[1].1,
        "Executing <Task 4> took 0.250 seconds: nothing else ran meanwhile; \
         await, or move what blocks to a thread"
    );
    event_loop.close().unwrap();
}

#[test]
fn the_limit_of_the_warning_can_be_set_and_debug_mode_switched_while_the_loop_runs() {
    let (event_loop, clock) = virtual_loop();
    assert_eq!(
        event_loop.slow_callback_duration(),
        Duration::from_millis(100)
    );
    event_loop.set_slow_callback_duration(Duration::from_millis(5));
    let lines = logged(|| {
        for debug in [true, false] {
            let switch = event_loop.downgrade();
            // The batch in which it is switched on is not measured, nor is the callback itself.
            event_loop
                .call_soon(move || switch.set_debug(debug))
                .unwrap();
            run_iterations(&event_loop, 1);
            let clock = clock.clone();
            event_loop
                .call_soon(move || clock.advance(Duration::from_millis(6)))
                .unwrap();
            run_iterations(&event_loop, 1);
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    event_loop.close().unwrap();
}

#[test]
fn debug_mode_changes_nothing_but_the_log() {
    for debug in [false, true] {
        let event_loop = build(EventLoop::builder());
        event_loop.set_debug(debug);
        assert_eq!(event_loop.debug(), debug);
        let log = Log::default();
        let reports = Reports::of(&event_loop);
        event_loop.call_soon(log.line("a")).unwrap();
        event_loop.call_soon(|| quiet_panic("b")).unwrap();
        event_loop.call_soon(log.line("c")).unwrap().cancel();
        event_loop.call_soon(log.line("d")).unwrap();
        run_iterations(&event_loop, 2);
        assert_eq!(log.take(), "a d");
        assert_eq!(reports.take().len(), 1);
        event_loop.close().unwrap();
    }
}

#[test]
fn the_batch_order_decides_who_runs_next() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let run = || {
            for line in ["a", "b", "c", "d"] {
                event_loop.call_soon(log.line(line)).unwrap();
            }
            run_iterations(event_loop, 1);
            log.take()
        };
        let asked = Rc::new(RefCell::new(Vec::new()));
        let keep = asked.clone();
        event_loop.set_batch_order(Some(Box::new(move |left| {
            keep.borrow_mut().push(left);
            left - 1
        })));
        assert_eq!(run(), "d c b a");
        assert_eq!(asked.take(), [4, 3, 2, 1]);
        event_loop.set_batch_order(Some(Box::new(|left| left / 2)));
        assert_eq!(run(), "c b d a");
        event_loop.set_batch_order(None);
        assert_eq!(run(), "a b c d");
    });
}

#[test]
fn the_batch_order_cannot_reach_into_the_next_batch() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    event_loop.set_batch_order(Some(Box::new(|left| left - 1)));
    let (next, line) = (event_loop.downgrade(), log.clone());
    event_loop.call_soon(log.line("first")).unwrap();
    event_loop
        .call_soon(move || {
            line.say("second");
            next.call_soon(line.line("later")).unwrap();
        })
        .unwrap();
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "second first");
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "later");
    event_loop.close().unwrap();
}

#[test]
fn a_batch_order_that_chooses_what_is_not_there_is_reported_and_forgotten() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let reports = Reports::of(&event_loop);
    event_loop.set_batch_order(Some(Box::new(|left| left)));
    for line in ["a", "b"] {
        event_loop.call_soon(log.line(line)).unwrap();
    }
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "a b");
    assert_eq!(reports.take().len(), 1);
    event_loop.close().unwrap();
}

#[test]
fn the_observer_is_told_of_what_runs_before_it_runs() {
    on_every_loop(|event_loop| {
        let log = Log::default();
        let told = log.clone();
        event_loop.set_batch_order(Some(Box::new(|left| left - 1)));
        event_loop.set_entry_observer(Some(Box::new(move |entry| {
            assert!(
                entry
                    .created_at()
                    .unwrap()
                    .file()
                    .ends_with("exceptions.rs")
            );
            assert!(entry.word().is_none() && entry.describe().starts_with("<Handle created at"));
            told.say(["", "last:", "middle:", "first:"][entry.left()]);
        })));
        event_loop.call_soon(log.line("a")).unwrap();
        event_loop.call_soon(log.line("b")).unwrap().cancel();
        event_loop.call_soon(log.line("c")).unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "first: c last: a");
        event_loop.set_batch_order(None);
        event_loop.set_entry_observer(None);
        event_loop.call_soon(log.line("d")).unwrap();
        run_iterations(event_loop, 1);
        assert_eq!(log.take(), "d");
    });
}

#[test]
fn an_observer_that_panics_is_reported_and_forgotten_and_the_entry_runs() {
    let (event_loop, _) = virtual_loop();
    let log = Log::default();
    let reports = Reports::of(&event_loop);
    event_loop.set_entry_observer(Some(Box::new(|_| quiet_panic("blind"))));
    for line in ["a", "b"] {
        event_loop.call_soon(log.line(line)).unwrap();
    }
    run_iterations(&event_loop, 1);
    assert_eq!(log.take(), "a b");
    assert_eq!(reports.take().len(), 1);
    event_loop.close().unwrap();
}
