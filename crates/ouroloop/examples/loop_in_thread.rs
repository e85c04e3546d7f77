//! A loop in a thread of its own: start it, hand it a coroutine, stop it, join the thread, close the loop.
//!
//! It prints:
//!
//! ```text
//! 1
//! ```
//!
//! Run it with `cargo run -p ouroloop --example loop_in_thread`.

use std::thread;
use std::time::Duration;

use ouroloop::{ExecutorError, LoopThread, sleep};

async fn task(second: Duration) {
    sleep(second).await;
    println!("1");
}

/// Runs the task in the other thread. Each of the last three calls is an error in any other order.
pub fn program(second: Duration) -> Result<(), ExecutorError> {
    let event_loop = LoopThread::start()?;
    let future = event_loop.run_coroutine_threadsafe(move || task(second));
    thread::sleep(2 * second);
    future.result(None)?;
    event_loop.stop()?;
    event_loop.join(None)?;
    event_loop.close()
}

fn main() -> Result<(), ExecutorError> {
    program(Duration::from_secs(1))
}
