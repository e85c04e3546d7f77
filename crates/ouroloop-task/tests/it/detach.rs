//! Handles that are dropped: the loop owns its tasks.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use ouroloop_task::{
    TaskBuilder, all_tasks, bare_yield, catch_cancelled, create_future, create_task,
};
use ouroloop_testkit::{Log, TestLoop, ms, running_loop};

use crate::support::{ignore, run, sleep};

#[test]
fn h23_a_task_whose_handle_is_dropped_goes_on_to_its_end() {
    run(async {
        let done = Rc::new(Cell::new(0));
        for round in 0..10 {
            let done = done.clone();
            drop(create_task(async move {
                for _ in 0..round {
                    sleep(ms(1)).await;
                }
                done.set(done.get() + 1);
            }));
        }
        sleep(ms(20)).await;
        assert_eq!(done.get(), 10);
        assert_eq!(all_tasks().len(), 1);
    });
}

#[test]
fn h23_a_detached_task_can_be_found_and_cancelled() {
    run(async {
        let log = Log::default();
        drop({
            let log = log.clone();
            TaskBuilder::new().name("lost").create_task(async move {
                let _guard = log.on_drop("unwound");
                pending::<()>().await;
            })
        });
        bare_yield().await;
        let found = all_tasks().into_iter().find(|task| &*task.name() == "lost");
        assert!(found.expect("the loop knows it").cancel());
        bare_yield().await;
        assert_eq!(log.take(), "unwound");
    });
}

#[test]
fn h23_a_task_that_waits_for_something_that_only_it_holds_stays() {
    run(async {
        let log = Log::default();
        drop({
            let log = log.clone();
            create_task(async move {
                let _guard = log.on_drop("unwound");
                // In asyncio nobody holds such a task, and it may be collected.
                let promise = create_future::<()>();
                let _ = (&promise.future()).await;
            })
        });
        sleep(ms(1000)).await;
        assert_eq!(log.take(), "");
        assert_eq!(all_tasks().len(), 2);
        all_tasks()[1].cancel();
        bare_yield().await;
        assert_eq!(log.take(), "unwound");
    });
}

#[test]
fn h23_dropping_the_await_of_a_task_detaches_it() {
    run(async {
        let log = Log::default();
        let task = {
            let log = log.clone();
            create_task(async move {
                sleep(ms(5)).await;
                log.say("done");
            })
        };
        let mut wait = Box::pin(task.into_future());
        let pending =
            std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx).is_pending()))
                .await;
        assert!(pending);
        drop(wait);
        sleep(ms(10)).await;
        assert_eq!(log.take(), "done");
    });
}

#[test]
fn h23_a_cancelled_joiner_takes_what_it_waits_for_along_and_a_dropped_one_does_not() {
    run(async {
        let log = Log::default();
        let work = || {
            let log = log.clone();
            create_task(async move {
                let caught = catch_cancelled(sleep(ms(5))).await;
                log.say(if caught.is_ok() { "done" } else { "cancelled" });
            })
        };
        let joiner = create_task(work().into_future());
        let dropped = create_task({
            let work = work();
            async move {
                let mut wait = Box::pin(work.into_future());
                std::future::poll_fn(|cx| {
                    let _ = wait.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                })
                .await;
            }
        });
        bare_yield().await;
        bare_yield().await;
        joiner.cancel();
        assert!(dropped.done());
        sleep(ms(10)).await;
        assert_eq!(log.take(), "cancelled done");
    });
}

#[test]
fn h23_callbacks_keep_running_when_all_handles_are_gone() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            let task = create_task(sleep(ms(5)));
            let say = log.clone();
            task.add_done_callback(move |task| say.say(format!("task:{}", task.result().is_ok())));
            drop(task);
            let promise = create_future::<()>();
            let say = log.clone();
            promise.add_done_callback(move |future| {
                say.say(format!("promise:{}", future.result().is_ok()));
            });
            running_loop()
                .call_later(ms(3), move || ignore(promise.set_result(())))
                .expect("it is open");
            sleep(ms(10)).await;
        }
    });
    assert_eq!(log.take(), "promise:true task:true");
}
