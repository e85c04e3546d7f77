//! [`StreamWriter`]: the sending end of a connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;
use ouroloop_task::Waiter;

use crate::connection::{Connection, WaterMarks};
use crate::error::NetError;

/// The sending end of a connection: what [`open_connection`](crate::open_connection()) and the handlers of
/// [`start_server`](crate::start_server()) are given.
///
/// [`write`](Self::write) never waits: what the kernel does not take at once is queued, and sent in
/// the background. [`drain`](Self::drain) waits while too much is queued.
///
/// asyncio's `StreamWriter` has the same methods. They want `&self`, so several tasks can share a
/// writer through an `Rc`. It is futures-io's `AsyncWrite` as well.
///
/// # Errors
///
/// The methods share this one: [`NetError::LoopClosed`] when its loop is closed.
///
/// # Differences from asyncio
///
/// Dropping it without [`close`](Self::close) sends what was written and then ends the write side,
/// as [`write_eof`](Self::write_eof) does; the connection is closed when the
/// [`StreamReader`](crate::StreamReader) is dropped, too. (asyncio closes the connection, if it
/// collects the writer; in Rust `let (reader, _) = ...` would do that at once.) In debug mode there
/// is a warning, like asyncio's `ResourceWarning`. `close` closes the descriptor at once when nothing
/// is queued, not in the next iteration.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn echo(mut reader: StreamReader, writer: StreamWriter) -> Result<(), NetError> {
///     let request = reader.read_to_end().await?;
///     writer.write(&request)?;
///     writer.drain().await
/// }
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), NetError> {
///     let server = start_server(echo, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///     let (mut reader, writer) = open_connection("127.0.0.1", port).await?;
///     writer.write(b"ping")?;
///     writer.write_eof()?;
///     assert_eq!(reader.read_to_end().await?, b"ping");
///     writer.close();
///     writer.wait_closed().await
/// }
/// ```
pub struct StreamWriter {
    connection: Rc<Connection>,
    /// What `poll_write`, `poll_flush` or `poll_close` waits for.
    waiting: Option<Waiter>,
}

impl StreamWriter {
    pub(crate) fn new(connection: Rc<Connection>) -> StreamWriter {
        StreamWriter {
            connection,
            waiting: None,
        }
    }

    /// Sends `data` as far as the kernel takes it at once, and queues the rest: asyncio's `write`.
    ///
    /// It never waits: follow it with [`drain`](Self::drain). An error of the connection is not given here, but
    /// by the next `drain` or read. What is written after [`close`](Self::close), or after the connection was
    /// lost, is dropped; with a warning in the log when that goes on, as with asyncio.
    ///
    /// # Errors
    ///
    /// [`NetError::WriteAfterEof`] after [`write_eof`](Self::write_eof), and
    /// [`NetError::LoopClosed`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let swallow = async |mut reader: ouroloop::StreamReader, _| reader.read_to_end().await.map(drop);
    /// # let server = start_server(swallow, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (_reader, writer) = open_connection("127.0.0.1", port).await?;
    /// for piece in [b"one", b"two"] {
    ///     writer.write(piece)?;
    ///     writer.drain().await?;
    /// }
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, data: &[u8]) -> Result<(), NetError> {
        self.connection.write(data)
    }

    /// Writes several pieces, one after the other, without asking the kernel for each: asyncio's `writelines`.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let swallow = async |mut reader: ouroloop::StreamReader, _| reader.read_to_end().await.map(drop);
    /// # let server = start_server(swallow, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (_reader, writer) = open_connection("127.0.0.1", port).await?;
    /// writer.writelines(["GET / HTTP/1.1\r\n", "Host: localhost\r\n", "\r\n"])?;
    /// writer.drain().await?;
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writelines<I>(&self, lines: I) -> Result<(), NetError>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.connection.write_lines(lines)
    }

    /// Waits until the queue is short enough to write more: not at all unless it has grown beyond
    /// the high-water mark, and then until it has come down to the low one. asyncio's `drain`.
    ///
    /// # Errors
    ///
    /// [`NetError::Io`] once the connection was lost with an error; [`NetError::ConnectionLost`] if
    /// it is closed; and [`NetError::LoopClosed`]. Who waits already when the connection is aborted
    /// gets no error, as with asyncio.
    ///
    /// # Cancellation
    ///
    /// The wait is given up; what is queued is sent all the same.
    ///
    /// # Ordering
    ///
    /// It does not suspend if there is nothing to wait for, except for one iteration when the writer
    /// is closing, or has kept the kernel busy for long. Any number of tasks may wait; they resume
    /// in the order in which they came, one iteration after the queue is short enough.
    ///
    /// # Examples
    ///
    /// [`write`](Self::write) has one.
    pub async fn drain(&self) -> Result<(), NetError> {
        self.connection.drain().await
    }

    /// Ends the write side when all that was written is sent: the peer then reads the end. The other
    /// direction stays open. asyncio's `write_eof`.
    ///
    /// # Errors
    ///
    /// [`NetError::Io`] if the kernel refuses, since the connection is broken; and
    /// [`NetError::LoopClosed`].
    pub fn write_eof(&self) -> Result<(), NetError> {
        self.connection.end_writing()
    }

    /// Tells whether [`write_eof`](Self::write_eof) is there to be used: always, on TCP.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Closes the connection, both directions, when all that was written is sent: asyncio's `close`.
    ///
    /// Sending goes on in the background; [`wait_closed`](Self::wait_closed) waits for its end. Nothing is
    /// received any more: the reader comes to its end. Closing again does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let swallow = async |mut reader: ouroloop::StreamReader, _| reader.read_to_end().await.map(drop);
    /// # let server = start_server(swallow, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (_reader, writer) = open_connection("127.0.0.1", port).await?;
    /// writer.write(b"bye")?;
    /// writer.close();
    /// assert!(writer.is_closing());
    /// writer.wait_closed().await?;
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.connection.close();
    }

    /// Closes the connection now, and drops what was not sent: asyncio's `transport.abort()`.
    pub fn abort(&self) {
        self.connection.abort();
    }

    /// Tells whether it is closed, or being closed.
    pub fn is_closing(&self) -> bool {
        self.connection.is_closing()
    }

    /// Waits until the connection is closed; call [`close`](Self::close) first. asyncio's `wait_closed`.
    ///
    /// # Errors
    ///
    /// [`NetError::Io`] if it was lost with an error, and [`NetError::LoopClosed`].
    ///
    /// # Cancellation
    ///
    /// The wait is given up; the closing goes on.
    ///
    /// # Ordering
    ///
    /// Those who wait resume in the iteration after the one that closes the connection, in the order in which
    /// they came.
    pub async fn wait_closed(&self) -> Result<(), NetError> {
        self.connection.wait_closed().await
    }

    /// Gives the address of the peer: asyncio's `get_extra_info("peername")`. Known after closing, too.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.connection.peer_addr()
    }

    /// Gives the address of this end: asyncio's `get_extra_info("sockname")`. Known after closing, too.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.connection.local_addr()
    }

    /// Sets the marks between which [`drain`](Self::drain) waits, in bytes; 64 KiB and 16 KiB at
    /// first. What is not said follows from the other: low is a quarter of high.
    ///
    /// # Errors
    ///
    /// [`NetError::InvalidWaterMarks`] if low is above high.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let server = start_server(async |_, _| {}, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (_reader, writer) = open_connection("127.0.0.1", port).await?;
    /// writer.set_write_buffer_limits(4096, None)?;
    /// assert_eq!(writer.write_buffer_limits(), (1024, 4096));
    /// writer.set_write_buffer_limits(0, None)?; // now `drain` waits until all is sent
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_write_buffer_limits(
        &self,
        high: impl Into<Option<usize>>,
        low: impl Into<Option<usize>>,
    ) -> Result<(), NetError> {
        let marks = WaterMarks::new(high.into(), low.into())?;
        self.connection.set_water_marks(marks);
        Ok(())
    }

    /// Gives the low and the high mark, in bytes: asyncio's `get_write_buffer_limits`.
    #[doc(alias = "get_write_buffer_limits")]
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        let marks = self.connection.water_marks();
        (marks.low, marks.high)
    }

    /// Gives how many bytes are queued: asyncio's `get_write_buffer_size`.
    #[doc(alias = "get_write_buffer_size")]
    pub fn write_buffer_size(&self) -> usize {
        self.connection.queued()
    }

    /// Waits for what an earlier poll has joined, or `join` gives.
    fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        join: impl Fn(&Connection) -> Option<Waiter>,
    ) -> Poll<Result<(), NetError>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
            }
            self.connection.check_loop()?;
            self.connection.check_loss()?;
            match join(&self.connection) {
                Some(waiting) => self.waiting = Some(waiting),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// With back-pressure: a write waits while the queue is above its marks. Closing ends the write
/// side, like [`write_eof`](StreamWriter::write_eof), and leaves the reader open.
impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_wait(cx, Connection::join_drainers))?;
        if this.connection.is_closing() {
            return Poll::Ready(Err(NetError::ConnectionLost.into()));
        }
        this.connection.write(data)?;
        this.connection.check_loss()?;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_wait(cx, Connection::join_flushers))?;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_wait(cx, Connection::join_flushers))?;
        this.connection.end_writing()?;
        Poll::Ready(Ok(()))
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.connection.drop_writer();
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("connection", &self.connection)
            .field("queued", &self.connection.queued())
            .finish()
    }
}
