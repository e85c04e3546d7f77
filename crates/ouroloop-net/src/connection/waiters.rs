//! Tasks that wait for the same thing, and resume in the order in which they came.

use std::cell::RefCell;

use ouroloop_task::{Waiter, WaiterKey};

#[derive(Default)]
pub(crate) struct Waiters(RefCell<Vec<WaiterKey>>);

impl Waiters {
    /// Waits for the next release.
    pub(crate) async fn wait(&self) {
        self.join().await;
    }

    /// A place among those who wait; dropping it gives it up.
    pub(crate) fn join(&self) -> Waiter {
        let waiter = Waiter::new();
        let mut keys = self.0.borrow_mut();
        if keys.len() == keys.capacity() {
            // Those who gave up meanwhile.
            keys.retain(WaiterKey::is_pending);
        }
        keys.push(waiter.key());
        waiter
    }

    /// Wakes all who wait now.
    pub(crate) fn release(&self) {
        for key in self.0.take() {
            key.fire();
        }
    }
}
