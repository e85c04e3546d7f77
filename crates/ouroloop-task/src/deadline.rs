//! The deadlines of scopes: a timeout costs a timer, and nothing else.
//!
//! A deadline that lies ahead is a word in the timer wheel. One that has passed already is a word
//! in the ready queue, from which nothing can be taken out; so calling that off leaves the word
//! behind and counts it, and the word does nothing when its turn comes.

use crate::arena::Key;
use crate::error::{Cancelled, CancelledBy};
use crate::scope::{EXPIRED, EXPIRING};
use crate::tasks::Tasks;

impl Tasks {
    /// Sets, moves or removes the deadline of a scope: the time when it passes, and what the time
    /// is now.
    pub(crate) fn set_deadline(&self, scope: Key, when: Option<(u64, u64)>) {
        let mut scopes = self.scopes.borrow_mut();
        let Some(record) = scopes.get_mut(scope) else {
            return;
        };
        if record.has(EXPIRING) {
            record.flags &= !EXPIRING;
            record.stale_expiries += 1;
        }
        if let Some(timer) = record.timer.take() {
            // One that left the wheel is in the ready queue already.
            if !self.event_loop.cancel_timer(timer) {
                record.stale_expiries += 1;
            }
        }
        let Some((when_ns, now_ns)) = when else {
            return;
        };
        let word = self.expire_word(scope);
        if when_ns <= now_ns {
            record.flags |= EXPIRING;
            self.event_loop.schedule(word);
        } else {
            record.timer = Some(self.event_loop.schedule_at(when_ns, word));
        }
    }

    /// The deadline of a scope has its turn.
    pub(crate) fn expire(&self, scope: Key) {
        {
            let mut scopes = self.scopes.borrow_mut();
            let Some(record) = scopes.get_mut(scope) else {
                return;
            };
            if record.stale_expiries > 0 {
                record.stale_expiries -= 1;
                return;
            }
            record.timer = None;
            record.flags = record.flags & !EXPIRING | EXPIRED;
        }
        self.cancel_scope(scope, &Cancelled::new(CancelledBy::Timeout));
    }

    pub(crate) fn has_expired(&self, scope: Key) -> bool {
        self.scopes
            .borrow()
            .get(scope)
            .is_some_and(|record| record.has(EXPIRED))
    }
}
