//! One at a time: asyncio's `Lock`, around a look at a value and its change, with an `await` between.
//!
//! Without the lock all three would see 100, and take 60 each. It prints, within a second:
//!
//! ```text
//! ann sees 100
//! ann takes 60, and leaves 40
//! ben sees 40
//! ben gets nothing
//! cleo sees 40
//! cleo gets nothing
//! ```
//!
//! `async with lock` is a guard, which releases the lock when it is dropped. Run it with
//! `cargo run -p ouroloop --example lock`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::{Lock, TaskError, gather, sleep};

struct Account {
    balance: Cell<u32>,
    lock: Lock,
}

impl Account {
    async fn withdraw(self: Rc<Account>, name: &str, amount: u32) {
        let _guard = self.lock.acquire().await;
        let balance = self.balance.get();
        println!("{name} sees {balance}");
        if balance < amount {
            println!("{name} gets nothing");
            return;
        }
        sleep(Duration::from_secs(1)).await;
        self.balance.set(balance - amount);
        println!("{name} takes {amount}, and leaves {}", self.balance.get());
    }
}

/// Lets three take from one account.
pub async fn program() -> Result<(), TaskError> {
    let account = Rc::new(Account {
        balance: Cell::new(100),
        lock: Lock::new(),
    });
    let withdrawals = ["ann", "ben", "cleo"].map(|name| account.clone().withdraw(name, 60));
    gather(withdrawals).values().await?;
    Ok(())
}

#[ouroloop::main]
async fn main() -> Result<(), TaskError> {
    program().await
}
