//! What `ensure_future` takes: asyncio's function that makes a task of a coroutine, and leaves
//! tasks and futures as they are.
//!
//! It takes coroutines, tasks and promises; other awaitables are awaited in an `async` block, as
//! asyncio does it. It prints, with a second before the last line:
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

use ouroloop::{AsFutureRef, TaskError, create_future, ensure_future, sleep};

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
    let task = ensure_future(coroutine());
    let name = task.task_name().unwrap();
    println!("a coroutine becomes a task: {name}");

    let before = task.as_future_ref();
    let same = ensure_future(task).is(&before);
    println!("a task is returned as it is: {same}");

    let future = create_future::<()>();
    let same = ensure_future(&future).is(&future);
    println!("so is a future: {same}");

    let task = ensure_future(async { Answer.await });
    let name = task.task_name().unwrap();
    let answer = task.await?;
    println!("an awaitable is awaited in a new task: {name} {answer}");
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
