//! Two locks, taken in opposite orders: in asyncio this program hangs, without a word.
//!
//! On virtual time the loop knows that nothing can go on, so the program fails and says who waits for
//! what. It prints:
//!
//! ```text
//! soup: has the first tool
//! eggs: has the first tool
//! Error: deadlock at 1s of virtual time: every task waits, and nothing is left to wake one
//! task "soup" created at examples/deadlock.rs:42:48
//!     waits for Lock (locked) created at examples/deadlock.rs:39:23, held by "eggs"
//! task "eggs" created at examples/deadlock.rs:43:48
//!     waits for Lock (locked) created at examples/deadlock.rs:38:25, held by "soup"
//! task "Task-1" created at examples/deadlock.rs:50:32
//!     waits for gather (0 of 2 done) created at examples/deadlock.rs:44:5, which waits for "soup", "eggs"
//! cycle, each waits for the next: "soup" -> Lock -> "eggs" -> Lock -> "soup"
//! ```
//!
//! The cure is an order: whoever needs both takes the knife first. Run it with
//! `cargo run -p ouroloop --example deadlock`.

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::{Lock, Runner, TaskBuilder, TaskError, VirtualClock, gather, sleep};

async fn cook(dish: &str, first: Rc<Lock>, second: Rc<Lock>) {
    let _first = first.acquire().await;
    println!("{dish}: has the first tool");
    sleep(Duration::from_secs(1)).await;
    let _second = second.acquire().await;
    println!("{dish}: done");
}

/// Has two dishes cooked with one knife and one pan.
async fn program() -> Result<(), TaskError> {
    let knife = Rc::new(Lock::new());
    let pan = Rc::new(Lock::new());
    let soup = cook("soup", knife.clone(), pan.clone());
    let eggs = cook("eggs", pan, knife);
    let soup = TaskBuilder::new().name("soup").create_task(soup);
    let eggs = TaskBuilder::new().name("eggs").create_task(eggs);
    gather([soup, eggs]).values().await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = VirtualClock::new();
    Runner::new().clock(clock).run(program())??;
    Ok(())
}
