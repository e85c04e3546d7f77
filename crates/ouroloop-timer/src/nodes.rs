//! The wheels, and the memory that they live in.
//!
//! In here a wheel is called a node, since wheels form a tree: a slot holds a list of timers or a
//! finer wheel. Node 0 is the root; it comes with the first timer and stays.
//!
//! # Invariants
//!
//! - A slot's bit in `occupied` is set if it holds anything. If not, its list is empty: both ends
//!   name the slot itself.
//! - `children` is a subset of `occupied`.
//! - Every node but the root is occupied, except while it is being made, and is the child of the
//!   slot that its `parent` names.
//! - A child's span lies within the slot that holds it, so its level is lower.

use alloc::{collections::BTreeSet, vec::Vec};
use core::{array, mem};

use crate::{
    level::{LEVEL_MAX, prefix_mask, shift},
    links::{Link, NODE_MAX, SlotRef, Target},
};

pub(crate) const ROOT: u32 = 0;

/// All wheels of a [`TimerWheel`](crate::TimerWheel). Free numbers are used lowest first, so that
/// the upper end falls free and can be given back.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    free: BTreeSet<u32>,
    /// Where the last timer was filed: the next one often goes to the same wheel. In use always,
    /// as soon as there is a root.
    last_filed: u32,
}

/// One wheel of 64 slots.
pub(crate) struct Node {
    /// Which slots hold anything.
    pub(crate) occupied: u64,
    /// Which slots hold a finer wheel.
    pub(crate) children: u64,
    /// The start of the span.
    pub(crate) base_ns: u64,
    prefix_mask: u64,
    /// The slot that this wheel refines; the root has none.
    pub(crate) parent: SlotRef,
    shift: u8,
    /// How many timers were appended to each list since it was last counted, for as long as the
    /// owner counts, or more than 65535: an upper bound of its length.
    appended: [u16; 64],
    slots: [Slot; 64],
}

/// The ends of a list, or in `head` a child's number.
#[derive(Copy, Clone)]
pub(crate) struct Slot {
    pub(crate) head: Link,
    pub(crate) tail: Link,
}

impl Slot {
    fn empty(slot: SlotRef) -> Self {
        Self {
            head: Link::slot(slot),
            tail: Link::slot(slot),
        }
    }
}

impl Nodes {
    pub(crate) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: BTreeSet::new(),
            last_filed: ROOT,
        }
    }

    /// The slot where a timer of this deadline goes, if that is in the wheel where the last one
    /// went, and no finer one is there.
    #[inline]
    pub(crate) fn guess(&self, deadline_ns: u64) -> Option<SlotRef> {
        let node = self.nodes.get(self.last_filed as usize)?;
        let digit = node.digit(deadline_ns);
        (node.covers(deadline_ns) && node.children >> digit & 1 == 0)
            .then(|| SlotRef::new(self.last_filed, digit))
    }

    pub(crate) fn guess_from_now_on(&mut self, number: u32) {
        self.last_filed = number;
    }

    /// Makes the root if there is none yet.
    pub(crate) fn ensure_root(&mut self) {
        if !self.nodes.is_empty() {
            return;
        }
        // Exactly one: most loops never have so many timers at once that they need a second.
        self.nodes.reserve_exact(1);
        self.nodes
            .push(Node::new(ROOT, 0, LEVEL_MAX, SlotRef::new(ROOT, 0)));
    }

    /// Makes an empty node in place of what `parent` holds.
    pub(crate) fn adopt(&mut self, parent: SlotRef, some_deadline_ns: u64, level: u8) -> u32 {
        debug_assert!(shift(level) < self.node(parent.node()).shift);
        let free = self.free.pop_first();
        let number = free.unwrap_or(self.nodes.len() as u32);
        assert!(number <= NODE_MAX, "too many timers");
        let node = Node::new(number, some_deadline_ns, level, parent);
        match self.nodes.get_mut(number as usize) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        self.set_child(parent, number);
        number
    }

    /// Makes the node `child` what `slot` holds.
    pub(crate) fn set_child(&mut self, slot: SlotRef, child: u32) {
        let node = self.node_mut(slot.node());
        node.occupied |= 1 << slot.digit();
        node.children |= 1 << slot.digit();
        *node.slot_mut(slot.digit()) = Slot {
            head: Link::timer(child),
            tail: Link::NOWHERE,
        };
        self.node_mut(child).parent = slot;
    }

    /// Forgets the list of a slot, and takes away the nodes that are empty because of it.
    #[inline]
    pub(crate) fn empty(&mut self, slot: SlotRef) {
        let node = self.node_mut(slot.node());
        debug_assert_eq!(node.children >> slot.digit() & 1, 0);
        *node.slot_mut(slot.digit()) = Slot::empty(slot);
        node.occupied &= !(1 << slot.digit());
        if node.occupied == 0 && slot.node() != ROOT {
            self.prune(slot.node());
        }
    }

    #[cold]
    fn prune(&mut self, mut number: u32) {
        while number != ROOT && self.node(number).occupied == 0 {
            let parent = self.node(number).parent;
            let node = self.node_mut(parent.node());
            debug_assert_eq!(node.child(parent.digit()), Some(number));
            node.occupied &= !(1 << parent.digit());
            node.children &= !(1 << parent.digit());
            *node.slot_mut(parent.digit()) = Slot::empty(parent);
            self.release(number);
            number = parent.node();
        }
    }

    fn release(&mut self, number: u32) {
        let new = self.free.insert(number);
        debug_assert!(new, "a wheel was released twice");
        if self.last_filed == number {
            self.last_filed = ROOT;
        }
        while self.free.remove(&((self.nodes.len() - 1) as u32)) {
            self.nodes.pop();
        }
        if self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    #[inline]
    pub(crate) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, number: u32) -> &mut Node {
        &mut self.nodes[number as usize]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, slot: SlotRef) -> &mut Slot {
        self.node_mut(slot.node()).slot_mut(slot.digit())
    }

    /// How many wheels are in use.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// How many wheels there is memory for.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity()
    }
}

impl Node {
    fn new(number: u32, some_deadline_ns: u64, level: u8, parent: SlotRef) -> Self {
        Self {
            occupied: 0,
            children: 0,
            base_ns: some_deadline_ns & prefix_mask(level),
            prefix_mask: prefix_mask(level),
            parent,
            shift: shift(level),
            appended: [0; 64],
            slots: array::from_fn(|digit| Slot::empty(SlotRef::new(number, digit as u32))),
        }
    }

    /// Whether the deadline is within the span of this wheel.
    #[inline]
    pub(crate) fn covers(&self, deadline_ns: u64) -> bool {
        (deadline_ns ^ self.base_ns) & self.prefix_mask == 0
    }

    /// Which slot is for this deadline.
    #[inline]
    pub(crate) fn digit(&self, deadline_ns: u64) -> u32 {
        (deadline_ns >> self.shift) as u32 & 63
    }

    /// The slot with the earliest deadlines. The wheel must not be empty.
    #[inline]
    pub(crate) fn first_digit(&self) -> u32 {
        debug_assert_ne!(self.occupied, 0);
        self.occupied.trailing_zeros() & 63
    }

    /// The earliest deadline that a slot is for.
    #[inline]
    pub(crate) fn first_ns(&self, digit: u32) -> u64 {
        self.base_ns | u64::from(digit) << self.shift
    }

    /// The latest deadline that a slot is for.
    #[inline]
    pub(crate) fn last_ns(&self, digit: u32) -> u64 {
        self.first_ns(digit) | ((1 << self.shift) - 1)
    }

    /// Whether each slot stands for a single nanosecond.
    #[inline]
    pub(crate) fn is_finest(&self) -> bool {
        self.shift == 0
    }

    /// Makes `timer` the last of a list; returns the one that was, or the slot itself.
    #[inline]
    pub(crate) fn append(&mut self, digit: u32, timer: Link) -> Link {
        let list = self.slot_mut(digit);
        let last = mem::replace(&mut list.tail, timer);
        if let Target::Slot(_) = last.target() {
            list.head = timer;
            self.occupied |= 1 << digit;
        }
        last
    }

    /// Counts a timer that was appended to a list; returns the bound of the list's length.
    #[inline]
    pub(crate) fn count_appended(&mut self, digit: u32) -> u16 {
        let appended = &mut self.appended[digit as usize & 63];
        *appended = appended.saturating_add(1);
        *appended
    }

    /// Corrects the bound of a list's length.
    pub(crate) fn set_appended(&mut self, digit: u32, count: u16) {
        self.appended[digit as usize] = count;
    }

    #[inline]
    pub(crate) fn slot(&self, digit: u32) -> &Slot {
        &self.slots[digit as usize & 63]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, digit: u32) -> &mut Slot {
        &mut self.slots[digit as usize & 63]
    }

    /// The finer wheel in that slot, if there is one.
    #[inline]
    pub(crate) fn child(&self, digit: u32) -> Option<u32> {
        if self.children >> digit & 1 == 0 {
            return None;
        }
        match self.slot(digit).head.target() {
            Target::Timer(number) => Some(number),
            Target::Slot(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_takes_680_bytes() {
        assert_eq!(size_of::<Node>(), 680);
    }
}
