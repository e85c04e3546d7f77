//! `timeout` and its kin: whose cancellation is it, and who wins in one tick.

use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::{
    TimeoutError, TimeoutStateError, sleep, timeout, timeout_at, timeout_scope, timeout_scope_at,
};
use ouroloop_task::{
    Cancelled, CancelledBy, Task, TaskError, TaskRef, bare_yield, catch_cancelled, create_future,
    create_task, raise_cancelled,
};
use ouroloop_testkit::{Log, cancel_message, ms, running_loop};

use crate::support::{after, ignore, me, now, run};

/// Runs something when the loop's time is `when`, in the order of these calls.
fn at(when: Duration, f: impl FnOnce() + 'static) {
    running_loop().call_at(when, f).expect("it is open");
}

#[test]
fn in_time_and_late() {
    run(async {
        assert_eq!(timeout(ms(5), after(3, 1)).await.ok(), Some(1));
        assert_eq!(now(), ms(3));
        let log = Log::default();
        let guard = log.on_drop("dropped");
        let late = timeout(ms(5), async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .await;
        assert!(late.is_err());
        assert_eq!((now(), log.take().as_str()), (ms(8), "dropped"));
        assert_eq!(me().cancelling(), 0);
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

#[test]
fn the_error_says_what_to_do_and_becomes_one_of_io() {
    run(async {
        let error: TimeoutError = timeout(Duration::ZERO, pending::<()>()).await.unwrap_err();
        assert!(error.to_string().starts_with("timed out"));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn no_limit_and_a_deadline_that_has_passed() {
    run(async {
        assert_eq!(timeout(None, after(1000, 1)).await.ok(), Some(1));
        assert_eq!(timeout_at(None, after(1000, 1)).await.ok(), Some(1));
        assert!(timeout_at(ms(1), pending::<()>()).await.is_err());
        assert_eq!(now(), ms(2000));
        assert_eq!(timeout_at(ms(1), async { 2 }).await.ok(), Some(2));
        assert!(timeout_at(ms(2005), pending::<()>()).await.is_err());
        assert_eq!(now(), ms(2005));
        assert_eq!(timeout(Duration::MAX, after(1, 3)).await.ok(), Some(3));
    });
}

#[test]
fn a_body_that_swallows_gives_its_value_and_the_count_is_as_before() {
    run(async {
        let body = async {
            let caught = catch_cancelled(pending::<()>()).await;
            assert_eq!(caught.unwrap_err().by(), CancelledBy::Timeout);
            assert_eq!(me().cancelling(), 1);
            after(20, "cleaned").await
        };
        assert_eq!(timeout(ms(5), body).await.ok(), Some("cleaned"));
        assert_eq!((now(), me().cancelling()), (ms(25), 0));
        // The next await works.
        sleep(ms(1)).await;
    });
}

#[test]
fn a_body_that_raises_again_times_out() {
    run(async {
        let ended = timeout(ms(5), async {
            let Err(cancelled) = catch_cancelled(pending::<()>()).await else {
                unreachable!("it waits for ever")
            };
            sleep(ms(1)).await;
            cancelled.raise().await;
        });
        assert!(ended.await.is_err());
        assert_eq!(now(), ms(6));
    });
}

#[test]
fn a_raise_of_the_body_itself_is_no_timeout() {
    run(async {
        let caught = catch_cancelled(timeout(ms(5), async {
            raise_cancelled().await;
        }))
        .await;
        assert_eq!(caught.unwrap_err().by(), CancelledBy::Itself);
    });
}

#[test]
fn an_outside_cancellation_goes_through() {
    run(async {
        let task = create_task(timeout(ms(50), pending::<()>()));
        sleep(ms(5)).await;
        task.cancel_with("outside");
        let untyped = task.as_task_ref();
        assert_eq!(cancel_message(task.await).as_deref(), Some("outside"));
        assert_eq!(untyped.cancelling(), 1);
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

#[test]
fn an_outside_cancellation_that_the_task_catches_leaves_a_later_timeout_working() {
    run(async {
        let task = create_task(async {
            let caught = catch_cancelled(timeout(ms(50), pending::<()>())).await;
            assert!(caught.is_err());
            assert_eq!(me().cancelling(), 1);
            let late = timeout(ms(5), pending::<()>()).await;
            (late.is_err(), me().cancelling())
        });
        bare_yield().await;
        task.cancel();
        assert_eq!(task.await.ok(), Some((true, 1)));
    });
}

#[test]
fn of_nested_timeouts_the_one_that_is_due_first_expires_alone() {
    run(async {
        let outer_first = timeout_scope(ms(5), async |outer| {
            let inner = timeout_scope(ms(50), async |inner| {
                pending::<()>().await;
                inner.expired()
            });
            let _ = inner.await;
            outer.expired()
        })
        .await;
        assert!(outer_first.is_err());
        assert_eq!(now(), ms(5));
        let inner_first = timeout(ms(50), async {
            let late = timeout(ms(5), pending::<()>()).await;
            assert!(late.is_err());
            after(5, "went on").await
        });
        assert_eq!(inner_first.await.ok(), Some("went on"));
        assert_eq!((now(), me().cancelling()), (ms(15), 0));
    });
}

#[test]
fn nested_timeouts_that_are_due_together_both_expire_and_the_outer_one_converts() {
    for inner_first in [false, true] {
        let (inner, outer) = run(async move {
            let when = ms(5);
            let inner = Rc::new(std::cell::RefCell::new(None));
            let keep = inner.clone();
            let (first, second) = match inner_first {
                // The deadline of the outer one is set last.
                true => (ms(500), when),
                false => (when, when),
            };
            let ended = timeout_scope_at(first, async move |outer| {
                timeout_scope_at(second, async move |inner| {
                    keep.replace(Some((inner, outer.clone())));
                    if inner_first {
                        outer.reschedule(when).expect("it is active");
                    }
                    pending::<()>().await;
                })
                .await
            })
            .await;
            assert!(ended.is_err(), "the outer one converts");
            assert_eq!((now(), me().cancelling()), (when, 0));
            sleep(ms(1)).await;
            let (inner, outer) = inner.take().expect("they were kept");
            (inner.expired(), outer.expired())
        });
        assert_eq!((inner, outer), (true, true), "{inner_first}");
    }
}

#[test]
fn a_deep_nest_of_timeouts_unwinds_to_the_one_that_expired() {
    run(async {
        type Nest = std::pin::Pin<Box<dyn Future<Output = u32>>>;
        let mut nest: Nest = Box::pin(pending());
        for depth in 1..=30_u32 {
            let limit = if depth == 17 { ms(5) } else { ms(1000) };
            nest = Box::pin(async move { timeout(limit, nest).await.unwrap_or(depth) });
        }
        assert_eq!(nest.await, 17);
        assert_eq!((now(), me().cancelling()), (ms(5), 0));
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

#[test]
fn reschedule_moves_removes_and_brings_forward() {
    run(async {
        let ended = timeout_scope(ms(5), async |t| {
            assert_eq!(t.when(), Some(ms(5)));
            t.reschedule(ms(100)).expect("it is active");
            sleep(ms(50)).await;
            t.reschedule(None).expect("it is active");
            assert_eq!(t.when(), None);
            sleep(ms(500)).await;
            t.reschedule(now() + ms(3)).expect("it is active");
            assert!(!t.expired());
            pending::<()>().await;
        });
        assert!(ended.await.is_err());
        assert_eq!(now(), ms(553));
        let ended = timeout_scope(None, async |t| {
            // In the past: the next iteration.
            t.reschedule(ms(1)).expect("it is active");
            pending::<()>().await;
        });
        assert!(ended.await.is_err());
        assert_eq!(now(), ms(553));
    });
}

#[test]
fn reschedule_is_refused_when_it_is_too_late() {
    run(async {
        let kept = timeout_scope(ms(5), async |t| {
            let caught = catch_cancelled(pending::<()>()).await;
            assert!(caught.is_err() && t.expired());
            assert_eq!(t.reschedule(ms(100)), Err(TimeoutStateError::Expired));
            t
        })
        .await
        .expect("it was swallowed");
        assert!(kept.expired());
        assert_eq!(kept.reschedule(ms(100)), Err(TimeoutStateError::Finished));
        let kept = timeout_scope(ms(5), async |t| t)
            .await
            .expect("it is in time");
        assert!(!kept.expired());
        assert_eq!(kept.reschedule(None), Err(TimeoutStateError::Finished));
        sleep(ms(50)).await;
        assert!(!kept.expired());
    });
}

#[test]
fn a_timeout_that_is_dropped_in_the_middle_leaves_no_timer_and_no_count() {
    run(async {
        let mut dropped = Box::pin(timeout(ms(50), pending::<()>()));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        assert_eq!(running_loop().statistics().timers, 1);
        drop(dropped);
        assert_eq!(running_loop().statistics().timers, 0);
        // Its expiry is queued already.
        let mut dropped = Box::pin(timeout(Duration::ZERO, pending::<()>()));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        drop(dropped);
        sleep(ms(100)).await;
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_timeout_that_expired_and_is_dropped_before_it_is_polled_again_cancels_nobody() {
    run(async {
        let mut dropped = Box::pin(timeout(ms(5), pending::<()>()));
        let polled = futures_util::poll!(&mut dropped);
        assert!(polled.is_pending());
        sleep(ms(10)).await;
        drop(dropped);
        sleep(ms(10)).await;
        assert_eq!(me().cancelling(), 0);
        let promise = create_future::<()>();
        let mut dropped = Box::pin(timeout(ms(5), promise.future().into_future()));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        sleep(ms(10)).await;
        assert!(promise.cancelled());
        drop(dropped);
        sleep(ms(10)).await;
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
#[should_panic(expected = "no running event loop; await it in a task")]
fn outside_of_a_task_it_panics() {
    let mut outside = Box::pin(timeout_at(None, async {}));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = outside.as_mut().poll(&mut cx);
}

/// What may happen in one tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    Expire,
    Complete,
    Cancel,
}

/// How the task ended, its count, and whether the guard of its body was dropped once.
async fn one_tick(order: [Event; 3], takes: &[Event]) -> (String, u32, String) {
    let log = Log::default();
    let promise = create_future::<u32>();
    let when = now() + ms(5);
    let handle: Rc<std::cell::RefCell<Option<TaskRef>>> = Rc::default();
    let timers: Vec<Event> = order.into_iter().filter(|it| takes.contains(it)).collect();
    let expires = takes.contains(&Event::Expire);
    let task: Task<Result<u32, TimeoutError>> = create_task({
        let (future, guard) = (promise.future(), log.on_drop("dropped"));
        let (handle, promise) = (handle.clone(), promise.clone());
        async move {
            // Timers that are due together fire in the order in which they were set.
            timeout_scope(None, async move |t| {
                let _guard = guard;
                for event in timers {
                    let (handle, promise) = (handle.clone(), promise.clone());
                    match event {
                        Event::Expire => t.reschedule(when).expect("it is active"),
                        Event::Complete => at(when, move || ignore(promise.set_result(7))),
                        Event::Cancel => at(when, move || {
                            let task = handle.borrow();
                            task.as_ref()
                                .expect("it was put there")
                                .cancel_with("cancel");
                        }),
                    }
                }
                future.await.expect("it is not broken")
            })
            .await
        }
    });
    handle.replace(Some(task.as_task_ref()));
    let untyped = task.as_task_ref();
    let ended = task.await;
    let text = match ended {
        Ok(Ok(value)) => format!("value {value}"),
        Ok(Err(_)) => "timeout".into(),
        Err(error) => format!("cancelled by {:?}", cancel_message(Err::<(), _>(error))),
    };
    assert!(!expires || now() >= when);
    (text, untyped.cancelling(), log.take())
}

#[test]
fn h20_timeout_completion_and_cancellation_in_one_tick_in_each_order() {
    use Event::{Cancel, Complete, Expire};
    let table: &[(&[Event], [Event; 3], &str, u32)] = &[
        // A value that comes in the tick of the deadline is lost, in either order.
        (
            &[Expire, Complete],
            [Expire, Complete, Cancel],
            "timeout",
            0,
        ),
        (
            &[Expire, Complete],
            [Complete, Expire, Cancel],
            "timeout",
            0,
        ),
        // A cancellation wins over a value, in either order.
        (
            &[Complete, Cancel],
            [Complete, Cancel, Expire],
            "cancelled",
            1,
        ),
        (
            &[Complete, Cancel],
            [Cancel, Complete, Expire],
            "cancelled",
            1,
        ),
        // And over a timeout.
        (
            &[Expire, Cancel],
            [Expire, Cancel, Complete],
            "cancelled",
            1,
        ),
        (
            &[Expire, Cancel],
            [Cancel, Expire, Complete],
            "cancelled",
            1,
        ),
        // All three.
        (
            &[Expire, Complete, Cancel],
            [Expire, Complete, Cancel],
            "cancelled",
            1,
        ),
        (
            &[Expire, Complete, Cancel],
            [Expire, Cancel, Complete],
            "cancelled",
            1,
        ),
        (
            &[Expire, Complete, Cancel],
            [Complete, Expire, Cancel],
            "cancelled",
            1,
        ),
        (
            &[Expire, Complete, Cancel],
            [Complete, Cancel, Expire],
            "cancelled",
            1,
        ),
        (
            &[Expire, Complete, Cancel],
            [Cancel, Expire, Complete],
            "cancelled",
            1,
        ),
        (
            &[Expire, Complete, Cancel],
            [Cancel, Complete, Expire],
            "cancelled",
            1,
        ),
    ];
    for (takes, order, expected, count) in table {
        let (ended, left, guards) = run(one_tick(*order, takes));
        assert!(ended.starts_with(expected), "{takes:?} {order:?}: {ended}");
        assert_eq!(left, *count, "{takes:?} {order:?}");
        assert_eq!(guards, "dropped", "{takes:?} {order:?}");
    }
}

#[test]
fn h20_what_was_there_before_the_tick_of_the_deadline_is_delivered() {
    run(async {
        let promise = create_future::<u32>();
        let setter = promise.clone();
        at(ms(4), move || ignore(setter.set_result(7)));
        let value = timeout(ms(5), promise.future().into_future()).await;
        assert!(matches!(value, Ok(Ok(7))));
        assert_eq!((now(), me().cancelling()), (ms(4), 0));
    });
}

#[test]
fn h20_the_count_is_back_to_zero_after_many_rounds() {
    run(async {
        for round in 0..100_u64 {
            let promise = create_future::<u64>();
            let setter = promise.clone();
            let when = now() + ms(5);
            if round % 3 == 0 {
                at(when, move || ignore(setter.set_result(round)));
            } else if round % 3 == 1 {
                at(when - ms(1), move || ignore(setter.set_result(round)));
            }
            let ended = timeout_at(when, promise.future().into_future()).await;
            assert_eq!(ended.is_ok(), round % 3 == 1);
            assert_eq!(me().cancelling(), 0);
        }
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

#[test]
fn a_timeout_may_move_to_another_task_with_its_count() {
    run(async {
        let mut moving = Box::pin(timeout(ms(5), pending::<()>()));
        assert!(futures_util::poll!(&mut moving).is_pending());
        let task = create_task(async move {
            let late = moving.await;
            let count = me().cancelling();
            // And the task still can be cancelled, and have timeouts.
            let again = timeout(ms(1), pending::<()>()).await;
            (late.is_err(), count, again.is_err())
        });
        assert_eq!(task.await.ok(), Some((true, 0, true)));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn the_cancellation_of_a_group_or_a_scope_around_goes_through_a_timeout() {
    run(async {
        let scope = ouroloop_task::Scope::new();
        let handle = scope.handle();
        at(ms(5), move || {
            handle.cancel(&Cancelled::new(CancelledBy::Group));
        });
        let caught = scope.catch(timeout(ms(50), pending::<()>())).await;
        assert_eq!(caught.unwrap_err().by(), CancelledBy::Group);
        scope.close();
        assert_eq!(me().uncancel(), 0);
        assert!(matches!(
            create_task(async {}).await,
            Ok::<(), TaskError>(())
        ));
    });
}
