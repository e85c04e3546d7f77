//! `concurrent::Future` and `concurrent::Promise` without a loop.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ouroloop_executor::ExecutorError;
use ouroloop_executor::concurrent::{Promise, ReturnWhen, as_completed, wait};
use ouroloop_task::{InvalidState, TaskError};

use crate::support::{SOON, pool};

fn failed<T>(result: Result<T, ExecutorError>) -> TaskError {
    match result {
        Err(ExecutorError::Task(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it has a value"),
    }
}

#[test]
fn a_future_goes_from_pending_over_running_to_finished() {
    let promise = Promise::new();
    let future = promise.future();
    assert!(!future.done() && !future.running());
    assert_eq!(promise.set_running_or_notify_cancel(), Ok(true));
    assert!(!future.done() && future.running());
    assert!(!future.cancel(), "it runs");
    promise.set_result("value").unwrap();
    assert!(future.done() && !future.running() && !future.cancelled());
    assert!(!future.cancel(), "it is done");
    assert!(future.exception(None).unwrap().is_none());
    assert_eq!(future.result(None).unwrap(), "value");
    assert!(future.exception(None).unwrap().is_none());
}

#[test]
fn the_value_goes_to_the_first_who_asks() {
    let promise = Promise::new();
    let (first, second) = (promise.future(), promise.future());
    promise.set_result(String::from("one")).unwrap();
    assert_eq!(first.result(None).unwrap(), "one");
    assert!(matches!(
        failed(second.result(None)),
        TaskError::ResultTaken
    ));
}

#[test]
fn an_error_goes_to_all_who_ask() {
    let promise = Promise::<u32>::new();
    let future = promise.future();
    promise.set_exception("no luck").unwrap();
    for _ in 0..2 {
        assert_eq!(failed(future.result(None)).to_string(), "no luck");
    }
    assert!(future.exception(None).unwrap().is_some());
}

#[test]
fn what_is_set_twice_is_refused() {
    let promise = Promise::new();
    promise.set_result(1).unwrap();
    assert_eq!(promise.set_result(2), Err(InvalidState));
    assert_eq!(promise.set_exception("late"), Err(InvalidState));
    assert_eq!(promise.set_running_or_notify_cancel(), Err(InvalidState));
    assert_eq!(promise.future().result(None).unwrap(), 1);
}

#[test]
fn a_cancelled_future_takes_no_result_and_tells_its_producer() {
    let promise = Promise::<u32>::new();
    let future = promise.future();
    assert!(future.cancel());
    assert!(future.cancel(), "it stays cancelled");
    assert!(future.done() && future.cancelled());
    assert_eq!(promise.set_running_or_notify_cancel(), Ok(false));
    assert_eq!(promise.set_running_or_notify_cancel(), Err(InvalidState));
    assert_eq!(promise.set_result(1), Err(InvalidState));
    assert!(failed(future.result(None)).is_cancelled());
    assert!(future.exception(None).is_err());
}

#[test]
fn a_promise_that_is_dropped_is_broken() {
    let promise = Promise::<u32>::new();
    let future = promise.future();
    let waiter = thread::spawn(move || future.result(SOON));
    drop(promise);
    let error = failed(waiter.join().unwrap());
    assert!(matches!(error, TaskError::BrokenPromise));
}

#[test]
fn a_wait_with_a_limit_ends_and_can_be_repeated() {
    let promise = Promise::new();
    let future = promise.future();
    for limit in [
        Duration::ZERO,
        Duration::from_micros(1),
        Duration::from_millis(2),
    ] {
        let begun = Instant::now();
        assert!(matches!(future.result(limit), Err(ExecutorError::TimedOut)));
        assert!(begun.elapsed() >= limit);
    }
    promise.set_result(1).unwrap();
    assert_eq!(future.result(Duration::ZERO).unwrap(), 1);
}

#[test]
fn a_limit_that_no_clock_can_count_is_none() {
    let promise = Promise::new();
    let future = promise.future();
    let waiter = thread::spawn(move || future.result(Duration::MAX));
    promise.set_result(3).unwrap();
    assert_eq!(waiter.join().unwrap().unwrap(), 3);
}

#[test]
fn callbacks_are_called_in_their_order_and_at_once_when_it_is_done() {
    let promise = Promise::new();
    let future = promise.future();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |what: u32| {
        let log = log.clone();
        move || log.lock().unwrap().push(what)
    };
    for what in 1..=3 {
        let note = note(what);
        future.add_done_callback(move |future| {
            assert!(future.done());
            note();
        });
    }
    assert!(log.lock().unwrap().is_empty());
    promise.set_result(()).unwrap();
    let late = note(4);
    future.add_done_callback(move |_| late());
    assert_eq!(*log.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn h10_callbacks_may_use_the_future_they_are_told_of() {
    let promise = Promise::new();
    let future = promise.future();
    let (sender, receiver) = channel();
    future.add_done_callback(move |future| {
        // Each of these takes the lock of the future.
        assert!(!future.cancel());
        let again = sender.clone();
        future.add_done_callback(move |_| again.send(0).unwrap());
        sender.send(future.result(None).unwrap()).unwrap();
    });
    promise.set_result(7).unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn h10_a_value_may_use_its_future_while_it_is_dropped() {
    struct Hostile(Promise<()>, ouroloop_executor::concurrent::Future<()>);
    impl Drop for Hostile {
        fn drop(&mut self) {
            assert!(self.1.cancel());
            assert!(self.0.set_result(()).is_err());
        }
    }
    let inner = Promise::new();
    let inner_future = inner.future();
    let promise = Promise::new();
    let future = promise.future();
    promise.set_result(Hostile(inner, inner_future)).unwrap();
    drop(promise);
    drop(future);
}

#[test]
fn wait_comes_back_when_it_is_told_to() {
    let promises: Vec<Promise<u32>> = (0..3).map(|_| Promise::new()).collect();
    let futures: Vec<_> = promises.iter().map(Promise::future).collect();
    let counts = |limit: Duration, when| {
        let (done, not_done) = wait(&futures, limit, when).unwrap();
        (done.len(), not_done.len())
    };
    assert_eq!(counts(Duration::ZERO, ReturnWhen::FirstCompleted), (0, 3));
    promises[1].set_result(1).unwrap();
    assert_eq!(counts(SOON, ReturnWhen::FirstCompleted), (1, 2));
    assert_eq!(counts(Duration::ZERO, ReturnWhen::FirstException), (1, 2));
    futures[0].cancel();
    assert_eq!(counts(Duration::ZERO, ReturnWhen::FirstException), (2, 1));
    promises[2].set_exception("no luck").unwrap();
    assert_eq!(counts(SOON, ReturnWhen::FirstException), (3, 0));
    assert_eq!(counts(SOON, ReturnWhen::AllCompleted), (3, 0));
}

#[test]
fn as_completed_gives_the_order_of_the_ends_and_an_error_for_the_limit() {
    let promises: Vec<Promise<u32>> = (0..3).map(|_| Promise::new()).collect();
    let futures: Vec<_> = promises.iter().map(Promise::future).collect();
    promises[2].set_result(2).unwrap();
    let mut ends = as_completed(&futures, Duration::from_millis(1));
    let mut next = || {
        ends.next()
            .map(|future| future.and_then(|it| it.result(None)))
    };
    assert_eq!(next().unwrap().unwrap(), 2);
    promises[0].set_result(0).unwrap();
    assert_eq!(next().unwrap().unwrap(), 0);
    assert!(matches!(next(), Some(Err(ExecutorError::TimedOut))));
    assert!(next().is_none());
}

#[test]
fn a_future_says_what_it_is_of() {
    let pool = pool(1);
    let future = pool.submit_named("index", || ());
    future.exception(None).unwrap();
    let text = format!("{future:?}");
    assert!(
        text.starts_with("<Future of job \"index\" submitted at "),
        "{text}"
    );
    assert!(
        text.contains("concurrent.rs") && text.ends_with("finished>"),
        "{text}"
    );
    assert_eq!(
        format!("{:?}", Promise::<()>::new().future()),
        "<Future, pending>"
    );
}
