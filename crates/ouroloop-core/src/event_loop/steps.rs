//! One iteration, step by step.
//!
//! The order is asyncio's: wait for at most as long as nothing is to do; take what other threads
//! have left; queue what I/O has made ready, readers before writers; queue the timers that are due,
//! by the clock as it is after the wait; run as many entries as the queue holds at that moment.
//!
//! The steps are public, so that another loop can drive this one: ask [`LoopRef::poll_timeout`],
//! wait for [`LoopRef::selector_fd`] in its own way, then [`LoopRef::poll`],
//! [`LoopRef::process_events`] and [`LoopRef::run_batch`].

use std::cell::Cell;
use std::mem;
use std::os::fd::RawFd;
use std::time::Duration;

use super::LoopRef;
use super::batch::Batch;
use super::statistics::add;
use crate::clock::ClockReader;
use crate::handle::HandleCell;
use crate::inbox::Item;
use crate::{LoopError, VirtualClock};

const MILLISECOND_NS: u64 = 1_000_000;

/// asyncio's cap: longer waits are made of several.
const WAIT_MAX_NS: u64 = 24 * 3600 * 1_000_000_000;

/// The steps of an iteration, for a foreign loop that drives this one.
impl LoopRef {
    /// Gives how long [`poll`](Self::poll) may wait: not at all if something is ready or the loop is to
    /// stop; until the earliest timer, rounded up to a millisecond and capped at a day; `None`,
    /// without limit.
    ///
    /// On virtual time there is no waiting for timers: with one pending, this is zero.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let inner = self.inner();
        if !inner.ready.is_empty() || inner.stopping.get() || inner.inbox.is_pending() {
            return Some(Duration::ZERO);
        }
        match &inner.clock {
            ClockReader::Virtual(clock) if !inner.waits_virtually => {
                let jumps = clock.auto_advance() && !inner.timers.is_empty();
                jumps.then_some(Duration::ZERO)
            }
            _ => self.timer_timeout(),
        }
    }

    /// Asks the selector for events, waiting for `timeout` at most, and keeps them for
    /// [`process_events`](Self::process_events). Returns how many it keeps. Other threads can end
    /// the wait; with work of theirs pending there is none. A signal does not end it if no descriptor is watched: have
    /// its handler write to one that is.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`], [`LoopError::AlreadyRunning`] inside of another step, [`LoopError::LoopInLoop`] and
    /// [`LoopError::Forked`] as for [`run_forever`](Self::run_forever), and [`LoopError::Io`] if the selector
    /// fails.
    ///
    /// # Examples
    ///
    /// ```
    /// // An iteration, step by step: what `run_once` does.
    /// let event_loop = ouroloop::new_event_loop()?;
    /// event_loop.call_soon(|| println!("my turn"))?;
    /// let entered = event_loop.enter()?;
    /// event_loop.poll(event_loop.poll_timeout())?;
    /// event_loop.process_events()?;
    /// assert_eq!(event_loop.run_batch()?, 1);
    /// drop(entered);
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn poll(&self, timeout: Option<Duration>) -> Result<usize, LoopError> {
        let _step = self.step()?;
        self.select(timeout)?;
        Ok(self.inner().events.borrow().len())
    }

    /// Queues what has become ready: the work of other threads, I/O, and the timers that are due.
    /// On virtual time, jumps to the next deadline if there is nothing else.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`], [`LoopError::AlreadyRunning`], [`LoopError::LoopInLoop`] and
    /// [`LoopError::Forked`].
    pub fn process_events(&self) -> Result<(), LoopError> {
        let _step = self.step()?;
        self.gather_posts_and_events();
        self.jump_if_idle();
        self.gather_timers_by_clock();
        Ok(())
    }

    /// Runs one batch: as many entries as the ready queue holds now. Returns how many.
    ///
    /// # Errors
    ///
    /// As for [`process_events`](Self::process_events).
    pub fn run_batch(&self) -> Result<usize, LoopError> {
        let _step = self.step()?;
        add(&self.inner().counters.iterations, 1);
        let size = self.inner().ready.len();
        let batch = Batch::none();
        batch.begin(self.inner().ready.end());
        self.run_turns(&batch, true)?;
        Ok(size)
    }

    /// Gives a descriptor that becomes readable when a poll would find something, if the selector has
    /// one. A foreign loop waits for it, for no longer than [`poll_timeout`](Self::poll_timeout).
    ///
    /// Work that other threads leave shows there only while the loop is [`parked`](Self::park); not while
    /// [`poll`](Self::poll) waits, which it ends.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`]; [`LoopError::Io`] if the operating system has none to give. A loop has no
    /// descriptors of its own (on Linux an epoll and an eventfd) before it is asked for this one, or watches another one.
    pub fn selector_fd(&self) -> Result<Option<RawFd>, LoopError> {
        match self.inner().selector.borrow_mut().as_mut() {
            Some(selector) => Ok(selector.as_raw_fd()?),
            None => Err(LoopError::Closed),
        }
    }

    /// Declares that a foreign loop is about to wait in the place of this one, so that other
    /// threads make [`selector_fd`](Self::selector_fd) readable when they leave something. False
    /// if something is there already: do not wait then. The next [`poll`](Self::poll) ends it.
    pub fn park(&self) -> bool {
        self.check_open().is_ok() && self.inner().inbox.park()
    }
}

/// The iteration as `run_forever` makes it.
impl LoopRef {
    /// Everything that precedes the batch.
    #[inline]
    pub(super) fn gather(&self) -> Result<(), LoopError> {
        let inner = self.inner();
        if inner.ready.is_empty() {
            return self.gather_idle();
        }
        if inner.inbox.is_pending() || inner.io_count.get() != 0 || inner.timers.may_be_any() {
            return self.gather_busy();
        }
        Ok(())
    }

    /// With nothing ready: here the loop sleeps.
    #[cold]
    fn gather_idle(&self) -> Result<(), LoopError> {
        if self.inner().stopping.get() {
            self.select(Some(Duration::ZERO))?;
            self.gather_posts_and_events();
        } else {
            self.wait()?;
        }
        self.gather_timers_by_clock();
        Ok(())
    }

    /// With something ready: looks for the rest, as often as the policy says.
    fn gather_busy(&self) -> Result<(), LoopError> {
        let inner = self.inner();
        let mut now_ns = self.recent_time_ns();
        if inner.io_count.get() != 0 && self.poll_is_due(now_ns) {
            self.select(Some(Duration::ZERO))?;
            now_ns = inner.polling.last_ns.get();
        }
        self.gather_posts_and_events();
        self.gather_timers(now_ns);
        Ok(())
    }

    /// Steps 1 to 4 when nothing is ready: here the loop sleeps.
    fn wait(&self) -> Result<(), LoopError> {
        let inner = self.inner();
        if inner.inbox.is_pending() && inner.io_count.get() == 0 {
            // What woke the loop is known.
            self.gather_posts_and_events();
            return Ok(());
        }
        match &inner.clock {
            ClockReader::Monotonic(_) => self.select(self.timer_timeout())?,
            ClockReader::Virtual(clock) if inner.waits_virtually => self.wait_by_selector(clock)?,
            ClockReader::Virtual(clock) => return self.wait_virtually(clock),
        }
        self.gather_posts_and_events();
        Ok(())
    }

    /// Virtual time with a real selector: never sleeps while there is a timer to jump to.
    fn wait_virtually(&self, clock: &VirtualClock) -> Result<(), LoopError> {
        let inner = self.inner();
        if self.is_reachable() || inner.inbox.is_pending() {
            self.select(Some(Duration::ZERO))?;
            self.gather_posts_and_events();
        }
        if self.jump_if_idle() || !inner.ready.is_empty() || inner.stopping.get() {
            return Ok(());
        }
        if self.next_timer_is_due(clock.now_ns()) {
            return Ok(());
        }
        // Asked after the inbox was drained: the last handle gives a nudge when it goes, and a drain
        // would have taken that for an answer.
        if self.is_reachable() {
            self.select(None)?;
        } else if !inner.inbox.is_pending() {
            return self.deadlock(clock);
        }
        self.gather_posts_and_events();
        Ok(())
    }

    /// Virtual time that the selector itself moves when it waits.
    fn wait_by_selector(&self, clock: &VirtualClock) -> Result<(), LoopError> {
        let inner = self.inner();
        let reachable = self.is_reachable();
        let timeout = if clock.auto_advance() {
            self.timer_timeout()
        } else {
            None
        };
        if timeout.is_none() && !reachable && !inner.inbox.is_pending() {
            return self.deadlock(clock);
        }
        self.select(timeout)
    }

    /// Whether something other than a timer may make something ready. If not, what other threads
    /// have submitted before is seen as pending from now on.
    fn is_reachable(&self) -> bool {
        self.inner().io_count.get() != 0 || self.inner().remote.has_handles()
    }

    fn deadlock(&self, clock: &VirtualClock) -> Result<(), LoopError> {
        Err(LoopError::Deadlock {
            now: clock.now(),
            timers: self.inner().timers.len(),
        })
    }

    /// Jumps to the next deadline if the clock is virtual and nothing is ready. True if there was
    /// one to jump to.
    fn jump_if_idle(&self) -> bool {
        let inner = self.inner();
        let ClockReader::Virtual(clock) = &inner.clock else {
            return false;
        };
        if inner.waits_virtually
            || !clock.auto_advance()
            || !inner.ready.is_empty()
            || inner.stopping.get()
        {
            return false;
        }
        match inner.timers.next_ns() {
            Some(when_ns) => {
                clock.jump_to_deadline(when_ns);
                true
            }
            None => false,
        }
    }

    fn next_timer_is_due(&self, now_ns: u64) -> bool {
        self.inner()
            .timers
            .next_ns()
            .is_some_and(|when_ns| when_ns <= now_ns)
    }

    /// How long until the earliest timer: rounded up to a millisecond, so that timers that are
    /// close together come due in one iteration, and a wait never ends just before its timer.
    fn timer_timeout(&self) -> Option<Duration> {
        let when_ns = self.inner().timers.next_ns()?;
        let wait_ns = when_ns
            .saturating_sub(self.inner().clock.exact_ns())
            .min(WAIT_MAX_NS);
        if self.inner().waits_virtually {
            return Some(Duration::from_nanos(wait_ns));
        }
        Some(Duration::from_millis(wait_ns.div_ceil(MILLISECOND_NS)))
    }

    /// The time, read when it has to be: if a timer may be due within the time that the policy
    /// lets pass, and after so many callbacks.
    fn recent_time_ns(&self) -> u64 {
        let inner = self.inner();
        let (time_max_ns, state) = (inner.polling.time_max_ns, &inner.polling);
        let recent_ns = state.recent_ns.get();
        let near = inner
            .timers
            .may_be_due(recent_ns.saturating_add(time_max_ns));
        if !near && self.callbacks_since(&state.read_at) < state.look_after.get() {
            return recent_ns;
        }
        let now_ns = self.read_clock();
        // Next to callbacks that are not quick, reading the clock costs nothing.
        let quick = now_ns.saturating_sub(recent_ns) <= time_max_ns / 8;
        let most = state.look_after_max;
        state.look_after.set(if quick { most } else { most.min(1) });
        now_ns
    }

    fn read_clock(&self) -> u64 {
        let state = &self.inner().polling;
        let now_ns = self.inner().clock.exact_ns();
        state.recent_ns.set(now_ns);
        state.read_at.set(self.inner().ready.popped());
        now_ns
    }

    /// Whether a busy loop is to look for I/O before this batch.
    fn poll_is_due(&self, now_ns: u64) -> bool {
        let state = &self.inner().polling;
        self.callbacks_since(&state.polled_at) >= state.callbacks_max
            || now_ns.saturating_sub(state.last_ns.get()) >= state.time_max_ns
    }

    #[inline]
    fn callbacks_since(&self, then: &Cell<usize>) -> usize {
        self.inner().ready.popped().wrapping_sub(then.get())
    }

    /// Makes the next busy iteration poll: the first of a run does.
    pub(super) fn poll_next_time(&self) {
        let ahead = self.inner().ready.popped().wrapping_add(1);
        self.inner().polling.polled_at.set(ahead);
        self.inner().polling.read_at.set(ahead);
    }

    fn select(&self, timeout: Option<Duration>) -> Result<(), LoopError> {
        let inner = self.inner();
        self.rearm();
        add(&inner.counters.polls, 1);
        let mut timeout = timeout;
        if timeout != Some(Duration::ZERO) && !inner.inbox.park() {
            timeout = Some(Duration::ZERO);
        }
        let mut selector = inner.selector.borrow_mut();
        let mut events = inner.events.borrow_mut();
        let before = events.len();
        let result = match selector.as_mut() {
            Some(selector) => selector.select(&mut events, timeout),
            None => Ok(()),
        };
        inner.inbox.unpark();
        add(&inner.counters.io_events, (events.len() - before) as u64);
        inner.polling.polled_at.set(inner.ready.popped());
        if inner.io_count.get() != 0 || inner.timers.may_be_any() {
            inner.polling.last_ns.set(self.read_clock());
        }
        result.map_err(LoopError::Io)
    }

    fn gather_posts_and_events(&self) {
        if self.inner().inbox.is_pending() {
            self.drain_inbox();
        }
        if !self.inner().events.borrow().is_empty() {
            self.dispatch_events();
        }
    }

    fn drain_inbox(&self) {
        let inner = self.inner();
        let mut items = inner.drained.take();
        inner.inbox.drain(&mut items);
        add(&inner.counters.posted, items.len() as u64);
        for item in items.drain(..) {
            match item {
                Item::Call {
                    callback,
                    context,
                    created_at,
                } => {
                    let cell = HandleCell::scheduled(callback, context, created_at);
                    inner.ready.push_callback(cell);
                }
                Item::Turn(word) => inner.ready.push_word(word),
                Item::Word(word) => {
                    let client = self.client(word.client());
                    self.contain("Exception in a client's posted()", || {
                        if let Some(client) = client {
                            client.posted(word.payload());
                        }
                    });
                }
            }
        }
        inner.drained.replace(items);
    }

    fn dispatch_events(&self) {
        let mut events = mem::take(&mut *self.inner().events.borrow_mut());
        for event in events.drain(..) {
            self.dispatch(event);
        }
        self.inner().events.replace(events);
    }

    fn gather_timers_by_clock(&self) {
        if self.inner().timers.may_be_any() {
            self.gather_timers(self.inner().clock.exact_ns());
        }
    }

    fn gather_timers(&self, now_ns: u64) {
        let inner = self.inner();
        if inner.timers.may_be_due(now_ns) {
            inner.timers.move_due(now_ns, &inner.ready);
        }
    }
}
