//! The reader as other crates know readers: futures-io's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead};

use super::{READ_SIZE_MIN, StreamReader};

/// Reads what there is. What is large enough is filled by the kernel, without the buffer between.
impl AsyncRead for StreamReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        if target.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.buffer.is_empty() && !this.eof {
            if target.len() >= READ_SIZE_MIN {
                let count = ready!(this.connection.poll_read(target, cx.waker()))?;
                this.eof = count == 0;
                return Poll::Ready(Ok(count));
            }
            ready!(this.poll_fill(cx))?;
        }
        let count = target.len().min(this.buffer.len());
        target[..count].copy_from_slice(&this.buffer.as_slice()[..count]);
        this.buffer.consume(count);
        Poll::Ready(Ok(count))
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
        self.get_mut().buffer.consume(count);
    }
}
