//! Panics at each place where code of others is called: the loop survives, all others complete.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use ouroloop_task::{
    AsFutureRef, Delegate, FutureRef, LoopTasks, Task, TaskBuilder, TaskError, bare_yield,
    catch_cancelled, create_future, create_task,
};
use ouroloop_testkit::{
    TestLoop, ms, on_drop, poll_once, quiet_panic, run_iterations, running_loop,
};

use crate::support::{Deed, hooked, own_waker, panics, polled_with, sleep};

/// Runs `scenario` beside a bystander that sleeps, and then looks whether the loop still works.
fn beside_others<T: 'static>(scenario: impl Future<Output = T> + 'static) -> (T, Vec<String>) {
    let test_loop = TestLoop::new();
    let value = test_loop.run(async {
        let bystander = create_task(async {
            sleep(ms(1)).await;
            "slept"
        });
        let value = scenario.await;
        assert_eq!(bystander.await.ok(), Some("slept"));
        value
    });
    let sum = test_loop.run(async {
        let tasks = [1, 2, 3].map(|n| create_task(async move { n }));
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("it has a value");
        }
        sum
    });
    assert_eq!(sum, 6);
    test_loop.close();
    (value, test_loop.take_reports())
}

fn panic_text<T>(ended: Result<T, TaskError>) -> String {
    match ended {
        Err(TaskError::Panicked(payload)) => payload.message().to_owned(),
        Err(error) => panic!("not a panic: {error}"),
        Ok(_) => panic!("not a panic but a value"),
    }
}

#[test]
fn h12_a_panic_in_a_poll_ends_the_task_and_all_who_wait_hear_of_it() {
    let (texts, reports) = beside_others(async {
        let task = Rc::new(create_task(async {
            bare_yield().await;
            quiet_panic("in poll")
        }));
        let joiners: Vec<Task<String>> = (0..3)
            .map(|_| {
                let task = task.clone();
                create_task(async move { panic_text::<&()>((&*task).await) })
            })
            .collect();
        let mut texts = Vec::new();
        for joiner in joiners {
            texts.push(joiner.await.expect("it has a value"));
        }
        texts
    });
    assert_eq!(texts, ["in poll"; 3]);
    assert_eq!(reports, [""; 0], "it was read");
}

#[test]
fn h12_a_panic_in_a_poll_drops_the_locals_once() {
    let drops = Rc::new(Cell::new(0));
    let (ended, _) = beside_others({
        let drops = drops.clone();
        async move {
            let task = create_task(async move {
                let _guard = on_drop(|| drops.set(drops.get() + 1));
                bare_yield().await;
                quiet_panic("in poll")
            });
            panic_text::<()>(task.await)
        }
    });
    assert_eq!((ended.as_str(), drops.get()), ("in poll", 1));
}

#[test]
fn h12_a_payload_can_be_resumed_with_its_type() {
    let (payload, _) = beside_others(async {
        let task: Task<()> = create_task(async { std::panic::resume_unwind(Box::new(17_u8)) });
        match task.await {
            Err(TaskError::Panicked(payload)) => payload.take(),
            _ => None,
        }
    });
    assert_eq!(
        payload.and_then(|it| it.downcast::<u8>().ok()).as_deref(),
        Some(&17)
    );
}

/// A future that gives a value and panics when it is dropped.
fn bomb_in_future(text: &'static str) -> impl Future<Output = u32> {
    let guard = on_drop(move || quiet_panic(text));
    poll_fn(move |_| {
        let _keep = &guard;
        Poll::Ready(5)
    })
}

#[test]
fn h12_a_panic_in_the_drop_of_a_future_that_is_done_ends_the_task() {
    let (text, reports) =
        beside_others(async { panic_text(create_task(bomb_in_future("dropped when done")).await) });
    assert_eq!(text, "dropped when done");
    assert_eq!(reports, [""; 0]);
}

#[test]
fn h12_a_panic_in_the_drop_of_a_cancelled_future_is_reported_and_the_task_is_cancelled() {
    for started in [false, true] {
        let (cancelled, reports) = beside_others(async move {
            let guard = on_drop(|| quiet_panic("while cancelled"));
            let task = create_task(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            if started {
                bare_yield().await;
            }
            task.cancel();
            matches!(task.await, Err(TaskError::Cancelled(_)))
        });
        assert!(cancelled);
        assert_eq!(reports, ["Exception while dropping a task's future"]);
    }
}

#[test]
fn h12_a_panic_in_a_destructor_below_a_scope_goes_on_through_the_scope() {
    let (text, reports) = beside_others(async {
        let task = create_task(async {
            let inner = async {
                let _guard = on_drop(|| quiet_panic("below a scope"));
                pending::<()>().await;
            };
            let _ = catch_cancelled(inner).await;
            unreachable!("the panic of the destructor comes first")
        });
        bare_yield().await;
        task.cancel();
        panic_text::<()>(task.await)
    });
    assert_eq!(text, "below a scope");
    assert_eq!(reports, [""; 0]);
}

#[test]
fn h12_a_panic_in_the_drop_of_an_output_that_a_cancellation_replaces_is_reported() {
    let (cancelled, reports) = beside_others(async {
        let task = create_task(async {
            ouroloop_task::current_task().expect("it is one").cancel();
            on_drop(|| quiet_panic("output"))
        });
        matches!(task.await, Err(TaskError::Cancelled(_)))
    });
    assert!(cancelled);
    assert_eq!(reports, ["Exception while dropping a task's future"]);
}

#[test]
fn h12_a_panic_in_the_drop_of_an_output_nobody_took_stays_with_who_drops_the_handle() {
    let (caught, _) = beside_others(async {
        let task = create_task(async { on_drop(|| quiet_panic("output")) });
        bare_yield().await;
        assert!(task.done());
        panics(|| drop(task)).is_err()
    });
    assert!(caught);
}

#[test]
fn h12_a_panic_in_the_drop_of_an_output_of_a_detached_task_is_survived() {
    let ((), reports) = beside_others(async {
        drop(create_task(async { on_drop(|| quiet_panic("output")) }));
        bare_yield().await;
        bare_yield().await;
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
}

#[test]
fn h12_a_waker_that_panics_does_not_keep_the_wake_from_the_others() {
    let (woken, _) = beside_others(async {
        let promise = create_future::<u32>();
        let hook = hooked(|deed| {
            if deed == Deed::Wake {
                quiet_panic("in wake")
            }
        });
        let mut hostile = Box::pin(polled_with(hook.waker(), promise.future().into_future()));
        let first = poll_fn(|cx| Poll::Ready(hostile.as_mut().poll(cx).is_pending())).await;
        assert!(first);
        let others: Vec<_> = (0..2)
            .map(|_| create_task(promise.future().into_future()))
            .collect();
        let called = Rc::new(Cell::new(false));
        promise.add_done_callback({
            let called = called.clone();
            move |_| called.set(true)
        });
        bare_yield().await;
        // Whether the setter hears of the panic is left open here.
        let _ = panics(|| promise.set_result(1));
        sleep(ms(10)).await;
        let woken: Vec<_> = others.iter().map(|task| task.done()).collect();
        for task in others {
            task.cancel();
        }
        (woken, called.get())
    });
    assert_eq!(woken, (vec![true, true], true));
}

#[test]
fn h12_a_waker_that_panics_while_a_request_travels_leaves_all_cancellable() {
    let (ended, _) = beside_others(async {
        let promise = create_future::<()>();
        let hook = hooked(|deed| {
            if deed == Deed::Wake {
                quiet_panic("in wake")
            }
        });
        // Waits beside the task, for the same promise, and is told first.
        let mut hostile = Box::pin(polled_with(hook.waker(), promise.future().into_future()));
        poll_fn(|cx| Poll::Ready(hostile.as_mut().poll(cx).is_pending())).await;
        let inner = create_task(promise.future().into_future());
        let outer = Rc::new(create_task(inner.into_future()));
        bare_yield().await;
        bare_yield().await;
        let _ = panics(|| outer.cancel());
        sleep(ms(10)).await;
        if !outer.done() {
            let _ = panics(|| outer.cancel());
            sleep(ms(10)).await;
        }
        drop(hostile);
        outer.cancelled()
    });
    assert!(ended);
}

#[test]
fn h12_a_waker_that_panics_when_a_scope_is_marked_leaves_the_task_in_the_loop() {
    let (ended, _) = beside_others(async {
        let promise = create_future::<()>();
        let future = promise.future();
        let task = Rc::new(create_task(async move {
            let own = own_waker().await;
            let hook = hooked(move |deed| {
                if deed == Deed::Wake {
                    own.wake_by_ref();
                    quiet_panic("in wake")
                }
            });
            let scope = catch_cancelled(future.into_future());
            polled_with(hook.waker(), scope).await.is_err()
        }));
        bare_yield().await;
        // The wake is queued (and panics), so that the request has to mark the scope.
        let _ = panics(|| promise.set_result(()));
        let _ = panics(|| task.cancel());
        sleep(ms(10)).await;
        let done = task.done();
        if !done {
            let _ = panics(|| task.cancel());
            sleep(ms(10)).await;
        }
        (done, task.done())
    });
    assert_eq!(ended, (true, true));
}

#[test]
fn h12_a_waker_whose_clone_panics_ends_the_poll_and_nothing_else() {
    let (ended, _) = beside_others(async {
        let promise = create_future::<u32>();
        let armed = Rc::new(Cell::new(true));
        let hook = hooked({
            let armed = armed.clone();
            move |deed| {
                if deed == Deed::Clone && armed.replace(false) {
                    quiet_panic("in clone")
                }
            }
        });
        let other = create_task(promise.future().into_future());
        let future = promise.future();
        let hostile = create_task(async move {
            let waker = hook.waker();
            polled_with(waker, future.into_future()).await
        });
        bare_yield().await;
        promise.set_result(2).expect("it is pending");
        let other = other.await.expect("it has a value").ok();
        (panic_text(hostile.await), other)
    });
    assert_eq!(ended, ("in clone".to_owned(), Some(2)));
}

#[test]
fn h12_a_waker_whose_drop_panics_leaves_the_others_alone() {
    let (other, _) = beside_others(async {
        let promise = create_future::<u32>();
        let hook = hooked(|deed| {
            if deed == Deed::Drop {
                quiet_panic("in drop")
            }
        });
        let mut hostile = Box::pin(promise.future().into_future());
        {
            let waker = std::mem::ManuallyDrop::new(hook.waker());
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(hostile.as_mut().poll(&mut cx).is_pending());
        }
        let other = create_task(promise.future().into_future());
        bare_yield().await;
        assert!(panics(move || drop(hostile)).is_err());
        promise.set_result(2).expect("it is pending");
        other.await.expect("it has a value").ok()
    });
    assert_eq!(other, Some(2));
}

#[test]
fn h12_a_panic_in_a_done_callback_is_reported_and_the_rest_run() {
    let (state, reports) = beside_others(async {
        let count = Rc::new(Cell::new(0));
        let promise = create_future::<()>();
        for place in 0..3 {
            let count = count.clone();
            promise.add_done_callback(move |_| {
                count.set(count.get() + 1);
                if place == 1 {
                    quiet_panic("in a callback")
                }
            });
        }
        promise.set_result(()).expect("it is pending");
        promise.future().await.expect("it is set");
        bare_yield().await;
        count.get()
    });
    assert_eq!(state, 3);
    assert_eq!(reports, ["Exception in callback"]);
}

#[test]
fn h12_a_panic_in_the_typed_callback_of_a_task_leaves_its_result_to_be_taken() {
    let (value, reports) = beside_others(async {
        let task = create_task(async { "value".to_owned() });
        task.add_done_callback(|task| {
            assert!(task.result().is_ok());
            quiet_panic("in a callback")
        });
        bare_yield().await;
        bare_yield().await;
        task.await
    });
    assert_eq!(value.ok().as_deref(), Some("value"));
    assert_eq!(reports, ["Exception in callback"]);
}

#[test]
fn h12_a_panic_in_the_drop_of_a_callback_that_never_runs_is_survived() {
    let (done, _) = beside_others(async {
        let promise = create_future::<()>();
        let guard = on_drop(|| quiet_panic("callback dropped"));
        let id = promise.add_done_callback(move |_| drop(guard));
        let called = Rc::new(Cell::new(false));
        promise.add_done_callback({
            let called = called.clone();
            move |_| called.set(true)
        });
        let _ = panics(|| promise.remove_done_callback(id));
        promise.set_result(()).expect("it is pending");
        bare_yield().await;
        called.get()
    });
    assert!(done);
}

#[test]
fn h12_an_exception_handler_that_panics_is_survived() {
    let test_loop = TestLoop::new();
    test_loop.set_exception_handler(Some(Rc::new(|_, _| quiet_panic("in the handler"))));
    let value = test_loop.run(async {
        drop(create_task(async { quiet_panic("unread") }));
        running_loop()
            .call_soon(|| quiet_panic("in a callback"))
            .expect("it is open");
        let promise = create_future::<()>();
        promise.set_exception("unread").expect("it is pending");
        drop(promise);
        sleep(ms(1)).await;
        7
    });
    assert_eq!(value, 7);
    test_loop.close();
}

#[test]
fn h12_a_panic_in_an_eager_step_ends_the_new_task_and_not_its_creator() {
    let (ended, reports) = beside_others(async {
        let task = TaskBuilder::new()
            .eager_start(true)
            .create_task(async { quiet_panic("eager") });
        assert!(task.done());
        let me = ouroloop_task::current_task().expect("this is a task");
        (panic_text::<()>(task.await), me.done())
    });
    assert_eq!(ended, ("eager".to_owned(), false));
    assert_eq!(reports, [""; 0]);
}

#[test]
fn h12_a_panic_inside_a_scope_leaves_no_scope_behind() {
    let (count, _) = beside_others(async {
        let task = create_task(async {
            let bad = std::panic::AssertUnwindSafe(catch_cancelled(async {
                bare_yield().await;
                quiet_panic("inside")
            }));
            let mut bad = Box::pin(bad.0);
            let caught = poll_fn(move |cx| match panics(|| bad.as_mut().poll(cx)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready::<Result<(), _>>(_)) => Poll::Ready(false),
                Err(_) => Poll::Ready(true),
            })
            .await;
            assert!(caught);
            // A request at the task unwinds the task itself, not the scope that is gone.
            pending::<()>().await;
        });
        sleep(ms(1)).await;
        task.cancel();
        matches!(task.await, Err(TaskError::Cancelled(_)))
    });
    assert!(count);
}

struct PanicsWhenAsked;

impl Delegate for PanicsWhenAsked {
    fn ask(&self) -> Vec<FutureRef> {
        quiet_panic("in ask")
    }

    fn asked(&self, _accepted: bool) {}
}

#[test]
fn h12_a_delegate_that_panics_leaves_its_asker_cancellable() {
    let (ended, _) = beside_others(async {
        let promise = running_loop()
            .create_delegating_future::<()>(Rc::new(PanicsWhenAsked))
            .expect("it is open");
        let task = create_task(promise.future().into_future());
        bare_yield().await;
        let _ = panics(|| task.cancel());
        promise.set_result(()).expect("it is pending");
        sleep(ms(1)).await;
        let done = task.done();
        let again = create_task(pending::<()>());
        bare_yield().await;
        again.cancel();
        sleep(ms(1)).await;
        (done, again.cancelled())
    });
    assert_eq!(ended, (true, true));
}

#[test]
fn h12_panics_of_destructors_do_not_keep_a_loop_from_closing() {
    let test_loop = TestLoop::new();
    let dropped = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let dropped = dropped.clone();
        let guard = on_drop(move || {
            dropped.set(dropped.get() + 1);
            quiet_panic("at close")
        });
        let task = test_loop
            .create_task(async move {
                let _guard = guard;
                pending::<()>().await;
            })
            .expect("it is open");
        drop(task);
    }
    run_iterations(&test_loop, 1);
    test_loop.close();
    assert_eq!(dropped.get(), 3);
    let reports = test_loop.take_reports();
    let of_drops = reports
        .iter()
        .filter(|it| it.contains("dropping a task's future"));
    assert_eq!(of_drops.count(), 3);
    let pending = reports
        .iter()
        .filter(|it| it.contains("destroyed but it is pending"));
    assert_eq!(pending.count(), 3);
}

#[test]
fn h12_a_waker_that_panics_does_not_keep_a_loop_from_closing() {
    let test_loop = TestLoop::new();
    let dropped = Rc::new(Cell::new(0));
    let hook = hooked(|deed| {
        if deed == Deed::Wake {
            quiet_panic("at close")
        }
    });
    let mut tasks = Vec::new();
    let mut hostile = Vec::new();
    for _ in 0..3 {
        let dropped = dropped.clone();
        let guard = on_drop(move || dropped.set(dropped.get() + 1));
        let task = Rc::new(
            test_loop
                .create_task(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .expect("it is open"),
        );
        let waiting = task.clone();
        let waker = hook.waker();
        let mut joiner = Box::pin(polled_with(
            waker,
            async move { (&*waiting).await.is_err() },
        ));
        let polled = poll_once(joiner.as_mut(), std::task::Waker::noop());
        assert!(polled.is_pending());
        tasks.push(task);
        hostile.push(joiner);
    }
    run_iterations(&test_loop, 1);
    test_loop.close();
    assert_eq!(dropped.get(), 3);
    assert!(tasks.iter().all(|task| task.done()));
    test_loop.take_reports();
}

#[test]
fn h12_a_panic_while_an_error_is_made_of_an_output_ends_the_task() {
    struct Bad;
    impl From<Bad> for Box<dyn std::error::Error + Send + Sync> {
        fn from(_: Bad) -> Self {
            quiet_panic("while converting")
        }
    }
    let (text, _) = beside_others(async {
        let task = TaskBuilder::new()
            .fallible()
            .create_task(async { Err::<(), _>(Bad) });
        panic_text(task.await)
    });
    assert_eq!(text, "while converting");
}

#[test]
fn h12_a_task_factory_that_panics_makes_no_task() {
    let test_loop = TestLoop::new();
    test_loop
        .set_task_factory(Some(Rc::new(|_| quiet_panic("in the factory"))))
        .expect("it is open");
    assert!(panics(|| test_loop.create_task(async {})).is_err());
    assert!(test_loop.all_tasks().is_empty());
    test_loop.set_task_factory(None).expect("it is open");
    assert_eq!(test_loop.run(async { 1 }), 1);
}

#[test]
fn references_made_before_a_panic_stay_usable() {
    let (state, _) = beside_others(async {
        let task = create_task(async { quiet_panic("gone") });
        let future = task.as_future_ref();
        let untyped = task.as_task_ref();
        bare_yield().await;
        let exception = future.exception().expect("it ended in an error");
        assert!(future.ended_in_error() && untyped.done() && !untyped.cancel());
        assert!(matches!(task.exception(), Ok(Some(TaskError::Panicked(_)))));
        let _: Result<&(), _> = task.result();
        exception.to_string()
    });
    assert_eq!(state, "the task panicked: gone");
}
