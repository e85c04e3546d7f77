//! The lines of a reader as a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::StreamReader;
use super::until::Search;
use crate::error::NetError;

/// The stream of [`StreamReader::lines`], which has an example: take the lines by [`next`](Lines::next), or by
/// `StreamExt` of futures-util.
///
/// # Cancellation
///
/// Nothing is lost: what was received is in the reader's buffer.
#[must_use = "streams do nothing unless they are polled"]
pub struct Lines<'a> {
    reader: &'a mut StreamReader,
    search: Search<'static>,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(reader: &'a mut StreamReader) -> Lines<'a> {
        Lines {
            reader,
            search: Search::newline(),
            ended: false,
        }
    }

    /// Reads the next line, with its `\n`; `None` at the end. The last one may have no `\n`.
    ///
    /// [`StreamReader::lines`] has an example.
    ///
    /// # Errors
    ///
    /// [`NetError::LineTooLong`] for a line that is longer than the limit, after which the next line comes; any
    /// other error is the last item.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: what was received is in the reader's buffer.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, NetError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Lines<'_> {
    type Item = Result<Vec<u8>, NetError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if this.search.is_new() {
            if let Some(line) = this.reader.line_in_buffer() {
                return Poll::Ready(Some(Ok(line)));
            }
        }
        let line = ready!(this.reader.poll_line(cx, &mut this.search));
        this.search.restart();
        this.ended = match &line {
            Ok(line) => line.is_empty(),
            Err(error) => !matches!(error, NetError::LineTooLong { .. }),
        };
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}
