//! A shield around a task that nobody else holds: asyncio's `shield(func1())`, and the mistake to
//! call the coroutine once more for its result.
//!
//! That is a second run, beside the one behind the shield. It prints:
//!
//! ```text
//! main start! 00:00:00
//! stask1 canceled!
//! func1 start! 00:00:00
//! func1 start! 00:00:00
//! func1 end! 00:00:01
//! func1
//! main end! 00:00:01
//! func1 end! 00:00:01
//! ```
//!
//! The last line comes from behind the shield, after the end of `program`: both sleeps end in the
//! same iteration of the loop, which is completed. `shield` takes no coroutine here, but a task
//! may be given away to it. Run it with `cargo run -p ouroloop --example shield_coroutine`, and
//! see `shield_result` for the cure.

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

/// Shields a task that it gives away, cancels the shield, and runs the coroutine again.
pub async fn program() -> Result<(), TaskError> {
    println!("main start! {}", strftime());
    let task1_with_shield = shield(create_task(func1()));
    task1_with_shield.cancel();
    match task1_with_shield.await {
        Err(TaskError::Cancelled(_)) => {
            println!("stask1 canceled!");
            let r = func1().await; // a new coroutine, and not the one behind the shield
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
