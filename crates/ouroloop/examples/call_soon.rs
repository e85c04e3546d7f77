//! Plain callbacks: asyncio's `call_soon`, `call_later`, `call_at` and `call_soon_threadsafe`.
//!
//! What is called soon runs in the next iteration; what is called later or at a time runs then, on
//! the clock of `loop.time()`. Each says how many seconds have gone by. It prints:
//!
//! ```text
//! nothing has run yet
//! call_soon 0
//! call_soon_threadsafe 0
//! call_later float 0
//! call_later 1
//! call_at 2
//! stopped
//! ```
//!
//! Run it with `cargo run -p ouroloop --example call_soon`.

use std::thread;
use std::time::Duration;

use ouroloop::{EventLoop, LoopError, get_running_loop, new_event_loop};

fn callback(name: &str, start: Duration) {
    let event_loop = get_running_loop().expect("a callback runs in a loop");
    println!("{name} {:.0}", (event_loop.time() - start).as_secs_f64());
}

/// Schedules a callback in each way, and runs until the last one stops the loop.
pub fn program(event_loop: EventLoop) -> Result<(), LoopError> {
    let start = event_loop.time();
    let seconds = Duration::from_secs_f64;
    event_loop.call_at(start + seconds(2.0), move || callback("call_at", start))?;
    event_loop.call_later(seconds(1.0), move || callback("call_later", start))?;
    event_loop.call_later(seconds(0.4), move || callback("call_later float", start))?;
    let stopper = event_loop.clone();
    event_loop.call_later(seconds(3.0), move || stopper.stop())?;
    event_loop.call_soon(move || callback("call_soon", start))?;

    let remote = event_loop.remote();
    let thread = thread::spawn(move || {
        remote.call_soon_threadsafe(move || callback("call_soon_threadsafe", start))
    });
    thread.join().unwrap()?;

    println!("nothing has run yet");
    event_loop.run_forever()?;
    println!("stopped");
    event_loop.close()
}

fn main() -> Result<(), LoopError> {
    program(new_event_loop()?)
}
