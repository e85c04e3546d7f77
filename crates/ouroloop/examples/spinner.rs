//! A spinner while something slow is going on: asyncio's two ways to print its result, which look
//! different.
//!
//! For two seconds, a line turns before `thinking!`. Then the first way leaves on the screen
//!
//! ```text
//! 42
//! ```
//!
//! and the second one
//!
//! ```text
//! 42thinking!
//! ```
//!
//! The spinner is cancelled in both, and wipes its line when it has its next turn. In the first way
//! the result is printed outside of the loop, and that turn comes before: it was queued when
//! `supervisor` returned, and `run_until_complete` ends the iteration. In the second way the result
//! is printed in the same step that cancels the spinner.
//!
//! Run it with `cargo run -p ouroloop --example spinner`.

use std::io::{Write, stdout};
use std::time::Duration;

use ouroloop::{
    EventLoop, LoopTasks, RunError, catch_cancelled, create_task, new_event_loop, run, sleep,
};

async fn spin(msg: &str) {
    let mut status = String::new();
    for char in "|/-\\".chars().cycle() {
        status = format!("{char} {msg}");
        print!("{status}");
        stdout().flush().unwrap();
        print!("{}", "\x08".repeat(status.len()));
        let slept = catch_cancelled(sleep(Duration::from_millis(100))).await;
        if slept.is_err() {
            break; // spinner.cancel() ends the sleep
        }
    }
    let len = status.len();
    print!("{}{}", " ".repeat(len), "\x08".repeat(len));
}

async fn slow_function() -> i32 {
    sleep(Duration::from_secs(2)).await;
    42
}

async fn supervisor() -> i32 {
    let spinner = create_task(spin("thinking!"));
    let result = slow_function().await;
    spinner.cancel();
    result
}

/// Prints the result when the loop is closed.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    let result = event_loop.run_until_complete(supervisor())?;
    event_loop.close()?;
    println!("{result}");
    Ok(())
}

/// Prints the result within the loop.
pub async fn program_within_run() {
    let result = supervisor().await;
    println!("{result}");
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)?;
    run(program_within_run())
}
