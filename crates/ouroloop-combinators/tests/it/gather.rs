//! `gather`: results in order, the first error, the ways to read it, and its cancellation.

use std::cell::Cell;
use std::future::{IntoFuture, pending};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use ouroloop_combinators::{gather, sleep, wait};
use ouroloop_task::{
    AsFutureRef, Eventual, IntoTask, TaskBuilder, TaskError, bare_yield, catch_cancelled,
    create_future, create_task,
};
use ouroloop_testkit::{Log, TestLoop, cancel_message, hops, ms, quiet_panic};

use crate::support::{Failure, Oops, after, fail_after, me, now, ok_after, run, stubborn};

#[test]
fn results_come_in_the_order_of_the_arguments_and_the_work_is_done_beside_each_other() {
    run(async {
        let values = gather([ok_after(30, 3), ok_after(10, 1), ok_after(20, 2)]).await;
        assert_eq!(values.expect("nothing fails"), [3, 1, 2]);
        assert_eq!(now(), ms(30));
    });
}

#[test]
fn coroutines_become_tasks_when_gather_is_called_and_start_in_order() {
    run(async {
        let log = Log::default();
        let child = |name: &'static str| {
            let log = log.clone();
            async move {
                log.say(name);
                Ok::<_, Failure>(())
            }
        };
        let before = create_task(async {}).id();
        let gathering = gather([child("a"), child("b"), child("c")]);
        assert_eq!(create_task(async {}).id(), before + 4);
        log.say("gathered");
        bare_yield().await;
        log.say("later");
        gathering.await.expect("nothing fails");
        assert_eq!(log.take(), "gathered a b c later");
    });
}

#[test]
fn what_is_given_twice_is_one_child_and_gives_its_value_twice() {
    run(async {
        let runs = Rc::new(Cell::new(0));
        let task = create_task({
            let runs = runs.clone();
            async move {
                runs.set(runs.get() + 1);
                after(1, Ok::<_, Failure>(7)).await
            }
        });
        let values = gather([&task, &task, &task]).await;
        assert_eq!(values.expect("nothing fails"), [7, 7, 7]);
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn the_first_error_wins_at_once_and_the_others_go_on() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let log = Log::default();
        let slow = {
            let log = log.clone();
            create_task(async move {
                sleep(ms(20)).await;
                log.say("slow went on");
                Ok::<_, Failure>(1)
            })
        };
        let failed = gather([
            slow.into_task(),
            fail_after(10, "first").into_task(),
            fail_after(15, "second").into_task(),
        ])
        .await;
        assert_eq!(failed.expect_err("one fails").text(), "first");
        assert_eq!(now(), ms(10));
        assert_eq!(log.take(), "");
        sleep(ms(20)).await;
        assert_eq!(log.take(), "slow went on");
    });
    // The later error counts as read.
    assert_eq!(test_loop.take_reports(), [""; 0]);
}

#[test]
fn of_those_that_are_done_already_the_first_in_order_decides() {
    run(async {
        let tasks = [fail_after(2, "later"), fail_after(1, "earlier")].map(create_task);
        sleep(ms(5)).await;
        let (count, failed) = hops(gather(tasks)).await;
        assert_eq!(failed.expect_err("both failed").text(), "later");
        assert_eq!(count, 0);
    });
}

#[test]
fn errors_of_two_types_become_one_by_question_mark() {
    async fn reads() -> io::Result<usize> {
        Ok(3)
    }
    run(async {
        let sum = async {
            let sizes = gather([reads(), reads()]).await?;
            let (a, b) = gather!(reads(), async { Ok::<_, io::Error>("text") }).await?;
            Ok::<_, io::Error>(sizes.len() + a + b.len())
        };
        assert_eq!(sum.await.expect("nothing fails"), 9);
        let panics = gather([async { panic_quietly() }]).await;
        assert!(
            panics
                .expect_err("it panicked")
                .to_string()
                .contains("boom")
        );
    });
}

fn panic_quietly() -> io::Result<()> {
    quiet_panic("boom")
}

#[test]
fn return_exceptions_gives_every_result() {
    run(async {
        let cancelled = create_task(pending::<Result<u32, Failure>>());
        cancelled.cancel_with("alone");
        let results = gather([
            ok_after(3, 3).into_task(),
            fail_after(1, "bad").into_task(),
            cancelled.into_task(),
        ])
        .return_exceptions()
        .await
        .expect("nobody cancelled the gather");
        assert_eq!(now(), ms(3));
        assert!(matches!(results[0], Ok(3)));
        assert!(matches!(results[1], Err(Failure::Oops(Oops("bad")))));
        let Err(Failure::Task(error)) = &results[2] else {
            panic!("it was cancelled");
        };
        assert_eq!(
            cancel_message(Err::<(), _>(error.clone())).as_deref(),
            Some("alone")
        );
    });
}

#[test]
fn values_takes_outputs_that_are_no_results() {
    run(async {
        let values = gather([after(2, "b"), after(1, "a")]).values().await;
        assert_eq!(values.expect("nothing fails"), ["b", "a"]);
        let results = gather([after(2, Err::<(), _>("an error")), after(1, Ok(()))])
            .values()
            .await;
        assert_eq!(
            results.expect("an Err is a value here"),
            [Err("an error"), Ok(())]
        );
    });
}

#[test]
fn return_results_tells_panics_cancellations_and_values_apart() {
    run(async {
        let cancelled = create_task(pending::<u32>());
        cancelled.cancel();
        let panics = create_task(async { quiet_panic("boom") });
        let results = gather([create_task(async { 1 }), cancelled, panics])
            .return_results()
            .await
            .expect("nobody cancelled the gather");
        assert!(matches!(results[0], Ok(1)));
        assert!(matches!(results[1], Err(TaskError::Cancelled(_))));
        assert!(matches!(results[2], Err(TaskError::Panicked(_))));
    });
}

#[test]
fn a_child_that_is_cancelled_alone_ends_the_gather_and_leaves_its_siblings() {
    run(async {
        let victim = create_task(pending::<Result<u32, Failure>>());
        let sibling = create_task(ok_after(10, 1));
        let (of_victim, of_sibling) = (victim.as_task_ref(), sibling.as_task_ref());
        let waiting = create_task(async move { gather([victim, sibling]).await });
        bare_yield().await;
        bare_yield().await;
        of_victim.cancel_with("alone");
        let Ok(Err(Failure::Task(error))) = (&waiting).await else {
            panic!("the gather ends like an error");
        };
        assert_eq!(
            cancel_message(Err::<(), _>(error.clone())).as_deref(),
            Some("alone")
        );
        assert_eq!(waiting.cancelling(), 0);
        assert!(!waiting.cancelled() && !of_sibling.done());
        sleep(ms(10)).await;
        assert!(of_sibling.done() && !of_sibling.cancelled());
    });
}

#[test]
fn cancelling_a_gather_asks_every_child_that_is_not_done() {
    run(async {
        let done = create_task(async { Ok::<u32, Failure>(0) });
        bare_yield().await;
        let children = [
            done,
            create_task(pending::<Result<u32, Failure>>()),
            create_task(ok_after(1000, 1)),
        ];
        let refs = [0, 1, 2].map(|place: usize| children[place].as_task_ref());
        let gathering = gather(children).start();
        bare_yield().await;
        assert!(gathering.cancel_with("all"));
        assert!(!gathering.done(), "it waits for the first that ends");
        assert_eq!(refs.each_ref().map(|it| it.cancelling()), [0, 1, 1]);
        let error = gathering.await.expect_err("it was cancelled");
        let Failure::Task(error) = error else {
            panic!("not a cancellation: {error}")
        };
        assert_eq!(cancel_message(Err::<(), _>(error)).as_deref(), Some("all"));
        assert!(refs[1].cancelled() && refs[2].cancelled() && !refs[0].cancelled());
    });
}

#[test]
fn a_cancelled_gather_stores_its_cancellation_as_an_error() {
    run(async {
        let gathering = gather([create_task(pending::<Result<u32, Failure>>())]).start();
        bare_yield().await;
        gathering.cancel();
        sleep(ms(1)).await;
        assert!(gathering.done());
        let future = gathering.as_future_ref();
        assert!(!future.cancelled(), "as asyncio has it");
        assert!(future.exception().expect("it has one").is_cancelled());
        assert!(!gathering.cancel(), "it is done");
    });
}

#[test]
fn with_return_exceptions_a_cancelled_gather_waits_for_all_and_ends_cancelled_all_the_same() {
    run(async {
        let quick = create_task(pending::<Result<u32, Failure>>());
        let slow = stubborn(20, Ok::<u32, Failure>(1));
        let gathering = gather([quick, slow]).return_exceptions();
        bare_yield().await;
        assert!(gathering.cancel());
        let ended = gathering.await;
        assert_eq!(now(), ms(20));
        assert!(matches!(ended, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn a_gather_whose_children_all_swallow_ends_cancelled_all_the_same() {
    run(async {
        let children = [stubborn(5, Ok::<u32, Failure>(1)), stubborn(10, Ok(2))];
        let gathering = gather(children).start();
        bare_yield().await;
        assert!(gathering.cancel());
        let ended = gathering.await;
        assert!(matches!(ended, Err(Failure::Task(TaskError::Cancelled(_)))));
        assert_eq!(now(), ms(10));
    });
}

#[test]
fn the_task_that_awaits_a_gather_unwinds_when_it_is_cancelled() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            let children = [1, 2].map(|n| {
                let guard = log.on_drop(&format!("child{n}"));
                async move {
                    let _guard = guard;
                    pending::<Result<u32, Failure>>().await
                }
            });
            async move {
                let _guard = log.on_drop("outer");
                let _ = gather(children).await;
                log.say("not reached");
            }
        });
        bare_yield().await;
        bare_yield().await;
        task.cancel_with("down");
        // Both children end, their callbacks end the gather, and that wakes the task.
        let (count, ended) = hops(task).await;
        assert_eq!(count, 4);
        assert_eq!(cancel_message(ended).as_deref(), Some("down"));
        assert_eq!(log.take(), "child1 child2 outer");
    });
}

#[test]
fn a_gather_whose_children_are_all_done_refuses_and_its_task_is_cancelled_all_the_same() {
    run(async {
        let children = [create_task(async { Ok::<u32, Failure>(1) })];
        let child = children[0].as_task_ref();
        let gathering = Rc::new(gather(children).start());
        let task = create_task({
            let gathering = gathering.clone();
            async move { (&*gathering).await }
        });
        bare_yield().await;
        assert!(child.done() && !gathering.done(), "its callback is queued");
        assert!(!gathering.cancel());
        task.cancel();
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        assert_eq!(gathering.result().ok(), Some(vec![1]));
    });
}

#[test]
fn after_its_first_error_a_gather_cannot_be_cancelled_and_its_siblings_go_on() {
    run(async {
        let sibling = create_task(ok_after(10, 1));
        let of_sibling = sibling.as_task_ref();
        let gathering = gather([create_task(fail_after(1, "bad")), sibling]).start();
        sleep(ms(5)).await;
        assert!(gathering.done() && !gathering.cancel());
        assert_eq!(of_sibling.cancelling(), 0);
        assert_eq!(gathering.await.expect_err("one failed").text(), "bad");
        sleep(ms(10)).await;
        assert!(of_sibling.done() && !of_sibling.cancelled());
    });
}

#[test]
fn a_gathering_can_be_kept_asked_and_awaited_more_than_once() {
    run(async {
        let log = Log::default();
        let gathering = gather([ok_after(1, 1), ok_after(2, 2)]).start();
        assert!(!gathering.done());
        assert!(matches!(
            gathering.result(),
            Err(Failure::Task(TaskError::InvalidState))
        ));
        gathering.add_done_callback({
            let log = log.clone();
            move |done| log.say(format!("done:{}", done.done()))
        });
        assert_eq!((&gathering).await.expect("nothing fails"), [1, 2]);
        assert_eq!(gathering.result().expect("it is done"), [1, 2]);
        bare_yield().await;
        assert_eq!(log.take(), "done:true");
        assert_eq!(gathering.await.expect("nothing fails"), [1, 2]);
    });
}

#[test]
fn gathers_nest_and_a_request_goes_through() {
    run(async {
        let leaf = create_task(pending::<Result<u32, Failure>>());
        let of_leaf = leaf.as_task_ref();
        let inner = gather([leaf, create_task(ok_after(1, 1))]).start();
        let outer = gather([
            inner.into_task(),
            create_task(async { Ok(vec![2]) }).into_task(),
        ]);
        let outer: ouroloop_combinators::Gathering<Result<Vec<u32>, Failure>, _> = outer.start();
        sleep(ms(5)).await;
        assert!(outer.cancel());
        assert_eq!(of_leaf.cancelling(), 1);
        assert!(matches!(
            outer.await,
            Err(Failure::Task(TaskError::Cancelled(_)))
        ));
    });
}

#[test]
fn tasks_promises_and_coroutines_can_be_mixed() {
    run(async {
        let promise = create_future::<Result<u32, Failure>>();
        let shared = create_task(async { Ok::<u32, String>(2) });
        let future = promise.future();
        create_task(async move { promise.set_result(Ok(3)).expect("it is pending") });
        let fixed = Eventual::new(shared.as_future_ref(), || Ok(Ok::<u32, Failure>(9)));
        let (a, b, c) = gather!(
            async { Ok::<_, Failure>("a") },
            fixed,
            create_task(async move { future.await.map_err(Failure::from)? })
        )
        .await
        .expect("nothing fails");
        assert_eq!((a, b, c), ("a", 9, 3));
    });
}

#[test]
fn dropping_a_gather_leaves_its_children_running() {
    run(async {
        let log = Log::default();
        let child = |n: u64| {
            let log = log.clone();
            async move {
                sleep(ms(n)).await;
                log.say(n.to_string());
                Ok::<_, Failure>(())
            }
        };
        drop(gather([child(1), child(2)]));
        let mut wait = Box::pin(gather([child(3), child(4)]).into_future());
        assert!(futures_util::poll!(&mut wait).is_pending());
        drop(wait);
        sleep(ms(10)).await;
        assert_eq!(log.take(), "1 2 3 4");
    });
}

#[test]
fn an_error_of_a_child_of_a_dropped_gather_is_not_lost() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        drop(gather([async { Err::<(), Failure>(Oops("unread").into()) }]).start());
        sleep(ms(1)).await;
    });
    test_loop.close();
    assert_eq!(test_loop.take_reports().len(), 1);
}

#[test]
fn an_undelivered_request_at_a_child_loses_to_its_error() {
    run(async {
        let child = TaskBuilder::new().create_task(async {
            me().cancel();
            Err::<u32, _>(Failure::from(Oops("wins")))
        });
        let failed = gather([child]).await;
        assert_eq!(failed.expect_err("it failed").text(), "wins");
    });
}

#[test]
fn a_caught_cancellation_of_the_gathering_task_leaves_it_usable() {
    run(async {
        let task = create_task(async {
            let children = [create_task(pending::<Result<u32, Failure>>())];
            let caught = catch_cancelled(gather(children).into_future()).await;
            assert!(caught.is_err());
            gather([ok_after(1, 1)]).await.expect("nothing fails")
        });
        bare_yield().await;
        bare_yield().await;
        task.cancel();
        assert_eq!(task.await.ok(), Some(vec![1]));
    });
}

#[test]
fn wide_tuples_keep_their_places() {
    run(async {
        let ok = |n: u32| async move { Ok::<_, Failure>(n) };
        let all = gather!(ok(1), ok(2), ok(3), ok(4), ok(5), ok(6), ok(7), ok(8)).await;
        assert_eq!(all.expect("nothing fails"), (1, 2, 3, 4, 5, 6, 7, 8));
        let failed = gather!(
            ok_after(5, 1),
            fail_after(2, "second"),
            fail_after(3, "third")
        )
        .await;
        assert_eq!(failed.expect_err("two fail").text(), "second");
        sleep(ms(10)).await;
    });
}

#[test]
fn an_error_of_an_inner_gather_is_that_of_the_outer_one() {
    run(async {
        let panics = || create_task(async { quiet_panic("inside") });
        let panicked = |ended: Result<(), TaskError>| match ended {
            Err(TaskError::Panicked(payload)) => payload.message() == "inside",
            _ => false,
        };
        let values = gather([gather([panics()]).values()]).values().await;
        assert!(panicked(values.map(drop)));
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        let results = gather([gather([cancelled]).values()]).values().await;
        assert!(matches!(results, Err(TaskError::Cancelled(_))));
        let every = gather([gather([panics()]).values()]).return_results().await;
        let mut every = every.expect("results are no errors");
        let inner = every.pop().expect("there is one");
        assert!(panicked(inner.expect("the inner output").map(drop)));
    });
}

#[test]
fn the_macro_gives_outputs_of_any_types() {
    run(async {
        let values = gather!(async { 1 }, create_task(async { "two" }), async {}).values();
        assert_eq!(values.await.expect("nobody fails"), (1, "two", ()));
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        let ended = gather!(async { 1 }, cancelled).values().await;
        assert!(matches!(ended, Err(TaskError::Cancelled(_))));
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        let every = gather!(async { 1 }, cancelled).return_results().await;
        let (one, never) = every.expect("results are no errors");
        assert_eq!(one.expect("it has a value"), 1);
        assert!(matches!(never, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn the_macro_returns_exceptions_each_with_its_type() {
    run(async {
        let (failure, text) = gather!(
            async { Err::<u32, _>(io::Error::other("no luck")) },
            async {
                sleep(ms(5)).await;
                Ok::<_, Failure>("late")
            },
        )
        .return_exceptions()
        .await
        .expect("it was not cancelled");
        assert_eq!(failure.expect_err("it fails").to_string(), "no luck");
        assert_eq!(text.expect("it has a value"), "late", "and was waited for");

        let never = create_task(pending::<Result<(), Failure>>());
        let of_never = never.as_task_ref();
        let outer = create_task(async { gather!(never).return_exceptions().await.map(drop) });
        bare_yield().await;
        bare_yield().await;
        outer.cancel();
        assert!(matches!(outer.await, Err(TaskError::Cancelled(_))));
        assert!(of_never.cancelled());
    });
}

#[test]
fn the_macro_is_read_after_its_children_are_done_all_the_same() {
    run(async {
        let both = gather!(async { Ok::<_, Failure>(1) }, async { Ok::<_, Failure>(2) });
        sleep(ms(1)).await;
        assert_eq!(both.await.expect("nobody fails"), (1, 2));
        let failed = gather!(async { Err::<(), _>(io::Error::other("first")) });
        sleep(ms(1)).await;
        assert_eq!(failed.await.expect_err("it failed").to_string(), "first");
    });
}

#[test]
fn a_gather_that_was_polled_and_is_then_read_in_another_way_loses_nothing() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        for wait_first in [0, 5, 15] {
            let mut list = gather([
                create_task(fail_after(10, "late")),
                create_task(ok_after(20, 7)),
            ]);
            let mut tuple = gather!(fail_after(10, "late"), ok_after(20, 7));
            assert!(poll_once(&mut list).await.is_none());
            assert!(poll_once(&mut tuple).await.is_none());
            sleep(ms(wait_first)).await;
            let all = list.return_exceptions().await.expect("nobody cancels it");
            assert_eq!(all[0].as_ref().unwrap_err().text(), "late");
            assert_eq!(*all[1].as_ref().expect("it has a value"), 7);
            let (late, seven) = tuple.return_exceptions().await.expect("nobody cancels it");
            assert_eq!(late.unwrap_err().text(), "late");
            assert_eq!(seven.expect("it has a value"), 7);

            let mut list = gather([fail_after(10, "late")]);
            let mut tuple = gather!(fail_after(10, "late"));
            assert!(poll_once(&mut list).await.is_none());
            assert!(poll_once(&mut tuple).await.is_none());
            sleep(ms(wait_first)).await;
            let values = list.values().await.expect("it is a value");
            assert_eq!(values[0].as_ref().unwrap_err().text(), "late");
            let ends = tuple.return_results().await.expect("nobody cancels it");
            assert_eq!(ends.0.expect("it is a value").unwrap_err().text(), "late");
        }
        let mut same = gather([fail_after(20, "second"), fail_after(10, "first")]);
        assert!(poll_once(&mut same).await.is_none());
        sleep(ms(30)).await;
        let first = same.start().await.unwrap_err();
        assert_eq!(first.text(), "first", "in the same way it counts on");
    });
    assert_eq!(test_loop.take_reports(), [""; 0]);
}

#[test]
fn a_gather_of_different_types_can_be_kept_asked_and_cancelled() {
    run(async {
        let both = gather!(ok_after(10, 1), async { Ok::<_, Failure>("one") }).start();
        let told = Rc::new(Cell::new(false));
        let tell = told.clone();
        both.add_done_callback(move |gather| tell.set(gather.done()));
        let (done, _) = wait([both.as_future_ref()])
            .timeout(ms(5))
            .await
            .expect("one");
        assert!(done.is_empty() && !both.done());
        let (done, _) = wait([&both]).await.expect("one");
        assert!(done.len() == 1 && both.done() && told.get());
        assert!(!both.cancel(), "it is done");
        assert_eq!(both.await.expect("both have values"), (1, "one"));

        let never = create_task(pending::<()>());
        let kept = gather!(&never, ok_after(10, 1)).return_results();
        assert!(kept.cancel_with("enough") && !kept.done());
        assert_eq!(cancel_message(kept.await).as_deref(), Some("enough"));
        assert!(never.cancelled());
    });
}

/// What it gives if it is polled once, in the task that is being polled.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
