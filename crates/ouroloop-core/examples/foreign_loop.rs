//! The event loop as a guest: a loop that is not ours drives it by its public steps.
//!
//! The host here has frames to draw, sixty a second, as a game or a window would. Between two
//! frames it lets the guest wait for its I/O and run what is ready, for no longer than there is
//! time. A host with a selector of its own would watch `selector_fd()` there instead.

use std::time::{Duration, Instant};

use ouroloop_core::{EventLoop, LoopError, new_event_loop};

const FRAME: Duration = Duration::from_nanos(16_666_667);

fn main() -> Result<(), LoopError> {
    let guest = new_event_loop()?;
    start_work(&guest)?;

    // While this lives, the guest is the running loop of the thread, so that its callbacks find it.
    let entered = guest.enter()?;
    let mut frame = 0;
    while !guest.is_stopping() {
        frame += 1;
        println!("frame {frame}");
        let frame_end = Instant::now() + FRAME;
        loop {
            let left = frame_end.saturating_duration_since(Instant::now());
            if left.is_zero() || guest.is_stopping() {
                break;
            }
            turn(&guest, left)?;
        }
    }
    drop(entered);
    println!("done after {frame} frames");
    guest.close()
}

/// One iteration of the guest that takes no more than `limit` for waiting.
fn turn(guest: &EventLoop, limit: Duration) -> Result<(), LoopError> {
    let timeout = guest
        .poll_timeout()
        .map_or(limit, |timeout| timeout.min(limit));
    guest.poll(Some(timeout))?;
    guest.process_events()?;
    guest.run_batch()?;
    Ok(())
}

/// What the guest has to do: a few timers, and something from another thread.
fn start_work(guest: &EventLoop) -> Result<(), LoopError> {
    for millis in [5, 20, 40] {
        guest.call_later(Duration::from_millis(millis), move || {
            println!("  after {millis} ms")
        })?;
    }
    let stopper = guest.downgrade();
    guest.call_later(Duration::from_millis(60), move || stopper.stop())?;
    let remote = guest.remote();
    std::thread::spawn(move || remote.call_soon_threadsafe(|| println!("  from a thread")));
    Ok(())
}
