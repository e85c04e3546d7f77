//! Each job exactly once (H25), with sequence numbers.
//!
//! The tests are small. `cargo xtask stress` sets `OUROLOOP_STRESS`, and they are the long campaign.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;

use ouroloop_executor::run_in_executor;

use crate::support::{SOON, pool};

/// The size of a test: `small`, or `large` in the long campaign.
pub fn scaled(small: usize, large: usize) -> usize {
    match std::env::var_os("OUROLOOP_STRESS") {
        Some(_) => large,
        None => small,
    }
}

#[test]
fn h25_each_of_many_jobs_of_eight_producers_runs_exactly_once() {
    const PRODUCERS: usize = 8;
    let total = scaled(80_000, 10_000_000);
    let each = total / PRODUCERS;
    let pool = pool(4);
    let runs: Arc<[AtomicU8]> = (0..total).map(|_| AtomicU8::new(0)).collect();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (pool, runs) = (&pool, &runs);
            scope.spawn(move || {
                for number in 0..each {
                    let (runs, number) = (runs.clone(), producer * each + number);
                    let job = pool.submit(move || runs[number].fetch_add(1, Ordering::Relaxed));
                    // Now and then the producer waits, and lets the workers fall asleep.
                    if number % 1000 == 0 {
                        assert_eq!(job.result(SOON).unwrap(), 0);
                    }
                }
            });
        }
    });
    pool.shutdown(true, false).unwrap();
    let others: Vec<_> = (0..total)
        .filter(|number| runs[*number].load(Ordering::Relaxed) != 1)
        .collect();
    assert!(others.is_empty(), "lost or run twice: {others:?}");
}

#[test]
fn h25_each_result_comes_back_to_the_loop_that_asked() {
    let total = scaled(5_000, 500_000);
    let pool = pool(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            let pool = pool.clone();
            scope.spawn(move || {
                ouroloop::run(async move {
                    for round in 0..total / 100 {
                        let jobs: Vec<_> = (0..100)
                            .map(|number| run_in_executor(&pool, move || round * 100 + number))
                            .collect();
                        for (number, job) in jobs.into_iter().enumerate() {
                            assert_eq!(job.await.unwrap(), round * 100 + number);
                        }
                    }
                })
                .unwrap();
            });
        }
    });
}

#[test]
fn h14_submissions_against_a_shutdown_are_run_or_refused() {
    for _ in 0..scaled(300, 20_000) {
        let pool = pool(2);
        let ran = Arc::new(AtomicUsize::new(0));
        let ended = thread::scope(|scope| {
            let submitters: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let jobs: Vec<_> = (0..20)
                            .map(|_| {
                                let ran = ran.clone();
                                pool.submit(move || _ = ran.fetch_add(1, Ordering::Relaxed))
                            })
                            .collect();
                        let run = jobs.iter().filter(|it| it.result(SOON).is_ok());
                        run.count()
                    })
                })
                .collect();
            pool.shutdown(true, false).unwrap();
            let ended = submitters.into_iter().map(|it| it.join().unwrap());
            ended.sum::<usize>()
        });
        assert_eq!(ended, ran.load(Ordering::Relaxed));
        assert_eq!(pool.thread_count(), 0);
    }
}
