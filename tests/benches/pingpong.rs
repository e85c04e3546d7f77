//! One iteration: a round trip between two tasks. Each half of it is a promise (or a oneshot
//! channel) that the other task sets; each carries the one for the answer.
//!
//! What would make the figure lie: reusing a channel on one side. Both make two per round trip.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ouroloop::{Promise, PromiseFuture, create_future, create_task};
use tokio::sync::oneshot;

/// What goes to the other task: where to send the answer.
#[derive(Clone)]
struct Ball(Promise<Option<Ball>>);

async fn play(mut next: PromiseFuture<Option<Ball>>, trips: u64) {
    for _ in 0..trips {
        let Some(Ball(answer)) = next.await.unwrap() else {
            return;
        };
        let back = create_future();
        next = back.future();
        answer.set_result(Some(Ball(back))).unwrap();
    }
}

fn ours(rounds: u64) -> Duration {
    ouroloop::run(async move {
        let serve = create_future();
        let first = create_future();
        let pong = create_task(play(serve.future(), rounds));
        let ping = create_task(play(first.future(), rounds));
        let start = Instant::now();
        serve.set_result(Some(Ball(first))).unwrap();
        drop(serve);
        pong.await.unwrap();
        let elapsed = start.elapsed();
        ping.cancel();
        elapsed
    })
    .unwrap()
}

struct TokioBall(oneshot::Sender<TokioBall>);

async fn tokio_play(mut next: oneshot::Receiver<TokioBall>, trips: u64) {
    for _ in 0..trips {
        let Ok(TokioBall(answer)) = next.await else {
            return;
        };
        let (back, receiver) = oneshot::channel();
        next = receiver;
        let _ = answer.send(TokioBall(back));
    }
}

fn tokios(rounds: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let (serve, served) = oneshot::channel();
        let (first, expected) = oneshot::channel();
        let pong = tokio::task::spawn_local(tokio_play(served, rounds));
        let ping = tokio::task::spawn_local(tokio_play(expected, rounds));
        let start = Instant::now();
        let _ = serve.send(TokioBall(first));
        pong.await.unwrap();
        let elapsed = start.elapsed();
        ping.abort();
        elapsed
    })
}

fn pingpong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pingpong");
    group.bench_function("ouroloop", |bencher| bencher.iter_custom(ours));
    group.bench_function("tokio", |bencher| bencher.iter_custom(tokios));
    group.finish();
}

criterion_group!(benches, pingpong);
criterion_main!(benches);
