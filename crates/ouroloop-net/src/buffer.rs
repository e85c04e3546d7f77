//! Queues of bytes, each in one piece of memory; and the memory, which the sockets of a loop share.
//!
//! A socket has memory while bytes wait in it, and during a read; when it has to wait itself it gives the memory
//! back. So a thousand idle connections need none, and those that are busy read into memory that is in the cache
//! of the processor, because the one before has just used it.
//!
//! Reads go to [`space`](ByteQueue::space), which is memory that was written before, so none is cleared
//! for each read.

use std::cell::Cell;
use std::mem;

use memchr::memchr;

/// Memory beyond this is given back to the system when it is not needed.
const KEEP_MAX: usize = 256 * 1024;

/// Less than this is not worth keeping for another one.
const KEEP_MIN: usize = 4 * 1024;

/// Up to so many bytes, those that are left over are moved to memory of their own.
const MOVE_MAX: usize = 16 * 1024;

/// Memory that nobody needs now, for the next one who needs some: one piece, since those who take
/// turns need no more. All of it is initialised.
#[derive(Default)]
pub(crate) struct Spare(Cell<Vec<u8>>);

impl Spare {
    #[inline]
    fn take(&self) -> Vec<u8> {
        self.0.take()
    }

    #[inline]
    fn give(&self, memory: Vec<u8>) {
        if (KEEP_MIN..=KEEP_MAX).contains(&memory.len()) {
            drop(self.0.replace(memory));
        }
    }
}

/// Bytes that wait: received and not read, or written and not sent.
#[derive(Default)]
pub(crate) struct ByteQueue {
    /// All of it is initialised; what counts is `start..end`.
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl ByteQueue {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `count` bytes off the front.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "more bytes consumed than there are");
        self.start += count;
    }

    /// Takes the first `count` bytes out, or all if there are fewer; much without a copy.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.len());
        if count > KEEP_MAX && count == self.len() {
            return self.take_memory();
        }
        let taken = self.as_slice()[..count].to_vec();
        self.start += count;
        taken
    }

    /// Takes a line out, with its `\n`, if all of it is there and at most `limit` bytes come before the `\n`.
    #[inline]
    pub(crate) fn take_line(&mut self, limit: usize) -> Option<Vec<u8>> {
        let bytes = self.as_slice();
        let at = memchr(b'\n', bytes)?;
        if at > limit {
            return None;
        }
        let line = bytes[..=at].to_vec();
        self.start += line.len();
        Some(line)
    }

    /// Drops everything, the memory too.
    pub(crate) fn clear(&mut self) {
        *self = ByteQueue::default();
    }

    pub(crate) fn append(&mut self, bytes: &[u8], spare: &Spare) {
        self.space(bytes.len(), spare).copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// The memory behind the bytes, of `count` bytes: fill it from its front, and say how far.
    #[inline]
    pub(crate) fn space(&mut self, count: usize, spare: &Spare) -> &mut [u8] {
        if self.memory.is_empty() {
            self.memory = spare.take();
        }
        if self.memory.len() - self.end < count {
            self.make_space(count, spare);
        }
        &mut self.memory[self.end..self.end + count]
    }

    /// Says that `count` bytes of the space were filled.
    #[inline]
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.memory.len(), "only space can be filled");
    }

    /// Gives the memory back if nothing is in it.
    #[inline]
    pub(crate) fn rest_if_empty(&mut self, spare: &Spare) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            spare.give(mem::take(&mut self.memory));
        }
    }

    /// Gives memory back that is large for what is in it: there will be nothing more for a while.
    #[inline]
    pub(crate) fn rest(&mut self, spare: &Spare) {
        let len = self.len();
        if len == 0 {
            self.rest_if_empty(spare);
        } else if len <= MOVE_MAX && 4 * len < self.memory.len() {
            let own = self.as_slice().to_vec();
            spare.give(mem::replace(&mut self.memory, own));
            (self.start, self.end) = (0, len);
        }
    }

    #[cold]
    fn take_memory(&mut self) -> Vec<u8> {
        let mut memory = mem::take(&mut self.memory);
        memory.truncate(self.end);
        memory.drain(..self.start);
        memory.shrink_to_fit();
        self.clear();
        memory
    }

    fn make_space(&mut self, count: usize, spare: &Spare) {
        let len = self.len();
        if self.memory.len() - len < count {
            self.exchange(spare);
        }
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, len);
        }
        let needed = len + count;
        if self.memory.len() < needed {
            // The vector doubles its capacity by itself; what it has is used.
            self.memory.reserve(needed - self.memory.len());
            let all = needed.max(self.memory.capacity().min(2 * needed));
            self.memory.resize(all, 0);
        }
    }

    /// Moves to the spare memory, if that is larger.
    fn exchange(&mut self, spare: &Spare) {
        let mut memory = spare.take();
        let len = self.len();
        if memory.len() > self.memory.len() {
            memory[..len].copy_from_slice(self.as_slice());
            mem::swap(&mut self.memory, &mut memory);
            (self.start, self.end) = (0, len);
        }
        spare.give(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory is spare.
    fn left(spare: &Spare) -> usize {
        let memory = spare.take();
        let len = memory.len();
        spare.give(memory);
        len
    }

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_went_in() {
        let spare = Spare::default();
        let mut queue = ByteQueue::default();
        let mut expected = Vec::new();
        let mut taken = Vec::new();
        for round in 0..200_usize {
            let chunk: Vec<u8> = (0..round * 7 % 61).map(|it| (it + round) as u8).collect();
            queue.append(&chunk, &spare);
            expected.extend(&chunk);
            taken.extend(queue.take(round * 5 % 47));
            match round % 5 {
                0 => queue.rest_if_empty(&spare),
                1 => queue.rest(&spare),
                _ => {}
            }
        }
        taken.extend(queue.take(usize::MAX));
        assert_eq!(taken, expected);
        assert!(queue.is_empty());
    }

    #[test]
    fn memory_is_used_again() {
        let spare = Spare::default();
        let mut queue = ByteQueue::default();
        queue.append(&[1; 1000], &spare);
        let before = queue.memory.len();
        for _ in 0..100 {
            queue.consume(900);
            queue.append(&[2; 900], &spare);
        }
        assert!(
            queue.memory.len() <= 2 * before.max(1900),
            "{}",
            queue.memory.len()
        );
    }

    #[test]
    fn who_has_nothing_has_no_memory_and_the_next_one_gets_it() {
        let spare = Spare::default();
        let (mut first, mut second) = (ByteQueue::default(), ByteQueue::default());
        first.append(&[1; 5000], &spare);
        first.consume(5000);
        let memory = first.memory.as_ptr();
        first.rest(&spare);
        assert_eq!(first.memory.capacity(), 0);
        second.append(&[2; 1000], &spare);
        assert_eq!(second.memory.as_ptr(), memory);
        assert_eq!(left(&spare), 0);
    }

    #[test]
    fn a_little_that_is_left_over_does_not_hold_much_memory() {
        let spare = Spare::default();
        let mut queue = ByteQueue::default();
        queue.append(&[1; 10_000], &spare);
        queue.append(b"rest", &spare);
        queue.consume(10_000);
        queue.rest(&spare);
        assert_eq!(queue.memory.capacity(), 4);
        let large = left(&spare);
        assert!(large >= 10_004, "{large}");
        // It comes back when more is to be read; what was used meanwhile is too small to be kept.
        queue.append(&[2; 1000], &spare);
        assert_eq!(queue.memory.len(), large);
        assert_eq!(left(&spare), 0);
        assert_eq!(queue.take(5), b"rest\x02");
    }

    #[test]
    fn much_that_is_left_over_is_not_moved_each_time() {
        let spare = Spare::default();
        let mut queue = ByteQueue::default();
        queue.append(&vec![1; 8 * MOVE_MAX], &spare);
        queue.consume(7 * MOVE_MAX - 1);
        let memory = queue.memory.as_ptr();
        queue.rest(&spare);
        assert_eq!(queue.memory.as_ptr(), memory);
    }

    #[test]
    fn much_memory_is_given_back() {
        let spare = Spare::default();
        let mut queue = ByteQueue::default();
        queue.append(&vec![3; 2 * KEEP_MAX], &spare);
        queue.consume(1);
        assert_eq!(queue.take(usize::MAX), vec![3; 2 * KEEP_MAX - 1]);
        assert_eq!(queue.memory.capacity(), 0);
        queue.append(&vec![4; 2 * KEEP_MAX], &spare);
        queue.consume(2 * KEEP_MAX);
        queue.rest(&spare);
        assert_eq!(queue.memory.capacity(), 0);
        assert_eq!(left(&spare), 0);
    }

    #[test]
    #[should_panic(expected = "more bytes consumed")]
    fn more_than_there_is_cannot_be_consumed() {
        let mut queue = ByteQueue::default();
        queue.append(b"ab", &Spare::default());
        queue.consume(3);
    }
}
