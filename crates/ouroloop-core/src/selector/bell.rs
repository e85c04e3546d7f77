//! What a selector waits for that watches no descriptor: other threads alone.
//!
//! To wait for a condition and to have it notified costs less than to wait for events, and to write to a descriptor for
//! one. The descriptor is written to all the same when nobody waits here: somebody may wait for that.
//!
//! No ring is lost: it ends the wait that is under way, or is remembered and ends the next one before it begins. The
//! state is changed under the mutex only.

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(PartialEq)]
enum State {
    Awake,
    /// Somebody waits here.
    Asleep,
    /// It rang while nobody did.
    Rung,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell {
            state: Mutex::new(State::Awake),
            changed: Condvar::new(),
        }
    }

    /// Waits for a ring, for `timeout` at most; it may return early. False if it rang before: then `write` was
    /// called, and there was no wait.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut state = self.lock();
        if *state == State::Rung {
            *state = State::Awake;
            return false;
        }
        *state = State::Asleep;
        state = match timeout {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.changed.wait_timeout(state, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if *state == State::Asleep {
            *state = State::Awake;
        }
        true
    }

    /// Ends a wait; if nobody waits, calls `write`, which ends one for the descriptor.
    pub(crate) fn ring(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        if *state == State::Asleep {
            *state = State::Awake;
            // Unlock first: who wakes wants the mutex at once.
            drop(state);
            self.changed.notify_one();
            return Ok(());
        }
        // Before others see that it rang, who would look at the descriptor in vain.
        let written = write();
        *state = State::Rung;
        written
    }

    /// Says whether it rang and nobody has noticed yet, and holds others up who ring until `look` returns.
    pub(crate) fn with_state<R>(&self, look: impl FnOnce(bool) -> R) -> R {
        let state = self.lock();
        look(*state == State::Rung)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this mutex.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
