//! `as_completed`: results as they come.

use std::future::{IntoFuture, pending};
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use ouroloop_combinators::{AwaitError, TimeoutError, as_completed, sleep};
use ouroloop_task::{
    IntoTask, Task, TaskError, bare_yield, catch_cancelled, create_future, create_task,
};
use ouroloop_testkit::{Log, TestLoop, hops, ms, quiet_panic, running_loop};

use crate::support::{after, ignore, now, run};

#[test]
fn results_come_in_the_order_of_their_ends() {
    run(async {
        let stream = as_completed([30, 10, 20].map(|n| after(n, n)));
        assert_eq!(stream.len(), 3);
        assert_eq!(stream.size_hint(), (3, Some(3)));
        let order: Vec<_> = stream
            .map(|it| (it.expect("in time"), now()))
            .collect()
            .await;
        assert_eq!(order, [(10, ms(10)), (20, ms(20)), (30, ms(30))]);
    });
}

#[test]
fn those_that_are_done_already_come_first_in_the_order_given() {
    run(async {
        let tasks: Vec<Task<u64>> = [3, 1, 2].map(|n| create_task(after(n, n))).into();
        sleep(ms(5)).await;
        let all = tasks
            .into_iter()
            .map(IntoTask::into_task)
            .chain([after(1, 9).into_task()]);
        let order: Vec<_> = as_completed(all)
            .map(|it| it.expect("in time"))
            .collect()
            .await;
        assert_eq!(order, [3, 1, 2, 9]);
    });
}

#[test]
fn what_is_given_twice_counts_once() {
    run(async {
        let task = create_task(after(1, 5));
        let stream = as_completed([&task, &task]);
        assert_eq!(stream.len(), 1);
        let values: Vec<_> = stream.map(|it| it.expect("in time")).collect().await;
        assert_eq!(values, [5]);
    });
}

#[test]
fn the_next_task_is_the_one_that_was_given() {
    run(async {
        let tasks = [30, 10].map(|n| create_task(after(n, n)));
        let promise = create_future();
        let setter = promise.clone();
        running_loop()
            .call_later(ms(20), move || ignore(setter.set_result(20)))
            .expect("it is open");
        let all = [
            (&tasks[0]).into_task(),
            (&tasks[1]).into_task(),
            (&promise).into_task(),
            after(40, 40).into_task(),
        ];
        let mut stream = as_completed(all);
        let mut next = async || {
            stream
                .next_task()
                .await
                .expect("it is left")
                .expect("in time")
        };
        let earliest = next().await;
        assert!(earliest.is(&tasks[1]) && earliest.done() && !earliest.is(&tasks[0]));
        let (count, value) = hops(earliest.into_future()).await;
        assert_eq!((count, value.ok()), (0, Some(10)));
        assert!(next().await.is(&promise));
        assert!(next().await.is(&tasks[0]));
        let made = next().await;
        assert_eq!(
            made.task_id(),
            Some(tasks[1].id() + 1),
            "the task of the coroutine"
        );
        assert_eq!((made.await.ok(), now()), (Some(40), ms(40)));
        assert!(stream.next_task().await.is_none() && stream.next().await.is_none());
    });
}

#[test]
fn tasks_and_results_may_be_taken_in_turn_and_each_that_is_late_is_a_timeout() {
    run(async {
        let mut stream = as_completed([1, 2, 3, 60, 70].map(|n| after(n, n))).timeout(ms(50));
        assert!(matches!(stream.next().await, Some(Ok(1))));
        let task = stream
            .next_task()
            .await
            .expect("it is left")
            .expect("in time");
        assert!(matches!(stream.next().await, Some(Ok(3))));
        assert_eq!(task.await.ok(), Some(2), "it waited for its owner");
        assert!(matches!(stream.next_task().await, Some(Err(TimeoutError))));
        assert_eq!((stream.len(), now()), (1, ms(50)));
        assert!(matches!(
            stream.next().await,
            Some(Err(AwaitError::Timeout(_)))
        ));
        assert!(stream.next_task().await.is_none());
        sleep(ms(50)).await;
    });
}

#[test]
fn a_task_that_failed_is_the_next_task_all_the_same() {
    run(async {
        let cancelled = create_task(pending::<u32>());
        cancelled.cancel();
        let mut stream = as_completed([cancelled]);
        let task = stream
            .next_task()
            .await
            .expect("there is one")
            .expect("in time");
        assert!(task.cancelled());
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn nothing_at_all_ends_at_once() {
    run(async {
        let none: [Task<()>; 0] = [];
        let mut stream = as_completed(none).timeout(ms(5));
        assert!(stream.is_empty());
        let (count, end) = hops(stream.next()).await;
        assert!(end.is_none() && count == 0);
    });
}

#[test]
fn errors_cancellations_and_panics_are_items() {
    run(async {
        let cancelled = create_task(pending::<u32>());
        cancelled.cancel();
        let panics = create_task(async {
            sleep(ms(1)).await;
            quiet_panic("boom")
        });
        let mut stream = as_completed([cancelled, panics, create_task(after(2, 3))]);
        let next = stream.next().await;
        assert!(matches!(
            next,
            Some(Err(AwaitError::Task(TaskError::Cancelled(_))))
        ));
        let next = stream.next().await;
        assert!(matches!(
            next,
            Some(Err(AwaitError::Task(TaskError::Panicked(_))))
        ));
        assert!(matches!(stream.next().await, Some(Ok(3))));
        assert!(stream.next().await.is_none());
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn at_the_end_of_the_time_each_that_is_left_is_a_timeout_and_goes_on() {
    run(async {
        let tasks = [5, 50, 60].map(|n| create_task(after(n, n)));
        let left = [&tasks[1], &tasks[2]].map(|task| task.as_task_ref());
        let stream = as_completed(tasks.each_ref()).timeout(ms(10));
        let items: Vec<_> = stream.collect().await;
        assert!(matches!(items[0], Ok(5)));
        assert!(
            items[1..]
                .iter()
                .all(|it| matches!(it, Err(AwaitError::Timeout(_))))
        );
        assert_eq!((items.len(), now()), (3, ms(10)));
        assert!(
            left.iter()
                .all(|task| !task.done() && task.cancelling() == 0)
        );
        sleep(ms(100)).await;
        assert!(left.iter().all(|task| task.done() && !task.cancelled()));
    });
}

#[test]
fn the_timer_goes_when_all_are_done_or_the_stream_is_dropped() {
    run(async {
        let items: Vec<_> = as_completed([after(1, 1), after(2, 2)])
            .timeout(ms(1000))
            .collect()
            .await;
        assert_eq!(items.len(), 2);
        assert_eq!(running_loop().statistics().timers, 0);
        let dropped = as_completed([create_task(after(1, 1))]).timeout(ms(1000));
        drop(dropped);
        assert_eq!(running_loop().statistics().timers, 0);
        sleep(ms(5)).await;
        let no_time = as_completed([create_task(after(1, 1))]).timeout(Duration::ZERO);
        let items: Vec<_> = no_time.collect().await;
        assert!(matches!(items[0], Err(AwaitError::Timeout(_))));
        sleep(ms(5)).await;
    });
}

#[test]
fn dropping_the_stream_leaves_the_tasks_running() {
    let log = Log::default();
    run({
        let log = log.clone();
        async move {
            let work = |n: u64| {
                let log = log.clone();
                async move {
                    sleep(ms(n)).await;
                    log.say(n.to_string());
                }
            };
            let mut stream = as_completed([work(1), work(2), work(3)]);
            assert!(stream.next().await.is_some());
            drop(stream);
            sleep(ms(10)).await;
        }
    });
    assert_eq!(log.take(), "1 2 3");
}

#[test]
fn a_cancelled_wait_for_the_next_item_takes_none_away() {
    run(async {
        let task = create_task(async {
            let mut stream = as_completed([after(5, 5), after(10, 10)]);
            let caught = catch_cancelled(stream.next()).await;
            assert!(caught.is_err());
            let first = stream.next().await.expect("there is one").expect("in time");
            let caught = catch_cancelled(stream.next())
                .await
                .expect("one request only");
            (first, caught.expect("there is one").expect("in time"))
        });
        sleep(ms(1)).await;
        task.cancel();
        assert_eq!(task.await.ok(), Some((5, 10)));
    });
}

#[test]
fn an_item_that_arrives_in_the_tick_of_a_cancellation_stays_in_the_stream() {
    run(async {
        let task = create_task(async {
            let mut stream = as_completed([after(5, 5)]);
            let caught = catch_cancelled(stream.next()).await;
            (
                caught.is_err(),
                stream.next().await.expect("there is one").ok(),
            )
        });
        let other = task.as_task_ref();
        bare_yield().await;
        bare_yield().await;
        // The sleep fires, the child ends, its callback puts the item and wakes the reader.
        sleep(ms(5)).await;
        bare_yield().await;
        other.cancel();
        assert_eq!(task.await.ok(), Some((true, Some(5))));
    });
}

#[test]
fn an_item_taken_later_than_the_time_allowed_was_in_time_all_the_same() {
    run(async {
        let mut stream = as_completed([after(1, 1), after(50, 50)]).timeout(ms(10));
        sleep(ms(100)).await;
        assert!(matches!(stream.next().await, Some(Ok(1))));
        assert!(matches!(
            stream.next().await,
            Some(Err(AwaitError::Timeout(_)))
        ));
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_counts() {
    run(async {
        let promise = create_future::<u32>();
        let mut stream = as_completed([promise.future()]);
        assert!(
            stream.next().now_or_never().is_none(),
            "polled by a waker that does nothing"
        );
        let setter = promise.clone();
        running_loop()
            .call_later(ms(5), move || ignore(setter.set_result(4)))
            .expect("it is open");
        assert!(matches!(stream.next().await, Some(Ok(4))));
        assert_eq!(now(), ms(5));
    });
}

#[test]
fn an_error_in_a_stream_nobody_reads_is_reported() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let panics = create_task(async { quiet_panic("unread") });
        let stream = as_completed([panics]);
        let _: &ouroloop_combinators::AsCompleted<()> = &stream;
        sleep(ms(1)).await;
        drop(stream);
    });
    assert_eq!(
        test_loop.take_reports(),
        ["Task exception was never retrieved"]
    );
}
