//! A box that somebody fills later: asyncio's `Future`, here a [`Promise`].
//!
//! The callback is called before `program` goes on, since it was there first. It prints, after two
//! seconds:
//!
//! ```text
//! future is finished! result is 42
//! main end!
//! ```
//!
//! Somebody else has to fill the box: a callback of the promise itself would wait for ever. When
//! nobody is left who could, those who wait get an error instead. Run it with
//! `cargo run -p ouroloop --example future`.

use std::error::Error;
use std::time::Duration;

use ouroloop::{LoopTasks, Promise, PromiseFuture, get_running_loop, sleep};

async fn set_future_result(future: Promise<i32>, delay: Duration, result: i32) {
    sleep(delay).await;
    future.set_result(result).unwrap();
}

fn callback(future: &PromiseFuture<i32>) {
    let result = future.result().unwrap();
    println!("future is finished! result is {result}");
}

/// Awaits a promise that a task sets.
pub async fn program() -> Result<(), Box<dyn Error>> {
    let event_loop = get_running_loop()?;
    let promise = event_loop.create_future()?;
    let future = promise.future();
    future.add_done_callback(callback);
    event_loop.create_task(set_future_result(promise, Duration::from_secs(2), 42))?;
    future.await?;
    println!("main end!");
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), Box<dyn Error>> {
    program().await
}
