//! `sleep`: how long, in which order, and what is left when it is dropped.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use ouroloop_combinators::sleep;
use ouroloop_task::{create_task, raise_cancelled};
use ouroloop_testkit::{Log, hops, ms, running_loop};

use crate::support::{ignore, now, run};

#[test]
fn nothing_is_one_iteration_without_a_timer_and_more_are_two() {
    run(async {
        assert_eq!(hops(sleep(Duration::ZERO)).await.0, 1);
        assert_eq!(now(), Duration::ZERO);
        assert_eq!(hops(sleep(Duration::from_nanos(1))).await.0, 2);
        assert_eq!(now(), Duration::from_nanos(1));
        assert_eq!(hops(sleep(ms(500))).await.0, 2);
        assert_eq!(now(), Duration::from_nanos(500_000_001));
    });
}

#[test]
fn the_time_runs_from_the_first_poll() {
    run(async {
        let later = sleep(ms(10));
        sleep(ms(100)).await;
        later.await;
        assert_eq!(now(), ms(110));
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines_and_equal_ones_in_that_of_their_beginning() {
    run(async {
        let log = Log::default();
        let tasks: Vec<_> = [("c", 30), ("a1", 10), ("b", 20), ("a2", 10), ("a3", 10)]
            .map(|(name, count)| {
                let log = log.clone();
                create_task(async move {
                    sleep(ms(count)).await;
                    log.say(name);
                })
            })
            .into();
        for task in tasks {
            task.await.expect("it has a value");
        }
        assert_eq!(log.take(), "a1 a2 a3 b c");
    });
}

#[test]
fn equal_deadlines_wake_in_one_iteration() {
    run(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| create_task(async { hops(sleep(ms(7))).await.0 }))
            .collect();
        for task in tasks {
            assert_eq!(task.await.ok(), Some(2));
        }
        assert_eq!(now(), ms(7));
    });
}

#[test]
fn a_dropped_or_cancelled_sleep_takes_its_timer_along() {
    run(async {
        {
            let mut dropped = pin!(sleep(ms(1000)));
            assert!(poll!(&mut dropped).is_pending());
            assert_eq!(running_loop().statistics().timers, 1);
        }
        assert_eq!(running_loop().statistics().timers, 0);
        let task = create_task(sleep(ms(1000)));
        sleep(Duration::ZERO).await;
        assert_eq!(running_loop().statistics().timers, 1);
        task.cancel();
        assert!(task.await.is_err());
        assert_eq!(running_loop().statistics().timers, 0);
        assert_eq!(now(), Duration::ZERO);
    });
}

#[test]
fn the_longest_time_of_all_does_not_overflow() {
    run(async {
        sleep(ms(5)).await;
        let mut for_ever = pin!(sleep(Duration::MAX));
        assert!(poll!(&mut for_ever).is_pending());
        sleep(Duration::from_secs(3600 * 24 * 365 * 100)).await;
        assert!(poll!(&mut for_ever).is_pending());
    });
}

#[test]
fn a_cancelled_sleep_that_is_due_in_the_same_iteration_is_cancelled() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                let _guard = log.on_drop("left");
                sleep(ms(5)).await;
                log.say("slept");
                raise_cancelled().await;
            }
        });
        let other = task.as_task_ref();
        running_loop()
            .call_at(ms(5), move || ignore(other.cancel()))
            .expect("it is open");
        assert!(task.await.is_err());
        assert_eq!(log.take(), "left");
    });
}

#[test]
fn outside_of_a_loop_it_panics_and_says_where_it_was_called() {
    let payload = std::panic::catch_unwind(|| {
        let mut outside = Box::pin(sleep(ms(1)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = outside.as_mut().poll(&mut cx);
    })
    .expect_err("no loop is running");
    let text = payload.downcast_ref::<String>().expect("it is formatted");
    assert!(
        text.contains(file!()) && text.contains("no running event loop"),
        "{text}"
    );
}
