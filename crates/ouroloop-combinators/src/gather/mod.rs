//! `gather`: the function, what it gives, and the ways to read it.

mod core;
mod mode;
pub(crate) mod tuple;

use std::any::TypeId;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef, get_running_loop};
use ouroloop_task::{
    AsFutureRef, Awaitable, CallbackId, Eventual, FutureRef, IntoTask, PromiseValue, TaskError,
};

use self::core::Core;
pub use self::mode::{GatherMode, Plain, ReturnExceptions, ReturnResults, Values};
pub use self::tuple::{GatherAll, GatheringAll};

/// Runs awaitables beside each other and gathers their results, in the order given: asyncio's `gather`.
///
/// It takes a collection of one type; two functions that are called make two types, even if both give the same.
/// The macro [`gather!`](crate::gather!) takes up to 8 of different types, and a list of such may be made of tasks:
/// `gather([create_task(func1()), create_task(func2())])`. Coroutines become tasks now, in that order; whatever is given twice counts once. Awaiting the
/// gather of `Result<T, E>`s gives `Result<Vec<T>, E>`: the first error wins at once, and the others
/// go on. For the rest there are
///
/// - [`return_exceptions`](Gather::return_exceptions): every result, failed or not;
/// - [`values`](Gather::values): for outputs that are no `Result`;
/// - [`return_results`](Gather::return_results): the same with what became of each;
/// - [`start`](Gather::start): a handle to keep, ask, cancel and await later.
///
/// # Errors
///
/// The first `E` that a child gives. It has to be made of a [`TaskError`] too, for a child that panicked or
/// was cancelled: `io::Error`, boxed errors and `TaskError` itself are. The cancellation of one child ends
/// the gather like an error, and leaves the others alone.
///
/// # Cancellation
///
/// A request is passed on to all that are not done. Whatever they make of it, the gather then ends
/// cancelled, also with `return_exceptions`, unless an error was first. Dropping the gather cancels nothing:
/// its tasks go on, and each keeps, until it ends, the callback by which the gather was to hear of it. Who gathers one
/// long task again and again, in a `select!`, keeps one gather instead.
///
/// # Ordering
///
/// The gather is done one iteration after the child that decides it. Of those that are done
/// already when it is made, the first error in the order given decides.
///
/// # Panics
///
/// If no loop is running in this thread, or it holds 16,777,215 tasks and scopes.
///
/// # Examples
///
/// ```
/// use ouroloop::gather;
/// use std::io;
///
/// async fn half(n: u32) -> io::Result<u32> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(io::Error::other("odd")) }
/// }
///
/// #[ouroloop::main]
/// async fn main() -> io::Result<()> {
///     assert_eq!(gather([half(2), half(4)]).await?, [1, 2]);
///     assert_eq!(gather([half(2), half(3)]).await.unwrap_err().to_string(), "odd");
///     let all = gather([half(2), half(3)]).return_exceptions().await?;
///     assert!(all[0].is_ok() && all[1].is_err());
///     Ok(())
/// }
/// ```
#[track_caller]
pub fn gather<I>(awaitables: I) -> Gather<<I::Item as Awaitable>::Output>
where
    I: IntoIterator,
    I::Item: IntoTask,
    <I::Item as Awaitable>::Output: 'static,
{
    let gather = match get_running_loop() {
        Ok(running) => gather_on(&running, awaitables),
        Err(error) => Err(error),
    };
    match gather {
        Ok(gather) => gather,
        Err(error) => panic!("gather: {error}"),
    }
}

#[track_caller]
pub(crate) fn gather_on<I>(
    event_loop: &LoopRef,
    awaitables: I,
) -> Result<Gather<<I::Item as Awaitable>::Output>, LoopError>
where
    I: IntoIterator,
    I::Item: IntoTask,
    <I::Item as Awaitable>::Output: 'static,
{
    let mut items = Vec::new();
    for awaitable in awaitables {
        items.push(awaitable.into_own_task_on(event_loop)?);
    }
    let futures = items.iter().map(Eventual::as_future_ref).collect();
    Ok(Gather {
        core: Core::new(event_loop, futures)?,
        items: items.into(),
        value: None,
    })
}

/// A gather whose results nobody has asked for yet: await it, or say how to read it.
///
/// Its tasks run already. It is awaited as it is where the outputs are `Result`s with one error type that is
/// made of a [`TaskError`] too; else call [`values`](Gather::values). One that was polled, as in a `select`, and has
/// not given its results yet may still be read in another way: nothing is lost.
///
/// # Cancellation
///
/// As described for [`gather`].
///
/// # Examples
///
/// ```
/// use ouroloop::{Gather, gather};
///
/// ouroloop::run(async {
///     let both: Gather<u32> = gather([std::future::ready(1), std::future::ready(2)]);
///     assert_eq!(both.values().await.unwrap(), [1, 2]);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the results are lost unless the gather is awaited"]
pub struct Gather<T: 'static> {
    core: Rc<Core>,
    items: Rc<[Eventual<T>]>,
    /// Once it was polled as it is.
    value: Option<GatherValue<T, Plain>>,
}

impl<T: 'static> Gather<T> {
    #[track_caller]
    fn read_as<M: GatherMode<T>>(self) -> Gathering<T, M> {
        let core = match &self.value {
            // Settled already; to say so again would make errors unread that were looked at.
            Some(_) if TypeId::of::<M>() == TypeId::of::<Plain>() => self.core,
            polled => {
                let core = polled
                    .as_ref()
                    .map_or(self.core.clone(), |_| self.core.again());
                M::prepare(&self.items);
                let items = self.items.clone();
                core.settle(
                    M::RETURN_EXCEPTIONS,
                    Box::new(move |place| M::failed(&items[place])),
                );
                core
            }
        };
        Gathering {
            core,
            items: self.items,
            mode: PhantomData,
        }
    }

    /// Gives the outputs as they are, of whatever type: only a panic or a cancellation is an error.
    ///
    /// # Errors
    ///
    /// Awaiting it gives the first [`TaskError`] that a child ended with, or the cancellation of the gather
    /// itself.
    ///
    /// # Cancellation
    ///
    /// As described for [`gather`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::gather;
    ///
    /// ouroloop::run(async {
    ///     let squares = gather((1..4).map(|n| async move { n * n })).values().await;
    ///     assert_eq!(squares.unwrap(), [1, 4, 9]);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn values(self) -> Gathering<T, Values> {
        self.read_as()
    }

    /// Gives what became of each: its output, or the panic or cancellation that ended it.
    ///
    /// # Errors
    ///
    /// Awaiting it gives a [`TaskError`] only when the gather itself was cancelled.
    ///
    /// # Cancellation
    ///
    /// As described for [`gather`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{create_task, gather};
    /// use std::future::pending;
    ///
    /// ouroloop::run(async {
    ///     let never = create_task(pending::<u32>());
    ///     never.cancel();
    ///     let ends = gather([never, create_task(async { 42 })]).return_results().await.unwrap();
    ///     assert!(ends[0].as_ref().unwrap_err().is_cancelled());
    ///     assert_eq!(ends[1].as_ref().unwrap(), &42);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn return_results(self) -> Gathering<T, ReturnResults> {
        self.read_as()
    }
}

impl<T: 'static, E: 'static> Gather<Result<T, E>> {
    /// Gives every result; failures and cancellations do not end it early: asyncio's
    /// `gather(..., return_exceptions=True)`.
    ///
    /// A child that panicked or was cancelled is an `E` that is made of its [`TaskError`].
    ///
    /// # Errors
    ///
    /// Awaiting it gives a [`TaskError`] only when the gather itself was cancelled.
    ///
    /// # Cancellation
    ///
    /// As described for [`gather`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, gather};
    ///
    /// async fn check(n: u32) -> Result<u32, TaskError> {
    ///     if n < 3 { Ok(n) } else { Err(TaskError::failed("too many")) }
    /// }
    ///
    /// ouroloop::run(async {
    ///     let all = gather([check(2), check(3)]).return_exceptions().await.unwrap();
    ///     assert_eq!(all[0].as_ref().unwrap(), &2);
    ///     assert_eq!(all[1].as_ref().unwrap_err().to_string(), "too many");
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn return_exceptions(self) -> Gathering<Result<T, E>, ReturnExceptions>
    where
        E: From<TaskError>,
    {
        self.read_as()
    }

    /// Gives a handle to keep: it can be asked and cancelled, and awaited later.
    ///
    /// The tasks run whether this is called or not. [`Gathering`] has an example.
    ///
    /// # Errors
    ///
    /// Awaiting it gives the first error, as for [`gather`].
    ///
    /// # Cancellation
    ///
    /// As described for [`gather`].
    pub fn start(self) -> Gathering<Result<T, E>, Plain>
    where
        E: From<TaskError>,
    {
        self.read_as()
    }
}

// A future, and not an `IntoFuture`: so the compiler says what is wrong with the outputs.
impl<T: 'static> Future for Gather<T>
where
    Plain: GatherMode<T>,
{
    type Output = <Plain as GatherMode<T>>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let value = match this.value.take() {
            Some(value) => value,
            None => Gather {
                core: this.core.clone(),
                items: this.items.clone(),
                value: None,
            }
            .read_as::<Plain>()
            .into_future(),
        };
        Pin::new(this.value.insert(value)).poll(cx)
    }
}

/// A gather under way, as asyncio's `gather` returns it: it can be kept, asked and cancelled.
///
/// Awaiting it by value moves the results out; awaiting `&gathering` clones them.
///
/// # Errors
///
/// As the way of reading says: see [`gather`], [`Gather::values`], [`Gather::return_results`] and
/// [`Gather::return_exceptions`].
///
/// # Cancellation
///
/// As described for [`gather`].
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, gather, sleep};
/// use std::time::Duration;
///
/// async fn hour() -> Result<(), TaskError> {
///     sleep(Duration::from_secs(3600)).await;
///     Ok(())
/// }
///
/// ouroloop::run(async {
///     let both = gather([hour(), hour()]).start();
///     assert!(both.cancel() && !both.done());
///     assert!(both.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the results are lost unless the gather is awaited"]
pub struct Gathering<T: 'static, M> {
    core: Rc<Core>,
    items: Rc<[Eventual<T>]>,
    mode: PhantomData<fn() -> M>,
}

impl<T: 'static, M> Gathering<T, M> {
    /// Asks all children that are not done to cancel; false if none accepted.
    ///
    /// # Ordering
    ///
    /// It is not done at once: it waits for the first that ends cancelled, or with
    /// `return_exceptions` for all.
    pub fn cancel(&self) -> bool {
        self.as_future_ref().cancel()
    }

    /// Asks all children that are not done to cancel, with a message; false if none accepted.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) -> bool {
        self.as_future_ref().cancel_with(message)
    }

    /// Tells whether it has its outcome.
    pub fn done(&self) -> bool {
        self.core.outer().done()
    }

    /// Calls `callback` through the loop once it is done: see
    /// [`FutureRef::add_done_callback`] for when.
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&FutureRef) + 'static) -> CallbackId {
        self.as_future_ref().add_done_callback(callback)
    }

    /// Gives the results, without waiting; they stay where they are.
    ///
    /// # Errors
    ///
    /// As for awaiting it, and [`TaskError::InvalidState`] while it is pending.
    pub fn result(&self) -> M::Output
    where
        T: Clone,
        M: GatherMode<T>,
    {
        self.read(self.core.outer().result().copied(), Eventual::peek)
    }

    fn read(
        &self,
        ended: Result<(), TaskError>,
        get: fn(&Eventual<T>) -> Result<T, TaskError>,
    ) -> M::Output
    where
        M: GatherMode<T>,
    {
        match (ended, self.core.first_failed()) {
            (Ok(()), _) => M::all(self.items.iter().map(get)),
            (Err(error), Some(place)) => M::first(get(&self.items[place]), error),
            (Err(error), None) => M::first(Err(error.clone()), error),
        }
    }
}

impl<T: 'static, M> AsFutureRef for Gathering<T, M> {
    fn as_future_ref(&self) -> FutureRef {
        self.core.outer().as_future_ref()
    }
}

/// The future of a gather.
#[must_use = "futures do nothing unless they are awaited"]
pub struct GatherValue<T: 'static, M> {
    gathering: Gathering<T, M>,
    wait: PromiseValue<()>,
    get: fn(&Eventual<T>) -> Result<T, TaskError>,
}

impl<T: 'static, M> Unpin for GatherValue<T, M> {}

impl<T: 'static, M: GatherMode<T>> Future for GatherValue<T, M> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        let ended = ready!(Pin::new(&mut this.wait).poll(cx));
        Poll::Ready(this.gathering.read(ended, this.get))
    }
}

impl<T: 'static, M: GatherMode<T>> IntoFuture for Gathering<T, M> {
    type Output = M::Output;
    type IntoFuture = GatherValue<T, M>;

    fn into_future(self) -> GatherValue<T, M> {
        GatherValue {
            wait: self.core.outer().into_future(),
            gathering: self,
            get: Eventual::take,
        }
    }
}

impl<T: Clone + 'static, M: GatherMode<T>> IntoFuture for &Gathering<T, M> {
    type Output = M::Output;
    type IntoFuture = GatherValue<T, M>;

    fn into_future(self) -> GatherValue<T, M> {
        GatherValue {
            wait: self.core.outer().into_future(),
            gathering: Gathering {
                core: self.core.clone(),
                items: self.items.clone(),
                mode: PhantomData,
            },
            get: Eventual::peek,
        }
    }
}

impl<T: 'static, M> Gathering<T, M>
where
    M: GatherMode<T>,
{
    fn into_eventual(self, get: fn(&Eventual<T>) -> Result<T, TaskError>) -> Eventual<M::Output>
    where
        M: 'static,
    {
        let future = self.as_future_ref();
        Eventual::new(future, move || {
            let ended = self.core.outer().result().copied();
            Ok(self.read(ended, get))
        })
    }
}

impl<T: 'static, M: GatherMode<T> + 'static> Awaitable for Gathering<T, M> {
    type Output = M::Output;
    type Awaited = ouroloop_task::EventualValue<M::Output>;

    fn into_awaited(self) -> Self::Awaited {
        self.into_eventual(Eventual::take).into_future()
    }

    fn existing(&self) -> Option<FutureRef> {
        Some(self.as_future_ref())
    }
}

impl<T: 'static, M: GatherMode<T> + 'static> IntoTask for Gathering<T, M> {
    fn into_task_on(self, event_loop: &LoopRef) -> Result<Eventual<M::Output>, LoopError> {
        self.into_eventual(Eventual::take).on(event_loop)
    }
}
