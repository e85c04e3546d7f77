//! `task_group`: errors, aborts, cancellations from outside, and what is left.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;

use ouroloop_combinators::{ExceptionGroup, TaskGroup, TaskGroupError, sleep, task_group, timeout};
use ouroloop_task::{
    CancelledBy, TaskBuilder, TaskError, bare_yield, catch_cancelled, create_task, raise_cancelled,
};
use ouroloop_testkit::{Log, TestLoop, cancel_message, hops, ms, quiet_panic};

use crate::support::{Oops, after, me, now, run};

type Any = Box<dyn std::error::Error + Send + Sync>;

fn texts(group: &ExceptionGroup) -> Vec<String> {
    group.exceptions().iter().map(ToString::to_string).collect()
}

/// A child that fails after some time.
async fn fails(count: u64, text: &'static str) -> Result<(), Oops> {
    sleep(ms(count)).await;
    Err(Oops(text))
}

/// A child that waits, and says how it ended.
async fn waits(log: Log, name: &'static str) {
    let _guard = log.on_drop(name);
    pending::<()>().await;
}

#[test]
fn it_waits_for_its_children_and_gives_the_value_of_the_body() {
    run(async {
        let value = task_group(async |tg| {
            let slow = tg.create_task(after(20, Ok::<_, Oops>(1)))?;
            let quick = tg.create_task(after(5, Ok::<_, Oops>(2)))?;
            drop(slow);
            Ok::<_, Any>(quick.await?)
        })
        .await;
        assert_eq!(value.expect("nothing fails"), 2);
        assert_eq!(now(), ms(20));
    });
}

#[test]
fn the_first_error_cancels_the_siblings_and_the_body() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(waits(log.clone(), "sibling"))?;
                tg.create_task(fails(5, "bad"))?;
                let _guard = log.on_drop("body");
                pending::<()>().await;
                Ok::<_, Any>(())
            }
        })
        .await
        .expect_err("a child fails");
        assert_eq!(texts(&failed), ["bad"]);
        assert_eq!(failed.downcast::<Oops>().count(), 1);
        assert_eq!(log.take(), "sibling body", "they are asked in this order");
        assert_eq!((now(), me().cancelling()), (ms(5), 0));
        sleep(ms(1)).await;
    });
}

#[test]
fn errors_come_in_the_order_of_their_ends_and_that_of_the_body_last() {
    run(async {
        let failed = task_group(async |tg| {
            for (count, text) in [(9, "late"), (3, "early")] {
                tg.create_task(async move {
                    let _ = catch_cancelled(sleep(ms(3))).await;
                    // Both go on in spite of the abort.
                    let _ = catch_cancelled(sleep(ms(count))).await;
                    fails(count, text).await
                })?;
            }
            let _ = catch_cancelled(sleep(ms(4))).await;
            Err::<(), Any>("body".into())
        })
        .await
        .expect_err("all fail");
        assert_eq!(texts(&failed).last().map(String::as_str), Some("body"));
        assert!(texts(&failed).contains(&"early".to_owned()));
    });
}

#[test]
fn a_body_that_fails_cancels_the_children() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(waits(log.clone(), "one"))?;
                tg.create_task(waits(log.clone(), "two"))?;
                bare_yield().await;
                Err::<(), Any>("body".into())
            }
        })
        .await
        .expect_err("the body fails");
        assert_eq!(texts(&failed), ["body"]);
        assert_eq!(log.take(), "one two");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn children_that_have_not_started_never_run() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(async move { log.say("ran") })?;
                Err::<(), Any>("body".into())
            }
        })
        .await;
        assert!(failed.is_err());
        assert_eq!(log.take(), "");
    });
}

#[test]
fn a_child_that_is_merely_cancelled_is_no_error() {
    run(async {
        let value = task_group(async |tg| {
            let child = tg.create_task(async { pending::<()>().await })?;
            let other = tg.create_task(after(5, Ok::<_, Oops>(1)))?;
            bare_yield().await;
            child.cancel();
            let cancelled = matches!(child.await, Err(TaskError::Cancelled(_)));
            tg.create_task(async {
                if now() >= ms(0) {
                    raise_cancelled().await;
                }
            })?;
            Ok::<_, Any>((cancelled, other.await?))
        })
        .await;
        assert_eq!(value.expect("nothing fails"), (true, 1));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_body_that_catches_the_abort_runs_to_its_end() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(fails(5, "bad"))?;
                let caught = catch_cancelled(pending::<()>()).await;
                assert_eq!(caught.unwrap_err().by(), CancelledBy::Group);
                // Edge-triggered: it is not cancelled again.
                sleep(ms(10)).await;
                log.say("body went on");
                assert!(matches!(
                    tg.create_task(async {}).map(drop),
                    Err(TaskGroupError::ShuttingDown)
                ));
                Ok::<_, Any>(())
            }
        })
        .await
        .expect_err("a child fails");
        assert_eq!(texts(&failed), ["bad"]);
        assert_eq!(log.take(), "body went on");
        assert_eq!((now(), me().cancelling()), (ms(15), 0));
    });
}

#[test]
fn a_child_may_add_children_while_the_group_is_leaving_and_not_afterwards() {
    run(async {
        let log = Log::default();
        let kept: Rc<RefCell<Option<TaskGroup>>> = Rc::default();
        task_group({
            let (log, kept) = (log.clone(), kept.clone());
            async move |tg| {
                kept.replace(Some(tg.clone()));
                let inner = tg.clone();
                tg.create_task(async move {
                    sleep(ms(5)).await;
                    let grandchild = inner.create_task(async move {
                        sleep(ms(5)).await;
                        log.say("grandchild");
                    });
                    grandchild.map(drop)
                })?;
                Ok::<_, Any>(())
            }
        })
        .await
        .expect("nothing fails");
        assert_eq!((log.take().as_str(), now()), ("grandchild", ms(10)));
        let late = kept.take().expect("it was kept");
        let refused = late.create_task({
            let guard = log.on_drop("dropped");
            async move { drop(guard) }
        });
        assert!(matches!(refused, Err(TaskGroupError::Finished)));
        assert_eq!(log.take(), "dropped");
        late.cancel();
        sleep(ms(1)).await;
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_cancellation_from_outside_goes_through_and_cancels_the_children() {
    run(async {
        let log = Log::default();
        for in_body in [true, false] {
            let task = create_task({
                let log = log.clone();
                async move {
                    let ended = task_group(async |tg| {
                        tg.create_task(waits(log.clone(), "child"))?;
                        if in_body {
                            pending::<()>().await;
                        }
                        Ok::<_, Any>(())
                    })
                    .await;
                    log.say("not reached");
                    ended.is_ok()
                }
            });
            sleep(ms(1)).await;
            task.cancel_with("outside");
            let untyped = task.as_task_ref();
            assert_eq!(cancel_message(task.await).as_deref(), Some("outside"));
            assert_eq!(untyped.cancelling(), 1);
            assert_eq!(log.take(), "child");
        }
    });
}

#[test]
fn an_error_wins_over_a_cancellation_from_outside_which_is_delivered_at_the_next_await() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                let failed = task_group(async |tg| {
                    tg.create_task(async {
                        let _ = catch_cancelled(pending::<()>()).await;
                        fails(1, "while cleaning").await
                    })?;
                    pending::<()>().await;
                    Ok::<_, Any>(())
                })
                .await;
                log.say(texts(&failed.expect_err("a child fails")).join(","));
                assert_eq!(me().cancelling(), 1);
                let caught = catch_cancelled(bare_yield()).await;
                log.say(format!("next:{}", caught.is_err()));
                sleep(ms(1)).await;
                me().cancelling()
            }
        });
        sleep(ms(1)).await;
        task.cancel();
        assert_eq!(task.await.ok(), Some(1));
        assert_eq!(log.take(), "while cleaning next:true");
    });
}

#[test]
fn a_cancellation_from_outside_while_the_group_aborts_is_not_lost() {
    run(async {
        let task = create_task(async {
            let ended = task_group(async |tg| {
                tg.create_task(async {
                    let _ = catch_cancelled(pending::<()>()).await;
                    let _ = catch_cancelled(sleep(ms(50))).await;
                    Ok::<_, Oops>(())
                })?;
                tg.create_task(fails(5, "bad"))?;
                Ok::<_, Any>(())
            })
            .await;
            assert!(ended.is_err());
            sleep(ms(1000)).await;
            "not reached"
        });
        sleep(ms(10)).await;
        task.cancel_with("outside");
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        assert!(now() < ms(1000));
    });
}

#[test]
fn groups_nest_and_an_inner_failure_is_an_error_of_the_outer_one() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |outer| {
                outer.create_task(waits(log.clone(), "outer child"))?;
                let inner = task_group(async |inner| {
                    inner.create_task(waits(log.clone(), "inner child"))?;
                    inner.create_task(fails(5, "bad"))?;
                    pending::<()>().await;
                    Ok::<_, Any>(())
                })
                .await;
                log.say("inner ended");
                inner?;
                Ok::<_, Any>(())
            }
        })
        .await
        .expect_err("it goes through");
        assert_eq!(log.take(), "inner child inner ended outer child");
        assert_eq!(failed.downcast::<ExceptionGroup>().count(), 1);
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn an_inner_group_in_a_child_of_an_outer_one_is_aborted_with_it() {
    run(async {
        let log = Log::default();
        let failed = task_group({
            let log = log.clone();
            async move |outer| {
                outer.create_task(async move {
                    task_group(async |inner| {
                        inner.create_task(waits(log.clone(), "grandchild"))?;
                        pending::<()>().await;
                        Ok::<_, Any>(())
                    })
                    .await
                })?;
                outer.create_task(fails(5, "bad"))?;
                Ok::<_, Any>(())
            }
        })
        .await
        .expect_err("a child fails");
        assert_eq!(texts(&failed), ["bad"]);
        assert_eq!(log.take(), "grandchild");
    });
}

#[test]
fn cancel_ends_a_group_early_without_an_error() {
    run(async {
        let log = Log::default();
        let ended = task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(waits(log.clone(), "child"))?;
                bare_yield().await;
                tg.cancel();
                tg.cancel();
                let caught = catch_cancelled(pending::<()>()).await;
                log.say(format!("body:{}", caught.is_err()));
                Ok::<_, Any>(3)
            }
        })
        .await;
        assert_eq!(ended.expect("nothing failed"), 3);
        assert_eq!(log.take(), "child body:true");
        assert_eq!(me().cancelling(), 0);
        let ended = task_group(async |tg| {
            let inner = tg.clone();
            tg.create_task(async move {
                sleep(ms(5)).await;
                inner.cancel();
            })?;
            pending::<()>().await;
            Ok::<_, Any>(())
        })
        .await;
        let ended = ended.expect_err("there is no value");
        assert!(ended.exceptions().is_empty());
        assert!(ended.to_string().contains("unless_cancelled()"), "{ended}");
        assert_eq!(me().cancelling(), 0);
        sleep(ms(1)).await;
    });
}

/// A group that its child cancels after some milliseconds, and whose body ends after some others.
async fn cancelled_after(
    cancel: u64,
    body: u64,
    fails: bool,
) -> Result<Option<u64>, ExceptionGroup> {
    let group = task_group(async |tg| {
        let inner = tg.clone();
        tg.create_task(async move {
            sleep(ms(cancel)).await;
            inner.cancel();
            inner.cancel();
            match fails {
                true => Err("in a child"),
                false => Ok(()),
            }
        })?;
        tg.create_task(sleep(ms(1000)))?;
        sleep(ms(body)).await;
        Ok::<_, Any>(body)
    });
    let ended = group.unless_cancelled().await;
    assert_eq!((now().as_millis() as u64, me().cancelling()), (cancel, 0));
    ended
}

#[test]
fn a_group_that_is_cancelled_ends_silently_for_those_who_say_so() {
    run(async {
        let ended = cancelled_after(5, 10, false).await;
        assert_eq!(ended.expect("it is no error"), None);
        // No request is left over for the next await.
        assert!(catch_cancelled(sleep(ms(1))).await.is_ok());
    });
    run(async {
        let ended = cancelled_after(10, 5, false).await;
        assert_eq!(
            ended.expect("it is no error"),
            Some(5),
            "the body was through"
        );
    });
    for body in [10, 1] {
        run(async move {
            let failed = cancelled_after(5, body, true)
                .await
                .expect_err("a child failed");
            assert_eq!(failed.exceptions().len(), 1);
        });
    }
}

#[test]
fn a_body_that_cancels_its_group_and_ends_gives_its_value() {
    run(async {
        let log = Log::default();
        let ended = task_group(async |tg| {
            tg.create_task(waits(log.clone(), "child"))?;
            bare_yield().await;
            tg.cancel();
            assert_eq!(
                tg.create_task(async {}).map(drop),
                Err(TaskGroupError::ShuttingDown)
            );
            Ok::<_, Any>(3)
        })
        .await;
        assert_eq!(ended.expect("it is no error"), 3);
        assert_eq!((log.take().as_str(), me().cancelling()), ("child", 0));
        assert!(
            catch_cancelled(bare_yield()).await.is_ok(),
            "nothing is left over"
        );
    });
}

#[test]
fn a_cancellation_from_outside_goes_through_a_group_that_was_cancelled_itself() {
    run(async {
        let task = create_task(async {
            task_group(async |tg| {
                tg.create_task(async {
                    let _ = catch_cancelled(pending::<()>()).await;
                    sleep(ms(50)).await;
                })?;
                bare_yield().await;
                tg.cancel();
                pending::<Result<(), Any>>().await
            })
            .unless_cancelled()
            .await
        });
        sleep(ms(10)).await;
        task.cancel();
        let untyped = task.as_task_ref();
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        // The child is not cancelled a second time.
        assert_eq!((untyped.cancelling(), now()), (1, ms(50)));
    });
}

#[test]
fn a_dropped_group_cancels_its_children_and_cannot_wait() {
    run(async {
        let log = Log::default();
        let mut group = Box::pin(task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(waits(log, "child"))?;
                pending::<()>().await;
                Ok::<_, Any>(())
            }
        }));
        assert!(futures_util::poll!(&mut group).is_pending());
        bare_yield().await;
        drop(group);
        assert_eq!(log.take(), "");
        sleep(ms(1)).await;
        assert_eq!(log.take(), "child");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_group_that_is_dropped_while_it_leaves_cancels_its_children_too() {
    run(async {
        let log = Log::default();
        let mut group = Box::pin(task_group({
            let log = log.clone();
            async move |tg| {
                tg.create_task(waits(log, "child"))?;
                Ok::<_, Any>(())
            }
        }));
        assert!(futures_util::poll!(&mut group).is_pending());
        bare_yield().await;
        drop(group);
        sleep(ms(1)).await;
        assert_eq!(log.take(), "child");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_group_under_a_timeout_is_cancelled_and_waited_for() {
    run(async {
        let log = Log::default();
        let late = timeout(ms(5), {
            let log = log.clone();
            task_group(async move |tg| {
                tg.create_task(async move {
                    let _ = catch_cancelled(pending::<()>()).await;
                    sleep(ms(10)).await;
                    log.say("cleaned");
                })?;
                Ok::<_, Any>(())
            })
        })
        .await;
        assert!(late.is_err());
        assert_eq!((log.take().as_str(), now()), ("cleaned", ms(15)));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_timeout_in_a_child_does_not_disturb_the_group() {
    run(async {
        let value = task_group(async |tg| {
            let child = tg.create_task(async {
                let late = timeout(ms(5), pending::<()>()).await;
                Ok::<_, Oops>(late.is_err())
            })?;
            Ok::<_, Any>(child.await?)
        })
        .await;
        assert!(value.expect("nothing fails"));
    });
}

#[test]
fn a_child_that_panics_fails_the_group_with_its_panic() {
    let test_loop = TestLoop::new();
    test_loop.run(async {
        let failed = task_group(async |tg| {
            tg.create_task(async {
                if now() == ms(0) {
                    quiet_panic("boom");
                }
            })?;
            pending::<()>().await;
            Ok::<_, Any>(())
        })
        .await
        .expect_err("a child panics");
        assert!(matches!(failed.exceptions(), [TaskError::Panicked(_)]));
    });
    assert_eq!(test_loop.take_reports(), [""; 0]);
}

#[test]
fn an_eager_child_that_fails_aborts_one_iteration_later() {
    run(async {
        let failed = task_group(async |tg| {
            let eager = TaskBuilder::new().eager_start(true);
            tg.create_task_with(eager, async { Err::<(), _>(Oops("eager")) })?;
            // Its callback is queued, so the group still takes tasks.
            tg.create_task(async { pending::<()>().await })?;
            pending::<()>().await;
            Ok::<_, Any>(())
        })
        .await
        .expect_err("a child fails");
        assert_eq!(texts(&failed), ["eager"]);
    });
}

#[test]
fn many_children_are_aborted_in_the_order_of_their_creation() {
    run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let failed = task_group({
            let order = order.clone();
            async move |tg| {
                for place in 0..50 {
                    let order = order.clone();
                    tg.create_task(async move {
                        let _ = catch_cancelled(pending::<()>()).await;
                        order.borrow_mut().push(place);
                    })?;
                }
                tg.create_task(fails(5, "bad"))?;
                Ok::<_, Any>(())
            }
        })
        .await;
        assert!(failed.is_err());
        assert_eq!(*order.borrow(), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn leaving_takes_as_long_as_in_asyncio() {
    run(async {
        let polls = Rc::new(Cell::new(0));
        let (count, _) = hops(task_group({
            let polls = polls.clone();
            async move |tg| {
                let child = tg.create_task(async { Ok::<_, Oops>(()) })?;
                child.await?;
                polls.set(1);
                Ok::<_, Any>(())
            }
        }))
        .await;
        // Awaited by its body, the child's callback has run by the time the body ends.
        assert_eq!((count, polls.get()), (2, 1));
    });
}

#[test]
fn a_body_may_have_any_error_type_that_a_task_has() {
    run(async {
        let sum = task_group(async |tg| {
            let one = tg.create_task(async { Ok::<_, io::Error>(1) })?;
            let two = tg.create_task(async { Ok::<_, io::Error>(2) })?;
            Ok::<_, io::Error>(one.await? + two.await?)
        });
        assert_eq!(sum.await.expect("nobody fails"), 3);
        let sum = task_group(async |tg| {
            let one = tg.create_task(async { Ok::<_, TaskError>(1) })?;
            one.await
        });
        assert_eq!(sum.await.expect("nobody fails"), 1);
    });
}
