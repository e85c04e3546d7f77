//! The queue of those who wait: the one beneath every primitive.
//!
//! asyncio keeps a deque of futures in each primitive, and each of its bugs with lost wake-ups came of
//! forgetting one of the ways in which such a future can end. Here a waiter is a [`Place`]: awaiting
//! it gives `()` when it was chosen, and its drop does the rest. Whoever wants waiters implements
//! [`Source`], whose `give_back` is called for each waiter that leaves without having resumed, so
//! what such a waiter was chosen for cannot be forgotten.
//!
//! # State
//!
//! A waiter is in one of four states:
//!
//! - *waiting*: it is linked, it has its key, and that is pending;
//! - *cancelled*: it is linked, it has its key or lost it in an attempt to choose it, and its task has
//!   been asked to stop; the task has not run since;
//! - *chosen*: `chosen` is set, its key is gone, and its task is in the ready queue; it is linked
//!   still, unless it was chosen by [`pop_next`](WaitQueue::pop_next);
//! - *gone*: its slot is free.
//!
//! Waiting becomes cancelled or chosen; each of these becomes gone when the task runs, or when the
//! place is dropped. A waiting one may be dropped as well. There is no other transition.
//!
//! # Invariants
//!
//! - Linked slots are in the order of their serials, which is that of the waits.
//! - Every slot before `cursor` is chosen or cancelled. That is never undone, so choosing the next
//!   one looks at each slot once.
//! - Every slot before `live_from` is cancelled. That is never undone either, so asking again and
//!   again whether there is anybody looks at each of these once.
//! - A slot is freed by the drop or the end of its place, and by nothing else, so the number that a
//!   place keeps is good as long as the place is.
//! - A slot is chosen before its waker is called, and nothing is borrowed then: a foreign waker may
//!   poll the place at once, drop it, or call the primitive.
//! - A place that ends without having resumed is given back exactly once, after it has left the
//!   queue.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use ouroloop_task::{Resource, Waiter, WaiterKey};

/// Who has waiters.
pub(crate) trait Source {
    /// Where they queue.
    fn queue(&self) -> &WaitQueue;

    /// A waiter left the queue without having resumed; `chosen` says whether its turn had come.
    fn give_back(&self, chosen: bool);
}

pub(crate) struct WaitQueue {
    list: RefCell<List>,
}

struct List {
    slots: Vec<Slot>,
    first: u32,
    last: u32,
    /// The first slot that may be waiting.
    cursor: u32,
    /// The first slot that may be not cancelled.
    live_from: u32,
    free: u32,
    linked: usize,
    /// Slots that are not free.
    taken: usize,
    next_serial: u64,
}

struct Slot {
    next: u32,
    prev: u32,
    serial: u64,
    linked: bool,
    chosen: bool,
    key: Option<WaiterKey>,
}

impl WaitQueue {
    pub(crate) const fn new() -> WaitQueue {
        WaitQueue {
            list: RefCell::new(List {
                slots: Vec::new(),
                first: NIL,
                last: NIL,
                cursor: NIL,
                live_from: NIL,
                free: NIL,
                linked: 0,
                taken: 0,
                next_serial: 0,
            }),
        }
    }

    /// Chooses the first waiter; nothing if its turn has come already, or it is cancelled.
    pub(crate) fn choose_first(&self) -> bool {
        let first = self.list.borrow().first;
        first != NIL && self.choose(first)
    }

    /// Chooses the first that still waits; false if nobody does.
    pub(crate) fn choose_next(&self) -> bool {
        self.choose_before(u64::MAX)
    }

    /// Chooses all who wait now; whoever comes meanwhile has to wait.
    pub(crate) fn choose_all(&self) {
        let end = self.list.borrow().next_serial;
        while self.choose_before(end) {}
    }

    /// Takes waiters out from the front up to the first that still waits, and chooses that.
    pub(crate) fn pop_next(&self) -> bool {
        loop {
            let (first, key) = {
                let mut list = self.list.borrow_mut();
                let first = list.first;
                if first == NIL {
                    return false;
                }
                list.unlink(first);
                (first, list.begin_choice(first))
            };
            if self.finish_choice(first, key) {
                return true;
            }
        }
    }

    /// Whether there is anybody who is not cancelled: it waits, or its turn has come.
    pub(crate) fn has_live(&self) -> bool {
        let mut list = self.list.borrow_mut();
        while list.live_from != NIL {
            let slot = list.at(list.live_from);
            if slot.chosen || slot.key.as_ref().is_some_and(WaiterKey::is_pending) {
                return true;
            }
            list.live_from = slot.next;
        }
        false
    }

    /// How many are in the queue.
    pub(crate) fn len(&self) -> usize {
        self.list.borrow().linked
    }

    fn choose_before(&self, end: u64) -> bool {
        loop {
            let next = {
                let list = self.list.borrow();
                if list.cursor == NIL || list.at(list.cursor).serial >= end {
                    return false;
                }
                list.cursor
            };
            if self.choose(next) {
                return true;
            }
        }
    }

    /// Chooses this one if it waits.
    fn choose(&self, index: u32) -> bool {
        let key = self.list.borrow_mut().begin_choice(index);
        self.finish_choice(index, key)
    }

    /// Tells a waiter that it is chosen, with nothing borrowed.
    #[inline]
    fn finish_choice(&self, index: u32, key: Option<WaiterKey>) -> bool {
        let Some(key) = key else {
            return false;
        };
        if key.fire() {
            return true;
        }
        // It is cancelled, so nobody was told and the slot is what it was.
        self.list.borrow_mut().at_mut(index).chosen = false;
        false
    }
}

impl List {
    fn push(&mut self, key: WaiterKey) -> u32 {
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = Slot {
            next: NIL,
            prev: self.last,
            serial,
            linked: true,
            chosen: false,
            key: Some(key),
        };
        let index = if self.free == NIL {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = self.at(index).next;
            *self.at_mut(index) = slot;
            index
        };
        match self.last {
            NIL => self.first = index,
            last => self.at_mut(last).next = index,
        }
        self.last = index;
        if self.cursor == NIL {
            self.cursor = index;
        }
        if self.live_from == NIL {
            self.live_from = index;
        }
        self.linked += 1;
        self.taken += 1;
        index
    }

    /// Marks a slot as chosen and takes its key; `None` if it was decided before.
    #[inline]
    fn begin_choice(&mut self, index: u32) -> Option<WaiterKey> {
        if self.cursor == index {
            self.cursor = self.at(index).next;
        }
        let slot = self.at_mut(index);
        let key = slot.key.take()?;
        slot.chosen = true;
        Some(key)
    }

    fn unlink(&mut self, index: u32) {
        let Slot { next, prev, .. } = *self.at(index);
        match prev {
            NIL => self.first = next,
            prev => self.at_mut(prev).next = next,
        }
        match next {
            NIL => self.last = prev,
            next => self.at_mut(next).prev = prev,
        }
        if self.cursor == index {
            self.cursor = next;
        }
        if self.live_from == index {
            self.live_from = next;
        }
        self.at_mut(index).linked = false;
        self.linked -= 1;
    }

    /// Frees a slot; whether its turn had come, and the key that it had left.
    fn remove(&mut self, index: u32) -> (bool, Option<WaiterKey>) {
        if self.at(index).linked {
            self.unlink(index);
        }
        let free = self.free;
        let slot = self.at_mut(index);
        slot.next = free;
        let left = (slot.chosen, slot.key.take());
        self.free = index;
        self.taken -= 1;
        if self.taken == 0 && self.slots.len() > KEPT_SLOTS_MAX {
            self.slots = Vec::new();
            self.free = NIL;
        }
        left
    }

    fn at(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    fn at_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }
}

/// A place in the queue. It is ready when its turn has come.
#[must_use = "a place does nothing unless it is awaited"]
pub(crate) struct Place<S: Source> {
    source: S,
    slot: Option<u32>,
    waiter: Waiter,
}

impl<S: Source> Place<S> {
    /// The last place; `resource` is what wait graphs say that its task waits for.
    pub(crate) fn new(source: S, resource: Rc<dyn Resource>) -> Place<S> {
        let waiter = Waiter::on(resource);
        let slot = source.queue().list.borrow_mut().push(waiter.key());
        Place {
            source,
            slot: Some(slot),
            waiter,
        }
    }

    fn leave(&mut self) -> Option<bool> {
        let slot = self.slot.take()?;
        let (chosen, key) = self.source.queue().list.borrow_mut().remove(slot);
        drop(key);
        Some(chosen)
    }
}

impl<S: Source + Unpin> Future for Place<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(slot) = self.slot else {
            return Poll::Ready(());
        };
        if Pin::new(&mut self.waiter).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let mut list = self.source.queue().list.borrow_mut();
        if !list.at(slot).chosen {
            // It was cancelled, and is polled again before the scope around it drops it.
            return Poll::Pending;
        }
        list.remove(slot);
        drop(list);
        self.slot = None;
        Poll::Ready(())
    }
}

impl<S: Source> Drop for Place<S> {
    fn drop(&mut self) {
        if let Some(chosen) = self.leave() {
            self.source.give_back(chosen);
        }
    }
}

/// How many slots an empty queue may keep for the next waiters.
const KEPT_SLOTS_MAX: usize = 64;

/// No slot.
const NIL: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::Location;

    use ouroloop_core::new_event_loop;
    use ouroloop_task::{LoopTasks, ResourceState, bare_yield, create_task};

    use super::*;

    struct Desk {
        queue: WaitQueue,
        given_back: RefCell<Vec<bool>>,
    }

    impl Desk {
        fn place(self: &Rc<Self>) -> Place<Rc<Desk>> {
            let place = Place::new(self.clone(), self.clone());
            self.check();
            place
        }

        /// What the list has to satisfy between any two calls.
        fn check(&self) {
            let list = self.queue.list.borrow();
            let (mut index, mut prev, mut count) = (list.first, NIL, 0);
            let mut decided = list.cursor != list.first;
            let mut cancelled = list.live_from != list.first;
            while index != NIL {
                let slot = list.at(index);
                assert!(slot.linked && slot.prev == prev);
                assert!(prev == NIL || list.at(prev).serial < slot.serial);
                decided &= index != list.cursor;
                assert!(!decided || slot.key.is_none(), "the cursor is behind");
                cancelled &= index != list.live_from;
                let pending = slot.key.as_ref().is_some_and(WaiterKey::is_pending);
                assert!(!cancelled || !(slot.chosen || pending), "one is missed");
                (prev, index, count) = (index, slot.next, count + 1);
            }
            assert_eq!((prev, count), (list.last, list.linked));
            assert!(list.linked <= list.taken && list.taken <= list.slots.len());
        }
    }

    impl Source for Rc<Desk> {
        fn queue(&self) -> &WaitQueue {
            &self.queue
        }

        fn give_back(&self, chosen: bool) {
            self.check();
            self.given_back.borrow_mut().push(chosen);
        }
    }

    impl Resource for Desk {
        fn state(&self) -> ResourceState {
            ResourceState::new("Desk", Location::caller())
        }
    }

    fn run<F: Future<Output = ()> + 'static>(test: impl FnOnce(Rc<Desk>) -> F) {
        let desk = Rc::new(Desk {
            queue: WaitQueue::new(),
            given_back: RefCell::default(),
        });
        let event_loop = new_event_loop().expect("a loop can be made");
        event_loop
            .run_until_complete(test(desk.clone()))
            .expect("the test has an end");
        desk.check();
        assert_eq!(desk.queue.list.borrow().taken, 0, "everybody has left");
    }

    #[test]
    fn a_place_that_resumes_is_not_given_back() {
        run(async |desk| {
            let place = desk.place();
            assert!(desk.queue.choose_next());
            place.await;
            assert!(desk.given_back.take().is_empty());
        });
    }

    #[test]
    fn a_place_that_is_dropped_is_given_back_with_what_it_was_chosen_for() {
        run(async |desk| {
            let places = [desk.place(), desk.place()];
            assert!(desk.queue.choose_first());
            assert!(!desk.queue.choose_first(), "its turn has come already");
            drop(places);
            assert_eq!(desk.given_back.take(), [true, false]);
        });
    }

    #[test]
    fn a_place_that_was_popped_knows_its_slot_still() {
        run(async |desk| {
            let (first, second) = (desk.place(), desk.place());
            assert!(desk.queue.pop_next());
            assert_eq!(desk.queue.len(), 1);
            let third = desk.place();
            drop(first);
            assert!(desk.queue.pop_next());
            drop((second, third));
            assert_eq!(desk.given_back.take(), [true, true, false]);
        });
    }

    #[test]
    fn whoever_comes_while_all_are_chosen_waits() {
        run(async |desk| {
            let early = [desk.place(), desk.place()];
            desk.queue.choose_all();
            let late = desk.place();
            assert_eq!(desk.queue.len(), 3);
            drop((early, late));
            assert_eq!(desk.given_back.take(), [true, true, false]);
        });
    }

    #[test]
    fn the_cancelled_are_passed_over() {
        run(async |desk| {
            let cancelled = create_task({
                let desk = desk.clone();
                async move { desk.place().await }
            });
            bare_yield().await;
            assert!(desk.queue.has_live());
            cancelled.cancel();
            assert!(!desk.queue.has_live() && desk.queue.len() == 1);
            let second = desk.place();
            assert!(!desk.queue.choose_first(), "it is the cancelled one");
            assert!(desk.queue.choose_next());
            desk.check();
            second.await;
            bare_yield().await;
            assert_eq!(desk.given_back.take(), [false]);
        });
    }

    #[test]
    fn the_cancelled_are_looked_at_once_by_who_asks_for_anybody() {
        run(async |desk| {
            let tasks = [(); 3].map(|()| {
                let desk = desk.clone();
                create_task(async move { desk.place().await })
            });
            bare_yield().await;
            let last = desk.place();
            for task in &tasks {
                task.cancel();
            }
            assert!(desk.queue.has_live());
            assert_eq!(Some(desk.queue.list.borrow().live_from), last.slot);
            drop(last);
            desk.check();
            assert!(!desk.queue.has_live() && desk.queue.len() == 3);
            assert_eq!(desk.queue.list.borrow().live_from, NIL);
            let late = desk.place();
            assert!(desk.queue.has_live());
            bare_yield().await;
            desk.check();
            assert!(desk.queue.has_live() && desk.queue.len() == 1);
            drop(late);
            assert!(!desk.queue.has_live());
        });
    }

    #[test]
    fn a_queue_that_was_long_gives_its_memory_back() {
        run(async |desk| {
            let places: Vec<_> = (0..1000).map(|_| desk.place()).collect();
            drop(places);
            assert_eq!(desk.queue.list.borrow().slots.capacity(), 0);
        });
    }
}
