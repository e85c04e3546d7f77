//! The loop of a thread: asyncio's `get_event_loop`, `set_event_loop` and `get_running_loop`.
//!
//! A thread has a current loop when somebody set one, and a running loop while it runs one. It
//! prints:
//!
//! ```text
//! other thread: no current event loop in this thread: call set_event_loop(), or make one with new_event_loop()
//! the loop that was set: true
//! and again: true
//! the running loop: true
//! after the run: no running event loop: call this from a callback or a task of a loop
//! taken back: no current event loop in this thread: call set_event_loop(), or make one with new_event_loop()
//! ```
//!
//! Up to Python 3.13, `get_event_loop` makes a loop in the main thread if none was ever set, with a
//! warning. From 3.14 on it does not, and here it never does: all threads are alike. The words of
//! the errors are other ones in asyncio. Run it with
//! `cargo run -p ouroloop --example get_event_loop`.

use std::thread;

use ouroloop::{
    EventLoop, LoopError, LoopTasks, RunError, get_event_loop, get_running_loop, new_event_loop,
    set_event_loop,
};

fn in_thread() -> String {
    match get_event_loop() {
        Ok(event_loop) => format!("other thread: {event_loop:?}"),
        Err(error) => format!("other thread: {error}"),
    }
}

async fn coroutine() -> Result<EventLoop, LoopError> {
    get_running_loop()
}

/// Asks for the loop of the thread, before and after there is one.
pub fn program(event_loop: EventLoop) -> Result<(), RunError> {
    println!("{}", thread::spawn(in_thread).join().unwrap());

    set_event_loop(Some(&event_loop));
    let current = get_event_loop()?;
    println!("the loop that was set: {}", current.same_loop(&event_loop));
    println!("and again: {}", get_event_loop()?.same_loop(&event_loop));

    let running = event_loop.run_until_complete(coroutine())??;
    println!("the running loop: {}", running.same_loop(&event_loop));
    if let Err(error) = get_running_loop() {
        println!("after the run: {error}");
    }

    set_event_loop(None);
    if let Err(error) = get_event_loop() {
        println!("taken back: {error}");
    }
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), RunError> {
    program(new_event_loop()?)
}
