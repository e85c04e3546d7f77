//! Promises: their verbs, their errors, those who wait, and the setters of other threads.

use std::cell::{Cell, RefCell};
use std::future::IntoFuture;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use ouroloop_core::{LoopError, new_event_loop};
use ouroloop_task::{
    AsFutureRef, Cancelled, CancelledBy, Delegate, FutureRef, InvalidState, LoopTasks, TaskError,
    bare_yield, create_future, create_task,
};
use ouroloop_testkit::{Log, TestLoop, cancel_message, hops, run_iterations, running_loop};

use crate::support::{ignore, run};

#[derive(Debug, thiserror::Error)]
#[error("wrong colour")]
struct WrongColour;

#[test]
fn pending_then_a_value() {
    run(async {
        let promise = create_future::<String>();
        assert!(!promise.done() && !promise.cancelled());
        assert!(matches!(promise.result(), Err(TaskError::InvalidState)));
        assert!(matches!(promise.exception(), Err(TaskError::InvalidState)));
        promise.set_result("value".into()).expect("it is pending");
        assert!(promise.done() && !promise.cancelled());
        assert_eq!(promise.result().expect("it is set"), "value");
        assert!(matches!(promise.exception(), Ok(None)));
        assert_eq!(promise.await.expect("it is set"), "value");
    });
}

#[test]
fn what_is_done_cannot_be_set_again() {
    run(async {
        let promise = create_future::<u32>();
        promise.set_result(1).expect("it is pending");
        assert_eq!(promise.set_result(2), Err(InvalidState));
        assert_eq!(promise.set_exception("late"), Err(InvalidState));
        assert_eq!(promise.set_error(TaskError::LoopClosed), Err(InvalidState));
        assert!(!promise.cancel());
        assert_eq!(promise.result().ok(), Some(&1));

        let cancelled = create_future::<u32>();
        assert!(cancelled.cancel_with("no use"));
        assert!(!cancelled.cancel());
        assert_eq!(cancelled.set_result(2), Err(InvalidState));
        assert!(cancelled.done() && cancelled.cancelled());
        assert_eq!(
            cancel_message(cancelled.result()).as_deref(),
            Some("no use")
        );
        assert!(matches!(
            cancelled.exception(),
            Err(TaskError::Cancelled(_))
        ));
    });
}

#[test]
fn the_value_of_a_refused_set_is_dropped_at_once() {
    run(async {
        let promise = create_future::<Rc<()>>();
        let value = Rc::new(());
        promise.set_result(value.clone()).expect("it is pending");
        assert_eq!(promise.set_result(value.clone()), Err(InvalidState));
        assert_eq!(Rc::strong_count(&value), 2);
    });
}

#[test]
fn all_who_wait_get_the_same_error() {
    run(async {
        let promise = create_future::<()>();
        let errors: Vec<_> = (0..3)
            .map(|_| create_task(promise.future().into_future()))
            .collect();
        bare_yield().await;
        promise.set_exception(WrongColour).expect("it is pending");
        let mut first: Option<Arc<_>> = None;
        for task in errors {
            let Err(error) = task.await.expect("the await itself gave a value") else {
                panic!("the promise has an error");
            };
            assert!(error.downcast_ref::<WrongColour>().is_some());
            let TaskError::Failed(error) = error else {
                panic!("it failed: {error}");
            };
            assert!(Arc::ptr_eq(
                first.get_or_insert_with(|| error.clone()),
                &error
            ));
        }
        let read = promise.exception().expect("it is done").expect("it failed");
        assert_eq!(read.to_string(), "wrong colour");
    });
}

#[test]
fn the_error_of_io_keeps_its_kind() {
    run(async {
        let promise = create_future::<()>();
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        promise.set_exception(error).expect("it is pending");
        let error = io::Error::from(promise.future().await.expect_err("it failed"));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn awaiting_by_value_moves_the_result_out_if_nobody_else_can_see_it() {
    run(async {
        let value = Rc::new(());
        let alone = create_future();
        alone.set_result(value.clone()).expect("it is pending");
        let moved = alone.await.expect("it is set");
        assert_eq!(
            Rc::strong_count(&value),
            2,
            "the original and the one moved"
        );

        let shared = create_future();
        let other = shared.future();
        shared.set_result(moved).expect("it is pending");
        let cloned = shared.await.expect("it is set");
        assert_eq!(Rc::strong_count(&value), 3, "the promise has one as well");
        drop((other, cloned));
        assert_eq!(Rc::strong_count(&value), 1);
    });
}

#[test]
fn awaiting_a_reference_lends_a_result_that_cannot_be_cloned() {
    struct Unique(u32);
    run(async {
        let promise = create_future::<Unique>();
        let future = promise.future();
        let waiter = create_task(async move {
            let lent = (&future).await.expect("it is set");
            let again = (&future).await.expect("it is set");
            assert!(std::ptr::eq(lent, again));
            lent.0
        });
        bare_yield().await;
        promise.set_result(Unique(7)).expect("it is pending");
        assert_eq!(waiter.await.expect("it has a value"), 7);
        assert_eq!((&promise).await.expect("it is set").0, 7);
    });
}

#[test]
fn the_last_setter_that_goes_breaks_the_promise_at_once() {
    run(async {
        let first = create_future::<()>();
        let future = first.future();
        let second = first.clone();
        assert_eq!(second.setter_count(), 2);
        drop(first);
        assert_eq!(second.setter_count(), 1);
        assert!(!future.done());
        running_loop()
            .call_soon(move || drop(second))
            .expect("it is open");
        let (count, ended) = hops(future.clone()).await;
        assert!(matches!(ended, Err(TaskError::BrokenPromise)));
        assert_eq!(count, 2, "as if it had been set");
        assert!(!future.cancelled());
    });
}

#[test]
fn awaiting_a_promise_by_value_gives_up_the_right_to_set_it() {
    run(async {
        let ended = create_future::<()>().await;
        assert!(matches!(ended, Err(TaskError::BrokenPromise)));
    });
}

#[test]
fn a_stored_cancellation_is_an_error_that_looks_like_one() {
    run(async {
        let promise = create_future::<()>();
        let cancelled = Cancelled::new(CancelledBy::Task).with_message("stored");
        promise
            .set_error(TaskError::Cancelled(cancelled))
            .expect("it is pending");
        assert!(promise.done() && !promise.cancelled());
        assert_eq!(
            cancel_message(promise.future().await).as_deref(),
            Some("stored")
        );
    });
}

#[test]
fn a_promise_of_another_loop_is_refused_one_iteration_later() {
    let other = new_event_loop().expect("a loop can be made");
    let promise = other.create_future::<()>().expect("it is open");
    let future = promise.future();
    run(async move {
        let (count, ended) = hops(future.clone()).await;
        assert!(matches!(ended, Err(TaskError::WrongLoop)));
        assert_eq!(count, 1);
        let (count, ended) = hops(async { (&future).await.map(|&()| ()) }).await;
        assert!(matches!(ended, Err(TaskError::WrongLoop)));
        assert_eq!(count, 1);
    });
    promise.set_result(()).expect("it is pending");
    other.close().expect("it does not run");
}

#[test]
fn a_promise_that_is_done_can_be_read_from_any_loop() {
    let other = new_event_loop().expect("a loop can be made");
    let promise = other.create_future::<u32>().expect("it is open");
    promise.set_result(4).expect("it is pending");
    other.close().expect("it does not run");
    assert_eq!(run(async move { promise.await }).ok(), Some(4));
}

#[test]
fn a_promise_of_a_closed_loop_can_still_be_set_and_read() {
    let test_loop = TestLoop::new();
    let early = test_loop.create_future::<u32>().expect("it is open");
    test_loop.close();
    early.set_result(1).expect("it is pending");
    assert_eq!(early.result().ok(), Some(&1));
    early.add_done_callback(|_| unreachable!("nobody calls it"));
}

#[test]
fn references_to_one_promise_are_equal() {
    run(async {
        let promise = create_future::<()>();
        let other = create_future::<()>();
        assert_eq!(promise.as_future_ref(), promise.future().as_future_ref());
        assert_ne!(promise.as_future_ref(), other.as_future_ref());
        assert!(format!("{promise:?}").contains("pending"));
        promise.set_result(()).expect("it is pending");
        assert!(format!("{promise:?}").contains("finished"));
        assert!(promise.as_future_ref().task_name().is_none());
        other.cancel();
    });
}

/// Asks promises, and remembers what it was told.
struct Asks {
    targets: RefCell<Vec<FutureRef>>,
    told: Rc<Cell<Option<bool>>>,
}

impl Delegate for Asks {
    fn ask(&self) -> Vec<FutureRef> {
        self.targets.borrow().clone()
    }

    fn asked(&self, accepted: bool) {
        self.told.set(Some(accepted));
    }
}

#[test]
fn a_delegating_promise_asks_others_instead_of_being_cancelled() {
    run(async {
        let (one, two) = (create_future::<()>(), create_future::<()>());
        let told = Rc::new(Cell::new(None));
        let delegate = Rc::new(Asks {
            targets: RefCell::new(vec![one.as_future_ref(), two.as_future_ref()]),
            told: told.clone(),
        });
        let promise = running_loop()
            .create_delegating_future::<()>(delegate)
            .expect("it is open");
        one.set_result(()).expect("it is pending");
        assert!(promise.cancel_with("pass it on"), "one of them accepted");
        assert_eq!(told.take(), Some(true));
        assert!(!promise.done() && two.cancelled() && !one.cancelled());
        assert_eq!(cancel_message(two.result()).as_deref(), Some("pass it on"));
        assert!(!promise.cancel(), "all are done");
        assert_eq!(told.take(), Some(false));
        promise.set_result(()).expect("it is pending");
        assert!(!promise.cancel());
        assert_eq!(told.take(), None, "it is done, so nobody is asked");
    });
}

#[test]
fn a_delegate_that_names_its_own_promise_is_refused_there() {
    run(async {
        let told = Rc::new(Cell::new(None));
        let delegate = Rc::new(Asks {
            targets: RefCell::default(),
            told: told.clone(),
        });
        let promise = running_loop()
            .create_delegating_future::<()>(delegate.clone())
            .expect("it is open");
        delegate.targets.borrow_mut().push(promise.as_future_ref());
        assert!(!promise.cancel());
        assert_eq!(told.take(), Some(false));
        delegate.targets.take();
    });
}

#[test]
fn a_delegate_that_names_a_task_of_another_loop_cancels_that_and_nobody_else() {
    // Names of waits are numbers of a loop: each of these would be that of the task's, were it of the other loop.
    for before in 0..4 {
        let other = TestLoop::new();
        let elsewhere = other.create_future::<()>().expect("it is open");
        for _ in 0..before {
            elsewhere.add_done_callback(|_| {});
        }
        let waits = async { std::future::pending::<()>().await };
        let waits = async move {
            let promise = create_future::<()>();
            let kept = promise.clone();
            ignore(promise.await);
            drop(kept);
            waits.await;
        };
        let theirs = other.create_task(waits).expect("it is open");
        run_iterations(&other, 1);
        let named = theirs.as_future_ref();
        run(async move {
            let promise = create_future::<()>();
            let innocent = create_task(promise.future().into_future());
            bare_yield().await;
            let told = Rc::new(Cell::new(None));
            let delegate = Rc::new(Asks {
                targets: RefCell::new(vec![named]),
                told: told.clone(),
            });
            let front = running_loop().create_delegating_future::<()>(delegate);
            assert!(front.expect("it is open").cancel());
            assert_eq!(told.take(), Some(true));
            bare_yield().await;
            assert!(!promise.cancelled() && !innocent.done(), "{before}");
            promise.set_result(()).expect("it is pending");
            innocent
                .await
                .expect("nobody cancels it")
                .expect("it is set");
        });
        run_iterations(&other, 2);
        assert!(theirs.cancelled(), "{before}");
        elsewhere.set_result(()).expect("it is pending");
        run_iterations(&other, 1);
        other.close();
    }
}

#[test]
fn a_closed_loop_has_dropped_the_callbacks_that_nobody_will_call() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<()>().expect("it is open");
    let called = Rc::new(());
    let ids = [(); 2].map(|()| {
        let called = called.clone();
        promise.add_done_callback(move |_| drop(called))
    });
    test_loop.close();
    assert_eq!(Rc::strong_count(&called), 1);
    promise.set_result(()).expect("it is pending");
    for id in ids {
        assert_eq!(promise.remove_done_callback(id), 0);
    }
}

#[test]
fn a_remote_setter_wakes_the_loop() {
    run(async {
        let promise = create_future();
        let remote = promise.remote();
        let thread = thread::spawn(move || remote.set_result("from afar".to_owned()));
        assert_eq!(promise.await.expect("it is set"), "from afar");
        assert!(matches!(thread.join(), Ok(Ok(()))));

        let promise = create_future::<()>();
        let remote = promise.remote();
        let thread = thread::spawn(move || remote.set_exception(WrongColour));
        let error = promise.await.expect_err("it failed");
        assert!(error.downcast_ref::<WrongColour>().is_some());
        assert!(matches!(thread.join(), Ok(Ok(()))));
    });
}

#[test]
fn a_remote_setter_that_is_dropped_in_a_thread_breaks_the_promise() {
    run(async {
        let promise = create_future::<()>();
        let remote = promise.remote();
        let thread = thread::spawn(move || drop(remote));
        assert!(matches!(promise.await, Err(TaskError::BrokenPromise)));
        thread.join().expect("it does not panic");
    });
}

#[test]
fn a_remote_setter_counts_as_a_setter_and_sets_in_the_next_iteration() {
    run(async {
        let promise = create_future::<u32>();
        let remote = promise.remote();
        assert_eq!(promise.setter_count(), 2);
        let future = promise.future();
        drop(promise);
        assert!(!future.done());
        remote.set_result(3).expect("it is open");
        assert!(!future.done());
        let (count, value) = hops(future).await;
        assert_eq!((count, value.ok()), (2, Some(3)));
    });
}

#[test]
fn a_remote_set_of_what_is_cancelled_does_nothing() {
    run(async {
        let promise = create_future::<u32>();
        let remote = promise.remote();
        promise.cancel();
        remote.set_result(3).expect("it is open");
        bare_yield().await;
        assert!(promise.cancelled());
    });
}

#[test]
fn a_remote_setter_outlives_its_loop() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<u32>().expect("it is open");
    let (set, dropped) = (promise.remote(), promise.remote());
    test_loop.close();
    assert_eq!(promise.setter_count(), 1, "the loop has dropped theirs");
    assert!(matches!(set.set_result(1), Err(LoopError::Closed)));
    drop(dropped);
    assert!(!promise.done());
}

#[test]
fn a_remote_setter_of_a_closed_loop_leaves_its_successor_alone() {
    let first = TestLoop::new();
    let remote = {
        let promise = first.create_future::<u32>().expect("it is open");
        promise.remote()
    };
    first.close();
    let second = TestLoop::new();
    let promise = second.create_future::<u32>().expect("it is open");
    let same_place = promise.remote();
    assert!(remote.set_result(1).is_err());
    run_iterations(&second, 2);
    assert!(!promise.done());
    drop(same_place);
}

#[test]
fn values_are_dropped_in_order_and_once() {
    let log = Log::default();
    run({
        let log = log.clone();
        async move {
            let promise = create_future();
            promise
                .set_result(Rc::new(log.on_drop("value")))
                .expect("it is pending");
            let one = promise.future().await.expect("it is set");
            log.say("got");
            drop(promise);
            drop(one);
            log.say("end");
        }
    });
    assert_eq!(log.take(), "got value end");
}
