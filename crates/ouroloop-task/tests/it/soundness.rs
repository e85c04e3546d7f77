//! What safe code must not be able to break: the cell of a task that ends its own loop, and names
//! that outlive what they name.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use ouroloop_core::{LoopError, new_event_loop};
use ouroloop_task::{
    Cancelled, CancelledBy, LoopTasks, Scope, TaskBuilder, TaskError, Waiter, create_future,
};

use crate::support::run;

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
