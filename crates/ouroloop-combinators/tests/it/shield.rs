//! `shield`: what a cancellation does and does not reach.

use std::future::{IntoFuture, pending};

use ouroloop_combinators::{gather, shield, sleep, timeout};
use ouroloop_task::{
    AsFutureRef, TaskError, bare_yield, catch_cancelled, create_future, create_task,
};
use ouroloop_testkit::{Log, TestLoop, cancel_message, hops, ms, quiet_panic};

use crate::support::{Failure, after, now, run};

#[test]
fn it_gives_what_the_task_gives() {
    run(async {
        let task = create_task(after(5, 1));
        assert_eq!(shield(&task).await.ok(), Some(&1));
        assert_eq!(shield(&task).await.ok(), Some(&1), "it is done now");
        assert_eq!(shield(task).await.ok(), Some(1), "and by value");
        let promise = create_future::<u32>();
        promise.set_result(2).expect("it is pending");
        assert_eq!(shield(promise.future()).await.ok(), Some(2));
    });
}

#[test]
fn a_cancelled_task_leaves_what_it_shields_running() {
    run(async {
        let log = Log::default();
        let saving = std::rc::Rc::new(create_task({
            let log = log.clone();
            async move {
                sleep(ms(10)).await;
                log.say("saved");
                7
            }
        }));
        let outer = create_task({
            let saving = saving.clone();
            async move { shield(&*saving).await.copied() }
        });
        sleep(ms(5)).await;
        outer.cancel_with("outer");
        let (count, ended) = hops(outer).await;
        assert_eq!(cancel_message(ended).as_deref(), Some("outer"));
        assert_eq!(count, 2, "the shield is cancelled at once");
        assert!(!saving.done() && saving.cancelling() == 0);
        assert_eq!((&*saving).await.ok(), Some(&7));
        assert_eq!(log.take(), "saved");
    });
}

#[test]
fn a_shield_can_be_cancelled_before_its_task_has_started() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                log.say("start");
                sleep(ms(1)).await;
                log.say("end");
            }
        });
        let shielded = shield(&task);
        assert!(shielded.cancel_with("shield"));
        assert!(shielded.cancelled() && shielded.done() && !shielded.cancel());
        assert_eq!(shielded.inner().as_future_ref(), task.as_future_ref());
        let (count, ended) = hops(shielded).await;
        assert_eq!(count, 0);
        assert_eq!(
            cancel_message(ended.map(|&()| ())).as_deref(),
            Some("shield")
        );
        log.say("canceled");
        task.await.expect("it was left alone");
        assert_eq!(log.take(), "canceled start end");
    });
}

#[test]
fn a_task_that_is_cancelled_itself_cancels_its_shields() {
    run(async {
        let task = create_task(pending::<()>());
        let of_task = task.as_task_ref();
        let waiting = create_task(async move {
            let ended = shield(&task).await;
            matches!(ended, Err(TaskError::Cancelled(_)))
        });
        bare_yield().await;
        of_task.cancel_with("inner");
        assert_eq!(waiting.await.ok(), Some(true), "as a value");
    });
}

#[test]
fn errors_come_through() {
    run(async {
        let promise = create_future::<()>();
        let future = promise.future();
        create_task(async move { promise.set_exception("error") });
        let error = shield(future).await.expect_err("it failed");
        assert_eq!(error.to_string(), "error");
        let panics = create_task(async {
            bare_yield().await;
            quiet_panic("boom")
        });
        let ended: Result<(), _> = shield(panics).await;
        assert!(matches!(ended, Err(TaskError::Panicked(_))));
    });
}

#[test]
fn an_error_after_the_shield_was_cancelled_is_reported_as_never_retrieved() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let task = create_task(async {
            sleep(ms(5)).await;
            quiet_panic("lost")
        });
        let late: Result<Result<&(), _>, _> = timeout(ms(1), shield(&task).into_future()).await;
        assert!(late.is_err());
        drop(task);
        sleep(ms(10)).await;
    });
    assert_eq!(
        test_loop.take_reports(),
        ["Task exception was never retrieved"]
    );
}

#[test]
fn a_dropped_shield_leaves_the_task_running_and_makes_no_report() {
    run(async {
        let task = create_task(after(5, 1));
        drop(shield(&task));
        {
            let mut wait = Box::pin(shield(&task).into_future());
            assert!(futures_util::poll!(&mut wait).is_pending());
        }
        assert_eq!(task.await.ok(), Some(1));
        assert_eq!(now(), ms(5));
    });
}

#[test]
fn several_shields_of_one_task_do_not_disturb_each_other() {
    run(async {
        let task = create_task(after(5, 1));
        let (one, two) = (shield(&task), shield(&task));
        one.cancel();
        assert!(!two.done());
        assert_eq!(two.await.ok(), Some(&1));
        assert!(matches!(one.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn a_gather_is_shielded_as_well() {
    run(async {
        let gathering = gather([after(5, Ok::<_, Failure>(1)), after(6, Ok(2))]).start();
        let late = timeout(ms(1), shield(&gathering).into_future()).await;
        assert!(late.is_err());
        assert_eq!(gathering.await.expect("nothing fails"), [1, 2]);
    });
}

#[test]
fn a_caught_cancellation_lets_the_task_wait_on_for_what_it_shielded() {
    run(async {
        let outer = create_task(async {
            let saving = create_task(after(20, "saved"));
            let caught = catch_cancelled(shield(&saving).into_future()).await;
            assert!(caught.is_err());
            saving.await.expect("it was left alone")
        });
        sleep(ms(5)).await;
        outer.cancel();
        assert_eq!(outer.await.ok(), Some("saved"));
        assert_eq!(now(), ms(20));
    });
}
