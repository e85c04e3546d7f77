//! One iteration: a timeout of a minute around a yield; its timer is set and cancelled.
//!
//! What would make the figure lie: a future that is ready at once, before which a runtime need not
//! set the timer at all; so it yields once.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

const LIMIT: Duration = Duration::from_secs(60);

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let start = Instant::now();
        for _ in 0..rounds {
            ouroloop::timeout(LIMIT, ouroloop::sleep(Duration::ZERO))
                .await
                .unwrap();
        }
        start.elapsed()
    })
    .unwrap()
}

fn tokios(rounds: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let start = Instant::now();
        for _ in 0..rounds {
            tokio::time::timeout(LIMIT, tokio::task::yield_now())
                .await
                .unwrap();
        }
        start.elapsed()
    })
}

fn timeout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timeout");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
}

criterion_group!(benches, timeout);
criterion_main!(benches);
