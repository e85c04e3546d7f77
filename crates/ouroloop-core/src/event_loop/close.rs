//! The end of a loop.

use std::mem;

use super::LoopRef;
use crate::io::Owner;
use crate::{LoopError, inbox};

impl LoopRef {
    /// Closes the loop: drops what is scheduled, unrun; closes its clients, its sources and its
    /// selector; refuses everything from now on. Closing again does nothing. asyncio's `loop.close`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Running`] if the loop is running.
    ///
    /// # Ordering
    ///
    /// First the loop refuses new work and the inbox is closed; then clients are closed, in the
    /// order of their registration; then callbacks are dropped, oldest first, timers in the order
    /// of their deadlines, readers and writers; last the selector. A destructor that panics is
    /// reported, and the closing goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{LoopError, new_event_loop};
    ///
    /// let event_loop = new_event_loop()?;
    /// event_loop.call_soon(|| unreachable!("it is dropped"))?;
    /// event_loop.close()?;
    /// assert!(matches!(event_loop.run_forever(), Err(LoopError::Closed)));
    /// # Ok::<(), LoopError>(())
    /// ```
    pub fn close(&self) -> Result<(), LoopError> {
        if self.is_running() || self.inner().stepping.get() {
            return Err(LoopError::Running);
        }
        if self.inner().closed.replace(true) {
            return Ok(());
        }
        let inner = self.inner();
        let callbacks = inner.ready.close();
        for item in inner.inbox.close() {
            self.contain("Exception while closing the event loop", || drop(item));
        }
        // One by one: a client may look at its loop while it closes, and registers none any more.
        let clients = mem::take(&mut *inner.clients.borrow_mut());
        for client in &clients {
            self.contain("Exception while closing a client of the event loop", || {
                client.close()
            });
        }
        for callback in callbacks {
            self.contain("Exception while closing the event loop", || drop(callback));
        }
        while let Some(callback) = inner.timers.pop_callback() {
            self.contain("Exception while closing the event loop", || drop(callback));
        }
        self.close_io();
        for client in clients {
            self.contain("Exception while closing a client of the event loop", || {
                drop(client)
            });
        }
        let hook = inner.batch_order.take();
        self.contain("Exception while closing the event loop", || drop(hook));
        let observer = inner.entry_observer.take();
        self.contain("Exception while closing the event loop", || drop(observer));
        let selector = inner.selector.take();
        self.contain("Exception while closing the selector", || drop(selector));
        inbox::release(inner.id);
        tracing::debug!(target: "ouroloop::core", loop_id = inner.id.index(), "closed an event loop");
        // Last, since it was needed until here.
        self.set_exception_handler(None);
        Ok(())
    }

    /// Closes the loop if the user has dropped all handles of it.
    pub(super) fn close_if_abandoned(&self) {
        let inner = self.inner();
        if inner.users.get() != 0 || self.is_closed() || self.is_running() || inner.stepping.get() {
            return;
        }
        self.warn("unclosed event loop: call close() when you are done with it");
        // It is not running: that was looked at.
        let _ = self.close();
    }

    fn close_io(&self) {
        loop {
            let popped = self.inner().io.borrow_mut().pop_any();
            let Some((fd, owner)) = popped else { break };
            self.deregister(fd);
            match owner {
                Owner::Callbacks(callbacks) => {
                    self.contain("Exception while closing the event loop", || drop(callbacks));
                }
                Owner::Source(state) => {
                    for waker in state.close().into_iter().flatten() {
                        self.contain("Exception in a waker", || waker.wake());
                    }
                }
            }
        }
        self.count_io();
    }
}
