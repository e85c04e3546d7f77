//! The read side of a connection.
//!
//! A read tries the socket first, and waits for readiness only when that would have blocked. A short
//! read has taken all there was, unless the peer has closed its side: then the end is still to be
//! read, and no further event would tell of it.

use std::io::{self, Read};
use std::task::{Poll, Waker, ready};

use super::Connection;
use crate::error::NetError;

/// What `discard_received` reads at most: twice the usual limit.
const DISCARD_MAX: usize = 128 * 1024;

impl Connection {
    /// Reads into `buffer`, which is not empty: 0 at the end, if the peer has closed its side or
    /// this one was closed.
    pub(crate) fn poll_read(
        &self,
        buffer: &mut [u8],
        waker: &Waker,
    ) -> Poll<Result<usize, NetError>> {
        debug_assert!(!buffer.is_empty(), "0 bytes read would look like the end");
        loop {
            self.check_loop()?;
            self.check_loss()?;
            let Some(socket) = self.socket() else {
                return Poll::Ready(Ok(0));
            };
            if self.read_eof.get() {
                return Poll::Ready(Ok(0));
            }
            if self.closing.get() {
                // Reading has ended; the end comes when the descriptor is closed.
                self.remember_reader(waker);
                return Poll::Pending;
            }
            if self.drained.get() && !socket.read_closed() {
                if socket.poll_readable(waker).is_pending() {
                    // The socket forgets its wakers when it goes.
                    self.remember_reader(waker);
                    return Poll::Pending;
                }
                self.drained.set(false);
                continue;
            }
            return Poll::Ready(match ready!(self.try_read(buffer, waker)) {
                Some(result) => result,
                None => continue,
            });
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

    /// One call of the operating system. `None` if another look at the state is needed.
    fn try_read(&self, buffer: &mut [u8], waker: &Waker) -> Poll<Option<Result<usize, NetError>>> {
        let Some(socket) = self.socket() else {
            return Poll::Ready(None);
        };
        if self.read_budget.spent(self.event_loop()) {
            waker.wake_by_ref();
            return Poll::Pending;
        }
        self.read_budget.spend(self.event_loop());
        let result = socket.get_ref().read(buffer);
        match result {
            Ok(0) => {
                self.read_eof.set(true);
                Poll::Ready(Some(Ok(0)))
            }
            Ok(count) => {
                if count < buffer.len() && !socket.read_closed() {
                    socket.clear_readable();
                    self.drained.set(true);
                }
                Poll::Ready(Some(Ok(count)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.clear_readable();
                self.drained.set(true);
                if socket.read_closed() {
                    // Said to be closed, and yet not: look again, but let others have their turn.
                    waker.wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Poll::Ready(None),
            Err(error) => {
                drop(socket);
                self.lose(Some(error));
                Poll::Ready(None)
            }
        }
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
