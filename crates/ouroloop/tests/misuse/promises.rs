//! Promises that nobody sets, that only their own callback would set, that a thread sets.

use std::thread;

use ouroloop::{LoopTasks, create_future, create_task, get_running_loop, new_event_loop, run};

use crate::support::{chain, run_reported};

#[test]
fn a_promise_that_everybody_dropped_is_broken_at_once() {
    let text = run(async {
        let promise = create_future::<u32>();
        let waiting = promise.future();
        create_task(async move { drop(promise) });
        chain(&waiting.await.unwrap_err())
    })
    .unwrap();
    assert_eq!(
        text,
        "the promise was dropped by everyone who could set it; keep one `Promise` until it is set"
    );
}

#[test]
fn a_remote_promise_that_a_thread_drops_breaks_it_too() {
    let text = run(async {
        let promise = create_future::<u32>();
        let (waiting, remote) = (promise.future(), promise.remote());
        drop(promise);
        thread::spawn(move || drop(remote));
        chain(&waiting.await.unwrap_err())
    })
    .unwrap();
    assert!(
        text.starts_with("the promise was dropped by everyone"),
        "{text}"
    );
}

#[test]
fn a_promise_that_only_its_own_callback_would_set_is_named_on_virtual_time() {
    let (result, _) = run_reported(async {
        let promise = create_future::<u32>();
        let waiting = promise.future();
        waiting.add_done_callback(move |_| promise.set_result(1).unwrap());
        waiting.await
    });
    let text = chain(&result.unwrap_err());
    assert!(
        text.starts_with("deadlock at 0ns of virtual time"),
        "{text}"
    );
    assert!(
        text.contains("Promise (not set, 1 setter left) created at misuse/promises.rs:_"),
        "{text}"
    );
}

#[test]
fn a_thread_sets_a_promise_by_its_remote_and_the_loop_wakes() {
    let answer = run(async {
        let promise = create_future();
        let remote = promise.remote();
        thread::spawn(move || remote.set_result(42));
        promise.await
    });
    assert_eq!(answer.unwrap().unwrap(), 42);
}

#[test]
fn a_thread_that_comes_after_the_close_is_told() {
    let event_loop = new_event_loop().unwrap();
    let promise = event_loop.create_future::<u32>().unwrap();
    let (set, fail) = (promise.remote(), promise.remote());
    let handle = event_loop.remote();
    event_loop.close().unwrap();
    let texts = thread::spawn(move || {
        [
            chain(&set.set_result(1).unwrap_err()),
            chain(&fail.set_exception("late").unwrap_err()),
            chain(&handle.call_soon_threadsafe(|| {}).unwrap_err()),
            chain(&handle.stop().unwrap_err()),
        ]
    })
    .join()
    .unwrap();
    for text in texts {
        assert_eq!(
            text,
            "event loop is closed: make a new one, with new_event_loop() or a new Runner"
        );
    }
}

#[test]
fn a_callback_that_panics_is_reported_with_its_line_and_the_loop_goes_on() {
    let (result, reports) = run_reported(async {
        let event_loop = get_running_loop().unwrap();
        event_loop.call_soon(|| panic!("in a callback")).unwrap();
        let promise = create_future::<u32>();
        promise.add_done_callback(|_| panic!("in a done-callback"));
        promise.set_result(1).unwrap();
        ouroloop::bare_yield().await;
        "went on"
    });
    assert_eq!(result.unwrap(), "went on");
    assert_eq!(
        reports,
        [
            "Exception in callback in <Handle> created at misuse/promises.rs:_: panicked: in a callback",
            "Exception in callback in <Handle> created at misuse/promises.rs:_: panicked: in a done-callback",
        ]
    );
}
