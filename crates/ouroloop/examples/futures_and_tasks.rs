//! A future holds a result; a task is a future that a coroutine fills; a job is one that a thread fills.
//!
//! So one `gather` takes all three, in their order. It prints:
//!
//! ```text
//! ("by hand", "by a task", "by a thread")
//! ```
//!
//! Run it with `cargo run -p ouroloop --example futures_and_tasks`.

use std::time::Duration;

use ouroloop::{TaskError, create_future, create_task, gather, run_in_executor, sleep};

/// Waits for each kind at once.
pub async fn program(second: Duration) -> Result<(), TaskError> {
    let future = create_future();
    let by_hand = future.future();
    let setter = create_task(async move {
        sleep(second).await;
        future.set_result("by hand").expect("it is pending");
    });
    let by_task = async move {
        sleep(second).await;
        "by a task"
    };
    let by_thread = run_in_executor(None, move || {
        std::thread::sleep(second);
        "by a thread"
    });
    let results = gather!(by_hand, by_task, by_thread).values().await?;
    println!("{results:?}");
    setter.await?;
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program(Duration::from_secs(1)).await
}
