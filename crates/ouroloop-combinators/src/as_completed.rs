//! `as_completed`.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use ouroloop_core::{TimerHandle, get_running_loop};
use ouroloop_task::{AsFutureRef, Awaitable, Eventual, IntoTask, Waiter, WaiterKey};

use crate::caller::{Caller, running_loop};
use crate::error::{AwaitError, TimeoutError};
use crate::watched::{Watch, Watched};

/// Runs awaitables beside each other and gives their results in the order in which they end: asyncio's
/// `as_completed`.
///
/// Coroutines become tasks now. One that is given twice counts once. [`next`](AsCompleted::next) gives
/// results, [`next_task`](AsCompleted::next_task) the tasks that they are of.
///
/// All that is given has one type, and two functions that are called make two. Make tasks of them first:
///
/// ```
/// # use ouroloop::{as_completed, create_task};
/// # async fn func1() -> u32 { 1 }
/// # async fn func2() -> u32 { 2 }
/// # ouroloop::run(async {
/// let mut results = as_completed([create_task(func1()), create_task(func2())]);
/// # assert_eq!(results.len(), 2);
/// # while results.next().await.is_some() {}
/// # })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
///
/// # Errors
///
/// Each item is a result: [`AwaitError::Task`] for one that ended without a value, and
/// [`AwaitError::Timeout`] for each that was not done at the end of the
/// [time allowed](AsCompleted::timeout); those go on.
///
/// # Cancellation
///
/// Dropping the stream leaves the tasks running. A wait for the next item that is cancelled takes
/// no item away.
///
/// # Ordering
///
/// Those that are done already come first, in the order given.
///
/// # Panics
///
/// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes.
///
/// # Differences from asyncio
///
/// It is a stream only; there is no plain iterator of futures. asyncio's `async for`, which gives the tasks
/// themselves, is `next_task`.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, as_completed, sleep};
/// use std::time::Duration;
///
/// async fn after(seconds: u64) -> u64 {
///     sleep(Duration::from_secs(seconds)).await;
///     seconds
/// }
///
/// Runner::new().clock(VirtualClock::new()).run(async {
///     let mut order = Vec::new();
///     let mut results = as_completed([after(20), after(1)]);
///     while let Some(result) = results.next().await {
///         order.push(result.unwrap());
///     }
///     assert_eq!(order, [1, 20]);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[track_caller]
pub fn as_completed<I>(awaitables: I) -> AsCompleted<<I::Item as Awaitable>::Output>
where
    I: IntoIterator,
    I::Item: IntoTask,
    <I::Item as Awaitable>::Output: 'static,
{
    let event_loop = running_loop("as_completed");
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for awaitable in awaitables {
        let item = match awaitable.into_task_on(&event_loop) {
            Ok(item) => item,
            Err(error) => panic!("as_completed: {error}"),
        };
        if seen.insert(item.as_future_ref()) {
            items.push(item);
        }
    }
    let state = Rc::new(State {
        done: RefCell::new(VecDeque::new()),
        left: Cell::new(items.len()),
        waiter: RefCell::new(None),
        timer: RefCell::new(None),
    });
    let watch = Watch::new(Caller::of("as_completed"));
    watch.any_is_enough();
    for (place, item) in items.iter().enumerate() {
        let state = state.clone();
        watch.add(item.as_future_ref(), move |_| state.completed(place));
    }
    AsCompleted {
        todo: items.len(),
        items: items.into_iter().map(Some).collect(),
        watch,
        state,
        waiting: None,
    }
}

/// The results of [`as_completed`], as a stream: take them by [`next`](AsCompleted::next), or by
/// `StreamExt` of futures-util.
///
/// # Cancellation
///
/// As described for [`as_completed`].
///
/// # Examples
///
/// ```
/// use ouroloop::{AsCompleted, as_completed};
///
/// ouroloop::run(async {
///     let mut results: AsCompleted<u32> = as_completed([async { 42 }]);
///     assert_eq!(results.len(), 1);
///     assert_eq!(results.next().await.unwrap().unwrap(), 42);
///     assert!(results.next().await.is_none());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the results are lost unless the stream is read to its end"]
pub struct AsCompleted<T: 'static> {
    items: Vec<Option<Eventual<T>>>,
    /// How many items the stream still has to give.
    todo: usize,
    watch: Watch,
    state: Rc<State>,
    waiting: Option<Waiter>,
}

struct State {
    /// Those that are done and were not taken, by place; `None` for one that was not in time.
    done: RefCell<VecDeque<Option<usize>>>,
    /// How many are not done.
    left: Cell<usize>,
    waiter: RefCell<Option<WaiterKey>>,
    timer: RefCell<Option<TimerHandle>>,
}

impl State {
    fn completed(&self, place: usize) {
        if self.left.get() == 0 {
            // The time was up first.
            return;
        }
        self.left.set(self.left.get() - 1);
        self.put(Some(place));
        if self.left.get() == 0 {
            if let Some(timer) = self.timer.take() {
                timer.cancel();
            }
        }
    }

    fn time_is_up(&self, watched: &Watched) {
        watched.remove_all();
        for _ in 0..self.left.replace(0) {
            self.put(None);
        }
    }

    fn put(&self, item: Option<usize>) {
        self.done.borrow_mut().push_back(item);
        if let Some(waiter) = self.waiter.take() {
            waiter.fire();
        }
    }
}

impl<T> AsCompleted<T> {
    /// Gives a [`TimeoutError`] for each that is not done after this time, counted from now; `None` is no
    /// limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{AwaitError, Runner, VirtualClock, as_completed, sleep};
    /// use std::time::Duration;
    ///
    /// Runner::new().clock(VirtualClock::new()).run(async {
    ///     let nights = [8, 24].map(|hours| sleep(Duration::from_secs(3600 * hours)));
    ///     let mut results = as_completed(nights).timeout(Duration::from_secs(3600 * 9));
    ///     assert!(results.next().await.unwrap().is_ok());
    ///     let late = results.next().await.unwrap();
    ///     assert!(matches!(late, Err(AwaitError::Timeout(_))));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub fn timeout(self, limit: impl Into<Option<Duration>>) -> AsCompleted<T> {
        let Some(limit) = limit.into() else {
            return self;
        };
        if self.state.left.get() == 0 {
            return self;
        }
        let state = self.state.clone();
        let watched = self.watch.watched();
        let timer = get_running_loop()
            .and_then(|running| running.call_later(limit, move || state.time_is_up(&watched)));
        // Making the stream took a running loop already.
        self.state.timer.replace(timer.ok());
        self
    }

    /// Waits for the next result; `None` once all were given.
    ///
    /// `StreamExt` of futures-util has more. [`as_completed`] has an example.
    ///
    /// # Errors
    ///
    /// [`AwaitError::Task`] for one that ended without a value, [`AwaitError::Timeout`] for one that was not
    /// done in time.
    ///
    /// # Cancellation
    ///
    /// A wait that is cancelled takes no result away.
    ///
    /// # Ordering
    ///
    /// A result that is there is given at once; else the task resumes in the iteration after the one in which
    /// the stream hears of the next end.
    pub async fn next(&mut self) -> Option<Result<T, AwaitError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Waits for the next one that is done, and gives that itself: what `async for` over asyncio's `as_completed`
    /// gives. `None` once all were given.
    ///
    /// It is the task or promise that was given, or the task of a coroutine: [`is`](ouroloop_task::FutureRef::is)
    /// tells which, and so do its name and a map by [`FutureRef`](ouroloop_task::FutureRef). Awaiting it gives
    /// its result without waiting.
    ///
    /// # Errors
    ///
    /// [`TimeoutError`] for one that was not done in time.
    ///
    /// # Cancellation
    ///
    /// A wait that is cancelled takes none away.
    ///
    /// # Ordering
    ///
    /// As for [`next`](AsCompleted::next); the two may be mixed, and each gives what the other has not.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{AsFutureRef, FutureRef, as_completed, create_task};
    /// use std::collections::HashMap;
    ///
    /// async fn fetch(url: &str) -> usize {
    ///     url.len()
    /// }
    ///
    /// ouroloop::run(async {
    ///     let tasks = ["http://one", "http://three"].map(|url| (create_task(fetch(url)), url));
    ///     let urls: HashMap<FutureRef, &str> =
    ///         tasks.iter().map(|(task, url)| (task.as_future_ref(), *url)).collect();
    ///     let mut earliest = as_completed(tasks.map(|(task, _)| task));
    ///     while let Some(task) = earliest.next_task().await {
    ///         let task = task.unwrap();
    ///         let url = urls[&*task];
    ///         assert_eq!(task.await.unwrap(), url.len());
    ///     }
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    pub async fn next_task(&mut self) -> Option<Result<Eventual<T>, TimeoutError>> {
        poll_fn(|cx| self.poll_next_task(cx)).await
    }

    fn poll_next_task(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Eventual<T>, TimeoutError>>> {
        if self.todo == 0 {
            return Poll::Ready(None);
        }
        loop {
            if let Some(waiter) = &mut self.waiting {
                ready!(Pin::new(waiter).poll(cx));
                self.waiting = None;
            }
            let next = self.state.done.borrow_mut().pop_front();
            let Some(next) = next else {
                self.watch.caller().check_running();
                let waiter = Waiter::on(self.watch.watched());
                self.state.waiter.replace(Some(waiter.key()));
                self.waiting = Some(waiter);
                continue;
            };
            self.todo -= 1;
            return Poll::Ready(Some(match next {
                Some(place) => Ok(self.items[place].take().expect("each is done once")),
                None => Err(TimeoutError),
            }));
        }
    }

    /// Counts the results that are still to come.
    pub fn len(&self) -> usize {
        self.todo
    }

    /// Tells whether all results were given.
    pub fn is_empty(&self) -> bool {
        self.todo == 0
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = Result<T, AwaitError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.get_mut().poll_next_task(cx));
        Poll::Ready(next.map(|task| Ok(task?.take()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.todo, Some(self.todo))
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        if let Some(timer) = self.state.timer.take() {
            timer.cancel();
        }
    }
}
