//! The ready queue: what runs in the next batch, first come, first served.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::ClientWord;
use crate::handle::Scheduled;

/// An entry of the ready queue or of the timers: two machine words.
pub(crate) enum Ready {
    Call(Rc<dyn Scheduled>),
    Client(ClientWord),
}

/// The queue. No borrow of it outlives a method, and no user code runs inside one.
#[derive(Default)]
pub(crate) struct ReadyQueue(RefCell<VecDeque<Ready>>);

impl ReadyQueue {
    // Inlined always: passed by reference, an entry would be written in two halves and read back
    // as a whole, which stalls the processor for longer than the rest takes.
    #[inline(always)]
    pub(crate) fn push(&self, entry: Ready) {
        self.0.borrow_mut().push_back(entry);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Ready> {
        self.0.borrow_mut().pop_front()
    }

    /// Takes the entry at `index` out; the others keep their order.
    pub(crate) fn remove(&self, index: usize) -> Option<Ready> {
        self.0.borrow_mut().remove(index)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_two_words() {
        assert_eq!(size_of::<Ready>(), 16);
    }
}
