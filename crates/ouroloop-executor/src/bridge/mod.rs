//! What a loop knows of other threads' work: this crate as a client of the core.
//!
//! Each future of another thread that a task of the loop may wait for has an entry here, as has each task that another
//! thread has made and may cancel. A thread that ends such a future posts the number of the entry as a word, which costs no
//! allocation; the loop takes it from its inbox and gives it a place in the ready queue, where asyncio has the handle of
//! `call_soon_threadsafe`. There the outcome is copied; whoever waits resumes one iteration later.
//!
//! # Invariants
//!
//! - Numbers carry a generation: the word of an entry that is gone finds nothing.
//! - No table is borrowed while a promise is set or dropped, or a task is cancelled.
//! - While a job may wake the loop, the loop's remote handle is held: a loop on virtual time then waits for it instead
//!   of calling that a deadlock.
//! - Links know their bridge, and it keeps some of them: its close takes that apart.

mod default_executor;
mod entries;
mod executor_future;
mod link;

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use ouroloop_core::{
    Client, ClientId, ClientWord, LoopError, LoopRef, RemoteHandle, get_running_loop,
    running_loop_id,
};
use ouroloop_task::{FutureRef, LoopTasks, Promise, TaskError, process_id};

use self::default_executor::DefaultExecutor;
use self::entries::Entries;
pub use self::executor_future::{ExecutorFuture, ExecutorValue};
use self::link::{Link, Links};

pub(crate) struct Bridge {
    pub(crate) event_loop: LoopRef,
    /// The process that the loop was seen in first; in the child of a fork nothing of this may be used.
    pid: u32,
    client: Cell<Option<ClientId>>,
    entries: RefCell<Entries<Entry>>,
    links: Links,
    /// The promise of all futures that the loop did not hear of when it was closed.
    closed: Promise<()>,
    /// Held while there is an entry of the first kind.
    remote: RefCell<Option<RemoteHandle>>,
    awaited: Cell<usize>,
    pub(crate) executor: DefaultExecutor,
}

/// Who gets a word.
enum Entry {
    /// The future of another thread.
    Chained(Rc<Link>),
    /// A task that the future of another thread may cancel, and who is told of its end in that thread's place. The task is
    /// none until it is made.
    Task(Option<FutureRef>, Arc<dyn Settle>),
}

/// The future of a task in another thread.
pub(crate) trait Settle {
    /// Copies what the task came to, which is done.
    fn settle(self: Arc<Self>, task: &FutureRef);

    /// The loop was closed before.
    fn close(self: Arc<Self>);
}

/// Part of a coroutine: when it is dropped the task is about to be done, and its entry gets a turn, as a done-callback of
/// the task would that was added before all others.
pub(crate) struct Ending {
    bridge: Rc<Bridge>,
    word: ClientWord,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.bridge.event_loop.schedule(self.word);
    }
}

thread_local! {
    /// The loops of this thread that have such work; nearly always one.
    static REGISTRY: RefCell<Vec<Rc<Bridge>>> = const { RefCell::new(Vec::new()) };
}

impl Bridge {
    pub(crate) fn of(event_loop: &LoopRef) -> Result<Rc<Bridge>, LoopError> {
        if event_loop.is_closed() {
            return Err(LoopError::Closed);
        }
        if let Some(found) = Bridge::existing(event_loop) {
            return match found.pid == process_id() {
                true => Ok(found),
                false => Err(LoopError::Forked { pid: found.pid }),
            };
        }
        check_process(event_loop)?;
        let bridge = Bridge::detached(event_loop)?;
        let entered = REGISTRY.try_with(|all| all.borrow_mut().push(bridge.clone()));
        // So late in the life of the thread nothing can be waited for any more.
        entered.map_err(|_| LoopError::Closed)?;
        let client = event_loop.register_client(bridge.clone());
        bridge.client.set(Some(client));
        Ok(bridge)
    }

    /// One that the loop does not know of: no word reaches it.
    pub(crate) fn detached(event_loop: &LoopRef) -> Result<Rc<Bridge>, LoopError> {
        Ok(Rc::new(Bridge {
            event_loop: event_loop.clone(),
            pid: process_id(),
            client: Cell::new(None),
            entries: RefCell::default(),
            links: Links::default(),
            closed: event_loop.create_future()?,
            remote: RefCell::default(),
            awaited: Cell::new(0),
            executor: DefaultExecutor::default(),
        }))
    }

    /// The one of the loop, if there is one.
    pub(crate) fn existing(event_loop: &LoopRef) -> Option<Rc<Bridge>> {
        Bridge::find(|it| it.event_loop.same_loop(event_loop))
    }

    /// None, too, while the thread-locals of the thread are dropped.
    fn find(is_it: impl Fn(&Bridge) -> bool) -> Option<Rc<Bridge>> {
        let found = REGISTRY.try_with(|all| all.borrow().iter().find(|it| is_it(it)).cloned());
        found.ok().flatten()
    }

    /// The one of the running loop, if it has one and the process is the same: the quick way.
    pub(crate) fn running() -> Option<Rc<Bridge>> {
        let running = running_loop_id()?;
        // A loop that is closed is not among them, and no other has its id meanwhile.
        let found = Bridge::find(|it| it.event_loop.id() == running);
        found.filter(|it| it.pid == process_id())
    }

    /// Adds an entry, and returns the word that it waits for.
    fn enter(&self, entry: Entry) -> ClientWord {
        let number = self.entries.borrow_mut().insert(entry);
        let client = self.client.get().expect("registered when it was made");
        client.word(number)
    }

    /// Adds an entry for a task that is to be made with the second part of what this returns.
    pub(crate) fn enter_task(self: &Rc<Self>, future: Arc<dyn Settle>) -> (ClientWord, Ending) {
        let word = self.enter(Entry::Task(None, future));
        let bridge = self.clone();
        (word, Ending { bridge, word })
    }

    /// The task of such an entry is made.
    pub(crate) fn set_task(&self, word: ClientWord, made: FutureRef) {
        if let Some(Entry::Task(task, _)) = self.entries.borrow_mut().get_mut(word.payload()) {
            *task = Some(made);
        }
    }

    /// Makes what knows the future of another thread here, and the word that tells its end.
    fn chain(self: &Rc<Self>, created_at: &'static Location<'static>) -> (Rc<Link>, ClientWord) {
        let link = self.links.make(self, created_at);
        let word = self.enter(Entry::Chained(link.clone()));
        link.set_word(word);
        if self.awaited.replace(self.awaited.get() + 1) == 0 {
            let mut remote = self.remote.borrow_mut();
            remote.get_or_insert_with(|| self.event_loop.remote());
        }
        (link, word)
    }

    /// Takes an entry out; none if it is gone.
    fn leave(&self, word: ClientWord) -> Option<Entry> {
        self.remove(word.payload())
    }

    fn remove(&self, number: u64) -> Option<Entry> {
        let entry = self.entries.borrow_mut().remove(number)?;
        if let Entry::Chained(_) = entry {
            self.awaited.set(self.awaited.get() - 1);
            // On real time nobody asks who could wake the loop, and the drop of the handle would.
            if self.awaited.get() == 0 && self.event_loop.virtual_clock().is_some() {
                let remote = self.remote.take();
                drop(remote);
            }
        }
        Some(entry)
    }
}

/// An error in the child of the process that has made the loop.
fn check_process(event_loop: &LoopRef) -> Result<(), LoopError> {
    if running_loop_id() == Some(event_loop.id()) {
        return get_running_loop().map(drop);
    }
    match event_loop.check_runnable() {
        Err(error @ LoopError::Forked { .. }) => Err(error),
        // Whatever else keeps it from running does not keep it from being prepared for a run.
        _ => Ok(()),
    }
}

const AT_CLOSE: &str = "Exception while dropping what came from another thread";

impl Client for Bridge {
    fn run(&self, payload: u64) {
        let pending = match self.entries.borrow().get(payload) {
            Some(Entry::Task(Some(task), _)) if !task.done() => Some(task.clone()),
            _ => None,
        };
        if let Some(task) = pending {
            task.cancel();
            return;
        }
        match self.remove(payload) {
            Some(Entry::Chained(link)) => {
                link.settle();
                self.links.keep(link);
            }
            Some(Entry::Task(Some(task), future)) => future.settle(&task),
            _ => {}
        }
    }

    fn posted(&self, payload: u64) {
        if self.entries.borrow().get(payload).is_some() {
            let client = self.client.get().expect("registered when it was made");
            self.event_loop.schedule(client.word(payload));
        }
    }

    fn describe(&self, payload: u64) -> String {
        match self.entries.borrow().get(payload) {
            Some(Entry::Chained(link)) => {
                let info =
                    link.with(|source| source.info().map(|info| format!("<the end of {info}>")));
                let other = || "<the end of a future of another thread>".into();
                info.flatten().unwrap_or_else(other)
            }
            Some(Entry::Task(Some(task), _)) if !task.done() => {
                format!("<the cancellation of {task:?}>")
            }
            Some(Entry::Task(task, _)) => format!("<the end of {task:?}>"),
            None => "<the end of a future that nobody waits for>".into(),
        }
    }

    fn close(&self) {
        // It is gone if the loop was kept in a thread-local, and this thread ends.
        let _ = REGISTRY.try_with(|all| {
            let is_other = |it: &Rc<Bridge>| !it.event_loop.same_loop(&self.event_loop);
            all.borrow_mut().retain(is_other);
        });
        // As in asyncio, what was submitted is still run; nobody waits for it.
        self.event_loop.contain(AT_CLOSE, || self.executor.close());
        loop {
            let entry = self.entries.borrow_mut().pop();
            let Some(entry) = entry else { break };
            // With one of them may go a value whose drop panics; the others are waited for all the same.
            self.event_loop.contain(AT_CLOSE, || match entry {
                Entry::Chained(link) => link.close(),
                Entry::Task(_, future) => future.close(),
            });
        }
        self.event_loop.contain(AT_CLOSE, || self.links.close());
        let _ = self.closed.set_error(TaskError::LoopClosed);
        let remote = self.remote.take();
        drop(remote);
    }
}
