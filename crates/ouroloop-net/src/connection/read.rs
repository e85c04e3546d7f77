//! The read side of a connection.
//!
//! A read tries the socket first, and waits for readiness only when that would have blocked. A short
//! read has taken all there was, unless the peer has closed its side: then the end is still to be
//! read, no further event would tell of it, and the source stays ready.
//!
//! To read is two steps, so that whoever reads needs memory only in between:
//! [`poll_read_ready`](Connection::poll_read_ready) and [`try_read`](Connection::try_read), in turns until the latter
//! has something.

use std::io::{self, Read};
use std::task::{Poll, Waker};

use super::Connection;
use crate::error::NetError;

/// What `discard_received` reads at most: twice the usual limit.
const DISCARD_MAX: usize = 128 * 1024;

/// What the reader of a connection is told when it need not wait.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Readable {
    /// A read is worth trying.
    Maybe,
    /// Nothing will come any more: the peer has closed its side, or this one was closed.
    End,
}

impl Connection {
    /// Waits until a read is worth trying.
    #[inline]
    pub(crate) fn poll_read_ready(&self, waker: &Waker) -> Poll<Result<Readable, NetError>> {
        if self.closing.get() || self.read_eof.get() || self.event_loop().is_closed() {
            return self.poll_read_end(waker);
        }
        if self.drained.get() && self.poll_source(waker)?.is_pending() {
            if self.lost.get() {
                // Remembering the waker called it, and it has closed the connection.
                return self.poll_read_end(waker);
            }
            return Poll::Pending;
        }
        if self.read_budget.spent(self.seat.net()) {
            waker.wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(Readable::Maybe))
    }

    /// One call of the operating system, which [`poll_read_ready`](Self::poll_read_ready) has found worth trying,
    /// into `buffer`, which is not empty. `None` if there was nothing after all, or what has happened is for
    /// `poll_read_ready` to say.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> Option<usize> {
        debug_assert!(!buffer.is_empty(), "0 bytes read would look like the end");
        self.read_budget.spend(self.seat.net());
        let result = {
            // Borrowed for the call of the kernel only.
            let socket = self.socket.borrow();
            let socket = socket.as_ref()?;
            let result = socket.get_ref().read(buffer);
            match &result {
                Ok(count) if (1..buffer.len()).contains(count) => {
                    socket.clear_readable();
                    self.drained.set(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.read_would_block();
                    self.drained.set(true);
                }
                _ => {}
            }
            result
        };
        match result {
            Ok(0) => {
                self.read_eof.set(true);
                None
            }
            Ok(count) => Some(count),
            Err(error) if is_passing(&error) => None,
            Err(error) => {
                self.lose(Some(error));
                None
            }
        }
    }

    /// Whether the next read may find the end at once: the peer has closed its side, or this one is
    /// closed.
    pub(crate) fn may_be_at_eof(&self) -> bool {
        match self.socket() {
            Some(socket) => self.read_eof.get() || socket.read_closed(),
            None => true,
        }
    }

    #[cold]
    fn poll_read_end(&self, waker: &Waker) -> Poll<Result<Readable, NetError>> {
        self.check()?;
        if self.lost.get() || self.read_eof.get() {
            return Poll::Ready(Ok(Readable::End));
        }
        // Reading has ended; the end comes when the descriptor is closed.
        self.remember_reader(waker);
        if self.lost.get() {
            return Poll::Ready(self.check().map(|()| Readable::End));
        }
        Poll::Pending
    }

    fn poll_source(&self, waker: &Waker) -> Result<Poll<()>, NetError> {
        // Counted, since a waker that is replaced is dropped, which is the user's code.
        let Some(socket) = self.socket() else {
            return Ok(Poll::Ready(()));
        };
        Ok(match socket.poll_readable(waker) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                result?;
                self.drained.set(false);
                Poll::Ready(())
            }
        })
    }

    /// Reads away what nobody will read, as far as it has come, before the descriptor is closed.
    ///
    /// The kernel answers a close over unread data with a reset, which would take from the peer what
    /// it has not read itself. asyncio's transports have always read ahead of their user.
    pub(super) fn discard_received(&self) {
        let Some(socket) = self.socket() else { return };
        if self.read_eof.get() {
            return;
        }
        let mut scratch = [0; 8 * 1024];
        let mut left = DISCARD_MAX;
        while left > 0 {
            match socket.get_ref().read(&mut scratch) {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    }

    fn remember_reader(&self, waker: &Waker) {
        let before = self.read_waker.take();
        match before {
            Some(before) if before.will_wake(waker) => self.read_waker.set(Some(before)),
            before => {
                self.read_waker.set(Some(waker.clone()));
                drop(before);
            }
        }
    }
}

/// Whether the next attempt may do better.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
