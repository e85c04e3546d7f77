//! A wheel without a clock: the program says what time it is.
//!
//! Three requests share a wheel for their timeouts. Answers come at times that are written down
//! below, so the output is the same at each run, and the half minute takes no time at all.

use std::time::Duration;

use ouroloop_timer::{TimerWheel, deadline_after};

const TIMEOUT: Duration = Duration::from_secs(10);

enum Event {
    Answer(usize),
    Timeout(usize),
}

fn main() {
    let requests = ["fast", "slow", "lost"];
    let answers = [Some(2), Some(14), None].map(|at| at.map(Duration::from_secs));

    let mut wheel = TimerWheel::new();
    let mut now = 0;
    let mut timeouts = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        timeouts.push(wheel.insert(deadline_after(now, TIMEOUT), Event::Timeout(n)));
        // An answer that never comes is in 584 years.
        wheel.insert(
            deadline_after(now, answer.unwrap_or(Duration::MAX)),
            Event::Answer(n),
        );
    }

    while let Some(deadline) = wheel.next_deadline() {
        if deadline == u64::MAX {
            println!("nothing is left to wait for");
            break;
        }
        now = deadline;
        // No borrow of the wheel is held in here, so an event may cancel and set timers.
        while let Some(event) = wheel.pop_due(now) {
            let seconds = Duration::from_nanos(now).as_secs();
            match event {
                Event::Answer(n) => match wheel.cancel(timeouts[n]) {
                    Some(_) => println!("{seconds:>3} s  {}: answered in time", requests[n]),
                    None => println!("{seconds:>3} s  {}: answered too late", requests[n]),
                },
                Event::Timeout(n) => println!("{seconds:>3} s  {}: timed out", requests[n]),
            }
        }
    }
}
