//! What `ensure_future` takes: asyncio's function that makes a task of a coroutine, and leaves
//! tasks and futures as they are.
//!
//! Here it is the method `into_task` of coroutines, tasks and promises; other awaitables are
//! awaited in an `async` block, as asyncio does it. It prints, with a second before the last
//! line:
//!
//! ```text
//! a coroutine becomes a task: Task-2
//! a task is returned as it is: true
//! so is a future: true
//! an awaitable is awaited in a new task: Task-3 42
//! ```
//!
//! What asyncio refuses with a `TypeError` does not compile. Run it with
//! `cargo run -p ouroloop --example ensure_future`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use ouroloop::{AsFutureRef, IntoTask, TaskError, create_future, sleep};

/// An awaitable: its `into_future` is what Python calls `__await__`.
struct Answer;

impl IntoFuture for Answer {
    type Output = i32;
    type IntoFuture = Pin<Box<dyn Future<Output = i32>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            sleep(Duration::from_secs(1)).await;
            42
        })
    }
}

async fn coroutine() -> &'static str {
    "coroutine"
}

/// Gives it one thing of each kind.
pub async fn program() -> Result<(), TaskError> {
    let task = coroutine().into_task();
    let future = task.as_future_ref();
    println!(
        "a coroutine becomes a task: {}",
        future.task_name().unwrap()
    );

    let same = task.into_task().as_future_ref() == future;
    println!("a task is returned as it is: {same}");

    let promise = create_future::<()>();
    let same = (&promise).into_task().as_future_ref() == promise.as_future_ref();
    println!("so is a future: {same}");

    let task = async { Answer.await }.into_task();
    let name = task.as_future_ref().task_name().unwrap();
    println!(
        "an awaitable is awaited in a new task: {name} {}",
        task.await?
    );
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
