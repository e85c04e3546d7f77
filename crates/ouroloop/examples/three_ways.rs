//! Three ways to await two coroutines: asyncio's `gather`, two tasks, and one `await` after the
//! other.
//!
//! The first two run them at the same time, the third does not. It prints how long each way takes:
//!
//! ```text
//! do1:Starting
//! do3:Starting
//! do1:Ending
//! do3:Ending
//! 方式1花费:3
//! do1:Starting
//! do3:Starting
//! do1:Ending
//! do3:Ending
//! 方式2花费:3
//! do1:Starting
//! do1:Ending
//! do3:Starting
//! do3:Ending
//! 方式3花费:4
//! ```
//!
//! Run it with `cargo run -p ouroloop --example three_ways`.

use std::time::Duration;

use ouroloop::{TaskError, create_task, gather, get_running_loop, sleep};

async fn do1() -> &'static str {
    println!("do1:Starting");
    sleep(Duration::from_secs(1)).await;
    println!("do1:Ending");
    "do1"
}

async fn do3() -> &'static str {
    println!("do3:Starting");
    sleep(Duration::from_secs(3)).await;
    println!("do3:Ending");
    "do3"
}

fn time() -> f64 {
    let event_loop = get_running_loop().expect("it is asked from within a loop");
    event_loop.time().as_secs_f64()
}

/// Awaits both, in each of the ways.
pub async fn program() -> Result<(), TaskError> {
    let start = time();
    let (_return_1, _return_3) = gather!(do1(), do3()).values().await?;
    println!("方式1花费:{:.0}", time() - start);

    let start = time();
    let task1 = create_task(do1());
    let task3 = create_task(do3());
    task1.await?;
    task3.await?;
    println!("方式2花费:{:.0}", time() - start);

    let start = time();
    do1().await;
    do3().await;
    println!("方式3花费:{:.0}", time() - start);
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
