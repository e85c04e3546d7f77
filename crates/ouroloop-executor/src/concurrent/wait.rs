//! `wait` and `as_completed` for plain threads, as `concurrent.futures` has them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Future;
use super::cell::Watcher;
use crate::error::ExecutorError;
use crate::sync::{Condvar, Mutex, lock, wait as wait_for};

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
/// # Errors
///
/// [`ExecutorError::BlocksItsLoop`] if it would block the thread of the loop that is to complete one of them;
/// [`ExecutorError::Forked`] in the child of a fork, if the parent has made one of those that are pending.
///
/// # Differences from asyncio
///
/// Two lists instead of `concurrent.futures`' two sets: what is given twice is in its list twice.
///
/// # Examples
///
/// ```
/// use ouroloop::{ThreadPoolExecutor, concurrent};
///
/// let pool = ThreadPoolExecutor::new();
/// let futures = [pool.submit(|| 1), pool.submit(|| 2)];
/// let (done, not_done) = concurrent::wait(&futures, None, Default::default())?;
/// assert_eq!((done.len(), not_done.len()), (2, 0));
/// # Ok::<(), ouroloop::ExecutorError>(())
/// ```
#[allow(
    clippy::type_complexity,
    reason = "two lists, and the error of a misuse"
)]
pub fn wait<T>(
    futures: &[Future<T>],
    timeout: impl Into<Option<Duration>>,
    return_when: ReturnWhen,
) -> Result<(Vec<Future<T>>, Vec<Future<T>>), ExecutorError> {
    let failed = |future: &Future<T>| !future.cancelled() && future.shared.error().is_some();
    let mut ends = Ends::of(futures, timeout.into());
    loop {
        let ended = match ends.next() {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(ExecutorError::TimedOut) => break,
            Err(error) => return Err(error),
        };
        let enough = match return_when {
            ReturnWhen::AllCompleted => false,
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => failed(&futures[ended]),
        };
        if enough {
            break;
        }
    }
    Ok(futures.iter().cloned().partition(Future::done))
}

/// Gives the futures in the order in which they end, and blocks for each.
///
/// # Errors
///
/// The iterator gives [`ExecutorError::TimedOut`] once, and then nothing more, if the limit passes before all
/// are done; in the same way [`ExecutorError::BlocksItsLoop`], if it would block the thread of the loop that is to
/// complete one of them, and [`ExecutorError::Forked`].
///
/// # Differences from asyncio
///
/// In `concurrent.futures` the futures are made a set first. Here what is given twice comes twice.
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
        ends: Ends::of(futures, timeout.into()),
        over: false,
    }
}

/// The iterator of [`as_completed`].
#[derive(Debug)]
pub struct AsCompleted<T: 'static> {
    ends: Ends<T>,
    over: bool,
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<Future<T>, ExecutorError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match self.ends.next() {
            Ok(ended) => ended.map(|index| Ok(self.ends.futures[index].clone())),
            Err(error) => {
                self.over = true;
                Some(Err(error))
            }
        }
    }
}

/// The numbers of futures, as they end. Those that had ended come first, in the order given.
#[derive(Debug)]
struct Ends<T: 'static> {
    futures: Vec<Future<T>>,
    ended: VecDeque<usize>,
    later: Arc<Waiter>,
    left: usize,
    deadline: Option<Instant>,
}

/// Where the numbers of those come that end later.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    ended: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Waiter {
    pub(crate) fn tell(&self, index: usize) {
        lock(&self.ended).push_back(index);
        self.changed.notify_one();
    }
}

impl<T> Ends<T> {
    fn of(futures: &[Future<T>], timeout: Option<Duration>) -> Ends<T> {
        let later = Arc::new(Waiter::default());
        let mut ended = VecDeque::new();
        for (index, future) in futures.iter().enumerate() {
            match future.done() {
                true => ended.push_back(index),
                false => future.watch(Watcher::Number(later.clone(), index)),
            }
        }
        Ends {
            futures: futures.to_vec(),
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
        let mut ended = lock(&self.later.ended);
        if ended.is_empty() {
            self.check_waits()?;
        }
        loop {
            if let Some(index) = ended.pop_front() {
                return Ok(index);
            }
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(ExecutorError::TimedOut);
            }
            ended = wait_for(&self.later.changed, ended, left);
        }
    }

    /// One that this thread's loop is to complete never ends while the thread is blocked, and in the child of a fork none
    /// does that the parent has made.
    fn check_waits(&self) -> Result<(), ExecutorError> {
        let mut pending = self.futures.iter().filter(|it| !it.done());
        pending.try_for_each(|it| it.shared.cell().check_process())?;
        let own = |it: &Future<T>| !it.done() && it.shared.cell().is_at_home();
        match self.futures.iter().any(own) {
            true => Err(ExecutorError::BlocksItsLoop),
            false => Ok(()),
        }
    }
}

impl<T: 'static> Drop for Ends<T> {
    fn drop(&mut self) {
        let pending = self.futures.iter().filter(|future| !future.done());
        pending.for_each(|future| future.shared.cell().unwatch(&self.later));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::concurrent::Promise;

    #[test]
    fn who_has_waited_leaves_nothing_behind() {
        let promises: Vec<Promise<u32>> = (0..3).map(|_| Promise::new()).collect();
        let mut futures: Vec<_> = promises.iter().map(Promise::future).collect();
        futures.push(futures[0].clone());
        // One future has another watcher that stays.
        let (sender, told) = std::sync::mpsc::channel();
        futures[1].add_done_callback(move |_| sender.send(()).unwrap());
        let ends = Ends::of(&futures, None);
        let later = Arc::downgrade(&ends.later);
        promises[2].set_result(1).unwrap();
        drop(ends);
        assert_eq!(later.strong_count(), 0);
        promises[1].set_result(1).unwrap();
        told.recv().unwrap();
    }
}
