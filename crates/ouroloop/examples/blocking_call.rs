//! A call that blocks inside of a coroutine holds up the whole loop; in a thread it does not.
//!
//! A ticker wants to tick four times a second. It prints:
//!
//! ```text
//! in the coroutine: the loop stood still
//! in a thread: the loop went on
//! ```
//!
//! Run it with `cargo run -p ouroloop --example blocking_call`.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use ouroloop::{TaskError, create_task, sleep, to_thread};

async fn ticker(pause: Duration, ticks: Rc<Cell<u32>>) {
    loop {
        sleep(pause).await;
        ticks.set(ticks.get() + 1);
    }
}

fn verdict(ticks: u32) -> &'static str {
    match ticks {
        0 => "the loop stood still",
        _ => "the loop went on",
    }
}

/// Blocks in both ways, and looks at the ticker each time.
pub async fn program(second: Duration) -> Result<(), TaskError> {
    let ticks = Rc::new(Cell::new(0));
    let ticker = create_task(ticker(second / 4, ticks.clone()));
    thread::sleep(second); // nothing else runs meanwhile
    println!("in the coroutine: {}", verdict(ticks.take()));
    to_thread(move || thread::sleep(2 * second)).await?;
    println!("in a thread: {}", verdict(ticks.take()));
    ticker.cancel();
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program(Duration::from_secs(1)).await
}
