//! A result through a callback: asyncio's `add_done_callback` on a task of a loop that is run by
//! hand.
//!
//! It prints, after a second:
//!
//! ```text
//! 返回值: to be or not to be
//! ```
//!
//! Run it with `cargo run -p ouroloop --example done_callback`. The callback is given the task, and
//! asks it for its result.

use std::time::Duration;

use ouroloop::{EventLoop, LoopTasks, RunError, Task, new_event_loop, sleep};

fn callback(task: &Task<&str>) {
    println!("返回值: {}", task.result().unwrap());
}

async fn return_data() -> &'static str {
    sleep(Duration::from_secs(1)).await;
    "to be or not to be"
}

/// Runs a task until it is done, and has its result printed.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    let task = event_loop.create_task(return_data())?;
    task.add_done_callback(callback);
    event_loop.run_until_complete(task)?;
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)
}
