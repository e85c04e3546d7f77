//! A wait with an end: asyncio's `wait` with a timeout, which sorts tasks into done and pending.
//!
//! The time is up when the second task is about to end, and is no error. It prints:
//!
//! ```text
//! main start! 00:00:00
//! func1 start! 00:00:00
//! func2 start! 00:00:00
//! func1 end! 00:00:01
//! func1
//! main end! 00:00:02
//! ```
//!
//! asyncio took coroutines here before Python 3.11, and started them in any order. Now both want
//! tasks, which start in the order in which they were made. Run it with
//! `cargo run -p ouroloop --example wait_timeout`.

mod clock;

use std::error::Error;
use std::time::Duration;

use ouroloop::{create_task, sleep, wait};

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

/// Waits for two tasks, for two seconds at most.
pub async fn program() -> Result<(), Box<dyn Error>> {
    println!("main start! {}", strftime());
    let tasks = [create_task(func1()), create_task(func2())];
    let (mut done, pending) = wait(tasks).timeout(Duration::from_secs(2)).await?;
    println!("{}", done.pop().unwrap().result()?);
    for p in pending {
        p.cancel();
    }
    println!("main end! {}", strftime());
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), Box<dyn Error>> {
    program().await
}
