//! `LoopThread`: its life, and each step of it out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ouroloop_combinators::sleep;
use ouroloop_core::{EventLoop, LoopError, get_event_loop, get_running_loop, new_event_loop};
use ouroloop_executor::{
    ExecutorError, LoopExecutor, LoopThread, run_coroutine_threadsafe, run_in_executor,
};
use ouroloop_task::{LoopTasks, TaskError, catch_cancelled, create_task};

use crate::support::{SOON, eventually, pool, refused};

fn end(thread: &LoopThread) {
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    thread.close().unwrap();
}

#[test]
fn it_takes_coroutines_until_it_is_stopped_joined_and_closed() {
    let thread = LoopThread::start().unwrap();
    assert!(thread.is_running());
    let future = thread.run_coroutine_threadsafe(|| async {
        sleep(Duration::from_millis(1)).await;
        let current = get_event_loop().unwrap();
        assert!(current.same_loop(&get_running_loop().unwrap()));
        1
    });
    assert_eq!(future.result(SOON).unwrap(), 1);
    end(&thread);
    assert!(!thread.is_running() && thread.remote().is_closed());
}

#[test]
fn each_step_out_of_order_is_an_error() {
    let thread = LoopThread::start().unwrap();
    assert!(matches!(thread.close(), Err(ExecutorError::LoopNotStopped)));
    assert!(matches!(
        thread.join(None),
        Err(ExecutorError::LoopNotStopped)
    ));
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    thread.join(None).unwrap();
    assert!(matches!(thread.stop(), Err(ExecutorError::LoopStopped)));
    thread.close().unwrap();
    thread.close().unwrap();
    assert!(matches!(thread.stop(), Err(ExecutorError::LoopStopped)));
    thread.join(None).unwrap();
}

#[test]
fn it_cannot_be_joined_or_closed_by_itself() {
    let thread = Arc::new(LoopThread::start().unwrap());
    let own = thread.clone();
    let errors =
        thread.run_coroutine_threadsafe(move || async move { (own.join(None), own.close()) });
    let (join, close) = errors.result(SOON).unwrap();
    assert!(matches!(join, Err(ExecutorError::JoinsItself)));
    assert!(matches!(close, Err(ExecutorError::JoinsItself)));
    end(&thread);
}

#[test]
fn a_join_has_a_limit_if_a_callback_holds_the_loop_up() {
    let thread = LoopThread::start().unwrap();
    let (sender, receiver) = channel::<()>();
    let (inside, entered) = channel();
    let hold = move || {
        inside.send(()).unwrap();
        let _ = receiver.recv();
    };
    thread.remote().call_soon_threadsafe(hold).unwrap();
    entered.recv().unwrap();
    thread.stop().unwrap();
    let late = thread.join(Duration::from_millis(5));
    assert!(matches!(late, Err(ExecutorError::TimedOut)));
    drop(sender);
    thread.stop().unwrap_or(());
    thread.join(SOON).unwrap();
    thread.close().unwrap();
}

#[test]
fn a_coroutine_may_stop_its_loop() {
    let thread = LoopThread::start().unwrap();
    drop(thread.run_coroutine_threadsafe(|| async { get_running_loop().unwrap().stop() }));
    eventually(|| !thread.is_running());
    thread.join(None).unwrap();
    thread.close().unwrap();
}

#[test]
fn its_close_lets_tasks_clean_up() {
    let thread = LoopThread::start().unwrap();
    let cleaned = Arc::new(AtomicUsize::new(0));
    let count = cleaned.clone();
    let (begun, begins) = channel();
    let future = thread.run_coroutine_threadsafe(move || async move {
        begun.send(()).unwrap();
        let _ = catch_cancelled(std::future::pending::<()>()).await;
        sleep(Duration::from_millis(1)).await;
        count.fetch_add(1, Ordering::SeqCst);
    });
    begins.recv().unwrap();
    end(&thread);
    future.result(SOON).unwrap();
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn what_the_loop_is_handed_after_its_stop_is_cancelled_by_the_close() {
    let thread = LoopThread::start().unwrap();
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    let steps = Arc::new(AtomicUsize::new(0));
    let count = steps.clone();
    let late = run_coroutine_threadsafe(thread.remote(), move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        sleep(SOON).await;
    });
    thread.close().unwrap();
    assert!(late.cancelled(), "{:?}", late.result(SOON));
    assert_eq!(steps.load(Ordering::SeqCst), 0);
}

#[test]
fn what_the_thread_is_handed_after_its_stop_is_refused() {
    let thread = LoopThread::start().unwrap();
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    let late = thread.run_coroutine_threadsafe(|| async { 1 });
    assert!(late.done(), "nobody would ever run it");
    let error = late.result(SOON).unwrap_err().to_string();
    assert_eq!(error, ExecutorError::LoopStopped.to_string());
    thread.close().unwrap();
}

#[test]
fn stops_too_many_do_not_disturb_the_close() {
    for by_handle in [true, false] {
        let thread = LoopThread::start().unwrap();
        let (begun, begins) = channel();
        let (release, released) = channel::<()>();
        let cleans_up = thread.run_coroutine_threadsafe(|| async {
            let _ = catch_cancelled(std::future::pending::<()>()).await;
            sleep(Duration::from_millis(1)).await;
            1
        });
        // Stopped by a coroutine, which holds the loop up until others have asked for the same.
        let stops = thread.run_coroutine_threadsafe(move || async move {
            get_running_loop().unwrap().stop();
            begun.send(()).unwrap();
            let _ = released.recv();
        });
        begins.recv().unwrap();
        match by_handle {
            true => thread.remote().stop().unwrap(),
            false => thread.stop().unwrap(),
        }
        drop(release);
        eventually(|| !thread.is_running());
        thread.close().unwrap();
        assert_eq!(cleans_up.result(SOON).unwrap(), 1);
        stops.result(SOON).unwrap();
    }
}

#[test]
fn what_comes_after_the_close_is_an_error() {
    let thread = LoopThread::start().unwrap();
    end(&thread);
    let late = thread.run_coroutine_threadsafe(|| async { 1 }).result(SOON);
    assert!(matches!(
        late,
        Err(ExecutorError::Task(TaskError::LoopClosed))
    ));
    let late = thread.remote().call_soon_threadsafe(|| ());
    assert!(matches!(late, Err(LoopError::Closed)));
}

#[test]
fn dropping_it_ends_the_loop_and_all_who_wait_for_it() {
    let thread = LoopThread::start().unwrap();
    let remote = thread.remote().clone();
    let pending = thread.run_coroutine_threadsafe(std::future::pending::<()>);
    drop(thread);
    assert!(pending.result(SOON).is_err());
    eventually(|| remote.is_closed());
}

#[test]
fn two_loops_in_two_threads_hand_work_to_each_other() {
    let (one, two) = (LoopThread::start().unwrap(), LoopThread::start().unwrap());
    let to = two.remote().clone();
    let future = one.run_coroutine_threadsafe(move || async move {
        let inner = run_coroutine_threadsafe(&to, || async { create_task(async { 20 }).await });
        ouroloop_executor::wrap_future(&inner)
            .await
            .unwrap()
            .unwrap()
            + 1
    });
    assert_eq!(future.result(SOON).unwrap(), 21);
    end(&one);
    end(&two);
}

#[test]
fn h29_threads_submit_while_a_loop_starts_idles_stops_and_closes() {
    let rounds = crate::stress::scaled(20, 500);
    for _ in 0..rounds {
        let thread = LoopThread::start().unwrap();
        let remote = thread.remote();
        let (ran, accepted, refused) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let ran = Arc::new(ran);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let ran = ran.clone();
                        let future = run_coroutine_threadsafe(remote, move || async move {
                            ran.fetch_add(1, Ordering::Relaxed)
                        });
                        // Each has an end, whatever became of the loop.
                        match future.result(SOON) {
                            Ok(_) => accepted.fetch_add(1, Ordering::Relaxed),
                            Err(ExecutorError::Task(
                                TaskError::LoopClosed | TaskError::Cancelled(_),
                            )) => refused.fetch_add(1, Ordering::Relaxed),
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
            }
            while ran.load(Ordering::Relaxed) < 20 {
                thread::yield_now();
            }
            end(&thread);
        });
        let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
        assert_eq!(accepted + refused, 400);
        assert!(ran.load(Ordering::Relaxed) >= accepted);
    }
}

#[test]
fn all_who_close_it_wait_for_the_end_of_the_loop() {
    let thread = LoopThread::start().unwrap();
    let (begun, begins) = channel();
    drop(thread.run_coroutine_threadsafe(|| async move {
        begun.send(()).unwrap();
        let _ = catch_cancelled(std::future::pending::<()>()).await;
        sleep(Duration::from_millis(30)).await;
    }));
    begins.recv().unwrap();
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                thread.close().unwrap();
                assert!(thread.remote().is_closed());
            });
        }
    });
}

#[test]
fn closing_in_a_job_of_the_default_executor_is_refused() {
    let thread = Arc::new(LoopThread::start().unwrap());
    let own = thread.clone();
    let (answer, answered) = channel();
    let submitted = thread.run_coroutine_threadsafe(move || async move {
        drop(run_in_executor(None, move || {
            own.stop().unwrap();
            own.join(SOON).unwrap();
            answer.send(own.close()).unwrap();
        }));
    });
    submitted.result(SOON).unwrap();
    let refused = answered.recv_timeout(SOON).unwrap();
    assert!(matches!(refused, Err(ExecutorError::JoinsItself)));
    thread.close().unwrap();
}

#[test]
fn a_loop_in_a_thread_local_that_used_the_executor_is_closed_with_its_thread() {
    thread_local! {
        static LOOP: EventLoop = new_event_loop().unwrap();
    }
    let pool = pool(1);
    let of_loop = pool.clone();
    let ended = thread::spawn(move || {
        LOOP.with(|event_loop| {
            event_loop.set_default_executor(&of_loop).unwrap();
            let job = event_loop.run_in_executor(None, || 42).unwrap();
            assert_eq!(event_loop.run_until_complete(job).unwrap(), 42);
            event_loop.remote()
        })
    });
    assert!(ended.join().unwrap().is_closed());
    assert_eq!(refused(pool.submit(|| 1).result(SOON)), "Shutdown");
}
