//! When `wait` returns: asyncio's `return_when`, with the three values that it has.
//!
//! Of three tasks the second one fails. It prints, for each value, how many tasks are done by then
//! and how many are pending:
//!
//! ```text
//! FIRST_COMPLETED 1 2
//! FIRST_EXCEPTION 2 1
//! ALL_COMPLETED 3 0
//! ```
//!
//! Run it with `cargo run -p ouroloop --example return_when`. An `Err` is a value like any other
//! unless it is said to be an error, which is what `expect_errors` is for.

use std::error::Error;
use std::time::Duration;

use ouroloop::{ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, create_task, sleep, wait};

async fn work(seconds: u64) -> Result<u64, &'static str> {
    sleep(Duration::from_secs(seconds)).await;
    if seconds == 2 {
        return Err("work failed!");
    }
    Ok(seconds)
}

/// Waits for three tasks, until enough of them are done.
pub async fn program() -> Result<(), Box<dyn Error>> {
    for return_when in [FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED] {
        let tasks = [1, 2, 3].map(|seconds| create_task(work(seconds)));
        let waiting = wait(tasks).expect_errors().return_when(return_when);
        let (done, pending) = waiting.await?;
        println!("{return_when} {} {}", done.len(), pending.len());
        for task in done {
            task.exception()?; // an error that nobody looks at is reported
        }
        for task in pending {
            task.cancel();
        }
    }
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), Box<dyn Error>> {
    program().await
}
