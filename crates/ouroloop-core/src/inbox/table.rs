//! The static table by which any thread finds a loop's inbox from the loop's id.
//!
//! Entries are made at first use, recycled when their loop is closed, and never freed: a waker
//! that outlives its loop finds another loop's inbox there at worst, or a closed one.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::Inbox;
use crate::{LoopError, LoopId};

static TABLE: [OnceLock<Box<Inbox>>; LoopId::COUNT] = [const { OnceLock::new() }; LoopId::COUNT];

static IDS: Mutex<Ids> = Mutex::new(Ids {
    free: Vec::new(),
    fresh: 0,
    generation: 0,
});

struct Ids {
    free: Vec<u16>,
    /// All ids from here on were never used.
    fresh: u16,
    /// Of the loop that was made last.
    generation: u64,
}

/// Takes a free id, and a generation that no other loop ever has.
pub(crate) fn claim() -> Result<(LoopId, u64), LoopError> {
    let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
    let index = if let Some(index) = ids.free.pop() {
        index
    } else if usize::from(ids.fresh) < LoopId::COUNT {
        ids.fresh += 1;
        ids.fresh - 1
    } else {
        return Err(LoopError::TooManyLoops { max: LoopId::COUNT });
    };
    ids.generation += 1;
    Ok((LoopId::from_index(index), ids.generation))
}

/// Gives an id back. Its inbox must be closed.
pub(crate) fn release(id: LoopId) {
    IDS.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .free
        .push(id.index());
}

/// The inbox with this id; made if it never was used.
pub(crate) fn inbox(id: LoopId) -> &'static Inbox {
    TABLE[usize::from(id.index())].get_or_init(|| Box::new(Inbox::new()))
}
