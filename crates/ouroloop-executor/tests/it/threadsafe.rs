//! `run_coroutine_threadsafe`.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ouroloop_combinators::sleep;
use ouroloop_core::{ContextVar, get_running_loop, new_event_loop};
use ouroloop_executor::{
    ExecutorError, LoopThread, concurrent, run_coroutine_threadsafe, wrap_future,
};
use ouroloop_task::{LoopTasks, TaskError, bare_yield, create_task, current_task};

use crate::support::{SOON, eventually, hops};

static USER: ContextVar<&str> = ContextVar::new("user");

#[test]
fn a_value_an_error_and_a_cancellation_cross_over() {
    let thread = LoopThread::start().unwrap();
    let value = thread.run_coroutine_threadsafe(|| async { vec![1, 2] });
    assert_eq!(value.result(SOON).unwrap(), [1, 2]);
    let error = thread.run_coroutine_threadsafe(|| async { Err::<(), _>("no luck") });
    assert_eq!(error.result(SOON).unwrap(), Err("no luck"));
    let cancelled = thread.run_coroutine_threadsafe(|| async {
        current_task().unwrap().cancel();
        sleep(SOON).await;
    });
    let ended = cancelled.result(SOON);
    assert!(matches!(
        ended,
        Err(ExecutorError::Task(TaskError::Cancelled(_)))
    ));
    assert!(cancelled.cancelled());
}

#[test]
fn its_cancel_cancels_the_task() {
    let thread = LoopThread::start().unwrap();
    let log = Arc::new(Mutex::new(""));
    let note = log.clone();
    let (begun, begins) = channel();
    let future = thread.run_coroutine_threadsafe(move || async move {
        begun.send(()).unwrap();
        let ended = ouroloop_task::catch_cancelled(sleep(SOON)).await;
        *note.lock().unwrap() = if ended.is_err() { "cancelled" } else { "slept" };
    });
    begins.recv().unwrap();
    assert!(future.cancel());
    assert!(future.result(SOON).is_err(), "at once");
    eventually(|| *log.lock().unwrap() == "cancelled");
}

#[test]
fn one_that_is_cancelled_before_the_loop_looks_takes_its_first_step() {
    let event_loop = new_event_loop().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = log.clone();
    let future = run_coroutine_threadsafe(&event_loop.remote(), move || async move {
        note.lock().unwrap().push("begun");
        bare_yield().await;
        bare_yield().await;
        note.lock().unwrap().push("went on");
    });
    assert!(future.cancel());
    event_loop
        .run_until_complete(sleep(Duration::from_millis(1)))
        .unwrap();
    // As in asyncio: the step was queued before the cancellation.
    assert_eq!(*log.lock().unwrap(), ["begun"]);
    assert!(event_loop.all_tasks().is_empty());
    event_loop.close().unwrap();
}

#[test]
fn dropping_the_future_lets_the_task_go_on() {
    let thread = LoopThread::start().unwrap();
    let (sender, receiver) = channel();
    drop(thread.run_coroutine_threadsafe(move || async move {
        sleep(Duration::from_millis(1)).await;
        sender.send(7).unwrap();
    }));
    assert_eq!(receiver.recv_timeout(SOON).unwrap(), 7);
}

#[test]
fn coroutines_of_one_thread_begin_in_their_order() {
    let thread = LoopThread::start().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let futures: Vec<_> = (0..100)
        .map(|number| {
            let log = log.clone();
            thread.run_coroutine_threadsafe(move || async move { log.lock().unwrap().push(number) })
        })
        .collect();
    futures.iter().for_each(|it| it.result(SOON).unwrap());
    assert!(log.lock().unwrap().iter().copied().eq(0..100));
}

#[test]
fn the_context_is_that_of_the_calling_thread() {
    let thread = LoopThread::start().unwrap();
    let future = thread::scope(|scope| {
        let caller = scope.spawn(|| {
            USER.set("ada");
            thread.run_coroutine_threadsafe(|| async { USER.get() })
        });
        caller.join().unwrap()
    });
    assert_eq!(future.result(SOON).unwrap(), Some("ada"));
}

#[test]
fn the_thread_of_a_loop_cannot_block_on_it_while_it_does_not_run_either() {
    let event_loop = new_event_loop().unwrap();
    let future = run_coroutine_threadsafe(&event_loop.remote(), || async { 1 });
    assert!(matches!(
        future.result(None),
        Err(ExecutorError::BlocksItsLoop)
    ));
    let value = thread::scope(|scope| {
        let blocks = scope.spawn(|| future.result(SOON));
        let other = future.clone();
        let ran = event_loop.run_until_complete(async move {
            while !other.done() {
                bare_yield().await;
            }
        });
        ran.unwrap();
        blocks.join().unwrap().unwrap()
    });
    assert_eq!(value, 1);
    event_loop.close().unwrap();
}

#[test]
fn a_loop_cannot_block_on_its_own_coroutine() {
    ouroloop::run(async {
        let remote = get_running_loop().unwrap().remote();
        let future = run_coroutine_threadsafe(&remote, || async { 1 });
        let blocked = future.result(None);
        assert!(matches!(blocked, Err(ExecutorError::BlocksItsLoop)));
        let elsewhere = concurrent::Promise::new();
        let both = [elsewhere.future(), future.clone()];
        let waits = concurrent::wait(&both, None, Default::default());
        assert!(matches!(waits, Err(ExecutorError::BlocksItsLoop)));
        // What is done needs no blocking.
        elsewhere.set_result(2).unwrap();
        let mut ends = concurrent::as_completed(&both, None);
        assert!(matches!(ends.next(), Some(Ok(it)) if it.result(None).unwrap() == 2));
        assert!(matches!(
            ends.next(),
            Some(Err(ExecutorError::BlocksItsLoop))
        ));
        assert!(ends.next().is_none());
        // To await it is fine: the callback, the step, the end, the copy, and this.
        let (count, value) = hops(wrap_future(&future)).await;
        assert_eq!((count, value.unwrap()), (5, 1));
        assert!(matches!(
            future.result(None),
            Err(ExecutorError::Task(TaskError::ResultTaken))
        ));
    })
    .unwrap();
}

#[test]
fn a_loop_that_closes_ends_all_that_wait_for_it() {
    let event_loop = new_event_loop().unwrap();
    let remote = event_loop.remote();
    let begun = run_coroutine_threadsafe(&remote, std::future::pending::<()>);
    event_loop
        .run_until_complete(sleep(Duration::from_millis(1)))
        .unwrap();
    let queued = run_coroutine_threadsafe(&remote, || async {});
    event_loop.close().unwrap();
    let refused = run_coroutine_threadsafe(&remote, || async {});
    for future in [begun, queued, refused] {
        let ended = future.result(SOON);
        assert!(
            matches!(ended, Err(ExecutorError::Task(TaskError::LoopClosed))),
            "{ended:?}"
        );
    }
}

#[test]
fn a_remote_promise_is_set_by_a_thread() {
    ouroloop::run(async {
        let promise = ouroloop_task::create_future();
        let remote = promise.remote();
        thread::spawn(move || remote.set_result(1).unwrap());
        let task = create_task(async move { promise.await.unwrap() });
        assert_eq!(task.await.unwrap(), 1);
    })
    .unwrap();
}

#[test]
fn the_task_is_made_in_the_name_of_who_handed_it_over() {
    let thread = LoopThread::start().unwrap();
    let place = || async { current_task().unwrap().created_at() };
    let line = line!() + 1;
    let by_method = thread.run_coroutine_threadsafe(place);
    let by_function = run_coroutine_threadsafe(thread.remote(), place);
    for (place, line) in [(by_method, line), (by_function, line + 1)] {
        let place = place.result(SOON).unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line));
    }
}
