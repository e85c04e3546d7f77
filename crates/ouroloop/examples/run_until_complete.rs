//! How asyncio's `run_until_complete` works: a done-callback that stops the loop, and
//! `run_forever`.
//!
//! It prints the answer twice, once by hand and once by the method itself, two seconds each:
//!
//! ```text
//! 42
//! 42
//! ```
//!
//! Run it with `cargo run -p ouroloop --example run_until_complete`.

use std::future::Future;
use std::time::Duration;

use ouroloop::{EventLoop, LoopTasks, RunError, new_event_loop, sleep};

async fn answer() -> i32 {
    sleep(Duration::from_secs(2)).await;
    42
}

fn run_until_complete<T: Copy + 'static>(
    event_loop: &EventLoop,
    coro: impl Future<Output = T> + 'static,
) -> Result<T, RunError> {
    let task = event_loop.create_task(coro)?;
    let stopper = event_loop.clone();
    task.add_done_callback(move |_| stopper.stop());
    event_loop.run_forever()?;
    Ok(*task.result()?)
}

/// Runs until the answer is there, in both ways.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    println!("{}", run_until_complete(&event_loop, answer())?);
    println!("{}", event_loop.run_until_complete(answer())?);
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)
}
