//! Scopes: where a cancellation is caught, raised, and directed.

use std::cell::Cell;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use ouroloop_task::{
    Cancelled, CancelledBy, Scope, ScopeHandle, TaskError, Waiter, bare_yield, catch_cancelled,
    create_future, create_task, current_task, raise_cancelled,
};
use ouroloop_testkit::{Log, cancel_message, hops, iteration, ms, poll_once, running_loop};

use crate::support::{ignore, panics, run, sleep};

fn by_group() -> Cancelled {
    Cancelled::new(CancelledBy::Group)
}

fn later(f: impl FnOnce() + 'static) {
    running_loop().call_soon(f).expect("it is open");
}

/// Awaits both, in one task.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        if of_a.is_none() {
            if let Poll::Ready(value) = a.as_mut().poll(cx) {
                of_a = Some(value);
            }
        }
        if of_b.is_none() {
            if let Poll::Ready(value) = b.as_mut().poll(cx) {
                of_b = Some(value);
            }
        }
        match (of_a.is_some(), of_b.is_some()) {
            (true, true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    (of_a.expect("it is ready"), of_b.expect("it is ready"))
}

#[test]
fn a_scope_gives_the_value_if_nobody_cancels_and_costs_no_iteration() {
    run(async {
        let (count, caught) = hops(catch_cancelled(async { 3 })).await;
        assert_eq!((count, caught), (0, Ok(3)));
        assert_eq!(hops(catch_cancelled(bare_yield())).await.0, 1);
    });
}

#[test]
fn outside_of_a_task_a_scope_catches_nothing_and_still_awaits() {
    let mut outside = pin!(catch_cancelled(async { 4 }));
    let Poll::Ready(value) = poll_once(outside.as_mut(), std::task::Waker::noop()) else {
        panic!("it does not suspend");
    };
    assert_eq!(value, Ok(4));
}

#[test]
fn outside_of_a_task_a_scope_that_was_cancelled_before_catches_nothing_either() {
    run(async {
        let called = Rc::new(Cell::new(false));
        let calls = called.clone();
        later(move || {
            let (outer, inner) = (Scope::new(), Scope::new());
            inner.cancel(&by_group());
            let mut catch = pin!(outer.catch(inner.catch(pending::<()>())));
            assert!(poll_once(catch.as_mut(), std::task::Waker::noop()).is_pending());
            calls.set(true);
        });
        bare_yield().await;
        assert!(called.get());
    });
}

#[test]
fn the_innermost_scope_catches_and_the_outer_one_only_what_is_raised_again() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                let outer = catch_cancelled(async {
                    let Err(cancelled) = catch_cancelled(pending::<()>()).await else {
                        unreachable!("it waits for ever")
                    };
                    log.say("inner");
                    let _guard = log.on_drop("dropped");
                    cancelled.raise().await
                })
                .await;
                let Err(cancelled) = outer;
                log.say(cancelled.message().unwrap_or("-"));
            })
        };
        bare_yield().await;
        task.cancel_with("message");
        task.await.expect("it caught it");
        assert_eq!(log.take(), "inner dropped message");
    });
}

#[test]
fn raising_unwinds_to_the_next_scope_in_the_same_poll() {
    run(async {
        let (count, caught) = hops(catch_cancelled(async {
            raise_cancelled().await;
        }))
        .await;
        assert_eq!(count, 0);
        assert_eq!(caught.expect_err("it was raised").by(), CancelledBy::Itself);
        let me = current_task().expect("this is a task");
        assert_eq!(me.cancelling(), 0);
    });
}

#[test]
fn raising_outside_of_a_task_panics() {
    let mut raise = pin!(raise_cancelled());
    let panicked = panics(|| poll_once(raise.as_mut(), std::task::Waker::noop()).is_pending());
    assert!(panicked.is_err());
}

#[test]
fn nested_raises_come_up_all_the_way_in_one_poll() {
    run(async {
        let depth = Rc::new(Cell::new(0));
        let task = create_task({
            let depth = depth.clone();
            async move {
                let level = |inner: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
                    let depth = depth.clone();
                    let boxed: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
                        let Err(cancelled) = catch_cancelled(inner).await else {
                            unreachable!("it was raised")
                        };
                        depth.set(depth.get() + 1);
                        cancelled.raise().await;
                    });
                    boxed
                };
                let mut future: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
                    raise_cancelled().await;
                });
                for _ in 0..50 {
                    future = level(future);
                }
                future.await;
            }
        });
        bare_yield().await;
        assert_eq!(depth.get(), 50);
        assert!(task.cancelled());
    });
}

#[test]
fn a_request_at_a_scope_leaves_the_rest_of_the_task_alone() {
    run(async {
        let scope = Scope::new();
        let handle = scope.handle();
        let other = create_future::<u32>();
        let future = other.future();
        later(move || assert!(handle.cancel(&by_group())));
        let me = current_task().expect("this is a task");
        let (a, b) = both(
            async {
                let caught = scope.catch(pending::<()>()).await;
                assert_eq!(me.cancelling(), 0, "it counts at the scope");
                other.set_result(5).expect("nobody cancelled it");
                caught
            },
            async { future.await.ok() },
        )
        .await;
        assert_eq!((a, b), (Err(by_group()), Some(5)));
        assert_eq!(me.cancelling(), 0);
        scope.close();
        assert_eq!(me.cancelling(), 1, "what is left goes outwards");
        assert_eq!(me.uncancel(), 0);
    });
}

#[test]
fn a_request_at_the_task_is_caught_by_each_of_its_scopes() {
    run(async {
        let task = create_task(async {
            both(
                catch_cancelled(pending::<()>()),
                catch_cancelled(sleep(ms(10))),
            )
            .await
        });
        bare_yield().await;
        task.cancel_with("both");
        let (a, b) = task.await.expect("both were caught");
        assert_eq!(a.expect_err("cancelled").message(), Some("both"));
        assert_eq!(b.expect_err("cancelled").message(), Some("both"));
    });
}

#[test]
fn a_request_that_waits_at_a_scope_is_delivered_when_it_is_entered() {
    run(async {
        let scope = Scope::new();
        assert!(scope.handle().cancel(&by_group()));
        let (count, caught) = hops(scope.catch(sleep(ms(1000)))).await;
        assert_eq!(caught, Err(by_group()));
        assert_eq!(count, 1);
        assert!(running_loop().time() < ms(1));
        // It was delivered once.
        assert_eq!(scope.catch(bare_yield()).await, Ok(()));
        drop(scope);
    });
}

#[test]
fn a_request_from_within_hits_the_next_await_that_waits() {
    run(async {
        let log = Log::default();
        let scope = Scope::new();
        let handle = scope.handle();
        let caught = scope
            .catch(async {
                handle.cancel(&by_group());
                log.say("goes on");
                bare_yield().await;
                log.say("not reached");
            })
            .await;
        assert_eq!(caught, Err(by_group()));
        assert_eq!(log.take(), "goes on");
    });
}

#[test]
fn what_is_left_of_a_closed_scope_goes_to_the_one_around_it() {
    run(async {
        let task = create_task(async {
            let scope = Scope::new();
            // Not delivered: nothing waits in there.
            scope.handle().cancel(&by_group());
            assert_eq!(scope.catch(async { 1 }).await, Ok(1));
            scope.close();
            let me = current_task().expect("this is a task");
            assert_eq!(me.cancelling(), 1);
            pending::<()>().await;
        });
        sleep(ms(1)).await;
        assert!(task.cancelled());
    });
}

#[test]
fn a_dropped_scope_takes_its_requests_with_it() {
    run(async {
        let scope = Scope::new();
        let handle = scope.handle();
        handle.cancel(&by_group());
        assert_eq!(scope.catch(async { 1 }).await, Ok(1));
        drop(scope);
        assert!(!handle.cancel(&by_group()), "it has ended");
        assert!(!handle.expired());
        handle.set_deadline(Some(ms(0)));
        bare_yield().await;
        bare_yield().await;
        assert_eq!(current_task().expect("this is a task").cancelling(), 0);
    });
}

#[test]
fn a_catch_that_is_dropped_in_the_middle_leaves_no_trace() {
    run(async {
        let log = Log::default();
        let guard = log.on_drop("dropped");
        {
            let mut catch = Box::pin(catch_cancelled(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
            let pending = poll_fn(|cx| Poll::Ready(catch.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        assert_eq!(log.take(), "dropped");
        sleep(ms(1)).await;
    });
}

#[test]
fn a_cancellation_that_a_dropped_wait_had_accepted_is_not_lost() {
    // A combinator that drops its losing branch before polling it again.
    async fn first<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
        let (mut a, mut b) = (pin!(a), pin!(b));
        poll_fn(|cx| {
            if let Poll::Ready(value) = a.as_mut().poll(cx) {
                return Poll::Ready(value);
            }
            b.as_mut().poll(cx)
        })
        .await
    }
    run(async {
        let log = Log::default();
        let flag = create_future::<()>();
        let task = create_task({
            let (log, flag) = (log.clone(), flag.future());
            async move {
                let won = first(async { flag.await.is_ok() }, async {
                    pending::<()>().await;
                    false
                })
                .await;
                log.say(format!("won:{won}"));
                sleep(ms(3600)).await;
                log.say("slept");
            }
        });
        bare_yield().await;
        flag.set_result(()).expect("it is pending");
        task.cancel_with("not lost");
        assert_eq!(cancel_message(task.await).as_deref(), Some("not lost"));
        assert!(!log.take().contains("slept"));
        assert!(running_loop().time() < ms(3600));
    });
}

#[test]
fn the_branch_that_loses_hands_its_cancellation_to_the_task() {
    run(async {
        let log = Log::default();
        let shared = create_future::<()>();
        let task = create_task({
            let (log, future) = (log.clone(), shared.future());
            async move {
                let mut catching = pin!(catch_cancelled(pending::<()>()));
                let mut waiting = Box::pin(future.into_future());
                // Like select!: the first that is ready wins, the other is dropped.
                poll_fn(|cx| {
                    if catching.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    waiting.as_mut().poll(cx).map(drop)
                })
                .await;
                drop(waiting);
                log.say("selected");
                sleep(ms(3600)).await;
                log.say("slept");
            }
        });
        bare_yield().await;
        task.cancel();
        sleep(ms(1)).await;
        assert!(task.cancelled());
        assert!(shared.cancelled());
        assert!(!log.take().contains("slept"));
    });
}

#[test]
fn a_deadline_cancels_its_scope_and_says_so() {
    run(async {
        let scope = Scope::new();
        let handle = scope.handle();
        handle.set_deadline(Some(running_loop().time() + ms(5)));
        assert!(!handle.expired());
        let caught = scope.catch(pending::<()>()).await;
        assert_eq!(
            caught.expect_err("the time was up").by(),
            CancelledBy::Timeout
        );
        assert!(handle.expired());
        assert_eq!(running_loop().time(), ms(5));
        drop(scope);
    });
}

#[test]
fn a_deadline_can_be_moved_removed_and_set_again_also_when_it_is_queued() {
    run(async {
        let scope = Scope::new();
        let handle: ScopeHandle = scope.handle();
        let body = {
            let handle = handle.clone();
            async move {
                for _ in 0..3 {
                    // Queued at once, and called off before its turn.
                    handle.set_deadline(Some(ms(0)));
                    handle.set_deadline(None);
                }
                bare_yield().await;
                bare_yield().await;
                handle.set_deadline(Some(running_loop().time() + ms(1)));
                handle.set_deadline(Some(running_loop().time() + ms(30)));
                sleep(ms(10)).await;
                assert!(!handle.expired());
                handle.set_deadline(Some(running_loop().time() + ms(7)));
                pending::<()>().await;
            }
        };
        assert!(scope.catch(body).await.is_err());
        assert!(handle.expired());
        assert_eq!(running_loop().time(), ms(17));
        drop(scope);
    });
}

#[test]
fn a_deadline_whose_timer_fires_in_the_iteration_in_which_it_is_called_off_does_nothing() {
    run(async {
        let scope = Scope::new();
        let handle = scope.handle();
        // Due in the same iteration, and first.
        let off = handle.clone();
        running_loop()
            .call_at(ms(5), move || off.set_deadline(None))
            .expect("it is open");
        handle.set_deadline(Some(ms(5)));
        assert_eq!(scope.catch(sleep(ms(50))).await, Ok(()));
        assert!(!handle.expired());
        assert_eq!(running_loop().time(), ms(50));
        drop(scope);
    });
}

#[test]
fn scopes_that_outlive_the_future_around_them_find_their_new_place() {
    run(async {
        let promise = create_future::<()>();
        let future = promise.future();
        let mut inner = Box::pin(catch_cancelled(future.into_future()));
        // First polled below another scope, which then ends.
        let polled = catch_cancelled(poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx)))).await;
        assert!(matches!(polled, Ok(Poll::Pending)));
        let task = create_task(inner);
        bare_yield().await;
        task.cancel_with("found");
        let caught = task.await.expect("it caught it");
        assert_eq!(
            caught
                .err()
                .and_then(|it| it.message().map(str::to_owned))
                .as_deref(),
            Some("found")
        );
        assert_eq!(current_task().expect("this is a task").cancelling(), 0);
    });
}

#[test]
fn nested_scopes_that_move_to_another_task_are_cancelled_with_that_one() {
    run(async {
        let promise = create_future::<()>();
        let future = promise.future();
        // Two scopes, so that the inner one's parent moves with it.
        let mut nested = Box::pin(catch_cancelled(catch_cancelled(future.into_future())));
        let place = Rc::new(Cell::new(None));
        let kept = place.clone();
        let first = create_task(async move {
            let polled = poll_fn(|cx| Poll::Ready(nested.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
            kept.replace(Some(nested));
        });
        first.await.expect("it has a value");
        let nested = place.take().expect("it was put there");
        let second = create_task(nested);
        bare_yield().await;
        // The value is there, so that the request must be delivered to the inner scope.
        promise.set_result(()).expect("it is pending");
        second.cancel();
        let caught = second.await.expect("it caught it");
        assert!(matches!(caught, Ok(Err(_))), "the inner scope catches");
    });
}

#[test]
fn a_request_at_an_inner_scope_that_moved_to_another_task_is_heard_there() {
    run(async {
        let promise = create_future::<()>();
        let future = promise.future();
        let scope = Rc::new(Scope::new());
        let handle = scope.handle();
        let mut nested = Box::pin(catch_cancelled(async move {
            scope.catch(future.into_future()).await
        }));
        let place = Rc::new(Cell::new(None));
        let kept = place.clone();
        let first = create_task(async move {
            let polled = poll_fn(|cx| Poll::Ready(nested.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
            kept.replace(Some(nested));
        });
        first.await.expect("it has a value");
        let nested = place.take().expect("it was put there");
        let second = create_task(nested);
        bare_yield().await;
        promise.set_result(()).expect("it is pending");
        assert!(handle.cancel(&by_group()));
        let caught = second.await.expect("it caught it");
        assert!(
            matches!(caught, Ok(Err(_))),
            "as it would have been in the first task"
        );
    });
}

#[test]
fn the_step_in_which_a_scope_catches_is_the_step_of_the_task() {
    run(async {
        let since = iteration();
        let caught_at = Rc::new(Cell::new(0));
        let task = create_task({
            let caught_at = caught_at.clone();
            async move {
                let caught = catch_cancelled(pending::<()>()).await;
                caught_at.set(iteration() - since);
                caught.is_err()
            }
        });
        bare_yield().await;
        task.cancel();
        assert!(matches!(task.await, Ok(true)));
        assert_eq!(caught_at.get(), 2);
    });
}

#[test]
fn a_scope_may_be_used_again_and_counts_on() {
    run(async {
        let scope = Scope::new();
        let me = current_task().expect("this is a task");
        for round in 1..=3 {
            let handle = scope.handle();
            later(move || ignore(handle.cancel(&by_group())));
            let caught = scope
                .catch(async {
                    let inside = current_task().expect("this is a task").cancelling();
                    assert_eq!(inside, round - 1);
                    pending::<()>().await;
                })
                .await;
            assert!(caught.is_err());
        }
        scope.close();
        assert_eq!(me.cancelling(), 3);
        while me.uncancel() > 0 {}
    });
}

#[test]
fn cancelling_counts_outwards_from_where_it_is_asked() {
    run(async {
        let task = create_task(async {
            let me = current_task().expect("this is a task");
            let (a, b) = (Scope::new(), Scope::new());
            a.handle().cancel(&by_group());
            b.handle().cancel(&by_group());
            b.handle().cancel(&by_group());
            me.cancel();
            let in_a = a.catch(async { me.cancelling() }).await;
            let in_b = b.catch(async { me.cancelling() }).await;
            let outside = me.cancelling();
            while me.uncancel() > 0 {}
            (in_a, in_b, outside)
        });
        let counts = task.await.expect("its request was taken back");
        assert_eq!(counts, (Ok(2), Ok(3), 1));
    });
}

#[test]
fn a_task_that_is_cancelled_by_a_raise_of_its_own_reports_no_value() {
    run(async {
        let task = create_task(async {
            let _: u32 = match catch_cancelled(async { 1 }).await {
                Ok(value) => value,
                Err(cancelled) => cancelled.raise().await,
            };
            raise_cancelled().await
        });
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn what_becomes_a_future_can_be_caught_as_it_is() {
    run(async {
        let inner = create_task(pending::<()>());
        let of_inner = inner.as_task_ref();
        let outer = create_task(async move { catch_cancelled(inner).await.is_err() });
        bare_yield().await;
        outer.cancel();
        assert!(outer.await.expect("it was caught"));
        assert!(of_inner.cancelled());
    });
}

#[test]
fn a_request_at_a_scope_that_is_over_cancels_nobody() {
    run(async {
        let task = create_task(async {
            let inner = create_task(async {
                let caught = catch_cancelled(Waiter::new()).await;
                bare_yield().await;
                bare_yield().await;
                caught.expect_err("it was asked").raise().await
            });
            let mut kept = inner.into_future();
            {
                let promise = create_future::<()>();
                let mut other = promise.future().into_future();
                let scope = Scope::new();
                let handle = scope.handle();
                later(move || {
                    handle.cancel(&Cancelled::new(CancelledBy::Timeout));
                    promise.set_result(()).expect("it is pending");
                });
                let mut caught = Box::pin(scope.catch(&mut kept));
                // A `select!` whose other branch is ready first.
                let other_was_first = poll_fn(|cx| {
                    if Pin::new(&mut other).poll(cx).is_ready() {
                        return Poll::Ready(true);
                    }
                    caught.as_mut().poll(cx).map(|_| false)
                });
                assert!(other_was_first.await);
            }
            kept.await.map_err(|error| error.is_cancelled())
        });
        let ended = task.await.expect("nobody asked the task");
        assert_eq!(
            ended,
            Err(true),
            "what was awaited was cancelled, and says so"
        );
    });
}

#[test]
fn a_scope_that_is_caught_within_itself_makes_no_circle() {
    run(async {
        let task = create_task(async {
            let scope = Scope::new();
            let inner = scope.catch(async { scope.catch(Waiter::new()).await.is_ok() });
            inner.await.is_ok()
        });
        bare_yield().await;
        bare_yield().await;
        assert!(task.cancel());
        for _ in 0..4 {
            bare_yield().await;
        }
        assert!(task.done());
    });
}
