//! Work that goes from one task to others: asyncio's `Queue`, between a producer and two consumers.
//!
//! The queue holds two items, so the producer waits for the consumers, who need a second for each.
//! It prints, within three seconds:
//!
//! ```text
//! put 0, 1 in the queue
//! put 1, 2 in the queue
//! put 2, 1 in the queue
//! put 3, 2 in the queue
//! ann: 0 squared is 0
//! ben: 1 squared is 1
//! put 4, 1 in the queue
//! put 5, 2 in the queue
//! ann: 2 squared is 4
//! ben: 3 squared is 9
//! ann: 4 squared is 16
//! ben: 5 squared is 25
//! all done
//! ```
//!
//! Run it with `cargo run -p ouroloop --example queue`.

use std::rc::Rc;
use std::time::Duration;

use ouroloop::{Queue, SyncError, create_task, sleep};

async fn producer(queue: &Queue<u32>) -> Result<(), SyncError> {
    for n in 0..6 {
        queue.put(n).await?;
        println!("put {n}, {} in the queue", queue.qsize());
    }
    Ok(())
}

async fn consumer(name: &str, queue: Rc<Queue<u32>>) -> Result<(), SyncError> {
    loop {
        let n = queue.get().await?;
        sleep(Duration::from_secs(1)).await;
        println!("{name}: {n} squared is {}", n * n);
        queue.task_done()?;
    }
}

/// Has six numbers squared by two consumers.
pub async fn program() -> Result<(), SyncError> {
    let queue = Rc::new(Queue::new(2));
    let consumers = ["ann", "ben"].map(|name| create_task(consumer(name, queue.clone())));
    producer(&queue).await?;
    queue.join().await;
    println!("all done");
    for task in consumers {
        task.cancel();
    }
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), SyncError> {
    program().await
}
