//! A deadlock: two tasks take the same two locks in different orders.
//!
//! asyncio's own order lets the first task finish before the second begins, so an ordinary test passes for
//! ever. `cargo run -p ouroloop-testkit --example lock_order` finds a schedule in which each has one
//! lock and waits for the other; the report names both. `-- --fixed` explores the program without
//! the bug, and `-- --replay SEED` repeats one schedule.

#[path = "shared/command_line.rs"]
mod command_line;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use ouroloop::testkit::note;
use ouroloop::{Lock, TaskBuilder, sleep};

fn main() -> ExitCode {
    command_line::explore(
        "lock_order",
        || there_and_back(transfer),
        || there_and_back(transfer_in_order),
    )
}

struct Account {
    number: u32,
    lock: Lock,
    balance: Cell<i64>,
}

impl Account {
    fn new(number: u32) -> Rc<Account> {
        Rc::new(Account {
            number,
            lock: Lock::new(),
            balance: Cell::new(100),
        })
    }
}

/// Locks where the money comes from, then where it goes.
async fn transfer(from: Rc<Account>, to: Rc<Account>) {
    let _from = from.lock.acquire().await;
    note(format!("has {}", from.number));
    audit().await;
    note(format!("wants {}", to.number));
    let _to = to.lock.acquire().await;
    move_money(&from, &to);
}

/// Locks the smaller number first, whatever goes where: no circle can form.
async fn transfer_in_order(from: Rc<Account>, to: Rc<Account>) {
    let mut ordered = [&from, &to];
    ordered.sort_by_key(|account| account.number);
    let _first = ordered[0].lock.acquire().await;
    audit().await;
    let _second = ordered[1].lock.acquire().await;
    move_money(&from, &to);
}

/// Stands for a line in a log file.
async fn audit() {
    sleep(Duration::ZERO).await;
}

fn move_money(from: &Account, to: &Account) {
    from.balance.set(from.balance.get() - 10);
    to.balance.set(to.balance.get() + 10);
}

async fn there_and_back<F>(transfer: impl Fn(Rc<Account>, Rc<Account>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let (one, two) = (Account::new(1), Account::new(2));
    let there = transfer(one.clone(), two.clone());
    let back = transfer(two.clone(), one.clone());
    let there = TaskBuilder::new().name("there").create_task(there);
    let back = TaskBuilder::new().name("back").create_task(async move {
        // A little later, so that asyncio's order lets the first one finish.
        sleep(Duration::ZERO).await;
        back.await;
    });
    there.await.unwrap();
    back.await.unwrap();
    assert_eq!((one.balance.get(), two.balance.get()), (100, 100));
}
