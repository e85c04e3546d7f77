//! The end of pools (H14): with jobs queued, with jobs that never end, from a thread of the pool, from a callback.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use ouroloop_core::{Clock, EventLoop, new_event_loop};
use ouroloop_executor::{ExecutorError, LoopExecutor, ThreadPoolExecutor};
use ouroloop_task::LoopTasks;

use crate::support::{Gate, SOON, eventually, held, pool, refused};

thread_local! {
    static LAST: RefCell<Option<SlowToGo>> = const { RefCell::new(None) };
}

/// Something that a job leaves in a thread-local: its destructor waits at the gate.
struct SlowToGo {
    gate: Arc<Gate>,
    gone: Arc<AtomicUsize>,
}

impl Drop for SlowToGo {
    fn drop(&mut self) {
        self.gate.pass();
        self.gone.fetch_add(1, Ordering::SeqCst);
    }
}

impl SlowToGo {
    /// What stays behind in a thread of the pool.
    fn leave_in(pool: &ThreadPoolExecutor, gate: &Arc<Gate>) -> Arc<AtomicUsize> {
        let gone = Arc::new(AtomicUsize::new(0));
        let last = SlowToGo {
            gate: gate.clone(),
            gone: gone.clone(),
        };
        pool.submit(move || LAST.set(Some(last)))
            .result(SOON)
            .unwrap();
        gone
    }
}

#[test]
fn h14_a_shutdown_runs_what_is_queued_and_takes_no_more() {
    let pool = pool(2);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let ran = ran.clone();
        drop(pool.submit(move || ran.fetch_add(1, Ordering::Relaxed)));
    }
    pool.shutdown(true, false).unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 100);
    assert_eq!(pool.thread_count(), 0);
    assert_eq!(refused(pool.submit(|| 1).result(SOON)), "Shutdown");
    pool.shutdown(true, true).unwrap();
}

#[test]
fn h14_a_shutdown_that_cancels_leaves_only_what_runs() {
    let pool = pool(1);
    let (release, hold) = held();
    let running = pool.submit(hold);
    let queued = pool.submit(|| 1);
    eventually(|| running.running());
    pool.shutdown(false, true).unwrap();
    assert!(queued.cancelled() && !running.cancelled());
    drop(release);
    running.result(SOON).unwrap();
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h14_a_job_that_never_ends_does_not_hold_up_a_bounded_shutdown_and_is_named() {
    let pool = pool(2);
    let (release, hold) = held();
    let place = line!() + 1;
    let stuck = pool.submit_named("stuck", hold);
    eventually(|| stuck.running());
    let begun = Instant::now();
    let error = pool
        .shutdown_timeout(Duration::from_millis(20))
        .unwrap_err();
    assert!(begun.elapsed() < SOON);
    let text = error.to_string();
    let at = format!("job \"stuck\" submitted at {}:{place}:", file!());
    assert!(text.contains(&at), "{text}");
    assert!(text.contains("within 20ms"), "{text}");
    drop(release);
    pool.shutdown_timeout(SOON).unwrap();
}

#[test]
fn h14_a_job_cannot_wait_for_the_end_of_its_own_pool() {
    let pool = pool(1);
    let own = pool.clone();
    let job = pool.submit(move || {
        let waits = own.shutdown(true, false);
        assert!(matches!(waits, Err(ExecutorError::JoinsItself)));
        let waits = own.shutdown_timeout(SOON);
        assert!(matches!(waits, Err(ExecutorError::JoinsItself)));
        // Neither did anything.
        let next = own.submit(|| 3);
        own.shutdown(false, false).unwrap();
        next
    });
    assert_eq!(job.result(SOON).unwrap().result(SOON).unwrap(), 3);
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h14_a_loop_in_a_job_cannot_wait_for_the_end_of_its_own_pool() {
    let pool = pool(1);
    let own = pool.clone();
    let job = pool.submit(move || {
        let event_loop = new_event_loop().unwrap();
        event_loop.set_default_executor(&own).unwrap();
        let waits = event_loop.shutdown_default_executor(Duration::from_millis(1));
        let waits = event_loop.run_until_complete(waits).unwrap();
        assert!(matches!(waits, Err(ExecutorError::JoinsItself)));
        // It did nothing.
        drop(event_loop.run_in_executor(None, || ()).unwrap());
        event_loop.close().unwrap();
    });
    job.result(SOON).unwrap();
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h14_a_job_may_drop_the_last_handle_of_its_pool() {
    let pool = pool(1);
    let own = pool.clone();
    let (sender, receiver) = channel::<()>();
    let job = pool.submit(move || {
        let _ = receiver.recv();
        drop(own);
    });
    drop(pool);
    drop(sender);
    job.result(SOON).unwrap();
}

#[test]
fn h14_a_dropped_pool_runs_what_is_queued_without_holding_anybody_up() {
    let pool = pool(1);
    let gate = Arc::new(Gate::new());
    let inside = gate.clone();
    drop(pool.submit(move || inside.pass()));
    let queued = pool.submit(|| 1);
    drop(pool);
    gate.wait_for(1);
    gate.open();
    assert_eq!(queued.result(SOON).unwrap(), 1);
}

#[test]
fn h14_a_job_that_submits_another_during_the_shutdown_hears_of_it() {
    let pool = pool(1);
    let (release, hold) = held();
    let own = pool.clone();
    let job = pool.submit(move || {
        hold();
        own.submit(|| 1)
    });
    pool.shutdown(false, false).unwrap();
    drop(release);
    assert_eq!(refused(job.result(SOON).unwrap().result(SOON)), "Shutdown");
}

#[test]
fn h14_several_threads_may_shut_down_one_pool_at_once() {
    for _ in 0..100 {
        let pool = pool(2);
        let jobs: Vec<_> = (0..4).map(|n| pool.submit(move || n)).collect();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| pool.shutdown(true, false).unwrap());
            }
        });
        assert_eq!(pool.thread_count(), 0);
        assert!(jobs.iter().all(|job| job.done()));
    }
}

#[test]
fn h14_a_loop_is_closed_while_a_job_of_it_runs() {
    let (release, hold) = held();
    let pool = pool(1);
    let event_loop = new_event_loop().unwrap();
    let job = event_loop.run_in_executor(&pool, hold).unwrap();
    eventually(|| pool.running_jobs().len() == 1);
    event_loop.call_soon(|| ()).unwrap();
    event_loop.run_once().unwrap();
    event_loop.close().unwrap();
    assert!(job.done());
    assert!(event_loop.run_until_complete(job).is_err());
    // The late answer finds nobody.
    drop(release);
    pool.shutdown(true, false).unwrap();
}

#[test]
fn h14_a_loop_is_stopped_by_a_callback_of_a_thread_and_closed_while_that_runs() {
    let pool = pool(1);
    let event_loop = new_event_loop().unwrap();
    let (remote, gate) = (event_loop.remote(), Arc::new(Gate::new()));
    let inside = gate.clone();
    let (release, hold) = held();
    let source = pool.submit(hold);
    source.add_done_callback(move |_| {
        remote.stop().unwrap();
        inside.pass();
    });
    let job = event_loop.wrap_future(&source).unwrap();
    drop(release);
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
    // The callback holds up the thread, which tells the loop only afterwards.
    assert!(job.result().is_err());
    gate.open();
    pool.shutdown(true, false).unwrap();
}

/// A stack that no machine has, as the usual size of std's threads, makes the start of all others fail.
#[test]
fn h14_the_end_of_a_run_waits_for_jobs_without_a_thread_that_could() {
    const NAME: &str = "shutdown::h14_the_end_of_a_run_waits_for_jobs_without_a_thread_that_could";
    if std::env::var_os("OUROLOOP_TEST_NO_THREADS").is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--test-threads=1"])
            .env("OUROLOOP_TEST_NO_THREADS", "1")
            .env("RUST_MIN_STACK", (1_u64 << 60).to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err());
    for virtual_time in [false, true] {
        let builder = ThreadPoolExecutor::builder().stack_size(128 * 1024);
        let pool = builder.max_workers(1).build().unwrap();
        let gate = Arc::new(Gate::new());
        let gone = SlowToGo::leave_in(&pool, &gate);
        let event_loop = match virtual_time {
            false => new_event_loop().unwrap(),
            true => {
                let builder = EventLoop::builder().clock(Clock::virtual_time());
                builder.build().unwrap()
            }
        };
        event_loop.set_default_executor(&pool).unwrap();
        let shut_down = |limit| {
            let ended = event_loop.shutdown_default_executor(limit);
            event_loop.run_until_complete(ended).unwrap()
        };
        let late = shut_down(Duration::from_millis(20));
        assert!(matches!(late, Err(ExecutorError::StillRunning { .. })));
        gate.open();
        shut_down(SOON).unwrap();
        assert_eq!(gone.load(Ordering::SeqCst), 1);
        assert_eq!(pool.thread_count(), 0);
        event_loop.close().unwrap();
    }
}

#[test]
fn h14_a_thread_local_that_is_slow_to_go_does_not_hold_up_a_bounded_shutdown_and_is_named() {
    let pool = pool(1);
    let gate = Arc::new(Gate::new());
    let gone = SlowToGo::leave_in(&pool, &gate);
    let limit = Duration::from_millis(20);
    let error = pool.shutdown_timeout(limit).unwrap_err();
    assert_eq!(gone.load(Ordering::SeqCst), 0);
    let text = error.to_string();
    assert!(text.contains("thread \"ouroloop_0\" is ending"), "{text}");
    gate.open();
    pool.shutdown_timeout(SOON).unwrap();
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}

#[test]
fn h14_a_thread_local_that_is_slow_to_go_does_not_hold_up_a_loop() {
    let pool = pool(1);
    let gate = Arc::new(Gate::new());
    let gone = SlowToGo::leave_in(&pool, &gate);
    let opened = gate.clone();
    ouroloop::run(async move {
        let event_loop = ouroloop_core::get_running_loop().unwrap();
        event_loop.set_default_executor(&pool).unwrap();
        let limit = Duration::from_millis(20);
        let error = event_loop.shutdown_default_executor(limit).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("is ending"), "{text}");
        opened.open();
    })
    .unwrap();
    // The end of the run waited for it.
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}

#[test]
fn h14_all_who_shut_down_a_pool_wait_for_its_threads() {
    let pool = pool(1);
    let gate = Arc::new(Gate::new());
    let gone = SlowToGo::leave_in(&pool, &gate);
    thread::scope(|scope| {
        for bounded in [false, true, false] {
            let (pool, gone) = (&pool, &gone);
            scope.spawn(move || {
                match bounded {
                    true => pool.shutdown_timeout(SOON).unwrap(),
                    false => pool.shutdown(true, false).unwrap(),
                }
                assert_eq!(gone.load(Ordering::SeqCst), 1);
            });
        }
        // All of them wait by now, or come later.
        gate.wait_for(1);
        gate.open();
    });
}

#[test]
fn h14_what_a_job_left_in_a_thread_local_cannot_wait_for_its_own_pool() {
    struct Joins(ThreadPoolExecutor, std::sync::mpsc::Sender<bool>);
    impl Drop for Joins {
        fn drop(&mut self) {
            let waits = self.0.shutdown(true, false);
            let refused = matches!(waits, Err(ExecutorError::JoinsItself));
            self.1.send(refused).unwrap();
        }
    }
    thread_local! {
        static JOINS: RefCell<Option<Joins>> = const { RefCell::new(None) };
    }
    let pool = pool(1);
    let (sender, refused) = channel();
    let joins = Joins(pool.clone(), sender);
    pool.submit(move || JOINS.set(Some(joins)))
        .result(SOON)
        .unwrap();
    pool.shutdown_timeout(SOON).unwrap();
    assert!(refused.recv().unwrap());
}
