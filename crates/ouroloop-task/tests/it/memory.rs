//! What the allocator sees: whatever a program did with its tasks, nothing is left of a loop that
//! is closed and whose handles are gone. And what a closing loop drops, where and how often.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use allocation_counter::measure;
use ouroloop_task::{
    AsFutureRef, LoopTasks, Task, TaskBuilder, TaskError, Waiter, bare_yield, catch_cancelled,
    create_future, create_task, current_task,
};
use ouroloop_testkit::{Log, TestLoop, ms, on_drop, poll_once, quiet_panic, run_iterations};

use crate::support::{ignore, own_waker, sleep};

/// Runs `scenario` with a loop of its own, again and again, and fails if each time leaves blocks
/// behind. A few rounds may: they fill tables of the process that are there for good.
fn leaves_nothing(scenario: impl Fn(&TestLoop)) {
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 8 };
    let mut left = [0; ROUNDS];
    for left in &mut left {
        let round = || {
            let test_loop = TestLoop::new();
            scenario(&test_loop);
            test_loop.close();
            test_loop.take_reports();
        };
        *left = measure(round).count_current;
    }
    let least = left.iter().skip(1).min().expect("there are rounds");
    assert!(*least <= 0, "blocks that each round left: {left:?}");
}

/// The same for a main task.
fn run_leaves_nothing<F: Future<Output: 'static> + 'static>(main: impl Fn() -> F) {
    leaves_nothing(|test_loop| drop(test_loop.run(main())));
}

#[test]
#[cfg_attr(miri, ignore = "it leaks on purpose")]
fn h11_a_scenario_that_leaks_is_found() {
    let found = std::panic::catch_unwind(|| {
        leaves_nothing(|_| std::mem::forget(std::hint::black_box(Box::new(1))));
    });
    assert!(found.is_err());
}

#[test]
fn h11_tasks_that_are_awaited_detached_cancelled_and_panic() {
    run_leaves_nothing(|| async {
        let awaited = create_task(async { vec![1, 2, 3] });
        drop(create_task(async { "detached".to_owned() }));
        let cancelled = create_task(sleep(ms(100)));
        let unstarted = create_task(async { String::new() });
        let panics = create_task(async { quiet_panic("boom") });
        unstarted.cancel();
        bare_yield().await;
        cancelled.cancel();
        assert!(awaited.await.is_ok() && cancelled.await.is_err());
        let _: Result<(), _> = panics.await;
        let caught = catch_cancelled(sleep(ms(1))).await;
        assert!(caught.is_ok());
    });
}

#[test]
fn h11_tasks_that_await_each_other() {
    run_leaves_nothing(|| async {
        let handles: Rc<RefCell<Vec<Rc<Task<()>>>>> = Rc::default();
        let member = |other: usize| {
            let handles = handles.clone();
            create_task(async move {
                let other = handles.borrow()[other].clone();
                let _ = (&*other).await;
            })
        };
        let (a, b) = (Rc::new(member(1)), Rc::new(member(0)));
        handles.borrow_mut().extend([a, b]);
        bare_yield().await;
        // The circle of handles is the program's own; the waits are cut when the loop is closed.
        handles.take();
    });
}

#[test]
fn h11_tasks_that_wake_themselves_for_ever() {
    run_leaves_nothing(|| async {
        drop(create_task(async {
            loop {
                bare_yield().await;
            }
        }));
        drop(create_task(async {
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
            .await;
        }));
        // Virtual time stands still while something is ready.
        for _ in 0..5 {
            bare_yield().await;
        }
    });
}

#[test]
fn h11_wakers_that_are_kept_elsewhere() {
    static KEPT: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    run_leaves_nothing(|| async {
        let keeper = create_task(async {
            let waker = own_waker().await;
            {
                let mut kept = KEPT.lock().expect("nobody panicked");
                kept.clear();
                kept.push(waker.clone());
                kept.push(waker);
            }
            pending::<()>().await;
        });
        bare_yield().await;
        drop(keeper);
    });
    // They are dropped after their loop.
    KEPT.lock().expect("nobody panicked").clear();
}

#[test]
fn h11_a_task_that_keeps_its_own_waker_and_its_own_handle() {
    run_leaves_nothing(|| async {
        let handle: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let task = create_task({
            let handle = handle.clone();
            async move {
                let _waker = own_waker().await;
                let _keep = handle;
                pending::<()>().await;
            }
        });
        bare_yield().await;
        handle.replace(Some(task));
    });
}

#[test]
fn h11_promises_that_are_held_by_their_own_callbacks() {
    run_leaves_nothing(|| async {
        let promise = create_future::<u32>();
        let setter = promise.clone();
        promise.add_done_callback(move |_| ignore(setter.set_result(1)));
        let other = create_future::<u32>();
        let future = other.future();
        other.add_done_callback(move |_| drop(future));
        sleep(ms(1)).await;
    });
}

#[test]
fn h11_tasks_that_are_held_by_their_own_callbacks() {
    run_leaves_nothing(|| async {
        let task = Rc::new(create_task(pending::<()>()));
        let held = task.clone();
        task.as_future_ref().add_done_callback(move |_| drop(held));
        bare_yield().await;
    });
}

#[test]
fn h11_handles_that_outlive_their_loop() {
    leaves_nothing(|test_loop| {
        let (done, idle, cancelled) = (
            test_loop
                .create_task(async { vec![1] })
                .expect("it is open"),
            test_loop
                .create_task(pending::<Vec<u8>>())
                .expect("it is open"),
            test_loop
                .create_task(pending::<Vec<u8>>())
                .expect("it is open"),
        );
        let promise = test_loop.create_future::<String>().expect("it is open");
        let waiting = test_loop
            .create_task(promise.future().into_future())
            .expect("it is open");
        let remote = promise.remote();
        run_iterations(test_loop, 1);
        cancelled.cancel();
        test_loop.close();
        assert_eq!(done.result().ok(), Some(&vec![1]));
        assert!(matches!(idle.result(), Err(TaskError::LoopClosed)));
        assert!(waiting.done() && cancelled.done());
        promise.set_result("late".into()).expect("it is pending");
        drop(remote);
    });
}

#[test]
fn h11_leaves_that_outlive_their_loop() {
    leaves_nothing(|test_loop| {
        let promise = test_loop.create_future::<u32>().expect("it is open");
        let task = test_loop.create_task(pending::<u32>()).expect("it is open");
        let mut waits: Vec<Pin<Box<dyn Future<Output = bool>>>> = Vec::new();
        let future = promise.future();
        waits.push(Box::pin(async move { future.await.is_ok() }));
        waits.push(Box::pin(async move { task.await.is_ok() }));
        for wait in &mut waits {
            assert!(poll_once(wait.as_mut(), Waker::noop()).is_pending());
        }
        test_loop.close();
        let ready = poll_once(waits[1].as_mut(), Waker::noop());
        assert_eq!(ready, Poll::Ready(false));
        drop(promise);
        let ready = poll_once(waits[0].as_mut(), Waker::noop());
        assert_eq!(ready, Poll::Ready(false));
    });
}

#[test]
fn h11_a_waiter_and_its_key_that_outlive_their_loop() {
    leaves_nothing(|test_loop| {
        let (waiter, key) = test_loop.run(async {
            let waiter = Waiter::new();
            waiter.fire_at(ms(5)).expect("it is open");
            let key = waiter.key();
            (waiter, key)
        });
        test_loop.close();
        assert!(key.is_pending());
        assert!(waiter.fire_at(ms(6)).is_err());
        drop(waiter);
        assert!(!key.is_pending() && !key.fire());
    });
}

#[test]
fn h11_values_and_errors_that_nobody_takes() {
    run_leaves_nothing(|| async {
        drop(create_task(async { vec![String::from("value")] }));
        drop(
            TaskBuilder::new()
                .fallible()
                .create_task(async { Err::<(), _>("error") }),
        );
        let promise = create_future();
        promise.set_result(vec![1]).expect("it is pending");
        let failed = create_future::<()>();
        failed.set_exception("error").expect("it is pending");
        sleep(ms(1)).await;
    });
}

#[test]
fn h11_memory_is_flat_while_tasks_come_and_go() {
    let test_loop = TestLoop::new();
    let rounds = if cfg!(miri) { 10 } else { 1_000 };
    let many = || {
        test_loop.run(async move {
            for round in 0..rounds {
                let promise = create_future();
                let waiting = create_task(promise.future().into_future());
                let cancelled = create_task(sleep(ms(3600)));
                let caught = create_task(catch_cancelled(pending::<()>()));
                bare_yield().await;
                promise.set_result(round).expect("it is pending");
                cancelled.cancel();
                caught.cancel();
                assert!(waiting.await.is_ok() && cancelled.await.is_err() && caught.await.is_ok());
            }
        });
    };
    let (warm_up, after) = (measure(many), measure(many));
    assert!(after.count_current <= 0, "{after:?}");
    assert!(
        after.count_max <= warm_up.count_max,
        "{warm_up:?} {after:?}"
    );
}

#[test]
#[cfg_attr(
    miri,
    ignore = "blocks are not kept there, so that a use after the end is seen"
)]
fn a_warm_loop_allocates_nothing_for_tasks_promises_waits_and_steps() {
    let test_loop = TestLoop::new();
    let allocations = |rounds: u32| {
        let round = || {
            test_loop.run(async move {
                for round in 0..rounds {
                    let promise = create_future();
                    let waiting = create_task(promise.future().into_future());
                    drop(create_task(async {}));
                    bare_yield().await;
                    promise.set_result(round).expect("it is pending");
                    assert_eq!(waiting.await.expect("it ends").ok(), Some(round));
                }
            });
        };
        measure(round).count_total
    };
    let _warm_up = allocations(10);
    assert_eq!(allocations(1_000), allocations(10));
}

#[test]
fn h11_a_detached_task_that_waits_for_a_promise_that_breaks_is_freed_in_the_open_loop() {
    let test_loop = TestLoop::new();
    let left = [(); 5].map(|()| {
        let round = || {
            test_loop.run(async {
                let promise = create_future::<u32>();
                drop(create_task(promise.future().into_future()));
                bare_yield().await;
                drop(promise);
                bare_yield().await;
            });
        };
        measure(round).count_current
    });
    assert!(left[4] <= 0, "{left:?}");
}

/// Remembers the threads in which its guards were dropped.
#[derive(Clone, Default)]
struct Graves(Rc<RefCell<Vec<(&'static str, ThreadId)>>>);

impl Graves {
    fn guard(&self, name: &'static str) -> impl Sized + use<> {
        let graves = self.0.clone();
        on_drop(move || graves.borrow_mut().push((name, thread::current().id())))
    }

    fn names(&self) -> Vec<&'static str> {
        let here = thread::current().id();
        assert!(self.0.borrow().iter().all(|(_, thread)| *thread == here));
        self.0.borrow().iter().map(|(name, _)| *name).collect()
    }
}

#[test]
fn h13_a_closing_loop_drops_tasks_in_each_state_once_and_in_its_own_thread() {
    let test_loop = TestLoop::new();
    let graves = Graves::default();
    let spawn = |name: &'static str, future: Pin<Box<dyn Future<Output = ()>>>| {
        let guard = graves.guard(name);
        test_loop
            .create_task(async move {
                let _guard = guard;
                future.await;
            })
            .expect("it is open")
    };
    let promise = test_loop.create_future::<()>().expect("it is open");
    let future = promise.future();
    let waiting = spawn("waiting", Box::pin(async move { drop(future.await) }));
    let sleeping = spawn("sleeping", Box::pin(async { sleep(ms(50)).await }));
    let yielding = spawn(
        "yielding",
        Box::pin(async {
            loop {
                bare_yield().await;
            }
        }),
    );
    let catching = spawn(
        "catching",
        Box::pin(async {
            drop(catch_cancelled(pending::<()>()).await);
        }),
    );
    let cancelled = spawn("cancelled", Box::pin(pending()));
    let detached = spawn("detached", Box::pin(pending()));
    drop(detached);
    run_iterations(&test_loop, 1);
    cancelled.cancel();
    let unstarted = spawn("unstarted", Box::pin(pending()));
    let helper = {
        let remote = promise.remote();
        thread::spawn(move || remote)
    };
    let remote = helper.join().expect("it does not panic");
    test_loop.close();
    assert_eq!(
        graves.names(),
        [
            "waiting",
            "sleeping",
            "yielding",
            "catching",
            "cancelled",
            "detached",
            "unstarted"
        ],
        "oldest first"
    );
    for task in [
        &waiting, &sleeping, &yielding, &catching, &cancelled, &unstarted,
    ] {
        assert!(matches!(task.result(), Err(TaskError::LoopClosed)));
    }
    assert_eq!(
        test_loop.take_reports(),
        ["Task was destroyed but it is pending!"; 7]
    );
    drop(remote);
    drop((waiting, sleeping, yielding, catching, cancelled, unstarted));
    assert_eq!(graves.names().len(), 7);
}

#[test]
fn h13_destructors_that_make_tasks_sleep_wake_and_set_are_survived() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    let promise = test_loop.create_future::<()>().expect("it is open");
    let waker = test_loop.run(own_waker());
    let event_loop: ouroloop_core::LoopRef = (*test_loop).clone();
    let say = log.clone();
    let victim = test_loop
        .create_task(async { pending::<()>().await })
        .expect("it is open");
    let guard = on_drop(move || {
        let made = event_loop.create_task(async { unreachable!("the loop is closed") });
        say.say(format!("task:{}", made.is_err()));
        let soon = event_loop.call_soon(|| unreachable!("the loop is closed"));
        say.say(format!("soon:{}", soon.is_err()));
        waker.wake_by_ref();
        victim.cancel();
        say.say(format!("set:{}", promise.set_result(()).is_ok()));
        say.say(format!("current:{}", current_task().is_some()));
        say.say(format!("closed:{}", event_loop.is_closed()));
        say.say(format!("again:{}", event_loop.close().is_ok()));
        let mut sleep = Box::pin(promise.future().into_future());
        let _ = poll_once(sleep.as_mut(), Waker::noop());
    });
    drop(
        test_loop
            .create_task(async move {
                let _guard = guard;
                pending::<()>().await;
            })
            .expect("it is open"),
    );
    run_iterations(&test_loop, 1);
    test_loop.close();
    assert_eq!(
        log.take(),
        "task:true soon:true set:true current:false closed:true again:true"
    );
    test_loop.take_reports();
}

#[test]
fn h13_a_destructor_that_makes_a_task_without_a_loop_is_reported_and_the_rest_are_dropped() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    for name in ["one", "two"] {
        let log = log.clone();
        let guard = on_drop(move || {
            log.say(name);
            drop(create_task(async {}));
        });
        drop(
            test_loop
                .create_task(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .expect("it is open"),
        );
    }
    run_iterations(&test_loop, 1);
    test_loop.close();
    assert_eq!(log.take(), "one two");
    let reports = test_loop.take_reports();
    assert_eq!(reports.len(), 4, "{reports:?}");
}

#[test]
fn h13_a_destructor_in_a_running_loop_may_make_tasks_and_sleep() {
    let test_loop = TestLoop::new();
    let log = Log::default();
    test_loop.run({
        let log = log.clone();
        async move {
            let say = log.clone();
            let guard = on_drop(move || {
                drop(create_task(async move {
                    sleep(ms(5)).await;
                    say.say("cleaned");
                }));
            });
            let task = create_task(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            bare_yield().await;
            task.cancel();
            sleep(ms(10)).await;
        }
    });
    assert_eq!(log.take(), "cleaned");
}

#[test]
fn h13_a_loop_that_is_dropped_without_close_is_closed_in_its_thread() {
    let graves = Graves::default();
    {
        let event_loop = ouroloop_core::EventLoop::builder()
            .clock(ouroloop_core::VirtualClock::new())
            .build()
            .expect("a loop can be made");
        let guard = graves.guard("left");
        event_loop.set_exception_handler(Some(Rc::new(|_, _| {})));
        drop(
            event_loop
                .create_task(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .expect("it is open"),
        );
    }
    assert_eq!(graves.names(), ["left"]);
}

#[test]
fn h13_the_handles_of_tasks_may_be_dropped_by_tasks_that_are_dropped() {
    let test_loop = TestLoop::new();
    let graves = Graves::default();
    let mut inner = None;
    for name in ["a", "b", "c", "d"] {
        let (guard, held) = (graves.guard(name), inner.take());
        let task = test_loop
            .create_task(async move {
                let _guard = guard;
                if let Some(held) = held {
                    let _: Result<(), TaskError> = Task::into_future(held).await;
                }
                pending::<()>().await;
            })
            .expect("it is open");
        inner = Some(task);
    }
    drop(inner);
    run_iterations(&test_loop, 2);
    test_loop.close();
    assert_eq!(graves.names(), ["a", "b", "c", "d"]);
    test_loop.take_reports();
}
