//! A gather that gives every result, failed or not: asyncio's `return_exceptions=True`.
//!
//! It prints:
//!
//! ```text
//! main start! 00:00:00
//! func1 start! 00:00:00
//! func2 start! 00:00:00
//! func2 end! 00:00:02
//! results is [Err("func1 failed!"), Ok("func2")]
//! main end! 00:00:02
//! ```
//!
//! The results are Rust's way to write asyncio's `[RuntimeError('func1 failed!'), 'func2']`. Run it
//! with `cargo run -p ouroloop --example gather_return_exceptions`.

mod clock;

use std::error::Error;
use std::time::Duration;

use ouroloop::{TaskError, gather, sleep};

use clock::strftime;

async fn func1() -> Result<&'static str, Box<dyn Error>> {
    println!("func1 start! {}", strftime());
    Err("func1 failed!".into())
}

async fn func2() -> Result<&'static str, Box<dyn Error>> {
    println!("func2 start! {}", strftime());
    sleep(Duration::from_secs(2)).await;
    println!("func2 end! {}", strftime());
    Ok("func2")
}

/// Gathers two results, one of which is an error.
pub async fn program() -> Result<(), TaskError> {
    println!("main start! {}", strftime());
    let (result1, result2) = gather!(func1(), func2()).return_exceptions().await?;
    println!("results is {:?}", [result1, result2]);
    println!("main end! {}", strftime());
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
