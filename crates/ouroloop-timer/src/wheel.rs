//! The wheel itself: what is filed where, and what comes first.
//!
//! # Invariants
//!
//! - The place of a deadline follows from the tree of wheels alone: from the root, the slot of its
//!   digit, until a slot has no finer wheel. So equal deadlines are always in the same list.
//! - Lists are in order of insertion. Dealing a list out over a finer wheel goes through it from
//!   the front and appends, so it stays that way.
//! - `first` is the oldest of the timers with the earliest deadline, or `UNKNOWN`. `NONE` says that
//!   there was no timer; there may be one by now if its deadline is the last moment there is.

use alloc::vec::Vec;
use core::{fmt, mem};

use crate::{
    entries::{Entries, Taken},
    key::TimerKey,
    level::telling_apart,
    links::{Link, PLACE_MAX, SlotRef, Target},
    nodes::{Nodes, ROOT},
};

mod drain;
mod due;
#[cfg(test)]
mod invariants;

pub use drain::Drain;
use due::Due;

/// Values with deadlines, given back in order of (deadline, age).
///
/// See the [crate's page](crate) for how it works and for an example.
///
/// A timer takes up 24 bytes and an `Option` of its value: 32 for a `Box` or `Rc`, 40 for a `u64`.
/// The wheels that refine crowded slots have 680 bytes each. An empty `TimerWheel` has allocated
/// nothing, and one with few timers has a single wheel.
pub struct TimerWheel<T> {
    entries: Entries<T>,
    nodes: Nodes,
    first: First,
    /// Room for what is taken out of lists at one go; empty but while that is under way.
    noted: Vec<First>,
    noted_back: Vec<First>,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct First {
    place: u32,
    deadline_ns: u64,
}

impl First {
    /// No deadline is before it.
    const UNKNOWN: Self = Self {
        place: PLACE_MAX,
        deadline_ns: 0,
    };

    /// Every deadline but one is before it.
    const NONE: Self = Self {
        place: PLACE_MAX,
        deadline_ns: u64::MAX,
    };
}

impl<T> TimerWheel<T> {
    /// Makes an empty wheel, without allocating.
    ///
    /// There is no time to start at: the wheel compares deadlines with each other and with the
    /// `now_ns` of each call, and any origin of time will do.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let wheel: TimerWheel<fn()> = TimerWheel::new();
    /// assert!(wheel.is_empty());
    /// assert_eq!(wheel.capacity(), 0);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Entries::new(),
            nodes: Nodes::new(),
            first: First::NONE,
            noted: Vec::new(),
            noted_back: Vec::new(),
        }
    }

    /// Sets a timer, in constant time on average.
    ///
    /// One call in thousands deals a slot with so many timers out over a finer wheel.
    ///
    /// The deadline may lie in the past; the timer is then due at once, and takes its turn by its
    /// deadline like any other.
    ///
    /// # Ordering
    ///
    /// Of two timers with equal deadlines, the one inserted first fires first.
    ///
    /// # Panics
    ///
    /// If the wheel holds 2^31 timers, which take up 64 GiB at least.
    ///
    /// # Differences from asyncio
    ///
    /// asyncio keeps timers in a heap, which leaves the order of equal deadlines open.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// wheel.insert(u64::MAX, "in 584 years");
    /// wheel.insert(0, "long ago");
    /// assert_eq!(wheel.pop_due(1_000), Some("long ago"));
    /// assert_eq!(wheel.pop_due(1_000), None);
    /// ```
    #[inline]
    pub fn insert(&mut self, deadline_ns: u64, value: T) -> TimerKey {
        let slot = self.slot_for(deadline_ns);
        let node = self.nodes.node_mut(slot.node());
        let last = node.slot_mut(slot.digit()).tail;
        let key = self
            .entries
            .insert(deadline_ns, value, last, Link::slot(slot));
        node.append(slot.digit(), Link::timer(key.place));
        if let Target::Timer(last) = last.target() {
            self.entries.get_mut(last).next = Link::timer(key.place);
        }
        // As long as there are few timers, no list is long.
        if self.entries.len() >= usize::from(CROWD)
            && node.count_appended(slot.digit()) >= CROWD
            && !node.is_finest()
        {
            self.list_may_be_long(slot);
        }

        // Not on equality: the older one goes first.
        if deadline_ns < self.first.deadline_ns {
            self.first = First {
                place: key.place,
                deadline_ns,
            };
        }
        key
    }

    /// Takes a timer out before it fires, in constant time, and gives its value back.
    ///
    /// `None` if it has fired or was cancelled before.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// let key = wheel.insert(10, "timeout");
    /// assert_eq!(wheel.cancel(key), Some("timeout"));
    /// assert_eq!(wheel.cancel(key), None);
    /// ```
    #[inline]
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let taken = self.entries.take(key)?;
        if self.first.place == key.place {
            self.forget_first();
        }
        Some(self.unlink(taken))
    }

    /// Returns the deadline of a timer that has not fired and was not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// let key = wheel.insert(10, ());
    /// assert_eq!(wheel.deadline(key), Some(10));
    /// wheel.cancel(key);
    /// assert_eq!(wheel.deadline(key), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn deadline(&self, key: TimerKey) -> Option<u64> {
        let place = self.entries.find(key)?;
        Some(self.entries.get(place).deadline_ns)
    }

    /// Returns the earliest deadline, exactly.
    ///
    /// A loop sleeps until then; virtual time jumps there. This is where timers are dealt out over
    /// finer wheels, which is why it takes `&mut self`. Each timer goes through that at most ten
    /// times in its life, and most that are cancelled while others come before them not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// assert_eq!(wheel.next_deadline(), None);
    /// wheel.insert(1_000_000_007, ());
    /// wheel.insert(1_000_000_008, ());
    /// assert_eq!(wheel.next_deadline(), Some(1_000_000_007));
    /// ```
    #[inline]
    pub fn next_deadline(&mut self) -> Option<u64> {
        Some(self.find_first()?.deadline_ns)
    }

    /// Takes out the first timer whose deadline is `now_ns` or earlier.
    ///
    /// The wheel is not borrowed while the caller runs what it got, so that may set and cancel
    /// timers. A timer that it sets in the past comes up in the same round; a loop that must not
    /// be held up by that collects what is due before it runs any of it, as asyncio's does.
    ///
    /// # Ordering
    ///
    /// By deadline, however late the call comes; those with equal deadlines by age.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// wheel.insert(30, "c");
    /// wheel.insert(10, "a");
    /// wheel.insert(10, "b");
    /// while let Some(name) = wheel.pop_due(20) {
    ///     if name == "a" {
    ///         wheel.insert(15, "set by a");
    ///     }
    /// }
    /// assert_eq!(wheel.len(), 1);
    /// ```
    #[inline]
    pub fn pop_due(&mut self, now_ns: u64) -> Option<T> {
        let first = self.find_first()?;
        if first.deadline_ns > now_ns {
            return None;
        }
        Some(self.take_first(first))
    }

    /// Takes out the first timer, due or not, with its deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// wheel.insert(20, "b");
    /// wheel.insert(10, "a");
    /// assert_eq!(wheel.pop_first(), Some((10, "a")));
    /// ```
    #[inline]
    pub fn pop_first(&mut self) -> Option<(u64, T)> {
        let first = self.find_first()?;
        Some((first.deadline_ns, self.take_first(first)))
    }

    /// Hands everything whose deadline is `now_ns` or earlier to `fire`.
    ///
    /// If `fire` panics, the timer it was called with is gone and the others are as they were.
    ///
    /// # Ordering
    ///
    /// As [`pop_due`](Self::pop_due).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// for deadline in [50, 10, 30, 20, 40] {
    ///     wheel.insert(deadline, deadline);
    /// }
    /// let mut fired = Vec::new();
    /// wheel.expire(30, |deadline| fired.push(deadline));
    /// assert_eq!(fired, [10, 20, 30]);
    /// ```
    #[inline]
    pub fn expire(&mut self, now_ns: u64, mut fire: impl FnMut(T)) {
        if self.first.deadline_ns > now_ns {
            return;
        }
        let mut due = Due::gather(self, now_ns);
        while let Some(value) = due.next() {
            fire(value);
        }
    }

    /// Takes out all timers, due or not, in the order in which they would have fired.
    ///
    /// Timers that are left when the iterator is dropped stay in the wheel.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// wheel.insert(2, "b");
    /// wheel.insert(1, "a");
    /// assert!(wheel.drain().eq(["a", "b"]));
    /// ```
    pub fn drain(&mut self) -> Drain<'_, T> {
        Drain::new(self)
    }

    /// Drops all timers and gives all memory back.
    ///
    /// Keys from before name nothing afterwards, as if each timer had been cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// let key = wheel.insert(1, "a");
    /// wheel.clear();
    /// assert!(wheel.is_empty());
    /// wheel.insert(1, "b");
    /// assert_eq!(wheel.cancel(key), None);
    /// ```
    pub fn clear(&mut self) {
        // The wheel is whole again before anybody's destructor can panic.
        let entries = self.entries.successor();
        let old = mem::replace(
            self,
            Self {
                entries,
                ..Self::new()
            },
        );
        drop(old);
    }

    /// Returns how many timers are set.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no timer is set.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many timers the wheel has memory for at the moment.
    ///
    /// The memory of timers that are gone is used again, and given back in chunks of 128 whose
    /// timers are all gone. For statistics: the call takes time in proportion to its answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_timer::TimerWheel;
    ///
    /// let mut wheel = TimerWheel::new();
    /// let keys: Vec<_> = (0..10_000).map(|n| wheel.insert(n, n)).collect();
    /// assert!((10_000..10_128).contains(&wheel.capacity()));
    /// for key in keys {
    ///     wheel.cancel(key);
    /// }
    /// assert!(wheel.capacity() <= 128);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// The slot whose list a timer of this deadline belongs to.
    #[inline]
    fn slot_for(&mut self, deadline_ns: u64) -> SlotRef {
        match self.nodes.guess(deadline_ns) {
            Some(slot) => slot,
            None => self.search_slot(deadline_ns),
        }
    }

    #[inline(never)]
    fn search_slot(&mut self, deadline_ns: u64) -> SlotRef {
        self.nodes.ensure_root();
        let mut at = ROOT;
        loop {
            let node = self.nodes.node(at);
            let digit = node.digit(deadline_ns);
            let mut slot = SlotRef::new(at, digit);
            if let Some(child) = node.child(digit) {
                if self.nodes.node(child).covers(deadline_ns) {
                    at = child;
                    continue;
                }
                slot = self.insert_between(slot, child, deadline_ns);
            }
            self.nodes.guess_from_now_on(slot.node());
            return slot;
        }
    }

    /// Puts a wheel between `slot` and the finer one in it, which does not cover the deadline.
    #[cold]
    fn insert_between(&mut self, slot: SlotRef, child: u32, deadline_ns: u64) -> SlotRef {
        let child_base_ns = self.nodes.node(child).base_ns;
        let level = telling_apart(child_base_ns ^ deadline_ns);
        let between = self.nodes.adopt(slot, deadline_ns, level);
        let digit_of_child = self.nodes.node(between).digit(child_base_ns);
        self.nodes
            .set_child(SlotRef::new(between, digit_of_child), child);
        let digit = self.nodes.node(between).digit(deadline_ns);
        debug_assert_ne!(digit, digit_of_child);
        SlotRef::new(between, digit)
    }

    #[inline]
    fn find_first(&mut self) -> Option<First> {
        if self.is_empty() {
            return None;
        }
        if self.first.place == PLACE_MAX {
            self.first = self.search_first();
        }
        Some(self.first)
    }

    #[inline]
    fn forget_first(&mut self) {
        self.first = if self.is_empty() {
            First::NONE
        } else {
            First::UNKNOWN
        };
    }

    fn search_first(&mut self) -> First {
        debug_assert!(!self.is_empty());
        let mut at = ROOT;
        loop {
            let node = self.nodes.node(at);
            let digit = node.first_digit();
            at = match node.child(digit) {
                Some(child) => child,
                None => match self.first_of(SlotRef::new(at, digit)) {
                    Some(first) => return first,
                    None => self.deal_out(SlotRef::new(at, digit)),
                },
            };
        }
    }

    /// Looks through a list for its first timer; `None` if it is too long to look through.
    fn first_of(&self, slot: SlotRef) -> Option<First> {
        let node = self.nodes.node(slot.node());
        let mut link = node.slot(slot.digit()).head;
        let mut first: Option<First> = None;
        for _ in 0..LOOK_THROUGH_MAX {
            let Target::Timer(place) = link.target() else {
                return first;
            };
            let entry = self.entries.get(place);
            if !matches!(first, Some(first) if first.deadline_ns <= entry.deadline_ns) {
                first = Some(First {
                    place,
                    deadline_ns: entry.deadline_ns,
                });
            }
            if node.is_finest() {
                return first;
            }
            link = entry.next;
        }
        match link.target() {
            Target::Timer(_) => None,
            Target::Slot(_) => first,
        }
    }

    /// Deals the timers of a slot out over a finer wheel, and returns that.
    #[cold]
    fn deal_out(&mut self, slot: SlotRef) -> u32 {
        let begun = self.noted.len();
        self.note_list(slot);
        let some_deadline_ns = self.noted[begun].deadline_ns;
        let difference = self.noted[begun..].iter().fold(0, |difference, timer| {
            difference | (timer.deadline_ns ^ some_deadline_ns)
        });
        let level = telling_apart(difference);
        let finer = self.nodes.adopt(slot, some_deadline_ns, level);
        for index in begun..self.noted.len() {
            let First { place, deadline_ns } = self.noted[index];
            let node = self.nodes.node(finer);
            debug_assert!(node.covers(deadline_ns));
            let digit = node.digit(deadline_ns);
            self.link_again(SlotRef::new(finer, digit), place);
        }
        self.forget_noted(begun);
        finer
    }

    /// Appends a whole list to `noted`, in its order.
    ///
    /// Each step may be a cache miss, and does not begin before the one before it has ended. So the
    /// list is gone through from both of its ends at a time.
    fn note_list(&mut self, slot: SlotRef) {
        let list = *self.nodes.slot_mut(slot);
        let (mut front, mut back) = (list.head, list.tail);
        while let (Target::Timer(older), Target::Timer(younger)) = (front.target(), back.target()) {
            let entry = self.entries.get(older);
            self.noted.push(First {
                place: older,
                deadline_ns: entry.deadline_ns,
            });
            if front == back {
                break;
            }
            let other = self.entries.get(younger);
            self.noted_back.push(First {
                place: younger,
                deadline_ns: other.deadline_ns,
            });
            if entry.next == back {
                break;
            }
            (front, back) = (entry.next, other.prev);
        }
        self.noted.extend(self.noted_back.drain(..).rev());
    }

    /// Shortens `noted` to `len`. Gives room back that is seldom needed.
    fn forget_noted(&mut self, len: usize) {
        self.noted.truncate(len);
        if len == 0 && self.noted.capacity() > NOTED_KEPT {
            (self.noted, self.noted_back) = (Vec::new(), Vec::new());
        }
    }

    #[inline]
    fn take_first(&mut self, first: First) -> T {
        let taken = self.entries.remove(first.place);
        // An equal deadline that follows in the list is next in age: no need to search for it.
        match taken.next.target() {
            Target::Timer(place) if self.entries.get(place).deadline_ns == first.deadline_ns => {
                self.first.place = place;
            }
            _ => self.forget_first(),
        }
        self.unlink(taken)
    }

    /// Appends a timer that was in another list.
    #[inline]
    fn link_again(&mut self, slot: SlotRef, place: u32) {
        let timer = Link::timer(place);
        let last = self.nodes.node_mut(slot.node()).append(slot.digit(), timer);
        if let Target::Timer(last) = last.target() {
            self.entries.get_mut(last).next = timer;
        }
        let entry = self.entries.get_mut(place);
        entry.prev = last;
        entry.next = Link::slot(slot);
    }

    /// Deals a long list out. Its count includes timers that were cancelled since: if these are
    /// many, it is counted anew, which the appending of as many others has paid for.
    #[cold]
    fn list_may_be_long(&mut self, slot: SlotRef) {
        let node = self.nodes.node(slot.node());
        let mut link = node.slot(slot.digit()).head;
        let mut length = 0;
        while let (Target::Timer(place), true) = (link.target(), length < CROWD / 2) {
            length += 1;
            link = self.entries.get(place).next;
        }
        if length < CROWD / 2 {
            self.nodes
                .node_mut(slot.node())
                .set_appended(slot.digit(), length);
        } else {
            self.deal_out(slot);
        }
    }

    /// Closes the gap that a timer has left in its list.
    #[inline]
    fn unlink(&mut self, taken: Taken<T>) -> T {
        self.close_gap(taken.prev, taken.next);
        taken.value
    }

    #[inline]
    fn close_gap(&mut self, prev: Link, next: Link) {
        match prev.target() {
            Target::Timer(prev) => self.entries.get_mut(prev).next = next,
            Target::Slot(slot) if prev == next => return self.nodes.empty(slot),
            Target::Slot(slot) => self.nodes.slot_mut(slot).head = next,
        }
        match next.target() {
            Target::Timer(next) => self.entries.get_mut(next).prev = prev,
            Target::Slot(slot) => self.nodes.slot_mut(slot).tail = prev,
        }
    }
}

impl<T> Default for TimerWheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TimerWheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// How long a list may be for its first timer to be found by looking at all of them. Fewer means
/// more dealing out, and more wheels; more means longer looks at every timer that fires.
const LOOK_THROUGH_MAX: usize = 8;

/// A list that as many timers were appended to is dealt out, unless all its deadlines are equal; it has not
/// more than twice as many, since a wheel with fewer timers in all does not count.
///
/// This bounds the work of dealing one out, to a few milliseconds. Shorter would not be better:
/// with more lists than the cache has room for their ends, setting a timer costs a cache miss.
const CROWD: u16 = 8_192;

/// Room for so many timers is kept for the next time.
const NOTED_KEPT: usize = 4_096;
