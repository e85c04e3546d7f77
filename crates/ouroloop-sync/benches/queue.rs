//! One iteration of `pingpong`: an item to another task through one queue, and one back through
//! another; both tasks suspend for it. One of `through`: an item put and got where neither has to
//! wait, by one task.
//!
//! What would make the figures lie: a `maxsize` that lets a task run ahead in `pingpong`, or a spawn
//! inside of the measured time. Tokio's runtime is the one of this thread, with a `LocalSet`.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ouroloop::{Queue, create_task};
use tokio::sync::mpsc;

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let (there, back) = (Rc::new(Queue::new(1)), Rc::new(Queue::new(1)));
        let pong = create_task({
            let (there, back) = (there.clone(), back.clone());
            async move {
                for _ in 0..rounds {
                    let item: u64 = there.get().await.unwrap();
                    back.put(item).await.unwrap();
                }
            }
        });
        ouroloop::bare_yield().await;
        let start = Instant::now();
        for round in 0..rounds {
            there.put(round).await.unwrap();
            back.get().await.unwrap();
        }
        let elapsed = start.elapsed();
        pong.await.unwrap();
        elapsed
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
        let (there, mut served) = mpsc::channel::<u64>(1);
        let (answer, mut back) = mpsc::channel::<u64>(1);
        let pong = tokio::task::spawn_local(async move {
            for _ in 0..rounds {
                let item = served.recv().await.unwrap();
                answer.send(item).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        let start = Instant::now();
        for round in 0..rounds {
            there.send(round).await.unwrap();
            back.recv().await.unwrap();
        }
        let elapsed = start.elapsed();
        pong.await.unwrap();
        elapsed
    })
}

fn ours_through(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let queue = Queue::new(8);
        let start = Instant::now();
        for round in 0..rounds {
            queue.put(round).await.unwrap();
            queue.get().await.unwrap();
        }
        start.elapsed()
    })
    .unwrap()
}

fn tokios_through(rounds: u64) -> Duration {
    on_tokio(async move {
        let (sender, mut receiver) = mpsc::channel::<u64>(8);
        let start = Instant::now();
        for round in 0..rounds {
            sender.send(round).await.unwrap();
            receiver.recv().await.unwrap();
        }
        start.elapsed()
    })
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue_pingpong");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
    let mut group = criterion.benchmark_group("queue_through");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours_through));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios_through));
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
