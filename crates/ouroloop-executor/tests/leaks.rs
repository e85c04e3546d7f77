//! Loops and pools that start and stop in every state (H14): no thread, descriptor or job is left.
//!
//! A binary with one test, since it counts the threads and descriptors of the process. `cargo xtask stress` sets
//! `OUROLOOP_STRESS`, and it is the long campaign.

#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ouroloop_executor::{ExecutorError, LoopThread, ThreadPoolExecutor, run_in_executor};

const SOON: Duration = Duration::from_secs(60);

/// How a pool is left; what is returned holds a job up until it is dropped.
type Leave = fn(&ThreadPoolExecutor) -> Option<Sender<()>>;

type State = (&'static str, Leave);

/// How a loop and a pool are left when they end.
const STATES: &[State] = &[
    ("idle and never used", |_| None),
    ("idle after a job", |pool| {
        pool.submit(|| ()).result(SOON).unwrap();
        None
    }),
    ("with jobs queued", |pool| {
        (0..8).for_each(|_| drop(pool.submit(|| ())));
        None
    }),
    ("with a job that submits a job", |pool| {
        let own = pool.clone();
        drop(pool.submit(move || drop(own.submit(|| ()))));
        None
    }),
    ("with a job that panicked", |pool| {
        let failed = pool.submit(|| std::panic::resume_unwind(Box::new(1)));
        assert!(failed.result(SOON).is_err());
        None
    }),
    ("with a job that does not end by itself", |pool| {
        let (release, held) = channel::<()>();
        drop(pool.submit(move || held.recv().is_err()));
        Some(release)
    }),
    ("another one, dropped in its own job", |_| {
        let (hand_over, handed) = channel::<ThreadPoolExecutor>();
        let other = another();
        drop(other.submit(move || drop(handed.recv())));
        hand_over.send(other).unwrap();
        None
    }),
    ("another one, dropped in a loop", |_| {
        let other = another();
        ouroloop::run(async move {
            drop(run_in_executor(&other, thread::yield_now));
            drop(other);
        })
        .unwrap();
        None
    }),
    ("another one, dropped in a callback", |_| {
        let other = another();
        let job = other.submit(thread::yield_now);
        job.add_done_callback(move |_| drop(other));
        None
    }),
    ("another one, without a thread", |_| {
        // No machine has such a stack.
        let builder = ThreadPoolExecutor::builder().stack_size(1 << 60);
        let other = builder.build().unwrap();
        assert!(other.submit(|| ()).result(SOON).is_err());
        None
    }),
];

fn another() -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().thread_name_prefix("h14_other");
    builder.max_workers(2).build().unwrap()
}

/// One start and stop of a loop in a thread, with a pool of its own and its default one.
fn cycle(state: usize, cancel_futures: bool, token: &Arc<()>) {
    let (_, leave) = STATES[state];
    let builder = ThreadPoolExecutor::builder().thread_name_prefix("h14");
    let pool = builder.max_workers(2).build().unwrap();
    let thread = LoopThread::start_in(thread::Builder::new().name("h14_loop".into())).unwrap();
    let awaited = pool.clone();
    let answer = thread.run_coroutine_threadsafe(move || async move {
        run_in_executor(&awaited, || 1).await.unwrap()
    });
    assert_eq!(answer.result(SOON).unwrap(), 1);
    let release = leave(&pool);
    let held = token.clone();
    drop(pool.submit(move || drop(held)));
    // One that the close finds waiting for a job.
    let pending = pool.clone();
    drop(thread.run_coroutine_threadsafe(move || async move {
        let _ = run_in_executor(&pending, thread::yield_now).await;
    }));
    thread.stop().unwrap();
    thread.join(SOON).unwrap();
    thread.close().unwrap();
    if let Some(release) = release {
        let late = pool.shutdown_timeout(Duration::ZERO);
        assert!(matches!(late, Err(ExecutorError::StillRunning { .. })));
        drop(release);
    }
    pool.shutdown(true, cancel_futures).unwrap();
}

/// What the process has of something that Linux lists.
fn count(list: &str) -> usize {
    std::fs::read_dir(list).expect("Linux has it").count()
}

#[test]
fn h14_nothing_is_left_of_loops_and_pools_in_any_state() {
    let rounds = match std::env::var_os("OUROLOOP_STRESS") {
        Some(_) => 10_000,
        None => 200,
    };
    // Before the first one, since a thread that it joined may still be in the list behind it.
    let threads = count("/proc/self/task");
    // What that leaves otherwise is there for the process: the random state of a map, for instance.
    let token = Arc::new(());
    cycle(0, false, &token);
    let descriptors = count("/proc/self/fd");
    for round in 0..rounds {
        let state = round % STATES.len();
        cycle(state, round % 2 == 0, &token);
        let begun = Instant::now();
        // A thread that was joined leaves the list of the process a moment later.
        while count("/proc/self/task") != threads {
            assert!(
                begun.elapsed() < SOON,
                "a thread is left, {}",
                STATES[state].0
            );
            thread::yield_now();
        }
        assert_eq!(count("/proc/self/fd"), descriptors, "{}", STATES[state].0);
        assert_eq!(
            Arc::strong_count(&token),
            1,
            "a job is left, {}",
            STATES[state].0
        );
    }
}
