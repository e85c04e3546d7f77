//! A shield that is cancelled: asyncio's `shield`, whose task knows nothing of it and goes on.
//!
//! The shield is done before the task has taken its first step. It prints:
//!
//! ```text
//! main start! 00:00:00
//! stask1 canceled!
//! func1 start! 00:00:00
//! func1 end! 00:00:01
//! main end! 00:00:02
//! ```
//!
//! Run it with `cargo run -p ouroloop --example shield`.

mod clock;

use std::time::Duration;

use ouroloop::{TaskError, create_task, shield, sleep};

use clock::strftime;

async fn func1() -> &'static str {
    println!("func1 start! {}", strftime());
    sleep(Duration::from_secs(1)).await;
    println!("func1 end! {}", strftime());
    "func1"
}

/// Shields a task, and cancels the shield.
pub async fn program() -> Result<(), TaskError> {
    println!("main start! {}", strftime());
    let task1 = create_task(func1());
    let task1_with_shield = shield(&task1);
    task1_with_shield.cancel();
    match task1_with_shield.await {
        Err(TaskError::Cancelled(_)) => {
            println!("stask1 canceled!");
            sleep(Duration::from_secs(2)).await; // task1 itself goes on
        }
        result => println!("{}", result?),
    }
    println!("main end! {}", strftime());
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
