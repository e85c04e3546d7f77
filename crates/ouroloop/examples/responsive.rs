//! A loop that ticks every 100 ms while its threads are at work: one computation after the other in its default pool, and
//! twenty blocking jobs that share one thread, for ten seconds.
//!
//! It prints the sum, and how late the ticks were. That 99 of 100 were late by less than 20 ms is asserted, which takes a
//! processor that is not busy with anything else:
//!
//! ```text
//! sum of squares: 333333283333335000000
//! blocking jobs done: 20
//! ...
//! ```
//!
//! Run it with `cargo run -p ouroloop --release --example responsive`.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use ouroloop::{
    ExecutorError, ThreadPoolExecutor, create_task, gather, get_running_loop, run_in_executor,
    sleep,
};

const PAUSE: Duration = Duration::from_millis(100);

/// How late each tick was.
pub struct Lateness(Vec<Duration>);

impl Lateness {
    /// How many ticks there were.
    pub fn ticks(&self) -> usize {
        self.0.len()
    }

    fn p99(&self) -> Duration {
        self.0[(self.0.len() * 99).div_ceil(100) - 1]
    }

    fn max(&self) -> Duration {
        self.0[self.0.len() - 1]
    }
}

async fn tick(late: Rc<RefCell<Vec<Duration>>>) {
    let event_loop = get_running_loop().expect("this is a task of it");
    let mut due = event_loop.time();
    loop {
        due += PAUSE;
        sleep(due.saturating_sub(event_loop.time())).await;
        late.borrow_mut()
            .push(event_loop.time().saturating_sub(due));
    }
}

fn squares() -> u128 {
    (0..10_u128.pow(7)).map(|i| i * i).sum()
}

/// Works for a while; says how late the ticks were.
pub async fn program(blocking: Duration) -> Result<Lateness, ExecutorError> {
    let late = Rc::new(RefCell::new(Vec::new()));
    let ticker = create_task(tick(late.clone()));
    let one_thread = ThreadPoolExecutor::builder().max_workers(1).build()?;
    let jobs: Vec<_> = (0..20)
        .map(|_| run_in_executor(&one_thread, move || thread::sleep(blocking)))
        .collect();
    let jobs = create_task(gather(jobs).values().into_future());
    let mut sums = Vec::new();
    while !jobs.done() {
        sums.push(run_in_executor(None, squares).await?);
    }
    println!("sum of squares: {}", sums[0]);
    println!("blocking jobs done: {}", jobs.await??.len());
    ticker.cancel();
    let mut late = late.take();
    late.sort_unstable();
    Ok(Lateness(late))
}

#[ouroloop::main]
async fn main() -> Result<(), ExecutorError> {
    let late = program(5 * PAUSE).await?;
    println!(
        "{} ticks, late by {:?} at p99 and {:?} at most",
        late.ticks(),
        late.p99(),
        late.max()
    );
    assert!(late.p99() < Duration::from_millis(20));
    Ok(())
}
