//! Results that nobody reads: of tasks that were dropped, that failed, that panicked, that were still
//! pending at the end.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::{
    ContextVar, LoopTasks, Runner, TaskBuilder, TaskError, as_completed, bare_yield, create_future,
    create_task, new_event_loop, sleep, task_group,
};

use crate::support::{chain, ms, reports_of, run_reported};

#[test]
fn a_task_whose_handle_is_dropped_goes_on() {
    let done = Rc::new(RefCell::new(false));
    let flag = done.clone();
    let (result, reports) = run_reported(async move {
        create_task(async move {
            sleep(ms(5)).await;
            *flag.borrow_mut() = true;
        });
        sleep(ms(10)).await;
    });
    result.unwrap();
    assert!(*done.borrow());
    assert_eq!(reports, [""; 0]);
}

#[test]
fn a_panic_of_a_task_that_nobody_awaits_is_reported_with_its_name_and_line() {
    let (result, reports) = run_reported(async {
        TaskBuilder::new()
            .name("fetcher")
            .create_task(async { panic!("no such page") });
        create_task(async { panic!("no name either") });
        sleep(ms(1)).await;
    });
    result.unwrap();
    assert_eq!(
        reports,
        [
            "Task exception was never retrieved in task \"fetcher\" created at misuse/unread.rs:_: panicked: no such page",
            "Task exception was never retrieved in task \"Task-3\" created at misuse/unread.rs:_: panicked: no name either",
        ]
    );
}

#[derive(Debug, thiserror::Error)]
#[error("cannot load the page")]
struct LoadError(#[source] std::io::Error);

fn load_error() -> LoadError {
    LoadError(std::io::Error::other("the cable is out"))
}

#[test]
fn an_error_of_a_fallible_task_that_nobody_reads_is_reported_with_its_causes() {
    let (result, reports) = run_reported(async {
        TaskBuilder::new()
            .name("loader")
            .fallible()
            .create_task(async { Err::<(), _>(load_error()) });
        sleep(ms(1)).await;
    });
    result.unwrap();
    assert_eq!(
        reports,
        [
            "Task exception was never retrieved in task \"loader\" created at misuse/unread.rs:_: cannot load the page: the cable is out"
        ]
    );
}

#[test]
fn an_error_that_was_awaited_keeps_its_causes_and_is_not_reported() {
    let (result, reports) = run_reported(async {
        let task = TaskBuilder::new()
            .fallible()
            .create_task(async { Err::<(), _>(load_error()) });
        chain(&task.await.unwrap_err())
    });
    assert_eq!(result.unwrap(), "cannot load the page: the cable is out");
    assert_eq!(reports, [""; 0]);
}

#[test]
fn an_item_of_as_completed_that_nobody_awaits_is_reported_if_it_panicked() {
    let (result, reports) = run_reported(async {
        let mut results = as_completed((1..=2).map(|n| async move {
            sleep(ms(n)).await;
            assert!(n != 2, "the second");
            n
        }));
        assert_eq!(results.next().await.unwrap().unwrap(), 1);
        drop(results);
        sleep(ms(5)).await;
    });
    result.unwrap();
    assert_eq!(
        reports,
        [
            "Task exception was never retrieved in task \"Task-3\" created at misuse/unread.rs:_: panicked: the second"
        ]
    );
}

#[test]
fn an_error_of_a_promise_that_nobody_reads_is_reported_with_its_line() {
    let (result, reports) = run_reported(async {
        let promise = create_future::<u32>();
        promise.set_exception(load_error()).unwrap();
    });
    result.unwrap();
    assert_eq!(
        reports,
        [
            "Promise exception was never retrieved in a promise created at misuse/unread.rs:_: cannot load the page: the cable is out"
        ]
    );
}

#[test]
fn a_task_that_a_closed_loop_destroys_is_reported_and_whether_it_ever_ran() {
    let event_loop = new_event_loop().unwrap();
    let reports = reports_of(&event_loop);
    let begun = TaskBuilder::new().name("begun");
    let begun = event_loop.create_task_with(begun, pending::<()>()).unwrap();
    event_loop.run_once().unwrap();
    let unborn = TaskBuilder::new().name("unborn");
    let unborn = event_loop
        .create_task_with(unborn, pending::<()>())
        .unwrap();
    event_loop.close().unwrap();
    let remedy = "the event loop was closed before this was done; await it before the run ends";
    assert_eq!(
        *reports.borrow(),
        [
            format!(
                "Task was destroyed but it is pending! in task \"begun\" created at misuse/unread.rs:_: {remedy}"
            ),
            format!(
                "Task was destroyed but it is pending! in task \"unborn\" (it never ran) created at misuse/unread.rs:_: {remedy}"
            ),
        ]
    );
    for task in [begun, unborn] {
        assert_eq!(chain(&task.result().unwrap_err()), remedy);
    }
}

#[test]
fn the_errors_of_a_group_are_told_together() {
    let (result, reports) = run_reported(async {
        let group = task_group(async |tg| {
            tg.create_task(async { Err::<(), _>(load_error()) })
                .unwrap();
            tg.create_task(async { Err::<(), _>(TaskError::failed("no more disk")) })
                .unwrap();
            Ok::<_, TaskError>(())
        });
        chain(&group.await.unwrap_err())
    });
    assert_eq!(
        result.unwrap(),
        "unhandled errors in a task group: cannot load the page; no more disk"
    );
    assert_eq!(reports, [""; 0]);
}

#[test]
fn the_exception_handler_runs_in_the_context_of_the_task_that_failed() {
    static REQUEST: ContextVar<u32> = ContextVar::new("request");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let sink = seen.clone();
    let mut runner = Runner::new();
    runner
        .event_loop()
        .unwrap()
        .set_exception_handler(Some(Rc::new(move |_, _| {
            sink.borrow_mut().push(REQUEST.get());
        })));
    let _quiet = run_reported(async {});
    runner
        .run(async {
            create_task(async {
                REQUEST.set(7);
                bare_yield().await;
                panic!("of request 7");
            });
            sleep(Duration::from_millis(1)).await;
        })
        .unwrap();
    runner.close().unwrap();
    assert_eq!(*seen.borrow(), [Some(7)]);
}
