//! Panics of what users give (H12, H13): the threads live on, and everybody hears of the end.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use ouroloop_combinators::timeout;
use ouroloop_core::{get_running_loop, new_event_loop};
use ouroloop_executor::concurrent::{Future, Promise};
use ouroloop_executor::{
    ExecutorError, LoopExecutor, LoopThread, run_coroutine_threadsafe, run_in_executor, wrap_future,
};
use ouroloop_task::{TaskError, bare_yield, catch_cancelled};

use crate::support::{SOON, eventually, held, pool};

fn quietly() -> ! {
    std::panic::resume_unwind(Box::new("by request"))
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            quietly();
        }
    }
}

#[test]
fn h12_a_panic_of_a_job_is_an_error_in_its_future() {
    let pool = pool(1);
    let own = pool.clone();
    ouroloop::run(async move {
        let error = run_in_executor(&own, || quietly()).await.unwrap_err();
        assert!(matches!(error, TaskError::Panicked(panic) if panic.message() == "by request"));
        assert_eq!(run_in_executor(&own, || 1).await.unwrap(), 1);
    })
    .unwrap();
    assert_eq!(pool.thread_count(), 1, "the same one");
}

#[test]
fn h12_a_result_that_panics_when_it_is_dropped_ends_no_thread() {
    let pool = pool(1);
    let (release, hold) = held();
    drop(pool.submit(move || {
        hold();
        PanicsInDrop
    }));
    drop(release);
    assert_eq!(pool.submit(|| 1).result(SOON).unwrap(), 1);
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h12_a_cancelled_job_that_panics_when_it_is_dropped_harms_nobody() {
    let pool = pool(1);
    let (release, hold) = held();
    let first = pool.submit(hold);
    eventually(|| first.running());
    let guard = PanicsInDrop;
    let queued = pool.submit(move || drop(guard));
    assert!(queued.cancel());
    drop(release);
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h12_a_callback_that_panics_is_followed_by_the_next() {
    let pool = pool(1);
    let (release, hold) = held();
    let job = pool.submit(hold);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    job.add_done_callback(|_| quietly());
    job.add_done_callback(move |_| _ = count.fetch_add(1, Ordering::SeqCst));
    drop(release);
    pool.shutdown(true, false).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn h12_a_coroutine_of_another_thread_may_panic_before_and_after_it_begins() {
    let thread = LoopThread::start().unwrap();
    let early = thread.run_coroutine_threadsafe(|| -> std::future::Ready<()> { quietly() });
    let late = thread.run_coroutine_threadsafe(|| async { quietly() });
    for error in [
        early.result(SOON).unwrap_err(),
        late.result(SOON).map(|(): ()| ()).unwrap_err(),
    ] {
        assert!(
            matches!(error, ExecutorError::Task(TaskError::Panicked(_))),
            "{error}"
        );
    }
    let after = thread.run_coroutine_threadsafe(|| async { 1 });
    assert_eq!(after.result(SOON).unwrap(), 1);
}

#[test]
fn h12_a_panic_after_the_future_was_cancelled_is_reported_by_the_loop() {
    let reports = Rc::new(Cell::new(0));
    let count = reports.clone();
    ouroloop::run(async move {
        let event_loop = get_running_loop().unwrap();
        event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
            assert!(format!("{context:?}").contains("by request"), "{context:?}");
            count.set(count.get() + 1);
        })));
        let future = run_coroutine_threadsafe(&event_loop.remote(), || async {
            let _ = catch_cancelled(std::future::pending::<()>()).await;
            quietly()
        });
        // The callback that makes the task, and its first step.
        bare_yield().await;
        bare_yield().await;
        assert!(Future::<()>::cancel(&future));
        // The cancellation, the step that panics, and the end.
        for _ in 0..4 {
            bare_yield().await;
        }
    })
    .unwrap();
    assert_eq!(reports.get(), 1);
}

/// The payload of a panic, and a result, that panics with another one of its kind when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            std::panic::resume_unwind(Box::new(Bomb));
        }
    }
}

#[test]
fn h12_a_payload_that_panics_when_it_is_dropped_harms_nobody() {
    let pool = pool(1);
    let (release, hold) = held();
    // Nobody has the future when it ends: the thread drops the result.
    drop(pool.submit(move || {
        hold();
        Bomb
    }));
    drop(release);
    assert_eq!(pool.submit(|| 1).result(SOON).unwrap(), 1);
    let (release, hold) = held();
    let job = pool.submit(hold);
    let guard = Bomb;
    assert!(pool.submit(move || drop(guard)).cancel());
    job.add_done_callback(|_| std::panic::resume_unwind(Box::new(Bomb)));
    ouroloop::run(async move {
        // Told after that callback.
        let wrapped = wrap_future(&job);
        drop(release);
        timeout(SOON, wrapped).await.unwrap().unwrap();
    })
    .unwrap();
    pool.shutdown(true, false).unwrap();
}

/// Remembers where it is dropped. It is `Send`, so that a job may give it.
struct Where(Arc<std::sync::Mutex<Option<ThreadId>>>);

impl Drop for Where {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(thread::current().id());
    }
}

#[test]
fn h13_what_a_coroutine_of_another_thread_holds_is_dropped_in_its_loops_thread() {
    let place = Arc::new(std::sync::Mutex::new(None));
    let thread = LoopThread::start().unwrap();
    let id = thread.run_coroutine_threadsafe(|| async { thread::current().id() });
    let id = id.result(SOON).unwrap();
    let log = place.clone();
    let pending = thread.run_coroutine_threadsafe(move || async move {
        // Not `Send`: a future of this thread and of no other.
        let _local = std::rc::Rc::new(());
        let _guard = Where(log);
        std::future::pending::<()>().await;
    });
    thread
        .run_coroutine_threadsafe(|| async {})
        .result(SOON)
        .unwrap();
    assert!(pending.cancel());
    eventually(|| place.lock().unwrap().is_some());
    assert_eq!(*place.lock().unwrap(), Some(id));
}

#[test]
fn h12_a_value_that_panics_at_the_close_leaves_nobody_waiting() {
    let event_loop = new_event_loop().unwrap();
    event_loop.set_exception_handler(Some(Rc::new(|_, _| {})));
    let remote = event_loop.remote();
    let handed = thread::spawn(move || run_coroutine_threadsafe(&remote, pending::<()>));
    let coroutine = handed.join().unwrap();
    for _ in 0..3 {
        event_loop.stop();
        event_loop.run_once().unwrap();
    }
    // Its entry is the younger one, and goes first; nobody else has the value.
    let promise = Promise::new();
    drop(event_loop.wrap_future(&promise.future()).unwrap());
    assert!(promise.set_result(PanicsInDrop).is_ok());
    drop(promise);
    event_loop.close().unwrap();
    let error = coroutine.result(SOON).unwrap_err();
    assert!(
        matches!(error, ExecutorError::Task(TaskError::LoopClosed)),
        "{error:?}"
    );
}
