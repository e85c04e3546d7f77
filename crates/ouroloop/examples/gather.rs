//! A task for each, and `gather` for the results: asyncio's way to run coroutines beside each
//! other.
//!
//! It takes one second for both, and prints the results in the order of the tasks:
//!
//! ```text
//! [3, 11]
//! ```
//!
//! Run it with `cargo run -p ouroloop --example gather`. Without the tasks it is `await_in_turn`.

use std::time::Duration;

use ouroloop::{TaskError, create_task, gather, sleep};

async fn task_add(x: i32, y: i32) -> i32 {
    sleep(Duration::from_secs(1)).await;
    x + y
}

/// Adds up two pairs of numbers, at the same time.
pub async fn program() -> Result<(), TaskError> {
    let l = [(1, 2), (5, 6)];
    let mut tasks = Vec::new();
    for (x, y) in l {
        tasks.push(create_task(task_add(x, y)));
    }
    println!("{:?}", gather(tasks).values().await?); // [3, 11]
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
