//! Timers that fire, and timers that do not.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::tasks::{crowd, wake_once};
use crate::{Meter, Peer, Sample};

/// How often each task sleeps.
const SLEEPS: usize = 10;

/// The deadlines lie in this span, in microseconds.
const SPAN_US: u64 = 1_000_000;

/// What is left before the first deadline, so that all tasks are in their place by then.
const LEAD: Duration = Duration::from_millis(250);

/// Tasks that sleep ten times each, until random times within a second. The figure is processor time, as the wall
/// clock says only how long the second was.
pub fn fire<P: Peer>(count: u64) -> Sample {
    P::run(async move {
        let plans = plans(count / SLEEPS as u64);
        let lateness = Rc::new(Lateness::default());
        let mut tasks = Vec::with_capacity(plans.len());
        let meter = Meter::start();
        let base = Instant::now() + LEAD;
        for plan in plans {
            let lateness = lateness.clone();
            tasks.push(P::spawn(async move {
                for us in plan {
                    let at = base + Duration::from_micros(us);
                    P::sleep_until(at).await;
                    lateness.note(us, at);
                }
            }));
        }
        for task in tasks {
            let _ = task.await;
        }
        let sample = meter.stop(count);
        sample.with("late_us", lateness.mean_us())
    })
}

/// A timeout around a future that suspends once, over and over: the timer is set and never fires.
pub fn cancel<P: Peer>(count: u64) -> Sample {
    crowd::<P>(count, async |per| {
        for _ in 0..per {
            let _ = P::timeout(Duration::from_secs(60), wake_once()).await;
        }
    })
}

/// The times for each task, sorted: the same in every run.
fn plans(tasks: u64) -> Vec<[u64; SLEEPS]> {
    let mut random = Random(1);
    let plan = |_| {
        let mut plan = [(); SLEEPS].map(|()| random.below(SPAN_US));
        plan.sort_unstable();
        plan
    };
    (0..tasks).map(plan).collect()
}

/// How late the sleepers wake, on average; one in sixteen looks at the clock.
#[derive(Default)]
struct Lateness {
    sum_ns: Cell<u64>,
    count: Cell<u64>,
}

impl Lateness {
    fn note(&self, lot: u64, deadline: Instant) {
        if lot.is_multiple_of(16) {
            let late = Instant::now().saturating_duration_since(deadline);
            self.sum_ns.set(self.sum_ns.get() + late.as_nanos() as u64);
            self.count.set(self.count.get() + 1);
        }
    }

    fn mean_us(&self) -> f64 {
        self.sum_ns.get() as f64 / self.count.get().max(1) as f64 / 1e3
    }
}

/// A sequence that looks random (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}
