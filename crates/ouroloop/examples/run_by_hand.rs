//! What `run` does, by hand: asyncio's `new_event_loop`, `run_until_complete` and `close`.
//!
//! That is nearly `asyncio.run`, which also cancels the tasks that are left, and waits for them.
//! The background task of the first run is dropped with its loop, and reported ("Task was
//! destroyed but it is pending!"); that of the second one is cancelled. It prints, with a second
//! for each run:
//!
//! ```text
//! 42
//! ----
//! background canceled!
//! 42
//! ```
//!
//! Run it with `cargo run -p ouroloop --example run_by_hand`.

use std::future::Future;
use std::time::Duration;

use ouroloop::{
    EventLoop, LoopTasks, RunError, Runner, catch_cancelled, create_task, new_event_loop,
    raise_cancelled, set_event_loop, sleep,
};

async fn background() {
    let slept = catch_cancelled(sleep(Duration::from_secs(3600))).await;
    if slept.is_err() {
        println!("background canceled!");
        raise_cancelled().await;
    }
}

async fn answer() -> i32 {
    create_task(background());
    sleep(Duration::from_secs(1)).await;
    42
}

fn run<T: 'static>(
    event_loop: EventLoop,
    main: impl Future<Output = T> + 'static,
) -> Result<T, RunError> {
    set_event_loop(Some(&event_loop));
    let result = event_loop.run_until_complete(main);
    event_loop.close()?;
    set_event_loop(None);
    result
}

/// Runs the same function by hand, and in a runner.
pub fn program(event_loop: EventLoop, mut runner: Runner) -> Result<(), RunError> {
    println!("{}", run(event_loop, answer())?);
    println!("----");
    let result = runner.run(answer())?;
    runner.close()?;
    println!("{result}");
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?, Runner::new())
}
