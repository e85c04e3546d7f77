//! Awaiting what can never come: oneself, a circle, something of another loop.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop::{
    LoopTasks, Promise, Runner, Task, TaskBuilder, TaskError, bare_yield, create_future,
    create_task, gather, new_event_loop, run, sleep,
};

use crate::support::{chain, ms, run_reported, warnings, without_lines};

type Slot = Rc<RefCell<Option<Rc<Task<()>>>>>;

/// A task that awaits what comes into the slot.
fn awaits(name: &str, slot: &Slot) -> Rc<Task<()>> {
    let slot = slot.clone();
    Rc::new(TaskBuilder::new().name(name).create_task(async move {
        let other = slot.borrow().clone().unwrap();
        let _ = (&*other).await;
    }))
}

#[test]
fn a_result_that_is_asked_for_too_early() {
    run(async {
        let task = create_task(async { 1 });
        assert_eq!(
            chain(&task.result().unwrap_err()),
            "the result is not set yet; await it, or ask `done()` first"
        );
        let promise = create_future::<u32>();
        assert_eq!(
            chain(&promise.result().unwrap_err()),
            "the result is not set yet; await it, or ask `done()` first"
        );
        task.await.unwrap();
    })
    .unwrap();
}

#[test]
fn a_task_that_awaits_itself_has_an_error() {
    let slot = Slot::default();
    let text = Rc::new(RefCell::new(String::new()));
    let (sink, own) = (text.clone(), slot.clone());
    run(async move {
        let task = Rc::new(create_task({
            let own = own.clone();
            async move {
                let me = own.borrow().clone().unwrap();
                *sink.borrow_mut() = chain(&(&*me).await.unwrap_err());
            }
        }));
        own.replace(Some(task.clone()));
        (&*task).await.unwrap();
        own.take();
    })
    .unwrap();
    assert_eq!(
        *text.borrow(),
        "a task cannot await itself; hand its handle to another task"
    );
}

#[test]
fn two_tasks_that_await_each_other_are_named_on_virtual_time() {
    let (result, _) = run_reported(async {
        let (first, second) = (Slot::default(), Slot::default());
        first.replace(Some(awaits("second", &second)));
        second.replace(Some(awaits("first", &first)));
        sleep(ms(1)).await;
        std::future::pending::<()>().await;
    });
    let text = chain(&result.unwrap_err());
    assert!(
        text.starts_with("deadlock at 1ms of virtual time"),
        "{text}"
    );
    for words in [
        "\"first\"",
        "\"second\"",
        "created at misuse/awaits.rs:_",
        "cycle",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn debug_mode_warns_of_a_circle_on_real_time() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(true);
        runner
            .run(async {
                let (first, second) = (Slot::default(), Slot::default());
                first.replace(Some(awaits("second", &second)));
                second.replace(Some(awaits("first", &first)));
                bare_yield().await;
                bare_yield().await;
                // Lets them end, and go.
                let task = first.take().unwrap();
                task.cancel();
                second.take();
                bare_yield().await;
            })
            .unwrap();
        runner.close().unwrap();
    });
    assert_eq!(
        lines,
        [
            "tasks wait for each other in a circle: \"first\" created at misuse/awaits.rs:_ -> \"second\" created at misuse/awaits.rs:_ -> \"first\" created at misuse/awaits.rs:_; none of them will end unless something else wakes one: break the circle"
        ]
    );
}

#[test]
fn debug_mode_warns_of_a_task_that_gathers_itself() {
    let lines = warnings(|| {
        let mut runner = Runner::new().debug(true);
        runner
            .run(async {
                let slot = Slot::default();
                let own = slot.clone();
                let task = TaskBuilder::new().name("snake").create_task(async move {
                    let me = own.borrow().clone().unwrap();
                    let _ = gather([&*me]).values().await;
                });
                let task = Rc::new(task);
                slot.replace(Some(task.clone()));
                bare_yield().await;
                slot.take();
                task.cancel();
            })
            .unwrap();
        runner.close().unwrap();
    });
    assert_eq!(
        lines,
        [
            "tasks wait for each other in a circle: \"snake\" created at misuse/awaits.rs:_ -> \"snake\" created at misuse/awaits.rs:_; none of them will end unless something else wakes one: break the circle"
        ]
    );
}

#[test]
fn what_belongs_to_another_loop_is_refused() {
    let other = new_event_loop().unwrap();
    let promise: Promise<u32> = other.create_future().unwrap();
    let future = promise.future();
    let text = run(async move { chain(&future.await.unwrap_err()) }).unwrap();
    assert_eq!(
        text,
        "this belongs to a different event loop; await it there, or use `call_soon_threadsafe`"
    );
    other.close().unwrap();
}

#[test]
fn cancelling_what_is_done_is_refused_and_harms_nobody() {
    run(async {
        let task = create_task(async { 1 });
        bare_yield().await;
        assert!(!task.cancel());
        assert_eq!(task.await.unwrap(), 1);
        let promise = create_future::<u32>();
        promise.set_result(2).unwrap();
        assert!(!promise.cancel());
        assert_eq!(
            chain(&promise.set_result(3).unwrap_err()),
            "the promise is done already; ask `done()` first"
        );
        assert_eq!(promise.await.unwrap(), 2);
    })
    .unwrap();
}

#[test]
fn a_result_that_was_moved_out_says_how_to_share_it() {
    assert_eq!(
        chain(&TaskError::ResultTaken),
        "the result was taken by an earlier await; await a reference to share it"
    );
}

#[test]
fn a_handle_says_what_it_is() {
    run(async {
        let task = TaskBuilder::new().name("poller").create_task(async { 1 });
        let promise = create_future::<u32>();
        assert_eq!(
            without_lines(&format!("{task:?}")),
            "<task \"poller\" created at misuse/awaits.rs:_, pending>"
        );
        assert_eq!(
            without_lines(&format!("{promise:?}")),
            "<Promise created at misuse/awaits.rs:_, pending>"
        );
        drop(promise);
        task.await.unwrap();
    })
    .unwrap();
}
