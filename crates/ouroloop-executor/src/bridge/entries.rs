//! A table whose numbers are not mistaken for one another when they are used again.

/// How many bits of a number say where it is; the rest, of 56, is a generation.
const INDEX_BITS: u32 = 28;
const GENERATION_MASK: u64 = (1 << (56 - INDEX_BITS)) - 1;

pub(super) struct Entries<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u64,
    entry: Option<T>,
}

impl<T> Default for Entries<T> {
    fn default() -> Entries<T> {
        Entries {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Entries<T> {
    pub(super) fn insert(&mut self, entry: T) -> u64 {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None => {
                self.slots.push(Slot {
                    generation: 0,
                    entry: None,
                });
                self.slots.len() - 1
            }
        };
        assert!(
            index < 1 << INDEX_BITS,
            "more futures than a word can count"
        );
        let slot = &mut self.slots[index];
        slot.entry = Some(entry);
        index as u64 | slot.generation << INDEX_BITS
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let slot = self.slots.get(index_of(number))?;
        slot.entry.as_ref().filter(|_| slot.is(number))
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(index_of(number))?;
        if !slot.is(number) {
            return None;
        }
        slot.entry.as_mut()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let slot = self.slots.get_mut(index_of(number))?;
        if !slot.is(number) {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push(index_of(number) as u32);
        Some(entry)
    }

    /// Takes any entry out. The table is of no use afterwards but for this.
    pub(super) fn pop(&mut self) -> Option<T> {
        loop {
            if let Some(entry) = self.slots.pop()?.entry {
                return Some(entry);
            }
        }
    }
}

impl<T> Slot<T> {
    fn is(&self, number: u64) -> bool {
        self.generation == number >> INDEX_BITS
    }
}

fn index_of(number: u64) -> usize {
    (number & ((1 << INDEX_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_back_finds_nothing() {
        let mut entries = Entries::default();
        let first = entries.insert("a");
        assert_eq!(entries.remove(first), Some("a"));
        let second = entries.insert("b");
        assert_ne!(first, second);
        assert_eq!(entries.get(first), None);
        assert_eq!(entries.remove(first), None);
        assert_eq!(entries.get(second), Some(&"b"));
    }

    #[test]
    fn numbers_fit_into_a_word_when_generations_wrap() {
        let mut entries = Entries::default();
        let number = entries.insert(0);
        entries.remove(number);
        entries.slots[0].generation = GENERATION_MASK;
        let last = entries.insert(1);
        assert!(last < 1 << 56);
        entries.remove(last);
        assert_eq!(entries.insert(2), 0);
    }

    #[test]
    fn all_entries_can_be_popped() {
        let mut entries = Entries::default();
        let numbers: Vec<_> = (0..4).map(|n| entries.insert(n)).collect();
        entries.remove(numbers[1]);
        let mut popped: Vec<_> = std::iter::from_fn(|| entries.pop()).collect();
        popped.sort_unstable();
        assert_eq!(popped, [0, 2, 3]);
    }
}
