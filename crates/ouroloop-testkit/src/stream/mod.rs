//! Streams in memory, and the rules that every stream must keep.
//!
//! A pair of [`MemoryStream`]s is a connection without sockets: bounded, with a latency of virtual
//! time if asked, and with faults when the test wants them. [`check_two_way_stream`] tells
//! whether a stream, these or others, does what its users count on.

mod channel;
mod check;
mod faults;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use self::channel::Channel;
pub use self::check::{check_buffered_reader, check_two_way_stream};
pub use self::faults::Faults;

/// Two ends of a connection in memory, with room for 64 KiB in each direction and no latency.
///
/// trio has it under the same name. [`MemoryStreams`] has the options.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use ouroloop::{run, testkit::memory_stream_pair};
///
/// run(async {
///     let (mut client, mut server) = memory_stream_pair();
///     client.write_all(b"ping").await.unwrap();
///     client.close().await.unwrap();
///     let mut request = Vec::new();
///     server.read_to_end(&mut request).await.unwrap();
///     assert_eq!(request, b"ping");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub fn memory_stream_pair() -> (MemoryStream, MemoryStream) {
    MemoryStreams::new().pair()
}

/// The options of a connection in memory.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use ouroloop::testkit::{self, MemoryStreams};
/// use ouroloop::{Clock, Runner};
///
/// let mut runner = Runner::new().clock(Clock::virtual_time());
/// runner.run(async {
///     let streams = MemoryStreams::new().capacity(16).latency(Duration::from_millis(40));
///     let (mut client, mut server) = streams.pair();
///     client.write_all(b"ping").await.unwrap();
///     server.read_exact(&mut [0; 4]).await.unwrap();
///     assert_eq!(testkit::virtual_clock().now(), Duration::from_millis(40));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options make a pair of streams when pair() is called"]
pub struct MemoryStreams {
    capacity: usize,
    latency: Duration,
}

impl Default for MemoryStreams {
    fn default() -> MemoryStreams {
        MemoryStreams::new()
    }
}

impl MemoryStreams {
    /// Room for 64 KiB in each direction, and no latency.
    pub fn new() -> MemoryStreams {
        MemoryStreams {
            capacity: 64 * 1024,
            latency: Duration::ZERO,
        }
    }

    /// How many bytes may be on their way in each direction, sent and not read. One at least.
    pub fn capacity(self, bytes: usize) -> MemoryStreams {
        MemoryStreams {
            capacity: bytes.max(1),
            ..self
        }
    }

    /// How long bytes take from one end to the other, in the time of the loop that the writer runs
    /// on. What was sent first arrives first.
    pub fn latency(self, latency: Duration) -> MemoryStreams {
        MemoryStreams { latency, ..self }
    }

    /// Makes the two ends.
    pub fn pair(&self) -> (MemoryStream, MemoryStream) {
        let there = Channel::new(self.capacity, self.latency);
        let back = Channel::new(self.capacity, self.latency);
        (
            MemoryStream::new(back.clone(), there.clone()),
            MemoryStream::new(there, back),
        )
    }
}

/// One end of a connection in memory.
///
/// Dropping it ends what it sends, and lets the peer's writes fail. [`into_split`](Self::into_split)
/// gives its two directions apart.
///
/// # Errors
///
/// `ConnectionReset` after a [reset](Faults::reset), from every call; `BrokenPipe` for a write after
/// this end was closed, or when the peer reads no more.
///
/// # Cancellation
///
/// A read that is dropped has taken nothing, and a write that is dropped has sent nothing but what it
/// reported.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use ouroloop::{create_task, run, testkit::memory_stream_pair};
///
/// run(async {
///     let (left, mut right) = memory_stream_pair();
///     let (mut reader, mut writer) = left.into_split();
///     let echo = create_task(async move {
///         let mut word = [0; 4];
///         right.read_exact(&mut word).await.unwrap();
///         right.write_all(&word).await.unwrap();
///     });
///     writer.write_all(b"ouro").await.unwrap();
///     let mut echoed = Vec::new();
///     reader.read_to_end(&mut echoed).await.unwrap();
///     assert_eq!(echoed, b"ouro");
///     echo.await.unwrap();
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct MemoryStream {
    reader: MemoryReader,
    writer: MemoryWriter,
}

impl MemoryStream {
    fn new(incoming: Rc<Channel>, outgoing: Rc<Channel>) -> MemoryStream {
        let faults = Faults::new(incoming.clone(), outgoing.clone());
        MemoryStream {
            reader: MemoryReader {
                channel: incoming,
                buffer: Vec::new(),
                start: 0,
            },
            writer: MemoryWriter {
                channel: outgoing,
                faults,
            },
        }
    }

    /// The reading and the writing half, to be used by different tasks.
    pub fn into_split(self) -> (MemoryReader, MemoryWriter) {
        (self.reader, self.writer)
    }

    /// What can go wrong with this end: a handle that the test keeps while the stream is in use.
    pub fn faults(&self) -> Faults {
        self.writer.faults.clone()
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().reader).poll_read(cx, target)
    }
}

impl AsyncBufRead for MemoryStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().reader).poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        Pin::new(&mut self.get_mut().reader).consume(count);
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().writer).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_close(cx)
    }
}

impl fmt::Debug for MemoryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStream").finish_non_exhaustive()
    }
}

/// The reading half of a [`MemoryStream`]. Dropping it lets the peer's writes fail.
pub struct MemoryReader {
    channel: Rc<Channel>,
    /// A copy of what the channel has next, lent by `poll_fill_buf` from `start` on.
    buffer: Vec<u8>,
    start: usize,
}

impl MemoryReader {
    fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl AsyncRead for MemoryReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(this.channel.poll_read(target, cx.waker()))?;
        this.start += count.min(this.buffered().len());
        Poll::Ready(Ok(count))
    }
}

impl AsyncBufRead for MemoryReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffered().is_empty() {
            this.buffer.clear();
            this.start = 0;
        }
        let read_max = ready!(this.channel.poll_lend(&mut this.buffer, cx.waker()))?;
        let count = this.buffered().len().min(read_max);
        Poll::Ready(Ok(&this.buffered()[..count]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        assert!(
            count <= this.buffered().len(),
            "more bytes consumed than poll_fill_buf gave"
        );
        this.start += count;
        this.channel.consume(count);
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.channel.close_read();
    }
}

impl fmt::Debug for MemoryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReader").finish_non_exhaustive()
    }
}

/// The writing half of a [`MemoryStream`]. Closing or dropping it sends the end behind what was
/// written.
pub struct MemoryWriter {
    channel: Rc<Channel>,
    faults: Faults,
}

impl AsyncWrite for MemoryWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.channel.poll_write(data, cx.waker()))? {
            Some(count) => Poll::Ready(Ok(count)),
            None => {
                self.faults.reset();
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    /// What was written is under way: there is nothing to wait for.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.channel.check_reset())
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.check_reset()?;
        self.channel.close_write();
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.channel.close_write();
    }
}

impl fmt::Debug for MemoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryWriter").finish_non_exhaustive()
    }
}
