//! Check, then act: the queue was not empty, and is by the time that somebody takes from it.
//!
//! asyncio's own order hides the bug, so an ordinary test passes for ever. `cargo run -p
//! ouroloop-testkit --example check_then_act` finds a schedule that shows it; `-- --fixed` explores the
//! program without the bug, and `-- --replay SEED` repeats one schedule.

#[path = "shared/command_line.rs"]
mod command_line;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::note;
use ouroloop::{Queue, TaskBuilder, sleep};

fn main() -> ExitCode {
    command_line::explore(
        "check_then_act",
        || two_workers(drain),
        || two_workers(drain_at_once),
    )
}

struct Jobs {
    queue: Queue<u32>,
    done: Cell<u32>,
}

/// Looks whether there is a job, and takes it in a later turn: another worker may have come.
async fn drain(jobs: Rc<Jobs>) {
    while !jobs.queue.empty() {
        note("sees a job");
        audit().await;
        let job = jobs.queue.get_nowait().expect("the queue was not empty");
        note(format!("takes job {job}"));
        jobs.done.set(jobs.done.get() + 1);
    }
}

/// Takes a job, or finds that there is none: one turn, which nobody comes between.
async fn drain_at_once(jobs: Rc<Jobs>) {
    while let Ok(job) = jobs.queue.get_nowait() {
        note(format!("takes job {job}"));
        audit().await;
        jobs.done.set(jobs.done.get() + 1);
    }
}

/// Stands for a line in a log file.
async fn audit() {
    sleep(Duration::ZERO).await;
}

async fn two_workers<F>(drain: impl Fn(Rc<Jobs>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let jobs = Rc::new(Jobs {
        queue: Queue::new(0),
        done: Cell::new(0),
    });
    jobs.queue.put_nowait(1).unwrap();
    let (first, second) = (drain(jobs.clone()), drain(jobs.clone()));
    let first = TaskBuilder::new().name("first").create_task(first);
    let second = TaskBuilder::new().name("second").create_task(async move {
        // A little later, so that asyncio's order lets the first one take it all.
        sleep(Duration::ZERO).await;
        second.await;
    });
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(jobs.done.get(), 1);
}
