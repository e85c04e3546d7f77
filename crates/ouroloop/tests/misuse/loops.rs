//! A loop in a loop, one that is closed, one that is stopped.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop::{
    LoopTasks, RunError, Runner, get_event_loop, get_running_loop, new_event_loop, run, sleep,
};

use crate::support::{chain, ms, warnings};

const LOOP_IN_LOOP: &str = "another event loop is running in this thread: await the future there instead of running it, or give this loop a thread of its own";
const RUNNING_ALREADY: &str =
    "this event loop is already running: schedule work on it instead of running it again";
const CLOSED: &str = "event loop is closed: make a new one, with new_event_loop() or a new Runner";

#[test]
fn run_in_a_coroutine_says_to_await_instead() {
    let (nested, of_runner) = run(async {
        let nested = run(async { 1 }).unwrap_err();
        let of_runner = Runner::new().run(async { 1 }).unwrap_err();
        (chain(&nested), chain(&of_runner))
    })
    .unwrap();
    assert_eq!(nested, LOOP_IN_LOOP);
    assert_eq!(of_runner, LOOP_IN_LOOP);
}

#[test]
fn a_loop_is_not_run_again_from_within_nor_another_one() {
    let event_loop = Rc::new(new_event_loop().unwrap());
    let other = new_event_loop().unwrap();
    let inner = event_loop.downgrade();
    let texts = event_loop
        .run_until_complete(async move {
            [
                chain(&inner.run_until_complete(async {}).unwrap_err()),
                chain(&inner.run_forever().unwrap_err()),
                chain(&inner.close().unwrap_err()),
                chain(&other.run_until_complete(async {}).unwrap_err()),
            ]
        })
        .unwrap();
    assert_eq!(
        texts,
        [
            RUNNING_ALREADY,
            RUNNING_ALREADY,
            "cannot close a running event loop: stop it first, and close it when the run has returned",
            LOOP_IN_LOOP,
        ]
    );
    event_loop.close().unwrap();
}

#[test]
fn a_refused_run_leaves_the_outer_loop_the_current_one() {
    let mut outer = Runner::new();
    outer
        .run(async { assert!(run(async {}).is_err()) })
        .unwrap();
    let current = get_event_loop().unwrap();
    assert!(current.same_loop(outer.event_loop().unwrap()));
    outer.close().unwrap();
}

#[test]
fn a_runner_that_never_ran_closes_within_a_loop_without_a_word() {
    let lines = warnings(|| {
        let refusals = run(async {
            let mut refused = Runner::new();
            let refusal = refused.run(async {}).unwrap_err();
            drop(refused);
            let mut looked_at = Runner::new();
            let event_loop = looked_at.event_loop().unwrap().downgrade();
            let second = looked_at.run(async {}).unwrap_err();
            drop(looked_at);
            assert!(event_loop.is_closed());
            [chain(&refusal), chain(&second)]
        });
        assert_eq!(refusals.unwrap(), [LOOP_IN_LOOP; 2]);
    });
    assert_eq!(lines, [""; 0]);
}

#[test]
fn a_runner_with_a_task_says_that_it_cannot_shut_down_within_a_loop() {
    let lines = warnings(|| {
        run(async {
            let mut runner = Runner::new();
            let task = runner.event_loop().unwrap().create_task(async {}).unwrap();
            drop(runner);
            assert!(task.done());
        })
        .unwrap();
    });
    assert!(
        lines.contains(&format!("the shutdown of a Runner failed: {LOOP_IN_LOOP}")),
        "{lines:?}"
    );
}

#[test]
fn a_runner_that_is_closed_runs_nothing_more() {
    let mut runner = Runner::new();
    runner.run(async {}).unwrap();
    runner.close().unwrap();
    runner.close().unwrap();
    for _ in 0..2 {
        assert_eq!(chain(&runner.run(async {}).unwrap_err()), CLOSED);
    }
    assert_eq!(chain(&runner.event_loop().unwrap_err()), CLOSED);
}

#[test]
fn stop_before_a_run_leaves_it_one_iteration_and_the_run_says_so() {
    let event_loop = new_event_loop().unwrap();
    let steps = Rc::new(RefCell::new(Vec::new()));
    let log = steps.clone();
    event_loop.stop();
    let stopped = event_loop.run_until_complete(async move {
        log.borrow_mut().push("first");
        sleep(ms(1)).await;
        log.borrow_mut().push("second");
    });
    assert_eq!(
        chain(&stopped.unwrap_err()),
        "the event loop was stopped before the future was done; run it again to go on"
    );
    assert_eq!(*steps.borrow(), ["first"]);
    event_loop.set_exception_handler(Some(Rc::new(|_, _| {})));
    event_loop.close().unwrap();
}

#[test]
fn a_main_that_stops_its_own_loop_is_told() {
    let stopped = run(async {
        get_running_loop().unwrap().stop();
        std::future::pending::<()>().await;
    });
    assert!(matches!(stopped, Err(RunError::Stopped)));
}

#[test]
fn a_loop_that_nobody_closes_warns() {
    let lines = warnings(|| drop(new_event_loop().unwrap()));
    assert_eq!(
        lines,
        ["unclosed event loop: call close() when you are done with it"]
    );
}
