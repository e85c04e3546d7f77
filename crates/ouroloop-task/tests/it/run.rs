//! `run_until_complete`: its ends, its errors, and runs that are resumed.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use ouroloop_core::{LoopError, new_event_loop};
use ouroloop_task::{
    LoopTasks, RunError, TaskError, bare_yield, create_future, create_task, current_task,
};
use ouroloop_testkit::{Log, TestLoop, ms, quiet_panic, run_iterations, running_loop};

use crate::support::{panics, sleep};

#[test]
fn it_gives_the_result_of_coroutines_tasks_and_promises() {
    let test_loop = TestLoop::new();
    assert_eq!(test_loop.run_until_complete(async { 1 }).ok(), Some(1));
    let task = test_loop.create_task(async { 2 }).expect("it is open");
    assert_eq!(test_loop.run_until_complete(&task).ok(), Some(2));
    assert_eq!(test_loop.run_until_complete(task).ok(), Some(2));
    let promise = test_loop.create_future::<u32>().expect("it is open");
    let setter = promise.clone();
    test_loop
        .call_soon(move || setter.set_result(3).expect("it is pending"))
        .expect("it is open");
    assert_eq!(test_loop.run_until_complete(&promise).ok(), Some(3));
    assert_eq!(test_loop.run_until_complete(promise.future()).ok(), Some(3));
}

#[test]
fn it_gives_the_error_of_what_it_runs() {
    let test_loop = TestLoop::new();
    let panicked = test_loop.run_until_complete(async { quiet_panic("main") });
    let _: &Result<(), _> = &panicked;
    assert!(matches!(
        panicked,
        Err(RunError::Task(TaskError::Panicked(_)))
    ));
    let cancelled = test_loop.run_until_complete(async {
        current_task().expect("this is a task").cancel();
        pending::<()>().await;
    });
    assert!(matches!(
        cancelled,
        Err(RunError::Task(TaskError::Cancelled(_)))
    ));
    assert_eq!(test_loop.run(async { "goes on" }), "goes on");
}

#[test]
fn what_is_queued_when_the_main_task_ends_still_runs() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            let spinner = {
                let log = log.clone();
                create_task(async move {
                    let _guard = log.on_drop("cleaned");
                    pending::<()>().await;
                })
            };
            bare_yield().await;
            spinner.cancel();
            log.say("main");
        }
    });
    assert_eq!(log.take(), "main cleaned");
}

#[test]
fn what_is_queued_by_the_last_iteration_waits_for_the_next_run() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            let outer = log.clone();
            running_loop()
                .call_soon(move || {
                    outer.say("first");
                    let inner = outer.clone();
                    running_loop()
                        .call_soon(move || {
                            inner.say("second");
                            let third = inner.clone();
                            running_loop()
                                .call_soon(move || third.say("third"))
                                .expect("it is open");
                        })
                        .expect("it is open");
                })
                .expect("it is open");
        }
    });
    assert_eq!(log.take(), "first");
    run_iterations(&test_loop, 1);
    assert_eq!(log.take(), "second");
    run_iterations(&test_loop, 1);
    assert_eq!(log.take(), "third");
}

#[test]
fn a_run_that_is_stopped_leaves_its_task_to_a_later_run() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    let task = {
        let log = log.clone();
        test_loop
            .create_task(async move {
                log.say("begun");
                running_loop().stop();
                bare_yield().await;
                log.say("resumed");
                sleep(ms(5)).await;
                7
            })
            .expect("it is open")
    };
    let stopped = test_loop.run_until_complete(&task);
    assert!(matches!(stopped, Err(RunError::Stopped)));
    assert_eq!(log.take(), "begun");
    assert!(!task.done() && !task.cancelled());
    assert_eq!(test_loop.run_until_complete(&task).ok(), Some(7));
    assert_eq!(log.take(), "resumed");
}

#[test]
fn a_stop_in_the_step_in_which_the_main_task_ends_does_not_lose_its_result() {
    let test_loop = TestLoop::new();
    let value = test_loop.run_until_complete(async {
        running_loop().stop();
        5
    });
    assert_eq!(value.ok(), Some(5));
}

#[test]
fn a_stop_before_the_run_makes_it_one_iteration() {
    let test_loop = TestLoop::new();
    test_loop.stop();
    let before = test_loop.statistics().iterations;
    let quick = test_loop.run_until_complete(async { 1 });
    assert_eq!(quick.ok(), Some(1), "it is done by then");
    assert_eq!(test_loop.statistics().iterations - before, 1);
    run_iterations(&test_loop, 1);
    test_loop.stop();
    let slow = test_loop.run_until_complete(bare_yield());
    assert!(matches!(slow, Err(RunError::Stopped)));
    run_iterations(&test_loop, 2);
}

#[test]
fn a_run_inside_a_run_is_refused_and_leaves_nothing_behind() {
    let test_loop = TestLoop::new();
    let polled = Rc::new(Cell::new(false));
    test_loop.run({
        let polled = polled.clone();
        async move {
            let own = running_loop();
            let before = own.all_tasks().len();
            let inner = polled.clone();
            let nested = own.run_until_complete(async move { inner.set(true) });
            assert!(matches!(
                nested,
                Err(RunError::Loop(LoopError::AlreadyRunning))
            ));
            assert_eq!(own.all_tasks().len(), before);

            let other = new_event_loop().expect("a loop can be made");
            let inner = polled.clone();
            let nested = other.run_until_complete(async move { inner.set(true) });
            assert!(matches!(nested, Err(RunError::Loop(LoopError::LoopInLoop))));
            assert!(other.all_tasks().is_empty());
            other.close().expect("it does not run");
            bare_yield().await;
        }
    });
    assert!(!polled.get());
}

#[test]
fn a_closed_loop_does_not_run() {
    let test_loop = TestLoop::new();
    let task = test_loop.create_task(async { 1 }).expect("it is open");
    run_iterations(&test_loop, 1);
    test_loop.close();
    let refused = test_loop.run_until_complete(async { 1 });
    assert!(matches!(refused, Err(RunError::Loop(LoopError::Closed))));
    let refused = test_loop.run_until_complete(&task);
    assert!(matches!(refused, Err(RunError::Loop(LoopError::Closed))));
    assert_eq!(task.result().ok(), Some(&1));
}

#[test]
fn a_program_that_can_never_go_on_is_told_so_and_can_be_rescued() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<u32>().expect("it is open");
    let task = test_loop
        .create_task(promise.future().into_future())
        .expect("it is open");
    let stuck = test_loop.run_until_complete(&task);
    assert!(matches!(stuck, Err(RunError::Deadlock { .. })));
    assert!(!task.done());
    promise.set_result(9).expect("it is pending");
    assert!(matches!(test_loop.run_until_complete(task), Ok(Ok(9))));
}

#[test]
fn each_run_leaves_no_callback_behind() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<u32>().expect("it is open");
    for _ in 0..3 {
        test_loop.stop();
        let stopped = test_loop.run_until_complete(&promise);
        assert!(matches!(stopped, Err(RunError::Stopped)));
    }
    promise.set_result(1).expect("it is pending");
    // Were the callbacks of the runs before still there, they would stop this one early.
    let value = test_loop.run(async {
        for _ in 0..5 {
            bare_yield().await;
        }
        2
    });
    assert_eq!(value, 2);
}

#[test]
fn tasks_of_an_earlier_run_go_on_in_a_later_one() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            drop(create_task(async move {
                sleep(ms(5)).await;
                log.say("ran on");
            }));
        }
    });
    assert_eq!(log.take(), "");
    test_loop.run(sleep(ms(10)));
    assert_eq!(log.take(), "ran on");
    assert_eq!(test_loop.time(), ms(10));
}

#[test]
fn a_promise_made_outside_of_a_run_can_be_awaited_in_it() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<u32>().expect("it is open");
    let setter = promise.clone();
    let value = test_loop.run(async move {
        create_task(async move { setter.set_result(4) });
        promise.future().await.ok()
    });
    assert_eq!(value, Some(4));
    assert!(
        panics(create_future::<()>).is_err(),
        "no loop is running any more"
    );
}
