//! One iteration of `free`: a lock that nobody wants is taken and released. One of `contended`: the
//! lock goes to a task that waits for it, which suspends for it each time; two tasks take turns.
//!
//! What would make the figures lie: a turn of the loop in `free`, or a task in `contended` that finds
//! the lock free. Tokio's runtime is the one of this thread, with a `LocalSet`.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ouroloop::{Lock, create_task};
use tokio::sync::Mutex;

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let lock = Lock::new();
        let start = Instant::now();
        for _ in 0..rounds {
            drop(lock.acquire().await);
        }
        start.elapsed()
    })
    .unwrap()
}

fn ours_contended(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let lock = Rc::new(Lock::new());
        let turns = |lock: Rc<Lock>| async move {
            for _ in 0..rounds / 2 {
                let guard = lock.acquire().await;
                ouroloop::bare_yield().await;
                drop(guard);
            }
        };
        let other = create_task(turns(lock.clone()));
        let start = Instant::now();
        turns(lock).await;
        other.await.unwrap();
        start.elapsed()
    })
    .unwrap()
}

fn on_tokio(future: impl Future<Output = Duration>) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

fn tokios(rounds: u64) -> Duration {
    on_tokio(async move {
        let lock = Mutex::new(());
        let start = Instant::now();
        for _ in 0..rounds {
            drop(lock.lock().await);
        }
        start.elapsed()
    })
}

fn tokios_contended(rounds: u64) -> Duration {
    on_tokio(async move {
        let lock = Rc::new(Mutex::new(()));
        let turns = |lock: Rc<Mutex<()>>| async move {
            for _ in 0..rounds / 2 {
                let guard = lock.lock().await;
                tokio::task::yield_now().await;
                drop(guard);
            }
        };
        let other = tokio::task::spawn_local(turns(lock.clone()));
        let start = Instant::now();
        turns(lock).await;
        other.await.unwrap();
        start.elapsed()
    })
}

fn lock(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lock_free");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
    let mut group = criterion.benchmark_group("lock_contended");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours_contended));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios_contended));
    group.finish();
}

criterion_group!(benches, lock);
criterion_main!(benches);
