//! Polling by hand: with a waker that counts, and with one that polls where others only schedule.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::on_drop;

/// Polls `future` once, with a waker of the caller's.
///
/// Inside of a task this is what a foreign combinator does, that polls its parts by wakers of its
/// own; outside of any task, what a foreign executor does.
///
/// # Examples
///
/// ```
/// use std::{pin::pin, task::Waker};
/// use ouroloop::{Event, run, testkit::poll_once};
///
/// run(async {
///     let event = Event::new();
///     let mut wait = pin!(event.wait());
///     assert!(poll_once(wait.as_mut(), Waker::noop()).is_pending());
///     event.set();
///     assert!(poll_once(wait, Waker::noop()).is_ready());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// How often a waker has been woken.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_future, run, testkit::{WakeCount, poll_once}};
///
/// run(async {
///     let promise = create_future::<u32>();
///     let (wakes, waker) = WakeCount::new();
///     let mut wait = Box::pin(promise.future().into_future());
///     assert!(poll_once(wait.as_mut(), &waker).is_pending());
///     promise.set_result(1).unwrap();
///     assert_eq!(wakes.get(), 1);
///     assert!(poll_once(wait.as_mut(), &waker).is_ready());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WakeCount(Arc<Count>);

#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl WakeCount {
    /// A count and its waker, which may be woken by any thread.
    pub fn new() -> (WakeCount, Waker) {
        let count = Arc::new(Count::default());
        (WakeCount(count.clone()), Waker::from(count))
    }

    /// The wakes so far.
    pub fn get(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Operation = Pin<Box<dyn Future<Output = ()>>>;

/// A future that is polled on the spot by whatever wakes it, inside of `wake`.
///
/// Ouroloop's own wakers schedule a step; some foreign ones poll at once. So whoever wakes must hold
/// nothing that the poll needs: no borrow, no half-changed queue. A test that starts its waiters
/// like this finds out whether that is so.
///
/// Dropping this detaches the future. Wakes by other threads do nothing.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use ouroloop::{Event, run, testkit::{Log, PolledInline}};
///
/// run(async {
///     let (event, log) = (Rc::new(Event::new()), Log::default());
///     PolledInline::start({
///         let (event, log) = (event.clone(), log.clone());
///         async move {
///             event.wait().await;
///             event.clear();
///             log.say("within set");
///         }
///     });
///     event.set();
///     assert_eq!(log.take(), "within set");
///     assert!(!event.is_set());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Debug)]
pub struct PolledInline {
    key: u64,
}

struct Entry {
    /// Nothing while it is polled.
    future: Option<Operation>,
    /// Whether it was woken meanwhile.
    woken: bool,
}

/// Keys belong to one thread each: elsewhere they lead to nothing.
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ENTRIES: RefCell<HashMap<u64, Entry>> = RefCell::default();
}

impl PolledInline {
    /// Polls `future` for the first time, now.
    pub fn start(future: impl Future<Output = ()> + 'static) -> PolledInline {
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            future: Some(Box::pin(future)),
            woken: false,
        };
        ENTRIES.with_borrow_mut(|entries| entries.insert(key, entry));
        Waker::from(Arc::new(PollsInline { key })).wake();
        PolledInline { key }
    }

    /// Whether the future has come to its end, by a panic maybe, or was dropped.
    pub fn done(&self) -> bool {
        ENTRIES.with_borrow(|entries| !entries.contains_key(&self.key))
    }

    /// Drops the future where it waits; while it is being polled, after that poll.
    pub fn drop_future(&self) {
        remove(self.key);
    }
}

struct PollsInline {
    key: u64,
}

impl Wake for PollsInline {
    fn wake(self: Arc<Self>) {
        let key = self.key;
        let waker = Waker::from(self);
        while let Some(mut future) = take_future(key) {
            let unwound = on_drop(|| remove(key));
            let poll = poll_once(future.as_mut(), &waker);
            std::mem::forget(unwound);
            if poll.is_ready() {
                remove(key);
            } else if !put_back(key, future) {
                return;
            }
        }
    }
}

/// The future, if it is there and not being polled; otherwise whoever polls it is told.
fn take_future(key: u64) -> Option<Operation> {
    with_entry(key, |entry| {
        let future = entry.future.take();
        entry.woken = future.is_none();
        future
    })
    .flatten()
}

/// Puts the future back to where it waits, and says whether it is to be polled again. One that was
/// given up meanwhile is dropped.
fn put_back(key: u64, future: Operation) -> bool {
    let mut future = Some(future);
    let again = with_entry(key, |entry| {
        entry.future = future.take();
        entry.woken
    });
    again.unwrap_or(false)
}

fn with_entry<R>(key: u64, f: impl FnOnce(&mut Entry) -> R) -> Option<R> {
    // A waker may be woken by a destructor, after the table of its thread is gone.
    let with_entries = ENTRIES.try_with(|entries| entries.borrow_mut().get_mut(&key).map(f));
    with_entries.ok().flatten()
}

/// The entry is dropped after the borrow: a destructor may wake others.
fn remove(key: u64) {
    let entry = ENTRIES.try_with(|entries| entries.borrow_mut().remove(&key));
    drop(entry);
}
