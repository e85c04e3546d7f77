//! `wait_for`: the limit, what it cuts off, and what comes through all the same.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::{AwaitError, TimeoutError, gather, sleep, wait_for};
use ouroloop_task::{
    TaskError, bare_yield, catch_cancelled, create_future, create_task, current_task,
};
use ouroloop_testkit::{Log, cancel_message, hops, ms, quiet_panic};

use crate::support::{Failure, Oops, after, me, now, run, stubborn};

fn timed_out<T>(ended: &Result<T, AwaitError>) -> bool {
    matches!(ended, Err(AwaitError::Timeout(TimeoutError)))
}

#[test]
fn a_coroutine_runs_in_its_callers_task() {
    run(async {
        let own = me().id();
        for limit in [None, Some(ms(5))] {
            let id = wait_for(async { current_task().map(|task| task.id()) }, limit).await;
            assert_eq!(id.ok().flatten(), Some(own));
        }
        assert_eq!(wait_for(after(3, "value"), ms(5)).await.ok(), Some("value"));
        assert_eq!(now(), ms(3));
    });
}

#[test]
fn a_coroutine_that_takes_too_long_is_dropped_at_the_deadline() {
    run(async {
        let log = Log::default();
        let guard = log.on_drop("dropped");
        let late = wait_for(
            async move {
                let _guard = guard;
                pending::<()>().await;
            },
            ms(5),
        )
        .await;
        assert!(timed_out(&late));
        assert_eq!((now(), log.take().as_str()), (ms(5), "dropped"));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_task_that_takes_too_long_is_cancelled_and_waited_for() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                let Err(cancelled) = catch_cancelled(pending::<()>()).await else {
                    unreachable!("it waits for ever")
                };
                sleep(ms(10)).await;
                log.say("cleaned");
                cancelled.raise().await;
            }
        });
        let untyped = task.as_task_ref();
        let late = wait_for(task, ms(5)).await;
        assert!(timed_out(&late));
        assert!(untyped.cancelled());
        assert_eq!((now(), log.take().as_str()), (ms(15), "cleaned"));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_task_that_swallows_gives_its_value_and_one_that_fails_its_error() {
    run(async {
        assert_eq!(
            wait_for(stubborn(3, "value"), ms(5)).await.ok(),
            Some("value")
        );
        assert_eq!(me().cancelling(), 0);
        let fails = create_task(async {
            let _ = catch_cancelled(pending::<()>()).await;
            Err::<(), _>(Oops("while cleaning"))
        });
        let ended = wait_for(fails, ms(5)).await;
        assert!(matches!(ended, Ok(Err(Oops("while cleaning")))));
        assert_eq!(me().cancelling(), 0);
        let panics = create_task(async {
            let _ = catch_cancelled(pending::<()>()).await;
            quiet_panic("while cleaning")
        });
        let ended: Result<(), _> = wait_for(panics, ms(5)).await;
        assert!(matches!(
            ended,
            Err(AwaitError::Task(TaskError::Panicked(_)))
        ));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn no_time_at_all() {
    run(async {
        let done = create_task(async { 1 });
        bare_yield().await;
        assert_eq!(wait_for(&done, Duration::ZERO).await.ok(), Some(1));

        let log = Log::default();
        let never = {
            let log = log.clone();
            async move { log.say("ran") }
        };
        assert!(timed_out(&wait_for(never, Duration::ZERO).await));

        let fresh = create_task({
            let log = log.clone();
            async move { log.say("ran") }
        });
        assert!(timed_out(&wait_for(&fresh, Duration::ZERO).await));
        assert!(fresh.cancelled());
        assert_eq!(log.take(), "");

        let swallows = stubborn(2, 7);
        bare_yield().await;
        assert_eq!(wait_for(swallows, Duration::ZERO).await.ok(), Some(7));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn no_time_at_all_for_promises() {
    run(async {
        let promise = create_future::<u32>();
        assert!(timed_out(&wait_for(promise.future(), Duration::ZERO).await));
        assert!(promise.cancelled());
        let set = create_future::<u32>();
        set.set_result(3).expect("it is pending");
        assert_eq!(wait_for(&set, Duration::ZERO).await.ok(), Some(3));
        let failed = create_future::<u32>();
        failed.set_exception(Oops("error")).expect("it is pending");
        let ended = wait_for(failed.future(), Duration::ZERO).await;
        assert!(matches!(ended, Err(AwaitError::Task(TaskError::Failed(_)))));
    });
}

#[test]
fn no_time_at_all_for_a_gather_is_a_timeout() {
    run(async {
        let gathering = gather([create_task(pending::<Result<u32, Failure>>())]).start();
        bare_yield().await;
        let late = wait_for(gathering, Duration::ZERO).await;
        assert!(timed_out(&late), "{late:?}");
    });
}

#[test]
fn some_time_for_a_gather_is_a_timeout_too() {
    run(async {
        let children = [pending::<Result<u32, Failure>>(), pending()];
        let late = wait_for(gather(children).start(), ms(5)).await;
        assert!(timed_out(&late), "{late:?}");
        assert_eq!((now(), me().cancelling()), (ms(5), 0));
    });
}

#[test]
fn a_cancelled_wait_for_cancels_what_it_waits_for() {
    run(async {
        for limit in [None, Some(ms(100))] {
            let inner = create_task(pending::<()>());
            let of_inner = inner.as_task_ref();
            let task = create_task(wait_for(inner, limit));
            bare_yield().await;
            bare_yield().await;
            task.cancel_with("down");
            assert_eq!(of_inner.cancelling(), 1);
            assert_eq!(cancel_message(task.await).as_deref(), Some("down"));
            assert!(of_inner.cancelled());
        }
        assert!(now() < ms(100));
    });
}

#[test]
fn somebody_elses_cancellation_comes_as_a_value() {
    run(async {
        let inner = create_task(pending::<()>());
        let of_inner = inner.as_task_ref();
        create_task(async move { of_inner.cancel_with("else") });
        let Err(AwaitError::Task(error)) = wait_for(inner, ms(5)).await else {
            panic!("it was cancelled")
        };
        assert_eq!(cancel_message(Err::<(), _>(error)).as_deref(), Some("else"));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_cancellation_while_it_waits_for_what_it_cancelled_unwinds() {
    run(async {
        let inner = Rc::new(stubborn(20, ()));
        let waiting = create_task({
            let inner = inner.clone();
            async move { wait_for(&*inner, ms(5)).await.is_ok() }
        });
        sleep(ms(10)).await;
        assert_eq!(inner.cancelling(), 1);
        waiting.cancel();
        let ended = waiting.await;
        assert!(matches!(ended, Err(TaskError::Cancelled(_))));
        assert!(
            inner.cancelled(),
            "the second request interrupts its clean-up"
        );
        assert_eq!(now(), ms(10));
    });
}

#[test]
fn a_cancellation_during_a_wait_without_time_ends_only_the_wait() {
    run(async {
        let inner = Rc::new(stubborn(20, ()));
        bare_yield().await;
        let waiting = create_task({
            let inner = inner.clone();
            async move { wait_for(&*inner, Duration::ZERO).await.is_ok() }
        });
        sleep(ms(10)).await;
        waiting.cancel();
        assert!(matches!(waiting.await, Err(TaskError::Cancelled(_))));
        assert!(!inner.done());
        assert_eq!((&*inner).await.ok(), Some(&()));
    });
}

#[test]
fn the_value_of_a_task_is_moved_out_and_that_of_a_reference_cloned() {
    run(async {
        let value = Rc::new(());
        let moved = wait_for(create_task(after(1, value.clone())), ms(5)).await;
        assert!(moved.is_ok());
        assert_eq!(Rc::strong_count(&value), 2);
        let task = create_task(after(1, value.clone()));
        let cloned = wait_for(&task, ms(5)).await;
        assert!(cloned.is_ok());
        assert_eq!(Rc::strong_count(&value), 4);
        assert_eq!(hops(wait_for(&task, ms(5))).await.0, 0);
    });
}
