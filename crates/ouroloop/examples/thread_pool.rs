//! Twenty blocking jobs for a pool with one thread, submitted through `run_in_executor` and awaited by `wait`.
//!
//! It prints:
//!
//! ```text
//! 20 done, 0 pending
//! in order: true
//! ```
//!
//! Run it with `cargo run -p ouroloop --example thread_pool`.

use std::future::IntoFuture;
use std::thread;
use std::time::Duration;

use ouroloop::{
    EventLoop, LoopExecutor, LoopTasks, ThreadPoolExecutor, create_task, new_event_loop, wait,
};

type Failure = Box<dyn std::error::Error>;

fn get_url(number: usize, pause: Duration) -> usize {
    thread::sleep(pause);
    number
}

/// Submits the jobs before the loop runs, and runs it until all are done.
pub fn program(event_loop: EventLoop, pause: Duration) -> Result<(), Failure> {
    let executor = ThreadPoolExecutor::builder().max_workers(1).build()?;
    let jobs = (0..20).map(|number| {
        let job = event_loop.run_in_executor(&executor, move || get_url(number, pause))?;
        Ok(job)
    });
    let jobs: Vec<_> = jobs.collect::<Result<_, Failure>>()?;
    event_loop.run_until_complete(async move {
        let tasks: Vec<_> = jobs
            .into_iter()
            .map(|job| create_task(job.into_future()))
            .collect();
        let (done, pending) = wait(&tasks).await?;
        println!("{} done, {} pending", done.len(), pending.len());
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.push(task.await??);
        }
        println!("in order: {}", numbers.into_iter().eq(0..20));
        Ok::<(), Failure>(())
    })??;
    event_loop.close()?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    program(new_event_loop()?, Duration::from_millis(50))
}
