//! The deadlines of scopes: a timeout costs a timer, and nothing else.
//!
//! A deadline that lies ahead is a word in the timer wheel. One that has passed already is a word
//! in the ready queue, from which nothing can be taken out; so calling that off leaves the word
//! behind and counts it, and the word does nothing when its turn comes.

use crate::error::{Cancelled, CancelledBy};
use crate::pool::Key;
use crate::scope::{EXPIRED, EXPIRING, ScopeRecord};
use crate::tasks::Tasks;

impl Tasks {
    /// Sets, moves or removes the deadline of a scope: the time when it passes, and what the time
    /// is now.
    #[inline]
    pub(crate) fn set_deadline(&self, scope: Key, record: &ScopeRecord, when: Option<(u64, u64)>) {
        if record.has(EXPIRING) || record.timer.get().is_some() {
            self.call_off(record);
        }
        let Some((when_ns, now_ns)) = when else {
            return;
        };
        let word = self.expire_word(scope);
        if when_ns <= now_ns {
            record.set(EXPIRING);
            self.event_loop.schedule(word);
        } else {
            let timer = self.event_loop.schedule_at(when_ns, word);
            record.timer.set(Some(timer));
        }
    }

    fn call_off(&self, record: &ScopeRecord) {
        if record.has(EXPIRING) {
            record.clear(EXPIRING);
            record.add_stale_expiry();
        }
        if let Some(timer) = record.timer.take() {
            // One that left the wheel is in the ready queue already.
            if !self.event_loop.cancel_timer(timer) {
                record.add_stale_expiry();
            }
        }
    }

    /// The deadline of a scope has its turn.
    pub(crate) fn expire(&self, scope: Key) {
        let Some(record) = self.scopes.get(scope) else {
            return;
        };
        if record.take_stale_expiry() {
            return;
        }
        // Words can be forged.
        if !record.has(EXPIRING) && record.timer.get().is_none() {
            return;
        }
        record.timer.set(None);
        record.clear(EXPIRING);
        record.set(EXPIRED);
        self.cancel_scope(scope, &Cancelled::new(CancelledBy::Timeout));
    }
}
