//! [`Faults`]: what goes wrong with a memory stream, when the test says so.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::channel::Channel;

/// A handle on one end of a connection in memory, by which the test makes it misbehave.
///
/// Nothing is wrong at first. Whatever is changed is in force at once, also for those who wait.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use ouroloop::{run, testkit::memory_stream_pair};
/// use std::io::ErrorKind;
///
/// run(async {
///     let (mut client, mut server) = memory_stream_pair();
///     client.faults().write_at_most(3);
///     assert_eq!(client.write(b"short").await.unwrap(), 3);
///     server.faults().read_at_most(2);
///     assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 2);
///     client.faults().reset();
///     let error = server.read(&mut [0; 8]).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::ConnectionReset);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct Faults {
    incoming: Rc<Channel>,
    outgoing: Rc<Channel>,
}

impl Faults {
    pub(super) fn new(incoming: Rc<Channel>, outgoing: Rc<Channel>) -> Faults {
        Faults { incoming, outgoing }
    }

    /// Breaks the connection: both ends get `ConnectionReset` from every call, and what was under
    /// way is lost.
    pub fn reset(&self) {
        self.incoming.reset();
        self.outgoing.reset();
    }

    /// Breaks the connection in the write of this end that comes after so many bytes more, whether
    /// there is room for it or not.
    pub fn reset_after(&self, bytes: usize) {
        self.outgoing.trouble(|it| it.reset_after = Some(bytes));
    }

    /// Lets each read of this end give so many bytes at most, and one at least.
    pub fn read_at_most(&self, bytes: usize) {
        self.incoming.trouble(|it| it.read_max = bytes.max(1));
    }

    /// Lets each write of this end take so many bytes at most, and one at least.
    pub fn write_at_most(&self, bytes: usize) {
        self.outgoing.trouble(|it| it.write_max = bytes.max(1));
    }

    /// Lets the reads of this end wait, whatever has arrived, until [`resume`](Self::resume).
    pub fn stall_reads(&self) {
        self.incoming.trouble(|it| it.reads_stalled = true);
    }

    /// Lets the writes of this end wait, whatever room there is, until [`resume`](Self::resume).
    pub fn stall_writes(&self) {
        self.outgoing.trouble(|it| it.writes_stalled = true);
    }

    /// Ends the stalls of this end.
    pub fn resume(&self) {
        self.incoming.trouble(|it| it.reads_stalled = false);
        self.outgoing.trouble(|it| it.writes_stalled = false);
    }

    /// Sets how long what this end writes from now on is under way.
    pub fn set_latency(&self, latency: Duration) {
        self.outgoing.trouble(|it| it.latency = latency);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
