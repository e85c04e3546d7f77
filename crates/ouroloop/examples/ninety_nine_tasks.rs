//! Ninety-nine tasks of two seconds each: asyncio's `wait` with the results printed inside, `wait`
//! with its two lists returned, and `gather` with a list of results.
//!
//! Each of the three takes two seconds for all of its tasks. It prints, three times over, 99 lines
//! when the tasks begin, 99 with their results, and the seconds:
//!
//! ```text
//! 嵌套waiting: 2
//! ...
//! 返回结果1: 嵌套Cose 2s
//! ...
//! perf: 2
//! ```
//!
//! Run it with `cargo run -p ouroloop --example ninety_nine_tasks`.

use std::error::Error;
use std::time::Duration;

use ouroloop::{
    EventLoop, LoopTasks, Task, TaskError, WaitError, create_task, gather, new_event_loop, sleep,
    wait,
};

async fn do_something(t: u64) -> String {
    println!("嵌套waiting: {t}");
    sleep(Duration::from_secs(t)).await;
    format!("嵌套Cose {t}s")
}

fn make_tasks() -> Vec<Task<String>> {
    (1..100).map(|_| create_task(do_something(2))).collect()
}

async fn main1() -> Result<(), Box<dyn Error>> {
    let (done, _pending) = wait(make_tasks()).await?;
    for task in done {
        println!("返回结果1: {}", task.result()?);
    }
    Ok(())
}

async fn main2() -> Result<(Vec<Task<String>>, Vec<Task<String>>), WaitError> {
    wait(make_tasks()).await
}

async fn main3() -> Result<Vec<String>, TaskError> {
    gather(make_tasks()).values().await
}

/// Runs the tasks three times, and takes the time.
pub fn program(event_loop: EventLoop) -> Result<(), Box<dyn Error>> {
    let perf = |start: Duration| (event_loop.time() - start).as_secs_f64();

    let start = event_loop.time();
    event_loop.run_until_complete(main1())??;
    println!("perf: {:.0}", perf(start));

    let start = event_loop.time();
    let (done, _pending) = event_loop.run_until_complete(main2())??;
    for task in done {
        println!("返回结果2: {}", task.result()?);
    }
    println!("perf: {:.0}", perf(start));

    let start = event_loop.time();
    let results = event_loop.run_until_complete(main3())??;
    for result in results {
        println!("返回结果3: {result}");
    }
    println!("perf: {:.0}", perf(start));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    program(new_event_loop()?)
}
