//! One iteration: 100 tasks yield 100 times each, as `sleep(0)` and `yield_now` do.
//!
//! What would make the figure lie: a yield that lets the same task run again at once. Ours is
//! strictly first in, first out; tokio's lets all others run too, in another order.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TASKS: u64 = 100;
const YIELDS: u64 = 100;

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    ouroloop::create_task(async {
                        for _ in 0..YIELDS {
                            ouroloop::sleep(Duration::ZERO).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        start.elapsed()
    })
    .unwrap()
}

fn tokios(rounds: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let start = Instant::now();
        for _ in 0..rounds {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    tokio::task::spawn_local(async {
                        for _ in 0..YIELDS {
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        start.elapsed()
    })
}

fn sleep_zero(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sleep_zero");
    group.throughput(Throughput::Elements(TASKS * YIELDS));
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
}

criterion_group!(benches, sleep_zero);
criterion_main!(benches);
