//! The loop as other threads see it.
//!
//! Everything here is `Send`. A [`RemoteHandle`] knows which loop it is of, for ever: after that
//! loop is closed it says so. [`post`] is for wakers that have room for nothing but an id.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use crate::inbox::{self, Inbox, Item};
use crate::{
    ClientWord, LoopError, LoopId, LoopRef, running_loop_id, snapshot_context, with_running,
};

/// A handle of a loop that may be sent to, and shared with, other threads.
///
/// [`LoopRef::remote`](crate::LoopRef::remote) makes one. It knows which loop it is of, for ever: after that
/// loop is closed it says so.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_future, get_running_loop};
///
/// ouroloop::run(async {
///     let remote = get_running_loop().unwrap().remote();
///     let done = create_future();
///     let setter = done.remote();
///     std::thread::spawn(move || {
///         remote.call_soon_threadsafe(|| println!("in the loop's thread")).unwrap();
///         setter.set_result(())
///     });
///     done.await.unwrap();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct RemoteHandle {
    shared: Arc<RemoteShared>,
}

impl RemoteHandle {
    pub(crate) fn new(shared: &Arc<RemoteShared>) -> RemoteHandle {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        RemoteHandle {
            shared: Arc::clone(shared),
        }
    }

    /// Schedules a callback from any thread, and wakes the loop: asyncio's `call_soon_threadsafe`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after the loop was closed; the callback is dropped then. It is no error in the child of a fork, though
    /// nobody calls the callback there, since to ask for the process would cost each call a system call: who may be in a
    /// child compares [`process_id`](RemoteHandle::process_id) with `std::process::id()`.
    ///
    /// # Ordering
    ///
    /// First come, first served among the calls of one thread. If the loop is closed after this
    /// was accepted and before it had its turn, the callback is dropped in the loop's thread.
    #[track_caller]
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), LoopError> {
        self.call_at(f, Location::caller())
    }

    /// Stops the loop, as a callback would that calls [`stop`](crate::LoopRef::stop).
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after the loop was closed.
    #[track_caller]
    pub fn stop(&self) -> Result<(), LoopError> {
        self.call_at(
            || with_running(|running| running.into_iter().for_each(|it| it.stop())),
            Location::caller(),
        )
    }

    /// Gives the id of the loop.
    pub fn id(&self) -> LoopId {
        self.shared.address.id
    }

    /// Gives the id of the process that made the loop. In the child of a fork it is another one, and nothing that is left
    /// for the loop there has its turn.
    pub fn process_id(&self) -> u32 {
        self.shared.pid
    }

    /// Gives the thread that the loop was made in, which it never leaves: whoever blocks that waits in vain for the loop.
    pub fn thread_id(&self) -> ThreadId {
        self.shared.thread
    }

    /// Whether the loop is closed. An open one may be closed before you have looked at the answer.
    pub fn is_closed(&self) -> bool {
        !self.shared.address.is_open()
    }

    /// Tells whether the loop is running at this moment.
    pub fn is_running(&self) -> bool {
        self.shared.running.load(Ordering::Relaxed)
    }

    fn call_at(
        &self,
        f: impl FnOnce() + Send + 'static,
        created_at: &'static Location<'static>,
    ) -> Result<(), LoopError> {
        let context = snapshot_context();
        if self.shared.address.is_next_here() {
            // In the loop's own thread this is `call_soon`, in the same queue.
            return self.shared.address.with_loop(|event_loop| {
                event_loop.call_created_at(context, f, created_at).map(drop)
            });
        }
        self.shared.address.submit(Item::Call {
            callback: Box::new(f),
            context,
            created_at,
        })
    }
}

impl Clone for RemoteHandle {
    fn clone(&self) -> RemoteHandle {
        RemoteHandle::new(&self.shared)
    }
}

impl Drop for RemoteHandle {
    fn drop(&mut self) {
        // A loop on virtual time sleeps for real only as long as a remote handle may wake it. In its own thread it is awake.
        let address = self.shared.address;
        if self.shared.handles.fetch_sub(1, Ordering::Release) == 1 && !address.is_here() {
            address.inbox().nudge(address.generation);
        }
    }
}

impl fmt::Debug for RemoteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHandle")
            .field("id", &self.shared.address.id)
            .field("closed", &self.is_closed())
            .field("running", &self.is_running())
            .finish()
    }
}

/// Leaves a word for a client of a loop, from any thread, and wakes the loop.
///
/// The word comes to [`Client::posted`](crate::Client::posted). If no loop has this id, nothing
/// happens; if another loop has it by now, that one gets the word. For wakers that have room for nothing but
/// an id; a [`LoopAddress`] and a [`RemoteHandle`] are never mistaken.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::{Client, post};
/// use std::{cell::Cell, rc::Rc, thread};
///
/// #[derive(Default)]
/// struct Mailbox(Cell<u64>);
///
/// impl Client for Mailbox {
///     fn run(&self, _payload: u64) {}
///     fn posted(&self, payload: u64) {
///         self.0.set(payload)
///     }
///     fn describe(&self, _payload: u64) -> String {
///         "a letter".into()
///     }
///     fn close(&self) {}
/// }
///
/// let event_loop = ouroloop::new_event_loop()?;
/// let mailbox = Rc::new(Mailbox::default());
/// let client = event_loop.register_client(mailbox.clone());
/// let id = event_loop.id();
/// thread::spawn(move || post(id, client.word(7))).join().unwrap();
/// event_loop.run_once()?;
/// assert_eq!(mailbox.0.get(), 7);
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
pub fn post(id: LoopId, word: ClientWord) {
    // A refused word needs no destructor.
    let _ = inbox::inbox(id).push(None, Item::Word(word));
}

/// Names one loop for ever, also when another one has its id: what [`LoopRef::address`](crate::LoopRef::address) gives.
///
/// A number that any thread may keep. Unlike a [`RemoteHandle`] it does not tell a loop on virtual time that it can still
/// be reached.
///
/// # Examples
///
/// ```
/// use ouroloop::new_event_loop;
/// use ouroloop::lowlevel::LoopAddress;
///
/// let event_loop = new_event_loop()?;
/// let address: LoopAddress = event_loop.address();
/// event_loop.close()?;
/// let next = new_event_loop()?;
/// assert_ne!(next.address(), address, "though its id may be the same");
/// next.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LoopAddress {
    id: LoopId,
    generation: u64,
}

impl LoopAddress {
    pub(crate) fn new(id: LoopId, generation: u64) -> LoopAddress {
        LoopAddress { id, generation }
    }

    /// Leaves a word for a client of the loop, as [`post`] does, and never for one of another loop: once the loop is closed
    /// nothing happens.
    pub fn post(self, word: ClientWord) {
        // A refused word needs no destructor.
        let _ = self.submit(Item::Word(word));
    }

    /// Appends a word of a [`Client`](crate::Client) to the ready queue, from any thread, and wakes the loop:
    /// [`RemoteHandle::call_soon_threadsafe`] without a callback, and without an allocation.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after the loop was closed.
    ///
    /// # Ordering
    ///
    /// That of `call_soon_threadsafe`, also among its calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::lowlevel::Client;
    /// use ouroloop::new_event_loop;
    /// use std::{cell::RefCell, rc::Rc, thread};
    ///
    /// #[derive(Default)]
    /// struct Recorder(RefCell<Vec<u64>>);
    ///
    /// impl Client for Recorder {
    ///     fn run(&self, payload: u64) {
    ///         self.0.borrow_mut().push(payload)
    ///     }
    ///     fn posted(&self, _payload: u64) {}
    ///     fn describe(&self, payload: u64) -> String {
    ///         format!("word {payload}")
    ///     }
    ///     fn close(&self) {}
    /// }
    ///
    /// let event_loop = new_event_loop()?;
    /// let recorder = Rc::new(Recorder::default());
    /// let client = event_loop.register_client(recorder.clone());
    /// let address = event_loop.address();
    /// thread::spawn(move || address.schedule(client.word(7))).join().unwrap()?;
    /// event_loop.run_once()?;
    /// assert_eq!(*recorder.0.borrow(), [7]);
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn schedule(self, word: ClientWord) -> Result<(), LoopError> {
        if self.is_next_here() {
            return self.with_loop(|event_loop| {
                event_loop.check_open()?;
                event_loop.schedule(word);
                Ok(())
            });
        }
        self.submit(Item::Turn(word))
    }

    /// Leaves an item in the loop's inbox.
    pub(crate) fn submit(self, item: Item) -> Result<(), LoopError> {
        // What is refused is dropped here, outside of the inbox's lock.
        self.inbox()
            .push(Some(self.generation), item)
            .map_err(|_refused| LoopError::Closed)
    }

    /// Whether this thread runs a loop of this id.
    fn is_here(self) -> bool {
        running_loop_id() == Some(self.id)
    }

    /// The same, and nothing that came from others would be overtaken.
    fn is_next_here(self) -> bool {
        self.is_here() && !self.inbox().is_pending()
    }

    /// Does something with the loop, which runs in this thread, unless another one has its id by now.
    fn with_loop(self, f: impl FnOnce(&LoopRef) -> Result<(), LoopError>) -> Result<(), LoopError> {
        with_running(|running| match running {
            Some(running) if running.address() == self => f(running),
            _ => Err(LoopError::Closed),
        })
    }

    fn is_open(self) -> bool {
        self.inbox().is_open_for(self.generation)
    }

    fn inbox(self) -> &'static Inbox {
        inbox::inbox(self.id)
    }
}

/// What a loop shares with its remote handles.
pub(crate) struct RemoteShared {
    address: LoopAddress,
    pid: u32,
    thread: ThreadId,
    running: AtomicBool,
    handles: AtomicUsize,
}

impl RemoteShared {
    pub(crate) fn new(address: LoopAddress) -> Arc<RemoteShared> {
        Arc::new(RemoteShared {
            address,
            pid: std::process::id(),
            thread: thread::current().id(),
            running: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
        })
    }

    pub(crate) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Relaxed);
    }

    /// Whether some thread may still submit something.
    pub(crate) fn has_handles(&self) -> bool {
        // Pairs with the release in `RemoteHandle::drop`: what that thread submitted is seen.
        self.handles.load(Ordering::Acquire) != 0
    }
}
