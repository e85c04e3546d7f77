//! When a task starts: asyncio's two tasks that are made first, and awaited then.
//!
//! `create_task` only schedules. Nothing of a task runs before its maker suspends. It prints:
//!
//! ```text
//! main start!
//! func1 start! 00:00:00
//! func2 start! 00:00:00
//! func1 end! 00:00:01
//! func2 end! 00:00:02
//! main end!
//! ```
//!
//! Run it with `cargo run -p ouroloop --example create_task`.

mod clock;

use std::time::Duration;

use ouroloop::{TaskError, create_task, sleep};

use clock::strftime;

async fn func1() {
    println!("func1 start! {}", strftime());
    sleep(Duration::from_secs(1)).await;
    println!("func1 end! {}", strftime());
}

async fn func2() {
    println!("func2 start! {}", strftime());
    sleep(Duration::from_secs(2)).await;
    println!("func2 end! {}", strftime());
}

/// Makes two tasks, and awaits them.
pub async fn program() -> Result<(), TaskError> {
    let task1 = create_task(func1()); // queued in the loop, not run yet
    let task2 = create_task(func2()); // queued in the loop, not run yet
    println!("main start!");
    task1.await?; // suspends, so the loop goes on, and runs the tasks
    task2.await?;
    println!("main end!");
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
