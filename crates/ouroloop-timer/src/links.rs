//! The links of the slot lists.
//!
//! Slot lists are circular and doubly linked, with the slot itself as the sentinel: the first
//! timer's `prev` and the last one's `next` name the slot. So a timer can be unlinked without
//! knowing which slot it is in, and the timer that is alone in its slot is the one whose two
//! links are equal.

/// Either a timer (its place among the entries) or a slot (wheel and digit), in 32 bits.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link(u32);

/// One slot of one wheel: `node * 64 + digit`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct SlotRef(u32);

/// What a [`Link`] leads to.
pub(crate) enum Target {
    Timer(u32),
    Slot(SlotRef),
}

impl Link {
    /// Leads nowhere; a place-holder in what is not in use.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);

    #[inline]
    pub(crate) const fn timer(place: u32) -> Self {
        debug_assert!(place <= PLACE_MAX);
        Self(place)
    }

    #[inline]
    pub(crate) const fn slot(slot: SlotRef) -> Self {
        Self(slot.0 | SLOT_TAG)
    }

    #[inline]
    pub(crate) const fn target(self) -> Target {
        if self.0 & SLOT_TAG == 0 {
            Target::Timer(self.0)
        } else {
            Target::Slot(SlotRef(self.0 & !SLOT_TAG))
        }
    }
}

impl SlotRef {
    #[inline]
    pub(crate) const fn new(node: u32, digit: u32) -> Self {
        debug_assert!(node <= NODE_MAX);
        debug_assert!(digit < 64);
        Self(node << 6 | digit)
    }

    #[inline]
    pub(crate) const fn node(self) -> u32 {
        self.0 >> 6
    }

    #[inline]
    pub(crate) const fn digit(self) -> u32 {
        self.0 & 63
    }
}

const SLOT_TAG: u32 = 1 << 31;

/// The highest place that a timer may have.
pub(crate) const PLACE_MAX: u32 = SLOT_TAG - 1;

/// The highest number of a wheel. One less than would fit, so that [`Link::NOWHERE`] is no slot.
pub(crate) const NODE_MAX: u32 = (SLOT_TAG >> 6) - 2;
