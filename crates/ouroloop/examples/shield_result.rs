//! The task behind a cancelled shield: asyncio's `shield`, and the result that is still to be had.
//!
//! It prints:
//!
//! ```text
//! main start! 00:00:00
//! stask1 canceled!
//! func1 start! 00:00:00
//! func1 end! 00:00:01
//! func1
//! main end! 00:00:01
//! ```
//!
//! Run it with `cargo run -p ouroloop --example shield_result`.

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

/// Shields a task, cancels the shield, and awaits the task.
pub async fn program() -> Result<(), TaskError> {
    println!("main start! {}", strftime());
    let task1 = create_task(func1());
    let task1_with_shield = shield(&task1);
    task1_with_shield.cancel();
    match task1_with_shield.await {
        Err(TaskError::Cancelled(_)) => {
            println!("stask1 canceled!");
            let r = (&task1).await?; // task1 is still in the loop, and has a result
            println!("{r}");
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
