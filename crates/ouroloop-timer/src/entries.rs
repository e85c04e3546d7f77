//! The memory that timers live in.
//!
//! A timer keeps its place from insertion to the end, since its key and its neighbours in the slot
//! list name it by place. Places come in chunks, so growing moves nothing, and a chunk whose timers
//! are all gone is given back. The lowest chunk with room is filled first, which lets the upper
//! ones fall empty.
//!
//! # Invariants
//!
//! - A place is vacant exactly if its `value` is `None`; then `next` links the chunk's free list.
//! - `roomy` has a bit for every chunk that has memory and room. `current` is the lowest of them,
//!   and is beyond all chunks if there is none.
//! - A chunk without memory is in `released`. At most one chunk, `spare`, has memory and no timer.

use alloc::{collections::BTreeSet, vec::Vec};
use core::num::NonZeroU32;

use crate::{
    key::TimerKey,
    links::{Link, PLACE_MAX, Target},
};

pub(crate) struct Entries<T> {
    chunks: Vec<Chunk<T>>,
    roomy: Vec<u64>,
    current: usize,
    released: BTreeSet<u32>,
    /// The chunk that was last seen to fall empty; it may have been filled again since.
    spare: usize,
    len: usize,
    next_generation: NonZeroU32,
}

/// A timer, or a vacant place.
pub(crate) struct Entry<T> {
    pub(crate) deadline_ns: u64,
    value: Option<T>,
    pub(crate) next: Link,
    pub(crate) prev: Link,
    generation: NonZeroU32,
}

/// A timer that was taken out, with the neighbours that it had in its list.
pub(crate) struct Taken<T> {
    pub(crate) value: T,
    pub(crate) prev: Link,
    pub(crate) next: Link,
}

struct Chunk<T> {
    entries: Vec<Entry<T>>,
    free: Link,
    live: u32,
}

impl<T> Entries<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            roomy: Vec::new(),
            current: 0,
            released: BTreeSet::new(),
            spare: 0,
            len: 0,
            next_generation: NonZeroU32::MIN,
        }
    }

    /// An empty store that takes up no memory and continues the generations of this one.
    pub(crate) fn successor(&self) -> Self {
        Self {
            next_generation: self.next_generation,
            ..Self::new()
        }
    }

    /// Stores a timer with the links that it will have in its list.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        deadline_ns: u64,
        value: T,
        prev: Link,
        next: Link,
    ) -> TimerKey {
        let generation = self.next_generation;
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.len += 1;

        // A place that was used before, in most cases.
        if let Some(chunk) = self.chunks.get_mut(self.current) {
            if let Target::Timer(place) = chunk.free.target() {
                let entry = &mut chunk.entries[place as usize & CHUNK_MASK];
                debug_assert!(entry.value.is_none());
                chunk.free = entry.next;
                chunk.live += 1;
                entry.deadline_ns = deadline_ns;
                entry.value = Some(value);
                entry.next = next;
                entry.prev = prev;
                entry.generation = generation;
                if chunk.live == CHUNK_LEN {
                    self.current_is_full();
                }
                return TimerKey { place, generation };
            }
        }
        let place = self.append(Entry {
            deadline_ns,
            value: Some(value),
            next,
            prev,
            generation,
        });
        TimerKey { place, generation }
    }

    /// Stores a timer in a place that was never used.
    #[inline(never)]
    fn append(&mut self, entry: Entry<T>) -> u32 {
        if self.current >= self.chunks.len() {
            self.make_room();
        }
        let chunk = &mut self.chunks[self.current];
        let place = (self.current << CHUNK_BITS | chunk.entries.len()) as u32;
        chunk.entries.push(entry);
        chunk.live += 1;
        if chunk.live == CHUNK_LEN {
            self.current_is_full();
        }
        place
    }

    /// Takes out the timer that the key names, unless it is gone.
    #[inline]
    pub(crate) fn take(&mut self, key: TimerKey) -> Option<Taken<T>> {
        let index = key.place as usize >> CHUNK_BITS;
        let chunk = self.chunks.get_mut(index)?;
        let taken = chunk.take(key.place, |entry| entry.generation == key.generation)?;
        let live = chunk.live;
        self.count_removed(index, live);
        Some(taken)
    }

    /// Takes out a timer.
    #[inline]
    pub(crate) fn remove(&mut self, place: u32) -> Taken<T> {
        let index = place as usize >> CHUNK_BITS;
        let chunk = &mut self.chunks[index];
        let taken = chunk.take(place, |_| true);
        let live = chunk.live;
        self.count_removed(index, live);
        taken.expect("only live timers are removed")
    }

    #[inline]
    fn count_removed(&mut self, index: usize, live: u32) {
        self.len -= 1;
        if live == CHUNK_LEN - 1 {
            self.has_room_again(index);
        } else if live == 0 && self.spare != index {
            self.chunk_fell_empty(index);
        }
    }

    /// The place of the timer that the key names, unless it is gone.
    #[inline]
    pub(crate) fn find(&self, key: TimerKey) -> Option<u32> {
        let chunk = self.chunks.get(key.place as usize >> CHUNK_BITS)?;
        let entry = chunk.entries.get(key.place as usize & CHUNK_MASK)?;
        (entry.generation == key.generation && entry.value.is_some()).then_some(key.place)
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> &Entry<T> {
        &self.chunks[place as usize >> CHUNK_BITS].entries[place as usize & CHUNK_MASK]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> &mut Entry<T> {
        &mut self.chunks[place as usize >> CHUNK_BITS].entries[place as usize & CHUNK_MASK]
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many timers there is memory for. Walks over the chunks.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.iter().map(|c| c.entries.capacity()).sum()
    }

    #[cold]
    fn current_is_full(&mut self) {
        self.roomy[self.current / 64] &= !(1 << (self.current % 64));
        self.find_current(self.current / 64);
    }

    /// Makes the lowest chunk with room the current one. Looks at one bit for each 128 timers at
    /// worst, from the word in `roomy` on before which there is no bit.
    fn find_current(&mut self, from: usize) {
        let found = (from..)
            .zip(&self.roomy[from..])
            .find(|(_, word)| **word != 0);
        self.current = match found {
            Some((index, word)) => index * 64 + word.trailing_zeros() as usize,
            None => self.chunks.len(),
        };
    }

    #[cold]
    fn has_room_again(&mut self, index: usize) {
        self.roomy[index / 64] |= 1 << (index % 64);
        self.current = self.current.min(index);
    }

    #[cold]
    fn make_room(&mut self) {
        let index = match self.released.pop_first() {
            Some(index) => index as usize,
            None => self.chunks.len(),
        };
        // `PLACE_MAX` itself stays free: it stands for no place.
        assert!(index < PLACE_MAX as usize >> CHUNK_BITS, "too many timers");
        if index == self.chunks.len() {
            self.chunks.push(Chunk::RELEASED);
            self.roomy.resize(self.chunks.len().div_ceil(64), 0);
        }
        if index > 0 {
            // The first chunk grows from a few places on, for the many loops with few timers.
            self.chunks[index].entries.reserve_exact(CHUNK_LEN as usize);
        }
        self.roomy[index / 64] |= 1 << (index % 64);
        self.current = index;
    }

    /// Keeps the lower one of two empty chunks, so that one timer more or less at the edge of a
    /// chunk does not allocate each time.
    #[cold]
    fn chunk_fell_empty(&mut self, index: usize) {
        let other = self.spare;
        let other_is_empty = self
            .chunks
            .get(other)
            .is_some_and(|chunk| chunk.live == 0 && chunk.entries.capacity() != 0);
        if other_is_empty {
            self.spare = index.min(other);
            self.release(index.max(other));
        } else {
            self.spare = index;
        }
    }

    fn release(&mut self, index: usize) {
        debug_assert_eq!(self.chunks[index].live, 0);
        self.chunks[index] = Chunk::RELEASED;
        self.roomy[index / 64] &= !(1 << (index % 64));
        self.released.insert(index as u32);

        while self
            .released
            .remove(&(self.chunks.len().wrapping_sub(1) as u32))
        {
            self.chunks.pop();
        }
        self.roomy.truncate(self.chunks.len().div_ceil(64));
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(self.chunks.len() * 2);
            self.roomy.shrink_to(self.roomy.len() * 2);
        }
        if self.current >= index {
            self.find_current(0);
        }
    }
}

impl<T> Chunk<T> {
    /// Takes out the timer at a place, if it is the one, and leaves the place vacant.
    #[inline]
    fn take(&mut self, place: u32, is_it: impl FnOnce(&Entry<T>) -> bool) -> Option<Taken<T>> {
        let entry = self.entries.get_mut(place as usize & CHUNK_MASK)?;
        if !is_it(entry) {
            return None;
        }
        let taken = Taken {
            value: entry.value.take()?,
            prev: entry.prev,
            next: entry.next,
        };
        entry.next = self.free;
        self.free = Link::timer(place);
        self.live -= 1;
        Some(taken)
    }

    const RELEASED: Self = Self {
        entries: Vec::new(),
        free: Link::NOWHERE,
        live: 0,
    };
}

const CHUNK_BITS: u32 = 7;
const CHUNK_LEN: u32 = 1 << CHUNK_BITS;
const CHUNK_MASK: usize = CHUNK_LEN as usize - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<T>(entries: &mut Entries<T>, value: T) -> TimerKey {
        entries.insert(0, value, Link::NOWHERE, Link::NOWHERE)
    }

    #[test]
    fn a_timer_takes_24_bytes_and_its_value() {
        assert_eq!(size_of::<Entry<&u8>>(), 32);
        assert_eq!(size_of::<Entry<u64>>(), 40);
        assert_eq!(size_of::<Option<TimerKey>>(), 8);
    }

    #[test]
    fn one_timer_at_the_edge_of_a_chunk_keeps_the_spare() {
        let mut entries = Entries::new();
        for n in 0..CHUNK_LEN {
            insert(&mut entries, n);
        }
        let over = insert(&mut entries, CHUNK_LEN).place;
        let capacity = entries.capacity();
        for _ in 0..3 {
            assert_eq!(entries.remove(over).value, CHUNK_LEN);
            assert_eq!(entries.capacity(), capacity);
            assert_eq!(insert(&mut entries, CHUNK_LEN).place, over);
        }
    }

    #[test]
    fn chunks_in_the_middle_are_given_back_and_used_again_from_below() {
        let mut entries = Entries::new();
        let chunk_len = CHUNK_LEN as usize;
        for n in 0..chunk_len * 200 {
            insert(&mut entries, n);
        }
        assert_eq!(entries.capacity(), chunk_len * 200);
        for place in chunk_len..chunk_len * 199 {
            entries.remove(place as u32);
        }
        assert_eq!(entries.len(), chunk_len * 2);
        assert_eq!(entries.capacity(), chunk_len * 3);
        for n in 0..chunk_len * 2 {
            let place = insert(&mut entries, n).place as usize;
            assert!((chunk_len..chunk_len * 3).contains(&place));
        }
    }

    #[test]
    fn generations_skip_zero_when_they_come_round() {
        let mut entries = Entries::new();
        entries.next_generation = NonZeroU32::MAX;
        assert_eq!(insert(&mut entries, ()).generation, NonZeroU32::MAX);
        assert_eq!(insert(&mut entries, ()).generation, NonZeroU32::MIN);
    }
}
