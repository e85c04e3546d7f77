//! Loops that forgive no report, and what is said of them: reports, log lines, iterations.

use std::future::pending;
use std::time::Duration;

use ouroloop::testkit::{
    Log, Reports, TestLoop, hops, iteration, logged, ms, quiet_panic, run_iterations, running_loop,
};
use ouroloop::{
    EventLoop, LoopTasks, bare_yield, create_future, create_task, new_event_loop, sleep,
};

#[test]
fn time_jumps_and_the_main_task_gives_its_value() {
    let test_loop = TestLoop::new();
    let value = test_loop.run(async {
        sleep(Duration::from_secs(3600)).await;
        7
    });
    assert_eq!(value, 7);
    assert_eq!(test_loop.time(), Duration::from_secs(3600));
}

#[test]
fn a_report_is_taken_once() {
    let test_loop = TestLoop::new();
    test_loop.call_soon(|| quiet_panic("oh")).unwrap();
    run_iterations(&test_loop, 1);
    assert_eq!(test_loop.take_reports(), ["Exception in callback"]);
    assert_eq!(test_loop.take_reports(), [""; 0]);
}

#[test]
#[should_panic(expected = "reports that nobody took")]
fn a_report_that_nobody_took_fails_the_test() {
    let test_loop = TestLoop::new();
    test_loop.call_soon(|| quiet_panic("oh")).unwrap();
    run_iterations(&test_loop, 1);
}

#[test]
#[should_panic(expected = "Task was destroyed but it is pending!")]
fn what_the_close_reports_counts_too() {
    let test_loop = TestLoop::new();
    drop(test_loop.create_task(pending::<()>()).unwrap());
    run_iterations(&test_loop, 1);
}

#[test]
#[should_panic(expected = "the first panic")]
fn a_test_that_panics_already_is_spared_the_second_panic() {
    let test_loop = TestLoop::new();
    test_loop.call_soon(|| quiet_panic("oh")).unwrap();
    run_iterations(&test_loop, 1);
    quiet_panic("the first panic");
}

#[test]
#[should_panic(expected = "the main task has no value")]
fn a_main_task_without_a_value_fails_the_test() {
    TestLoop::new().run(async {
        create_future::<()>().await.unwrap();
    });
}

#[test]
fn reports_of_a_loop_say_all() {
    let test_loop = TestLoop::new();
    let reports = Reports::of(&test_loop);
    test_loop.call_soon(|| quiet_panic("oh")).unwrap();
    let line = line!() - 1;
    run_iterations(&test_loop, 1);
    let taken = reports.take();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].panic().unwrap().message(), "oh");
    assert_eq!(taken[0].created_at().unwrap().line(), line);
    assert!(reports.clone().take().is_empty());
    assert_eq!(
        test_loop.take_reports(),
        [""; 0],
        "collected in place of the others"
    );
}

#[test]
fn warnings_and_errors_are_kept_with_their_level_and_target() {
    let lines = logged(|| {
        let event_loop = new_event_loop().unwrap();
        event_loop.call_soon(|| quiet_panic("oh")).unwrap();
        run_iterations(&event_loop, 1);
        event_loop.close().unwrap();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].level().as_str(), "ERROR");
    assert_eq!(lines[0].target(), "ouroloop::core");
    assert!(lines[0].message().contains("oh"), "{lines:?}");
}

#[test]
fn a_quiet_end_logs_nothing() {
    let lines = logged(|| TestLoop::new().run(async { sleep(ms(1)).await }));
    assert_eq!(lines, []);
}

#[test]
fn iterations_are_counted_from_inside_and_from_outside() {
    let test_loop = TestLoop::new();
    let before = test_loop.statistics().iterations;
    run_iterations(&test_loop, 3);
    assert_eq!(test_loop.statistics().iterations, before + 3);
    test_loop.run(async {
        let before = iteration();
        bare_yield().await;
        bare_yield().await;
        assert_eq!(iteration(), before + 2);
        assert_eq!(hops(bare_yield()).await, (1, ()));
        assert_eq!(hops(create_task(async {})).await.0, 2);
        assert_eq!(running_loop().statistics().iterations, iteration());
    });
}

#[test]
#[should_panic(expected = "the loop cannot run an iteration")]
fn a_closed_loop_runs_no_iterations() {
    let event_loop: EventLoop = new_event_loop().unwrap();
    event_loop.close().unwrap();
    run_iterations(&event_loop, 1);
}

#[test]
fn a_log_has_lines_of_callbacks_and_destructors() {
    let (test_loop, log) = (TestLoop::new(), Log::default());
    test_loop.call_soon(log.line("called")).unwrap();
    let guard = log.on_drop("dropped");
    test_loop
        .call_soon(move || {
            let _guard = &guard;
        })
        .unwrap();
    log.say("before");
    run_iterations(&test_loop, 1);
    assert_eq!(log.take(), "before called dropped");
    assert_eq!(log.take(), "");
}
