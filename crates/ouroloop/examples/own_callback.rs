//! A box that only its own done-callback would fill: in asyncio this program hangs, without a word.
//!
//! On virtual time the loop knows that nothing can go on, so the program fails and says what it waits
//! for. It prints:
//!
//! ```text
//! Error: deadlock at 0ns of virtual time: every task waits, and nothing is left to wake one
//! task "Task-1" created at examples/own_callback.rs:31:45
//!     waits for Promise (not set, 1 setter left) created at examples/own_callback.rs:21:19
//! ```
//!
//! The setter that is left is in the callback, which is called when the promise is set. Run it with
//! `cargo run -p ouroloop --example own_callback`, and see `future` for the cure.

use std::error::Error;

use ouroloop::{Runner, TaskError, VirtualClock, create_future};

/// Awaits what nobody will ever set.
async fn program() -> Result<i32, TaskError> {
    let promise = create_future();
    let future = promise.future();
    future.add_done_callback(move |_| {
        promise.set_result(42).ok();
    });
    future.await
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = VirtualClock::new();
    let result = Runner::new().clock(clock).run(program())??;
    println!("{result}");
    Ok(())
}
