//! One iteration: 1,000 tasks that do nothing are made, and then all are awaited.
//!
//! Both sides run on one thread, inside a runtime that exists already. What would make the figure
//! lie: a pool of tasks that is warm on one side only; so each side repeats the same batch.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TASKS: u64 = 1_000;

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| ouroloop::create_task(async move { n }))
                .collect();
            for task in tasks {
                std::hint::black_box(task.await.unwrap());
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
                .map(|n| tokio::task::spawn_local(async move { n }))
                .collect();
            for task in tasks {
                std::hint::black_box(task.await.unwrap());
            }
        }
        start.elapsed()
    })
}

fn spawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    group.throughput(Throughput::Elements(TASKS));
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
}

criterion_group!(benches, spawn);
criterion_main!(benches);
