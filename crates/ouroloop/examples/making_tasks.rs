//! Three ways to make a task: asyncio's `loop.create_task`, `ensure_future` and
//! `asyncio.create_task`.
//!
//! The first two need a loop, which need not be running yet. The last takes the running one, so
//! there has to be one. The two tasks that are made before the run share its second; with the
//! third one it takes two. It prints:
//!
//! ```text
//! 42
//! 42
//! no running event loop: call this from a callback or a task of a loop
//! 42
//! ```
//!
//! asyncio says just `no running event loop`. Run it with
//! `cargo run -p ouroloop --example making_tasks`.

use std::time::Duration;

use ouroloop::{
    EventLoop, IntoTask, LoopTasks, RunError, TaskError, create_task, get_running_loop,
    new_event_loop, sleep,
};

async fn answer() -> i32 {
    sleep(Duration::from_secs(1)).await;
    42
}

async fn inside() -> Result<i32, TaskError> {
    create_task(answer()).await
}

/// Makes a task in each way, and runs until it is done.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    let task1 = event_loop.create_task(answer())?;
    let task2 = answer().into_task_on(&event_loop)?; // ensure_future(answer(), loop=loop)
    println!("{}", event_loop.run_until_complete(task1)?);
    println!("{}", event_loop.run_until_complete(task2)?);
    if let Err(error) = get_running_loop() {
        println!("{error}"); // create_task(answer()) would panic here, and say this
    }
    println!("{}", event_loop.run_until_complete(inside())??);
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)
}
