//! A lost update: what was read before an `await` is out of date after it.
//!
//! asyncio's own order hides the bug, so an ordinary test passes for ever. `cargo run -p
//! ouroloop-testkit --example lost_update` finds a schedule that shows it; `-- --fixed` explores the
//! program without the bug, and `-- --replay SEED` repeats one schedule.

#[path = "shared/command_line.rs"]
mod command_line;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::note;
use ouroloop::{TaskBuilder, sleep};

fn main() -> ExitCode {
    command_line::explore("lost_update", lost_update, fixed)
}

struct Account {
    balance: Cell<i64>,
}

impl Account {
    /// Reads, and writes in a later turn: whatever comes between is lost.
    async fn deposit(&self, amount: i64) {
        let balance = self.balance.get();
        note(format!("reads {balance}"));
        audit(amount).await;
        self.balance.set(balance + amount);
        note(format!("writes {}", balance + amount));
    }

    /// Waits first. Reading and writing are one turn, which nobody comes between.
    async fn deposit_at_once(&self, amount: i64) {
        audit(amount).await;
        let balance = self.balance.get();
        self.balance.set(balance + amount);
        note(format!("{balance} becomes {}", balance + amount));
    }
}

/// Stands for a line in a log file.
async fn audit(_amount: i64) {
    sleep(Duration::ZERO).await;
}

async fn lost_update() {
    let account = Rc::new(Account {
        balance: Cell::new(100),
    });
    let (first, second) = (account.clone(), account.clone());
    let first = TaskBuilder::new()
        .name("first")
        .create_task(async move { first.deposit(10).await });
    let second = TaskBuilder::new().name("second").create_task(async move {
        // A little later, so that asyncio's order lets the first one finish.
        sleep(Duration::ZERO).await;
        second.deposit(20).await;
    });
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(account.balance.get(), 130, "a deposit is lost");
}

async fn fixed() {
    let account = Rc::new(Account {
        balance: Cell::new(100),
    });
    let (first, second) = (account.clone(), account.clone());
    let first = TaskBuilder::new()
        .name("first")
        .create_task(async move { first.deposit_at_once(10).await });
    let second = TaskBuilder::new().name("second").create_task(async move {
        sleep(Duration::ZERO).await;
        second.deposit_at_once(20).await;
    });
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(account.balance.get(), 130, "a deposit is lost");
}
