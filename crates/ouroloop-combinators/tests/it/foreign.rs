//! The combinators inside of those of others, which poll their branches as they like: `join!`,
//! `select!`, and `FuturesUnordered`, which polls by wakers of its own.
//!
//! A request that is directed at one branch concerns that branch; one that is directed at the task
//! concerns all, and none of them loses it.

use std::cell::{Cell, RefCell};
use std::future::{IntoFuture, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use futures_util::future::{Either, LocalBoxFuture, join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, join, select, select_biased};
use ouroloop_combinators::{gather, shield, sleep, task_group, timeout, wait_for};
use ouroloop_task::{
    CancelledBy, Task, TaskError, bare_yield, catch_cancelled, create_future, create_task,
};
use ouroloop_testkit::{Log, PolledInline, TestLoop, cancel_message, ms, running_loop};

use crate::support::{Failure, Oops, after, ignore, me, now, ok_after, run, stubborn};

type Any = Box<dyn std::error::Error + Send + Sync>;

#[test]
fn a_timeout_in_one_branch_of_a_join_leaves_the_other_alone() {
    run(async {
        let (a, b) = join!(timeout(ms(5), pending::<()>()), after(10, "b"));
        assert!(a.is_err());
        assert_eq!((b, now()), ("b", ms(10)));
        let (a, b) = join!(after(10, "a"), timeout(ms(5), sleep(ms(50))));
        assert!(b.is_err());
        assert_eq!((a, now()), ("a", ms(20)));
        let (a, b, c) = join!(
            timeout(ms(5), pending::<()>()),
            timeout(ms(5), pending::<()>()),
            timeout(ms(6), after(5, "c"))
        );
        assert!(a.is_err() && b.is_err());
        assert_eq!(c.ok(), Some("c"));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_timeout_of_no_time_in_a_join_leaves_the_other_alone() {
    run(async {
        let late = timeout(Duration::ZERO, sleep(Duration::ZERO));
        let (b, a) = join!(after(5, "b"), late);
        assert!(a.is_err());
        assert_eq!((b, me().cancelling()), ("b", 0));
    });
}

#[test]
fn a_group_that_aborts_in_one_branch_of_a_join_leaves_the_other_alone() {
    run(async {
        let (a, b) = join!(
            task_group(async |tg| {
                tg.create_task(async {
                    sleep(ms(5)).await;
                    Err::<(), _>(Oops("bad"))
                })?;
                pending::<()>().await;
                Ok::<_, Any>(())
            }),
            after(10, "b")
        );
        assert_eq!(a.expect_err("a child fails").exceptions().len(), 1);
        assert_eq!((b, now(), me().cancelling()), ("b", ms(10), 0));
    });
}

#[test]
fn a_wait_for_that_is_late_in_one_branch_of_a_join_leaves_the_other_alone() {
    run(async {
        let (a, b) = join!(
            wait_for(create_task(pending::<()>()), ms(5)),
            after(10, "b")
        );
        assert!(a.is_err());
        assert_eq!((b, me().cancelling()), ("b", 0));
        let (a, b) = join!(wait_for(stubborn(2, "a"), ms(5)), after(10, "b"));
        assert_eq!((a.ok(), b, me().cancelling()), (Some("a"), "b", 0));
    });
}

/// A group whose child fails while it is cancelled, below a timeout that expires: the error wins,
/// and the request is delivered once more at the next await: below the timeout, not elsewhere.
#[test]
fn a_group_that_fails_while_its_timeout_expires_leaves_the_other_branch_alone() {
    run(async {
        let (a, b) = join!(
            timeout(ms(5), async {
                let failed = task_group(async |tg| {
                    tg.create_task(async {
                        let _ = catch_cancelled(pending::<()>()).await;
                        Err::<(), _>(Oops("while cleaning"))
                    })?;
                    pending::<()>().await;
                    Ok::<_, Any>(())
                })
                .await;
                assert!(failed.is_err());
                sleep(ms(1000)).await;
                "not reached"
            }),
            after(50, "b")
        );
        assert!(a.is_err(), "the next await was cancelled");
        assert_eq!((b, now(), me().cancelling()), ("b", ms(50), 0));
    });
}

#[test]
fn a_cancellation_of_the_task_is_not_lost_in_a_join() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                let branch = |name: &'static str| log.on_drop(name);
                let (one, two) = (branch("one"), branch("two"));
                join!(
                    async move {
                        let _guard = one;
                        let _ = timeout(ms(100), pending::<()>()).await;
                    },
                    async move {
                        let _guard = two;
                        sleep(ms(100)).await;
                    }
                );
                log.say("not reached");
            }
        });
        sleep(ms(1)).await;
        task.cancel_with("all");
        assert_eq!(cancel_message(task.await).as_deref(), Some("all"));
        let ends = log.take();
        assert!(ends == "one two" || ends == "two one", "{ends}");
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

/// Cancels a task that selects among branches in either order, and gives what it came to.
fn cancelled_select(body: impl AsyncFnOnce(Log, bool) + Copy + 'static) -> Vec<(bool, String)> {
    [false, true]
        .map(|swapped| {
            run(async move {
                let log = Log::default();
                let task = create_task({
                    let log = log.clone();
                    async move { body(log, swapped).await }
                });
                sleep(ms(1)).await;
                task.cancel_with("all");
                sleep(ms(500)).await;
                assert!(task.done(), "nothing hangs");
                let cancelled = task.cancelled();
                (cancelled, log.take())
            })
        })
        .into()
}

#[test]
fn a_cancellation_of_the_task_is_not_lost_in_a_select_with_a_scope() {
    let ends = cancelled_select(async |log, swapped| {
        {
            let mut scope = pin!(catch_cancelled(pending::<()>()).fuse());
            let mut plain = pin!(sleep(ms(100)).fuse());
            if swapped {
                select_biased! {
                    () = plain => log.say("slept"),
                    caught = scope => log.say(format!("caught:{}", caught.is_err())),
                }
            } else {
                select_biased! {
                    caught = scope => log.say(format!("caught:{}", caught.is_err())),
                    () = plain => log.say("slept"),
                }
            }
        }
        // The branch that lost is gone now.
        sleep(ms(100)).await;
        log.say("went on");
    });
    for (cancelled, log) in ends {
        // The branch without a scope unwinds the task, whatever the other one makes of it.
        assert!(cancelled, "{log}");
        assert!(!log.contains("went on"), "{log}");
    }
}

#[test]
fn a_cancellation_of_the_task_is_not_lost_in_a_select_with_a_timeout() {
    let ends = cancelled_select(async |log, swapped| {
        let mut limited = pin!(timeout(ms(50), pending::<()>()).fuse());
        let mut plain = pin!(sleep(ms(100)).fuse());
        if swapped {
            select_biased! {
                () = plain => log.say("slept"),
                late = limited => log.say(format!("late:{}", late.is_err())),
            }
        } else {
            select_biased! {
                late = limited => log.say(format!("late:{}", late.is_err())),
                () = plain => log.say("slept"),
            }
        }
    });
    assert_eq!(ends, vec![(true, String::new()); 2]);
}

#[test]
fn a_cancellation_of_the_task_is_not_lost_when_a_select_ends_in_the_same_tick() {
    for order in 0..4 {
        let (cancelled, log) = run(async move {
            let log = Log::default();
            let promise = create_future::<()>();
            let task = create_task({
                let (log, future) = (log.clone(), promise.future());
                async move {
                    let ready = async move { drop(future.await) };
                    let limited = timeout(ms(50), pending::<()>()).map(drop);
                    match order % 2 {
                        0 => ignore(select(pin!(ready), pin!(limited)).await),
                        _ => ignore(select(pin!(limited), pin!(ready)).await),
                    }
                    log.say("selected");
                    sleep(ms(100)).await;
                    log.say("went on");
                }
            });
            sleep(ms(1)).await;
            if order < 2 {
                promise.set_result(()).expect("it is pending");
                task.cancel();
            } else {
                task.cancel();
                let _ = promise.set_result(());
            }
            sleep(ms(500)).await;
            (task.cancelled(), log.take())
        });
        assert!(cancelled, "order {order}: {log}");
        assert!(!log.contains("went on"), "order {order}: {log}");
    }
}

#[test]
fn a_timeout_that_expires_in_the_tick_in_which_a_select_drops_it_cancels_nobody() {
    for swapped in [false, true] {
        let log = run(async move {
            let log = Log::default();
            let promise = create_future::<()>();
            {
                let limited = pin!(timeout(ms(5), promise.future().into_future()).map(drop));
                let plain = pin!(sleep(ms(5)));
                let plain_won = match swapped {
                    false => matches!(select(plain, limited).await, Either::Left(_)),
                    true => matches!(select(limited, plain).await, Either::Right(_)),
                };
                log.say(if plain_won { "slept" } else { "late" });
            }
            sleep(ms(10)).await;
            log.say(format!("count{}", me().cancelling()));
            log.take()
        });
        let won = if swapped { "late" } else { "slept" };
        assert_eq!(log, format!("{won} count0"));
    }
}

#[test]
fn a_group_that_loses_a_select_is_aborted_and_its_abort_stays_in_it() {
    run(async {
        let log = Log::default();
        let group = {
            let log = log.clone();
            task_group(async move |tg| {
                let guard = log.on_drop("child");
                tg.create_task(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })?;
                tg.create_task(async {
                    sleep(ms(5)).await;
                    Err::<(), _>(Oops("bad"))
                })?;
                sleep(ms(100)).await;
                Ok::<_, Any>(())
            })
        };
        {
            let mut group = pin!(group.fuse());
            // Fires in the tick in which the child fails.
            let mut plain = pin!(sleep(ms(5)).fuse());
            select! {
                ended = group => log.say(format!("group:{}", ended.is_ok())),
                () = plain => log.say("slept"),
            }
        }
        sleep(ms(50)).await;
        assert_eq!(log.take(), "slept child");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn of_many_timeouts_in_one_set_those_that_are_due_expire_and_no_others() {
    run(async {
        let mut set: FuturesUnordered<_> = (1..=20_u64)
            .map(|n| async move {
                let limit = if n % 2 == 0 { ms(n) } else { ms(1000) };
                let ended = timeout(limit, after(50, n)).await;
                (n, ended.is_ok(), now())
            })
            .collect();
        let mut ends = Vec::new();
        while let Some(end) = set.next().await {
            ends.push(end);
        }
        let late: Vec<_> = (1..=10).map(|n| (2 * n, false, ms(2 * n))).collect();
        assert_eq!(ends[..10], late);
        assert!(
            ends[10..]
                .iter()
                .all(|(n, ok, at)| n % 2 == 1 && *ok && *at == ms(50))
        );
        assert_eq!((ends.len(), me().cancelling()), (20, 0));
    });
}

#[test]
fn scopes_in_a_set_all_hear_a_cancellation_of_the_task() {
    run(async {
        let log = Log::default();
        let foreign = create_future::<()>();
        let task = create_task({
            let (log, future) = (log.clone(), foreign.future());
            async move {
                let mut set = FuturesUnordered::new();
                type Branch = std::pin::Pin<Box<dyn Future<Output = ()>>>;
                let branches: Vec<(&str, Branch)> = vec![
                    ("pending", Box::pin(pending())),
                    ("sleep", Box::pin(sleep(ms(100)))),
                    ("promise", Box::pin(async move { drop(future.await) })),
                    (
                        "task",
                        Box::pin(async { drop(create_task(pending::<()>()).await) }),
                    ),
                    (
                        "gather",
                        Box::pin(async {
                            drop(gather([pending::<Result<(), Failure>>()]).await);
                        }),
                    ),
                    (
                        "nested",
                        Box::pin(async {
                            let _ = timeout(ms(100), sleep(ms(200))).await;
                        }),
                    ),
                ];
                for (name, branch) in branches {
                    let log = log.clone();
                    set.push(async move {
                        let caught = catch_cancelled(branch).await;
                        log.say(format!("{name}:{}", caught.is_err()));
                        // The clean-up may wait.
                        sleep(ms(1)).await;
                    });
                }
                while set.next().await.is_some() {}
                "all cleaned"
            }
        });
        sleep(ms(5)).await;
        task.cancel();
        assert_eq!(task.await.ok(), Some("all cleaned"));
        let mut ends: Vec<String> = log.take().split(' ').map(str::to_owned).collect();
        ends.sort();
        assert_eq!(
            ends,
            [
                "gather:true",
                "nested:true",
                "pending:true",
                "promise:true",
                "sleep:true",
                "task:true"
            ]
        );
        assert!(now() < ms(50));
    });
}

#[test]
fn a_scope_in_a_set_whose_value_is_queued_hears_the_cancellation() {
    run(async {
        let promise = create_future::<u32>();
        let task = create_task({
            let future = promise.future();
            async move {
                let mut set: FuturesUnordered<_> = [catch_cancelled(future.into_future())]
                    .into_iter()
                    .collect();
                let first = set.next().await.expect("there is one");
                (first.is_err(), me().cancelling())
            }
        });
        sleep(ms(1)).await;
        promise.set_result(3).expect("it is pending");
        task.cancel();
        assert_eq!(task.await.ok(), Some((true, 1)));
        assert_eq!(promise.result().ok(), Some(&3));
    });
}

#[test]
fn a_timeout_in_a_set_whose_value_is_queued_hears_its_expiry() {
    run(async {
        let promise = create_future::<u32>();
        let setter = promise.clone();
        running_loop()
            .call_at(ms(5), move || ignore(setter.set_result(3)))
            .expect("it is open");
        let mut set: FuturesUnordered<_> = [timeout(ms(5), promise.future().into_future())]
            .into_iter()
            .collect();
        assert!(
            set.next().await.expect("there is one").is_err(),
            "the value came too late"
        );
        assert_eq!((now(), me().cancelling()), (ms(5), 0));
    });
}

#[test]
fn a_set_in_a_set_in_a_scope_hears_it_through_all_wakers() {
    run(async {
        let promise = create_future::<u32>();
        let task = create_task({
            let future = promise.future();
            async move {
                let inner = async move {
                    let mut set: FuturesUnordered<_> = [catch_cancelled(future.into_future())]
                        .into_iter()
                        .collect();
                    set.next().await.expect("there is one").is_err()
                };
                let mut outer: FuturesUnordered<_> = [inner].into_iter().collect();
                outer.next().await
            }
        });
        sleep(ms(1)).await;
        promise.set_result(1).expect("it is pending");
        task.cancel();
        sleep(ms(1)).await;
        assert!(task.done(), "it was woken");
        assert_eq!(task.await.ok().flatten(), Some(true));
    });
}

#[test]
fn groups_in_a_set_abort_alone() {
    run(async {
        let log = Log::default();
        let mut set: FuturesUnordered<_> = (1..=3_u64)
            .map(|n| {
                let log = log.clone();
                async move {
                    let ended = task_group(async |tg| {
                        let guard = log.on_drop(&format!("child{n}"));
                        tg.create_task(async move {
                            let _guard = guard;
                            sleep(ms(50)).await;
                        })?;
                        if n == 2 {
                            tg.create_task(async {
                                sleep(ms(5)).await;
                                Err::<(), _>(Oops("bad"))
                            })?;
                        }
                        sleep(ms(20)).await;
                        Ok::<_, Any>(n)
                    })
                    .await;
                    (n, ended.is_ok(), now())
                }
            })
            .collect();
        let mut ends = Vec::new();
        while let Some(end) = set.next().await {
            ends.push(end);
        }
        assert_eq!(ends[0], (2, false, ms(5)));
        assert!(
            ends[1..].iter().all(|(_, ok, at)| *ok && *at == ms(50)),
            "{ends:?}"
        );
        assert_eq!(log.take(), "child2 child1 child3");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_group_in_a_timeout_in_a_set_in_a_task_that_is_cancelled() {
    run(async {
        let log = Log::default();
        let task = create_task({
            let log = log.clone();
            async move {
                let mut set: FuturesUnordered<_> = (1..=3_u64)
                    .map(|n| {
                        let log = log.clone();
                        async move {
                            let _guard = log.on_drop(&format!("branch{n}"));
                            timeout(ms(100), async {
                                task_group(async |tg| {
                                    let guard = log.on_drop(&format!("child{n}"));
                                    tg.create_task(async move {
                                        let _guard = guard;
                                        pending::<()>().await;
                                    })?;
                                    pending::<()>().await;
                                    Ok::<_, Any>(())
                                })
                                .await
                            })
                            .await
                            .is_ok()
                        }
                    })
                    .collect();
                while set.next().await.is_some() {}
                log.say("not reached");
            }
        });
        sleep(ms(5)).await;
        task.cancel_with("all");
        let untyped = task.as_task_ref();
        assert_eq!(cancel_message(task.await).as_deref(), Some("all"));
        sleep(ms(1)).await;
        let mut ends: Vec<String> = log.take().split(' ').map(str::to_owned).collect();
        ends.sort();
        let all = [
            "branch1", "branch2", "branch3", "child1", "child2", "child3",
        ];
        assert_eq!(ends, all);
        assert_eq!(untyped.cancelling(), 1);
        assert_eq!(running_loop().statistics().timers, 0);
        assert!(now() < ms(50));
    });
}

#[test]
fn a_group_in_a_timeout_in_a_set_whose_deadline_passes_leaves_the_others_alone() {
    run(async {
        let log = Log::default();
        let mut set: FuturesUnordered<_> = [5, 50]
            .map(|limit| {
                let log = log.clone();
                async move {
                    let ended = timeout(ms(limit), async {
                        task_group(async |tg| {
                            let guard = log.on_drop(&format!("child{limit}"));
                            tg.create_task(async move {
                                let _guard = guard;
                                sleep(ms(20)).await;
                            })?;
                            sleep(ms(30)).await;
                            Ok::<_, Any>(())
                        })
                        .await
                    })
                    .await;
                    (limit, ended.is_ok(), now())
                }
            })
            .into_iter()
            .collect();
        assert_eq!(set.next().await, Some((5, false, ms(5))));
        assert_eq!(set.next().await, Some((50, true, ms(30))));
        assert_eq!(log.take(), "child5 child50");
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_set_that_is_dropped_in_the_middle_leaves_nothing_behind() {
    run(async {
        let log = Log::default();
        let mut set = FuturesUnordered::new();
        for n in 0..5_u64 {
            let guard = log.on_drop("dropped");
            set.push(async move {
                let _guard = guard;
                let _ = catch_cancelled(timeout(ms(10 + n), pending::<()>())).await;
            });
        }
        assert!(set.next().now_or_never().is_none());
        assert_eq!(running_loop().statistics().timers, 5);
        drop(set);
        assert_eq!(log.take(), ["dropped"; 5].join(" "));
        assert_eq!(running_loop().statistics().timers, 0);
        sleep(ms(100)).await;
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn branches_that_expire_and_are_dropped_in_one_tick_cancel_nobody() {
    run(async {
        let mut set = FuturesUnordered::new();
        for _ in 0..5 {
            set.push(async { timeout(ms(5), sleep(ms(50))).await.is_err() });
        }
        // One is taken; the others have expired as well, and are dropped unpolled or polled.
        assert_eq!(set.next().await, Some(true));
        drop(set);
        sleep(ms(100)).await;
        assert_eq!((now(), me().cancelling()), (ms(105), 0));
        assert_eq!(running_loop().statistics().timers, 0);
    });
}

#[test]
fn a_task_that_is_dropped_with_its_loop_in_the_middle_of_everything() {
    let log = Log::default();
    let test_loop = TestLoop::new();
    test_loop.run({
        let log = log.clone();
        async move {
            drop(create_task(async move {
                let mut set = FuturesUnordered::new();
                for n in 0..3 {
                    let log = log.clone();
                    set.push(async move {
                        let guard = log.on_drop("branch");
                        let child = log.on_drop("child");
                        let _ = timeout(ms(100 + n), async {
                            let _guard = guard;
                            task_group(async |tg| {
                                tg.create_task(async move {
                                    let _guard = child;
                                    pending::<()>().await;
                                })?;
                                pending::<()>().await;
                                Ok::<_, Any>(())
                            })
                            .await
                        })
                        .await;
                    });
                }
                while set.next().await.is_some() {}
            }));
            sleep(ms(1)).await;
        }
    });
    test_loop.close();
    let ends = log.take();
    assert_eq!(ends.matches("branch").count(), 3, "{ends}");
    assert_eq!(ends.matches("child").count(), 3, "{ends}");
    assert_eq!(
        test_loop.take_reports(),
        ["Task was destroyed but it is pending!"; 4]
    );
}

#[test]
fn shields_and_gathers_in_branches_are_cancelled_as_their_branch_is() {
    run(async {
        let saving = Rc::new(create_task(after(30, 1)));
        let gathered = create_task(pending::<Result<u32, Failure>>());
        let of_gathered = gathered.as_task_ref();
        let (a, b, c) = join!(
            timeout(ms(5), async { shield(&*saving).await.map(|_| ()) }),
            timeout(ms(10), gather([gathered]).into_future()),
            gather([ok_after(20, 3)]).into_future()
        );
        assert!(a.is_err() && b.is_err());
        assert_eq!(c.expect("nothing fails"), [3]);
        assert!(!saving.done() && saving.cancelling() == 0);
        assert!(of_gathered.cancelled());
        assert_eq!((&*saving).await.ok(), Some(&1));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn one_promise_in_two_branches_unwinds_only_the_one_that_was_asked() {
    run(async {
        let promise = create_future::<()>();
        let (one, two) = (promise.future(), promise.future());
        let (a, b) = join!(timeout(ms(5), async { one.await.is_ok() }), async {
            match two.await {
                Err(TaskError::Cancelled(cancelled)) => Some(cancelled.by()),
                _ => None,
            }
        });
        assert!(a.is_err());
        // The other one gets it as a value: somebody else cancelled what it waits for.
        assert_eq!(b, Some(CancelledBy::Timeout));
        assert_eq!(me().cancelling(), 0);
    });
}

#[test]
fn a_request_at_the_task_while_one_branch_times_out_in_the_same_tick() {
    for cancel_first in [false, true] {
        run(async move {
            let handle: Rc<RefCell<Option<ouroloop_task::TaskRef>>> = Rc::default();
            let log = Log::default();
            let cancel = {
                let handle = handle.clone();
                move || {
                    let task = handle.borrow();
                    task.as_ref().expect("it was put there").cancel_with("all");
                }
            };
            if cancel_first {
                running_loop()
                    .call_at(ms(5), cancel.clone())
                    .expect("it is open");
            }
            let task: Task<()> = create_task({
                let log = log.clone();
                async move {
                    let (a, b) = join!(
                        catch_cancelled(timeout(ms(5), pending::<()>())),
                        catch_cancelled(sleep(ms(100)))
                    );
                    log.say(format!("{} {}", a.is_err(), b.is_err()));
                    log.say(format!("count{}", me().cancelling()));
                }
            });
            handle.replace(Some(task.as_task_ref()));
            if !cancel_first {
                bare_yield().await;
                running_loop().call_at(ms(5), cancel).expect("it is open");
            }
            task.await.expect("both were caught");
            assert_eq!(log.take(), "true true count1", "{cancel_first}");
        });
    }
}

#[test]
fn a_wide_join_of_timeouts_takes_no_memory_with_it() {
    let test_loop = TestLoop::new();
    let left = [(); 5].map(|()| {
        let round = || {
            test_loop.run(async {
                let ends = join_all((0..100).map(|n| timeout(ms(n % 7), after(3, n)))).await;
                assert_eq!(ends.len(), 100);
            });
        };
        measure(round).count_current
    });
    assert!(left[4] <= 0, "{left:?}");
}

type Operation = std::pin::Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn h10_what_wakes_a_combinator_holds_nothing_that_its_poll_needs() {
    let log = Log::default();
    let test_loop = TestLoop::new();
    test_loop.run({
        let log = log.clone();
        async move {
            let cases: Vec<(&str, Operation)> = vec![
                (
                    "group",
                    Box::pin(async {
                        let ended = task_group(async |tg| {
                            for n in 1..4 {
                                tg.create_task(sleep(ms(n)))?;
                            }
                            Ok::<_, Any>(())
                        });
                        ended.await.expect("nothing fails");
                    }),
                ),
                (
                    "failing-group",
                    Box::pin(async {
                        let ended = task_group(async |tg| {
                            tg.create_task(async {
                                sleep(ms(1)).await;
                                Err::<(), _>(Oops("the last child"))
                            })?;
                            Ok::<_, Any>(())
                        });
                        assert!(ended.await.is_err(), "its error is there by then");
                    }),
                ),
                (
                    "gather",
                    Box::pin(async {
                        gather([ok_after(1, 1), ok_after(2, 2)])
                            .await
                            .expect("nothing fails");
                    }),
                ),
                (
                    "as_completed",
                    Box::pin(async {
                        let mut stream =
                            ouroloop_combinators::as_completed([after(1, 1), after(2, 2)]);
                        while stream.next().await.is_some() {}
                    }),
                ),
                (
                    "wait",
                    Box::pin(async {
                        let tasks = [create_task(sleep(ms(1))), create_task(sleep(ms(2)))];
                        ouroloop_combinators::wait(&tasks)
                            .await
                            .expect("there are some");
                    }),
                ),
                (
                    "shield",
                    Box::pin(async {
                        shield(&create_task(sleep(ms(1))))
                            .await
                            .expect("it has a value");
                    }),
                ),
                (
                    "wait_for",
                    Box::pin(async {
                        wait_for(create_task(sleep(ms(1))), ms(5))
                            .await
                            .expect("in time");
                    }),
                ),
                ("sleep", Box::pin(sleep(ms(1)))),
            ];
            for (name, future) in cases {
                let say = log.clone();
                PolledInline::start(async move {
                    future.await;
                    say.say(name);
                });
                sleep(ms(10)).await;
            }
        }
    });
    assert_eq!(
        log.take(),
        "group failing-group gather as_completed wait shield wait_for sleep"
    );
}

/// Something that is no promise of the loop: how to end it, and what ends then.
fn signal() -> (impl FnOnce(), impl Future<Output = ()>) {
    let state = Rc::new((Cell::new(false), RefCell::new(None::<Waker>)));
    let waits = state.clone();
    let ends = move || {
        state.0.set(true);
        let waker = state.1.take();
        waker.expect("it is awaited").wake();
    };
    let waits = poll_fn(move |cx| {
        *waits.1.borrow_mut() = Some(cx.waker().clone());
        match waits.0.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    (ends, waits)
}

/// Runs two timeouts of one task, both due in one batch if `first`; a signal comes right after them. Gives when the
/// second one ended.
fn both_due<F: Future + 'static>(
    first: bool,
    second: impl FnOnce(LocalBoxFuture<'static, ()>) -> F + 'static,
) -> Duration {
    run(async move {
        let (ends, signal) = signal();
        let begun = now();
        let second = timeout(ms(5), second(signal.boxed_local()));
        let first = timeout(ms(5), async move {
            if first {
                pending::<()>().await;
            }
        });
        let second = async move {
            assert!(second.await.is_err());
            now() - begun
        };
        let both = create_task(async move { join!(first, second).1 });
        bare_yield().await;
        let signalled = running_loop().call_at(begun + ms(5), ends);
        signalled.expect("it is open");
        let ended = both.await.expect("both end");
        // Whoever was stubborn ends as well.
        sleep(ms(1000)).await;
        ended
    })
}

#[test]
fn a_timeout_is_not_lost_where_another_one_is_delivered_in_the_same_step() {
    for first in [false, true] {
        let ended = both_due(first, |signal| async move {
            // What was asked to stop, and has not yet, is dropped.
            let _ = select(stubborn(100, ()).into_future(), signal).await;
            sleep(ms(1000)).await;
        });
        assert_eq!(ended, ms(5), "{first}");
    }
}

#[test]
fn a_wait_that_was_set_aside_does_not_hide_a_timeout_where_another_one_is_delivered() {
    for first in [false, true] {
        let ended = both_due(first, |signal| async move {
            let mut nap = pin!(sleep(ms(100)));
            select(signal, &mut nap).await;
            sleep(ms(1000)).await;
            nap.await;
        });
        assert_eq!(ended, ms(5), "{first}");
    }
}

#[test]
fn a_request_is_not_lost_with_a_wait_that_a_callback_drops() {
    run(async {
        let slow = stubborn(100, ());
        let awaits = async { ignore(slow.await) }.boxed_local();
        let shared = Rc::new(RefCell::new(Some(awaits)));
        let polls = shared.clone();
        let outer = create_task(poll_fn(move |cx| match polls.borrow_mut().as_mut() {
            Some(future) => future.poll_unpin(cx),
            None => Poll::Pending,
        }));
        bare_yield().await;
        bare_yield().await;
        let handle = outer.as_task_ref();
        let cancels = move || {
            assert!(handle.cancel());
            ignore(shared.take());
        };
        running_loop().call_soon(cancels).expect("it is open");
        let error = timeout(ms(10), outer).await.expect("it ends at once");
        assert!(error.unwrap_err().is_cancelled());
        sleep(ms(1000)).await;
    });
}

#[test]
fn one_request_is_not_delivered_again_by_a_branch_that_goes_with_it() {
    // What hears of it first accepts it, or has nothing that could.
    for accepts in [true, false] {
        run(async move {
            let log = Log::default();
            let seen = log.clone();
            let task = create_task(async move {
                let quick = catch_cancelled(async move {
                    match accepts {
                        true => sleep(ms(500)).await,
                        false => pending::<()>().await,
                    }
                });
                let slow = stubborn(100, ());
                let slow = catch_cancelled(async { ignore(slow.await) });
                let _ = select(pin!(quick), pin!(slow)).await;
                seen.say("swallowed");
                sleep(ms(10)).await;
                seen.say("went_on");
            });
            bare_yield().await;
            bare_yield().await;
            task.cancel();
            task.await.expect("it has swallowed it");
            assert_eq!(log.take(), "swallowed went_on");
            sleep(ms(1000)).await;
        });
    }
}

#[test]
fn timeouts_of_one_task_that_expire_one_by_one_cost_the_same_each() {
    // Not in time, which others take as well: in what is allocated, which a look at all of them would need.
    let bytes = |count: u64| {
        let info = measure(|| {
            run(async move {
                let all = (1..=count).map(|at| timeout(ms(at), sleep(ms(1_000_000))));
                let mut all: FuturesUnordered<_> = all.collect();
                while let Some(expired) = all.next().await {
                    assert!(expired.is_err());
                }
            });
        });
        info.bytes_total
    };
    let (few, many) = (bytes(200), bytes(1600));
    assert!(many < few * 12, "{few} bytes for 200, {many} for 1,600");
}
