//! `wait` and `as_completed` for plain threads, as `concurrent.futures` has them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::Future;
use crate::error::ExecutorError;

/// When [`wait`] comes back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReturnWhen {
    /// When all are done.
    #[default]
    AllCompleted,
    /// When one is done, whatever it came to.
    FirstCompleted,
    /// When one has ended in an error (a cancellation is none), or all are done.
    FirstException,
}

/// Blocks until the futures are done, or the limit has passed; gives those that are and those that are not,
/// each in the order given.
///
/// In a loop, use `ouroloop::wait` instead.
///
/// # Examples
///
/// ```
/// use ouroloop::{ThreadPoolExecutor, concurrent};
///
/// let pool = ThreadPoolExecutor::new();
/// let futures = [pool.submit(|| 1), pool.submit(|| 2)];
/// let (done, not_done) = concurrent::wait(&futures, None, Default::default());
/// assert_eq!((done.len(), not_done.len()), (2, 0));
/// ```
pub fn wait<T>(
    futures: &[Future<T>],
    timeout: impl Into<Option<Duration>>,
    return_when: ReturnWhen,
) -> (Vec<Future<T>>, Vec<Future<T>>) {
    let failed = |future: &Future<T>| !future.cancelled() && future.shared.error().is_some();
    let mut ends = Ends::of(futures, timeout.into());
    while let Ok(Some(ended)) = ends.next() {
        let enough = match return_when {
            ReturnWhen::AllCompleted => false,
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => failed(&futures[ended]),
        };
        if enough {
            break;
        }
    }
    futures.iter().cloned().partition(Future::done)
}

/// Gives the futures in the order in which they end, and blocks for each.
///
/// # Errors
///
/// The iterator gives [`ExecutorError::TimedOut`] once, and then nothing more, if the limit passes before all
/// are done.
///
/// # Examples
///
/// ```
/// use ouroloop::{ThreadPoolExecutor, concurrent};
///
/// let pool = ThreadPoolExecutor::new();
/// let futures: Vec<_> = (1..=3).map(|n| pool.submit(move || n)).collect();
/// let mut sum = 0;
/// for future in concurrent::as_completed(&futures, None) {
///     sum += future?.result(None)?;
/// }
/// assert_eq!(sum, 6);
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
pub fn as_completed<T>(
    futures: &[Future<T>],
    timeout: impl Into<Option<Duration>>,
) -> AsCompleted<T> {
    AsCompleted {
        futures: futures.to_vec(),
        ends: Ends::of(futures, timeout.into()),
        over: false,
    }
}

/// The iterator of [`as_completed`].
#[derive(Debug)]
pub struct AsCompleted<T: 'static> {
    futures: Vec<Future<T>>,
    ends: Ends,
    over: bool,
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<Future<T>, ExecutorError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match self.ends.next() {
            Ok(ended) => ended.map(|index| Ok(self.futures[index].clone())),
            Err(error) => {
                self.over = true;
                Some(Err(error))
            }
        }
    }
}

/// The numbers of futures, as they end. Those that had ended come first, in the order given.
#[derive(Debug)]
struct Ends {
    ended: VecDeque<usize>,
    later: Receiver<usize>,
    left: usize,
    deadline: Option<Instant>,
}

impl Ends {
    fn of<T>(futures: &[Future<T>], timeout: Option<Duration>) -> Ends {
        let (sender, later) = channel();
        let mut ended = VecDeque::new();
        for (index, future) in futures.iter().enumerate() {
            match future.done() {
                true => ended.push_back(index),
                false => tell(future, index, sender.clone()),
            }
        }
        Ends {
            ended,
            later,
            left: futures.len(),
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        }
    }

    fn next(&mut self) -> Result<Option<usize>, ExecutorError> {
        if self.left == 0 {
            return Ok(None);
        }
        let index = match self.ended.pop_front() {
            Some(index) => index,
            None => self.later()?,
        };
        self.left -= 1;
        Ok(Some(index))
    }

    fn later(&self) -> Result<usize, ExecutorError> {
        let Some(deadline) = self.deadline else {
            return self.later.recv().map_err(|_| ExecutorError::TimedOut);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        self.later.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected => ExecutorError::TimedOut,
        })
    }
}

fn tell<T>(future: &Future<T>, index: usize, sender: Sender<usize>) {
    future.add_done_callback(move |_| {
        // Whoever waited may have given up.
        let _ = sender.send(index);
    });
}
