//! The reader as other crates know readers: futures-io's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead};

use super::StreamReader;

/// Reads what there is, as [`readinto`](StreamReader::readinto) does.
impl AsyncRead for StreamReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_into(cx, target))?))
    }
}

/// Lends what is in the buffer.
impl AsyncBufRead for StreamReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        this.check()?;
        if this.buffer.is_empty() && !this.eof {
            ready!(this.poll_fill(cx))?;
        }
        Poll::Ready(Ok(this.buffer.as_slice()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().consume_buffer(count);
    }
}
