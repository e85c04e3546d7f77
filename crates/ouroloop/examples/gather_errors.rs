//! A gather of which one fails: asyncio's `gather` gives the error at once, and the others go on.
//!
//! It prints:
//!
//! ```text
//! main start! 00:00:00
//! func1 start! 00:00:00
//! func2 start! 00:00:00
//! func1 failed!
//! func2 end! 00:00:02
//! main end! 00:00:03
//! ```
//!
//! Run it with `cargo run -p ouroloop --example gather_errors`. To have every result instead, see
//! `gather_return_exceptions`.

mod clock;

use std::error::Error;
use std::time::Duration;

use ouroloop::{gather, sleep};

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
pub async fn program() {
    println!("main start! {}", strftime());
    match gather!(func1(), func2()).await {
        Ok(results) => println!("results is {results:?}"),
        Err(e) => {
            println!("{e}");
            sleep(Duration::from_secs(3)).await; // long enough to see that func2 goes on
        }
    }
    println!("main end! {}", strftime());
}

#[ouroloop::main]
async fn main() {
    program().await;
}
