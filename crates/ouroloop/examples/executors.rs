//! Blocking and CPU-bound work at the same time, each in a pool of its own.
//!
//! The original gives the computation to a pool of processes, since Python's threads take turns; here threads run truly
//! in parallel. Its labels are mixed up, and these are its lines:
//!
//! ```text
//! start blocking io
//! start cpu bound
//! blocking io result is 333333283333335000000
//! cpu bound result is 42
//! ```
//!
//! The first two come in either order. Run it with `cargo run -p ouroloop --release --example executors`.

use std::thread;
use std::time::Duration;

use ouroloop::{ExecutorError, ThreadPoolExecutor, gather, run_in_executor};

fn blocking_io(pause: Duration) -> u32 {
    println!("start blocking io");
    thread::sleep(pause);
    42
}

fn cpu_bound() -> u128 {
    println!("start cpu bound");
    (0..10_u128.pow(7)).map(|i| i * i).sum()
}

async fn async_blocking_io() -> Result<(), ExecutorError> {
    let pool = ThreadPoolExecutor::new();
    let result = run_in_executor(&pool, cpu_bound).await?;
    println!("blocking io result is {result}");
    Ok(())
}

async fn async_cpu_bound(pause: Duration) -> Result<(), ExecutorError> {
    let pool = ThreadPoolExecutor::new();
    let result = run_in_executor(&pool, move || blocking_io(pause)).await?;
    println!("cpu bound result is {result}");
    Ok(())
}

/// Starts both at once.
pub async fn program(pause: Duration) -> Result<(), ExecutorError> {
    gather!(async_cpu_bound(pause), async_blocking_io()).await?;
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), ExecutorError> {
    program(Duration::from_secs(2)).await
}
