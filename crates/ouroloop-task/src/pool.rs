//! A growable table whose entries are named by index and generation, and never move.
//!
//! Scopes and waits link to each other by these names instead of by address, so that one that
//! outlives what it points at finds nothing there, rather than something else. An entry consists of
//! cells: it is looked at and changed through a shared reference, and stays where it is until the
//! pool goes, so nothing is borrowed while a user's code runs.
//!
//! # Invariants
//!
//! - A generation is odd exactly while its entry is in use, so the name of an entry, which is odd,
//!   is equal to the generation that is there exactly while that entry lives.
//! - The entries below `len` are initialized, and no others. `len` never goes down.
//! - The chunks that hold entries below `len` are there. One that is there is neither moved nor freed before the pool
//!   is dropped.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// The name of an entry: 24 bits of index, and above them 30 of generation, so that it fits into a word
/// of the ready queue as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key(u64);

impl Key {
    /// The name that no entry has.
    pub(crate) const NONE: Key = Key(NIL as u64);

    /// Another name that no entry has, for a number from 1.
    pub(crate) const fn special(number: u32) -> Key {
        Key((number as u64) << INDEX_BITS | NIL as u64)
    }

    /// Whether it is one of the names that no entry has.
    #[inline]
    pub(crate) fn is_special(self) -> bool {
        self.index() == NIL
    }

    /// The bits that a name has.
    pub(crate) const MASK: u64 = (1 << (INDEX_BITS + GENERATION_BITS)) - 1;

    /// The low bits of a name, for which a waker has room.
    pub(crate) const WAKER_MASK: u64 = (1 << 44) - 1;

    #[inline]
    fn new(index: u32, generation: u32) -> Key {
        Key(u64::from(generation) << INDEX_BITS | u64::from(index))
    }

    /// The name that a word of the ready queue stands for: none if nothing in use has such a name. Words can be forged.
    #[inline]
    pub(crate) fn from_word(word: u64) -> Key {
        match word >> INDEX_BITS & 1 {
            0 => Key::NONE,
            _ => Key(word & Key::MASK),
        }
    }

    /// The same of a word that has nothing above its name. Nothing is changed in it, so it may be the name of an entry
    /// that is not in use.
    #[inline]
    pub(crate) fn from_step_word(word: u64) -> Key {
        debug_assert_eq!(word & !Key::MASK, 0);
        Key(word)
    }

    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.0 as u32 & NIL
    }

    #[inline]
    fn generation(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }

    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self == Key::NONE
    }
}

/// An entry by its name and its place, which finds it sooner than the name alone.
#[derive(Debug)]
pub(crate) struct Bookmark<T> {
    key: Key,
    place: NonNull<T>,
}

impl<T: Entry> Bookmark<T> {
    /// For an entry with its name.
    #[inline]
    pub(crate) fn new(key: Key, entry: &T) -> Bookmark<T> {
        Bookmark {
            key,
            place: NonNull::from(entry),
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The entry, if its use has not ended.
    ///
    /// # Safety
    ///
    /// Its pool lives as long as the loan.
    #[inline]
    pub(crate) unsafe fn get(&self) -> Option<&T> {
        // SAFETY: an entry stays where it is until its pool goes, and is referred to by shared references alone.
        let entry = unsafe { self.place.as_ref() };
        (entry.generation().get() == self.key.generation()).then_some(entry)
    }
}

impl<T> Clone for Bookmark<T> {
    fn clone(&self) -> Bookmark<T> {
        Bookmark {
            key: self.key,
            place: self.place,
        }
    }
}

const INDEX_BITS: u32 = 24;

const GENERATION_BITS: u32 = 30;

const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// The index that ends a list, and that no entry has.
pub(crate) const NIL: u32 = (1 << INDEX_BITS) - 1;

/// The first chunk. It has the indexes of so many bits; each further one those with one bit more, so that the number of
/// a chunk is that of the highest bit of the indexes in it.
const FIRST_CHUNK: usize = 2;

/// The last chunk has the number before.
const CHUNKS: usize = INDEX_BITS as usize;

/// What a pool holds: cells that are as good as new when an entry is taken into use.
pub(crate) trait Entry: Default {
    /// Which use of the entry this is; the pool's.
    fn generation(&self) -> &Cell<u32>;

    /// The link that chains free entries. It is of no use to an entry that is not in use.
    fn next_free(&self) -> &Cell<u32>;
}

pub(crate) struct Pool<T> {
    /// Where the entry of index zero would be if all chunks were where this one is; null if the chunk is not there.
    origins: [Cell<*mut T>; CHUNKS],
    len: Cell<u32>,
    free: Cell<u32>,
}

impl<T: Entry> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool {
            origins: [const { Cell::new(ptr::null_mut()) }; CHUNKS],
            len: Cell::new(0),
            free: Cell::new(NIL),
        }
    }

    /// Takes an entry into use; `None` when all names are taken. It is as it was left, or new.
    #[inline]
    pub(crate) fn try_insert(&self) -> Option<(Key, &T)> {
        let free = self.free.get();
        if free == NIL {
            return self.insert_new();
        }
        let slot = self.slot(free)?;
        self.free.set(slot.next_free().get());
        let generation = slot.generation().get() + 1;
        slot.generation().set(generation);
        Some((Key::new(free, generation), slot))
    }

    /// Takes an entry into use.
    ///
    /// # Panics
    ///
    /// With more than 16 million entries.
    #[inline]
    pub(crate) fn insert(&self) -> (Key, &T) {
        self.try_insert()
            .expect("a loop holds at most 16,777,215 waits at a time")
    }

    #[cold]
    fn insert_new(&self) -> Option<(Key, &T)> {
        let index = self.len.get();
        if index >= NIL {
            return None;
        }
        let chunk = chunk_of(index);
        if self.origins[chunk].get().is_null() {
            self.add_chunk(chunk);
        }
        // SAFETY: its chunk is there.
        let place = unsafe { self.place(index) };
        let entry = T::default();
        entry.generation().set(1);
        // SAFETY: `place` is in a chunk that is there by now, and not initialized before: nothing
        // is overwritten, and nobody has a reference to it.
        unsafe { place.write(entry) };
        self.len.set(index + 1);
        Some((Key::new(index, 1), self.slot(index)?))
    }

    fn add_chunk(&self, chunk: usize) {
        let layout = chunk_layout::<T>(chunk);
        // SAFETY: an entry has a generation, so the layout is not of size zero.
        let memory = unsafe { alloc(layout) }.cast::<T>();
        if memory.is_null() {
            handle_alloc_error(layout);
        }
        self.origins[chunk].set(memory.wrapping_sub(first_index(chunk)));
    }

    /// The place of the entry at `index`.
    ///
    /// # Safety
    ///
    /// Its chunk is there.
    #[inline]
    unsafe fn place(&self, index: u32) -> NonNull<T> {
        debug_assert!(!self.origins[chunk_of(index)].get().is_null());
        // SAFETY: an index has no more bits than there are chunks for.
        let origin = unsafe { self.origins.get_unchecked(chunk_of(index)) };
        let place = origin.get().wrapping_add(index as usize);
        // SAFETY: within the chunk, which is there by the callers' word.
        unsafe { NonNull::new_unchecked(place) }
    }

    /// The entry at an index, if there is one, in use or not.
    #[inline]
    pub(crate) fn get_at(&self, index: u32) -> Option<&T> {
        self.slot(index)
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&T> {
        if index >= self.len.get() {
            return None;
        }
        // SAFETY: entries below `len` have their chunk.
        let place = unsafe { self.place(index) };
        // SAFETY: entries below `len` are initialized, stay where they are as long as the pool that
        // `&self` borrows, and are referred to by shared references alone.
        Some(unsafe { place.as_ref() })
    }

    /// Ends the use of an entry, which the name is of, and whose cells the caller has emptied.
    #[inline]
    pub(crate) fn remove(&self, key: Key, entry: &T) {
        debug_assert!(
            self.get(key)
                .is_some_and(|found| std::ptr::eq(found, entry))
        );
        // A place whose generations are used up is not used again: its names stay stale for good.
        if key.generation() < GENERATION_MAX {
            entry.generation().set(key.generation() + 1);
            entry.next_free().set(self.free.get());
            self.free.set(key.index());
        } else {
            entry.generation().set(0);
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slot(key.index())?;
        (slot.generation().get() == key.generation()).then_some(slot)
    }

    /// The name that the word of a waker stands for, which has part of a generation only. It may be that of
    /// an entry that took the place half a million times later.
    #[inline]
    pub(crate) fn resolve(&self, word: u64) -> Key {
        let index = Key(word).index();
        match self.slot(index) {
            Some(slot) => {
                let key = Key::new(index, slot.generation().get());
                let same = (key.0 ^ word) & Key::WAKER_MASK == 0;
                // An entry that is not in use has no name.
                if same && key.generation() % 2 == 1 {
                    key
                } else {
                    Key::NONE
                }
            }
            None => Key::NONE,
        }
    }

    /// How many entries there are, in use or not.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get() as usize
    }

    /// Has the entry at an index loaded into the cache, if there is one.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32) -> Option<&T> {
        let slot = self.slot(index)?;
        prefetch(slot, size_of::<T>());
        Some(slot)
    }

    /// The entry at an index that a list holds.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> &T {
        match self.slot(index) {
            Some(slot) => slot,
            None => unreachable!("a list holds entries only"),
        }
    }

    /// The full name of the live entry at `index`.
    #[inline]
    pub(crate) fn key_at(&self, index: u32) -> Key {
        let generation = match self.slot(index) {
            Some(slot) => slot.generation().get(),
            None => 0,
        };
        Key::new(index, generation)
    }

    /// The names of all entries in use.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        (0..self.len.get())
            .map(|index| self.key_at(index))
            .filter(|key| key.generation() % 2 == 1)
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        let len = self.len.get() as usize;
        for (chunk, origin) in self.origins.iter().enumerate().skip(FIRST_CHUNK) {
            let (first, origin) = (first_index(chunk), origin.get());
            if origin.is_null() {
                break;
            }
            for index in first..len.min(first + chunk_len(chunk)) {
                // SAFETY: below `len`, so it is initialized, and `&mut self` says that nobody else
                // refers to it.
                unsafe { origin.wrapping_add(index).drop_in_place() };
            }
            let memory = origin.wrapping_add(first).cast();
            // SAFETY: allocated by `add_chunk` with this layout, and not freed before.
            unsafe { dealloc(memory, chunk_layout::<T>(chunk)) };
        }
    }
}

/// Has so many bytes loaded into the cache, while other things are done.
#[inline]
pub(crate) fn prefetch<T>(place: *const T, bytes: usize) {
    /// Bytes that are loaded together.
    const LINE: usize = 64;
    for offset in (0..bytes).step_by(LINE) {
        let line = place.cast::<i8>().wrapping_add(offset);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a hint, which is ignored where there is nothing at this address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = line;
    }
}

/// The chunk that an index is in.
#[inline]
fn chunk_of(index: u32) -> usize {
    (index | 1 << FIRST_CHUNK).ilog2() as usize
}

/// The first index of a chunk.
fn first_index(chunk: usize) -> usize {
    match chunk {
        FIRST_CHUNK => 0,
        _ => 1 << chunk,
    }
}

fn chunk_len(chunk: usize) -> usize {
    (2 << chunk) - first_index(chunk)
}

fn chunk_layout<T>(chunk: usize) -> Layout {
    Layout::array::<T>(chunk_len(chunk)).expect("16 million entries fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Number {
        generation: Cell<u32>,
        next_free: Cell<u32>,
        value: Cell<Option<Box<u32>>>,
    }

    impl Entry for Number {
        fn generation(&self) -> &Cell<u32> {
            &self.generation
        }

        fn next_free(&self) -> &Cell<u32> {
            &self.next_free
        }
    }

    fn insert(pool: &Pool<Number>, value: u32) -> Key {
        let (key, entry) = pool.insert();
        entry.value.set(Some(Box::new(value)));
        key
    }

    fn remove(pool: &Pool<Number>, key: Key) {
        pool.remove(key, pool.get(key).expect("it is in use"));
    }

    fn value(pool: &Pool<Number>, key: Key) -> Option<u32> {
        let cell = &pool.get(key)?.value;
        let value = cell.take();
        let number = value.as_deref().copied();
        cell.set(value);
        number
    }

    #[test]
    fn a_stale_name_finds_nothing() {
        let pool = Pool::new();
        let first = insert(&pool, 1);
        remove(&pool, first);
        assert!(pool.get(first).is_none());
        let second = insert(&pool, 2);
        assert_eq!(second.index(), first.index());
        assert_eq!((value(&pool, first), value(&pool, second)), (None, Some(2)));
        assert_eq!(pool.keys().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn a_word_finds_what_is_in_use_only() {
        let pool = Pool::new();
        let first = insert(&pool, 1);
        assert_eq!(pool.resolve(first.word() & Key::WAKER_MASK), first);
        remove(&pool, first);
        for generation in 0..4 {
            let word = Key::new(first.index(), generation).word();
            assert!(pool.resolve(word).is_none(), "{generation}");
        }
        assert!(pool.resolve(Key::new(7, 1).word()).is_none());
        assert!(pool.resolve(Key::NONE.word()).is_none());
        assert!(pool.get(Key::from_word(u64::MAX)).is_none());
        let free = pool.key_at(first.index());
        assert!(pool.get(Key::from_word(free.word())).is_none());
    }

    #[test]
    fn removed_places_are_used_again_and_entries_stay_where_they_are() {
        let pool = Pool::new();
        let first = insert(&pool, 7);
        let entry = pool.at(first.index());
        let others: Vec<_> = (0..1000).map(|number| insert(&pool, number)).collect();
        assert!(std::ptr::eq(entry, pool.at(first.index())));
        assert_eq!(value(&pool, others[999]), Some(999));
        for key in others {
            remove(&pool, key);
        }
        let len = pool.len.get();
        for number in 0..1000 {
            insert(&pool, number);
        }
        assert_eq!(pool.len.get(), len);
        assert_eq!(value(&pool, first), Some(7));
    }

    #[test]
    fn the_chunks_have_all_indexes_once() {
        let mut next = 0;
        for chunk in FIRST_CHUNK..CHUNKS {
            let (first, last) = (
                first_index(chunk),
                first_index(chunk) + chunk_len(chunk) - 1,
            );
            assert_eq!(first, next);
            assert_eq!(chunk_of(first as u32), chunk);
            assert_eq!(chunk_of(last as u32), chunk);
            next = last + 1;
        }
        assert_eq!(next, 1 << INDEX_BITS);
    }

    #[test]
    fn a_place_whose_generations_are_used_up_is_left() {
        let pool = Pool::new();
        let first = insert(&pool, 1);
        pool.slot(first.index())
            .expect("it is there")
            .generation()
            .set(GENERATION_MAX);
        let last = pool.key_at(first.index());
        remove(&pool, last);
        assert!(pool.get(last).is_none());
        assert_ne!(insert(&pool, 2).index(), first.index());
    }
}
