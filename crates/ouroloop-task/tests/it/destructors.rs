//! Destructors that panic, or come very late, where they run in the middle of something else: nothing of that is lost.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::panic_any;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::thread;

use ouroloop_core::{ContextVar, EventLoop, LoopError, new_event_loop};
use ouroloop_task::{
    Delegate, FutureRef, LoopTasks, Resource, ResourceState, TaskBuilder, bare_yield,
    create_future, create_future_of, create_task, current_task,
};
use ouroloop_testkit::{TestLoop, on_drop, poll_once, quiet_panic, run_iterations};

use crate::support::{Deed, hooked, panics, polled_with};

/// Panics when its last copy is dropped.
#[derive(Clone)]
struct Bomb {
    _fuse: Arc<Fuse>,
}

struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        if !thread::panicking() {
            quiet_panic("in a drop");
        }
    }
}

fn bomb() -> Bomb {
    let _fuse = Arc::new(Fuse);
    Bomb { _fuse }
}

static VARIABLE: ContextVar<Bomb> = ContextVar::new("variable");

/// What a panic may carry: it panics in turn when it is dropped, with the same again.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic_any(Endless);
        }
    }
}

/// Closes the loop, and sees whether the next one, which may have its id, works; counts the reports.
fn close_and_run_another(test_loop: TestLoop) -> usize {
    test_loop.close();
    let reports = test_loop.take_reports().len();
    drop(test_loop);
    let next = TestLoop::new();
    assert_eq!(
        next.run(async { create_task(async { 1 }).await.ok() }),
        Some(1)
    );
    next.close();
    reports
}

#[test]
fn a_context_whose_drop_panics_keeps_no_loop_from_closing() {
    let test_loop = TestLoop::new();
    let ended = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let ended = ended.clone();
        let count = on_drop(move || ended.set(ended.get() + 1));
        let task = test_loop.create_task(async move {
            let _count = count;
            VARIABLE.set(bomb());
            pending::<()>().await
        });
        drop(task.expect("it is open"));
    }
    run_iterations(&test_loop, 2);
    // Each task is reported, and each drop.
    assert_eq!(close_and_run_another(test_loop), 6);
    assert_eq!(ended.get(), 3);
}

#[test]
fn a_promise_whose_drop_panics_keeps_no_loop_from_closing() {
    struct Explosive {
        _bomb: Bomb,
    }
    impl Resource for Explosive {
        fn state(&self) -> ResourceState {
            ResourceState::new("explosive", None)
        }
    }
    let test_loop = TestLoop::new();
    let resource = Rc::new(Explosive { _bomb: bomb() });
    let remote = test_loop.run(async { create_future_of::<()>(resource).remote() });
    assert_eq!(close_and_run_another(test_loop), 1);
    drop(remote);
}

#[test]
fn a_context_that_a_waker_leaves_takes_no_task_with_it() {
    let test_loop = TestLoop::new();
    let sets = hooked(|deed| {
        if deed == Deed::Wake {
            VARIABLE.set(bomb());
        }
    });
    let (task, waker) = (test_loop.create_task(async {}), sets.waker());
    let mut waits = Box::pin(task.expect("it is open").into_future());
    assert!(poll_once(waits.as_mut(), &waker).is_pending());
    let next = test_loop.create_task(async { 1 }).expect("it is open");
    run_iterations(&test_loop, 1);
    assert_eq!(next.result().ok(), Some(&1));
    let seen = Rc::new(Cell::new(true));
    let saw = seen.clone();
    let handle = test_loop.call_soon(move || saw.set(current_task().is_some()));
    handle.expect("it is open");
    run_iterations(&test_loop, 1);
    assert!(!seen.get(), "no task is current in a callback");
    drop(waits);
    test_loop.close();
    assert_eq!(test_loop.take_reports().len(), 1);
}

#[test]
fn a_panic_in_a_turn_within_a_poll_takes_nothing_from_the_task_around_it() {
    let event_loop = new_event_loop().expect("a loop can be made");
    event_loop.set_exception_handler(Some(Rc::new(|_, _| {})));
    let entered = event_loop.enter().expect("it is free");
    drop(create_task(async { bomb() }));
    let inner = event_loop.clone();
    let mut is_current = Vec::new();
    let task = TaskBuilder::new()
        .eager_start(true)
        .create_task(poll_fn(move |cx| {
            is_current.push(current_task().is_some());
            if is_current.len() > 1 {
                return Poll::Ready(std::mem::take(&mut is_current));
            }
            cx.waker().wake_by_ref();
            inner.run_batch().expect("no step is under way");
            is_current.push(current_task().is_some());
            Poll::Pending
        }));
    event_loop.run_batch().expect("no step is under way");
    assert_eq!(task.result().ok(), Some(&vec![true; 3]));
    drop(entered);
    event_loop.close().expect("it is not running");
}

#[test]
fn a_payload_whose_drop_panics_keeps_nobody_from_being_told() {
    let test_loop = TestLoop::new();
    let panics = hooked(|deed| {
        if deed == Deed::Wake {
            panic_any(Endless);
        }
    });
    let done = test_loop.run(async move {
        let promise = create_future::<()>();
        let first = create_task(polled_with(panics.waker(), promise.future().into_future()));
        let behind = create_task(promise.future().into_future());
        bare_yield().await;
        bare_yield().await;
        promise.set_result(()).expect("it is pending");
        bare_yield().await;
        bare_yield().await;
        first.cancel();
        behind.done()
    });
    assert!(done);
    test_loop.close();
    assert_eq!(test_loop.take_reports().len(), 1);
}

#[test]
fn a_loop_lives_on_whatever_the_payload_of_a_callback_is() {
    let test_loop = TestLoop::new();
    let handle = test_loop.call_soon(|| panic_any(Endless));
    handle.expect("it is open");
    test_loop.set_entry_observer(Some(Box::new(|_| panic_any(Endless))));
    let task = test_loop.create_task(async { 1 }).expect("it is open");
    run_iterations(&test_loop, 1);
    assert_eq!(task.result().ok(), Some(&1));
    assert_eq!(test_loop.take_reports().len(), 2);
    test_loop.close();
}

#[test]
fn a_task_can_be_cancelled_after_what_it_waits_for_has_panicked_when_asked() {
    struct Broken(Cell<bool>);
    impl Delegate for Broken {
        fn ask(&self) -> Vec<FutureRef> {
            if self.0.replace(false) {
                quiet_panic("when asked");
            }
            Vec::new()
        }
        fn asked(&self, _accepted: bool) {}
    }
    let test_loop = TestLoop::new();
    let broken = Rc::new(Broken(Cell::new(false)));
    let promise = test_loop.create_delegating_future::<()>(broken.clone());
    let promise = promise.expect("it is open");
    let task = test_loop.create_task(promise.future().into_future());
    let task = task.expect("it is open");
    run_iterations(&test_loop, 1);
    broken.0.set(true);
    assert!(panics(|| task.cancel()).is_err());
    assert!(task.cancel());
    // Nobody that was asked accepted: the task hears of it when it is woken.
    promise.set_result(()).expect("it is pending");
    run_iterations(&test_loop, 1);
    assert!(task.cancelled());
    test_loop.close();
}

#[test]
fn a_callback_that_is_added_after_the_close_is_dropped() {
    let test_loop = TestLoop::new();
    let promise = test_loop.create_future::<()>().expect("it is open");
    test_loop.close();
    let dropped = Rc::new(Cell::new(false));
    let (own, seen) = (promise.clone(), dropped.clone());
    let count = on_drop(move || seen.set(true));
    promise.add_done_callback(move |_| drop((own, count)));
    assert!(dropped.get());
}

/// Uses loops when the thread ends.
struct Late {
    kept: EventLoop,
    said: Sender<[Option<LoopError>; 3]>,
}

impl Drop for Late {
    fn drop(&mut self) {
        let new = new_event_loop().expect("a loop can be made");
        let tasks = self.kept.all_tasks();
        let _ = self.said.send([
            self.kept.create_future::<()>().err(),
            new.create_task(async {}).err(),
            (!tasks.is_empty()).then_some(LoopError::Closed),
        ]);
        let _ = new.close();
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

#[test]
fn a_loop_in_the_destructor_of_a_thread_local_gives_errors() {
    let (said, hear) = channel();
    thread::spawn(move || {
        // Destructors run in the opposite order of their registration: this one comes last.
        LATE.with(|_| ());
        let kept = new_event_loop().expect("a loop can be made");
        drop(kept.create_task(async {}).expect("it is open"));
        LATE.set(Some(Late { kept, said }));
    });
    let [promise, task, tasks] = hear.recv().expect("the destructor says it");
    assert!(matches!(promise, Some(LoopError::Closed)), "{promise:?}");
    assert!(matches!(task, Some(LoopError::Closed)), "{task:?}");
    assert!(tasks.is_none());
}
