//! A result that is asked for too early: asyncio's `task.result()` before the task is done, which
//! raises `InvalidStateError` at once, and never waits.
//!
//! It prints, with a second between the two:
//!
//! ```text
//! InvalidState: the result is not set yet; await it, or ask `done()` first
//! 返回值: to be or not to be
//! ```
//!
//! asyncio says `Result is not set.`. Run it with
//! `cargo run -p ouroloop --example result_too_early`.

use std::time::Duration;

use ouroloop::{TaskError, create_task, sleep};

async fn return_data() -> &'static str {
    sleep(Duration::from_secs(1)).await;
    "to be or not to be"
}

/// Asks for a result before it is there, and after.
pub async fn program() -> Result<(), TaskError> {
    let task = create_task(return_data());
    match task.result() {
        Ok(result) => println!("{result}"),
        Err(error @ TaskError::InvalidState) => println!("InvalidState: {error}"),
        Err(error) => return Err(error),
    }
    (&task).await?;
    println!("返回值: {}", task.result()?);
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
