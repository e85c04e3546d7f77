//! Registered descriptors: callbacks of `add_reader` and `add_writer`, and [`IoSource`]s.
//!
//! asyncio's readers are level-triggered, the selector is edge-triggered. So after each call of a
//! reader its descriptor is armed again before the next poll, which reports it again if it is
//! still ready. Sources remember their readiness instead, until their user says that it is used up.
//!
//! # Invariants
//!
//! - A descriptor has one owner: either callbacks or one source.
//! - A slot's generation changes with each owner, so an event that was meant for an earlier one is
//!   recognised, and dropped, even when the number of the descriptor is the same again.
//! - The table is never borrowed while user code runs, destructors and wakers included.

mod fd_handle;
mod source;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::rc::Rc;

use slab::Slab;

pub(crate) use fd_handle::FdHandle;
pub use source::IoSource;
pub(crate) use source::SourceState;

use crate::{Interest, LoopError, Token};

/// The loop's table of descriptors.
#[derive(Default)]
pub(crate) struct IoTable {
    entries: Slab<Entry>,
    by_fd: HashMap<RawFd, usize>,
    /// Of the entry that was made last.
    generation: u32,
    /// What is to be armed again before the next poll.
    rearm: Vec<Token>,
}

struct Entry {
    fd: RawFd,
    generation: u32,
    owner: Owner,
}

/// Who gets the events of a descriptor.
#[derive(Clone)]
pub(crate) enum Owner {
    Callbacks(Callbacks),
    Source(Rc<SourceState>),
}

#[derive(Clone, Default)]
pub(crate) struct Callbacks {
    pub(crate) reader: Option<Rc<FdHandle>>,
    pub(crate) writer: Option<Rc<FdHandle>>,
}

#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Callbacks {
    fn slot(&mut self, direction: Direction) -> &mut Option<Rc<FdHandle>> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    /// `None` if nobody is left.
    fn interest(&self) -> Option<Interest> {
        match (self.reader.is_some(), self.writer.is_some()) {
            (false, false) => None,
            (readable, writable) => Some(Interest { readable, writable }),
        }
    }
}

impl IoTable {
    /// Makes an entry for a descriptor that has none.
    pub(crate) fn insert(&mut self, fd: RawFd, owner: Owner) -> Result<Token, LoopError> {
        if self.by_fd.contains_key(&fd) {
            return Err(LoopError::AlreadyRegistered { fd });
        }
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let index = self.entries.insert(Entry {
            fd,
            generation,
            owner,
        });
        self.by_fd.insert(fd, index);
        Ok(token(index, generation))
    }

    /// Takes an entry out; later events for it are out of date.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Owner> {
        self.entry(token)?;
        let entry = self.entries.remove(token.slot as usize);
        self.by_fd.remove(&entry.fd);
        Some(entry.owner)
    }

    /// The owner that an event goes to; `None` if the event is out of date.
    pub(crate) fn owner(&self, token: Token) -> Option<Owner> {
        self.entry(token).map(|entry| entry.owner.clone())
    }

    /// The callbacks of a descriptor, with their token.
    ///
    /// # Errors
    ///
    /// If a source owns it.
    pub(crate) fn callbacks(
        &mut self,
        fd: RawFd,
    ) -> Result<Option<(Token, &mut Callbacks)>, LoopError> {
        let Some(&index) = self.by_fd.get(&fd) else {
            return Ok(None);
        };
        let entry = &mut self.entries[index];
        match &mut entry.owner {
            Owner::Callbacks(callbacks) => Ok(Some((token(index, entry.generation), callbacks))),
            Owner::Source(_) => Err(LoopError::AlreadyRegistered { fd }),
        }
    }

    /// Puts a callback in, or takes it out, and returns the one that was there.
    pub(crate) fn exchange(
        &mut self,
        token: Token,
        direction: Direction,
        new: Option<Rc<FdHandle>>,
    ) -> Option<Rc<FdHandle>> {
        match self.entries.get_mut(token.slot as usize) {
            Some(Entry {
                generation,
                owner: Owner::Callbacks(callbacks),
                ..
            }) if *generation == token.generation => {
                std::mem::replace(callbacks.slot(direction), new)
            }
            _ => new,
        }
    }

    /// What the selector has to know of an entry: `None` if it is gone or nobody is interested.
    pub(crate) fn registration(&self, token: Token) -> Option<(RawFd, Interest)> {
        let entry = self.entry(token)?;
        let interest = match &entry.owner {
            Owner::Callbacks(callbacks) => callbacks.interest()?,
            Owner::Source(_) => Interest::BOTH,
        };
        Some((entry.fd, interest))
    }

    pub(crate) fn rearm_later(&mut self, token: Token) {
        // A reader and a writer of one descriptor run one after the other and need one call.
        if self.rearm.last() != Some(&token) {
            self.rearm.push(token);
        }
    }

    pub(crate) fn has_rearms(&self) -> bool {
        !self.rearm.is_empty()
    }

    pub(crate) fn pop_rearm(&mut self) -> Option<Token> {
        self.rearm.pop()
    }

    /// Takes any entry out; for closing.
    pub(crate) fn pop_any(&mut self) -> Option<(RawFd, Owner)> {
        let (index, entry) = self.entries.iter().next()?;
        let (fd, token) = (entry.fd, token(index, entry.generation));
        self.remove(token).map(|owner| (fd, owner))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, token: Token) -> Option<&Entry> {
        self.entries
            .get(token.slot as usize)
            .filter(|entry| entry.generation == token.generation)
    }
}

fn token(index: usize, generation: u32) -> Token {
    // A table of 2^32 - 1 descriptors would need more than the kernel gives.
    Token {
        slot: u32::try_from(index).expect("slots are descriptors, and fit"),
        generation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h01_a_slot_that_is_used_again_has_another_generation() {
        let mut table = IoTable::default();
        let first = table
            .insert(5, Owner::Callbacks(Callbacks::default()))
            .unwrap();
        assert!(table.remove(first).is_some());
        let second = table
            .insert(5, Owner::Callbacks(Callbacks::default()))
            .unwrap();
        assert_eq!(first.slot, second.slot);
        assert_ne!(first.generation, second.generation);
        assert!(table.owner(first).is_none());
        assert!(table.remove(first).is_none());
        assert!(table.owner(second).is_some());
    }

    #[test]
    fn a_descriptor_has_one_entry() {
        let mut table = IoTable::default();
        table
            .insert(5, Owner::Callbacks(Callbacks::default()))
            .unwrap();
        let again = table.insert(5, Owner::Callbacks(Callbacks::default()));
        assert!(matches!(again, Err(LoopError::AlreadyRegistered { fd: 5 })));
        assert_eq!(table.len(), 1);
    }
}
