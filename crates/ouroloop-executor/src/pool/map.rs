//! The results of `map`.

use std::collections::VecDeque;

use crate::concurrent::Future;
use crate::error::ExecutorError;

/// The iterator of [`ThreadPoolExecutor::map`](crate::ThreadPoolExecutor::map): blocks for each result in turn.
#[derive(Debug)]
#[must_use = "dropping it cancels the calls that have not begun"]
pub struct ExecutorMap<R: 'static> {
    futures: VecDeque<Future<R>>,
}

impl<R> ExecutorMap<R> {
    pub(super) fn new(futures: VecDeque<Future<R>>) -> ExecutorMap<R> {
        ExecutorMap { futures }
    }
}

impl<R> Iterator for ExecutorMap<R> {
    type Item = Result<R, ExecutorError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.futures.pop_front()?.result(None))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.futures.len(), Some(self.futures.len()))
    }
}

impl<R> ExactSizeIterator for ExecutorMap<R> {}

impl<R> Drop for ExecutorMap<R> {
    fn drop(&mut self) {
        for future in &self.futures {
            future.cancel();
        }
    }
}
