//! The small numbers by which loops, their clients and their clients' words are known.
//!
//! A [`LoopId`] fits in 12 bits so that a waker of one machine word can name its loop. A
//! [`ClientWord`] is 64 bits: 8 say which client of the loop it belongs to, and 56 are the
//! client's own.

use std::fmt;

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
pub struct ClientId(pub(crate) u8);

impl ClientId {
    /// How many clients a loop can have.
    pub const COUNT: usize = 255;

    /// The id that is left, which no client has and nobody can make: the loop's own.
    pub(crate) const OF_LOOP: ClientId = ClientId(u8::MAX);

    /// Makes the id with this index; one that was never registered names nobody.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`ClientId::COUNT`].
    #[inline]
    pub fn from_index(index: u8) -> ClientId {
        assert!(
            (index as usize) < ClientId::COUNT,
            "a client's id is below 255"
        );
        ClientId(index)
    }

    /// Gives the index.
    #[inline]
    pub fn index(self) -> u8 {
        self.0
    }

    /// Makes a word of this client; `payload` has 56 bits.
    ///
    /// # Panics
    ///
    /// If `payload` is above [`ClientWord::PAYLOAD_MAX`], where debug assertions are on.
    #[inline]
    pub const fn word(self, payload: u64) -> ClientWord {
        debug_assert!(payload <= ClientWord::PAYLOAD_MAX, "a payload has 56 bits");
        ClientWord((self.0 as u64) << ClientWord::PAYLOAD_BITS | payload)
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
pub struct ClientWord(u64);

impl ClientWord {
    const PAYLOAD_BITS: u32 = 56;

    /// The greatest payload.
    pub const PAYLOAD_MAX: u64 = (1 << Self::PAYLOAD_BITS) - 1;

    /// Gives the client that the word belongs to.
    #[inline]
    pub fn client(self) -> ClientId {
        ClientId((self.0 >> Self::PAYLOAD_BITS) as u8)
    }

    /// Gives what the client put into it.
    #[inline]
    pub fn payload(self) -> u64 {
        self.0 & Self::PAYLOAD_MAX
    }
}

impl fmt::Debug for ClientWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientWord({}, {:#x})", self.client().0, self.payload())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_client_and_its_payload() {
        for client in [0, 1, 127, 254] {
            for payload in [0, 1, 0xdead_beef, ClientWord::PAYLOAD_MAX] {
                let word = ClientId(client).word(payload);
                assert_eq!(word.client(), ClientId(client));
                assert_eq!(word.payload(), payload);
            }
        }
    }

    #[test]
    fn an_id_round_trips_through_its_index() {
        assert_eq!(LoopId::from_index(4095).index(), 4095);
        assert!(std::panic::catch_unwind(|| LoopId::from_index(4096)).is_err());
        assert_eq!(ClientId::from_index(254).index(), 254);
        assert!(std::panic::catch_unwind(|| ClientId::from_index(255)).is_err());
    }
}
