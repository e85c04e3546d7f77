//! Descriptors: `add_reader` and its kin, I/O sources, and where their events go.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::Location;
use std::rc::Rc;

use super::LoopRef;
use crate::handle::Scheduled;
use crate::io::{Callbacks, Direction, FdHandle, IoSource, Owner, SourceState};
use crate::{LoopError, SelectorEvent, Token, snapshot_context};

impl LoopRef {
    /// Calls `f` in every iteration in which `fd` has something to read: asyncio's `add_reader`. Replaces the
    /// reader that `fd` had.
    ///
    /// Keep `fd` open until [`remove_reader`](Self::remove_reader): the loop knows the number only.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`]; [`LoopError::AlreadyRegistered`] if an [`IoSource`] owns `fd`; and
    /// [`LoopError::Io`] if the selector does not take it: a regular file, say. Nothing stays
    /// registered then.
    ///
    /// # Ordering
    ///
    /// Behind what is ready already and before timers; for one descriptor, the reader before the
    /// writer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::fd::AsRawFd;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let event_loop = ouroloop::new_event_loop()?;
    /// let (mut ours, mut theirs) = UnixStream::pair()?;
    /// let (fd, handle) = (ours.as_raw_fd(), event_loop.downgrade());
    /// event_loop.add_reader(fd, move || {
    ///     let mut buffer = [0; 16];
    ///     let count = ours.read(&mut buffer).expect("it is readable");
    ///     assert_eq!(&buffer[..count], b"hello");
    ///     handle.remove_reader(fd);
    ///     handle.stop();
    /// })?;
    /// theirs.write_all(b"hello")?;
    /// event_loop.run_forever()?;
    /// event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn add_reader(&self, fd: RawFd, f: impl FnMut() + 'static) -> Result<(), LoopError> {
        self.add_watcher(fd, Direction::Read, Box::new(f), Location::caller())
    }

    /// Calls `f` in every iteration in which `fd` has room to write: asyncio's `add_writer`. Replaces the writer
    /// that `fd` had.
    ///
    /// # Errors
    ///
    /// As for [`add_reader`](Self::add_reader).
    #[track_caller]
    pub fn add_writer(&self, fd: RawFd, f: impl FnMut() + 'static) -> Result<(), LoopError> {
        self.add_watcher(fd, Direction::Write, Box::new(f), Location::caller())
    }

    /// Removes the reader of `fd`, even if it is in the batch already. False if there was none, or
    /// the loop is closed.
    pub fn remove_reader(&self, fd: RawFd) -> bool {
        self.remove_watcher(fd, Direction::Read)
    }

    /// Removes the writer of `fd`, even if it is in the batch already. False if there was none, or
    /// the loop is closed.
    pub fn remove_writer(&self, fd: RawFd) -> bool {
        self.remove_watcher(fd, Direction::Write)
    }

    /// Watches `io` in both directions, as the loop's side of a stream. `io` should be
    /// non-blocking. [`IoSource`] has an example.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`]; [`LoopError::AlreadyRegistered`] if its descriptor has an owner; and
    /// [`LoopError::Io`] if the selector does not take it. `io` is dropped then.
    pub fn register_io<T: AsRawFd>(&self, io: T) -> Result<IoSource<T>, LoopError> {
        self.check_open()?;
        let fd = io.as_raw_fd();
        let state = Rc::new(SourceState::default());
        let token = self.insert_and_register(fd, Owner::Source(Rc::clone(&state)))?;
        Ok(IoSource::new(io, fd, token, state, self.clone()))
    }

    /// Takes a source out. For the source itself, which knows that it is its own.
    pub(crate) fn deregister_io(&self, fd: RawFd, token: Token) {
        let owner = self.inner().io.borrow_mut().remove(token);
        if let Some(owner) = owner {
            self.count_io();
            self.deregister(fd);
            if let Owner::Source(state) = owner {
                drop(state.forget_wakers());
            }
        }
    }

    /// Queues or wakes whomever an event concerns.
    pub(super) fn dispatch(&self, event: SelectorEvent) {
        // Bound first: the table must not be borrowed when wakers run.
        let owner = self.inner().io.borrow().owner(event.token);
        match owner {
            Some(Owner::Callbacks(callbacks)) => {
                if event.concerns_reader() {
                    self.queue(callbacks.reader);
                }
                if event.concerns_writer() {
                    self.queue(callbacks.writer);
                }
            }
            Some(Owner::Source(state)) => {
                for waker in state.note(&event).into_iter().flatten() {
                    self.contain("Exception in a waker", || waker.wake());
                }
            }
            None => {
                tracing::trace!(target: "ouroloop::core", ?event, "event of a former descriptor");
            }
        }
    }

    /// Arms again the descriptors whose callbacks have run since the last poll.
    pub(super) fn rearm(&self) {
        if self.inner().io_count.get() == 0 || !self.inner().io.borrow().has_rearms() {
            return;
        }
        loop {
            let Some(token) = self.inner().io.borrow_mut().pop_rearm() else {
                return;
            };
            if let Err(error) = self.update_registration(token) {
                // Closed behind our back: the kernel has forgotten it, as it does under asyncio.
                tracing::debug!(target: "ouroloop::core", ?token, %error, "could not arm again");
            }
        }
    }

    pub(crate) fn rearm_later(&self, token: Token) {
        self.inner().io.borrow_mut().rearm_later(token);
    }

    /// Keeps the number that every iteration looks at.
    pub(super) fn count_io(&self) {
        self.inner().io_count.set(self.inner().io.borrow().len());
    }

    fn queue(&self, handle: Option<Rc<FdHandle>>) {
        if let Some(handle) = handle {
            if handle.mark_queued() {
                self.inner().ready.push_callback(handle);
            }
        }
    }

    fn add_watcher(
        &self,
        fd: RawFd,
        direction: Direction,
        callback: Box<dyn FnMut()>,
        created_at: &'static Location<'static>,
    ) -> Result<(), LoopError> {
        self.check_open()?;
        let handle = Rc::new(FdHandle::new(callback, snapshot_context(), created_at));
        let known = self
            .inner()
            .io
            .borrow_mut()
            .callbacks(fd)?
            .map(|(token, _)| token);
        let Some(token) = known else {
            let token =
                self.insert_and_register(fd, Owner::Callbacks(Callbacks::of(direction, &handle)))?;
            handle.set_token(token);
            return Ok(());
        };
        handle.set_token(token);
        let before = self
            .inner()
            .io
            .borrow_mut()
            .exchange(token, direction, Some(handle));
        let result = self.update_registration(token);
        if result.is_err() {
            let failed = self
                .inner()
                .io
                .borrow_mut()
                .exchange(token, direction, None);
            self.remove_if_unwatched(fd, token);
            drop(failed);
        }
        if let Some(before) = before {
            before.cancel();
        }
        Ok(result?)
    }

    fn remove_watcher(&self, fd: RawFd, direction: Direction) -> bool {
        let known = match self.inner().io.borrow_mut().callbacks(fd) {
            Ok(Some((token, _))) => token,
            Ok(None) | Err(_) => return false,
        };
        let removed = self
            .inner()
            .io
            .borrow_mut()
            .exchange(known, direction, None);
        if !self.remove_if_unwatched(fd, known) && removed.is_some() {
            if let Err(error) = self.update_registration(known) {
                tracing::debug!(target: "ouroloop::core", fd, %error, "could not narrow the watch");
            }
        }
        match removed {
            Some(handle) => {
                handle.cancel();
                true
            }
            None => false,
        }
    }

    /// Takes an entry out that nobody watches any more. True if it did.
    fn remove_if_unwatched(&self, fd: RawFd, token: Token) -> bool {
        if self.inner().io.borrow().registration(token).is_some() {
            return false;
        }
        let owner = self.inner().io.borrow_mut().remove(token);
        drop(owner);
        self.count_io();
        self.deregister(fd);
        true
    }

    fn insert_and_register(&self, fd: RawFd, owner: Owner) -> Result<Token, LoopError> {
        let token = self.inner().io.borrow_mut().insert(fd, owner)?;
        let registration = self.inner().io.borrow().registration(token);
        let result = match (registration, self.inner().selector.borrow_mut().as_mut()) {
            (Some((fd, interest)), Some(selector)) => selector.register(fd, token, interest),
            _ => Ok(()),
        };
        if let Err(error) = result {
            let owner = self.inner().io.borrow_mut().remove(token);
            drop(owner);
            return Err(error.into());
        }
        self.count_io();
        Ok(token)
    }

    /// Tells the selector the present interest of an entry, and arms it.
    fn update_registration(&self, token: Token) -> io::Result<()> {
        let Some((fd, interest)) = self.inner().io.borrow().registration(token) else {
            return Ok(());
        };
        let mut selector = self.inner().selector.borrow_mut();
        let Some(selector) = selector.as_mut() else {
            return Ok(());
        };
        match selector.reregister(fd, token, interest) {
            // The number was closed and is open again: the kernel knows nothing of the new one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                selector.register(fd, token, interest)
            }
            result => result,
        }
    }

    pub(super) fn deregister(&self, fd: RawFd) {
        if self.check_process().is_err() {
            // The child of a fork: the kernel's selector is the parent's as well, and it wants it.
            return;
        }
        if let Some(selector) = self.inner().selector.borrow_mut().as_mut() {
            if let Err(error) = selector.deregister(fd) {
                tracing::debug!(target: "ouroloop::core", fd, %error, "was not registered any more");
            }
        }
    }
}

impl Callbacks {
    fn of(direction: Direction, handle: &Rc<FdHandle>) -> Callbacks {
        let handle = Some(Rc::clone(handle));
        match direction {
            Direction::Read => Callbacks {
                reader: handle,
                writer: None,
            },
            Direction::Write => Callbacks {
                reader: None,
                writer: handle,
            },
        }
    }
}
