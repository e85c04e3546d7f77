//! [`StreamReader`]: the receiving end of a connection.

mod lines;
mod traits;
mod until;

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

pub use self::lines::Lines;
use self::until::Search;
use crate::buffer::ByteQueue;
use crate::connection::{Connection, Readable};
use crate::error::NetError;

const READ_SIZE_MIN: usize = 4 * 1024;
const READ_SIZE_MAX: usize = 64 * 1024;

/// The receiving end of a connection: what [`open_connection`](crate::open_connection()) and the handlers of
/// [`start_server`](crate::start_server()) are given.
///
/// What has been received and not been read is in a buffer. It is filled only while somebody reads,
/// so a peer that sends faster than it is read from is held up by the kernel: at most twice the
/// limit, and one read of 64 KiB, are here, unless [`readexactly`](Self::readexactly) or
/// [`read_to_end`](Self::read_to_end) ask for more.
///
/// asyncio's `StreamReader` has the same methods. One task reads at a time: the methods want
/// `&mut self`, so a second reader, which asyncio refuses when it waits, does not compile. It is futures-io's
/// `AsyncRead` and `AsyncBufRead` as well.
///
/// Dropping it leaves the connection open for its [`StreamWriter`](crate::StreamWriter).
///
/// # Errors
///
/// The methods share these: [`NetError::Io`], once the connection was lost with an error, from each
/// call, even if there is something in the buffer; and [`NetError::LoopClosed`] when its loop is
/// closed.
///
/// # Cancellation
///
/// A read that is cancelled, or dropped, loses nothing: what it has received is in the buffer for
/// the next one.
///
/// # Ordering
///
/// A read that finds what it wants in the buffer, or in the kernel, does not suspend; except that
/// reads which keep a task busy for long let the others have a turn now and then.
///
/// # Differences from asyncio
///
/// asyncio receives ahead of its reader, up to twice the limit; here the kernel's buffer is that
/// room. So the error of a broken connection shows in the first read, or write, that meets it.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn greet(_reader: StreamReader, writer: StreamWriter) -> Result<(), NetError> {
///     writer.write(b"hello\nand goodbye")?;
///     writer.close();
///     writer.wait_closed().await
/// }
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), NetError> {
///     let server = start_server(greet, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///     let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
///     assert_eq!(reader.readline().await?, b"hello\n");
///     assert_eq!(reader.readexactly(4).await?, b"and ");
///     assert_eq!(reader.read_to_end().await?, b"goodbye");
///     assert!(reader.at_eof());
///     Ok(())
/// }
/// ```
pub struct StreamReader {
    connection: Rc<Connection>,
    buffer: ByteQueue,
    limit: usize,
    eof: bool,
    read_size: usize,
}

impl StreamReader {
    pub(crate) fn new(connection: Rc<Connection>, limit: usize) -> StreamReader {
        StreamReader {
            connection,
            buffer: ByteQueue::default(),
            limit: limit.max(1),
            eof: false,
            read_size: READ_SIZE_MIN,
        }
    }

    /// Reads at least one byte and at most `limit`: what there is. Empty at the end of the stream,
    /// and if `limit` is 0.
    ///
    /// asyncio's `read(n)`; its `read(-1)` is [`read_to_end`](Self::read_to_end).
    ///
    /// # Errors
    ///
    /// As for [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"hello");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// let mut text = Vec::new();
    /// loop {
    ///     let piece = reader.read(1024).await?;
    ///     if piece.is_empty() {
    ///         break;
    ///     }
    ///     text.extend(piece);
    /// }
    /// assert_eq!(text, b"hello");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>, NetError> {
        self.check()?;
        if limit > 0 && self.buffer.is_empty() && !self.eof {
            self.fill().await?;
        }
        Ok(self.take(limit))
    }

    /// Reads what there is into memory of the caller, at least one byte, and gives how many; 0 at the end of the
    /// stream, and if `target` is empty. It allocates nothing, and what is at least 4 KiB is filled by the kernel,
    /// without the buffer between.
    ///
    /// The name is that of Python's raw streams; asyncio's `StreamReader` has only [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As for [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost; `target` is as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"hello");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// let mut buffer = [0; 4096];
    /// let mut sum = 0;
    /// loop {
    ///     match reader.readinto(&mut buffer).await? {
    ///         0 => break,
    ///         count => sum += buffer[..count].iter().map(|&byte| u64::from(byte)).sum::<u64>(),
    ///     }
    /// }
    /// assert_eq!(sum, 532);
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readinto(&mut self, target: &mut [u8]) -> Result<usize, NetError> {
        poll_fn(|cx| self.poll_into(cx, target)).await
    }

    /// Reads until the peer closes its side, however much that is: asyncio's `read()`.
    ///
    /// # Errors
    ///
    /// As for [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: what was received is in the buffer.
    ///
    /// # Differences from asyncio
    ///
    /// There a cancelled `read()` loses what it had received.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"hello");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_to_end(&mut self) -> Result<Vec<u8>, NetError> {
        self.check()?;
        while !self.eof {
            self.fill().await?;
        }
        Ok(self.take_all())
    }

    /// Reads `count` bytes, whatever the limit is: asyncio's `readexactly`.
    ///
    /// # Errors
    ///
    /// [`NetError::IncompleteRead`] with what has come, if the peer closes its side first; and as
    /// for [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"\0\x05hello");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// let length = reader.readexactly(2).await?;
    /// let length = u16::from_be_bytes([length[0], length[1]]);
    /// assert_eq!(reader.readexactly(length.into()).await?, b"hello");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readexactly(&mut self, count: usize) -> Result<Vec<u8>, NetError> {
        self.check()?;
        while self.buffer.len() < count {
            if self.eof {
                return Err(NetError::IncompleteRead {
                    partial: self.take_all(),
                    expected: Some(count),
                });
            }
            self.fill().await?;
        }
        Ok(self.take(count))
    }

    /// Reads a line, with its `\n`; what is left, without one, at the end of the stream; empty when
    /// nothing is left. asyncio's `readline`.
    ///
    /// # Errors
    ///
    /// [`NetError::LineTooLong`] if there are more bytes than the limit before the `\n`: the line,
    /// or what has come of it, was dropped. And as for [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"one\ntwo");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// assert_eq!(reader.readline().await?, b"one\n");
    /// assert_eq!(reader.readline().await?, b"two");
    /// assert_eq!(reader.readline().await?, b"");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readline(&mut self) -> Result<Vec<u8>, NetError> {
        if let Some(line) = self.line_in_buffer() {
            return Ok(line);
        }
        let mut search = Search::newline();
        poll_fn(|cx| self.poll_line(cx, &mut search)).await
    }

    /// Reads up to `separator`, and it too: asyncio's `readuntil`.
    ///
    /// # Errors
    ///
    /// [`NetError::LimitOverrun`] if there are more bytes than the limit before the separator;
    /// everything stays in the buffer. [`NetError::IncompleteRead`], with all that was left, if the
    /// stream ends without one. [`NetError::EmptySeparator`]. And as for
    /// [all reads](StreamReader#errors).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"Host: here\r\n\r\nbody");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// assert_eq!(reader.readuntil(b"\r\n\r\n").await?, b"Host: here\r\n\r\n");
    /// assert_eq!(reader.read_to_end().await?, b"body");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readuntil(&mut self, separator: &[u8]) -> Result<Vec<u8>, NetError> {
        self.readuntil_any(&[separator]).await
    }

    /// Reads up to the first of several separators, and it too: the shortest piece that ends with
    /// one of them. asyncio's `readuntil` with a tuple.
    ///
    /// # Errors
    ///
    /// As for [`readuntil`](Self::readuntil).
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"how? so.");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// assert_eq!(reader.readuntil_any(&[b".", b"?"]).await?, b"how?");
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readuntil_any(&mut self, separators: &[&[u8]]) -> Result<Vec<u8>, NetError> {
        let mut search = Search::new(separators)?;
        let end = poll_fn(|cx| self.poll_until(cx, &mut search)).await?;
        Ok(self.take(end))
    }

    /// Gives the lines as a stream, up to the end: asyncio's `async for line in reader`.
    ///
    /// Its items are what [`readline`](Self::readline) gives, taken by [`next`](Lines::next). It ends after an
    /// error, except that it goes on with the next line after [`NetError::LineTooLong`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use ouroloop::{NetError, open_connection, start_server};
    /// # ouroloop::run(async {
    /// # let greet = async |_, writer: ouroloop::StreamWriter| writer.write(b"one\ntwo\n");
    /// # let server = start_server(greet, "127.0.0.1", 0).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    /// let mut lines = reader.lines();
    /// while let Some(line) = lines.next().await {
    ///     print!("{}", String::from_utf8_lossy(&line?));
    /// }
    /// # Ok::<_, NetError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__aiter__")]
    pub fn lines(&mut self) -> Lines<'_> {
        Lines::new(self)
    }

    /// Tells whether the stream has ended and everything was read.
    ///
    /// That the peer has closed its side is known once the loop has heard of it; `false` says nothing
    /// about what will come.
    pub fn at_eof(&mut self) -> bool {
        if self.buffer.is_empty() && !self.eof && self.connection.may_be_at_eof() {
            // Data or the end, either way it does not wait.
            let _ = self.poll_fill(&mut Context::from_waker(Waker::noop()));
        }
        self.eof && self.buffer.is_empty()
    }

    /// Gives how many bytes there may be before a separator.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reads something into the buffer, or notes the end.
    async fn fill(&mut self) -> Result<(), NetError> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NetError>> {
        loop {
            match self.connection.poll_read_ready(cx.waker()) {
                Poll::Ready(Ok(Readable::Maybe)) => {}
                Poll::Ready(Ok(Readable::End)) => {
                    self.eof = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.buffer.rest(self.connection.spare());
                    return Poll::Pending;
                }
            }
            let space = self.buffer.space(self.read_size, self.connection.spare());
            if let Some(count) = self.connection.try_read(space) {
                self.buffer.filled(count);
                if count == self.read_size {
                    self.read_size = (2 * count).min(READ_SIZE_MAX);
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_into(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<Result<usize, NetError>> {
        self.check()?;
        if target.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.buffer.is_empty() && !self.eof {
            if target.len() >= READ_SIZE_MIN {
                return self.poll_past_buffer(cx, target);
            }
            ready!(self.poll_fill(cx))?;
        }
        let count = target.len().min(self.buffer.len());
        target[..count].copy_from_slice(&self.buffer.as_slice()[..count]);
        self.consume_buffer(count);
        Poll::Ready(Ok(count))
    }

    /// Reads into `target`, which is not empty; the buffer is.
    fn poll_past_buffer(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<Result<usize, NetError>> {
        loop {
            match ready!(self.connection.poll_read_ready(cx.waker()))? {
                Readable::Maybe => {}
                Readable::End => {
                    self.eof = true;
                    return Poll::Ready(Ok(0));
                }
            }
            if let Some(count) = self.connection.try_read(target) {
                return Poll::Ready(Ok(count));
            }
        }
    }

    #[inline]
    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer.take(count);
        self.buffer.rest_if_empty(self.connection.spare());
        taken
    }

    fn consume_buffer(&mut self, count: usize) {
        self.buffer.consume(count);
        self.buffer.rest_if_empty(self.connection.spare());
    }

    fn take_all(&mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }

    /// Looks for a separator, and gives the place where it ends.
    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        search: &mut Search<'_>,
    ) -> Poll<Result<usize, NetError>> {
        self.check()?;
        loop {
            if let Some(end) = search.advance(self.buffer.as_slice(), self.limit)? {
                return Poll::Ready(Ok(end));
            }
            if self.eof {
                return Poll::Ready(Err(NetError::IncompleteRead {
                    partial: self.take_all(),
                    expected: None,
                }));
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// The next line, if it is in the buffer and short enough: what most lines cost.
    #[inline]
    fn line_in_buffer(&mut self) -> Option<Vec<u8>> {
        self.check().ok()?;
        let line = self.buffer.take_line(self.limit)?;
        self.buffer.rest_if_empty(self.connection.spare());
        Some(line)
    }

    fn poll_line(
        &mut self,
        cx: &mut Context<'_>,
        search: &mut Search<'_>,
    ) -> Poll<Result<Vec<u8>, NetError>> {
        Poll::Ready(match ready!(self.poll_until(cx, search)) {
            Ok(end) => Ok(self.take(end)),
            Err(NetError::IncompleteRead { partial, .. }) => Ok(partial),
            Err(NetError::LimitOverrun { consumed }) => {
                if self.buffer.as_slice().get(consumed) == Some(&b'\n') {
                    self.consume_buffer(consumed + 1);
                } else {
                    self.consume_buffer(self.buffer.len());
                }
                Err(NetError::LineTooLong { limit: self.limit })
            }
            Err(error) => Err(error),
        })
    }

    #[inline]
    fn check(&self) -> Result<(), NetError> {
        self.connection.check()
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.connection.drop_reader();
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("connection", &self.connection)
            .field("buffered", &self.buffer.len())
            .field("eof", &self.eof)
            .field("limit", &self.limit)
            .finish()
    }
}
