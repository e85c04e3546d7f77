//! What the exception handler is told: errors that nobody has looked at, panics always, and tasks
//! that were pending when their loop was closed.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use ouroloop_core::{ContextVar, ExceptionContext};
use ouroloop_task::{AsFutureRef, LoopTasks, TaskBuilder, bare_yield, create_future, create_task};
use ouroloop_testkit::{LogLine, TestLoop, logged, ms, quiet_panic, run_iterations};

use crate::support::{ignore, sleep};

/// Runs `main` and gives what was reported until its loop was closed.
fn reports_of<T: 'static>(main: impl Future<Output = T> + 'static) -> Vec<String> {
    let test_loop = TestLoop::new();
    drop(test_loop.run(main));
    test_loop.close();
    test_loop.take_reports()
}

const TASK: &str = "Task exception was never retrieved";
const PROMISE: &str = "Promise exception was never retrieved";
const PENDING: &str = "Task was destroyed but it is pending!";

#[test]
fn a_panic_that_nobody_has_read_is_reported_when_the_last_handle_goes() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let task = create_task(async { quiet_panic("unread") });
        bare_yield().await;
        bare_yield().await;
        let _: &ouroloop_task::Task<()> = &task;
        drop(task);
    });
    assert_eq!(test_loop.take_reports(), [TASK]);
}

#[test]
fn a_panic_of_a_detached_task_is_reported_at_once() {
    let test_loop = TestLoop::new();
    test_loop.run({
        async {
            drop(create_task(async { quiet_panic("unread") }));
            bare_yield().await;
            bare_yield().await;
        }
    });
    assert_eq!(test_loop.take_reports(), [TASK]);
}

#[test]
fn a_report_names_the_task_its_line_and_the_error() {
    let test_loop = TestLoop::new();
    let contexts: Rc<RefCell<Vec<ExceptionContext>>> = Rc::default();
    let sink = contexts.clone();
    test_loop.set_exception_handler(Some(Rc::new(move |_, context| {
        sink.borrow_mut().push(context.clone());
    })));
    test_loop.run(async {
        drop(
            TaskBuilder::new()
                .name("culprit")
                .create_task(async { quiet_panic("boom") }),
        );
        drop(
            TaskBuilder::new()
                .name("fallible")
                .fallible()
                .create_task(async { Err::<(), _>("no good") }),
        );
        let promise = create_future::<()>();
        promise.set_exception("broken").expect("it is pending");
        drop(promise);
        sleep(ms(1)).await;
    });
    let contexts = contexts.take();
    assert_eq!(contexts.len(), 3);
    let of = |message: &str| {
        contexts
            .iter()
            .find(|context| context.to_string().contains(message))
            .unwrap_or_else(|| panic!("a report of {message}"))
    };
    let panicked = of("boom");
    assert_eq!(panicked.message(), TASK);
    assert_eq!(panicked.panic().expect("it is one").message(), "boom");
    assert!(panicked.source().expect("it has one").contains("culprit"));
    assert_eq!(panicked.created_at().expect("it has one").file(), file!());
    let failed = of("no good");
    assert_eq!(
        failed.exception().expect("it is one").to_string(),
        "no good"
    );
    assert!(failed.source().expect("it has one").contains("fallible"));
    assert_eq!(of("broken").message(), PROMISE);
}

#[test]
fn whoever_reads_an_error_in_any_way_spares_the_report() {
    type Read = fn(&ouroloop_task::Task<()>);
    let ways: [(&str, Read); 6] = [
        ("result", |task| ignore(task.result().is_err())),
        ("exception", |task| ignore(task.exception().is_ok())),
        ("untyped", |task| drop(task.as_future_ref().exception())),
        ("mark", |task| task.as_future_ref().mark_retrieved()),
        ("cancel", |task| ignore(task.cancel())),
        ("nothing", |_| {}),
    ];
    for (name, read) in ways {
        let reports = reports_of(async move {
            let task = TaskBuilder::new()
                .fallible()
                .create_task(async { Err::<(), _>("error") });
            bare_yield().await;
            assert!(task.done());
            read(&task);
        });
        let expected = if name == "nothing" { 1 } else { 0 };
        assert_eq!(reports.len(), expected, "{name}");
    }
}

#[test]
fn whoever_reads_the_error_of_a_promise_spares_the_report() {
    type Read = fn(&ouroloop_task::PromiseFuture<()>);
    let ways: [(&str, Read); 5] = [
        ("result", |it| ignore(it.result().is_err())),
        ("exception", |it| ignore(it.exception().is_ok())),
        ("untyped", |it| drop(it.as_future_ref().exception())),
        ("cancel", |it| ignore(it.cancel())),
        ("nothing", |_| {}),
    ];
    for (name, read) in ways {
        let reports = reports_of(async move {
            let promise = create_future();
            promise.set_exception("error").expect("it is pending");
            read(&promise);
        });
        assert_eq!(reports.len(), usize::from(name == "nothing"), "{name}");
    }
}

#[test]
fn an_error_that_is_awaited_or_given_to_a_callback_is_not_reported() {
    let reports = reports_of(async {
        let fallible = || {
            TaskBuilder::new()
                .fallible()
                .create_task(async { Err::<(), _>("error") })
        };
        let task = fallible();
        assert!((&task).await.is_err());
        assert!(fallible().await.is_err());
        let task = fallible();
        task.add_done_callback(|task| assert!(task.result().is_err()));
        drop(task);
        let promise = create_future::<()>();
        let future = promise.future();
        promise.set_exception("error").expect("it is pending");
        assert!(future.await.is_err());
        sleep(ms(1)).await;
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn an_error_that_a_callback_does_not_look_at_is_reported() {
    let reports = reports_of(async {
        let task = TaskBuilder::new()
            .fallible()
            .create_task(async { Err::<(), _>("error") });
        task.add_done_callback(|task| assert!(task.done() && !task.cancelled()));
        drop(task);
        let promise = create_future::<()>();
        promise.add_done_callback(|future| assert!(future.done() && !future.cancelled()));
        promise.set_exception("error").expect("it is pending");
        sleep(ms(1)).await;
    });
    assert_eq!(reports.len(), 2);
}

#[test]
fn values_cancellations_broken_promises_and_plain_err_values_are_not_reported() {
    let reports = reports_of(async {
        drop(create_task(async { 1 }));
        // Nobody said that this is an error.
        drop(create_task(async { Err::<(), _>("a value") }));
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        drop(cancelled);
        drop(create_future::<()>());
        let promise = create_future::<()>();
        promise.cancel();
        sleep(ms(1)).await;
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn an_err_counts_as_an_error_once_somebody_said_so() {
    for when_done in [false, true] {
        let reports = reports_of(async move {
            let task = create_task(async { Err::<(), _>("error") });
            if when_done {
                bare_yield().await;
            }
            task.expect_errors();
            bare_yield().await;
            assert!(task.as_future_ref().ended_in_error());
        });
        assert_eq!(reports, [TASK], "{when_done}");
    }
}

#[test]
fn one_error_of_many_waiters_is_read_by_any_of_them() {
    let reports = reports_of(async {
        let task = Rc::new(create_task(async { quiet_panic("shared") }));
        let waiting = task.clone();
        create_task(async move { (&*waiting).await.map(|&()| ()) })
            .await
            .expect("it has a value")
            .expect_err("it panicked");
    });
    assert_eq!(reports, [""; 0]);
}

#[test]
fn tasks_that_are_pending_at_close_are_reported_unless_told_otherwise() {
    let test_loop = TestLoop::new();
    drop(test_loop.create_task(pending::<()>()).expect("it is open"));
    let quiet = TaskBuilder::new().log_destroyed(false);
    drop(
        test_loop
            .create_task_with(quiet, pending::<()>())
            .expect("it is open"),
    );
    let done = test_loop.create_task(async {}).expect("it is open");
    run_iterations(&test_loop, 1);
    assert!(done.done());
    test_loop.close();
    assert_eq!(test_loop.take_reports(), [PENDING]);
}

#[test]
fn the_main_task_that_panics_is_not_reported_besides() {
    let test_loop = TestLoop::new();
    let ended = test_loop.run_until_complete(async { quiet_panic("main") });
    let _: Result<(), ouroloop_task::RunError> = ended;
    test_loop.close();
    assert_eq!(test_loop.take_reports(), [""; 0]);
}

#[test]
fn an_error_that_is_read_and_set_as_unread_by_nobody_else_is_reported_once() {
    let reports = reports_of(async {
        let promise = create_future::<()>();
        promise.set_exception("error").expect("it is pending");
        let (one, two) = (promise.future(), promise.as_future_ref());
        drop(promise);
        drop(one);
        drop(two);
    });
    assert_eq!(reports, [PROMISE]);
}

#[test]
fn debug_mode_names_the_task_whose_step_was_slow_and_its_line() {
    let test_loop = TestLoop::new();
    test_loop.set_debug(true);
    // The time stands still, so whatever takes none is slow enough.
    test_loop.set_slow_callback_duration(ms(0));
    let lines = logged(|| {
        test_loop.run(async {
            let worker = TaskBuilder::new().name("worker");
            // It ends in the step that is measured.
            let ended = worker.create_task(async {}).await;
            ended.expect("it has a value");
        });
    });
    let of_worker = lines
        .iter()
        .map(LogLine::message)
        .find(|line| line.starts_with("Executing task \"worker\" created at "))
        .unwrap_or_else(|| panic!("the worker is not in {lines:?}"));
    assert!(of_worker.contains("reports.rs:"), "{of_worker}");
    assert!(of_worker.contains(" took 0.000 seconds"), "{of_worker}");
}

#[test]
fn a_report_of_a_task_is_made_in_its_context() {
    thread_local! {
        static NAME: ContextVar<&'static str> = const { ContextVar::new("name") };
    }
    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            quiet_panic("in a destructor")
        }
    }

    let test_loop = TestLoop::new();
    let seen: Rc<RefCell<Vec<_>>> = Rc::default();
    let sink = seen.clone();
    test_loop.set_exception_handler(Some(Rc::new(move |_, context| {
        let name = NAME.with(|name| name.get().unwrap_or("unset"));
        sink.borrow_mut().push((context.message().to_owned(), name));
    })));
    test_loop.run(async {
        let set = |value| NAME.with(|name| drop(name.set(value)));
        set("main");
        let unread = create_task(async move {
            set("unread");
            quiet_panic("nobody looks")
        });
        let dropped = create_task(async move {
            set("dropped");
            let _guard = PanicsWhenDropped;
            pending::<()>().await;
        });
        drop(create_task(async move {
            set("pending");
            pending::<()>().await;
        }));
        bare_yield().await;
        dropped.cancel();
        bare_yield().await;
        bare_yield().await;
        let unread: ouroloop_task::Task<()> = unread;
        drop(unread);
        assert_eq!(NAME.with(|name| name.get()), Some("main"), "it came back");
    });
    test_loop.close();
    assert_eq!(
        seen.take(),
        [
            (
                "Exception while dropping a task's future".to_owned(),
                "dropped"
            ),
            (TASK.to_owned(), "unread"),
            (PENDING.to_owned(), "pending"),
        ]
    );
}

#[test]
fn a_done_callback_that_panics_is_named_by_the_place_where_it_was_added() {
    let test_loop = TestLoop::new();
    let places: Rc<RefCell<Vec<_>>> = Rc::default();
    let sink = places.clone();
    test_loop.set_exception_handler(Some(Rc::new(move |_, context| {
        let place = context.created_at().expect("a callback has one");
        assert_eq!(place.file(), file!());
        sink.borrow_mut().push(place.line());
    })));
    let first = line!() + 3;
    test_loop.run(async {
        let promise = create_future::<()>();
        promise.add_done_callback(|_| quiet_panic("of a promise"));
        let task = create_task(async {});
        task.add_done_callback(|_| quiet_panic("of a task"));
        promise.set_result(()).expect("it is pending");
        promise.add_done_callback(|_| quiet_panic("of one that is done"));
        bare_yield().await;
        bare_yield().await;
        bare_yield().await;
    });
    assert_eq!(places.take(), [first, first + 4, first + 2]);
}
