//! The write side of a connection: what is written goes to the kernel at once, as far as it takes
//! it; the rest is queued, and sent in the connection's own turns.

use std::io::{self, Write};

use ouroloop_task::{Waiter, bare_yield};

use super::Connection;
use crate::error::NetError;
use crate::log;

/// From how many writes in vain on each further one is warned of: asyncio's.
const LOST_WRITES_TO_WARN: u32 = 5;

/// Between which sizes of the queue `drain` waits.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct WaterMarks {
    pub(crate) low: usize,
    pub(crate) high: usize,
}

impl Default for WaterMarks {
    fn default() -> WaterMarks {
        WaterMarks {
            low: 16 * 1024,
            high: 64 * 1024,
        }
    }
}

impl WaterMarks {
    /// asyncio's rule: high is four times low, and low a quarter of high, if it is not said.
    pub(crate) fn new(high: Option<usize>, low: Option<usize>) -> Result<WaterMarks, NetError> {
        let high = high
            .or_else(|| low.map(|low| low.saturating_mul(4)))
            .unwrap_or(WaterMarks::default().high);
        let low = low.unwrap_or(high / 4);
        if low > high {
            return Err(NetError::InvalidWaterMarks { low, high });
        }
        Ok(WaterMarks { low, high })
    }
}

impl Connection {
    /// Sends or queues `data`. Never blocks.
    pub(crate) fn write(&self, data: &[u8]) -> Result<(), NetError> {
        self.check_writable()?;
        if data.is_empty() || self.goes_nowhere() {
            return Ok(());
        }
        let mut rest = data;
        if self.outgoing.borrow().is_empty() {
            rest = &data[self.send(data)..];
            if rest.is_empty() || self.lost.get() {
                return Ok(());
            }
            self.outgoing.borrow_mut().append(rest, self.spare());
            self.arm();
        } else {
            self.outgoing.borrow_mut().append(rest, self.spare());
        }
        self.pause_if_high();
        Ok(())
    }

    /// The same for several pieces, which go to the kernel together.
    pub(crate) fn write_lines<I>(&self, lines: I) -> Result<(), NetError>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.check_writable()?;
        // Gathered first: the iterator is the user's code, and may write as well.
        let gathered = lines.into_iter().fold(Vec::new(), |mut gathered, line| {
            gathered.extend_from_slice(line.as_ref());
            gathered
        });
        self.write(&gathered)
    }

    /// Ends the write side, once all that was written is sent.
    pub(crate) fn end_writing(&self) -> Result<(), NetError> {
        self.check_loop()?;
        if self.closing.get() || self.write_eof.replace(true) {
            return Ok(());
        }
        if self.outgoing.borrow().is_empty() {
            self.shut_down()?;
        }
        Ok(())
    }

    /// Waits while the queue is too long: see [`StreamWriter::drain`](crate::StreamWriter::drain).
    pub(crate) async fn drain(&self) -> Result<(), NetError> {
        self.check()?;
        if self.closing.get() || self.write_budget.calls_spent(self.seat.net()) {
            bare_yield().await;
        }
        if self.lost.get() {
            self.check_loop()?;
            return Err(NetError::ConnectionLost);
        }
        if self.paused.get() {
            self.drainers.wait().await;
            self.check_loop()?;
            self.check_loss()?;
        }
        Ok(())
    }

    /// A place among those who wait for room in the queue; `None` if there is room.
    pub(crate) fn join_drainers(&self) -> Option<Waiter> {
        self.paused.get().then(|| self.drainers.join())
    }

    /// A place among those who wait for an empty queue; `None` if it is empty.
    pub(crate) fn join_flushers(&self) -> Option<Waiter> {
        let empty = self.outgoing.borrow().is_empty();
        (!empty).then(|| self.flushers.join())
    }

    pub(crate) fn set_water_marks(&self, marks: WaterMarks) {
        self.water_marks.set(marks);
        self.pause_if_high();
        self.resume_if_low();
    }

    pub(crate) fn water_marks(&self) -> WaterMarks {
        self.water_marks.get()
    }

    pub(crate) fn queued(&self) -> usize {
        self.outgoing.borrow().len()
    }

    /// The connection's turn: sends what is queued, as far as the kernel takes it.
    pub(super) fn flush(&self) {
        if self.outgoing.borrow().is_empty() {
            // A turn that was meant for a socket of a loop that had the id before.
            return;
        }
        while !self.outgoing.borrow().is_empty() {
            // Taken out: sending may lose the connection, which empties the queue.
            let mut queue = self.outgoing.take();
            let offered = queue.len();
            let sent = self.send(queue.as_slice());
            if self.lost.get() {
                return;
            }
            queue.consume(sent);
            self.outgoing.replace(queue);
            if sent < offered {
                self.arm();
                break;
            }
        }
        self.resume_if_low();
        if self.outgoing.borrow().is_empty() {
            self.all_is_sent();
        }
    }

    fn all_is_sent(&self) {
        self.outgoing.borrow_mut().rest_if_empty(self.spare());
        if self.closing.get() {
            self.discard_received();
            self.lose(None);
        } else if self.write_eof.get() {
            if let Err(error) = self.shut_down() {
                self.lose(Some(error));
            }
        }
        // Last, since a foreign waker may write more, or close.
        self.flushers.release();
    }

    fn check_writable(&self) -> Result<(), NetError> {
        self.check_loop()?;
        if self.write_eof.get() {
            return Err(NetError::WriteAfterEof);
        }
        Ok(())
    }

    /// Whether a write comes too late; then it is counted.
    fn goes_nowhere(&self) -> bool {
        if !self.closing.get() {
            return false;
        }
        let lost_writes = self.lost_writes.get().max(1);
        if lost_writes >= LOST_WRITES_TO_WARN {
            log::warn(&format!("write to {self:?}: it goes nowhere"));
        }
        self.lost_writes.set(lost_writes + 1);
        true
    }

    /// Offers `data` to the kernel, and returns how much of it was taken. A short count means that
    /// it takes no more for now.
    fn send(&self, data: &[u8]) -> usize {
        let mut sent = 0;
        let error = loop {
            self.write_budget.spend(self.seat.net());
            // Borrowed for the call of the kernel only.
            let socket = self.socket.borrow();
            let Some(socket) = socket.as_ref() else {
                return 0;
            };
            let error = match socket.get_ref().write(data) {
                Ok(count) => {
                    sent = count;
                    if count < data.len() {
                        // The kernel's way to say that it is full.
                        socket.clear_writable();
                    }
                    None
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.write_would_block();
                    None
                }
                Err(error) => Some(error),
            };
            break error;
        };
        if error.is_some() {
            self.lose(error);
        }
        sent
    }

    /// Asks for a turn when the kernel takes more.
    fn arm(&self) {
        let Some(socket) = self.socket() else { return };
        if socket.poll_writable(&self.seat.waker()).is_ready() {
            // Closed by the peer: the next attempt says how.
            self.seat.schedule();
        }
    }

    fn shut_down(&self) -> io::Result<()> {
        match self.socket() {
            Some(socket) => socket.get_ref().shutdown(std::net::Shutdown::Write),
            None => Ok(()),
        }
    }

    fn pause_if_high(&self) {
        if self.queued() > self.water_marks.get().high {
            self.paused.set(true);
        }
    }

    fn resume_if_low(&self) {
        if self.paused.get() && self.queued() <= self.water_marks.get().low {
            self.paused.set(false);
            self.drainers.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_marks_follow_each_other() {
        let marks = |high, low| WaterMarks::new(high, low).map(|it| (it.low, it.high));
        assert_eq!(marks(None, None).unwrap(), (16 * 1024, 64 * 1024));
        assert_eq!(marks(Some(1000), None).unwrap(), (250, 1000));
        assert_eq!(marks(None, Some(100)).unwrap(), (100, 400));
        assert_eq!(marks(Some(0), None).unwrap(), (0, 0));
        assert!(matches!(
            marks(Some(10), Some(11)),
            Err(NetError::InvalidWaterMarks { low: 11, high: 10 })
        ));
    }
}
