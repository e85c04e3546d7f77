//! Tasks that wait for the same thing, and resume in the order in which they came.

use std::cell::RefCell;
use std::rc::Rc;

use ouroloop_task::{Resource, ResourceState, Waiter, WaiterKey};

pub(crate) struct Waiters {
    what: &'static str,
    keys: RefCell<Vec<WaiterKey>>,
}

impl Waiters {
    /// Nobody yet; `what` is the method that waits, for wait graphs.
    pub(crate) const fn new(what: &'static str) -> Waiters {
        Waiters {
            what,
            keys: RefCell::new(Vec::new()),
        }
    }

    /// Waits for the next release.
    pub(crate) async fn wait(&self) {
        self.join().await;
    }

    /// A place among those who wait; dropping it gives it up.
    pub(crate) fn join(&self) -> Waiter {
        let waiter = Waiter::on(Rc::new(Method(self.what)));
        let mut keys = self.keys.borrow_mut();
        if keys.len() == keys.capacity() {
            // Those who gave up meanwhile.
            keys.retain(WaiterKey::is_pending);
        }
        keys.push(waiter.key());
        waiter
    }

    /// Wakes all who wait now.
    pub(crate) fn release(&self) {
        for key in self.keys.take() {
            key.fire();
        }
    }
}

/// What a task waits for, by the name of the method.
struct Method(&'static str);

impl Resource for Method {
    fn state(&self) -> ResourceState {
        ResourceState::new(self.0, None)
    }
}
