//! Looking on: who is told of each ready entry before it has its turn.
//!
//! For tools that write down what a loop does, the history of an explored schedule above all. They
//! see every entry that runs, in the order in which it runs; they change nothing.

use std::fmt;
use std::panic::Location;

use super::LoopRef;
use super::batch::Current;
use crate::ClientWord;

/// What [`LoopRef::set_entry_observer`] takes.
pub type EntryObserver = Box<dyn FnMut(&ReadyEntry<'_>)>;

/// An entry of the ready queue whose turn has come: what an observer is given.
///
/// [`LoopRef::set_entry_observer`] has an example.
pub struct ReadyEntry<'a> {
    event_loop: &'a LoopRef,
    current: Current,
    left: usize,
}

impl<'a> ReadyEntry<'a> {
    pub(super) fn new(event_loop: &'a LoopRef, current: Current, left: usize) -> ReadyEntry<'a> {
        ReadyEntry {
            event_loop,
            current,
            left,
        }
    }

    /// Gives the loop that it is an entry of.
    pub fn event_loop(&self) -> &LoopRef {
        self.event_loop
    }

    /// Counts the entries of the batch that have not run yet, this one included.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Gives the line that made it, if it is a callback.
    pub fn created_at(&self) -> Option<&'static Location<'static>> {
        match self.current {
            Current::Call(created_at) => Some(created_at),
            _ => None,
        }
    }

    /// Gives the word, if it is one of a client.
    pub fn word(&self) -> Option<ClientWord> {
        match self.current {
            Current::Client(word) => Some(word),
            _ => None,
        }
    }

    /// Says what it is, in words: those of the client, if it is a client's.
    pub fn describe(&self) -> String {
        self.event_loop.describe(self.current)
    }
}

impl fmt::Debug for ReadyEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyEntry")
            .field("what", &self.describe())
            .field("left", &self.left)
            .finish()
    }
}

impl LoopRef {
    /// Sets who is told of each entry just before it runs; cancelled callbacks do not run.
    ///
    /// For tools that write down what a loop does. An observer that panics is reported to the exception handler,
    /// and is set no longer; the entry runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let line = Rc::new(Cell::new(0));
    /// let seen = line.clone();
    /// event_loop.set_entry_observer(Some(Box::new(move |entry| {
    ///     seen.set(entry.created_at().map_or(0, |place| place.line()));
    /// })));
    /// event_loop.call_soon(|| {})?;
    /// event_loop.run_once()?;
    /// assert_ne!(line.get(), 0);
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn set_entry_observer(&self, observer: Option<EntryObserver>) {
        let epoch = &self.inner().entry_observer_epoch;
        epoch.set(epoch.get() + 1);
        let before = self.inner().entry_observer.replace(observer);
        self.update_watched();
        drop(before);
    }

    pub(super) fn observe(&self, current: Current, left: usize) {
        // Out of its place while it runs, since it may set another one.
        let place = &self.inner().entry_observer;
        let (Some(mut observer), epoch) = (place.take(), self.inner().entry_observer_epoch.get())
        else {
            return;
        };
        let mut unharmed = false;
        self.contain("Exception in the observer of entries", || {
            observer(&ReadyEntry::new(self, current, left));
            unharmed = true;
        });
        if unharmed && self.inner().entry_observer_epoch.get() == epoch {
            place.replace(Some(observer));
        } else {
            self.contain("Exception while dropping an observer of entries", || {
                drop(observer);
            });
        }
        self.update_watched();
    }
}
