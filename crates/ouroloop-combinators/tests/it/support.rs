//! What only these tests need: coroutines that end after a while, well or badly, and their errors.

use std::future::pending;
use std::time::Duration;

use ouroloop_combinators::sleep;
use ouroloop_task::{Task, TaskError, TaskRef, catch_cancelled, create_task, current_task};
use ouroloop_testkit::{TestLoop, ms, running_loop};

/// Runs `future` as the main task of a loop on virtual time, which is closed then.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    TestLoop::new().run(future)
}

pub fn now() -> Duration {
    running_loop().time()
}

pub fn me() -> TaskRef {
    current_task().expect("this is a task")
}

/// Lets a result go, on purpose.
pub fn ignore<T>(_: T) {}

/// `value` after so many milliseconds.
pub async fn after<T>(count: u64, value: T) -> T {
    sleep(ms(count)).await;
    value
}

/// What a test calls an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Oops(pub &'static str);

/// Such an error, or what came of a task instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Oops(#[from] Oops),
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl Failure {
    pub fn text(&self) -> String {
        self.to_string()
    }
}

/// Fails after so many milliseconds.
pub async fn fail_after(count: u64, text: &'static str) -> Result<u32, Failure> {
    sleep(ms(count)).await;
    Err(Oops(text).into())
}

pub async fn ok_after(count: u64, value: u32) -> Result<u32, Failure> {
    Ok(after(count, value).await)
}

/// A task that swallows one request and then gives `value` after so many milliseconds more.
pub fn stubborn<T: 'static>(count: u64, value: T) -> Task<T> {
    create_task(async move {
        let _ = catch_cancelled(pending::<()>()).await;
        after(count, value).await
    })
}
