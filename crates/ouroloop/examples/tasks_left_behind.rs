//! Tasks that nobody awaits: asyncio's program that ends before its tasks do.
//!
//! They start, since `program` sleeps for a moment; and are cancelled when it ends. It prints:
//!
//! ```text
//! func1 start! 00:00:00
//! func2 start! 00:00:00
//! main start!
//! main end!
//! ```
//!
//! Run it with `cargo run -p ouroloop --example tasks_left_behind`.

mod clock;

use std::time::Duration;

use ouroloop::{create_task, sleep};

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

/// Makes two tasks, and does not wait for them.
pub async fn program() {
    let _task1 = create_task(func1());
    let _task2 = create_task(func2());
    sleep(Duration::from_millis(100)).await;
    println!("main start!");
    println!("main end!");
}

#[ouroloop::main]
async fn main() {
    program().await;
}
