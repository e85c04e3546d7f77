//! A process that forks (H15): what crosses threads in the parent refuses in the child, and never hangs there; new pools and loops
//! run. Here and not beside the pools, since a fork takes unsafe code.
//!
//! A binary of its own, so that no other test has threads meanwhile.

#![cfg(all(unix, not(miri)))]

use std::ffi::{c_int, c_uint};
use std::fmt::Debug;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ouroloop::concurrent::{self, ReturnWhen};
use ouroloop::lowlevel::process_id;
use ouroloop::{
    ExecutorError, LoopError, LoopExecutor, LoopTasks, LoopThread, TaskError, ThreadPoolExecutor,
    get_running_loop, new_event_loop, run_coroutine_threadsafe, run_in_executor, to_thread,
    wrap_future,
};

unsafe extern "C" {
    safe fn fork() -> c_int;
    safe fn alarm(seconds: c_uint) -> c_uint;
    safe fn _exit(status: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

const SOON: Duration = Duration::from_secs(10);

/// Whether `check` ends, and without a panic, in a child of this process.
fn holds_in_a_child(check: impl FnOnce()) -> bool {
    let child = fork();
    if child == 0 {
        // Whatever hangs ends so.
        alarm(30);
        let outcome = catch_unwind(AssertUnwindSafe(check));
        // Without destructors: they are the parent's.
        _exit(c_int::from(outcome.is_err()));
    }
    let mut status = -1;
    // SAFETY: the pointer is to a variable that lives to the end of the call.
    let waited = unsafe { waitpid(child, &mut status, 0) };
    waited == child && status == 0
}

#[track_caller]
fn forked<T: Debug>(result: Result<T, ExecutorError>) {
    match result {
        Err(ExecutorError::Forked { pid }) => assert_ne!(pid, std::process::id()),
        Err(ExecutorError::Task(error)) => task_forked::<T>(Err(error)),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn task_forked<T: Debug>(result: Result<T, TaskError>) {
    let error = result.unwrap_err();
    let cause = error.downcast_ref::<ExecutorError>();
    assert!(
        matches!(cause, Some(ExecutorError::Forked { .. })),
        "{error}"
    );
}

/// Everything that a pool of the parent has, in the child.
fn a_pool_refuses(pool: &ThreadPoolExecutor) {
    forked(pool.submit(|| ()).result(SOON));
    forked(pool.submit_named("named", || ()).result(SOON));
    for result in pool.map(0..3, |n| n) {
        forked(result);
    }
    forked(pool.shutdown(false, false));
    forked(pool.shutdown(false, true));
    forked(pool.shutdown(true, true));
    forked(pool.shutdown_timeout(SOON));
    assert!(pool.running_jobs().is_empty());
    let _ = (pool.max_workers(), pool.thread_count(), format!("{pool:?}"));
    let in_loop = pool.clone();
    ouroloop::run(async move {
        task_forked(run_in_executor(&in_loop, || ()).await);
        let event_loop = get_running_loop().unwrap();
        let refused = event_loop.set_default_executor(&in_loop);
        assert!(matches!(refused, Err(LoopError::Forked { .. })));
        assert_eq!(to_thread(|| 2).await.unwrap(), 2, "the child's own");
    })
    .unwrap();
}

/// Everything that a future of the parent has, in the child.
fn a_future_refuses(future: &concurrent::Future<()>) {
    forked(future.result(None));
    forked(future.exception(None));
    assert!(!future.cancel() && !future.done());
    future.add_done_callback(|_| unreachable!("nobody completes it here"));
    let both = [future.clone(), future.clone()];
    forked(concurrent::wait(&both, None, ReturnWhen::AllCompleted).map(|_| ()));
    let mut ends = concurrent::as_completed(&both, None);
    forked(ends.next().unwrap().map(|_| ()));
    assert!(ends.next().is_none());
    let _ = format!("{future:?}");
    let wrapped = future.clone();
    ouroloop::run(async move { task_forked(wrap_future(&wrapped).await) }).unwrap();
}

/// Everything that a loop in a thread of the parent has, in the child.
fn a_loop_thread_refuses(thread: LoopThread) {
    assert!(!thread.is_running());
    forked(thread.stop());
    forked(thread.join(None));
    forked(thread.close());
    forked(thread.run_coroutine_threadsafe(|| async {}).result(None));
    forked(run_coroutine_threadsafe(thread.remote(), || async {}).result(None));
    drop(thread);
}

/// What comes of a future that must not need a loop.
#[track_caller]
fn at_once<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Everything that a running loop of the parent has, in the child, which is inside of it.
fn a_running_loop_refuses(pool: &ThreadPoolExecutor) {
    let future = run_in_executor(None, || 1);
    assert!(future.done() && !format!("{future:?}").is_empty());
    task_forked(future.result());
    task_forked(at_once(run_in_executor(None, || 1)));
    task_forked(at_once(run_in_executor(pool, || 1)));
    task_forked(at_once(to_thread(|| 1)));
    let own = concurrent::Promise::new();
    task_forked(at_once(wrap_future(&own.future())));
    own.set_result(1).unwrap();
    task_forked(at_once(wrap_future(&own.future())));
    task_forked(at_once(wrap_future(&pool.submit(|| 1))));
    drop(run_in_executor(None, || 1));
}

/// A fork inside of a loop that runs.
fn a_fork_in_a_loop() {
    for used_before in [false, true] {
        let pool = ThreadPoolExecutor::new();
        let other = pool.clone();
        ouroloop::run(async move {
            if used_before {
                assert_eq!(to_thread(|| 1).await.unwrap(), 1);
            }
            assert!(holds_in_a_child(|| a_running_loop_refuses(&other)));
            assert_eq!(to_thread(|| 2).await.unwrap(), 2, "the parent goes on");
        })
        .unwrap();
        pool.shutdown(true, false).unwrap();
    }
}

#[test]
fn h15_in_the_child_what_is_the_parents_refuses_and_new_ones_run() {
    let pool = ThreadPoolExecutor::builder()
        .max_workers(2)
        .build()
        .unwrap();
    let (release, held) = channel::<()>();
    let running = pool.submit(move || _ = held.recv());
    while !running.running() {
        std::thread::yield_now();
    }
    let (held_up, hold) = channel::<()>();
    let second = pool.submit(move || _ = hold.recv());
    while !second.running() {
        std::thread::yield_now();
    }
    let queued = pool.submit(|| ());
    let promise = concurrent::Promise::<()>::new();
    let done = pool.submit(|| ());
    assert!(done.cancel());
    let mut thread = Some(LoopThread::start().unwrap());
    let with_loop = new_event_loop().unwrap();
    let job = with_loop.run_in_executor(&pool, || ()).unwrap();

    let before = process_id();
    assert_eq!(before, std::process::id());
    assert!(holds_in_a_child(move || {
        assert_ne!(process_id(), before);
        assert_eq!(process_id(), std::process::id());
    }));
    assert!(holds_in_a_child(|| a_pool_refuses(&pool)));
    let last = ThreadPoolExecutor::new();
    last.submit(|| ()).result(SOON).unwrap();
    assert!(holds_in_a_child(move || drop(last)));
    assert!(holds_in_a_child(|| {
        for future in [&running, &second, &queued, &promise.future()] {
            a_future_refuses(future);
        }
        // What was done before the fork is there for both.
        assert!(done.cancelled() && done.result(SOON).is_err());
    }));
    assert!(holds_in_a_child(|| {
        let future = promise.future();
        assert!(promise.set_result(()).is_err());
        drop(promise);
        forked(future.result(None));
    }));
    assert!(holds_in_a_child(|| a_loop_thread_refuses(
        thread.take().unwrap()
    )));
    assert!(holds_in_a_child(|| {
        // A loop of the parent: neither takes it jobs, nor waits for it anything.
        let refused = with_loop.run_in_executor(&pool, || ());
        assert!(matches!(
            refused,
            Err(ExecutorError::Loop(LoopError::Forked { .. }))
        ));
        assert!(with_loop.set_default_executor(&pool).is_err());
    }));
    assert!(holds_in_a_child(|| {
        let own = ThreadPoolExecutor::new();
        assert_eq!(own.submit(|| 1).result(SOON).unwrap(), 1);
        own.shutdown(true, false).unwrap();
        let thread = LoopThread::start().unwrap();
        let answer = thread.run_coroutine_threadsafe(|| async { to_thread(|| 2).await.unwrap() });
        assert_eq!(answer.result(SOON).unwrap(), 2);
        thread.stop().unwrap();
        thread.join(SOON).unwrap();
        thread.close().unwrap();
    }));

    a_fork_in_a_loop();

    // The parent has lost nothing.
    drop((release, held_up));
    for future in [running, second, queued] {
        future.result(SOON).unwrap();
    }
    let thread = thread.unwrap();
    let answer = thread.run_coroutine_threadsafe(|| async { 3 });
    assert_eq!(answer.result(SOON).unwrap(), 3);
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    thread.close().unwrap();
    with_loop.run_until_complete(job).unwrap();
    with_loop.close().unwrap();
    pool.shutdown(true, false).unwrap();
}
