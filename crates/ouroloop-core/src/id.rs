//! The small numbers by which loops, their clients and their clients' words are known.
//!
//! A [`LoopId`] fits in 12 bits so that a waker of one machine word can name its loop. A
//! [`ClientWord`] is 64 bits: 8 say which client of the loop it belongs to, and 56 are the
//! client's own.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU64};

/// Names an open loop within the process, in 12 bits.
///
/// Ids are recycled: after a loop is closed, its id may name another one. So an id is a way to
/// find a loop quickly, never a proof that it is the same loop still.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{LoopId, running_loop_id};
/// use ouroloop::get_running_loop;
///
/// ouroloop::run(async {
///     let id: LoopId = get_running_loop().unwrap().id();
///     assert_eq!(running_loop_id(), Some(id));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct LoopId(u16);

impl LoopId {
    /// How many ids there are.
    pub const COUNT: usize = 1 << 12;

    /// Makes the id with this index.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`LoopId::COUNT`].
    #[inline]
    pub fn from_index(index: u16) -> LoopId {
        assert!((index as usize) < LoopId::COUNT, "a loop id has 12 bits");
        LoopId(index)
    }

    /// Gives the index, below [`LoopId::COUNT`].
    #[inline]
    pub fn index(self) -> u16 {
        self.0
    }
}

/// Names a [`Client`](crate::Client) within its loop: what
/// [`register_client`](crate::LoopRef::register_client) gives.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::ClientId;
///
/// let word = ClientId::from_index(3).word(42);
/// assert_eq!((word.client().index(), word.payload()), (3, 42));
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct ClientId(
    /// One more than the index.
    NonZeroU8,
);

impl ClientId {
    /// How many clients a loop can have.
    pub const COUNT: usize = 254;

    /// The id that is left, which no client has and nobody can make: the loop's own.
    pub(crate) const OF_LOOP: ClientId = ClientId(NonZeroU8::MAX);

    /// Makes the id with this index; one that was never registered names nobody.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`ClientId::COUNT`].
    #[inline]
    pub fn from_index(index: u8) -> ClientId {
        assert!(
            (index as usize) < ClientId::COUNT,
            "a client's id is below 254"
        );
        ClientId(NonZeroU8::MIN.saturating_add(index))
    }

    /// Gives the index.
    #[inline]
    pub fn index(self) -> u8 {
        self.0.get() - 1
    }

    /// Makes a word of this client; `payload` has 56 bits.
    ///
    /// # Panics
    ///
    /// If `payload` is above [`ClientWord::PAYLOAD_MAX`], where debug assertions are on.
    #[inline]
    pub fn word(self, payload: u64) -> ClientWord {
        debug_assert!(payload <= ClientWord::PAYLOAD_MAX, "a payload has 56 bits");
        ClientWord(NonZeroU64::from(self.0) | payload << ClientWord::CLIENT_BITS)
    }
}

/// A client's entry in the ready queue, the timers or the inbox: the client in 8 bits, and 56 of its own.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{ClientId, ClientWord};
///
/// let word: ClientWord = ClientId::from_index(0).word(ClientWord::PAYLOAD_MAX);
/// assert_eq!(word.payload(), (1 << 56) - 1);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Hash)]
pub struct ClientWord(
    /// The payload above, the client below: it is the shorter way to either.
    NonZeroU64,
);

impl ClientWord {
    const CLIENT_BITS: u32 = 8;

    /// The greatest payload.
    pub const PAYLOAD_MAX: u64 = u64::MAX >> Self::CLIENT_BITS;

    /// A word of the loop's own.
    pub(crate) const fn of_loop(payload: u64) -> ClientWord {
        match NonZeroU64::new(payload << Self::CLIENT_BITS | ClientId::OF_LOOP.0.get() as u64) {
            Some(word) => ClientWord(word),
            None => unreachable!(),
        }
    }

    /// Gives the client that the word belongs to.
    #[inline]
    pub fn client(self) -> ClientId {
        match NonZeroU8::new(self.0.get() as u8) {
            Some(id) => ClientId(id),
            None => unreachable!(),
        }
    }

    /// Whether the word belongs to that client.
    #[inline]
    pub(crate) fn is_of(self, client: ClientId) -> bool {
        self.0.get() as u8 == client.0.get()
    }

    /// Gives what the client put into it.
    #[inline]
    pub fn payload(self) -> u64 {
        self.0.get() >> Self::CLIENT_BITS
    }
}

impl fmt::Debug for ClientWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ClientWord({}, {:#x})",
            self.client().index(),
            self.payload()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_client_and_its_payload() {
        for client in [0, 1, 127, 253].map(ClientId::from_index) {
            for payload in [0, 1, 0xdead_beef, ClientWord::PAYLOAD_MAX] {
                let word = client.word(payload);
                assert_eq!(word.client(), client);
                assert!(word.is_of(client) && !word.is_of(ClientId::OF_LOOP));
                assert_eq!(word.payload(), payload);
            }
        }
    }

    #[test]
    fn an_id_round_trips_through_its_index() {
        assert_eq!(LoopId::from_index(4095).index(), 4095);
        assert!(std::panic::catch_unwind(|| LoopId::from_index(4096)).is_err());
        assert_eq!(ClientId::from_index(253).index(), 253);
        assert!(std::panic::catch_unwind(|| ClientId::from_index(254)).is_err());
    }
}
