//! Results in the order in which they come: asyncio's `as_completed`.
//!
//! Each step of the loop has to be awaited, since it waits for whatever is done next. It prints:
//!
//! ```text
//! main start! 00:00:00
//! func2 start! 00:00:00
//! func1 start! 00:00:00
//! func1 end! 00:00:01
//! func1
//! func2 end! 00:00:02
//! func2
//! main end! 00:00:02
//! ```
//!
//! Run it with `cargo run -p ouroloop --example as_completed`. asyncio warns of a step that was not
//! awaited; here the compiler does.

mod clock;

use std::time::Duration;

use ouroloop::{AwaitError, as_completed, create_task, sleep};

use clock::strftime;

async fn func1() -> &'static str {
    println!("func1 start! {}", strftime());
    sleep(Duration::from_secs(1)).await;
    println!("func1 end! {}", strftime());
    "func1"
}

async fn func2() -> &'static str {
    println!("func2 start! {}", strftime());
    sleep(Duration::from_secs(2)).await;
    println!("func2 end! {}", strftime());
    "func2"
}

/// Prints two results, the slower one second.
pub async fn program() -> Result<(), AwaitError> {
    println!("main start! {}", strftime());
    let tasks = [create_task(func2()), create_task(func1())];
    let mut tasks = as_completed(tasks);
    while let Some(result) = tasks.next().await {
        println!("{}", result?);
    }
    println!("main end! {}", strftime());
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), AwaitError> {
    program().await
}
