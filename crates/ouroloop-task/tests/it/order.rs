//! First come, first served: among callbacks, tasks, and those who wait for one thing.

use ouroloop_task::{bare_yield, create_future, create_task};
use ouroloop_testkit::{Log, hops, iteration, running_loop};

use crate::support::{run, stamp};

#[test]
fn callbacks_and_wakes_run_in_the_order_of_registration() {
    run(async {
        let log = Log::default();
        let promise = create_future::<()>();
        let say = |line: &'static str| {
            let log = log.clone();
            move |since: u64| stamp(&log, line, since)
        };
        let since = std::rc::Rc::new(std::cell::Cell::new(0));
        let callback = |line| {
            let (say, since) = (say(line), since.clone());
            move || say(since.get())
        };
        let waiter = |line| {
            let (future, then) = (promise.future(), callback(line));
            create_task(async move {
                future.await.expect("it is set");
                then();
            })
        };
        let then = callback("cb1");
        promise.add_done_callback(move |_| then());
        waiter("w1");
        waiter("w2");
        bare_yield().await;
        let then = callback("cb2");
        promise.add_done_callback(move |_| then());

        since.set(iteration());
        promise.set_result(()).expect("it is pending");
        let then = callback("cb-late");
        promise.add_done_callback(move |_| then());
        running_loop()
            .call_soon(callback("soon"))
            .expect("it is open");
        bare_yield().await;
        assert_eq!(log.take(), "cb1+1 w1+1 w2+1 cb2+1 cb-late+1 soon+1");
    });
}

#[test]
fn a_callback_that_is_added_by_a_callback_runs_in_the_next_iteration() {
    run(async {
        let log = Log::default();
        let promise = create_future::<()>();
        let since = iteration();
        promise.add_done_callback({
            let log = log.clone();
            move |done| {
                stamp(&log, "outer", since);
                done.add_done_callback(move |_| stamp(&log, "inner", since));
            }
        });
        promise.set_result(()).expect("it is pending");
        bare_yield().await;
        bare_yield().await;
        assert_eq!(log.take(), "outer+1 inner+2");
    });
}

#[test]
fn first_steps_and_callbacks_share_one_queue() {
    run(async {
        let log = Log::default();
        let say = |line: &'static str| {
            let log = log.clone();
            move || log.say(line)
        };
        let a = say("a");
        create_task(async move { a() });
        running_loop().call_soon(say("b")).expect("it is open");
        let c = say("c");
        create_task(async move { c() });
        assert_eq!(log.take(), "", "nothing starts before its creator suspends");
        bare_yield().await;
        assert_eq!(log.take(), "a b c");
    });
}

#[test]
fn a_bare_yield_goes_to_the_end_of_the_queue() {
    run(async {
        let log = Log::default();
        let worker = |name: &'static str| {
            let log = log.clone();
            create_task(async move {
                for round in 0..3 {
                    log.say(format!("{name}{round}"));
                    bare_yield().await;
                }
            })
        };
        let (a, b) = (worker("a"), worker("b"));
        a.await.expect("it has a value");
        b.await.expect("it has a value");
        assert_eq!(log.take(), "a0 b0 a1 b1 a2 b2");
    });
}

#[test]
fn what_is_there_already_costs_no_iteration() {
    run(async {
        let promise = create_future();
        promise.set_result(1).expect("it is pending");
        assert_eq!(hops(async { 1 }).await, (0, 1));
        let (hops_of_promise, value) = hops(promise.future()).await;
        assert_eq!((hops_of_promise, value.ok()), (0, Some(1)));
        let task = create_task(async { 2 });
        bare_yield().await;
        let (hops_of_task, value) = hops(task).await;
        assert_eq!((hops_of_task, value.ok()), (0, Some(2)));
    });
}

#[test]
fn the_hops_of_an_await() {
    run(async {
        assert_eq!(hops(bare_yield()).await.0, 1);
        let promise = create_future::<()>();
        let future = promise.future();
        running_loop()
            .call_soon(move || promise.set_result(()).expect("it is pending"))
            .expect("it is open");
        assert_eq!(hops(future).await.0, 2);
        assert_eq!(hops(create_task(async {})).await.0, 2);
        let nested = create_task(async { create_task(async {}).await });
        assert_eq!(hops(nested).await.0, 4, "two steps, two wakes");
    });
}

#[test]
fn a_task_completes_inside_its_step_and_those_who_wait_resume_in_order_in_the_next_iteration() {
    run(async {
        let log = Log::default();
        let task = std::rc::Rc::new(create_task(async { bare_yield().await }));
        let joiners: Vec<_> = ["j1", "j2", "j3"]
            .map(|name| {
                let (task, log) = (task.clone(), log.clone());
                create_task(async move {
                    (&*task).await.expect("it has a value");
                    log.say(name);
                })
            })
            .into();
        bare_yield().await;
        assert!(!task.done());
        bare_yield().await;
        assert!(task.done(), "its step is over");
        assert_eq!(log.take(), "", "nobody was told yet");
        bare_yield().await;
        assert_eq!(log.take(), "j1 j2 j3");
        assert!(joiners.iter().all(|joiner| joiner.done()));
    });
}

#[test]
fn a_wake_while_it_runs_queues_a_task_once_and_behind_the_rest() {
    run(async {
        let log = Log::default();
        let twice = {
            let log = log.clone();
            create_task(async move {
                let mut polls = 0;
                std::future::poll_fn(|cx| {
                    polls += 1;
                    log.say(format!("poll{polls}"));
                    for _ in 0..3 {
                        cx.waker().wake_by_ref();
                    }
                    match polls {
                        3 => std::task::Poll::Ready(()),
                        _ => std::task::Poll::Pending,
                    }
                })
                .await;
            })
        };
        for _ in 0..6 {
            bare_yield().await;
            log.say("turn");
        }
        assert!(twice.done());
        assert_eq!(
            log.take(),
            "poll1 turn poll2 turn poll3 turn turn turn turn"
        );
    });
}

#[test]
fn a_removed_callback_does_not_run_and_one_that_is_queued_cannot_be_removed() {
    run(async {
        let log = Log::default();
        let promise = create_future::<()>();
        let other = create_future::<()>();
        let add = |line: &'static str| {
            let log = log.clone();
            promise.add_done_callback(move |_| log.say(line))
        };
        let (a, b) = (add("a"), add("b"));
        assert_eq!(other.remove_done_callback(a), 0, "it is of another promise");
        assert_eq!(promise.remove_done_callback(a), 1);
        assert_eq!(promise.remove_done_callback(a), 0);
        promise.set_result(()).expect("it is pending");
        assert_eq!(promise.remove_done_callback(b), 0);
        assert_eq!(promise.remove_done_callback(add("late")), 0);
        bare_yield().await;
        assert_eq!(log.take(), "b late");
        other.set_result(()).expect("it is pending");
    });
}

#[test]
fn a_promise_that_is_cancelled_has_its_outcome_now_and_tells_of_it_in_the_next_iteration() {
    run(async {
        let log = Log::default();
        let promise = create_future::<()>();
        let since = iteration();
        for line in ["cb1", "cb2"] {
            let log = log.clone();
            promise.add_done_callback(move |done| {
                assert!(done.cancelled());
                stamp(&log, line, since);
            });
        }
        assert!(promise.cancel());
        assert!(promise.done() && promise.cancelled());
        assert_eq!(log.take(), "", "callbacks go through the loop");
        bare_yield().await;
        assert_eq!(log.take(), "cb1+1 cb2+1");
    });
}
