//! What safe code must not be able to break: the cell of a task that ends its own loop, and names
//! that outlive what they name.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use ouroloop_core::{ClientId, ContextVar, LoopError, new_event_loop};
use ouroloop_task::{
    Cancelled, CancelledBy, LoopTasks, Scope, TaskBuilder, TaskError, Waiter, bare_yield,
    create_future, create_task, current_task,
};
use ouroloop_testkit::{TestLoop, quiet_panic, running_loop};

use crate::support::{Deed, hooked, polled_with, run};

/// An eager task that owns the guard of the loop can leave the loop, and then close it.
fn close_within(body: impl FnOnce(&dyn Fn()) + 'static) -> Result<(), TaskError> {
    let event_loop = new_event_loop().expect("a loop can be had");
    let entered = event_loop.enter().expect("it does not run");
    let inner = event_loop.clone();
    let task = TaskBuilder::new()
        .eager_start(true)
        .create_task(async move {
            drop(entered);
            body(&|| inner.close().expect("it does not run any more"));
            std::future::poll_fn(|_| Poll::<()>::Pending).await;
        });
    task.result().copied()
}

#[test]
fn a_task_that_closes_its_own_loop_keeps_what_it_borrows_and_ends_with_the_poll() {
    let text = Rc::new(Cell::new(0));
    let seen = text.clone();
    let ended = close_within(move |close| {
        let numbers = Box::new([7_u64; 4]);
        let borrowed = &numbers[..];
        close();
        // What takes the memory if it was freed.
        let other = Box::new([9_u64; 4]);
        seen.set(borrowed.iter().sum::<u64>() + other.len() as u64);
    });
    assert_eq!(text.get(), 32);
    assert!(matches!(ended, Err(TaskError::LoopClosed)));
}

#[test]
fn a_destructor_that_closes_the_loop_of_its_task_is_run_once() {
    struct Closer(ouroloop_core::EventLoop, Rc<Cell<u32>>);
    impl Drop for Closer {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            // Refused while the loop runs; a destructor may try.
            let _ = self.0.close();
        }
    }
    let drops = Rc::new(Cell::new(0));
    let event_loop = new_event_loop().expect("a loop can be had");
    let closer = Closer(event_loop.clone(), drops.clone());
    let task = event_loop
        .create_task(async move {
            let _closer = closer;
            std::future::pending::<()>().await;
        })
        .expect("it is open");
    let turn = event_loop.run_until_complete(async {});
    assert!(turn.is_ok());
    event_loop.close().expect("it does not run");
    assert_eq!(drops.get(), 1);
    assert!(matches!(task.result(), Err(TaskError::LoopClosed)));
}

/// How often a place is taken again before part of its name comes back.
const REUSES: u32 = if cfg!(miri) { 10 } else { (1 << 20) + 3 };

#[test]
fn a_key_of_a_waiter_that_is_gone_never_fires_another() {
    run(async {
        let stale = Waiter::new().key();
        for _ in 0..REUSES {
            let other = Waiter::new();
            assert!(!stale.fire(), "the waiter is gone");
            assert!(!other.done());
        }
    });
}

#[test]
fn a_handle_of_a_scope_that_is_gone_never_cancels_another() {
    run(async {
        let stale = Scope::new().handle();
        let request = Cancelled::new(CancelledBy::Group);
        for _ in 0..REUSES {
            let _other = Scope::new();
            assert!(!stale.cancel(&request), "the scope is gone");
        }
    });
}

#[test]
fn the_remote_setter_of_a_closed_loop_keeps_nothing() {
    let event_loop = new_event_loop().expect("a loop can be had");
    let promise = event_loop.create_future::<Rc<()>>().expect("it is open");
    event_loop.close().expect("it does not run");
    drop(promise.remote());
    assert_eq!(promise.setter_count(), 1);
    let numbers = event_loop.create_future::<u32>();
    assert!(matches!(numbers, Err(LoopError::Closed)));
    run(async {
        drop(create_future::<()>());
    });
}

#[test]
fn setting_a_promise_of_a_closed_loop_from_afar_is_refused() {
    let event_loop = new_event_loop().expect("a loop can be had");
    let promise = event_loop.create_future::<u32>().expect("it is open");
    event_loop.close().expect("it does not run");
    let refused = promise.remote().set_result(1);
    assert!(matches!(refused, Err(LoopError::Closed)));
}

static VAR: ContextVar<u32> = ContextVar::new("var");

#[test]
fn what_a_foreign_waker_sets_stays_out_of_the_next_task() {
    let seen = run(async {
        let hook = hooked(|deed| {
            if deed == Deed::Wake {
                VAR.set(8);
            }
        });
        let ends = create_task(async {});
        let next = create_task(async {
            let first = VAR.get();
            bare_yield().await;
            [first, VAR.get()]
        });
        let waiting = polled_with(hook.waker(), async move { (&ends).await.is_ok() });
        let mut waiting = Box::pin(waiting);
        poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        next.await.expect("it ends")
    });
    assert_eq!(seen, [None, None]);
}

#[test]
fn an_eager_task_that_has_its_loop_take_a_step_stays_the_current_one_and_is_woken() {
    let event_loop = new_event_loop().expect("a loop can be made");
    let entered = event_loop.enter().expect("it is free");
    let inner = event_loop.clone();
    let other = event_loop.create_task(async {}).expect("it is open");
    let task = TaskBuilder::new()
        .eager_start(true)
        .create_task(async move {
            let mut is_current = Vec::new();
            poll_fn(|cx| {
                is_current.push(current_task().is_some());
                if is_current.len() > 1 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                inner.run_once().expect("no step is under way");
                is_current.push(current_task().is_some());
                Poll::Pending
            })
            .await;
            is_current
        });
    assert!(other.done());
    event_loop.call_soon(|| {}).expect("it is open");
    event_loop.run_once().expect("it is entered");
    assert_eq!(task.result().ok(), Some(&vec![true; 3]));
    drop(entered);
    event_loop.close().expect("it is not running");
}

#[test]
fn forged_words_touch_nothing_that_is_not_in_use() {
    run(async {
        drop(Scope::new());
        create_future::<u32>().add_done_callback(|_| ());
        for kind in 0..3 {
            for (index, generation) in (0..8).flat_map(|index| (0..5).map(move |it| (index, it))) {
                let payload = kind << 54 | generation << 24 | index;
                // Steps of the main task are no forgeries.
                let word = ClientId::from_index(0).word(payload);
                if generation % 2 == 0 || kind == 1 {
                    running_loop().schedule(word);
                }
            }
        }
        bare_yield().await;
        let scope = Scope::new();
        assert!(!scope.expired() && scope.cancelling() == 0);
        assert_eq!(current_task().expect("this is one").cancelling(), 0);
    });
}

#[test]
fn a_task_factory_whose_drop_panics_keeps_no_loop_from_closing() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            quiet_panic("in the drop of a factory")
        }
    }
    let test_loop = TestLoop::new();
    let panics = Panics;
    let factory = move |builder| {
        let _ = &panics;
        builder
    };
    test_loop
        .set_task_factory(Some(Rc::new(factory)))
        .expect("it is open");
    let task = test_loop.create_task(pending::<()>()).expect("it is open");
    test_loop.close();
    assert!(task.done());
    assert_eq!(test_loop.take_reports().len(), 2);
}
