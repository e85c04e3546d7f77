//! The wheels, and the memory that they live in.
//!
//! In here a wheel is called a node, since wheels form a tree: a slot holds a list of timers or a
//! finer wheel. Node 0 is the root; it comes with the first timer and stays.
//!
//! # Invariants
//!
//! - A slot's fields mean something only while its bit in `occupied` is set.
//! - `children` is a subset of `occupied`.
//! - Every node but the root is occupied, except while it is being made, and is the child of the
//!   slot that its `parent` names.
//! - A child's span lies within the slot that holds it, so its level is lower.

use alloc::{collections::BTreeSet, vec::Vec};

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
    /// How many timers were appended to each list since it was empty or last counted, or more
    /// than 65535: an upper bound of its length.
    appended: [u16; 64],
    slots: [Slot; 64],
}

/// The ends of a list, or in `head` a child's number.
#[derive(Copy, Clone)]
pub(crate) struct Slot {
    pub(crate) head: Link,
    pub(crate) tail: Link,
}

impl Nodes {
    pub(crate) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: BTreeSet::new(),
        }
    }

    /// Makes the root if there is none yet.
    #[inline]
    pub(crate) fn ensure_root(&mut self) {
        if self.nodes.is_empty() {
            self.plant_root();
        }
    }

    #[cold]
    fn plant_root(&mut self) {
        // Exactly one: most loops never have so many timers at once that they need a second.
        self.nodes.reserve_exact(1);
        self.nodes
            .push(Node::new(0, LEVEL_MAX, SlotRef::new(ROOT, 0)));
    }

    /// Makes an empty node in place of what `parent` holds.
    pub(crate) fn adopt(&mut self, parent: SlotRef, some_deadline_ns: u64, level: u8) -> u32 {
        debug_assert!(shift(level) < self.node(parent.node()).shift);
        let node = Node::new(some_deadline_ns, level, parent);
        let number = match self.free.pop_first() {
            Some(number) => {
                self.nodes[number as usize] = node;
                number
            }
            None => {
                assert!(self.nodes.len() <= NODE_MAX as usize, "too many timers");
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
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

    /// Marks `slot` as empty, and takes away the nodes that are empty because of it.
    #[inline]
    pub(crate) fn vacate(&mut self, slot: SlotRef) {
        let node = self.node_mut(slot.node());
        debug_assert_eq!(node.children >> slot.digit() & 1, 0);
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
            self.release(number);
            number = parent.node();
        }
    }

    fn release(&mut self, number: u32) {
        let new = self.free.insert(number);
        debug_assert!(new, "a wheel was released twice");
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

    /// The node, if there is one of that number that is in use.
    #[inline]
    pub(crate) fn live(&self, number: u32) -> Option<&Node> {
        self.nodes
            .get(number as usize)
            .filter(|node| node.occupied != 0)
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
    fn new(some_deadline_ns: u64, level: u8, parent: SlotRef) -> Self {
        let vacant = Slot {
            head: Link::NOWHERE,
            tail: Link::NOWHERE,
        };
        Self {
            occupied: 0,
            children: 0,
            base_ns: some_deadline_ns & prefix_mask(level),
            prefix_mask: prefix_mask(level),
            parent,
            shift: shift(level),
            appended: [0; 64],
            slots: [vacant; 64],
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

    /// How far to the right of the deadline the digit lies.
    #[cfg(test)]
    pub(crate) fn digit_shift(&self) -> u8 {
        self.shift
    }

    /// Whether each slot stands for a single nanosecond.
    #[inline]
    pub(crate) fn is_finest(&self) -> bool {
        self.shift == 0
    }

    /// The last timer of a list, or the slot itself if there is none.
    #[inline]
    pub(crate) fn last(&self, slot: SlotRef) -> Link {
        if self.occupied >> slot.digit() & 1 == 0 {
            Link::slot(slot)
        } else {
            self.slot(slot.digit()).tail
        }
    }

    /// Makes `timer` the last of a list, or the only one; returns the bound of the list's length.
    #[inline]
    pub(crate) fn append(&mut self, digit: u32, timer: Link) -> u16 {
        let bit = 1 << digit;
        let list = &mut self.slots[digit as usize];
        let appended = &mut self.appended[digit as usize];
        list.tail = timer;
        if self.occupied & bit == 0 {
            self.occupied |= bit;
            list.head = timer;
            *appended = 1;
        } else {
            *appended = appended.saturating_add(1);
        }
        *appended
    }

    /// Corrects the bound of a list's length.
    pub(crate) fn set_appended(&mut self, digit: u32, count: u16) {
        self.appended[digit as usize] = count;
    }

    #[inline]
    pub(crate) fn slot(&self, digit: u32) -> &Slot {
        &self.slots[digit as usize]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, digit: u32) -> &mut Slot {
        &mut self.slots[digit as usize]
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
