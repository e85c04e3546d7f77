//! Tasks that begin within `create_task`.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Context;

use ouroloop_core::{LoopRef, new_event_loop};
use ouroloop_task::{
    AsFutureRef, LoopTasks, TaskBuilder, Waiter, all_tasks, bare_yield, create_future, create_task,
    current_task, eager_task_factory,
};
use ouroloop_testkit::{
    Log, TestLoop, cancel_message, hops, iteration, ms, run_iterations, running_loop,
};

use crate::support::{Deed, hooked, run, sleep, stamp};

fn eager() -> TaskBuilder {
    TaskBuilder::new().eager_start(true)
}

#[test]
fn what_never_waits_is_done_at_once_and_costs_no_iteration() {
    run(async {
        let since = iteration();
        let task = eager().create_task(async { 3 });
        assert!(task.done());
        assert_eq!(task.result().ok(), Some(&3));
        let (count, value) = hops(task).await;
        assert_eq!((count, value.ok()), (0, Some(3)));
        assert_eq!(iteration(), since);
    });
}

#[test]
fn what_has_to_wait_goes_on_like_any_other() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            eager().create_task(async move {
                log.say("first");
                bare_yield().await;
                log.say("second");
            })
        };
        log.say("created");
        assert!(!task.done());
        assert_eq!(all_tasks().len(), 2);
        assert_eq!(hops(task).await.0, 2);
        assert_eq!(log.take(), "first created second");
    });
}

#[test]
fn the_current_task_is_the_new_one_meanwhile() {
    run(async {
        let task = eager().create_task(async {
            let inner = eager().create_task(async { current_task().expect("this is a task").id() });
            let own = current_task().expect("this is a task").id();
            (own, inner.await.expect("it is done"))
        });
        assert_eq!(current_task().expect("this is a task").id(), 1);
        assert_eq!(task.result().ok(), Some(&(2, 3)));
    });
}

#[test]
fn callbacks_of_an_eager_task_are_queued_all_the_same() {
    run(async {
        let log = Log::default();
        let task = eager().create_task(async {});
        let since = iteration();
        task.as_future_ref().add_done_callback({
            let log = log.clone();
            move |_| stamp(&log, "callback", since)
        });
        assert_eq!(log.take(), "");
        bare_yield().await;
        assert_eq!(log.take(), "callback+1");
    });
}

#[test]
fn outside_of_its_running_loop_an_eager_task_is_queued() {
    let test_loop = TestLoop::new();
    let task = test_loop
        .create_task_with(eager(), async { 1 })
        .expect("it is open");
    assert!(!task.done());
    assert_eq!(test_loop.run(task.into_future()).ok(), Some(1));
    let other = TestLoop::new();
    let queued = test_loop.run({
        let other: ouroloop_core::LoopRef = (*other).clone();
        async move {
            let task = other
                .create_task_with(eager(), async {})
                .expect("it is open");
            !task.done()
        }
    });
    assert!(queued, "another loop is running");
    run_iterations(&other, 1);
}

#[test]
fn in_a_callback_an_eager_task_takes_its_step_too() {
    run(async {
        let promise = create_future();
        let future = promise.future();
        running_loop()
            .call_soon(move || {
                let task = eager().create_task(async { current_task().is_some() });
                let seen = task.result().copied().expect("it is done");
                let none = current_task().is_none();
                promise.set_result((seen, none)).expect("it is pending");
            })
            .expect("it is open");
        assert_eq!(future.await.ok(), Some((true, true)));
    });
}

#[test]
fn the_factory_makes_all_eager_but_those_that_say_otherwise() {
    let test_loop = TestLoop::new();
    test_loop
        .set_task_factory(Some(eager_task_factory()))
        .expect("it is open");
    test_loop.run(async {
        assert!(create_task(async {}).done());
        assert!(
            !TaskBuilder::new()
                .eager_start(false)
                .create_task(async {})
                .done()
        );
        assert!(
            TaskBuilder::new()
                .eager_start(true)
                .create_task(async {})
                .done()
        );
        running_loop().set_task_factory(None).expect("it is open");
        assert!(!create_task(async {}).done());
    });
}

#[test]
fn an_eager_task_can_cancel_itself_and_its_creator() {
    run(async {
        let own = eager().create_task(async {
            current_task().expect("this is a task").cancel_with("own");
            sleep(ms(5)).await;
        });
        assert!(
            !own.done(),
            "what it waits for was cancelled, and it unwinds next time"
        );
        assert_eq!(cancel_message(own.await).as_deref(), Some("own"));

        let creator = create_task(async {
            let me = current_task().expect("this is a task");
            let inner = eager().create_task(async move { me.cancel_with("creator") });
            assert_eq!(inner.result().ok(), Some(&true));
            sleep(ms(5)).await;
        });
        assert_eq!(cancel_message(creator.await).as_deref(), Some("creator"));
    });
}

#[test]
fn an_eager_task_that_is_woken_in_its_first_step_is_queued_once() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            eager().create_task(async move {
                std::future::poll_fn(|cx| {
                    log.say("poll");
                    cx.waker().wake_by_ref();
                    cx.waker().wake_by_ref();
                    std::task::Poll::<()>::Pending
                })
                .await;
            })
        };
        for _ in 0..3 {
            log.say("turn");
            bare_yield().await;
        }
        task.cancel();
        assert_eq!(log.take(), "poll turn poll turn poll turn poll");
    });
}

#[test]
fn an_eager_task_may_await_its_creator_which_is_then_no_self_await() {
    run(async {
        let me = current_task().expect("this is a task");
        let task = eager().create_task(async move {
            let future = me.as_future_ref();
            drop(future);
            pending::<()>().await;
        });
        assert!(!task.done());
        task.cancel();
        assert!(task.await.is_err());
    });
}

#[test]
fn eager_tasks_nest_as_deep_as_calls_do() {
    run(async {
        fn nest(depth: u32) -> u32 {
            match depth {
                0 => 0,
                _ => {
                    let task = eager().create_task(async move { nest(depth - 1) + 1 });
                    task.result().copied().expect("it is done")
                }
            }
        }
        assert_eq!(nest(100), 100);
        assert_eq!(current_task().expect("this is a task").id(), 1);
    });
}

#[test]
fn a_task_that_runs_its_loop_hears_of_what_its_wait_tells_another_waker() {
    let event_loop = new_event_loop().unwrap();
    let entered = event_loop.enter().unwrap();
    let driven = event_loop.clone();
    let task = eager().create_task(async move {
        let waiter = Waiter::new();
        waiter.fire_at(driven.time()).unwrap();
        let (mut waiter, mut wakers) = (pin!(waiter), Vec::new());
        poll_fn(|cx| {
            let own = cx.waker().clone();
            let combinator = hooked(move |deed| {
                if deed == Deed::Wake {
                    own.wake_by_ref();
                }
            });
            let polled = waiter
                .as_mut()
                .poll(&mut Context::from_waker(&combinator.waker()));
            wakers.push(combinator);
            if wakers.len() == 1 {
                // Here it fires, while the task is being polled.
                turn(&driven);
            }
            polled
        })
        .await;
    });
    (0..3).for_each(|_| turn(&event_loop));
    let done = task.done();
    drop((task, entered));
    event_loop.close().unwrap();
    assert!(done, "the wake-up was lost");
}

fn turn(event_loop: &LoopRef) {
    event_loop.process_events().unwrap();
    event_loop.run_batch().unwrap();
}
