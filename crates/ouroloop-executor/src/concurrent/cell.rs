//! The shared part of a future that crosses threads.
//!
//! # State
//!
//! | state | means | next |
//! | --- | --- | --- |
//! | `PENDING` | nobody has begun | `RUNNING`, `CANCELLED` |
//! | `RUNNING` | somebody works on it | `FAILED`, `FINISHED` |
//! | `CANCELLED` | it never runs; the producer does not know yet | `NOTIFIED` |
//! | `NOTIFIED` | the same, and the producer knows | |
//! | `FAILED` | it ended with an error | |
//! | `FINISHED` | it has, or had, a value | |
//!
//! # Invariants
//!
//! - `PENDING` is left by one compare-exchange, so either the producer starts or somebody cancels; of a job it is
//!   left by who took its closure, which is as good.
//! - Every end of it is followed by taking the lock, and the list of watchers is added to only by who
//!   sees, under the lock, that it has not ended: no watcher is forgotten, and none is called twice.
//! - No lock is held while a watcher is called or a value is dropped.
//! - In the child of a fork a lock may be held for ever, by a thread that only the parent has. So what the parent
//!   made is only looked at there, without waiting.

use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use ouroloop_core::{ClientWord, LoopAddress, running_loop_id, with_running};
use ouroloop_task::{Cancelled, CancelledBy, InvalidState, TaskError, process_id};

use super::Future;
use super::wait::Waiter;
use crate::error::ExecutorError;
use crate::job::{JobInfo, panics};
use crate::log;
use crate::sync::{AtomicU8, Condvar, Mutex, MutexGuard, Ordering, lock, spin_until, wait};

const PENDING: u8 = 0;
const RUNNING: u8 = 1;
const CANCELLED: u8 = 2;
const NOTIFIED: u8 = 3;
const FAILED: u8 = 4;
const FINISHED: u8 = 5;

/// How long a blocking wait looks before it sleeps: about what waking a thread costs.
const SPIN: Duration = Duration::from_micros(20);

/// Something with a cell in it: a promise, or a job.
pub(crate) trait Shared<T: 'static>: Send + Sync + Erased {
    fn cell(&self) -> &Cell<T>;

    fn erase(self: Arc<Self>) -> Arc<dyn Erased>;
}

/// The same for those who do not know the type of the value.
pub(crate) trait Erased: Send + Sync {
    fn cancel(self: Arc<Self>) -> bool;

    fn cancelled(&self) -> bool;

    fn running(&self) -> bool;

    /// What it ended with, if that is no value.
    fn error(&self) -> Option<TaskError>;

    fn info(&self) -> Option<&JobInfo>;
}

pub(crate) struct Cell<T: 'static> {
    state: AtomicU8,
    inner: Mutex<Inner<T>>,
    ended: Condvar,
    /// The thread whose loop completes it.
    home: Option<ThreadId>,
    /// The process that made it.
    pid: u32,
}

struct Inner<T: 'static> {
    content: Content<T>,
    /// Threads that wait for the condition.
    blocked: u32,
}

/// What there is to keep: one thing before the end, another one after it.
enum Content<T: 'static> {
    Watchers(Watchers<T>),
    Value(T),
    Taken,
    Error(TaskError),
}

/// Whom to tell of the end, in this order. Nearly always one.
enum Watchers<T: 'static> {
    None,
    One(Watcher<T>),
    Many(Vec<Watcher<T>>),
}

type Callback<T> = Box<dyn FnOnce(&Future<T>) + Send>;

pub(crate) enum Watcher<T: 'static> {
    Call(Callback<T>),
    /// A client of a loop wants this word.
    Word(LoopAddress, ClientWord),
    /// The same, if it ends cancelled.
    CancelWord(LoopAddress, ClientWord),
    /// A thread that waits for several wants the number of this one.
    Number(Arc<Waiter>, usize),
}

impl<T: 'static> Cell<T> {
    pub(crate) fn new(home: Option<ThreadId>) -> Cell<T> {
        Cell::with(home, Watchers::None)
    }

    /// One that nobody else sees yet, with somebody to tell.
    pub(crate) fn watched(watcher: Option<Watcher<T>>) -> Cell<T> {
        Cell::with(None, watcher.map_or(Watchers::None, Watchers::One))
    }

    fn with(home: Option<ThreadId>, watchers: Watchers<T>) -> Cell<T> {
        Cell {
            state: AtomicU8::new(PENDING),
            inner: Mutex::new(Inner {
                content: Content::Watchers(watchers),
                blocked: 0,
            }),
            ended: Condvar::new(),
            home,
            pid: process_id(),
        }
    }

    /// An error if this belongs to the parent of a forked process: nobody here will complete it.
    pub(crate) fn check_process(&self) -> Result<(), ExecutorError> {
        match self.pid == process_id() {
            true => Ok(()),
            false => Err(ExecutorError::Forked { pid: self.pid }),
        }
    }

    /// The lock; none if somebody in another process may hold it for ever.
    fn lock(&self) -> Option<MutexGuard<'_, Inner<T>>> {
        match self.check_process() {
            Ok(()) => Some(lock(&self.inner)),
            Err(_) => self.inner.try_lock().ok(),
        }
    }

    fn forked(&self) -> TaskError {
        TaskError::failed(ExecutorError::Forked { pid: self.pid })
    }

    /// The producer begins. False if it was cancelled before.
    pub(crate) fn start(&self) -> Result<bool, InvalidState> {
        match self.leave_pending(RUNNING) {
            Ok(()) => Ok(true),
            Err(CANCELLED) => {
                let from = self.state.compare_exchange(
                    CANCELLED,
                    NOTIFIED,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                from.map(|_| false).map_err(|_| InvalidState)
            }
            Err(_) => Err(InvalidState),
        }
    }

    /// The producer begins. For who alone can say so, since it has what there is to do.
    pub(crate) fn mark_running(&self) {
        self.state.store(RUNNING, Ordering::Release);
    }

    /// The same for who gives up what there is to do; [`tell_all`](Cell::tell_all) follows.
    pub(crate) fn mark_cancelled(&self) {
        self.state.store(CANCELLED, Ordering::Release);
    }

    /// Tells everybody that it was cancelled.
    pub(crate) fn tell_all(&self, future: impl Fn() -> Future<T>) {
        self.tell(lock(&self.inner), Content::Taken, future);
    }

    /// Sets the outcome, and tells everybody.
    pub(crate) fn finish(
        &self,
        outcome: Result<T, TaskError>,
        future: impl Fn() -> Future<T>,
    ) -> Result<(), InvalidState> {
        if self.check_process().is_err() {
            return Err(InvalidState);
        }
        // One that nobody started is started now, so that nobody can cancel it any more.
        let _ = self.leave_pending(RUNNING);
        self.finish_running(outcome, future)
    }

    /// The same for one that runs.
    pub(crate) fn finish_running(
        &self,
        outcome: Result<T, TaskError>,
        future: impl Fn() -> Future<T>,
    ) -> Result<(), InvalidState> {
        let inner = lock(&self.inner);
        if self.state.load(Ordering::Relaxed) != RUNNING {
            drop(inner);
            return Err(InvalidState);
        }
        let (content, state) = match outcome {
            Ok(value) => (Content::Value(value), FINISHED),
            Err(error) => (Content::Error(error), FAILED),
        };
        // Pairs with the acquire in `done`, by which others read without the lock.
        self.state.store(state, Ordering::Release);
        self.tell(inner, content, future);
        Ok(())
    }

    /// Cancels it if nobody has started.
    pub(crate) fn cancel(&self, future: impl Fn() -> Future<T>) -> bool {
        if self.check_process().is_err() {
            return self.cancelled();
        }
        match self.leave_pending(CANCELLED) {
            Ok(()) => {
                self.tell_all(future);
                true
            }
            Err(state) => matches!(state, CANCELLED | NOTIFIED),
        }
    }

    pub(crate) fn running(&self) -> bool {
        self.state.load(Ordering::Acquire) == RUNNING
    }

    pub(crate) fn cancelled(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), CANCELLED | NOTIFIED)
    }

    pub(crate) fn done(&self) -> bool {
        self.state.load(Ordering::Acquire) >= CANCELLED
    }

    /// Whether the loop that completes it is this thread's.
    pub(crate) fn is_at_home(&self) -> bool {
        self.home.is_some_and(|home| home == thread::current().id())
    }

    /// What it ended with, if that is no value. A cancellation is an error.
    pub(crate) fn error(&self) -> Option<TaskError> {
        if self.cancelled() {
            return Some(cancelled());
        }
        if self.state.load(Ordering::Acquire) != FAILED {
            return None;
        }
        match self.lock().as_deref() {
            Some(Inner {
                content: Content::Error(error),
                ..
            }) => Some(error.clone()),
            _ => Some(self.forked()),
        }
    }

    /// Moves the value out.
    pub(crate) fn take(&self) -> Result<T, TaskError> {
        if self.cancelled() {
            return Err(cancelled());
        }
        let Some(mut inner) = self.lock() else {
            return Err(self.forked());
        };
        match std::mem::replace(&mut inner.content, Content::Taken) {
            Content::Value(value) => Ok(value),
            Content::Taken => Err(TaskError::ResultTaken),
            Content::Error(error) => {
                inner.content = Content::Error(error.clone());
                Err(error)
            }
            watchers @ Content::Watchers(_) => {
                inner.content = watchers;
                Err(TaskError::InvalidState)
            }
        }
    }

    /// Has `watcher` told of the end; gives it back if that is over.
    pub(crate) fn watch(&self, watcher: Watcher<T>) -> Result<(), Watcher<T>> {
        if !self.done() && self.check_process().is_err() {
            // It never ends here.
            return Ok(());
        }
        let Some(mut inner) = self.lock() else {
            return Err(watcher);
        };
        match &mut inner.content {
            Content::Watchers(watchers) if !self.done() => watchers.push(watcher),
            _ => {
                drop(inner);
                return Err(watcher);
            }
        }
        Ok(())
    }

    /// Forgets that `waiter` wants to be told.
    pub(crate) fn unwatch(&self, waiter: &Arc<Waiter>) {
        let is_other =
            |it: &Watcher<T>| !matches!(it, Watcher::Number(of, _) if Arc::ptr_eq(of, waiter));
        // The waiter is not dropped under the lock: whoever calls this has it, too.
        if let Some(Content::Watchers(watchers)) =
            self.lock().as_deref_mut().map(|it| &mut it.content)
        {
            watchers.retain(is_other);
        }
    }

    /// Forgets that a loop wants this word, unless that is the only one to be told; whether it did.
    pub(crate) fn unwatch_one_of_many(&self, event_loop: LoopAddress, word: ClientWord) -> bool {
        let mut inner = self.lock();
        let Some(Content::Watchers(Watchers::Many(all))) =
            inner.as_deref_mut().map(|it| &mut it.content)
        else {
            return false;
        };
        // Nearly always one of the last.
        let found = all.iter().rposition(
            |it| matches!(it, Watcher::Word(of, told) if *of == event_loop && *told == word),
        );
        match found {
            Some(found) if all.len() > 1 => {
                // A word has no destructor.
                drop(all.remove(found));
                true
            }
            _ => false,
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn watchers(&self) -> usize {
        match &lock(&self.inner).content {
            Content::Watchers(Watchers::One(_)) => 1,
            Content::Watchers(Watchers::Many(all)) => all.len(),
            _ => 0,
        }
    }

    /// Blocks until it is done; false if the limit passed first.
    pub(crate) fn block(&self, limit: Option<Duration>) -> bool {
        if self.spin(limit) {
            return true;
        }
        // A limit beyond what the clock can count is none.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut inner = lock(&self.inner);
        while !self.done() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            inner.blocked += 1;
            inner = wait(&self.ended, inner, left);
            inner.blocked -= 1;
        }
        true
    }

    /// Looks for a short time; true if it was done by then.
    fn spin(&self, limit: Option<Duration>) -> bool {
        if cfg!(loom) || self.done() {
            return self.done();
        }
        spin_until(limit.unwrap_or(SPIN).min(SPIN), || self.done())
    }

    fn leave_pending(&self, to: u8) -> Result<(), u8> {
        self.state
            .compare_exchange(PENDING, to, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// After the end: keeps what came of it, wakes the threads that wait, and calls the watchers.
    fn tell(
        &self,
        mut inner: MutexGuard<'_, Inner<T>>,
        content: Content<T>,
        future: impl Fn() -> Future<T>,
    ) {
        let blocked = inner.blocked;
        let Content::Watchers(watchers) = std::mem::replace(&mut inner.content, content) else {
            unreachable!("it ends once");
        };
        drop(inner);
        if blocked > 0 {
            self.ended.notify_all();
        }
        match watchers {
            Watchers::None => {}
            Watchers::One(watcher) => watcher.tell(self.cancelled(), future),
            Watchers::Many(watchers) => {
                for watcher in watchers {
                    watcher.tell(self.cancelled(), &future);
                }
            }
        }
    }
}

impl<T: 'static> Watchers<T> {
    fn push(&mut self, watcher: Watcher<T>) {
        *self = match std::mem::replace(self, Watchers::None) {
            Watchers::None => Watchers::One(watcher),
            Watchers::One(first) => Watchers::Many(vec![first, watcher]),
            Watchers::Many(mut all) => {
                all.push(watcher);
                Watchers::Many(all)
            }
        };
    }

    fn retain(&mut self, keep: impl Fn(&Watcher<T>) -> bool) {
        match self {
            Watchers::One(watcher) if !keep(watcher) => *self = Watchers::None,
            Watchers::Many(all) => all.retain(keep),
            _ => {}
        }
    }
}

impl<T: 'static> Watcher<T> {
    pub(crate) fn tell(self, cancelled: bool, future: impl Fn() -> Future<T>) {
        match self {
            Watcher::Call(callback) => {
                let future = future();
                if panics(|| callback(&future)) {
                    log::error(&format!("exception calling callback for {future:?}"));
                }
            }
            Watcher::Word(event_loop, word) => send(event_loop, word),
            Watcher::CancelWord(event_loop, word) if cancelled => send(event_loop, word),
            Watcher::CancelWord(..) => {}
            Watcher::Number(waiter, index) => waiter.tell(index),
        }
    }
}

fn cancelled() -> TaskError {
    TaskError::Cancelled(Cancelled::new(CancelledBy::Task))
}

/// Brings a word to a loop: straight to its queue in the thread of that loop, else by its inbox.
fn send(event_loop: LoopAddress, word: ClientWord) {
    // Of that loop alone: by now another may have its id, and entries with the same numbers.
    if running_loop_id().is_none() {
        return event_loop.post(word);
    }
    with_running(|running| match running {
        Some(running) if running.address() == event_loop => running.schedule(word),
        _ => event_loop.post(word),
    });
}
