//! A selector that does what a test wrote down, and writes down what the loop did.
//!
//! Events are scripted for the next poll, or for a moment of virtual time. The selector needs no
//! real descriptors: any number will do. Waiting moves the virtual clock that the selector was made
//! with; one made without a clock waits for real, which only a wake-up or the timeout ends.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Interest, Selector, SelectorEvent, SelectorWaker, Token};
use crate::VirtualClock;
use crate::clock::duration_to_ns;

/// A [`Selector`] for tests. Clones share one script: the loop takes one, the test keeps one.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::ScriptedSelector;
/// use ouroloop::{EventLoop, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let selector = ScriptedSelector::new(clock.clone());
/// let event_loop = EventLoop::builder()
///     .clock(clock.clone())
///     .selector(Box::new(selector.clone()))
///     .build()?;
/// let stopper = event_loop.downgrade();
/// event_loop.add_reader(7, move || stopper.stop())?;
/// selector.at(Duration::from_secs(3), 7, |event| event.readable = true);
/// event_loop.run_forever()?;
/// assert_eq!(clock.now(), Duration::from_secs(3));
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[derive(Clone)]
pub struct ScriptedSelector {
    script: Rc<Script>,
}

struct Script {
    clock: Option<VirtualClock>,
    registered: RefCell<BTreeMap<RawFd, (Token, Interest)>>,
    /// For the next poll, in this order.
    next: RefCell<Vec<Happening>>,
    /// What descriptors are ready for, and stay.
    ready: RefCell<BTreeMap<RawFd, SelectorEvent>>,
    /// Those of them that the next poll reports, once each.
    armed: RefCell<Vec<RawFd>>,
    /// By the time they happen, then by the order in which they were scripted.
    timed: RefCell<BTreeMap<(u64, u64), Happening>>,
    age: Cell<u64>,
    calls: RefCell<Vec<SelectorCall>>,
    select_failures: RefCell<VecDeque<io::ErrorKind>>,
    register_failures: RefCell<VecDeque<io::ErrorKind>>,
    waits_for_wakes: Cell<bool>,
    waker: Arc<ScriptedWaker>,
}

/// An event that finds its token when it happens, or has one of its own.
enum Happening {
    Fd(RawFd, SelectorEvent),
    Raw(SelectorEvent),
}

/// What the loop asked of a [`ScriptedSelector`]: see [`ScriptedSelector::take_calls`].
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[non_exhaustive]
pub enum SelectorCall {
    /// `register` was called.
    Register {
        /// With this descriptor,
        fd: RawFd,
        /// this token,
        token: Token,
        /// and this interest.
        interest: Interest,
    },
    /// `reregister` was called.
    Reregister {
        /// With this descriptor,
        fd: RawFd,
        /// this token,
        token: Token,
        /// and this interest.
        interest: Interest,
    },
    /// `deregister` was called.
    Deregister {
        /// With this descriptor.
        fd: RawFd,
    },
    /// `select` was called.
    Select {
        /// With this timeout.
        timeout: Option<Duration>,
    },
}

impl ScriptedSelector {
    /// Makes a selector that moves `clock` when it waits. With nothing scripted and no timeout, its
    /// wait fails: nothing would ever come.
    pub fn new(clock: VirtualClock) -> ScriptedSelector {
        ScriptedSelector::with_clock(Some(clock))
    }

    /// Makes a selector that waits for real, until it is woken or the timeout has passed.
    pub fn real_time() -> ScriptedSelector {
        ScriptedSelector::with_clock(None)
    }

    /// Says whether a wait on virtual time, with nothing scripted and no timeout, waits for real
    /// until another thread wakes the loop, instead of failing.
    pub fn set_waits_for_wakes(&self, waits: bool) {
        self.script.waits_for_wakes.set(waits);
    }

    fn with_clock(clock: Option<VirtualClock>) -> ScriptedSelector {
        ScriptedSelector {
            script: Rc::new(Script {
                clock,
                registered: RefCell::default(),
                next: RefCell::default(),
                ready: RefCell::default(),
                armed: RefCell::default(),
                timed: RefCell::default(),
                age: Cell::new(0),
                calls: RefCell::default(),
                select_failures: RefCell::default(),
                register_failures: RefCell::default(),
                waits_for_wakes: Cell::new(false),
                waker: Arc::default(),
            }),
        }
    }

    /// Scripts an event of `fd` for the next poll; `what` says what happens to it. What `fd` is not
    /// registered for is left out.
    pub fn next_poll(&self, fd: RawFd, what: impl FnOnce(&mut SelectorEvent)) {
        self.script
            .next
            .borrow_mut()
            .push(Happening::Fd(fd, shape(what)));
    }

    /// Says what `fd` is ready for from now on. As the kernel does, reports it at the next poll, and
    /// again whenever `fd` is registered anew.
    pub fn set_ready(&self, fd: RawFd, what: impl FnOnce(&mut SelectorEvent)) {
        let event = shape(what);
        self.script.ready.borrow_mut().insert(fd, event);
        self.arm(fd);
    }

    /// Scripts an event of `fd` for a moment of virtual time.
    ///
    /// # Panics
    ///
    /// If the selector was made without a clock.
    pub fn at(&self, when: Duration, fd: RawFd, what: impl FnOnce(&mut SelectorEvent)) {
        assert!(
            self.script.clock.is_some(),
            "timed events need the clock that they are timed by"
        );
        let age = self.script.age.get();
        self.script.age.set(age + 1);
        let key = (duration_to_ns(when), age);
        self.script
            .timed
            .borrow_mut()
            .insert(key, Happening::Fd(fd, shape(what)));
    }

    /// Scripts an event for the next poll as it is: with a token that is out of date, say.
    pub fn inject(&self, event: SelectorEvent) {
        self.script.next.borrow_mut().push(Happening::Raw(event));
    }

    /// Lets the next `select` that has not failed yet fail with this.
    pub fn fail_select(&self, kind: io::ErrorKind) {
        self.script.select_failures.borrow_mut().push_back(kind);
    }

    /// Lets the next `register` or `reregister` that has not failed yet fail with this.
    pub fn fail_register(&self, kind: io::ErrorKind) {
        self.script.register_failures.borrow_mut().push_back(kind);
    }

    /// Gives the token that `fd` is registered with.
    pub fn token(&self, fd: RawFd) -> Option<Token> {
        self.script
            .registered
            .borrow()
            .get(&fd)
            .map(|entry| entry.0)
    }

    /// Gives what `fd` is registered for.
    pub fn interest(&self, fd: RawFd) -> Option<Interest> {
        self.script
            .registered
            .borrow()
            .get(&fd)
            .map(|entry| entry.1)
    }

    /// Takes the record of what the loop did since the last time.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::lowlevel::{Interest, ScriptedSelector, SelectorCall};
    /// use ouroloop::{EventLoop, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let selector = ScriptedSelector::new(clock.clone());
    /// let script = Box::new(selector.clone());
    /// let event_loop = EventLoop::builder().clock(clock).selector(script).build()?;
    /// event_loop.add_reader(7, || {})?;
    /// let token = selector.token(7).unwrap();
    /// let interest = Interest::READABLE;
    /// assert_eq!(selector.take_calls(), [SelectorCall::Register { fd: 7, token, interest }]);
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn take_calls(&self) -> Vec<SelectorCall> {
        self.script.calls.take()
    }

    /// Gives the timeouts of the polls since the record was last taken.
    pub fn timeouts(&self) -> Vec<Option<Duration>> {
        let calls = self.script.calls.borrow();
        calls
            .iter()
            .filter_map(|call| match call {
                SelectorCall::Select { timeout } => Some(*timeout),
                _ => None,
            })
            .collect()
    }

    fn record(&self, call: SelectorCall) {
        self.script.calls.borrow_mut().push(call);
    }

    fn enter(&self, fd: RawFd, token: Token, interest: Interest, known: bool) -> io::Result<()> {
        if let Some(kind) = self.script.register_failures.borrow_mut().pop_front() {
            return Err(kind.into());
        }
        let mut registered = self.script.registered.borrow_mut();
        match (registered.contains_key(&fd), known) {
            (true, false) => Err(io::ErrorKind::AlreadyExists.into()),
            (false, true) => Err(io::ErrorKind::NotFound.into()),
            _ => {
                registered.insert(fd, (token, interest));
                self.arm(fd);
                Ok(())
            }
        }
    }

    fn arm(&self, fd: RawFd) {
        let mut armed = self.script.armed.borrow_mut();
        if !armed.contains(&fd) {
            armed.push(fd);
        }
    }

    /// Moves what happens now into `events`; says whether there was anything.
    fn collect(&self, events: &mut Vec<SelectorEvent>) -> bool {
        let before = events.len();
        for happening in self.script.next.take() {
            self.deliver(happening, events);
        }
        for fd in self.script.armed.take() {
            if let Some(&event) = self.script.ready.borrow().get(&fd) {
                self.deliver(Happening::Fd(fd, event), events);
            }
        }
        if let Some(clock) = &self.script.clock {
            let mut timed = self.script.timed.borrow_mut();
            while let Some(entry) = timed.first_entry() {
                if entry.key().0 > clock.now_ns() {
                    break;
                }
                self.deliver(entry.remove(), events);
            }
        }
        events.len() > before
    }

    fn deliver(&self, happening: Happening, events: &mut Vec<SelectorEvent>) {
        match happening {
            Happening::Raw(event) => events.push(event),
            Happening::Fd(fd, event) => {
                let registered = self.script.registered.borrow();
                let Some(&(token, interest)) = registered.get(&fd) else {
                    return;
                };
                let event = SelectorEvent {
                    token,
                    readable: event.readable && interest.readable,
                    read_closed: event.read_closed && interest.readable,
                    writable: event.writable && interest.writable,
                    write_closed: event.write_closed && interest.writable,
                    error: event.error,
                };
                if event != SelectorEvent::new(token) {
                    events.push(event);
                }
            }
        }
    }

    fn wait_virtually(&self, clock: &VirtualClock, timeout: Option<Duration>) -> io::Result<()> {
        if self.script.waker.take() {
            return Ok(());
        }
        let timed = self
            .script
            .timed
            .borrow()
            .first_key_value()
            .map(|(key, _)| key.0);
        let limit = timeout.map(|timeout| clock.now_ns().saturating_add(duration_to_ns(timeout)));
        match timed.into_iter().chain(limit).min() {
            Some(until) => clock.jump_to(until.max(clock.now_ns())),
            None if self.script.waits_for_wakes.get() => self.script.waker.wait(None),
            None => {
                return Err(io::Error::other(
                    "the script is at its end: nothing will come",
                ));
            }
        }
        Ok(())
    }
}

impl Selector for ScriptedSelector {
    fn register(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.record(SelectorCall::Register {
            fd,
            token,
            interest,
        });
        self.enter(fd, token, interest, false)
    }

    fn reregister(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.record(SelectorCall::Reregister {
            fd,
            token,
            interest,
        });
        self.enter(fd, token, interest, true)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.record(SelectorCall::Deregister { fd });
        match self.script.registered.borrow_mut().remove(&fd) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn select(
        &mut self,
        events: &mut Vec<SelectorEvent>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.record(SelectorCall::Select { timeout });
        if let Some(kind) = self.script.select_failures.borrow_mut().pop_front() {
            return Err(kind.into());
        }
        if self.collect(events) {
            return Ok(());
        }
        match &self.script.clock {
            Some(clock) => {
                self.wait_virtually(clock, timeout)?;
                self.collect(events);
            }
            None => self.script.waker.wait(timeout),
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn SelectorWaker> {
        self.script.waker.clone()
    }

    fn as_raw_fd(&mut self) -> io::Result<Option<RawFd>> {
        Ok(None)
    }

    fn waits_virtually(&self) -> bool {
        self.script.clock.is_some()
    }
}

#[derive(Default)]
struct ScriptedWaker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl ScriptedWaker {
    fn take(&self) -> bool {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wait(&self, timeout: Option<Duration>) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = match timeout {
            None => self
                .changed
                .wait_while(woken, |woken| !*woken)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed
                    .wait_timeout_while(woken, timeout, |woken| !*woken)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        *woken = false;
    }
}

impl SelectorWaker for ScriptedWaker {
    fn wake(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

fn shape(what: impl FnOnce(&mut SelectorEvent)) -> SelectorEvent {
    // The token is filled in when the event is delivered.
    let mut event = SelectorEvent::new(Token {
        slot: u32::MAX,
        generation: u32::MAX,
    });
    what(&mut event);
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token {
        slot: 3,
        generation: 1,
    };

    #[test]
    fn a_wait_moves_the_clock_to_the_event_or_the_timeout_whichever_is_first() {
        let clock = VirtualClock::new();
        let mut selector = ScriptedSelector::new(clock.clone());
        selector.register(5, TOKEN, Interest::BOTH).unwrap();
        selector.at(Duration::from_secs(3), 5, |event| event.readable = true);
        let mut events = Vec::new();
        selector
            .select(&mut events, Some(Duration::from_secs(1)))
            .unwrap();
        assert!(events.is_empty());
        assert_eq!(clock.now(), Duration::from_secs(1));
        selector
            .select(&mut events, Some(Duration::from_secs(9)))
            .unwrap();
        assert_eq!(
            events,
            [SelectorEvent {
                readable: true,
                ..SelectorEvent::new(TOKEN)
            }]
        );
        assert_eq!(clock.now(), Duration::from_secs(3));
        assert!(selector.select(&mut events, None).is_err());
    }

    #[test]
    fn what_stays_ready_is_reported_again_when_it_is_armed_again() {
        let mut selector = ScriptedSelector::new(VirtualClock::new());
        selector.register(5, TOKEN, Interest::READABLE).unwrap();
        selector.set_ready(5, |event| (event.readable, event.writable) = (true, true));
        let readable = SelectorEvent {
            readable: true,
            ..SelectorEvent::new(TOKEN)
        };
        let zero = Some(Duration::ZERO);
        let mut events = Vec::new();
        selector.select(&mut events, zero).unwrap();
        selector.select(&mut events, zero).unwrap();
        assert_eq!(events, [readable]);
        selector.reregister(5, TOKEN, Interest::READABLE).unwrap();
        selector.select(&mut events, zero).unwrap();
        assert_eq!(events, [readable, readable]);
    }

    #[test]
    fn a_wake_up_is_remembered_until_the_next_wait() {
        let mut selector = ScriptedSelector::real_time();
        selector.waker().wake();
        selector.select(&mut Vec::new(), None).unwrap();
        let clock = VirtualClock::new();
        let mut selector = ScriptedSelector::new(clock.clone());
        selector.waker().wake();
        selector
            .select(&mut Vec::new(), Some(Duration::from_secs(1)))
            .unwrap();
        assert_eq!(clock.now(), Duration::ZERO);
    }

    #[test]
    fn registration_is_as_strict_as_the_kernels() {
        let mut selector = ScriptedSelector::real_time();
        let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
        assert_eq!(kind(selector.deregister(5)), Err(io::ErrorKind::NotFound));
        assert_eq!(
            kind(selector.reregister(5, TOKEN, Interest::BOTH)),
            Err(io::ErrorKind::NotFound)
        );
        assert_eq!(kind(selector.register(5, TOKEN, Interest::BOTH)), Ok(()));
        assert_eq!(
            kind(selector.register(5, TOKEN, Interest::BOTH)),
            Err(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(kind(selector.deregister(5)), Ok(()));
    }
}
