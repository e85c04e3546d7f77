//! Places in queues of waiters, beneath code that is not ours: wakers that panic or drop other places, and sources that
//! lie about their queue.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use ouroloop_core::new_event_loop;
use ouroloop_task::{LoopTasks, Place, Resource, ResourceState, WaitQueue, WaitSource};
use ouroloop_testkit::quiet_panic;

use crate::support::{Deed, hooked};

struct Desk;

impl Resource for Desk {
    fn state(&self) -> ResourceState {
        ResourceState::new("Desk", None)
    }
}

struct Source(Rc<WaitQueue>);

impl WaitSource for Source {
    fn queue(&self) -> &WaitQueue {
        &self.0
    }

    fn give_back(&self, _chosen: bool) {}
}

/// Whose drop panics once, if it is asked to.
struct Fragile;

thread_local! {
    static BREAKS: Cell<bool> = const { Cell::new(false) };
    static OTHER_QUEUE: Cell<bool> = const { Cell::new(false) };
}

impl Wake for Fragile {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if BREAKS.replace(false) {
            quiet_panic("in the drop of a waker");
        }
    }
}

fn poll_with<S: WaitSource + Unpin>(place: &mut Place<S>, waker: &Waker) -> Poll<()> {
    Pin::new(place).poll(&mut Context::from_waker(waker))
}

fn poll_by_a_new_waker(place: &mut Place<Source>) -> Poll<()> {
    poll_with(place, &Arc::new(Fragile).into())
}

/// Polls it by one waker and then by another, in place of which the first one is dropped, with a panic.
fn poll_with_a_panic(place: &mut Place<Source>) {
    assert!(poll_by_a_new_waker(place).is_pending());
    BREAKS.set(true);
    catch_unwind(AssertUnwindSafe(|| poll_by_a_new_waker(place))).expect_err("a waker panics");
}

/// What a task made, after its loop was closed and let go.
fn made_in_a_loop<T: 'static>(make: impl FnOnce() -> T + 'static) -> T {
    let event_loop = new_event_loop().expect("a loop can be made");
    let made = event_loop
        .run_until_complete(async move { make() })
        .expect("it has an end");
    event_loop.close().expect("it does not run");
    made
}

#[test]
fn a_panic_of_a_waker_that_is_dropped_leaves_the_other_places_alone() {
    made_in_a_loop(|| {
        let queue = Rc::new(WaitQueue::new());
        let [mut first, mut second] =
            [(); 2].map(|()| Place::new(Source(queue.clone()), Rc::new(Desk)));
        poll_with_a_panic(&mut first);
        drop(first);
        assert!(queue.choose_next());
        assert!(poll_by_a_new_waker(&mut second).is_ready());
        assert!(queue.is_empty());
    });
}

#[test]
fn a_waker_that_panics_frees_no_loop_that_another_place_uses() {
    let queue = Rc::new(WaitQueue::new());
    let (mut first, mut second) = made_in_a_loop({
        let queue = queue.clone();
        move || {
            let place = || Place::new(Source(queue.clone()), Rc::new(Desk));
            (place(), place())
        }
    });
    poll_with_a_panic(&mut first);
    let first = RefCell::new(Some(first));
    let dropping = hooked(move |deed| {
        if deed == Deed::Clone {
            drop(first.take());
        }
    });
    assert!(poll_with(&mut second, &dropping.waker()).is_pending());
    drop(second);
    assert!(queue.is_empty());
}

/// Says that another queue is its own, once it is told to.
struct Liar {
    own: WaitQueue,
    other: Rc<WaitQueue>,
}

impl WaitSource for Liar {
    fn queue(&self) -> &WaitQueue {
        if OTHER_QUEUE.get() {
            &self.other
        } else {
            &self.own
        }
    }

    fn give_back(&self, _chosen: bool) {}
}

#[test]
fn a_source_that_changes_its_queue_frees_no_loop_that_another_place_uses() {
    let queue = Rc::new(WaitQueue::new());
    let (liar, mut honest) = made_in_a_loop(move || {
        let liar = Liar {
            own: WaitQueue::new(),
            other: queue.clone(),
        };
        let liar = Place::new(liar, Rc::new(Desk));
        (liar, Place::new(Source(queue), Rc::new(Desk)))
    });
    let liar = RefCell::new(Some(liar));
    let dropping = hooked(move |deed| {
        if deed == Deed::Clone {
            OTHER_QUEUE.set(true);
            drop(liar.take());
        }
    });
    assert!(poll_with(&mut honest, &dropping.waker()).is_pending());
    catch_unwind(AssertUnwindSafe(|| drop(honest))).expect_err("its queue lost count");
}
