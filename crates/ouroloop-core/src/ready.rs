//! The ready queue: what runs in the next batch, first come, first served.
//!
//! A ring of words, and behind it, when there are very many, a queue for the rest. A word of a client is there as it
//! is; a callback is a mark, and waits in a queue of its own: the marks and the callbacks are in the same order, so the
//! mark that comes up stands for the callback in front. So the many words cost a load and a store, and dropping or
//! moving one means nothing.
//!
//! # Invariants
//!
//! - Positions count up for ever; the entries are those from `head` to `tail`. The one at `position` is in the slot of
//!   that number modulo the length of the ring if it is among the first so many; the others are in `rest`.
//! - There are as many marks as there are callbacks, except between the two halves of a push or a pop, where no user
//!   code runs.
//! - A closed queue is empty, and takes nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::handle::Scheduled;
use crate::{ClientId, ClientWord};

/// The queue. No borrow of it outlives a method, and no user code runs inside one.
pub(crate) struct ReadyQueue {
    ring: Box<Ring>,
    rest: RefCell<VecDeque<ClientWord>>,
    head: Cell<usize>,
    tail: Cell<usize>,
    callbacks: RefCell<VecDeque<Rc<dyn Scheduled>>>,
    closed: Cell<bool>,
}

type Ring = [Cell<ClientWord>; RING];

/// A power of two. A fixed length spares each push and pop the look at it.
const RING: usize = 1024;

/// What stands in the ring for a callback.
pub(crate) const CALLBACK: ClientWord = ClientWord::of_loop(0);

/// What is never in the ring.
pub(crate) const NOTHING: ClientWord = ClientWord::of_loop(1);

impl Default for ReadyQueue {
    fn default() -> ReadyQueue {
        let ring: Box<[_]> = (0..RING).map(|_| Cell::new(NOTHING)).collect();
        ReadyQueue {
            ring: ring.try_into().expect("it has that length"),
            rest: RefCell::default(),
            head: Cell::new(0),
            tail: Cell::new(0),
            callbacks: RefCell::default(),
            closed: Cell::new(false),
        }
    }
}

impl ReadyQueue {
    /// Appends a word; ignores it if the queue is closed.
    #[inline]
    pub(crate) fn push_word(&self, word: ClientWord) {
        if self.closed.get() {
            return;
        }
        let tail = self.tail.get();
        if tail.wrapping_sub(self.head.get()) < RING {
            self.slot(tail).set(word);
        } else {
            self.push_to_rest(word);
        }
        self.tail.set(tail.wrapping_add(1));
    }

    #[cold]
    fn push_to_rest(&self, word: ClientWord) {
        self.rest.borrow_mut().push_back(word);
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
        let word = self.first_word(end)?;
        self.drop_first();
        Some(word)
    }

    /// The same, if it is a word of this client.
    #[inline]
    pub(crate) fn pop_word_of(&self, client: ClientId, end: usize) -> Option<ClientWord> {
        let word = self.first_word(end)?;
        if !word.is_of(client) {
            return None;
        }
        self.drop_first();
        Some(word)
    }

    /// The first entry, if it is before `end`.
    #[inline]
    pub(crate) fn first_word(&self, end: usize) -> Option<ClientWord> {
        let head = self.head.get();
        (head != end).then(|| self.slot(head).get())
    }

    #[inline]
    fn drop_first(&self) {
        let head = self.head.get();
        self.head.set(head.wrapping_add(1));
        if self.tail.get().wrapping_sub(head) > RING {
            self.move_up(self.slot(head));
        }
    }

    /// Moves the first of the rest into the ring, where a slot is free.
    #[cold]
    fn move_up(&self, slot: &Cell<ClientWord>) {
        if let Some(word) = self.rest.borrow_mut().pop_front() {
            slot.set(word);
        }
    }

    /// The entry that has so many ahead of it, if it is before `end`, and one of the first in the queue.
    #[inline]
    pub(crate) fn peek_word(&self, ahead: usize, end: usize) -> Option<ClientWord> {
        let is_there = ahead < self.len_until(end).min(RING);
        is_there.then(|| self.slot(self.head.get().wrapping_add(ahead)).get())
    }

    #[inline]
    fn slot(&self, position: usize) -> &Cell<ClientWord> {
        &self.ring[position % RING]
    }

    #[inline]
    pub(crate) fn pop_callback(&self) -> Option<Rc<dyn Scheduled>> {
        self.callbacks.borrow_mut().pop_front()
    }

    /// Makes the entry that has `before` ahead of it the first; the others keep their order.
    pub(crate) fn bring_to_front(&self, before: usize) {
        if before == 0 {
            return;
        }
        let head = self.head.get();
        let mut rest = self.rest.borrow_mut();
        let mut all: Vec<ClientWord> = Vec::with_capacity(before + 1);
        for nth in 0..=before {
            all.push(match nth.checked_sub(RING) {
                None => self.slot(head.wrapping_add(nth)).get(),
                Some(nth) => rest[nth],
            });
        }
        if all[before] == CALLBACK {
            let marks_before = all[..before]
                .iter()
                .filter(|&&word| word == CALLBACK)
                .count();
            let mut callbacks = self.callbacks.borrow_mut();
            if let Some(callback) = callbacks.remove(marks_before) {
                callbacks.push_front(callback);
            }
        }
        all.rotate_right(1);
        for (nth, word) in all.into_iter().enumerate() {
            match nth.checked_sub(RING) {
                None => self.slot(head.wrapping_add(nth)).set(word),
                Some(nth) => rest[nth] = word,
            }
        }
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
        self.rest.take();
        self.callbacks.take()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
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
    fn entries_keep_their_order_in_the_ring_and_behind_it() {
        let queue = ReadyQueue::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..300 {
            for _ in 0..round % 7 * 50 {
                queue.push_word(word(pushed));
                pushed += 1;
            }
            for _ in 0..round % 5 * 65 {
                if let Some(payload) = pop(&queue) {
                    assert_eq!(payload, popped);
                    popped += 1;
                }
            }
            assert_eq!(queue.len() as u64, pushed - popped);
        }
        assert!(queue.len() > RING, "not all are in the ring");
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
    fn an_entry_behind_the_ring_comes_to_the_front() {
        let queue = ReadyQueue::default();
        let len = RING as u64 + 10;
        (0..len).for_each(|payload| queue.push_word(word(payload)));
        queue.bring_to_front(RING + 5);
        let left: Vec<_> = std::iter::from_fn(|| pop(&queue)).collect();
        let chosen = RING as u64 + 5;
        let others = (0..len).filter(|payload| *payload != chosen);
        assert!(left.into_iter().eq(std::iter::once(chosen).chain(others)));
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
