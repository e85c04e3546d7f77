//! What a sleeping task occupies, and what a loop costs that does nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::meter::resident_bytes;
use crate::program::say;
use crate::{Meter, Peer, Sample};

/// Tasks that sleep for an hour, and how much memory was added for each of them.
///
/// Writes the sample itself and then waits to be killed: ending the tasks is not what is measured.
pub fn memory<P: Peer>(count: u64) -> Sample {
    P::run(async move {
        let before = resident_bytes();
        let meter = Meter::start();
        for _ in 0..count {
            P::spawn_detached(async {
                ASLEEP.fetch_add(1, Ordering::Relaxed);
                P::sleep_until(Instant::now() + Duration::from_secs(3600)).await;
            });
        }
        let _ = P::spawn(async move {
            while ASLEEP.load(Ordering::Relaxed) < count {
                P::yield_now().await;
            }
        })
        .await;
        let added = resident_bytes() - before;
        let sample = meter.stop(count);
        say(&sample
            .with("bytes", added as f64 / count as f64)
            .to_string());
        loop {
            thread::park();
        }
    })
}

/// Not in the tasks, whose size is what is measured.
static ASLEEP: AtomicU64 = AtomicU64::new(0);

/// Makes a loop, runs nothing in it, and ends it.
pub fn start_and_stop<P: Peer>(count: u64) -> Sample {
    P::run(async {});
    let meter = Meter::start();
    for _ in 0..count {
        P::run(async {});
    }
    meter.stop(count)
}
