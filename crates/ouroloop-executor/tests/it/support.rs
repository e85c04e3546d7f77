//! What the tests share: jobs that wait to be told, counts of threads, and hops.

use std::future::IntoFuture;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ouroloop_core::get_running_loop;
use ouroloop_executor::{ExecutorError, ThreadPoolExecutor};

/// A limit for what is to happen soon; whoever reaches it has failed.
pub const SOON: Duration = Duration::from_secs(60);

/// A pool with so many threads at most.
pub fn pool(workers: usize) -> ThreadPoolExecutor {
    let builder = ThreadPoolExecutor::builder().max_workers(workers);
    builder.build().expect("there are workers")
}

/// Something that jobs wait at until it is opened.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    inside: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    pub const fn new() -> Gate {
        Gate {
            open: Mutex::new(false),
            inside: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    pub fn pass(&self) {
        *self.inside.lock().unwrap() += 1;
        let open = self.open.lock().unwrap();
        let open = self.changed.wait_while(open, |open| !*open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Waits until so many have come.
    pub fn wait_for(&self, count: usize) {
        eventually(|| *self.inside.lock().unwrap() >= count);
    }
}

/// Waits for what other threads are about to bring about.
#[track_caller]
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "it never came to hold");
        thread::yield_now();
    }
}

/// How many iterations an await takes.
pub async fn hops<T>(future: impl IntoFuture<Output = T>) -> (u64, T) {
    let iterations = || get_running_loop().unwrap().statistics().iterations;
    let before = iterations();
    let value = future.await;
    (iterations() - before, value)
}

/// What a future ended with, if that is an error of this crate.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, ExecutorError>) -> String {
    match result.unwrap_err() {
        ExecutorError::Task(error) => {
            let error = error.downcast_ref::<ExecutorError>();
            format!("{:?}", error.expect("it is of this crate"))
        }
        error => panic!("{error}"),
    }
}

/// A job that ends when the sender is dropped, or sends.
pub fn held() -> (Sender<()>, impl FnOnce() + Send + 'static) {
    let (sender, receiver): (_, Receiver<()>) = channel();
    (sender, move || _ = receiver.recv())
}
