//! What an operation costs when there are many tasks, or many timers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::tasks::wake_once;
use super::timers::Random;
use crate::{Meter, Peer, Sample};

/// So many tasks take turns.
pub fn tasks<P: Peer>(count: u64, size: u64) -> Sample {
    P::run(async move {
        let rounds = (count / size).max(10);
        let mut tasks = Vec::with_capacity(size as usize);
        for _ in 0..size {
            tasks.push(P::spawn(async move {
                for _ in 0..rounds {
                    wake_once().await;
                }
            }));
        }
        let meter = Meter::start();
        for task in tasks {
            let _ = task.await;
        }
        meter.stop(rounds * size)
    })
}

/// One task sets and cancels a timeout over and over, while so many other tasks sleep until random times.
pub fn timers<P: Peer>(count: u64, size: u64) -> Sample {
    P::run(async move {
        let asleep = Rc::new(Cell::new(0));
        let mut random = Random(1);
        let start = Instant::now();
        for _ in 0..size {
            let at = start + Duration::from_millis(3_600_000 + random.below(3_600_000));
            let asleep = asleep.clone();
            P::spawn_detached(async move {
                asleep.set(asleep.get() + 1);
                P::sleep_until(at).await;
            });
        }
        let sample = Rc::new(Cell::new(None));
        let report = sample.clone();
        let _ = P::spawn(async move {
            while asleep.get() < size {
                P::yield_now().await;
            }
            let meter = Meter::start();
            for _ in 0..count {
                let _ = P::timeout(Duration::from_secs(60), wake_once()).await;
            }
            report.set(Some(meter.stop(count)));
        })
        .await;
        let sample = sample.take();
        sample.expect("the task has ended")
    })
}
