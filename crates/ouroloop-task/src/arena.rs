//! A growable table whose entries are named by index and generation.
//!
//! Scopes and waits link to each other by these names instead of by address, so that one that
//! outlives what it points at finds nothing there, rather than something else.

/// The name of an entry. It never becomes valid again once its entry is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// The name that no entry has.
    pub(crate) const NONE: Key = Key {
        index: NIL,
        generation: 0,
    };

    pub(crate) fn is_none(self) -> bool {
        self.index == NIL
    }
}

/// The index that ends a list.
pub(crate) const NIL: u32 = u32::MAX;

/// How much of a generation goes into a word: a waker has room for no more.
pub(crate) const GENERATION_MASK: u32 = (1 << 20) - 1;

/// Indices stay below this, for the same reason.
pub(crate) const INDEX_MAX: u32 = 1 << 24;

pub(crate) struct Arena<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    live: usize,
}

struct Entry<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Arena {
            entries: Vec::new(),
            free: NIL,
            live: 0,
        }
    }

    /// Adds an entry; `None` when all names are taken.
    #[inline]
    pub(crate) fn try_insert(&mut self, value: T) -> Option<Key> {
        let index = if self.free != NIL {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            debug_assert!(entry.value.is_none());
            self.free = entry.next_free;
            entry.value = Some(value);
            index
        } else {
            let index = self.entries.len() as u32;
            if index >= INDEX_MAX {
                return None;
            }
            self.entries.push(Entry {
                generation: 0,
                next_free: NIL,
                value: Some(value),
            });
            index
        };
        self.live += 1;
        Some(Key {
            index,
            generation: self.entries[index as usize].generation,
        })
    }

    /// Adds an entry.
    ///
    /// # Panics
    ///
    /// With more than 16 million entries.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.try_insert(value)
            .expect("a loop holds at most 16,777,216 waits at a time")
    }

    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        self.live -= 1;
        // A place whose generations are used up is not used again: its names stay stale for good.
        if let Some(generation) = entry.generation.checked_add(1) {
            entry.generation = generation;
            entry.next_free = self.free;
            self.free = key.index;
        }
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        entry.value.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        entry.value.as_mut()
    }

    /// The name that a word stands for, which has part of a generation only. It may be that of
    /// an entry that took the place a million times later.
    #[inline]
    pub(crate) fn resolve(&self, index: u32, low_generation: u32) -> Key {
        match self.entries.get(index as usize) {
            Some(entry) if entry.generation & GENERATION_MASK == low_generation => Key {
                index,
                generation: entry.generation,
            },
            _ => Key::NONE,
        }
    }

    /// The entry at an index that a list holds.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> &T {
        self.entries[index as usize]
            .value
            .as_ref()
            .expect("a list holds live entries only")
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut T {
        self.entries[index as usize]
            .value
            .as_mut()
            .expect("a list holds live entries only")
    }

    /// The full name of the live entry at `index`.
    #[inline]
    pub(crate) fn key_at(&self, index: u32) -> Key {
        Key {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries
            .iter_mut()
            .filter_map(|entry| entry.value.as_mut())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let key = Key {
                    index: index as u32,
                    generation: entry.generation,
                };
                entry.value.as_ref().map(|value| (key, value))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_name_finds_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(second.index, first.index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn removed_places_are_used_again() {
        let mut arena = Arena::new();
        for round in 0..1000 {
            let key = arena.insert(round);
            arena.remove(key);
        }
        assert_eq!(arena.entries.len(), 1);
        assert_eq!(arena.len(), 0);
    }
}
