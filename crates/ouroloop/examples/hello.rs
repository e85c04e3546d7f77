//! The smallest program: asyncio's `asyncio.run(main())`, which makes the loop by itself.
//!
//! It prints, with a second between the two:
//!
//! ```text
//! hello
//! world
//! ```
//!
//! Run it with `cargo run -p ouroloop --example hello`. `#[ouroloop::main]` on an `async fn main`
//! is short for the `ouroloop::run` below.

use std::time::Duration;

use ouroloop::{RunError, run, sleep};

/// Says hello, and sleeps in between.
pub async fn program() {
    println!("hello");
    sleep(Duration::from_secs(1)).await;
    println!("world");
}

fn main() -> Result<(), RunError> {
    run(program())
}
