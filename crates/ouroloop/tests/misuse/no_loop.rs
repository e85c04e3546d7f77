//! Without a running loop: the panic names the function, the user's line, and the way out; the form
//! on the loop gives an error.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use ouroloop::{
    AsFutureRef, Barrier, Event, FutureRef, LoopError, LoopTasks, Promise, PromiseFuture, Queue,
    Semaphore, TaskBuilder, all_tasks, as_completed, concurrent, create_future, create_task,
    current_task, gather, get_event_loop, get_running_loop, new_event_loop, open_connection,
    raise_cancelled, run_in_executor, shield, sleep, task_group, timeout, timeout_at,
    timeout_scope, timeout_scope_at, to_thread, wait, wait_for, wrap_future,
};

use crate::support::{chain, ms, panic_of};

/// Polls once, as `block_on` of another library does.
fn poll<F: Future>(future: F) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// A promise of a loop that does not run.
fn promise() -> (impl Sized, Promise<u32>, PromiseFuture<u32>) {
    let event_loop = new_event_loop().unwrap();
    let promise = event_loop.create_future().unwrap();
    let future = promise.future();
    (event_loop, promise, future)
}

#[test]
fn functions_that_need_a_loop_at_once_panic_at_the_line_of_their_call() {
    let call = "call it from a task or a callback of a loop";
    assert_eq!(
        panic_of(|| create_task(async {})),
        format!(
            "misuse/no_loop.rs:_: create_task: no running event loop: {call}, or use `create_task(..)` of the loop"
        )
    );
    assert_eq!(
        panic_of(|| TaskBuilder::new()
            .fallible()
            .create_task(async { Ok::<_, std::io::Error>(()) })),
        format!(
            "misuse/no_loop.rs:_: create_task: no running event loop: {call}, or use `create_task(..)` of the loop"
        )
    );
    assert_eq!(
        panic_of(|| create_future::<u32>()),
        format!(
            "misuse/no_loop.rs:_: create_future: no running event loop: {call}, or use `create_future()` of the loop"
        )
    );
    assert_eq!(
        panic_of(|| all_tasks()),
        format!(
            "misuse/no_loop.rs:_: all_tasks: no running event loop: {call}, or use `all_tasks()` of the loop"
        )
    );
    let this = "call this from a callback or a task of a loop";
    assert_eq!(
        panic_of(|| gather([async { Ok::<_, ouroloop::TaskError>(1) }])),
        format!("misuse/no_loop.rs:_: gather: no running event loop: {this}")
    );
    assert_eq!(
        panic_of(|| gather!(async { Ok::<_, ouroloop::TaskError>(1) })),
        format!("misuse/no_loop.rs:_: gather!: no running event loop: {this}")
    );
    assert_eq!(
        panic_of(|| as_completed([async { 1 }])),
        format!("misuse/no_loop.rs:_: as_completed: no running event loop: {this}")
    );
    let (_event_loop, _promise, future) = promise();
    assert_eq!(
        panic_of(|| shield(&future)),
        format!("misuse/no_loop.rs:_: shield: no running event loop: {this}")
    );
}

#[test]
fn what_uses_threads_names_itself_and_the_line() {
    let this = "call this from a callback or a task of a loop";
    let cases: [(&str, fn()); 3] = [
        ("to_thread", || poll(to_thread(|| ()))),
        ("run_in_executor", || drop(run_in_executor(None, || ()))),
        ("wrap_future", || {
            drop(wrap_future(&concurrent::Promise::<u8>::new().future()));
        }),
    ];
    for (function, misuse) in cases {
        let panic = panic_of(misuse);
        let (_, text) = panic.split_once(": ").unwrap();
        assert_eq!(
            text,
            format!("{function} at misuse/no_loop.rs:_: no running event loop: {this}")
        );
    }
}

#[test]
fn what_has_to_wait_outside_of_a_loop_names_what_it_waits_for() {
    let cases: [(&str, fn()); 4] = [
        ("Queue", || poll(Queue::<u8>::new(1).get())),
        ("Semaphore", || poll(Semaphore::new(0).acquire())),
        ("Event", || poll(Event::new().wait())),
        ("Barrier", || poll(Barrier::new(2).unwrap().wait())),
    ];
    for (kind, misuse) in cases {
        let panic = panic_of(misuse);
        let (_, text) = panic.split_once(": ").unwrap();
        assert_eq!(
            text,
            format!(
                "waiting for {kind}: no running event loop; await it in a task of a loop, as in `ouroloop::run(async {{ .. }})`"
            )
        );
    }
}

type Misuse = fn(FutureRef);

#[test]
fn what_is_awaited_outside_of_a_loop_names_the_line_that_made_it() {
    let (_event_loop, _promise, future) = promise();
    let cases: [(&str, Misuse); 8] = [
        ("sleep", |_| poll(sleep(ms(1)))),
        ("timeout", |_| poll(timeout(ms(1), async {}))),
        ("timeout_at", |_| poll(timeout_at(ms(1), async {}))),
        ("timeout_scope", |_| {
            poll(timeout_scope(ms(1), async |_| ()))
        }),
        ("timeout_scope_at", |_| {
            poll(timeout_scope_at(ms(1), async |_| ()));
        }),
        ("task_group", |_| {
            poll(task_group(async |_| Ok::<_, std::io::Error>(())));
        }),
        ("wait_for", |_| poll(wait_for(async {}, ms(1)))),
        ("wait", |future| poll(wait([future]))),
    ];
    for (function, misuse) in cases {
        let panic = panic_of(|| misuse(future.as_future_ref()));
        let (_, text) = panic.split_once(": ").unwrap();
        assert_eq!(
            text,
            format!(
                "{function} at misuse/no_loop.rs:_: no running event loop; await it in a task of a loop, as in `ouroloop::run(async {{ .. }})`"
            )
        );
    }
}

#[test]
fn what_belongs_to_a_task_says_so_in_a_plain_callback() {
    let event_loop = new_event_loop().unwrap();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let sink = seen.clone();
    event_loop
        .call_soon(move || {
            assert!(current_task().is_none());
            *sink.borrow_mut() = panic_of(|| poll(timeout(ms(1), async {})));
        })
        .unwrap();
    event_loop.run_once().unwrap();
    event_loop.close().unwrap();
    let seen = seen.take();
    let (_, text) = seen.split_once(": ").unwrap();
    assert_eq!(
        text,
        "timeout at misuse/no_loop.rs:_: polled outside of a task; await it in one, which `create_task` makes"
    );
    let raised = panic_of(|| poll(raise_cancelled()));
    let (_, text) = raised.split_once(": ").unwrap();
    assert_eq!(
        text,
        "raise_cancelled outside of a task: there is nothing to unwind; await it in a task"
    );
}

#[test]
fn the_forms_that_give_errors_say_the_same() {
    assert_eq!(
        chain(&get_running_loop().unwrap_err()),
        "no running event loop: call this from a callback or a task of a loop"
    );
    assert_eq!(
        chain(&get_event_loop().unwrap_err()),
        "no current event loop in this thread: call set_event_loop(), or make one with new_event_loop()"
    );
    let mut connecting = pin!(open_connection("localhost", 1));
    let std::task::Poll::Ready(Err(error)) = connecting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it cannot connect");
    };
    assert_eq!(
        chain(&error),
        "no running event loop: call this from a callback or a task of a loop"
    );

    let closed = new_event_loop().unwrap();
    closed.close().unwrap();
    let errors: [LoopError; 4] = [
        closed.create_task(async {}).unwrap_err(),
        closed.create_future::<()>().unwrap_err(),
        closed.call_soon(|| {}).unwrap_err(),
        closed.call_later(ms(1), || {}).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            chain(&error),
            "event loop is closed: make a new one, with new_event_loop() or a new Runner"
        );
    }
}
