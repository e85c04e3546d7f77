//! Chains of a great length, run, cancelled and dropped on a stack of 256 KiB: nothing recurses.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use ouroloop_task::{
    AsFutureRef, LoopTasks, Promise, PromiseFuture, Task, TaskError, bare_yield, create_future,
    create_task,
};
use ouroloop_testkit::{TestLoop, run_iterations, running_loop};

use crate::support::on_a_small_stack;

const CALLBACKS: usize = if cfg!(miri) { 100 } else { 1_000_000 };
const TASKS: usize = if cfg!(miri) { 100 } else { 100_000 };
/// Reports of pending tasks take their time.
const PENDING: usize = if cfg!(miri) { 100 } else { 200_000 };

/// Promises of which each is set by the callback of the one before; the first and the last.
fn chain_of_promises(test_loop: &TestLoop, count: usize) -> (Promise<usize>, PromiseFuture<usize>) {
    let first = test_loop.create_future().expect("it is open");
    let mut last = first.future();
    for _ in 0..count {
        let next = test_loop.create_future().expect("it is open");
        let future = next.future();
        let before = last.clone();
        last.add_done_callback(move |_| {
            let value = before.result().map_or(0, |value| value + 1);
            let _ = next.set_result(value);
        });
        last = future;
    }
    (first, last)
}

#[test]
fn h22_a_chain_of_callbacks_runs() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let (first, last) = chain_of_promises(&test_loop, CALLBACKS);
        first.set_result(0).expect("it is pending");
        drop(first);
        assert_eq!(test_loop.run(last.into_future()).ok(), Some(CALLBACKS));
    });
}

#[test]
fn h22_a_chain_of_callbacks_whose_first_promise_breaks_runs_to_its_end() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let (first, last) = chain_of_promises(&test_loop, CALLBACKS);
        drop(first);
        assert_eq!(test_loop.run(last.into_future()).ok(), Some(CALLBACKS - 1));
    });
}

#[test]
fn h22_a_chain_of_callbacks_is_dropped_with_its_loop() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let (first, last) = chain_of_promises(&test_loop, CALLBACKS);
        test_loop.close();
        drop(test_loop);
        drop(first);
        drop(last);
    });
}

#[test]
fn h22_a_chain_that_is_made_on_a_closed_loop_is_dropped_flat() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let promises: Vec<_> = (0..CALLBACKS)
            .map(|_| test_loop.create_future::<u32>().expect("it is open"))
            .collect();
        test_loop.close();
        let mut next = None;
        for promise in promises.into_iter().rev() {
            let after = next.take();
            promise.add_done_callback(move |_| drop(after));
            next = Some(promise);
        }
        drop(next);
    });
}

#[test]
fn h22_a_chain_of_callbacks_whose_first_one_is_queued_is_dropped_with_its_loop() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let (first, last) = chain_of_promises(&test_loop, CALLBACKS);
        first.set_result(0).expect("it is pending");
        drop(last);
        test_loop.close();
    });
}

#[test]
fn h22_a_chain_of_callbacks_that_hold_the_waiting_sides_is_dropped() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        // Each callback owns the next promise's waiting side, and nobody else does.
        let mut setters = Vec::with_capacity(CALLBACKS);
        let mut inner: Option<PromiseFuture<()>> = None;
        for _ in 0..CALLBACKS {
            let promise = test_loop.create_future::<()>().expect("it is open");
            if let Some(held) = inner.take() {
                promise.add_done_callback(move |_| drop(held));
            }
            inner = Some(promise.future());
            setters.push(promise);
        }
        let outermost = inner.take();
        test_loop.close();
        drop(setters);
        drop(outermost);
    });
}

/// Tasks of which each awaits the one before; the innermost waits for `promise`.
fn chain_of_tasks(promise: PromiseFuture<usize>, count: usize) -> Task<usize> {
    let mut task = create_task(async move { promise.await.unwrap_or(0) });
    for _ in 1..count {
        let inner = task;
        task = create_task(async move { inner.await.map_or(0, |value| value + 1) });
    }
    task
}

#[test]
fn h22_a_chain_of_tasks_runs() {
    on_a_small_stack(|| {
        TestLoop::new().run(async {
            let promise = create_future();
            let task = chain_of_tasks(promise.future(), TASKS);
            bare_yield().await;
            promise.set_result(1).expect("it is pending");
            assert_eq!(task.await.ok(), Some(TASKS));
        });
    });
}

#[test]
fn h22_a_chain_of_tasks_is_cancelled() {
    on_a_small_stack(|| {
        TestLoop::new().run(async {
            let promise = create_future();
            let task = chain_of_tasks(promise.future(), TASKS);
            bare_yield().await;
            assert!(task.cancel());
            assert!(promise.cancelled(), "the request is at the bottom already");
            assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        });
    });
}

#[test]
fn h22_a_chain_of_tasks_is_dropped_with_its_loop_from_either_end() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let (outermost, promise) = test_loop.run(async {
            let promise = create_future();
            let task = chain_of_tasks(promise.future(), TASKS);
            bare_yield().await;
            (task, promise)
        });
        test_loop.close();
        assert!(outermost.done() && !promise.done());
        test_loop.take_reports();
    });
    on_a_small_stack(|| {
        // The outermost is the oldest here.
        let test_loop = TestLoop::new();
        let made = Rc::new(Cell::new(1));
        fn level(
            left: usize,
            made: Rc<Cell<usize>>,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                if left == 0 {
                    return pending().await;
                }
                made.set(made.get() + 1);
                let _ = create_task(level(left - 1, made)).await;
            })
        }
        let task = test_loop
            .create_task(level(TASKS / 10, made.clone()))
            .expect("it is open");
        run_iterations(&test_loop, TASKS / 10 + 2);
        assert_eq!(made.get(), TASKS / 10 + 1);
        test_loop.close();
        assert!(task.done());
        test_loop.take_reports();
    });
}

#[test]
fn h22_a_wide_fan_of_tasks_waits_for_one_promise() {
    on_a_small_stack(|| {
        TestLoop::new().run(async {
            let promise = create_future();
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| create_task(promise.future().into_future()))
                .collect();
            bare_yield().await;
            promise.set_result(1).expect("it is pending");
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("it has a value").expect("it is set");
            }
            assert_eq!(sum, TASKS);
        });
    });
}

#[test]
fn h22_a_million_queued_tasks_run_and_are_dropped() {
    on_a_small_stack(|| {
        let test_loop = TestLoop::new();
        let count = Rc::new(Cell::new(0));
        for _ in 0..CALLBACKS {
            let count = count.clone();
            drop(
                test_loop
                    .create_task(async move { count.set(count.get() + 1) })
                    .expect("it is open"),
            );
        }
        run_iterations(&test_loop, 1);
        assert_eq!(count.get(), CALLBACKS);
        for _ in 0..PENDING {
            let count = count.clone();
            drop(
                test_loop
                    .create_task(async move { count.set(0) })
                    .expect("it is open"),
            );
        }
        test_loop.close();
        assert_eq!(count.get(), CALLBACKS);
        assert_eq!(test_loop.take_reports().len(), PENDING);
    });
}

#[test]
fn h22_a_value_that_owns_a_long_chain_of_tasks_that_are_done_is_dropped() {
    on_a_small_stack(|| {
        TestLoop::new().run(async {
            // Values that own the handle of the next: that list is the program's own, so it is
            // taken apart here; the tasks must not add to it.
            let list: Rc<RefCell<Vec<Task<()>>>> = Rc::default();
            for _ in 0..TASKS {
                list.borrow_mut().push(create_task(async {}));
            }
            bare_yield().await;
            assert!(list.borrow().iter().all(|task| task.done()));
            let future = list.borrow()[0].as_future_ref();
            drop(list.take());
            assert!(future.done());
            assert!(running_loop().all_tasks().len() == 1);
        });
    });
}
