//! Requests to cancel: every case that was observed of asyncio, to the iteration.

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ouroloop_core::ContextVar;
use ouroloop_task::{
    AsFutureRef, CancelledBy, Task, TaskBuilder, TaskError, TaskRef, Waiter, bare_yield,
    catch_cancelled, create_future, create_task, current_task, raise_cancelled,
};
use ouroloop_testkit::{
    Log, TestLoop, cancel_message, hops, iteration, ms, on_drop, run_iterations, running_loop,
};

use crate::support::{run, sleep, stamp};

/// A task that waits for ever, and the log of its ends.
fn sleeper(log: &Log) -> Task<()> {
    let log = log.clone();
    create_task(async move {
        let _guard = log.on_drop("unwound");
        pending::<()>().await;
    })
}

fn me() -> TaskRef {
    current_task().expect("this is a task")
}

#[test]
fn before_its_first_step_a_task_never_runs() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move { log.say("ran") })
        };
        let since = iteration();
        task.as_task_ref().add_done_callback({
            let log = log.clone();
            move |_| stamp(&log, "callback", since)
        });
        assert!(task.cancel_with("not now"));
        assert!(!task.cancelled() && !task.done());
        let (count, ended) = hops(task).await;
        assert_eq!(count, 2);
        assert_eq!(log.take(), "callback+2");
        assert_eq!(cancel_message(ended).as_deref(), Some("not now"));
    });
}

#[test]
fn the_step_is_one_iteration_and_the_joiner_two() {
    run(async {
        let task = create_task(async { unreachable!("it is cancelled first") });
        task.cancel();
        let (count, ended) = hops(task).await;
        assert_eq!(count, 2);
        assert!(matches!(ended, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn what_a_task_waits_for_is_cancelled_at_once_and_the_task_one_iteration_later() {
    run(async {
        let promise = create_future::<()>();
        let task = create_task(promise.future().into_future());
        bare_yield().await;
        assert!(task.cancel_with("enough"));
        assert!(promise.cancelled(), "now");
        assert_eq!(cancel_message(promise.result()).as_deref(), Some("enough"));
        assert!(!task.done() && task.cancelling() == 1);
        bare_yield().await;
        assert!(task.cancelled(), "one iteration later");
        let (count, ended) = hops(task).await;
        assert_eq!(count, 0);
        assert_eq!(cancel_message(ended).as_deref(), Some("enough"));
    });
}

#[test]
fn the_joiner_of_a_waiting_task_hears_of_it_two_iterations_later() {
    run(async {
        let promise = create_future::<()>();
        let task = create_task(promise.future().into_future());
        bare_yield().await;
        task.cancel();
        assert_eq!(hops(task).await.0, 2);
        assert!(promise.cancelled());
    });
}

#[test]
fn a_value_whose_wake_is_queued_is_discarded_and_the_promise_keeps_it() {
    run(async {
        let promise = create_future::<u32>();
        let task = create_task({
            let future = promise.future();
            async move { catch_cancelled(future.into_future()).await.map(Result::ok) }
        });
        bare_yield().await;
        promise.set_result(5).expect("it is pending");
        assert!(task.cancel_with("too late"));
        let (count, ended) = hops(task).await;
        assert_eq!(count, 2);
        let caught = ended.expect("it caught the cancellation").unwrap_err();
        assert_eq!(caught.message(), Some("too late"));
        assert_eq!(promise.result().ok(), Some(&5));
    });
}

#[test]
fn of_two_requests_the_first_is_delivered_once_and_both_are_counted() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                while let Err(cancelled) = catch_cancelled(sleep(ms(10))).await {
                    log.say(cancelled.message().unwrap_or("-"));
                }
                me().cancelling()
            })
        };
        bare_yield().await;
        assert!(task.cancel_with("first"));
        assert!(task.cancel_with("second"));
        assert_eq!(task.cancelling(), 2);
        assert_eq!(task.await.ok(), Some(2));
        assert_eq!(log.take(), "first");
    });
}

#[test]
fn of_two_requests_before_the_first_step_the_last_message_is_delivered_once() {
    run(async {
        let task = create_task(pending::<()>());
        task.cancel_with("first");
        task.cancel_with("second");
        let at_end = task.as_task_ref();
        // In asyncio, too, a request that cannot be passed on replaces the message of the last.
        assert_eq!(cancel_message(task.await).as_deref(), Some("second"));
        assert_eq!(at_end.cancelling(), 2);
    });
}

#[test]
fn a_clean_up_may_await_and_a_second_request_interrupts_it() {
    run(async {
        let log = Log::default();
        let worker = || {
            let log = log.clone();
            create_task(async move {
                let Err(cancelled) = catch_cancelled(pending::<()>()).await else {
                    unreachable!("it waits for ever");
                };
                let _guard = log.on_drop("left");
                sleep(ms(5)).await;
                log.say("cleaned");
                cancelled.raise().await;
            })
        };
        let (once, twice) = (worker(), worker());
        bare_yield().await;
        once.cancel_with("1");
        twice.cancel_with("1");
        bare_yield().await;
        twice.cancel_with("2");
        assert_eq!(cancel_message(twice.await).as_deref(), Some("2"));
        assert_eq!(log.take(), "left");
        assert_eq!(cancel_message(once.await).as_deref(), Some("1"));
        assert_eq!(log.take(), "cleaned left");
    });
}

#[test]
fn a_swallowed_request_stays_swallowed_and_counted() {
    run(async {
        let task = create_task(async {
            let caught = catch_cancelled(pending::<()>()).await.is_err();
            // Edge-triggered: these work as ever.
            bare_yield().await;
            sleep(ms(1)).await;
            caught
        });
        bare_yield().await;
        task.cancel();
        sleep(ms(5)).await;
        assert!(task.done() && !task.cancelled());
        assert_eq!(task.cancelling(), 1);
        assert_eq!(task.await.ok(), Some(true));
    });
}

#[test]
fn a_raised_cancellation_counts_no_request() {
    run(async {
        let task = create_task(async {
            raise_cancelled().await;
        });
        bare_yield().await;
        assert!(task.cancelled());
        assert_eq!(task.cancelling(), 0);
        let Err(TaskError::Cancelled(cancelled)) = task.await else {
            panic!("it was cancelled");
        };
        assert_eq!(cancelled.by(), CancelledBy::Itself);
    });
}

#[test]
fn a_request_goes_down_a_chain_at_once_and_comes_up_one_iteration_a_task() {
    run(async {
        let log = Log::default();
        let promise = create_future::<()>();
        let inner = Rc::new(create_task(promise.future().into_future()));
        let outer = Rc::new(create_task({
            let inner = inner.clone();
            async move { (&*inner).await.map(drop) }
        }));
        bare_yield().await;
        let since = iteration();
        for (name, task) in [
            ("inner", inner.as_task_ref()),
            ("outer", outer.as_task_ref()),
        ] {
            let log = log.clone();
            // Called one iteration after the end.
            task.add_done_callback(move |_| stamp(&log, name, since + 1));
        }
        outer.cancel_with("down");
        assert!(promise.cancelled());
        assert_eq!((inner.cancelling(), outer.cancelling()), (1, 1));
        let (count, ended) = hops(async { (&*outer).await.map(drop) }).await;
        assert_eq!(count, 3);
        assert_eq!(cancel_message(ended).as_deref(), Some("down"));
        assert_eq!(log.take(), "inner+1 outer+2");
    });
}

#[test]
fn an_inner_task_that_swallows_gives_its_value_to_the_outer_one() {
    run(async {
        let inner = create_task(async { catch_cancelled(pending::<()>()).await.is_err() });
        let outer = create_task(inner.into_future());
        bare_yield().await;
        bare_yield().await;
        outer.cancel();
        sleep(ms(1)).await;
        assert!(!outer.cancelled());
        assert_eq!(outer.cancelling(), 1);
        assert!(matches!(outer.await, Ok(Ok(true))));
    });
}

#[test]
fn cancelling_one_waiter_cancels_what_they_share_and_the_others_get_that_as_a_value() {
    run(async {
        let promise = create_future::<()>();
        let waiter = || create_task(promise.future().into_future());
        let (one, two) = (waiter(), waiter());
        bare_yield().await;
        one.cancel_with("shared");
        bare_yield().await;
        assert!(one.cancelled());
        assert!(two.done() && !two.cancelled() && two.cancelling() == 0);
        let ended = two.await.expect("it was not cancelled");
        assert_eq!(cancel_message(ended).as_deref(), Some("shared"));
    });
}

#[test]
fn cancelling_two_waiters_of_one_promise_unwinds_both() {
    run(async {
        let promise = create_future::<()>();
        let waiter = || create_task(promise.future().into_future());
        let (one, two) = (waiter(), waiter());
        bare_yield().await;
        assert!(one.cancel() && two.cancel());
        bare_yield().await;
        assert!(one.cancelled() && two.cancelled());
    });
}

#[test]
fn what_is_done_cannot_be_cancelled() {
    run(async {
        let task = create_task(async { 3 });
        bare_yield().await;
        assert!(!task.cancel());
        assert_eq!(task.cancelling(), 0);
        assert_eq!(task.await.ok(), Some(3));
    });
}

#[test]
fn the_task_that_cancels_itself_unwinds_at_its_next_await_that_waits() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                let _guard = log.on_drop("unwound");
                me().cancel_with("self");
                let done = create_future();
                done.set_result(1).expect("it is pending");
                log.say(format!("got{}", done.await.expect("it is set")));
                sleep(ms(3600)).await;
                log.say("not reached");
            })
        };
        let before = running_loop().time();
        let (count, ended) = hops(task).await;
        // Its first step, the unwinding, and this.
        assert_eq!(count, 3);
        assert_eq!(cancel_message(ended).as_deref(), Some("self"));
        assert_eq!(log.take(), "got1 unwound");
        assert_eq!(running_loop().time(), before);
    });
}

#[test]
fn a_value_loses_to_an_undelivered_request_and_an_error_wins() {
    run(async {
        let value = create_task(async {
            me().cancel_with("lost");
            5
        });
        let error = TaskBuilder::new().fallible().create_task(async {
            me().cancel();
            Err::<(), _>("wins")
        });
        let checked = create_task(async {
            me().cancel();
            Err::<(), _>("wins")
        });
        checked.expect_errors();
        bare_yield().await;
        assert!(value.cancelled());
        assert_eq!(cancel_message(value.await).as_deref(), Some("lost"));
        assert!(!error.cancelled());
        assert_eq!(error.await.expect_err("it failed").to_string(), "wins");
        assert!(matches!(checked.await, Ok(Err("wins"))));
    });
}

#[test]
fn a_request_during_a_bare_yield_is_delivered_when_the_task_would_have_resumed() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                let caught = catch_cancelled(bare_yield()).await;
                log.say(if caught.is_err() { "caught" } else { "missed" });
            })
        };
        bare_yield().await;
        task.cancel();
        assert_eq!(log.take(), "");
        bare_yield().await;
        assert_eq!(log.take(), "caught");
        task.await.expect("it caught it");
    });
}

#[test]
fn uncancel_stops_at_zero_and_forgets_what_was_not_delivered() {
    run(async {
        let forgiven = create_task(async {
            assert_eq!(me().uncancel(), 0);
            me().cancel();
            me().cancel();
            assert_eq!(me().cancelling(), 2);
            assert_eq!(me().uncancel(), 1);
            assert_eq!(me().uncancel(), 0);
            sleep(ms(1)).await;
            "went on"
        });
        let not_quite = create_task(async {
            me().cancel();
            me().cancel();
            me().uncancel();
            sleep(ms(1)).await;
            "went on"
        });
        let from_outside = create_task(async { "went on" });
        from_outside.cancel();
        assert_eq!(from_outside.uncancel(), 0);
        sleep(ms(5)).await;
        assert_eq!(forgiven.await.ok(), Some("went on"));
        assert_eq!(not_quite.cancelling(), 1);
        assert!(matches!(not_quite.await, Err(TaskError::Cancelled(_))));
        assert_eq!(from_outside.await.ok(), Some("went on"));
    });
}

#[test]
fn uncancel_does_not_take_back_what_was_delivered() {
    run(async {
        let promise = create_future::<()>();
        let task = create_task(promise.future().into_future());
        bare_yield().await;
        task.cancel();
        assert_eq!(task.uncancel(), 0);
        bare_yield().await;
        assert!(task.cancelled());
        assert_eq!(task.cancelling(), 0);
    });
}

#[test]
fn a_cancellation_that_comes_as_a_value_unwinds_nobody() {
    run(async {
        let target = create_task(pending::<()>());
        let watcher = create_task({
            let target = target.as_task_ref();
            async move {
                bare_yield().await;
                target.cancel_with("by me");
            }
        });
        assert_eq!(cancel_message(target.await).as_deref(), Some("by me"));
        assert_eq!(me().cancelling(), 0);
        watcher.await.expect("it has a value");
    });
}

#[test]
fn a_request_after_a_swallowed_one_is_delivered_anew() {
    run(async {
        let task = create_task(async {
            let mut caught = Vec::new();
            for _ in 0..3 {
                match catch_cancelled(pending::<()>()).await {
                    Ok(()) => unreachable!("it waits for ever"),
                    Err(cancelled) => caught.push(cancelled.message().map(str::to_owned)),
                }
            }
            caught
        });
        for message in ["1", "2", "3"] {
            bare_yield().await;
            bare_yield().await;
            task.cancel_with(message);
        }
        let caught = task.await.expect("it swallowed all");
        assert_eq!(caught, ["1", "2", "3"].map(|text| Some(text.to_owned())));
    });
}

#[test]
fn destructors_run_innermost_first() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                let _outer = log.on_drop("outer");
                let inner = async {
                    let _first = log.on_drop("first");
                    let _second = log.on_drop("second");
                    pending::<()>().await;
                };
                let _ = catch_cancelled(inner).await;
                log.say("caught");
                bare_yield().await;
            })
        };
        bare_yield().await;
        task.cancel();
        bare_yield().await;
        assert_eq!(log.take(), "second first caught");
        task.cancel();
        bare_yield().await;
        assert_eq!(log.take(), "outer");
        assert!(task.cancelled());
    });
}

static REQUEST: ContextVar<&str> = ContextVar::new("request");

/// The name of the task and the value of the variable, as a destructor sees them.
fn where_am_i() -> String {
    let task = current_task().map_or_else(|| "none".into(), |task| task.name());
    format!("{task}/{}", REQUEST.get_or("unset"))
}

#[test]
fn destructors_of_a_cancelled_task_run_inside_it_as_a_finally_does() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    run({
        let seen = seen.clone();
        async move {
            let worker = |name: &str, asked: bool| {
                let seen = seen.clone();
                TaskBuilder::new().name(name).create_task(async move {
                    REQUEST.set("mine");
                    let _guard = on_drop(move || seen.borrow_mut().push(where_am_i()));
                    match asked {
                        true => sleep(ms(1)).await,
                        false => pending().await,
                    }
                })
            };
            let (passed_on, delivered) = (worker("passed on", true), worker("delivered", false));
            bare_yield().await;
            passed_on.cancel();
            delivered.cancel();
            bare_yield().await;
            assert!(passed_on.cancelled() && delivered.cancelled());
        }
    });
    assert_eq!(*seen.borrow(), ["passed on/mine", "delivered/mine"]);
}

#[test]
fn a_task_that_nothing_can_wake_is_woken_by_the_request() {
    run(async {
        let log = Log::default();
        let task = sleeper(&log);
        bare_yield().await;
        assert!(task.cancel());
        assert_eq!(log.take(), "");
        assert_eq!(hops(task).await.0, 2);
        assert_eq!(log.take(), "unwound");
    });
}

#[test]
fn a_circle_of_awaits_ends_when_one_of_it_is_cancelled() {
    run(async {
        let handles: Rc<RefCell<Vec<Rc<Task<()>>>>> = Rc::default();
        let member = |next: usize| {
            let handles = handles.clone();
            create_task(async move {
                bare_yield().await;
                let next = handles.borrow()[next].clone();
                let _ = (&*next).await;
            })
        };
        let circle: Vec<_> = (0..3)
            .map(|place| Rc::new(member((place + 1) % 3)))
            .collect();
        handles.borrow_mut().extend(circle.iter().cloned());
        sleep(ms(1)).await;
        assert!(circle[0].cancel());
        sleep(ms(1)).await;
        let done: Vec<_> = circle.iter().map(|task| task.done()).collect();
        handles.take();
        assert_eq!(done, [true; 3]);
        assert!(circle[0].cancelled());
    });
}

#[test]
fn a_request_to_what_has_ended_this_iteration_is_refused_and_its_joiner_gets_the_value() {
    run(async {
        let inner = Rc::new(create_task(async { 1 }));
        let joiner = create_task({
            let inner = inner.clone();
            async move { (&*inner).await.copied() }
        });
        bare_yield().await;
        // The inner task is done; the wake of the joiner is queued.
        assert!(inner.done() && !inner.cancel());
        assert!(matches!(joiner.await, Ok(Ok(1))));
    });
}

#[test]
fn the_request_at_a_joiner_whose_wake_is_queued_costs_it_the_value() {
    run(async {
        let inner = Rc::new(create_task(bare_yield()));
        let joiner = create_task({
            let inner = inner.clone();
            async move { (&*inner).await.map(|&()| ()) }
        });
        bare_yield().await;
        bare_yield().await;
        assert!(inner.done() && !joiner.done());
        assert!(joiner.cancel());
        assert!(matches!(joiner.await, Err(TaskError::Cancelled(_))));
        assert!(inner.result().is_ok());
    });
}

#[test]
fn cancel_from_a_callback_and_from_outside_of_the_loop() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    let from_callback = test_loop.run({
        let log = log.clone();
        async move {
            let task = Rc::new(sleeper(&log));
            running_loop()
                .call_soon({
                    let task = task.clone();
                    move || assert!(task.cancel())
                })
                .expect("it is open");
            (&*task).await.map(drop)
        }
    });
    assert!(matches!(from_callback, Err(TaskError::Cancelled(_))));
    assert_eq!(log.take(), "unwound");

    let task = test_loop.run({
        let log = log.clone();
        async move {
            let task = sleeper(&log);
            bare_yield().await;
            task
        }
    });
    assert!(task.cancel());
    assert_eq!(log.take(), "", "the loop does not run");
    run_iterations(&test_loop, 1);
    assert!(task.cancelled());
    assert_eq!(log.take(), "unwound");
}

#[test]
fn untyped_references_cancel_too() {
    run(async {
        let by_future = create_task(pending::<()>());
        let by_task = create_task(pending::<()>());
        assert!(by_future.as_future_ref().cancel_with("a"));
        assert!(by_task.as_task_ref().cancel_with("b"));
        assert_eq!(cancel_message(by_future.await).as_deref(), Some("a"));
        assert_eq!(cancel_message(by_task.await).as_deref(), Some("b"));
    });
}

#[test]
fn each_waiting_branch_of_a_task_is_asked_and_all_are_dropped() {
    run(async {
        let log = Log::default();
        let promises = [create_future::<()>(), create_future::<()>()];
        let futures = [promises[0].future(), promises[1].future()];
        let task = {
            let log = log.clone();
            create_task(async move {
                let mut branches: Vec<_> = futures
                    .into_iter()
                    .map(|future| {
                        let guard = log.on_drop("branch");
                        Box::pin(async move {
                            let _guard = guard;
                            future.await
                        })
                    })
                    .collect();
                std::future::poll_fn(|cx| {
                    for branch in &mut branches {
                        let _ = branch.as_mut().poll(cx);
                    }
                    std::task::Poll::<()>::Pending
                })
                .await;
            })
        };
        bare_yield().await;
        task.cancel();
        assert!(promises.iter().all(|promise| promise.cancelled()));
        bare_yield().await;
        assert!(task.cancelled());
        assert_eq!(log.take(), "branch branch");
    });
}

#[test]
fn a_destructor_may_cancel_its_own_task_and_others() {
    run(async {
        let count = Rc::new(Cell::new(0));
        let other = Rc::new(create_task(pending::<()>()));
        let task = create_task({
            let (count, other) = (count.clone(), other.clone());
            async move {
                let own = me();
                let _guard = on_drop(move || {
                    assert!(other.cancel());
                    own.cancel();
                    count.set(count.get() + 1);
                });
                pending::<()>().await;
            }
        });
        bare_yield().await;
        task.cancel();
        bare_yield().await;
        bare_yield().await;
        assert!(task.cancelled() && other.cancelled());
        assert_eq!(count.get(), 1);
    });
}

/// Polls once with the task's own waker, as a `select!` does, and goes on.
async fn poll_once_here<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await
}

#[test]
fn a_wait_that_was_set_aside_does_not_swallow_a_request() {
    run(async {
        for deadline in [None, Some(Duration::from_secs(3600))] {
            let task = create_task(async move {
                let mut kept = Waiter::new();
                if let Some(deadline) = deadline {
                    kept.fire_at(deadline).expect("the loop is open");
                }
                assert!(!poll_once_here(&mut kept).await);
                // Nothing of ours: only a waker that nobody calls.
                pending::<()>().await;
                drop(kept);
            });
            bare_yield().await;
            bare_yield().await;
            assert!(task.cancel());
            bare_yield().await;
            bare_yield().await;
            assert!(task.cancelled(), "it waits for nothing that could accept");
        }
    });
}

#[test]
fn a_wait_that_was_set_aside_in_an_earlier_step_is_not_cancelled_with_the_rest() {
    run(async {
        let task = create_task(async move {
            let mut kept = Waiter::new();
            assert!(!poll_once_here(&mut kept).await);
            bare_yield().await;
            assert!(catch_cancelled(Waiter::new()).await.is_err());
            // The request was for what was awaited then, and is swallowed.
            !poll_once_here(&mut kept).await
        });
        for _ in 0..4 {
            bare_yield().await;
        }
        assert!(task.cancel());
        assert!(task.await.expect("it swallowed the request"));
    });
}

#[test]
fn a_task_that_was_set_aside_ends_late_and_takes_the_request_along() {
    run(async {
        let inner = create_task(async {
            let caught = catch_cancelled(Waiter::new()).await;
            bare_yield().await;
            bare_yield().await;
            caught.expect_err("it was asked").raise().await
        });
        let inner = Rc::new(inner);
        let of_inner = inner.clone();
        let outer = create_task(async move {
            let mut kept = (&*of_inner).into_future();
            assert!(!poll_once_here(&mut kept).await);
            pending::<()>().await;
        });
        bare_yield().await;
        bare_yield().await;
        assert!(outer.cancel());
        for _ in 0..8 {
            bare_yield().await;
        }
        assert!(inner.cancelled() && outer.cancelled());
    });
}

#[test]
fn a_wait_that_is_polled_again_can_be_cancelled_again() {
    run(async {
        let task = create_task(async {
            let mut kept = Waiter::new();
            assert!(!poll_once_here(&mut kept).await);
            bare_yield().await;
            kept.await;
        });
        for _ in 0..4 {
            bare_yield().await;
        }
        assert!(task.cancel());
        bare_yield().await;
        bare_yield().await;
        assert!(task.cancelled());
    });
}

/// The first of the two that is ready, as `select` of futures-util: the other is dropped.
async fn first<A: Future + Unpin, B: Future + Unpin>(mut a: A, mut b: B) -> bool {
    poll_fn(|cx| {
        if Pin::new(&mut a).poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut b).poll(cx).map(|_| false)
    })
    .await
}

#[test]
fn a_request_that_an_awaited_task_accepted_is_not_lost_when_that_is_dropped() {
    run(async {
        let promise = create_future::<()>();
        let future = promise.future();
        let worker = create_task(async move {
            let slow = create_task(async {
                let caught = catch_cancelled(Waiter::new()).await;
                bare_yield().await;
                caught.expect_err("it was asked").raise().await
            });
            assert!(first(future.into_future(), slow.into_future()).await);
            // asyncio would not come here: the request came before.
            bare_yield().await;
            bare_yield().await;
            "went on"
        });
        bare_yield().await;
        bare_yield().await;
        promise.set_result(()).expect("it is pending");
        assert!(worker.cancel_with("enough"));
        match worker.await {
            Err(TaskError::Cancelled(cancelled)) => {
                assert_eq!(cancelled.message(), Some("enough"));
            }
            other => panic!("the request is lost: {other:?}"),
        }
    });
}

#[test]
fn one_request_that_was_caught_is_not_delivered_by_a_wait_that_outlives_the_scope() {
    run(async {
        let task = create_task(async {
            let inner = create_task(Waiter::new());
            let mut kept = inner.into_future();
            let caught = catch_cancelled(async {
                first(Waiter::new(), &mut kept).await;
            });
            assert!(caught.await.is_err());
            bare_yield().await;
            kept.await.map_err(|error| error.is_cancelled())
        });
        bare_yield().await;
        bare_yield().await;
        assert!(task.cancel());
        let ended = task.await.expect("it was caught once, and swallowed");
        assert_eq!(ended, Err(true), "the error of what was awaited is a value");
    });
}
