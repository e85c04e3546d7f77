//! The future of a pool, made one that a coroutine can await: asyncio's `wrap_future`.
//!
//! It prints:
//!
//! ```text
//! waiting app
//! waiting result: 76
//! waiting result: 87
//! ["result: 76", "result: 87"]
//! ```
//!
//! Run it with `cargo run -p ouroloop --example wrap_future`.

use std::thread;
use std::time::Duration;

use ouroloop::{ExecutorError, TaskError, ThreadPoolExecutor, gather, wrap_future};

fn return_after_5_secs(message: String, pause: Duration) -> String {
    thread::sleep(pause);
    message
}

async fn doit(
    pool: ThreadPoolExecutor,
    identify: u32,
    pause: Duration,
) -> Result<String, TaskError> {
    let message = format!("result: {identify}");
    let future = pool.submit(move || return_after_5_secs(message, pause));
    let awaitable = wrap_future(&future);
    println!("waiting result: {identify}");
    awaitable.await
}

async fn app(pause: Duration) -> Result<(), ExecutorError> {
    let pool = ThreadPoolExecutor::builder().max_workers(3).build()?;
    let tasks = [76, 87].map(|identify| doit(pool.clone(), identify, pause));
    println!("{:?}", gather(tasks).await?);
    Ok(())
}

/// Runs the application.
pub fn program(pause: Duration) -> Result<(), Box<dyn std::error::Error>> {
    println!("waiting app");
    Ok(ouroloop::run(app(pause))??)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    program(Duration::from_secs(5))
}
