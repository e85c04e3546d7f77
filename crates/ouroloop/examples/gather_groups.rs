//! Gathers as groups: asyncio's `gather` is a future, so it can be cancelled, and gathered in turn.
//!
//! The second group never begins. It prints, after two seconds:
//!
//! ```text
//! get http://one
//! get http://one
//! Ok(["http://one", "http://one"])
//! Err(Cancelled(Cancelled { by: Task, message: None }))
//! ```
//!
//! The last two lines are Rust's way to write asyncio's `['http://one', 'http://one']` and
//! `CancelledError()`. Run it with `cargo run -p ouroloop --example gather_groups`.

use std::time::Duration;

use ouroloop::{TaskError, gather, sleep};

async fn get_html(url: &str) -> &str {
    sleep(Duration::from_secs(2)).await;
    println!("get {url}");
    url
}

/// Starts two groups, cancels one, and waits for both.
pub async fn program() -> Result<(), TaskError> {
    let group1 = gather((0..2).map(|_| get_html("http://one"))).values();
    let group2 = gather((0..2).map(|_| get_html("http://two"))).values();
    group2.cancel();
    let results = gather([group1, group2]).return_exceptions().await?;
    for result in results {
        println!("{result:?}");
    }
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
