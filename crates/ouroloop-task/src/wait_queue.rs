//! The queue of those who wait: the one beneath every primitive.
//!
//! asyncio keeps a deque of futures in each primitive, and each of its bugs with lost wake-ups came of
//! forgetting one of the ways in which such a future can end. Here a waiter is a [`Place`]: awaiting
//! it gives `()` when it was chosen, and its drop does the rest. Whoever wants waiters implements
//! [`WaitSource`], whose `give_back` is called for each waiter that leaves without having resumed, so
//! what such a waiter was chosen for cannot be forgotten.
//!
//! The queue is a list of nodes of the loop's own pool, so a waiter costs no memory but its node. Tasks of
//! several loops of a thread may wait at one queue: there is a list for each loop, and the waiters are numbered, so
//! that together the lists are one queue.
//!
//! # State
//!
//! A waiter is in one of four states:
//!
//! - *waiting*: it is linked, and its node has not fired;
//! - *cancelled*: it is linked, unless [`pop_next`](WaitQueue::pop_next) passed over it, its node was fired by a
//!   request to cancel, and its task has not run since;
//! - *chosen*: its node was fired by the queue, and its task is in the ready queue; it is linked still, unless it was
//!   chosen by `pop_next`;
//! - *gone*: its node is not its own any more.
//!
//! Waiting becomes cancelled or chosen; each of these becomes gone when the task runs, or when the
//! place is dropped. A waiting one may be dropped as well. There is no other transition.
//!
//! # Invariants
//!
//! - The linked nodes of a list are in the order of their serials, which is that of the waits.
//! - Every node before `cursor` is chosen or cancelled. That is never undone, so choosing the next
//!   one looks at each node once.
//! - Every node before `live_from` is cancelled. That is never undone either, so asking again and
//!   again whether there is anybody looks at each of these once.
//! - `tasks` is there while `taken` is not zero. A node's use is ended by the drop or the end of its place, after it
//!   has left the list, and by nothing else.
//! - Nothing is borrowed to be changed while a foreign waker is called: it may poll a place at once, drop it, or call
//!   the primitive.
//! - A place that ends without having resumed is given back exactly once, after it has left the
//!   queue.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::event_loop::running_tasks_to_wait;
use crate::node::{Ends, Node, OtherWake};
use crate::pool::{Key, NIL};
use crate::resource::Resource;
use crate::tasks::Tasks;
use crate::wait::{poll_pending, remove_found, remove_node, unwind};

/// Who has waiters: what owns a [`WaitQueue`], as its [`Place`]s see it.
pub trait WaitSource {
    /// Gives the queue; always the same one.
    fn queue(&self) -> &WaitQueue;

    /// Hears that a waiter left the queue without having resumed; `chosen` says whether its turn had come.
    ///
    /// Whatever it was chosen for must go to somebody else.
    fn give_back(&self, chosen: bool);
}

impl<S: WaitSource + ?Sized> WaitSource for &S {
    fn queue(&self) -> &WaitQueue {
        (**self).queue()
    }

    fn give_back(&self, chosen: bool) {
        (**self).give_back(chosen);
    }
}

impl<S: WaitSource + ?Sized> WaitSource for Rc<S> {
    fn queue(&self) -> &WaitQueue {
        (**self).queue()
    }

    fn give_back(&self, chosen: bool) {
        (**self).give_back(chosen);
    }
}

/// A queue of tasks that wait for something to be handed to them: what the locks and queues are made of.
///
/// # Ordering
///
/// Waiters are chosen in the order in which their places were made. A waiter that is chosen resumes in the next
/// iteration of its loop.
///
/// # Examples
///
/// A turnstile, which lets one waiter through for each coin:
///
/// ```
/// use ouroloop::lowlevel::{Place, Resource, ResourceState, WaitQueue, WaitSource};
/// use ouroloop::{bare_yield, create_task};
/// use std::rc::Rc;
///
/// #[derive(Default)]
/// struct Turnstile(WaitQueue);
///
/// impl WaitSource for Turnstile {
///     fn queue(&self) -> &WaitQueue {
///         &self.0
///     }
///
///     fn give_back(&self, chosen: bool) {
///         if chosen {
///             self.0.choose_next(); // the coin of who was cancelled lets the next one through
///         }
///     }
/// }
///
/// impl Resource for Turnstile {
///     fn state(&self) -> ResourceState {
///         ResourceState::new("Turnstile", None)
///     }
/// }
///
/// ouroloop::run(async {
///     let turnstile = Rc::new(Turnstile::default());
///     let visitors = [(); 2].map(|()| {
///         let turnstile = turnstile.clone();
///         create_task(async move { Place::new(turnstile.clone(), turnstile).await })
///     });
///     bare_yield().await;
///     assert!(turnstile.0.choose_next());
///     visitors[0].cancel();
///     for _ in 0..2 {
///         bare_yield().await;
///     }
///     assert!(visitors[1].done() && turnstile.0.is_empty());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct WaitQueue {
    list: List,
    next_serial: Cell<u64>,
}

/// The waiters of one loop.
struct List {
    tasks: Cell<Option<Rc<Tasks>>>,
    ends: Ends,
    /// The first node that may be waiting.
    cursor: Cell<u32>,
    /// The first node that may be not cancelled.
    live_from: Cell<u32>,
    linked: Cell<u32>,
    /// Places that have not ended.
    taken: Cell<u32>,
    /// The list of another loop.
    next: OnceCell<Box<List>>,
}

impl WaitQueue {
    /// Makes an empty queue.
    pub const fn new() -> WaitQueue {
        WaitQueue {
            list: List::new(),
            next_serial: Cell::new(0),
        }
    }

    /// Chooses the first waiter; nothing if its turn has come already, or it is cancelled.
    pub fn choose_first(&self) -> bool {
        match self.earliest(|list| list.ends.first.get()) {
            Some((list, first)) => list.choose(first),
            None => false,
        }
    }

    /// Chooses the first that still waits; false if nobody does.
    pub fn choose_next(&self) -> bool {
        self.choose_before(u64::MAX)
    }

    /// Chooses all who wait now; whoever comes meanwhile has to wait.
    pub fn choose_all(&self) {
        let end = self.next_serial.get();
        while self.choose_before(end) {}
    }

    /// Takes waiters out from the front up to the first that still waits, and chooses that.
    #[inline]
    pub fn pop_next(&self) -> bool {
        while let Some((list, first)) = self.earliest(|list| list.ends.first.get()) {
            if list.pop(first) {
                return true;
            }
        }
        false
    }

    /// Tells whether there is anybody who is not cancelled: it waits, or its turn has come.
    pub fn has_live(&self) -> bool {
        self.lists().any(List::has_live)
    }

    /// Counts those in the queue, whatever their state.
    pub fn len(&self) -> usize {
        self.lists().map(|list| list.linked.get() as usize).sum()
    }

    /// Tells whether nobody is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn choose_before(&self, end: u64) -> bool {
        while let Some((list, next)) = self.earliest(|list| list.cursor.get()) {
            if list.serial(next) >= end {
                return false;
            }
            if list.choose(next) {
                return true;
            }
        }
        false
    }

    /// Of what `place` gives of each list, what began to wait first.
    #[inline]
    fn earliest(&self, place: impl Fn(&List) -> u32) -> Option<(&List, u32)> {
        if self.list.next.get().is_some() {
            return self.earliest_of_all(place);
        }
        let index = place(&self.list);
        (index != NIL).then_some((&self.list, index))
    }

    #[cold]
    fn earliest_of_all(&self, place: impl Fn(&List) -> u32) -> Option<(&List, u32)> {
        self.lists()
            .map(|list| (list, place(list)))
            .filter(|(_, index)| *index != NIL)
            .min_by_key(|(list, index)| list.serial(*index))
    }

    fn lists(&self) -> impl Iterator<Item = &List> {
        std::iter::successors(Some(&self.list), |list| list.next.get().map(|next| &**next))
    }

    #[inline]
    fn list_at(&self, depth: u32) -> &List {
        let mut list = &self.list;
        for _ in 0..depth {
            list = list.next.get().expect("a place has a list");
        }
        list
    }

    /// Appends a waiter of the running loop; its name, and the list that it is in.
    #[track_caller]
    #[inline]
    fn push(&self, resource: Rc<dyn Resource>) -> (Key, u32) {
        let tasks = running_tasks_to_wait(&*resource);
        let (mut list, mut depth) = (&self.list, 0);
        while !list.accepts(&tasks) {
            list = list.next.get_or_init(|| Box::new(List::new()));
            depth += 1;
        }
        let serial = self.next_serial.get();
        self.next_serial.set(serial + 1);
        let (key, node) = tasks.nodes.insert();
        node.begin_queued(resource, serial);
        list.link(&tasks, key.index(), node);
        list.taken.set(list.taken.get() + 1);
        if list.taken.get() == 1 {
            list.tasks.set(Some(tasks));
        }
        (key, depth)
    }
}

impl List {
    const fn new() -> List {
        List {
            tasks: Cell::new(None),
            ends: Ends::new(),
            cursor: Cell::new(NIL),
            live_from: Cell::new(NIL),
            linked: Cell::new(0),
            taken: Cell::new(0),
            next: OnceCell::new(),
        }
    }

    /// Whether it is, or can be, the list of this loop.
    #[inline]
    fn accepts(&self, tasks: &Rc<Tasks>) -> bool {
        // SAFETY: of one thread, and the reference is gone when this returns, which calls nothing.
        match unsafe { &*self.tasks.as_ptr() } {
            Some(own) => Rc::ptr_eq(own, tasks),
            None => true,
        }
    }

    /// Looks at a node that is in the list. `look` calls nobody's code.
    #[inline]
    fn with<R>(&self, index: u32, look: impl FnOnce(&Tasks, &Node) -> R) -> R {
        // SAFETY: of one thread, and `look` calls nobody's code, so that nothing changes the place meanwhile.
        let tasks = unsafe { &*self.tasks.as_ptr() };
        let tasks = tasks.as_ref().expect("a list with places has a loop");
        look(tasks, tasks.nodes.at(index))
    }

    /// A counted pointer to its loop.
    fn tasks(&self) -> Rc<Tasks> {
        // SAFETY: of one thread, and the reference is gone when this returns; a clone of an `Rc` calls nothing.
        let tasks = unsafe { &*self.tasks.as_ptr() }.clone();
        tasks.expect("a list with places has a loop")
    }

    fn serial(&self, index: u32) -> u64 {
        self.with(index, |_, node| node.serial())
    }

    /// Chooses this one if it waits.
    fn choose(&self, index: u32) -> bool {
        if self.cursor.get() == index {
            self.cursor.set(self.with(index, |_, node| node.next.get()));
        }
        self.fire(index)
    }

    /// Takes this one out, and chooses it if it waits.
    #[inline]
    fn pop(&self, index: u32) -> bool {
        let (fired, other) = self.with(index, |tasks, node| {
            self.unlink(tasks, index, node);
            List::fire_node(tasks, node)
        });
        self.tell(other);
        fired
    }

    /// Tells a waiter that it is chosen, if it waits.
    #[inline]
    fn fire(&self, index: u32) -> bool {
        let (fired, other) = self.with(index, List::fire_node);
        self.tell(other);
        fired
    }

    /// Tells a waiting task that it is chosen; whoever else is to be told is left to the caller.
    #[inline]
    fn fire_node(tasks: &Tasks, node: &Node) -> (bool, Option<OtherWake>) {
        if node.fired() {
            return (false, None);
        }
        let root = node.fire();
        if root.is_none() {
            return (true, node.take_other_wake());
        }
        tasks.wake(root);
        (true, None)
    }

    #[inline]
    fn tell(&self, whom: Option<OtherWake>) {
        if let Some(whom) = whom {
            self.tasks().tell(whom, None);
        }
    }

    fn has_live(&self) -> bool {
        while self.live_from.get() != NIL {
            let (cancelled, next) = self.with(self.live_from.get(), |_, node| {
                (node.has_request(), node.next.get())
            });
            if !cancelled {
                return true;
            }
            self.live_from.set(next);
        }
        false
    }

    #[inline]
    fn link(&self, tasks: &Tasks, index: u32, node: &Node) {
        tasks.nodes.link(&self.ends, index, node);
        if self.cursor.get() == NIL {
            self.cursor.set(index);
        }
        if self.live_from.get() == NIL {
            self.live_from.set(index);
        }
        self.linked.set(self.linked.get() + 1);
    }

    #[inline]
    fn unlink(&self, tasks: &Tasks, index: u32, node: &Node) {
        let next = node.next.get();
        tasks.nodes.unlink(&self.ends, node);
        if self.cursor.get() == index {
            self.cursor.set(next);
        }
        if self.live_from.get() == index {
            self.live_from.set(next);
        }
        node.leave_queue();
        self.linked.set(self.linked.get() - 1);
    }

    /// Counts one place less; the loop is forgotten with the last of them.
    #[inline]
    fn count_out(&self) {
        let left = self.taken.get() - 1;
        self.taken.set(left);
        if left == 0 {
            drop(self.tasks.take());
        }
    }
}

impl Default for WaitQueue {
    fn default() -> WaitQueue {
        WaitQueue::new()
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A place in a [`WaitQueue`]: a future that is ready when its turn has come.
///
/// # Cancellation
///
/// A request to cancel takes the waiter out of the choice at once; the place unwinds, and is given back to its source:
/// see [`WaitSource::give_back`]. Dropping it does the same.
#[must_use = "a place does nothing unless it is awaited"]
pub struct Place<S: WaitSource> {
    source: S,
    /// Its node, until it has resumed.
    key: Key,
    /// Which list of the queue it is in.
    depth: u32,
}

impl<S: WaitSource> Place<S> {
    /// Takes the last place of the queue of `source`; `resource` is what wait graphs say that its task waits for.
    ///
    /// # Panics
    ///
    /// If no loop is running in this thread.
    #[track_caller]
    #[inline]
    pub fn new(source: S, resource: Rc<dyn Resource>) -> Place<S> {
        let (key, depth) = source.queue().push(resource);
        Place { source, key, depth }
    }

    #[cold]
    fn give_back(&mut self) {
        let (_leaving, chosen) = self.leave();
        self.source.give_back(chosen);
    }

    /// Leaves the list; what is left is a node, and whether its turn had come.
    fn leave(&mut self) -> (Leaving, bool) {
        let key = std::mem::replace(&mut self.key, Key::NONE);
        let list = self.source.queue().list_at(self.depth);
        let leaving = Leaving {
            tasks: list.tasks(),
            key,
        };
        list.count_out();
        let node = leaving.tasks.nodes.at(key.index());
        let chosen = node.fired() && !node.has_request();
        if node.is_queued() {
            list.unlink(&leaving.tasks, key.index(), node);
        }
        (leaving, chosen)
    }
}

/// A node that has left its list, and ends here.
struct Leaving {
    tasks: Rc<Tasks>,
    key: Key,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        remove_node(&self.tasks, self.key);
    }
}

impl<S: WaitSource + Unpin> Future for Place<S> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let key = this.key;
        if key.is_none() {
            return Poll::Ready(());
        }
        let list = this.source.queue().list_at(this.depth);
        // Counted, since a foreign waker and a resource are anybody's code, which may take the list's own pointer away.
        let tasks = list.tasks();
        let node = tasks.nodes.at(key.index());
        if !node.fired() && poll_pending(&tasks, key, node, cx).is_pending() {
            return Poll::Pending;
        }
        // One that was cancelled is polled again before the scope around it drops it.
        if node.has_request() {
            let _ = node.unwinds() && unwind(&tasks, node);
            return Poll::Pending;
        }
        this.key = Key::NONE;
        if node.is_queued() {
            list.unlink(&tasks, key.index(), node);
        }
        list.count_out();
        remove_found(&tasks, key, node);
        Poll::Ready(())
    }
}

impl<S: WaitSource> Drop for Place<S> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.key.is_none() {
            self.give_back();
        }
    }
}

impl<S: WaitSource> fmt::Debug for Place<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::Location;

    use ouroloop_core::new_event_loop;

    use super::*;
    use crate::{LoopTasks, ResourceState, bare_yield, create_task};

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
            let list = &self.queue.list;
            let tasks = list.tasks.take();
            list.tasks.set(tasks.clone());
            assert_eq!(tasks.is_some(), list.taken.get() > 0);
            let (mut index, mut prev, mut count) = (list.ends.first.get(), NIL, 0);
            let mut serial = None;
            let mut decided = list.cursor.get() != index;
            let mut cancelled = list.live_from.get() != index;
            while index != NIL {
                let node = tasks.as_ref().expect("it has nodes").nodes.at(index);
                assert!(node.is_queued() && node.prev.get() == prev);
                assert!(serial < Some(node.serial()));
                decided &= index != list.cursor.get();
                assert!(!decided || node.fired(), "the cursor is behind");
                cancelled &= index != list.live_from.get();
                assert!(!cancelled || node.has_request(), "one is missed");
                serial = Some(node.serial());
                (prev, index, count) = (index, node.next.get(), count + 1);
            }
            assert_eq!((prev, count), (list.ends.last.get(), list.linked.get()));
            assert!(list.linked.get() <= list.taken.get());
        }
    }

    impl WaitSource for Desk {
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
        assert_eq!(desk.queue.list.taken.get(), 0, "everybody has left");
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
            assert_eq!(desk.queue.list.live_from.get(), last.key.index());
            drop(last);
            desk.check();
            assert!(!desk.queue.has_live() && desk.queue.len() == 3);
            assert_eq!(desk.queue.list.live_from.get(), NIL);
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
    fn waiters_of_two_loops_are_chosen_in_the_order_in_which_they_came() {
        let desk = Rc::new(Desk {
            queue: WaitQueue::new(),
            given_back: RefCell::default(),
        });
        let loops = [(); 2].map(|()| new_event_loop().expect("a loop can be made"));
        let order = Rc::new(RefCell::new(Vec::new()));
        let wait = |which: usize, number: u32| {
            let (desk, order) = (desk.clone(), order.clone());
            let visit = async move {
                desk.place().await;
                order.borrow_mut().push(number);
            };
            let _task = loops[which].create_task(visit).expect("it is open");
            let turn = loops[which].run_until_complete(bare_yield());
            turn.expect("it has an end");
        };
        for (which, number) in [(0, 1), (1, 2), (1, 3), (0, 4)] {
            wait(which, number);
        }
        assert_eq!(desk.queue.len(), 4);
        for number in 1..=4 {
            assert!(desk.queue.choose_next());
            for event_loop in &loops {
                event_loop
                    .run_until_complete(bare_yield())
                    .expect("it has an end");
            }
            assert_eq!(order.borrow().last(), Some(&number));
        }
        assert!(!desk.queue.choose_next() && desk.queue.is_empty());
        for event_loop in loops {
            event_loop.close().expect("it does not run");
        }
        assert!(desk.queue.lists().all(|list| list.tasks.take().is_none()));
    }
}
