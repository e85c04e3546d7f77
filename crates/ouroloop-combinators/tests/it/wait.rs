//! `wait`: what counts as enough, and what is left alone.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::{
    ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, WaitError, sleep, wait,
};
use ouroloop_task::{
    AsFutureRef, Task, TaskBuilder, TaskError, bare_yield, create_future, create_task,
};
use ouroloop_testkit::{TestLoop, hops, ms, quiet_panic, running_loop};

use crate::support::{after, now, run};

fn sleepers(counts: &[u64]) -> Vec<Task<u64>> {
    counts
        .iter()
        .map(|count| create_task(after(*count, *count)))
        .collect()
}

fn values(tasks: Vec<&Task<u64>>) -> Vec<u64> {
    tasks
        .into_iter()
        .map(|task| *task.result().unwrap_or(&0))
        .collect()
}

#[test]
fn all_completed_waits_for_all_and_keeps_their_order() {
    run(async {
        let tasks = sleepers(&[3, 1, 2]);
        let (done, pending) = wait(&tasks).await.expect("there are some");
        assert_eq!(values(done), [3, 1, 2]);
        assert!(pending.is_empty());
        assert_eq!(now(), ms(3));
        let (done, _) = wait(&tasks)
            .return_when(ALL_COMPLETED)
            .await
            .expect("there are some");
        assert_eq!(done.len(), 3);
    });
}

#[test]
fn first_completed_gives_all_that_ended_in_that_iteration() {
    run(async {
        let tasks = sleepers(&[5, 1, 9, 1]);
        let (done, pending) = wait(&tasks)
            .return_when(FIRST_COMPLETED)
            .await
            .expect("some");
        assert_eq!(values(done), [1, 1]);
        assert_eq!(pending.len(), 2);
        assert!(
            pending
                .iter()
                .all(|task| !task.done() && task.cancelling() == 0)
        );
        assert_eq!(now(), ms(1));
        wait(pending).await.expect("there are some");
    });
}

#[test]
fn first_exception_ignores_cancellations_and_values() {
    run(async {
        let fallible = |count: u64| {
            TaskBuilder::new().fallible().create_task(async move {
                sleep(ms(count)).await;
                Err::<u64, _>("error")
            })
        };
        let cancelled = create_task(pending::<u64>());
        cancelled.cancel();
        let plain = create_task(after(1, 1));
        let (fails, slow) = (fallible(5), create_task(after(9, 9)));
        let all = [&cancelled, &plain, &fails, &slow];
        let (done, pending) = wait(all).return_when(FIRST_EXCEPTION).await.expect("some");
        assert_eq!((done.len(), pending.len()), (3, 1));
        assert_eq!(now(), ms(5));
        assert!(fails.exception().is_ok(), "wait itself did not read it");
        // Without an error it is all.
        let (done, pending) = wait([&cancelled, &slow])
            .return_when(FIRST_EXCEPTION)
            .await
            .expect("some");
        assert_eq!((done.len(), pending.len()), (2, 0));
    });
}

#[test]
fn a_panic_and_an_err_that_was_said_to_be_one_count_as_exceptions() {
    run(async {
        let panics = create_task(async {
            sleep(ms(1)).await;
            quiet_panic("boom")
        });
        let slow = create_task(pending::<()>());
        let (done, _) = wait([&panics, &slow])
            .return_when(FIRST_EXCEPTION)
            .await
            .expect("some");
        assert_eq!(done.len(), 1);
        assert!(matches!(panics.result(), Err(TaskError::Panicked(_))));
        slow.cancel();
        let unsaid = create_task(after(1, Err::<(), _>("value")));
        let said = create_task(after(2, Err::<(), _>("error")));
        let slow = create_task(pending::<Result<(), &str>>());
        said.expect_errors();
        let (done, _) = wait([&unsaid, &said, &slow])
            .return_when(FIRST_EXCEPTION)
            .await
            .expect("some");
        assert_eq!(done.len(), 2);
        assert!(said.result().is_ok());
        slow.cancel();
    });
}

#[test]
fn a_wait_that_expects_errors_stops_at_an_err_and_leaves_it_to_be_looked_at() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let fails = |count: u64| create_task(after(count, Err::<(), _>("error")));
        let tasks = [fails(5), fails(9)];
        let waiting = wait(&tasks).expect_errors().return_when(FIRST_EXCEPTION);
        let (done, pending) = waiting.await.expect("some");
        assert_eq!((done.len(), pending.len(), now()), (1, 1, ms(5)));
        assert_eq!(done[0].result().ok(), Some(&Err("error")));
        sleep(ms(5)).await;
        // By value, of what is done already; and a shared one.
        let shared = Rc::new(fails(1));
        let waiting = wait([shared.clone()])
            .expect_errors()
            .return_when(FIRST_EXCEPTION);
        assert_eq!(waiting.await.expect("one").0.len(), 1);
        assert!(shared.exception().is_ok_and(|error| error.is_some()));
    });
    assert_eq!(
        test_loop.take_reports(),
        ["Task exception was never retrieved"],
        "that of the second, which nobody looked at"
    );
}

#[test]
fn the_ways_to_return_are_printed_by_the_names_of_asyncio() {
    let names = [FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED].map(|when| when.to_string());
    assert_eq!(
        names,
        ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"]
    );
    assert_eq!(format!("{ALL_COMPLETED:>15}"), "  ALL_COMPLETED");
}

#[test]
fn the_end_of_the_time_is_no_error_and_cancels_nothing() {
    run(async {
        let tasks = sleepers(&[1, 50]);
        let (done, pending) = wait(&tasks).timeout(ms(10)).await.expect("there are some");
        assert_eq!((done.len(), pending.len()), (1, 1));
        assert_eq!(now(), ms(10));
        assert_eq!(tasks[1].cancelling(), 0);
        let (count, both) = hops(wait(&tasks).timeout(Duration::ZERO)).await;
        assert_eq!(count, 2);
        let (done, pending) = both.expect("there are some");
        assert_eq!((done.len(), pending.len()), (1, 1));
        let (done, _) = wait(&tasks).timeout(None).await.expect("there are some");
        assert_eq!(done.len(), 2);
        assert_eq!(now(), ms(50));
    });
}

#[test]
fn nothing_to_wait_for_is_an_error() {
    run(async {
        let none: [Task<()>; 0] = [];
        let (count, ended) = hops(wait(&none)).await;
        assert_eq!(count, 0);
        assert!(matches!(ended, Err(WaitError::EmptySet)));
    });
}

#[test]
fn a_cancelled_wait_leaves_the_tasks_alone_and_takes_its_callbacks_and_its_timer_along() {
    run(async {
        let task = create_task(after(30, 1));
        let untyped = task.as_task_ref();
        let waiting = create_task(async move {
            let _ = wait([untyped]).timeout(ms(1000)).await;
        });
        bare_yield().await;
        bare_yield().await;
        assert_eq!(running_loop().statistics().timers, 2);
        waiting.cancel();
        assert!(waiting.await.is_err());
        assert_eq!(running_loop().statistics().timers, 1);
        assert!(!task.done() && task.cancelling() == 0);
        assert_eq!(task.await.ok(), Some(1));
    });
}

#[test]
fn the_same_thing_twice_counts_once() {
    run(async {
        let promise = create_future::<()>();
        let (one, two) = (promise.as_future_ref(), promise.as_future_ref());
        create_task(async move { promise.set_result(()) });
        let (done, pending) = wait([one, two]).await.expect("there are some");
        assert_eq!((done.len(), pending.len()), (2, 0));
    });
}

#[test]
fn things_of_different_types_are_waited_for_by_their_references() {
    run(async {
        let promise = create_future::<String>();
        let task = create_task(after(1, 5_u8));
        let all = [promise.as_future_ref(), task.as_future_ref()];
        let (done, pending) = wait(all).return_when(FIRST_COMPLETED).await.expect("some");
        assert!(done == [task.as_future_ref()] && pending == [promise.as_future_ref()]);
        promise.cancel();
    });
}

#[test]
fn many_rounds_of_first_completed_leave_no_callbacks_behind() {
    run(async {
        let long = create_task(pending::<u64>());
        for round in 0..50 {
            let quick = create_task(after(1, round));
            let (done, _) = wait([&long, &quick])
                .return_when(FIRST_COMPLETED)
                .await
                .expect("some");
            assert_eq!(done.len(), 1);
        }
        let before = running_loop().statistics().callbacks;
        long.cancel();
        bare_yield().await;
        bare_yield().await;
        // Its step, and two of this task: no callback of a wait among them.
        assert!(running_loop().statistics().callbacks - before <= 4);
    });
}
