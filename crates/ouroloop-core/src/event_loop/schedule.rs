//! Scheduling: callbacks soon, later and at a time, and the words of clients.

use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::LoopRef;
use crate::clock::duration_to_ns;
use crate::handle::{HandleCell, Scheduled};
use crate::inbox::Item;
use crate::{
    Client, ClientId, ClientWord, Context, Handle, LoopError, TimerHandle, TimerKey,
    snapshot_context,
};

/// Callbacks.
impl LoopRef {
    /// Schedules `f` for the next batch, behind what is queued already: asyncio's `call_soon`.
    ///
    /// It runs in a copy of the current context. A panic of it goes to the exception handler.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    ///
    /// # Ordering
    ///
    /// First come, first served. What a callback schedules never runs in the callback's own batch.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{bare_yield, get_running_loop};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// ouroloop::run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let seen = Rc::new(RefCell::new(Vec::new()));
    ///     for n in 1..=3 {
    ///         let seen = seen.clone();
    ///         event_loop.call_soon(move || seen.borrow_mut().push(n)).unwrap();
    ///     }
    ///     assert!(seen.borrow().is_empty());
    ///     bare_yield().await;
    ///     assert_eq!(*seen.borrow(), [1, 2, 3]);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    #[inline]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Result<Handle, LoopError> {
        self.call_created_at(snapshot_context(), f, Location::caller())
    }

    /// Schedules `f` for the next batch, to run in `context`: asyncio's `call_soon` with that argument. `None` is
    /// a fresh context.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    #[track_caller]
    pub fn call_soon_in(
        &self,
        context: Option<Context>,
        f: impl FnOnce() + 'static,
    ) -> Result<Handle, LoopError> {
        self.call_created_at(context, f, Location::caller())
    }

    /// Schedules `f` for the time when `delay` has passed: asyncio's `call_later`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    ///
    /// # Ordering
    ///
    /// Never early. Timers that are due together run in the order of their deadlines, and where
    /// these are equal, in the order in which they were made. A delay of zero runs in the next
    /// iteration, behind what is ready then.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Runner, VirtualClock, get_running_loop, sleep};
    /// use std::time::Duration;
    ///
    /// Runner::new().clock(VirtualClock::new()).run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let clock = event_loop.downgrade();
    ///     event_loop
    ///         .call_later(Duration::from_secs(10), move || {
    ///             assert_eq!(clock.time(), Duration::from_secs(10));
    ///         })
    ///         .unwrap();
    ///     sleep(Duration::from_secs(11)).await;
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn call_later(
        &self,
        delay: Duration,
        f: impl FnOnce() + 'static,
    ) -> Result<TimerHandle, LoopError> {
        self.call_timed(
            self.deadline_ns(delay),
            snapshot_context(),
            f,
            Location::caller(),
        )
    }

    /// Schedules `f` for the time when `delay` has passed, to run in `context`; `None` is a fresh
    /// one.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    #[track_caller]
    pub fn call_later_in(
        &self,
        delay: Duration,
        context: Option<Context>,
        f: impl FnOnce() + 'static,
    ) -> Result<TimerHandle, LoopError> {
        self.call_timed(self.deadline_ns(delay), context, f, Location::caller())
    }

    /// Schedules `f` for a moment of the loop's [`time`](Self::time): asyncio's `call_at`. One that has passed is
    /// due in the next iteration.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    ///
    /// # Ordering
    ///
    /// As for [`call_later`](Self::call_later).
    ///
    /// # Differences from asyncio
    ///
    /// Equal deadlines run in the order of their making; asyncio leaves that open.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{Runner, VirtualClock, get_running_loop, sleep};
    /// use std::time::Duration;
    ///
    /// Runner::new().clock(VirtualClock::new()).run(async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let when = event_loop.time() + Duration::from_secs(10);
    ///     let timer = event_loop.call_at(when, || println!("ding")).unwrap();
    ///     assert_eq!(timer.when(), when);
    ///     sleep(Duration::from_secs(11)).await;
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn call_at(
        &self,
        when: Duration,
        f: impl FnOnce() + 'static,
    ) -> Result<TimerHandle, LoopError> {
        self.call_timed(
            duration_to_ns(when),
            snapshot_context(),
            f,
            Location::caller(),
        )
    }

    /// Schedules `f` for a moment of the loop's time, to run in `context`; `None` is a fresh one.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    #[track_caller]
    pub fn call_at_in(
        &self,
        when: Duration,
        context: Option<Context>,
        f: impl FnOnce() + 'static,
    ) -> Result<TimerHandle, LoopError> {
        self.call_timed(duration_to_ns(when), context, f, Location::caller())
    }

    /// Schedules a callback as another thread would: see
    /// [`RemoteHandle::call_soon_threadsafe`](crate::RemoteHandle::call_soon_threadsafe), which is
    /// what other threads have.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`].
    #[track_caller]
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), LoopError> {
        let (context, created_at) = (snapshot_context(), Location::caller());
        if self.inner().inbox.is_pending() {
            // Something is there from before, perhaps from this thread: stay behind it.
            let callback = Box::new(f);
            return self.address().submit(Item::Call {
                callback,
                context,
                created_at,
            });
        }
        self.call_created_at(context, f, created_at).map(drop)
    }

    /// Schedules `f` as [`call_soon_in`](Self::call_soon_in) does, on behalf of a caller elsewhere: reports name the
    /// place that is given.
    ///
    /// For those who keep callbacks for later, as done-callbacks are kept.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    #[inline]
    pub fn call_created_at(
        &self,
        context: Option<Context>,
        f: impl FnOnce() + 'static,
        created_at: &'static Location<'static>,
    ) -> Result<Handle, LoopError> {
        self.check_open()?;
        let cell = HandleCell::scheduled(f, context, created_at);
        self.inner()
            .ready
            .push_callback(Rc::clone(&cell) as Rc<dyn Scheduled>);
        Ok(Handle { cell })
    }

    fn call_timed(
        &self,
        when_ns: u64,
        context: Option<Context>,
        f: impl FnOnce() + 'static,
        created_at: &'static Location<'static>,
    ) -> Result<TimerHandle, LoopError> {
        self.check_open()?;
        let cell: Rc<dyn Scheduled> = HandleCell::scheduled(f, context, created_at);
        let key = self
            .inner()
            .timers
            .insert_callback(when_ns, Rc::clone(&cell));
        Ok(TimerHandle {
            handle: Handle { cell },
            event_loop: self.clone(),
            key,
            when_ns,
        })
    }

    /// The clock is read for each deadline: a reading kept from the beginning of the iteration
    /// would let a timer that is set after long work fire early.
    fn deadline_ns(&self, delay: Duration) -> u64 {
        self.time_ns().saturating_add(duration_to_ns(delay))
    }
}

/// Clients and their words.
impl LoopRef {
    /// Registers a party that gets its turns as words. The loop keeps it until it is closed.
    ///
    /// On a closed loop the client is dropped, and its words go nowhere.
    ///
    /// # Panics
    ///
    /// If the loop has [`ClientId::COUNT`] clients already.
    pub fn register_client(&self, client: Rc<dyn Client>) -> ClientId {
        if self.is_closed() {
            // A closed loop has no clients: this names nobody.
            return ClientId::from_index(0);
        }
        let mut clients = self.inner().clients.borrow_mut();
        assert!(
            clients.len() < ClientId::COUNT,
            "a loop has at most 254 clients"
        );
        clients.push(client);
        ClientId::from_index((clients.len() - 1) as u8)
    }

    /// Appends a word to the ready queue. Ignored once the loop is closed. [`Client`] has an example.
    #[inline]
    pub fn schedule(&self, word: ClientWord) {
        self.inner().ready.push_word(word);
    }

    /// Lets a word run at a moment of the loop's time, at its place among the timers that are due
    /// then. Once the loop is closed the key is of no timer.
    #[inline]
    pub fn schedule_at(&self, when_ns: u64, word: ClientWord) -> TimerKey {
        let key = self.inner().timers.insert(when_ns, word);
        if self.inner().closed.get() {
            self.cancel_timer(key);
        }
        key
    }

    /// Takes a timer out; false if it has fired or was cancelled. One that was moved to the ready
    /// queue has fired, even if its turn is still to come.
    #[inline]
    pub fn cancel_timer(&self, key: TimerKey) -> bool {
        self.inner().timers.cancel(key)
    }
}
