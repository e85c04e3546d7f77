//! `ThreadPoolExecutor` by itself.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ouroloop_executor::{ExecutorError, ThreadPoolExecutor};

use crate::support::{Gate, SOON, eventually, held, pool, refused};

#[test]
fn the_default_is_asyncios_number_of_threads() {
    let processors = thread::available_parallelism().unwrap().get();
    assert_eq!(
        ThreadPoolExecutor::new().max_workers(),
        (processors + 4).min(32)
    );
}

#[test]
fn a_pool_without_workers_is_refused() {
    let none = ThreadPoolExecutor::builder().max_workers(0).build();
    assert!(matches!(none, Err(ExecutorError::NoWorkers)));
    let again = ThreadPoolExecutor::builder()
        .max_workers(0)
        .max_workers(1)
        .build();
    assert_eq!(again.unwrap().max_workers(), 1);
}

#[test]
fn a_name_that_no_thread_can_have_is_refused() {
    let pool = ThreadPoolExecutor::builder().thread_name_prefix("a\0b");
    assert!(matches!(
        pool.build(),
        Err(ExecutorError::InvalidThreadName)
    ));
}

#[test]
fn threads_are_started_on_demand_and_no_more_than_allowed() {
    let pool = pool(3);
    assert_eq!(pool.thread_count(), 0);
    let gate = Arc::new(Gate::new());
    let jobs: Vec<_> = (1..=5)
        .map(|count| {
            let gate = gate.clone();
            let job = pool.submit(move || gate.pass());
            eventually(|| pool.thread_count() == count.min(3));
            job
        })
        .collect();
    gate.wait_for(3);
    gate.open();
    jobs.into_iter().for_each(|job| job.result(SOON).unwrap());
    assert_eq!(pool.thread_count(), 3);
}

#[test]
fn a_job_that_waits_for_a_later_one_gets_another_thread() {
    for _ in 0..200 {
        let pool = pool(2);
        let (sender, receiver) = channel();
        let first = pool.submit(move || receiver.recv().unwrap());
        let second = pool.submit(move || sender.send(5).unwrap());
        assert_eq!(first.result(SOON).unwrap(), 5);
        second.result(SOON).unwrap();
    }
}

#[test]
fn one_worker_runs_jobs_in_their_order_those_of_jobs_too() {
    let pool = pool(1);
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |what: u32| {
        let log = log.clone();
        move || log.lock().unwrap().push(what)
    };
    let (release, hold) = held();
    let inner = (pool.clone(), note(100));
    let first = pool.submit(move || {
        hold();
        inner.0.submit(inner.1)
    });
    let rest: Vec<_> = (0..100).map(|what| pool.submit(note(what))).collect();
    drop(release);
    first.result(SOON).unwrap().result(SOON).unwrap();
    assert!(rest.iter().all(|it| it.done()));
    assert!(log.lock().unwrap().iter().copied().eq(0..=100));
}

#[test]
fn map_gives_results_in_the_order_of_the_items() {
    let pool = pool(4);
    let doubled: Result<Vec<_>, _> = pool.map(0..500, |n| n * 2).collect();
    assert!(doubled.unwrap().into_iter().eq((0..500).map(|n| n * 2)));
    assert_eq!(pool.map(0..3, |n| n).len(), 3);
}

#[test]
fn a_map_that_is_dropped_cancels_what_has_not_begun() {
    let pool = pool(1);
    let gate = Arc::new(Gate::new());
    let ran = Arc::new(Mutex::new(HashSet::new()));
    let (inside, log) = (gate.clone(), ran.clone());
    let map = pool.map(0..10, move |n| {
        log.lock().unwrap().insert(n);
        inside.pass();
    });
    gate.wait_for(1);
    drop(map);
    gate.open();
    pool.shutdown(true, false).unwrap();
    assert_eq!(*ran.lock().unwrap(), HashSet::from([0]));
}

#[test]
fn threads_have_their_names_and_jobs_their_places() {
    let builder = ThreadPoolExecutor::builder().thread_name_prefix("named");
    let pool = builder
        .max_workers(2)
        .stack_size(128 * 1024)
        .build()
        .unwrap();
    let name = pool.submit(|| thread::current().name().map(str::to_owned));
    let place = name.job().unwrap().created_at();
    assert_eq!((place.file(), place.line()), (file!(), line!() - 2));
    assert!(name.result(SOON).unwrap().unwrap().starts_with("named_"));
}

#[test]
fn jobs_that_run_are_listed() {
    let pool = pool(2);
    let (release, hold) = held();
    let job = pool.submit_named("held", hold);
    eventually(|| job.running());
    let jobs = pool.running_jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].name(), Some("held"));
    drop(release);
    job.result(SOON).unwrap();
    eventually(|| pool.running_jobs().is_empty());
}

#[test]
fn jobs_that_are_done_are_not_listed() {
    let pool = pool(2);
    for _ in 0..500 {
        pool.submit(|| ()).result(SOON).unwrap();
        assert_eq!(pool.running_jobs(), []);
    }
    let gate = Arc::new(Gate::new());
    let (inside, (release, hold)) = (gate.clone(), held());
    let told = pool.submit_named("told", hold);
    told.add_done_callback(move |_| inside.pass());
    drop(release);
    gate.wait_for(1);
    assert_eq!(pool.running_jobs(), []);
    // But its callback holds up the shutdown.
    let error = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    assert!(error.to_string().contains("\"told\""), "{error}");
    gate.open();
    pool.shutdown(true, false).unwrap();
}

/// A stack that no machine has makes the start of a thread fail, as EAGAIN does.
#[test]
fn h14_a_job_without_a_thread_ends_in_an_error() {
    let builder = ThreadPoolExecutor::builder().stack_size(1 << 60);
    let pool = builder.max_workers(2).build().unwrap();
    for _ in 0..3 {
        let text = refused(pool.submit(|| 1).result(SOON));
        assert!(text.starts_with("ThreadStart"), "{text}");
    }
    assert_eq!(pool.thread_count(), 0);
    pool.shutdown(true, false).unwrap();
}

#[test]
fn dropping_a_future_loses_nothing_but_the_result() {
    let pool = pool(1);
    let (sender, receiver) = channel();
    drop(pool.submit(move || sender.send(1).unwrap()));
    assert_eq!(receiver.recv_timeout(SOON).unwrap(), 1);
}

#[test]
fn the_number_of_threads_that_there_may_be_costs_nothing() {
    let pool = pool(usize::MAX);
    assert_eq!(pool.submit(|| 1).result(SOON).unwrap(), 1);
    assert_eq!(pool.max_workers(), usize::MAX);
    assert_eq!(pool.thread_count(), 1);
    pool.shutdown(true, false).unwrap();
}

/// Quick jobs keep one thread awake, and a second one looks out: it must see that the first one is held up.
#[test]
fn a_job_that_waits_for_a_later_one_gets_another_thread_among_quick_ones_too() {
    let pool = pool(3);
    for round in 0..300 {
        let quick: Vec<_> = (0..round).map(|n| pool.submit(move || n)).collect();
        let (sender, receiver) = channel();
        let first = pool.submit(move || receiver.recv().unwrap());
        let more: Vec<_> = (0..round).map(|n| pool.submit(move || n)).collect();
        let second = pool.submit(move || sender.send(5).unwrap());
        assert_eq!(first.result(SOON).unwrap(), 5);
        second.result(SOON).unwrap();
        for job in quick.into_iter().chain(more) {
            job.result(SOON).unwrap();
        }
    }
}

/// The pool is never without jobs, so a worker that took several at once would keep them.
#[test]
fn a_job_that_waits_for_a_later_one_gets_another_thread_under_load_too() {
    let pool = pool(2);
    let gates = [0, 1].map(|_| Arc::new(Gate::new()));
    for gate in &gates {
        let inside = gate.clone();
        drop(pool.submit(move || inside.pass()));
        gate.wait_for(1);
    }
    let short = || pool.submit(|| thread::sleep(Duration::from_micros(200)));
    let (sender, receiver) = channel();
    let first = pool.submit(move || receiver.recv().unwrap());
    let second = pool.submit(move || sender.send(5).unwrap());
    (0..40).for_each(|_| drop(short()));
    let mut load: VecDeque<_> = (0..400).map(|_| short()).collect();
    gates[0].open();
    eventually(|| first.running());
    gates[1].open();
    for _ in 0..1000 {
        load.pop_front().unwrap().result(SOON).unwrap();
        if first.done() {
            break;
        }
        load.push_back(short());
    }
    assert!(first.done(), "1000 jobs that came later are done");
    assert_eq!(first.result(SOON).unwrap(), 5);
    second.result(SOON).unwrap();
}

#[test]
fn no_job_begins_long_after_those_that_came_later() {
    const JOBS: usize = 1200;
    let pool = pool(6);
    let begun = Arc::new(AtomicUsize::new(0));
    let (release, hold) = held();
    let mut hold = Some(hold);
    let jobs: Vec<_> = (0..JOBS)
        .map(|job| {
            let begun = begun.clone();
            let hold = hold.take_if(|_| job == 20);
            pool.submit(move || {
                let place = begun.fetch_add(1, Ordering::Relaxed);
                match hold {
                    Some(hold) => hold(),
                    None => thread::sleep(Duration::from_millis(1)),
                }
                place
            })
        })
        .collect();
    eventually(|| begun.load(Ordering::Relaxed) == JOBS);
    drop(release);
    for (job, future) in jobs.into_iter().enumerate() {
        let place = future.result(SOON).unwrap();
        assert!(place < job + JOBS / 4, "job {job} was the {place}th");
    }
}

/// How often the threads whose names begin so were given a processor.
#[cfg(target_os = "linux")]
fn switches(prefix: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| read(task.join("comm")).starts_with(prefix))
        .map(|task| {
            let status = read(task.join("status"));
            let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
            lines.collect()
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_without_jobs_sleep_until_there_is_one() {
    let builder = ThreadPoolExecutor::builder().thread_name_prefix("idleness");
    let pool = builder.max_workers(3).build().unwrap();
    let jobs: Vec<_> = (0..3000).map(|n| pool.submit(move || n)).collect();
    jobs.into_iter()
        .for_each(|job| _ = job.result(SOON).unwrap());
    eventually(|| {
        let before = switches("idleness");
        assert!(!before.is_empty());
        thread::sleep(std::time::Duration::from_millis(20));
        before == switches("idleness")
    });
    assert_eq!(pool.submit(|| 1).result(SOON).unwrap(), 1);
}
