//! The ready queue: what runs in the next batch, first come, first served.
//!
//! A ring of words. A word of a client is there as it is; a callback is a mark, and waits in a
//! queue of its own: the marks and the callbacks are in the same order, so the mark that comes up
//! stands for the callback in front. So the many words cost a load and a store, and dropping or
//! moving one means nothing.
//!
//! # Invariants
//!
//! - Positions count up for ever; the entries are those from `head` to `tail`, and the one at
//!   `position` is in the slot of that number modulo the length of the ring, a power of two or zero.
//! - There are as many marks in the ring as there are callbacks, except between the two halves of
//!   a push or a pop, where no user code runs.
//! - A closed queue is empty, and has no ring: whatever is pushed finds no room.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::ClientWord;
use crate::handle::Scheduled;

/// The queue. No borrow of it outlives a method, and no user code runs inside one.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    slots: RefCell<Box<[Cell<ClientWord>]>>,
    head: Cell<usize>,
    tail: Cell<usize>,
    callbacks: RefCell<VecDeque<Rc<dyn Scheduled>>>,
    closed: Cell<bool>,
}

/// What stands in the ring for a callback.
pub(crate) const CALLBACK: ClientWord = ClientWord::of_loop(0);

/// What is never in the ring.
pub(crate) const NOTHING: ClientWord = ClientWord::of_loop(1);

const CAPACITY_MIN: usize = 64;

impl ReadyQueue {
    /// Appends a word; ignores it if the queue is closed.
    #[inline]
    pub(crate) fn push_word(&self, word: ClientWord) {
        let slots = self.slots.borrow();
        let tail = self.tail.get();
        let has_room = tail.wrapping_sub(self.head.get()) < slots.len();
        match slots.get(index(tail, slots.len())) {
            Some(slot) if has_room => {
                slot.set(word);
                self.tail.set(tail.wrapping_add(1));
            }
            _ => {
                drop(slots);
                self.make_room_and_push(word);
            }
        }
    }

    /// Appends a callback; drops it if the queue is closed.
    #[inline]
    pub(crate) fn push_callback(&self, callback: Rc<dyn Scheduled>) {
        let before = self.tail.get();
        self.push_word(CALLBACK);
        if self.tail.get() != before {
            self.callbacks.borrow_mut().push_back(callback);
        }
    }

    /// Takes the first entry out, if it is before `end`. Whoever gets [`CALLBACK`] goes on with
    /// [`pop_callback`](Self::pop_callback) at once.
    #[inline]
    pub(crate) fn pop_word(&self, end: usize) -> Option<ClientWord> {
        let head = self.head.get();
        if head == end {
            return None;
        }
        let slots = self.slots.borrow();
        let word = slots.get(index(head, slots.len()))?.get();
        self.head.set(head.wrapping_add(1));
        Some(word)
    }

    /// The entry that has so many ahead of it, if it is before `end`.
    #[inline]
    pub(crate) fn peek_word(&self, ahead: usize, end: usize) -> Option<ClientWord> {
        if self.len_until(end) <= ahead {
            return None;
        }
        let slots = self.slots.borrow();
        let position = self.head.get().wrapping_add(ahead);
        Some(slots.get(index(position, slots.len()))?.get())
    }

    #[inline]
    pub(crate) fn pop_callback(&self) -> Option<Rc<dyn Scheduled>> {
        self.callbacks.borrow_mut().pop_front()
    }

    /// Makes the entry that has `before` ahead of it the first; the others keep their order.
    pub(crate) fn bring_to_front(&self, before: usize) {
        let slots = self.slots.borrow();
        let slot = |nth| &slots[index(self.head.get().wrapping_add(nth), slots.len())];
        let chosen = slot(before).get();
        if chosen == CALLBACK {
            let marks_before = (0..before)
                .filter(|&nth| slot(nth).get() == CALLBACK)
                .count();
            let mut callbacks = self.callbacks.borrow_mut();
            if let Some(callback) = callbacks.remove(marks_before) {
                callbacks.push_front(callback);
            }
        }
        for nth in (0..before).rev() {
            slot(nth + 1).set(slot(nth).get());
        }
        slot(0).set(chosen);
    }

    /// The position behind the last entry.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.tail.get()
    }

    /// How many entries have been taken out so far.
    #[inline]
    pub(crate) fn popped(&self) -> usize {
        self.head.get()
    }

    /// How many entries are before `end`.
    #[inline]
    pub(crate) fn len_until(&self, end: usize) -> usize {
        end.wrapping_sub(self.head.get())
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len_until(self.end())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses every entry from now on, and returns the callbacks that were waiting. Words mean
    /// nothing any more.
    pub(crate) fn close(&self) -> VecDeque<Rc<dyn Scheduled>> {
        self.closed.set(true);
        self.head.set(self.tail.get());
        self.slots.take();
        self.callbacks.take()
    }

    #[cold]
    fn make_room_and_push(&self, word: ClientWord) {
        if self.closed.get() {
            return;
        }
        let before = self.slots.take();
        let capacity = (before.len() * 2).max(CAPACITY_MIN);
        let slots: Box<[_]> = (0..capacity).map(|_| Cell::new(CALLBACK)).collect();
        let mut position = self.head.get();
        while position != self.tail.get() {
            slots[index(position, capacity)].set(before[index(position, before.len())].get());
            position = position.wrapping_add(1);
        }
        self.slots.replace(slots);
        self.push_word(word);
    }
}

/// Where in a ring of this length an entry lies: outside of it, if it has no length.
#[inline]
fn index(position: usize, len: usize) -> usize {
    position & len.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::ClientId;
    use crate::handle::HandleCell;

    fn word(payload: u64) -> ClientWord {
        ClientId::from_index(0).word(payload)
    }

    fn callback() -> Rc<dyn Scheduled> {
        HandleCell::scheduled(|| {}, None, Location::caller())
    }

    fn pop(queue: &ReadyQueue) -> Option<u64> {
        queue.pop_word(queue.end()).map(|word| word.payload())
    }

    #[test]
    fn entries_keep_their_order_while_the_ring_grows_and_turns() {
        let queue = ReadyQueue::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..300 {
            for _ in 0..round % 7 * 5 {
                queue.push_word(word(pushed));
                pushed += 1;
            }
            for _ in 0..round % 5 * 4 {
                if let Some(payload) = pop(&queue) {
                    assert_eq!(payload, popped);
                    popped += 1;
                }
            }
            assert_eq!(queue.len() as u64, pushed - popped);
        }
        assert!(queue.len() > CAPACITY_MIN, "it has grown");
        while let Some(payload) = pop(&queue) {
            assert_eq!(payload, popped);
            popped += 1;
        }
        assert_eq!(pushed, popped);
        assert_eq!(queue.popped() as u64, popped);
    }

    #[test]
    fn positions_may_come_round() {
        let queue = ReadyQueue::default();
        queue.head.set(usize::MAX - 2);
        queue.tail.set(usize::MAX - 2);
        for payload in 0..5 {
            queue.push_word(word(payload));
        }
        assert_eq!(queue.len(), 5);
        assert_eq!([(); 5].map(|()| pop(&queue)), [0, 1, 2, 3, 4].map(Some));
        assert!(queue.is_empty());
    }

    #[test]
    fn nothing_is_popped_from_the_end_on() {
        let queue = ReadyQueue::default();
        queue.push_word(word(1));
        let end = queue.end();
        queue.push_word(word(2));
        assert_eq!(queue.len_until(end), 1);
        assert_eq!(queue.pop_word(end), Some(word(1)));
        assert_eq!(queue.pop_word(end), None);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_callback_goes_with_its_mark_to_the_front() {
        for chosen in 0..5 {
            let queue = ReadyQueue::default();
            let callbacks = [callback(), callback()];
            queue.push_word(word(1));
            queue.push_callback(Rc::clone(&callbacks[0]));
            queue.push_word(word(2));
            queue.push_callback(Rc::clone(&callbacks[1]));
            queue.push_word(word(3));
            queue.bring_to_front(chosen);

            let mut names = Vec::new();
            while let Some(word) = queue.pop_word(queue.end()) {
                names.push(match word {
                    CALLBACK => {
                        let popped = queue.pop_callback().unwrap();
                        let is_it = |it: &Rc<dyn Scheduled>| Rc::ptr_eq(it, &popped);
                        ["first", "second"][callbacks.iter().position(is_it).unwrap()]
                    }
                    word => ["", "1", "2", "3"][word.payload() as usize],
                });
            }
            let mut expected = vec!["1", "first", "2", "second", "3"];
            let front = expected.remove(chosen);
            expected.insert(0, front);
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let queue = ReadyQueue::default();
        let call = callback();
        queue.push_word(word(1));
        queue.push_callback(Rc::clone(&call));
        assert_eq!(queue.close().len(), 1);
        queue.push_word(word(2));
        queue.push_callback(Rc::clone(&call));
        assert!(queue.is_empty());
        assert_eq!(queue.pop_word(queue.end()), None);
        assert_eq!(Rc::strong_count(&call), 1);
    }
}
