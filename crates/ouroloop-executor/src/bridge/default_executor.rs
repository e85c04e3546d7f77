//! The pool that a loop uses when it is told of no other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::ExecutorError;
use crate::pool::{PoolId, ThreadPoolExecutor};

#[derive(Default)]
pub(crate) struct DefaultExecutor {
    /// Counted here, too: a call needs no atomic then.
    pool: RefCell<Option<Rc<ThreadPoolExecutor>>>,
    shut_down: Cell<bool>,
}

impl DefaultExecutor {
    /// The pool; made now if there was none.
    pub(crate) fn get_or_make(&self) -> Result<Rc<ThreadPoolExecutor>, ExecutorError> {
        if self.shut_down.get() {
            return Err(ExecutorError::Shutdown);
        }
        let mut pool = self.pool.borrow_mut();
        Ok(pool
            .get_or_insert_with(|| Rc::new(ThreadPoolExecutor::new()))
            .clone())
    }

    pub(crate) fn set(&self, pool: ThreadPoolExecutor) {
        let before = self.pool.replace(Some(Rc::new(pool)));
        drop(before);
    }

    /// Refuses to be used from now on; the pool that was used, if one was. A thread of that pool is refused this.
    pub(crate) fn shut_down(&self) -> Result<Option<ThreadPoolExecutor>, ExecutorError> {
        let pool = self.pool.borrow().clone();
        if let Some(pool) = &pool {
            pool.check_not_own()?;
        }
        self.shut_down.set(true);
        Ok(pool.map(|pool| (*pool).clone()))
    }

    /// The pool that there is now.
    pub(crate) fn id(&self) -> Option<PoolId> {
        self.pool.borrow().as_ref().map(|pool| pool.id())
    }

    /// The end of the loop.
    pub(crate) fn close(&self) {
        self.shut_down.set(true);
        if let Some(pool) = self.pool.take() {
            pool.begin_shutdown(false);
        }
    }
}
