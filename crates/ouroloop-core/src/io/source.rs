//! A descriptor that an upper layer reads and writes by itself, told when that is worth trying.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::{LoopError, LoopRef, SelectorEvent, Token};

/// Owns `io` and knows whether it is ready: what streams are made of.
///
/// Readiness is edge-triggered and remembered: once the kernel has said that there is something to
/// read, [`poll_readable`](Self::poll_readable) is ready until
/// [`clear_readable`](Self::clear_readable), which is to be called after a read that was short, or
/// [`read_would_block`](Self::read_would_block). Try first, and clear at once: the loop looks for events only between callbacks,
/// so nothing can come between the two.
///
/// Dropping it takes `io` out of the selector, and then drops `io`.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// ouroloop::run(async {
///     let (mut ours, theirs) = UnixStream::pair()?;
///     theirs.set_nonblocking(true)?;
///     let source = ouroloop::get_running_loop()?.register_io(theirs)?;
///     ours.write_all(b"gift")?;
///     poll_fn(|cx| source.poll_readable(cx.waker())).await?;
///     let mut buffer = [0; 8];
///     assert_eq!(source.get_ref().read(&mut buffer)?, 4);
///     source.clear_readable(); // a short read: there is no more
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct IoSource<T> {
    /// `None` only while it is taken apart.
    io: Option<T>,
    fd: RawFd,
    token: Token,
    state: Rc<SourceState>,
    event_loop: LoopRef,
}

impl<T> IoSource<T> {
    pub(crate) fn new(
        io: T,
        fd: RawFd,
        token: Token,
        state: Rc<SourceState>,
        event_loop: LoopRef,
    ) -> IoSource<T> {
        IoSource {
            io: Some(io),
            fd,
            token,
            state,
            event_loop,
        }
    }

    /// Gives the thing itself.
    pub fn get_ref(&self) -> &T {
        self.io
            .as_ref()
            .expect("io is there until the source is taken apart")
    }

    /// Gives the thing itself. Do not exchange it for one with another descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        self.io
            .as_mut()
            .expect("io is there until the source is taken apart")
    }

    /// Takes `io` out of the loop and gives it back.
    pub fn into_inner(mut self) -> T {
        self.event_loop.deregister_io(self.fd, self.token);
        self.io
            .take()
            .expect("io is there until the source is taken apart")
    }

    /// Is ready if a read is worth trying; else remembers `waker` and wakes it when it is.
    ///
    /// One waker is remembered for each direction: the last one.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after the loop was closed; waiting would be for ever.
    pub fn poll_readable(&self, waker: &Waker) -> Poll<Result<(), LoopError>> {
        self.poll(&self.state.read, waker)
    }

    /// Is ready if a write is worth trying; else remembers `waker` and wakes it when it is.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] after the loop was closed; waiting would be for ever.
    pub fn poll_writable(&self, waker: &Waker) -> Poll<Result<(), LoopError>> {
        self.poll(&self.state.write, waker)
    }

    /// Forgets that a read is worth trying, after one that was short. Where the peer has closed its side or
    /// the descriptor has an error, there is still something to read: that is not forgotten.
    pub fn clear_readable(&self) {
        self.state.read.clear();
    }

    /// Forgets that a write is worth trying, after one that was short; except as for
    /// [`clear_readable`](Self::clear_readable).
    pub fn clear_writable(&self) {
        self.state.write.clear();
    }

    /// Forgets that a read is worth trying, after one would have blocked, whatever the kernel has said
    /// before: where there is an end or an error to be read, no read blocks, so somebody else has
    /// taken it. Who went on trying would spin.
    pub fn read_would_block(&self) {
        self.state.read.would_block();
    }

    /// The same for a write.
    pub fn write_would_block(&self) {
        self.state.write.would_block();
    }

    /// Takes out who waits to read: whoever closes `io` under a reader has to wake it, as dropping the
    /// source wakes nobody.
    pub fn take_read_waker(&self) -> Option<Waker> {
        self.state.read.waker.take()
    }

    /// Tells whether the kernel has said that the peer will write no more, or that there is an error.
    pub fn read_closed(&self) -> bool {
        self.state.read.closed.get()
    }

    /// Tells whether the kernel has said that the peer will read no more, or that there is an error.
    pub fn write_closed(&self) -> bool {
        self.state.write.closed.get()
    }

    /// Gives the loop that watches it.
    pub fn event_loop(&self) -> &LoopRef {
        &self.event_loop
    }

    fn poll(&self, side: &Side, waker: &Waker) -> Poll<Result<(), LoopError>> {
        if self.state.loop_closed.get() {
            return Poll::Ready(Err(LoopError::Closed));
        }
        if side.ready.get() {
            return Poll::Ready(Ok(()));
        }
        let before = side.waker.take();
        match before {
            Some(before) if before.will_wake(waker) => side.waker.set(Some(before)),
            // The old waker is dropped here, when the new one is in its place.
            before => {
                side.waker.set(Some(waker.clone()));
                drop(before);
            }
        }
        Poll::Pending
    }
}

impl<T> Drop for IoSource<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            // First out of the selector, then closed: else the number could have a new owner.
            self.event_loop.deregister_io(self.fd, self.token);
        }
    }
}

impl<T: AsRawFd> AsRawFd for IoSource<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: fmt::Debug> fmt::Debug for IoSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoSource")
            .field("io", &self.io)
            .field("readable", &self.state.read.ready.get())
            .field("writable", &self.state.write.ready.get())
            .finish_non_exhaustive()
    }
}

/// What the loop's table and the source share.
#[derive(Default)]
pub(crate) struct SourceState {
    read: Side,
    write: Side,
    loop_closed: Cell<bool>,
}

#[derive(Default)]
struct Side {
    ready: Cell<bool>,
    /// Closed by the peer, or in error: ready until an attempt says something else.
    closed: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl SourceState {
    /// Notes an event, and returns who is to be woken: the reader's side first.
    pub(crate) fn note(&self, event: &SelectorEvent) -> [Option<Waker>; 2] {
        let read_closed = event.read_closed || event.error;
        let write_closed = event.write_closed || event.error;
        [
            self.read.note(event.concerns_reader(), read_closed),
            self.write.note(event.concerns_writer(), write_closed),
        ]
    }

    /// Notes that the loop is closed, and returns who is to be told.
    pub(crate) fn close(&self) -> [Option<Waker>; 2] {
        self.loop_closed.set(true);
        [self.read.waker.take(), self.write.waker.take()]
    }

    /// Forgets who waits: the source is gone.
    pub(crate) fn forget_wakers(&self) -> [Option<Waker>; 2] {
        [self.read.waker.take(), self.write.waker.take()]
    }
}

impl Side {
    fn note(&self, ready: bool, closed: bool) -> Option<Waker> {
        if closed {
            self.closed.set(true);
        }
        if !ready {
            return None;
        }
        self.ready.set(true);
        self.waker.take()
    }

    fn clear(&self) {
        self.ready.set(self.closed.get());
    }

    fn would_block(&self) {
        self.closed.set(false);
        self.ready.set(false);
    }
}
