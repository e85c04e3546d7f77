//! A thread completes what a coroutine waits for: the pitfall of asyncio's users, and its two cures.
//!
//! In asyncio a thread that calls `future.set_result` leaves the loop asleep, and the program hangs. Here that does not
//! compile. The first cure is `promise.remote()`, the setter that may cross threads and always wakes the loop; the second
//! is asyncio's own, `call_soon_threadsafe`. Each prints these two lines, in either order:
//!
//! ```text
//! thread task done
//! 1
//! ```
//!
//! Run it with `cargo run -p ouroloop --example thread_sets_future`.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use ouroloop::{Promise, RemoteHandle, RemotePromise, create_future, get_running_loop};

type Failure = Box<dyn std::error::Error>;

fn thread_task(future: RemotePromise<u32>, second: Duration) {
    thread::sleep(second);
    future.set_result(1).expect("the loop waits");
    println!("thread task done");
}

/// Hands the setter to a thread.
pub async fn program(second: Duration) -> Result<(), Failure> {
    let future = create_future();
    let setter = future.remote();
    let thread = thread::spawn(move || thread_task(setter, second));
    println!("{}", future.await?);
    thread.join().unwrap();
    Ok(())
}

thread_local! {
    /// What the callback sets: a promise stays in the thread of its loop.
    static WAITING: RefCell<Option<Promise<u32>>> = const { RefCell::new(None) };
}

fn set_result(value: u32) {
    let future = WAITING.take().expect("it is set once");
    future.set_result(value).expect("it is pending");
}

fn thread_task_threadsafe(event_loop: &RemoteHandle, second: Duration) {
    thread::sleep(second);
    let scheduled = event_loop.call_soon_threadsafe(|| set_result(1));
    scheduled.expect("the loop waits");
    println!("thread task done");
}

/// Has the thread schedule a callback.
pub async fn program_threadsafe(second: Duration) -> Result<(), Failure> {
    let future = create_future();
    let waiting = future.future();
    WAITING.set(Some(future));
    let event_loop = get_running_loop()?.remote();
    let thread = thread::spawn(move || thread_task_threadsafe(&event_loop, second));
    println!("{}", waiting.await?);
    thread.join().unwrap();
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), Failure> {
    program(Duration::from_secs(1)).await?;
    program_threadsafe(Duration::from_secs(1)).await
}
