//! A queue of bytes in one piece of memory, used again and again.
//!
//! Reads of a socket go to [`space`](ByteQueue::space), which is memory that was written before, so
//! none is cleared for each read.

/// Memory beyond this is given back when the queue becomes empty.
const KEEP_MAX: usize = 256 * 1024;

/// Bytes that wait: received and not read, or written and not sent.
#[derive(Default)]
pub(crate) struct ByteQueue {
    /// All of it is initialised; what counts is `start..end`.
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl ByteQueue {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `count` bytes off the front.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "more bytes consumed than there are");
        self.start += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Takes the first `count` bytes out, or all if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.len());
        if count == self.len() && self.len() > KEEP_MAX {
            return self.take_all();
        }
        let taken = self.as_slice()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Takes everything out; much of it without a copy.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        if self.len() <= KEEP_MAX {
            return self.take(self.len());
        }
        let mut memory = std::mem::take(&mut self.memory);
        memory.truncate(self.end);
        memory.drain(..self.start);
        memory.shrink_to_fit();
        self.clear();
        memory
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.memory.len() > KEEP_MAX {
            self.memory = Vec::new();
        }
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// The memory behind the bytes, of `count` bytes: fill it from its front, and say how far.
    pub(crate) fn space(&mut self, count: usize) -> &mut [u8] {
        if self.memory.len() - self.end < count {
            self.make_space(count);
        }
        &mut self.memory[self.end..self.end + count]
    }

    /// Says that `count` bytes of the space were filled.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.memory.len(), "only space can be filled");
    }

    #[cold]
    fn make_space(&mut self, count: usize) {
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end + count;
        if self.memory.len() < needed {
            // The vector doubles its capacity by itself; what it has is used.
            self.memory.reserve(needed - self.memory.len());
            let all = needed.max(self.memory.capacity().min(2 * needed));
            self.memory.resize(all, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_went_in() {
        let mut queue = ByteQueue::default();
        let mut expected = Vec::new();
        let mut taken = Vec::new();
        for round in 0..200_usize {
            let chunk: Vec<u8> = (0..round * 7 % 61).map(|it| (it + round) as u8).collect();
            queue.append(&chunk);
            expected.extend(&chunk);
            taken.extend(queue.take(round * 5 % 47));
        }
        taken.extend(queue.take_all());
        assert_eq!(taken, expected);
        assert!(queue.is_empty());
    }

    #[test]
    fn memory_is_used_again() {
        let mut queue = ByteQueue::default();
        queue.append(&[1; 1000]);
        let before = queue.memory.len();
        for _ in 0..100 {
            queue.consume(900);
            queue.append(&[2; 900]);
        }
        assert!(
            queue.memory.len() <= 2 * before.max(1900),
            "{}",
            queue.memory.len()
        );
    }

    #[test]
    fn much_memory_is_given_back() {
        let mut queue = ByteQueue::default();
        queue.append(&vec![3; 2 * KEEP_MAX]);
        queue.consume(1);
        assert_eq!(queue.take_all(), vec![3; 2 * KEEP_MAX - 1]);
        assert_eq!(queue.memory.capacity(), 0);
        queue.append(&vec![4; 2 * KEEP_MAX]);
        queue.consume(2 * KEEP_MAX);
        assert_eq!(queue.memory.capacity(), 0);
    }

    #[test]
    #[should_panic(expected = "more bytes consumed")]
    fn more_than_there_is_cannot_be_consumed() {
        let mut queue = ByteQueue::default();
        queue.append(b"ab");
        queue.consume(3);
    }
}
