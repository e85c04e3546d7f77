//! Awaiting in a `for` loop: asyncio's program that runs one coroutine after the other, since
//! nobody made tasks of them.
//!
//! It takes two seconds, one for each, and prints:
//!
//! ```text
//! 3
//! 11
//! ```
//!
//! Run it with `cargo run -p ouroloop --example await_in_turn`, and see `gather` for the cure.

use std::time::Duration;

use ouroloop::sleep;

async fn task_add(x: i32, y: i32) {
    sleep(Duration::from_secs(1)).await;
    println!("{}", x + y);
}

/// Adds up two pairs of numbers, in turn.
pub async fn program() {
    let l = [(1, 2), (5, 6)];
    for (x, y) in l {
        task_add(x, y).await;
    }
}

#[ouroloop::main]
async fn main() {
    program().await;
}
