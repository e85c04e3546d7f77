//! Loom models of what crosses threads: the workers of a pool, and the futures.
//!
//! Run them by `cargo xtask loom`. The workers run on the stand-in queue, and their jobs are numbers. A lost wake-up
//! leaves a thread asleep with nobody to wake it, which loom reports as a deadlock. A shutdown wakes all of them: so
//! where the wake-ups are what is modelled, it waits until the jobs have run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ::loom::thread;

use crate::concurrent::Promise;
use crate::error::ExecutorError;
use crate::pool::seat::Seat;
use crate::pool::workers::{Crew, Refusal, Workers};
use crate::queue::PoolQueue;
use crate::sync::{Condvar, Mutex, lock, wait};

/// What came of each job.
#[derive(Default)]
struct Log {
    run: Mutex<Vec<u32>>,
    ran: Condvar,
    refused: Mutex<Vec<u32>>,
    starts_fail: bool,
    naps: bool,
}

impl Crew<u32> for Log {
    fn begin(&self, _workers: usize, _seat: &Arc<Seat>) {}

    fn run(&self, _seat: &Seat, job: u32) {
        lock(&self.run).push(job);
        self.ran.notify_one();
    }

    fn rest(&self, _seat: &Seat) {}

    fn refuse(&self, job: u32, _because: Refusal) {
        lock(&self.refused).push(job);
    }

    fn spins(&self) -> bool {
        false
    }

    fn naps(&self) -> bool {
        self.naps
    }

    fn start(
        &self,
        _seat: Option<&Seat>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<thread::JoinHandle<()>> {
        match self.starts_fail {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(thread::spawn(body)),
        }
    }
}

type Pool = Arc<Workers<PoolQueue<u32>, Log>>;

fn pool(workers: usize) -> Pool {
    Workers::new(PoolQueue::new(), Log::default(), workers)
}

/// One whose workers look out for one another.
fn pool_with_lookout(workers: usize) -> Pool {
    let crew = Log {
        naps: true,
        ..Log::default()
    };
    Workers::new(PoolQueue::new(), crew, workers)
}

/// Waits until so many jobs have run, for which nobody but the submissions may wake a worker.
fn wait_for(pool: &Pool, jobs: usize) {
    let mut run = lock(&pool.crew.run);
    while run.len() < jobs {
        run = wait(&pool.crew.ran, run, None);
    }
}

fn end(pool: &Pool) {
    pool.shut_down();
    pool.join(None).unwrap();
    assert_eq!(pool.threads(), 0);
}

fn sorted(jobs: &Mutex<Vec<u32>>) -> Vec<u32> {
    let mut jobs = lock(jobs).clone();
    jobs.sort_unstable();
    jobs
}

/// Explores `model` and says how far. With `preemptions`, only executions with so many at most.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let count = executions.clone();
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    println!(
        "loom: {name} explored {} executions",
        executions.load(Relaxed)
    );
}

/// Counts the drops of a value.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Model 14: the value is set while the last future is dropped; it is dropped once.
#[test]
fn m14_a_value_that_is_set_while_the_receiver_goes_is_dropped_once() {
    explore("send_vs_receiver_drop", None, || {
        let drops = Arc::new(AtomicU64::new(0));
        let promise = Promise::new();
        let future = promise.future();
        let value = Counted(drops.clone());
        let setter = thread::spawn(move || promise.set_result(value).is_ok());
        if future.done() {
            drop(future.result(None).unwrap());
        }
        drop(future);
        assert!(setter.join().unwrap());
        assert_eq!(drops.load(Relaxed), 1);
    });
}

/// Model 15: the future is cancelled while the value is set. One of them wins, and who blocks hears of it.
#[test]
fn m15_of_a_cancel_and_a_result_one_wins_and_the_waiter_wakes() {
    explore("close_vs_send", None, || {
        let promise = Promise::new();
        let (future, waiting) = (promise.future(), promise.future());
        let setter = thread::spawn(move || promise.set_result(7).is_ok());
        let waiter = thread::spawn(move || waiting.result(None));
        let cancelled = future.cancel();
        let set = setter.join().unwrap();
        assert_ne!(cancelled, set);
        match waiter.join().unwrap() {
            Ok(value) => assert!(set && value == 7),
            Err(ExecutorError::Task(error)) => assert!(cancelled && error.is_cancelled()),
            Err(error) => panic!("{error}"),
        }
    });
}

/// Model 16: a submission against a worker that falls asleep.
#[test]
fn m16_a_job_against_a_worker_that_falls_asleep_is_run() {
    explore("submit_vs_park", Some(3), || {
        let pool = pool(1);
        pool.submit(1);
        // The worker runs the first job and falls asleep, or not, before the second one comes.
        pool.submit(2);
        wait_for(&pool, 2);
        end(&pool);
        assert_eq!(*lock(&pool.crew.run), [1, 2]);
    });
}

/// Model 16 with two workers and another submitter: none of the jobs is left behind.
#[test]
fn m16_jobs_of_two_submitters_are_run_by_two_workers() {
    explore("two_submits_vs_park", Some(2), || {
        let pool = pool(2);
        let other = pool.clone();
        let submitter = thread::spawn(move || other.submit(1));
        pool.submit(2);
        submitter.join().unwrap();
        wait_for(&pool, 2);
        end(&pool);
        assert_eq!(sorted(&pool.crew.run), [1, 2]);
    });
}

/// Model 16 with three jobs, and a worker that may be the lookout when they come.
#[test]
fn m16_jobs_against_a_lookout_that_falls_asleep_are_run() {
    explore("lookout_vs_park", Some(2), || {
        let pool = pool_with_lookout(2);
        let other = pool.clone();
        let submitter = thread::spawn(move || {
            other.submit(1);
            other.submit(2);
        });
        pool.submit(3);
        submitter.join().unwrap();
        wait_for(&pool, 3);
        end(&pool);
        assert_eq!(sorted(&pool.crew.run), [1, 2, 3]);
    });
}

/// A job that blocks until another one has run.
struct Pair {
    second: crate::concurrent::Future<()>,
    promise: Mutex<Option<Promise<()>>>,
    naps: bool,
}

impl Pair {
    fn new(naps: bool) -> Pair {
        let promise = Promise::new();
        Pair {
            second: promise.future(),
            promise: Mutex::new(Some(promise)),
            naps,
        }
    }
}

impl Crew<u32> for Pair {
    fn begin(&self, _workers: usize, _seat: &Arc<Seat>) {}

    fn run(&self, _seat: &Seat, job: u32) {
        match job {
            0 => {}
            1 => self.second.result(None).unwrap(),
            _ => lock(&self.promise).take().unwrap().set_result(()).unwrap(),
        }
    }

    fn rest(&self, _seat: &Seat) {}

    fn refuse(&self, _job: u32, _because: Refusal) {
        unreachable!("all are submitted before the shutdown");
    }

    fn spins(&self) -> bool {
        false
    }

    fn naps(&self) -> bool {
        self.naps
    }

    fn start(
        &self,
        _seat: Option<&Seat>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<thread::JoinHandle<()>> {
        Ok(thread::spawn(body))
    }
}

/// Model 16 again: if the second job waits behind the first while a thread could be had, this never ends.
#[test]
fn m16_a_job_that_waits_for_another_gets_a_second_worker() {
    explore("dependent_jobs", Some(3), || {
        let pool = Workers::new(PoolQueue::new(), Pair::new(false), 2);
        pool.submit(1);
        pool.submit(2);
        pool.shut_down();
        pool.join(None).unwrap();
    });
}

/// The same after both workers were awake, so that one may be the lookout.
#[test]
fn m16_a_job_that_waits_for_another_is_seen_by_the_lookout() {
    explore("dependent_jobs_and_lookout", Some(2), || {
        let pool = Workers::new(PoolQueue::new(), Pair::new(true), 2);
        pool.submit(0);
        pool.submit(1);
        pool.submit(2);
        pool.shut_down();
        pool.join(None).unwrap();
    });
}

/// Model 17: a submission against a shutdown. The job is run or refused, and not both.
#[test]
fn m17_a_job_against_a_shutdown_is_run_or_refused() {
    explore("submit_vs_shutdown", None, || {
        let pool = pool(1);
        let other = pool.clone();
        let submitter = thread::spawn(move || other.submit(1));
        pool.shut_down();
        submitter.join().unwrap();
        pool.join(None).unwrap();
        let ends = [sorted(&pool.crew.run), sorted(&pool.crew.refused)].concat();
        assert_eq!(ends, [1]);
    });
}

/// Model 18: the last worker ends while a job comes.
#[test]
fn m18_a_job_against_the_end_of_the_last_worker_is_run_or_refused() {
    explore("submit_vs_last_exit", Some(3), || {
        let pool = pool(1);
        pool.submit(1);
        let other = pool.clone();
        let submitter = thread::spawn(move || other.submit(2));
        pool.shut_down();
        submitter.join().unwrap();
        pool.join(None).unwrap();
        let ends = [sorted(&pool.crew.run), sorted(&pool.crew.refused)].concat();
        assert_eq!(ends, [1, 2]);
    });
}

/// Two who wait for the end of the pool: neither comes back before the thread is joined.
#[test]
fn m18_all_who_join_wait_for_the_threads() {
    explore("two_joins", Some(3), || {
        let pool = pool(1);
        pool.submit(1);
        let other = pool.clone();
        let joiner = thread::spawn(move || {
            other.shut_down();
            other.join(None).unwrap();
            assert!(other.has_joined());
        });
        end(&pool);
        assert!(pool.has_joined());
        joiner.join().unwrap();
    });
}

/// No thread can be had: each job is refused, whoever submits.
#[test]
fn m18_jobs_without_any_thread_are_refused() {
    explore("submit_without_threads", None, || {
        let crew = Log {
            starts_fail: true,
            ..Log::default()
        };
        let pool: Pool = Workers::new(PoolQueue::new(), crew, 1);
        let other = pool.clone();
        let submitter = thread::spawn(move || other.submit(1));
        pool.submit(2);
        submitter.join().unwrap();
        assert_eq!(sorted(&pool.crew.refused), [1, 2]);
    });
}

/// Model 19: the producer begins and sets a result while one thread cancels and another blocks.
#[test]
fn m19_a_job_that_is_cancelled_while_it_begins_runs_or_is_cancelled() {
    explore("result_vs_cancel", None, || {
        let promise = Promise::new();
        let (future, waiting) = (promise.future(), promise.future());
        let producer = thread::spawn(move || match promise.set_running_or_notify_cancel() {
            Ok(true) => promise.set_result(1).is_ok(),
            Ok(false) => false,
            Err(error) => panic!("{error}"),
        });
        let waiter = thread::spawn(move || waiting.result(None).is_ok());
        let cancelled = future.cancel();
        let ran = producer.join().unwrap();
        assert_ne!(ran, cancelled);
        assert_eq!(waiter.join().unwrap(), ran);
    });
}

/// Model 19 again: a callback that is added while the result is set is called once.
#[test]
fn m19_a_callback_added_while_the_result_is_set_is_called_once() {
    explore("callback_vs_result", None, || {
        let promise = Promise::new();
        let future = promise.future();
        let setter = thread::spawn(move || promise.set_result(1).unwrap());
        let calls = Arc::new(AtomicU64::new(0));
        let count = calls.clone();
        future.add_done_callback(move |future| {
            assert!(future.done());
            count.fetch_add(1, Relaxed);
        });
        setter.join().unwrap();
        assert_eq!(calls.load(Relaxed), 1);
    });
}
