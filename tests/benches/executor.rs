//! Threads beside a loop. One iteration of
//!
//! - `to_pool_1`: a call that does nothing, submitted and awaited, with no other in flight;
//! - `to_pool_1000`: the same, 1,000 of them submitted before the first is awaited; one iteration is one call;
//! - `coroutine_threadsafe`: a plain thread hands a coroutine that does nothing to a loop in another thread, and blocks for
//!   its result;
//! - `cross_thread_wake`: a task sends a setter to a plain thread, which sets it; the task resumes.
//!
//! What would make the figures lie: a peer whose results are awaited by a thread that parks. That is quicker to wake than a
//! loop in its selector, and it is no event loop: so all of them are awaited in a loop with I/O, those of tokio, blocking
//! and rayon in a runtime of tokio. The plain thread of the third one parks on both sides.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_lite::future::block_on;
use ouroloop::{
    LoopThread, RemotePromise, create_future, run_coroutine_threadsafe, run_in_executor,
};
use tokio::sync::oneshot;

const CROWD: u64 = 1000;

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
}

/// Sizes of rounds that add up to `count`.
fn in_rounds(count: u64, crowd: u64) -> impl Iterator<Item = u64> {
    let mut left = count;
    std::iter::from_fn(move || {
        let next = crowd.min(left);
        left -= next;
        (next > 0).then_some(next)
    })
}

fn ours(count: u64, crowd: u64) -> Duration {
    ouroloop::run(async move {
        run_in_executor(None, || ()).await.unwrap();
        let start = Instant::now();
        for size in in_rounds(count, crowd) {
            let calls: Vec<_> = (0..size).map(|_| run_in_executor(None, || ())).collect();
            for call in calls {
                call.await.unwrap();
            }
        }
        start.elapsed()
    })
    .unwrap()
}

fn tokios(count: u64, crowd: u64) -> Duration {
    tokio_runtime().block_on(async move {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        let start = Instant::now();
        for size in in_rounds(count, crowd) {
            let calls: Vec<_> = (0..size)
                .map(|_| tokio::task::spawn_blocking(|| ()))
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        }
        start.elapsed()
    })
}

fn blockings(count: u64, crowd: u64) -> Duration {
    tokio_runtime().block_on(async move {
        blocking::unblock(|| ()).await;
        let start = Instant::now();
        for size in in_rounds(count, crowd) {
            let calls: Vec<_> = (0..size).map(|_| blocking::unblock(|| ())).collect();
            for call in calls {
                call.await;
            }
        }
        start.elapsed()
    })
}

fn rayons(count: u64, crowd: u64) -> Duration {
    let call = || {
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || sender.send(()).unwrap());
        receiver
    };
    tokio_runtime().block_on(async move {
        call().await.unwrap();
        let start = Instant::now();
        for size in in_rounds(count, crowd) {
            let calls: Vec<_> = (0..size).map(|_| call()).collect();
            for call in calls {
                call.await.unwrap();
            }
        }
        start.elapsed()
    })
}

fn to_pool(criterion: &mut Criterion) {
    for (name, crowd) in [("to_pool_1", 1), ("to_pool_1000", CROWD)] {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("ouroloop", |it| it.iter_custom(|count| ours(count, crowd)));
        group.bench_function("tokio", |it| it.iter_custom(|count| tokios(count, crowd)));
        group.bench_function("blocking", |it| {
            it.iter_custom(|count| blockings(count, crowd));
        });
        group.bench_function("rayon", |it| it.iter_custom(|count| rayons(count, crowd)));
        group.finish();
    }
}

fn coroutine_threadsafe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("coroutine_threadsafe");
    group.bench_function("ouroloop", |bencher| {
        let thread = LoopThread::start().unwrap();
        bencher.iter(|| {
            let future = run_coroutine_threadsafe(thread.remote(), || async { 42 });
            future.result(None).unwrap()
        });
        thread.stop().unwrap();
        thread.join(None).unwrap();
        thread.close().unwrap();
    });
    group.bench_function("tokio", |bencher| {
        let runtime = tokio_runtime();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || runtime.block_on(stopped));
        bencher.iter(|| block_on(handle.spawn(async { 42 })).unwrap());
        drop(stop);
        let _ = thread.join().unwrap();
    });
    group.finish();
}

/// A thread that calls `set` with each of what it is sent.
fn setter<T: Send + 'static>(set: fn(T)) -> Sender<T> {
    let (sender, receiver) = channel();
    thread::spawn(move || receiver.into_iter().for_each(set));
    sender
}

fn cross_thread_wake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cross_thread_wake");
    group.bench_function("ouroloop", |bencher| {
        let setter = setter(|it: RemotePromise<u32>| it.set_result(1).unwrap());
        bencher.iter_custom(|count| {
            let setter = setter.clone();
            ouroloop::run(async move {
                let start = Instant::now();
                for _ in 0..count {
                    let promise = create_future();
                    setter.send(promise.remote()).unwrap();
                    promise.await.unwrap();
                }
                start.elapsed()
            })
            .unwrap()
        });
    });
    group.bench_function("tokio", |bencher| {
        let setter = setter(|it: oneshot::Sender<u32>| it.send(1).unwrap());
        let runtime = tokio_runtime();
        bencher.iter_custom(|count| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..count {
                    let (sender, receiver) = oneshot::channel();
                    setter.send(sender).unwrap();
                    receiver.await.unwrap();
                }
                start.elapsed()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, to_pool, coroutine_threadsafe, cross_thread_wake);
criterion_main!(benches);
