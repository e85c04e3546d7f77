//! Wakers that call back into what calls them: nothing is borrowed, nothing is lost, nothing hangs.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use ouroloop_task::{
    LoopTasks, Promise, Task, TaskError, Waiter, bare_yield, catch_cancelled, create_future,
    create_task,
};
use ouroloop_testkit::{MemoryStreams, TestLoop, WakeCount, ms, poll_once, running_loop};

use crate::support::{Deed, Hooked, hooked, ignore, own_waker, polled_with, run, sleep};

/// What a hostile waker does.
type Mischief = Rc<dyn Fn(&Promise<u32>)>;

fn mischiefs() -> Vec<(&'static str, Mischief)> {
    vec![
        ("set", Rc::new(|promise| ignore(promise.set_result(1)))),
        ("cancel", Rc::new(|promise| ignore(promise.cancel()))),
        (
            "add a callback",
            Rc::new(|promise| {
                promise.add_done_callback(|_| {});
            }),
        ),
        ("read", Rc::new(|promise| drop(promise.result().copied()))),
        ("clone and drop", Rc::new(|promise| drop(promise.clone()))),
        (
            "make a task",
            Rc::new(|promise| {
                let future = promise.future();
                drop(create_task(async move { future.await }));
            }),
        ),
        (
            "wait in place",
            Rc::new(|promise| {
                let mut wait = Box::pin(promise.future().into_future());
                let _ = poll_once(wait.as_mut(), Waker::noop());
            }),
        ),
    ]
}

/// A waker that does `mischief` at the deed, once, and wakes the task.
fn hostile(at: Deed, promise: &Promise<u32>, mischief: &Mischief, own: Waker) -> Hooked {
    let (promise, mischief) = (promise.clone(), mischief.clone());
    let armed = Cell::new(true);
    hooked(move |deed| {
        if deed == at && armed.replace(false) {
            mischief(&promise);
        }
        if deed == Deed::Wake {
            own.wake_by_ref();
        }
    })
}

#[test]
fn h10_a_waker_may_re_enter_the_promise_that_it_waits_for() {
    for at in [Deed::Clone, Deed::Wake, Deed::Drop] {
        for (name, mischief) in mischiefs() {
            let done = run(async move {
                let promise = create_future::<u32>();
                let task: Task<bool> = create_task({
                    let promise = promise.clone();
                    async move {
                        let hook = hostile(at, &promise, &mischief, own_waker().await);
                        let wait = promise.future().into_future();
                        let mut wait = Box::pin(polled_with(hook.waker(), wait));
                        // Polled once by another waker, so that this one is replaced, too.
                        let _ = poll_once(Pin::new(&mut wait), Waker::noop());
                        wait.await.is_ok()
                    }
                });
                let other = create_task(promise.future().into_future());
                bare_yield().await;
                bare_yield().await;
                let _ = promise.set_result(2);
                sleep(ms(1)).await;
                let done = task.done() && other.done();
                task.cancel();
                done
            });
            assert!(done, "{name} at {at:?}");
        }
    }
}

#[test]
fn h10_a_promise_that_is_set_while_its_first_waker_is_cloned_is_not_missed() {
    let done = run(async {
        let promise = create_future::<u32>();
        let task = create_task({
            let promise = promise.clone();
            async move {
                let set: Mischief = Rc::new(|promise| ignore(promise.set_result(1)));
                let hook = hostile(Deed::Clone, &promise, &set, own_waker().await);
                polled_with(hook.waker(), promise.future().into_future()).await
            }
        });
        sleep(ms(1)).await;
        let done = task.done();
        task.cancel();
        done
    });
    assert!(done);
}

#[test]
fn h10_a_promise_that_is_set_while_its_waker_is_replaced_is_not_missed() {
    let done = run(async {
        let promise = create_future::<u32>();
        let task = create_task({
            let promise = promise.clone();
            async move {
                let mut wait = Box::pin(promise.future().into_future());
                assert!(poll_once(wait.as_mut(), Waker::noop()).is_pending());
                let set: Mischief = Rc::new(|promise| ignore(promise.set_result(1)));
                let hook = hostile(Deed::Clone, &promise, &set, own_waker().await);
                polled_with(hook.waker(), wait).await
            }
        });
        sleep(ms(1)).await;
        let done = task.done();
        task.cancel();
        done
    });
    assert!(done);
}

#[test]
fn h10_a_waiter_that_is_fired_while_its_waker_is_cloned_is_not_missed() {
    let done = run(async {
        let task = create_task(async {
            let waiter = Waiter::new();
            let key = waiter.key();
            let own = own_waker().await;
            let hook = hooked(move |deed| match deed {
                Deed::Clone => drop(key.fire()),
                Deed::Wake => own.wake_by_ref(),
                Deed::Drop => {}
            });
            polled_with(hook.waker(), waiter).await;
        });
        sleep(ms(1)).await;
        let done = task.done();
        task.cancel();
        done
    });
    assert!(done);
}

#[test]
fn a_time_that_was_replaced_does_not_fire_though_its_turn_is_queued() {
    let (early, late) = run(async {
        let waiter = Rc::new(Waiter::new());
        let other = waiter.clone();
        // Both are moved to the ready queue before the first of them has its turn.
        let later = move || other.fire_at(ms(10)).expect("it is open");
        running_loop().call_at(ms(5), later).expect("it is open");
        waiter.fire_at(ms(5)).expect("it is open");
        sleep(ms(7)).await;
        let early = waiter.done();
        sleep(ms(5)).await;
        (early, waiter.done())
    });
    assert!(!early && late);
}

#[test]
fn h10_a_waker_may_cancel_the_task_that_it_belongs_to() {
    for at in [Deed::Clone, Deed::Wake, Deed::Drop] {
        let cancelled = run(async move {
            let promise = create_future::<u32>();
            let handle: Rc<RefCell<Option<Rc<Task<bool>>>>> = Rc::default();
            let task = create_task({
                let (future, handle) = (promise.future(), handle.clone());
                async move {
                    let own = own_waker().await;
                    let hook = hooked(move |deed| {
                        if deed == at {
                            if let Some(task) = &*handle.borrow() {
                                task.cancel();
                            }
                        }
                        if deed == Deed::Wake {
                            own.wake_by_ref();
                        }
                    });
                    let caught = catch_cancelled(future.into_future());
                    polled_with(hook.waker(), caught).await.is_err()
                }
            });
            let task = Rc::new(task);
            handle.replace(Some(task.clone()));
            bare_yield().await;
            let _ = promise.set_result(1);
            task.cancel();
            sleep(ms(1)).await;
            handle.take();
            task.done()
        });
        assert!(cancelled, "at {at:?}");
    }
}

#[test]
fn h10_the_waker_of_a_scope_is_cloned_with_nothing_borrowed() {
    let caught = run(async {
        let promise = create_future::<u32>();
        let cloned = Rc::new(Cell::new(0));
        let task = Rc::new(create_task({
            let (promise, cloned) = (promise.clone(), cloned.clone());
            async move {
                let own = own_waker().await;
                let hook = hooked({
                    let promise = promise.clone();
                    move |deed| match deed {
                        Deed::Clone => {
                            cloned.set(cloned.get() + 1);
                            // These touch the tables of waits and of scopes.
                            promise.add_done_callback(|_| {});
                            drop(create_task(async {}));
                        }
                        Deed::Wake => own.wake_by_ref(),
                        Deed::Drop => {}
                    }
                });
                let caught = catch_cancelled(promise.future().into_future());
                polled_with(hook.waker(), caught).await.is_err()
            }
        }));
        bare_yield().await;
        promise.set_result(1).expect("it is pending");
        // The wake is queued, so the scope is marked and woken by its waker.
        task.cancel();
        sleep(ms(1)).await;
        assert!(cloned.get() > 0);
        let done = task.done();
        if !done {
            return None;
        }
        (&*task).await.ok().copied()
    });
    assert_eq!(caught, Some(true));
}

#[test]
fn h10_a_waker_may_poll_its_future_inline() {
    let values = run(async {
        let promise = create_future::<u32>();
        type Shared = Rc<RefCell<Option<Pin<Box<dyn Future<Output = Option<u32>>>>>>>;
        let shared: Shared = Rc::default();
        let values = Rc::new(RefCell::new(Vec::new()));
        let hook = Rc::new(hooked({
            let (shared, values) = (shared.clone(), values.clone());
            move |deed| {
                if deed == Deed::Wake {
                    let mut future = shared.take().expect("it is polled by one at a time");
                    if let Poll::Ready(value) = poll_once(future.as_mut(), Waker::noop()) {
                        values.borrow_mut().push(value);
                    }
                }
            }
        }));
        let future = promise.future();
        let mut first: Pin<Box<dyn Future<Output = Option<u32>>>> =
            Box::pin(async move { future.await.ok() });
        assert!(poll_once(first.as_mut(), &hook.waker()).is_pending());
        shared.replace(Some(first));
        promise.set_result(9).expect("it is pending");
        values.take()
    });
    assert_eq!(values, [Some(9)], "inside of set_result");
}

#[test]
fn h10_a_hook_that_drops_the_future_that_it_wakes_is_survived() {
    run(async {
        let promise = create_future::<u32>();
        type Shared = Rc<RefCell<Vec<Pin<Box<dyn Future<Output = bool>>>>>>;
        let shared: Shared = Rc::default();
        let hook = hooked({
            let shared = shared.clone();
            move |deed| {
                if deed == Deed::Wake {
                    // All who wait, also those that are still to be told.
                    drop(shared.take());
                }
            }
        });
        for _ in 0..3 {
            let future = promise.future();
            let mut wait: Pin<Box<dyn Future<Output = bool>>> =
                Box::pin(async move { future.await.is_ok() });
            assert!(poll_once(wait.as_mut(), &hook.waker()).is_pending());
            shared.borrow_mut().push(wait);
        }
        let task = create_task(promise.future().into_future());
        bare_yield().await;
        promise.set_result(1).expect("it is pending");
        assert!(matches!(task.await, Ok(Ok(1))));
    });
}

#[test]
fn a_foreign_waker_is_woken_when_the_promise_is_set_and_once() {
    run(async {
        let promise = create_future::<u32>();
        let (wakes, waker) = WakeCount::new();
        let mut wait = Box::pin(promise.future().into_future());
        assert!(poll_once(wait.as_mut(), &waker).is_pending());
        promise.set_result(1).expect("it is pending");
        assert_eq!(wakes.get(), 1);
        let Poll::Ready(value) = poll_once(wait.as_mut(), &waker) else {
            panic!("it is set");
        };
        assert_eq!((value.ok(), wakes.get()), (Some(1), 1));
    });
}

#[test]
fn of_two_wakers_the_one_of_the_last_poll_is_woken() {
    run(async {
        let promise = create_future::<u32>();
        let ((old, old_waker), (new, new_waker)) = (WakeCount::new(), WakeCount::new());
        let mut wait = Box::pin(promise.future().into_future());
        assert!(poll_once(wait.as_mut(), &old_waker).is_pending());
        assert!(poll_once(wait.as_mut(), &new_waker).is_pending());
        promise.set_result(1).expect("it is pending");
        assert_eq!((old.get(), new.get()), (0, 1));
    });
}

#[test]
fn a_wait_that_moves_to_another_task_wakes_that_one() {
    run(async {
        let promise = create_future::<u32>();
        let mut wait = Box::pin(promise.future().into_future());
        assert!(poll_once(wait.as_mut(), &own_waker().await).is_pending());
        let task = create_task(async move { wait.await.ok() });
        bare_yield().await;
        promise.set_result(3).expect("it is pending");
        assert_eq!(task.await.ok().flatten(), Some(3));
    });
}

#[test]
fn a_stale_waker_of_a_task_that_is_done_does_nothing() {
    run(async {
        let task = create_task(own_waker());
        let waker = task.await.expect("it has a value");
        let polls = Rc::new(Cell::new(0));
        let other = create_task({
            let polls = polls.clone();
            async move {
                std::future::poll_fn(|_| {
                    polls.set(polls.get() + 1);
                    Poll::<()>::Pending
                })
                .await;
            }
        });
        bare_yield().await;
        waker.wake_by_ref();
        waker.wake();
        sleep(ms(1)).await;
        assert_eq!(polls.get(), 1);
        other.cancel();
    });
}

/// A waker that runs `hook` when it is first cloned.
fn when_cloned(hook: impl FnOnce() + 'static) -> Hooked {
    let hook = Cell::new(Some(hook));
    hooked(move |deed| {
        if let (Deed::Clone, Some(hook)) = (deed, hook.take()) {
            hook();
        }
    })
}

// Here and not beside the streams of the test kit, since it takes a hostile waker.
#[test]
fn what_happens_to_a_memory_stream_while_the_waker_is_cloned_is_seen() {
    let (mut left, mut right) = MemoryStreams::new().capacity(1).pair();
    let writes = when_cloned(move || {
        let written = poll_once(pin!(left.write(b"x")), Waker::noop());
        assert!(matches!(written, Poll::Ready(Ok(1))));
    });
    let read = poll_once(pin!(right.read(&mut [0; 1])), &writes.waker());
    assert!(matches!(read, Poll::Ready(Ok(1))), "{read:?}");

    let (mut left, mut right) = MemoryStreams::new().capacity(1).pair();
    ignore(poll_once(pin!(left.write(b"x")), Waker::noop()));
    let reads = when_cloned(move || {
        let read = poll_once(pin!(right.read(&mut [0; 1])), Waker::noop());
        assert!(matches!(read, Poll::Ready(Ok(1))));
    });
    let written = poll_once(pin!(left.write(b"y")), &reads.waker());
    let Poll::Ready(Err(error)) = written else {
        panic!("{written:?}");
    };
    let kind = error.kind();
    assert_eq!(kind, ErrorKind::BrokenPipe, "the reader went with the hook");
}

#[test]
fn who_waits_in_another_executor_hears_of_the_close() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<()>().expect("it is open");
    let task = test_loop.create_task(pending::<()>()).expect("it is open");
    let woken = Rc::new(Cell::new(0));
    let count = woken.clone();
    let counts = hooked(move |deed| {
        if deed == Deed::Wake {
            count.set(count.get() + 1);
        }
    });
    let waker = counts.waker();
    let mut promised = Box::pin(promise.future().into_future());
    let mut joined = Box::pin(task.into_future());
    assert!(poll_once(promised.as_mut(), &waker).is_pending());
    assert!(poll_once(joined.as_mut(), &waker).is_pending());
    test_loop.close();
    assert_eq!(test_loop.take_reports().len(), 1, "of the task");
    assert_eq!(woken.get(), 2);
    let promised = poll_once(promised.as_mut(), &waker);
    assert!(matches!(promised, Poll::Ready(Err(TaskError::LoopClosed))));
    let joined = poll_once(joined.as_mut(), &waker);
    assert!(matches!(joined, Poll::Ready(Err(TaskError::LoopClosed))));
}
