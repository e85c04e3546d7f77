//! Cancelling what another thread does, from the loop's side.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use ouroloop_combinators::timeout;
use ouroloop_executor::{concurrent, run_in_executor, to_thread, wrap_future};
use ouroloop_task::{TaskError, bare_yield, create_task};

use crate::support::{SOON, eventually, held, pool};

#[test]
fn a_job_that_nobody_has_begun_never_runs() {
    let pool = pool(1);
    let (release, hold) = held();
    let first = pool.submit(hold);
    let ran = Arc::new(AtomicUsize::new(0));
    let (own, count) = (pool.clone(), ran.clone());
    ouroloop::run(async move {
        let job = run_in_executor(&own, move || count.fetch_add(1, Ordering::SeqCst));
        assert!(job.cancel());
        assert!(job.cancelled() && !job.cancel());
        assert!(matches!(job.await, Err(TaskError::Cancelled(_))));
    })
    .unwrap();
    drop(release);
    first.result(SOON).unwrap();
    pool.shutdown(true, false).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn the_job_hears_of_it_one_iteration_later() {
    let promise = concurrent::Promise::<u32>::new();
    let future = promise.future();
    ouroloop::run(async move {
        let wrapped = wrap_future(&future);
        wrapped.cancel();
        assert!(!future.cancelled());
        bare_yield().await;
        assert!(future.cancelled());
    })
    .unwrap();
}

#[test]
fn a_cancelled_task_unwinds_at_once_while_its_job_runs_on() {
    let pool = pool(1);
    let (release, hold) = held();
    let ended = Arc::new(AtomicUsize::new(0));
    let (own, count) = (pool.clone(), ended.clone());
    let (begun, begins) = channel();
    ouroloop::run(async move {
        let job = run_in_executor(&own, move || {
            begun.send(()).unwrap();
            hold();
            count.fetch_add(1, Ordering::SeqCst);
            // Nobody wants it, and nobody hears of it.
            Err::<u32, _>("dropped silently")
        });
        let task = create_task(job.into_future());
        bare_yield().await;
        // One that no thread has begun would never run.
        begins.recv_timeout(SOON).unwrap();
        task.cancel();
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    })
    .unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    drop(release);
    pool.shutdown(true, false).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[test]
fn a_timeout_ends_the_wait_for_a_job() {
    let pool = pool(1);
    let (release, hold) = held();
    let own = pool.clone();
    ouroloop::run(async move {
        let late = timeout(Duration::from_millis(2), run_in_executor(&own, hold)).await;
        assert!(late.is_err());
    })
    .unwrap();
    drop(release);
}

#[test]
fn a_future_that_its_own_side_cancels_is_a_cancelled_value() {
    let promise = concurrent::Promise::<u32>::new();
    let future = promise.future();
    ouroloop::run(async move {
        let wrapped = wrap_future(&future);
        thread::spawn(move || future.cancel());
        assert!(matches!(wrapped.await, Err(TaskError::Cancelled(_))));
    })
    .unwrap();
    drop(promise);
}

#[test]
fn a_cancelled_job_drops_what_it_holds_at_once() {
    let pool = pool(1);
    let (release, hold) = held();
    let running = pool.submit(hold);
    eventually(|| running.running());
    let token = Arc::new(());
    let held_by_job = token.clone();
    let queued = pool.submit(move || drop(held_by_job));
    assert!(queued.cancel());
    assert_eq!(Arc::strong_count(&token), 1, "while the queue stands still");
    drop(release);
}

#[test]
fn a_job_that_is_cancelled_in_many_threads_at_once_runs_or_is_cancelled() {
    const THREADS: usize = 3;
    const JOBS: usize = 500;
    let pool = pool(2);
    let start = Barrier::new(THREADS + 1);
    let job = Mutex::new(None);
    thread::scope(|scope| {
        let cancel = || {
            let cancel_one = |_| {
                start.wait();
                let job: concurrent::Future<usize> = job.lock().unwrap().clone().unwrap();
                let cancelled = job.cancel();
                start.wait();
                cancelled
            };
            (0..JOBS).map(cancel_one).collect::<Vec<_>>()
        };
        let cancels: Vec<_> = (0..THREADS).map(|_| scope.spawn(cancel)).collect();
        let ran: Vec<_> = (0..JOBS)
            .map(|_| {
                let ran = Arc::new(AtomicUsize::new(0));
                let count = ran.clone();
                let submitted = pool.submit(move || count.fetch_add(1, Ordering::SeqCst));
                *job.lock().unwrap() = Some(submitted.clone());
                start.wait();
                let result = submitted.result(SOON);
                start.wait();
                assert_eq!(ran.load(Ordering::SeqCst), usize::from(result.is_ok()));
                result.is_ok()
            })
            .collect();
        for cancels in cancels {
            // All of them hear the same, and the truth.
            let cancelled = cancels.join().unwrap();
            assert!(ran.iter().zip(&cancelled).all(|(ran, it)| ran != it));
        }
    });
}

#[test]
fn to_thread_does_nothing_before_it_is_awaited() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    ouroloop::run(async move {
        let call = to_thread(move || count.fetch_add(1, Ordering::SeqCst));
        drop(call);
    })
    .unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}
