//! `cancel_all_tasks`: the last act of a run.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use ouroloop_combinators::{cancel_all_tasks, shield, sleep, task_group, timeout};
use ouroloop_core::{ContextVar, LoopError};
use ouroloop_task::{
    CancelledBy, LoopTasks, RunError, Task, TaskBuilder, TaskError, bare_yield, catch_cancelled,
    create_task,
};
use ouroloop_testkit::{Log, TestLoop, ms, quiet_panic, running_loop};

#[test]
fn all_are_cancelled_in_order_and_waited_for() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            for (name, count) in [("a", 0), ("b", 20), ("c", 10)] {
                let log = log.clone();
                drop(create_task(async move {
                    let Err(cancelled) = catch_cancelled(pending::<()>()).await else {
                        unreachable!("it waits for ever")
                    };
                    assert_eq!(cancelled.by(), CancelledBy::Shutdown);
                    log.say(name);
                    sleep(ms(count)).await;
                    log.say(format!("{name}-cleaned"));
                }));
            }
            bare_yield().await;
        }
    });
    cancel_all_tasks(&test_loop).expect("the loop can run");
    assert_eq!(log.take(), "a b c a-cleaned c-cleaned b-cleaned");
    assert!(test_loop.all_tasks().is_empty());
    assert_eq!(test_loop.time(), ms(20));
}

#[test]
fn nothing_to_do_is_nothing() {
    let test_loop = TestLoop::new();
    cancel_all_tasks(&test_loop).expect("there is nothing to do");
    test_loop.close();
    let refused = cancel_all_tasks(&test_loop);
    assert!(matches!(refused, Err(RunError::Loop(LoopError::Closed))));
}

#[test]
fn one_that_never_ran_never_runs() {
    let test_loop = TestLoop::new();
    let task = test_loop
        .create_task(async { unreachable!("it is cancelled first") })
        .expect("it is open");
    cancel_all_tasks(&test_loop).expect("the loop can run");
    assert!(task.cancelled());
}

#[test]
fn there_is_one_pass_and_what_clean_ups_make_is_left() {
    let test_loop = TestLoop::new();
    let made: Rc<RefCell<Option<Task<()>>>> = Rc::default();
    test_loop.run({
        let made = made.clone();
        async move {
            drop(create_task(async move {
                let _ = catch_cancelled(pending::<()>()).await;
                let quiet = TaskBuilder::new().log_destroyed(false);
                made.replace(Some(quiet.create_task(pending())));
                bare_yield().await;
            }));
            bare_yield().await;
        }
    });
    cancel_all_tasks(&test_loop).expect("the loop can run");
    let made = made.take().expect("it was made");
    assert!(!made.done() && made.cancelling() == 0);
    test_loop.close();
    assert!(matches!(made.result(), Err(TaskError::LoopClosed)));
}

#[test]
fn errors_of_clean_ups_are_reported_and_values_and_cancellations_are_not() {
    let test_loop = TestLoop::new();
    let mut kept = Vec::new();
    for kind in ["panic", "error", "value", "cancelled"] {
        let body = async move {
            let caught = catch_cancelled(pending::<()>()).await;
            match kind {
                "panic" => quiet_panic("while cleaning"),
                "error" => Err("while cleaning"),
                "value" => Ok(1),
                _ => caught.unwrap_err().raise().await,
            }
        };
        let task = test_loop.create_task(body).expect("it is open");
        task.expect_errors();
        kept.push(task);
    }
    test_loop.run(bare_yield());
    cancel_all_tasks(&test_loop).expect("the loop can run");
    let reports = test_loop.take_reports();
    assert_eq!(reports, ["unhandled exception during run() shutdown"; 2]);
    assert!(kept.iter().all(|task| task.done()));
    drop(kept);
    assert_eq!(test_loop.take_reports(), [""; 0], "they were reported once");
}

#[test]
fn errors_of_clean_ups_are_reported_in_the_context_of_their_task() {
    static REQUEST: ContextVar<u32> = ContextVar::new("request");
    let test_loop = TestLoop::new();
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let keep = seen.clone();
    test_loop.set_exception_handler(Some(Rc::new(move |_, report| {
        let said = report.to_string();
        let said = said.replace(&report.created_at().expect("a task").to_string(), "_");
        keep.borrow_mut()
            .push(format!("{:?} {said}", REQUEST.get()));
    })));
    for request in 1..3 {
        let task = test_loop.create_task(async move {
            REQUEST.set(request);
            let _ = catch_cancelled(pending::<()>()).await;
            quiet_panic("while cleaning")
        });
        drop(task.expect("it is open"));
    }
    test_loop.run(bare_yield());
    cancel_all_tasks(&test_loop).expect("the loop can run");
    let expected = ["1", "2"].map(|it| {
        format!(
            "Some({it}) unhandled exception during run() shutdown in task \"Task-{it}\" created at _: \
             panicked: while cleaning"
        )
    });
    assert_eq!(*seen.borrow(), expected);
    assert_eq!(REQUEST.get(), None);
}

#[test]
fn tasks_that_await_each_other_end_too() {
    let test_loop = TestLoop::new();
    let handles: Rc<RefCell<Vec<Rc<Task<()>>>>> = Rc::default();
    let all: Vec<_> = (0..2)
        .map(|place: usize| {
            let handles = handles.clone();
            let member = async move {
                bare_yield().await;
                let other = handles.borrow()[1 - place].clone();
                let _ = (&*other).await;
            };
            Rc::new(test_loop.create_task(member).expect("it is open"))
        })
        .collect();
    handles.borrow_mut().extend(all.iter().cloned());
    test_loop.run(sleep(ms(1)));
    cancel_all_tasks(&test_loop).expect("the loop can run");
    handles.take();
    assert!(all.iter().all(|task| task.done()));
}

#[test]
fn groups_timeouts_and_shields_end_too() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            let inner = log.clone();
            drop(create_task(async move {
                let _guard = inner.on_drop("group");
                let child = inner.on_drop("child");
                let _ = task_group(async |tg| {
                    tg.create_task(async move {
                        let _guard = child;
                        pending::<()>().await;
                    })?;
                    Ok::<_, ouroloop_combinators::TaskGroupError>(())
                })
                .await;
            }));
            let inner = log.clone();
            drop(create_task(async move {
                let _guard = inner.on_drop("timeout");
                let _ = timeout(ms(1000), pending::<()>()).await;
            }));
            let inner = log.clone();
            drop(create_task(async move {
                let task = create_task(pending::<()>());
                let _guard = inner.on_drop("shield");
                let _ = shield(&task).await;
            }));
            sleep(ms(1)).await;
        }
    });
    cancel_all_tasks(&test_loop).expect("the loop can run");
    assert!(test_loop.all_tasks().is_empty());
    let mut ends: Vec<String> = log.take().split(' ').map(str::to_owned).collect();
    ends.sort();
    assert_eq!(ends, ["child", "group", "shield", "timeout"]);
    assert_eq!(test_loop.time(), ms(1));
}

#[test]
fn inside_of_the_running_loop_it_is_refused_and_cancels_nobody() {
    let test_loop = TestLoop::new();
    let refused = test_loop.run(async {
        let other = create_task(bare_yield());
        let refused = cancel_all_tasks(&running_loop());
        let untouched = other.await.is_ok();
        (refused, untouched)
    });
    assert!(matches!(
        refused.0,
        Err(RunError::Loop(LoopError::AlreadyRunning))
    ));
    assert!(refused.1, "a call that is refused has no effect");
}
