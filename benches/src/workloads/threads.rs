//! What crosses threads: wake-ups, and calls in a pool.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::program::pin;
use crate::{Meter, Peer, Sample};

/// A thread sends a value and parks; the loop wakes for it and unparks the thread. With `core` the thread runs there,
/// else it shares the loop's processor, and no idle one has to be woken.
pub fn from_another_thread<P: Peer>(count: u64, core: Option<usize>) -> Sample {
    P::run(async move {
        let (sender, mut receiver) = P::remote_channel();
        let seen = Arc::new(AtomicU64::new(0));
        let meter = Meter::start();
        let thread = thread::spawn({
            let seen = seen.clone();
            move || {
                pin_if(core);
                for value in 1..=count {
                    P::remote_send(&sender, value);
                    while seen.load(Ordering::Acquire) != value {
                        thread::park();
                    }
                }
            }
        });
        for _ in 0..count {
            let value = P::remote_receive(&mut receiver).await;
            seen.store(value, Ordering::Release);
            thread.thread().unpark();
        }
        let sample = meter.stop(count);
        thread.join().expect("the thread only sends and parks");
        sample
    })
}

fn pin_if(core: Option<usize>) {
    if let Some(core) = core {
        pin([core]);
    }
}

/// Calls that do nothing, `at_once` of them in flight, in a pool of so many threads.
pub fn calls<P: Peer>(count: u64, at_once: u64, threads: Option<usize>) -> Sample {
    P::run_with_pool(threads, async move {
        round::<P>(1000).await;
        let meter = Meter::start();
        for _ in 0..count / at_once {
            round::<P>(at_once).await;
        }
        meter.stop(count)
    })
}

async fn round<P: Peer>(at_once: u64) {
    let calls: Vec<_> = (0..at_once)
        .map(|value| P::call_in_pool(move || black_box(value)))
        .collect();
    for call in calls {
        let _ = call.await;
    }
}
