//! Coroutines in a chain: asyncio's `print_sum`, which awaits `compute`.
//!
//! A coroutine that is awaited runs within its caller's task, at once: no turn of the loop comes
//! between the call and its first line. It prints, with a second before the last line:
//!
//! ```text
//! Compute 1 + 2 ... Task-1
//! another turn of the loop
//! 1 + 2 = 3 Task-1
//! ```
//!
//! Run it with `cargo run -p ouroloop --example chain_coroutines`.

use std::rc::Rc;
use std::time::Duration;

use ouroloop::{
    EventLoop, LoopError, LoopTasks, RunError, current_task, get_running_loop, new_event_loop,
    sleep,
};

fn task_name() -> Rc<str> {
    current_task().expect("a task is running").name()
}

async fn compute(x: i32, y: i32) -> i32 {
    println!("Compute {x} + {y} ... {}", task_name());
    sleep(Duration::from_secs(1)).await;
    x + y
}

async fn print_sum(x: i32, y: i32) -> Result<(), LoopError> {
    get_running_loop()?.call_soon(|| println!("another turn of the loop"))?;
    let result = compute(x, y).await;
    println!("{x} + {y} = {result} {}", task_name());
    Ok(())
}

/// Runs the chain.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    event_loop.run_until_complete(print_sum(1, 2))??;
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)
}
