//! What the tests share.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ouroloop_combinators::cancel_all_tasks;
use ouroloop_core::{EventLoop, VirtualClock, get_running_loop};
use ouroloop_task::{LoopTasks, TaskRef, bare_yield, current_task};

/// A loop on virtual time.
pub fn new_loop() -> EventLoop {
    EventLoop::builder()
        .clock(VirtualClock::new())
        .debug(false)
        .build()
        .expect("a loop can be made")
}

/// Runs `future` as the main task of a loop on virtual time; what is left then is cancelled.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let event_loop = new_loop();
    let value = match event_loop.run_until_complete(future) {
        Ok(value) => value,
        Err(error) => panic!("the main task has a value: {error}"),
    };
    cancel_all_tasks(&event_loop).expect("the loop is open");
    event_loop.close().expect("the loop does not run");
    value
}

pub fn me() -> TaskRef {
    current_task().expect("this is a task")
}

/// How many iterations an await takes.
pub async fn hops<T>(future: impl IntoFuture<Output = T>) -> (u64, T) {
    let iterations = || {
        let event_loop = get_running_loop().expect("a loop is running");
        event_loop.statistics().iterations
    };
    let before = iterations();
    let value = future.await;
    (iterations() - before, value)
}

/// So many iterations.
pub async fn turns(count: usize) {
    for _ in 0..count {
        bare_yield().await;
    }
}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Polls once, by hand, with a waker that does nothing.
pub fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A log that many write to.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// Everything so far, separated by spaces; the log is empty then.
    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }
}
