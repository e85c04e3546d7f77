//! Contexts: a task copies the one that it is made in, and keeps its changes to itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ouroloop_core::{BatchOrder, Context, ContextVar, copy_context};
use ouroloop_task::{
    AsFutureRef, LoopTasks, TaskBuilder, bare_yield, catch_cancelled, create_future, create_task,
    current_task,
};
use ouroloop_testkit::{TestLoop, ms, poll_once, quiet_panic, run_iterations, running_loop};

use crate::support::{Deed, hooked, ignore, run, sleep};

static VAR: ContextVar<u32> = ContextVar::with_default("var", 0);

fn var() -> u32 {
    VAR.get().expect("it has a default")
}

#[test]
fn a_task_copies_the_context_of_its_creator_when_it_is_made() {
    run(async {
        VAR.set(1);
        let task = create_task(async { var() });
        VAR.set(2);
        assert_eq!(task.await.ok(), Some(1));
        assert_eq!(var(), 2);
    });
}

#[test]
fn what_a_task_sets_stays_in_it_across_its_steps() {
    run(async {
        VAR.set(1);
        let tasks: Vec<_> = (10..15)
            .map(|n| {
                create_task(async move {
                    let mut seen = vec![var()];
                    VAR.set(n);
                    for _ in 0..3 {
                        bare_yield().await;
                        seen.push(var());
                        sleep(ms(1)).await;
                        seen.push(var());
                    }
                    seen
                })
            })
            .collect();
        for (place, task) in tasks.into_iter().enumerate() {
            let seen = task.await.expect("it has a value");
            assert_eq!(seen[0], 1);
            assert!(seen[1..].iter().all(|value| *value as usize == 10 + place));
            assert_eq!(var(), 1);
        }
    });
    assert_eq!(var(), 0, "nothing is left outside of the loop");
}

#[test]
fn a_coroutine_that_is_awaited_directly_shares_the_context_of_its_caller() {
    run(async {
        async { VAR.set(8) }.await;
        assert_eq!(var(), 8);
        let caught = catch_cancelled(async { VAR.set(9) }).await;
        assert!(caught.is_ok());
        assert_eq!(var(), 9);
    });
}

#[test]
fn callbacks_copy_the_context_when_they_are_added() {
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let look = |name: &'static str| {
            let seen = seen.clone();
            move || {
                seen.borrow_mut().push((name, var()));
                VAR.set(99);
            }
        };
        VAR.set(1);
        let promise = create_future::<()>();
        let then = look("promise");
        promise.add_done_callback(move |_| then());
        let task = create_task(async {
            VAR.set(50);
        });
        let then = look("task");
        task.as_future_ref().add_done_callback(move |_| then());
        let then = look("typed");
        task.add_done_callback(move |_| then());
        running_loop().call_soon(look("soon")).expect("it is open");
        VAR.set(2);
        let then = look("later");
        promise.add_done_callback(move |_| then());
        let given = Context::new();
        given.run(|| VAR.set(7));
        let then = look("given");
        promise
            .as_future_ref()
            .add_done_callback_in(Some(given.clone()), move |_| then());
        let then = look("none");
        promise
            .as_future_ref()
            .add_done_callback_in(None, move |_| then());
        promise.set_result(()).expect("it is pending");
        sleep(ms(1)).await;
        assert_eq!(
            *seen.borrow(),
            [
                ("soon", 1),
                ("promise", 1),
                ("later", 2),
                ("given", 7),
                ("none", 0),
                ("task", 1),
                ("typed", 1),
            ]
        );
        assert_eq!(var(), 2);
        assert_eq!(given.get(&VAR), Some(99), "that one was shared");
    });
}

#[test]
fn a_given_context_is_shared_and_not_copied() {
    run(async {
        let shared = Context::new();
        shared.run(|| VAR.set(3));
        let make = |set: u32| {
            TaskBuilder::new()
                .context(shared.clone())
                .create_task(async move {
                    let before = var();
                    VAR.set(set);
                    before
                })
        };
        let (one, two) = (make(4), make(5));
        assert_eq!(one.await.ok(), Some(3));
        assert_eq!(two.await.ok(), Some(4));
        assert_eq!(shared.get(&VAR), Some(5));
        assert_eq!(var(), 0);
    });
}

#[test]
fn the_context_of_a_task_can_be_looked_at_between_its_steps() {
    run(async {
        let task = create_task(async {
            VAR.set(6);
            sleep(ms(1)).await;
        });
        assert!(task.context().is_none(), "nothing was ever set");
        bare_yield().await;
        let context = task.context().expect("something was set");
        assert_eq!(context.get(&VAR), Some(6));
        task.await.expect("it has a value");
    });
}

#[test]
fn an_eager_step_runs_in_the_context_of_the_new_task() {
    run(async {
        VAR.set(1);
        let task = TaskBuilder::new().eager_start(true).create_task(async {
            let before = var();
            VAR.set(2);
            bare_yield().await;
            (before, var())
        });
        assert_eq!(var(), 1);
        assert_eq!(current_task().expect("this is a task").id(), 1);
        assert_eq!(task.await.ok(), Some((1, 2)));
        assert_eq!(var(), 1);
    });
}

#[test]
fn a_task_that_panics_leaves_no_context_behind() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        VAR.set(1);
        let task = create_task(async {
            VAR.set(2);
            quiet_panic("with a context")
        });
        let seen = Rc::new(RefCell::new(None));
        running_loop()
            .call_soon({
                let seen = seen.clone();
                move || ignore(seen.replace(Some(var())))
            })
            .expect("it is open");
        let ended: Result<(), _> = task.await;
        assert!(ended.is_err());
        assert_eq!(var(), 1);
        assert_eq!(seen.take(), Some(1));
        let after = copy_context();
        assert_eq!(after.get(&VAR), Some(1));
    });
    assert_eq!(var(), 0);
}

#[test]
fn the_context_outside_of_a_run_reaches_the_main_task_and_is_there_again_afterwards() {
    Context::new().run(|| {
        VAR.set(5);
        let seen = run(async {
            let before = var();
            VAR.set(6);
            before
        });
        assert_eq!((seen, var()), (5, 5));
    });
}

#[test]
fn what_a_foreign_waker_sets_stays_out_of_the_next_callback() {
    let test_loop = TestLoop::new();
    let sets = hooked(|deed| {
        if deed == Deed::Wake {
            VAR.set(8);
        }
    });
    let task = test_loop.create_task(async {}).expect("it is open");
    let mut waits = Box::pin(task.into_future());
    assert!(poll_once(waits.as_mut(), &sets.waker()).is_pending());
    for watched in [false, true] {
        let order = watched.then(|| Box::new(|_| 0_usize) as BatchOrder);
        test_loop.set_batch_order(order);
        let seen = Rc::new(Cell::new(None));
        let saw = seen.clone();
        let handle = test_loop.call_soon(move || saw.set(Some(var())));
        handle.expect("it is open");
        run_iterations(&test_loop, 1);
        assert_eq!(seen.get(), Some(0));
    }
    test_loop.close();
}
