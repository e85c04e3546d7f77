//! What the macro `gather!` makes: a gather of awaitables of different types.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef};
use ouroloop_task::{
    AsFutureRef, CallbackId, Eventual, FutureRef, IntoTask, PromiseValue, TaskError,
};

use super::core::Core;
use super::mode::{Plain, ReturnExceptions, ReturnResults, Values};
use crate::caller::running_loop;

/// A tuple of what `gather!` runs.
#[diagnostic::on_unimplemented(
    message = "`gather!` runs up to 8 coroutines, tasks and promises",
    label = "not all of these are"
)]
pub trait GatherTuple {
    /// What each runs as.
    type Children: 'static;
    /// The outputs of all.
    type Outputs;
    /// What became of each.
    type Results;

    /// Makes them run, in order.
    ///
    /// # Errors
    ///
    /// The loop is closed.
    #[track_caller]
    fn into_children(self, event_loop: &LoopRef) -> Result<Self::Children, LoopError>;
    /// What to wait for, in order.
    fn futures(children: &Self::Children) -> Vec<FutureRef>;
    /// The outputs, once all are done.
    ///
    /// # Errors
    ///
    /// That of the first, in order, which has none.
    fn outputs(children: &Self::Children) -> Result<Self::Outputs, TaskError>;
    /// What became of each, once all are done.
    fn results(children: &Self::Children) -> Self::Results;
}

/// A tuple of what gives `Result`s.
pub trait FallibleTuple: GatherTuple {
    /// The outputs with their own errors, of which each is also what a panic or a cancellation becomes.
    type Exceptions;

    /// Tells the children what is an error.
    fn prepare(children: &Self::Children);
    /// Whether the one at a place ended in a value that is an error.
    fn failed(children: &Self::Children, place: usize) -> bool;
    /// The outputs, once all are done.
    fn exceptions(children: &Self::Children) -> Self::Exceptions;
}

/// A tuple of what gives `Result`s with one error type.
pub trait PlainTuple: FallibleTuple {
    /// The values of all.
    type Values;
    /// The error type.
    type Error: From<TaskError>;

    /// The values, once all are done.
    ///
    /// # Errors
    ///
    /// The first error, in order.
    fn values(children: &Self::Children) -> Result<Self::Values, Self::Error>;
    /// The error of the one at a place.
    fn error(children: &Self::Children, place: usize) -> Self::Error;
}

/// Starts what `gather!` is given.
#[track_caller]
pub fn gather_tuple<G: GatherTuple>(awaitables: G) -> GatherAll<G> {
    let event_loop = running_loop("gather!");
    let started = awaitables.into_children(&event_loop);
    let started = match started {
        Ok(children) => Core::new(&event_loop, G::futures(&children)).map(|core| (children, core)),
        Err(error) => Err(error),
    };
    match started {
        Ok((children, core)) => GatherAll {
            core,
            children: Rc::new(children),
            wait: None,
        },
        Err(error) => panic!("gather!: {error}"),
    }
}

/// What [`gather!`](crate::gather!) gives: await it, or say how to read it.
///
/// What it runs has begun; nothing is lost by saying later how to read it, also if it was polled, as in a `select`,
/// and has not given its results yet.
///
/// # Errors
///
/// Awaiting it as it is gives the first error of the type that all share.
///
/// # Cancellation
///
/// As described for the function [`gather`](crate::gather()).
///
/// # Examples
///
/// ```
/// use ouroloop::gather;
/// use std::io;
///
/// ouroloop::run(async {
///     let both = gather!(async { io::Result::Ok(1) }, async { io::Result::Ok("one") });
///     assert_eq!(both.await?, (1, "one"));
///     io::Result::Ok(())
/// })?.unwrap();
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the results are lost unless the gather is awaited"]
pub struct GatherAll<G: GatherTuple> {
    core: Rc<Core>,
    children: Rc<G::Children>,
    /// Once it was polled as it is.
    wait: Option<PromiseValue<()>>,
}

impl<G: GatherTuple> Unpin for GatherAll<G> {}

impl<G: GatherTuple> GatherAll<G> {
    /// Gives the outputs as they are, of whatever types: only a panic or a cancellation is an error.
    ///
    /// # Errors
    ///
    /// Awaiting it gives the first [`TaskError`] that a child ended with, or the cancellation of the gather itself.
    ///
    /// # Cancellation
    ///
    /// As described for the function [`gather`](crate::gather()).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::gather;
    ///
    /// ouroloop::run(async {
    ///     let both = gather!(async { 1 }, async { "one" }).values().await;
    ///     assert_eq!(both.unwrap(), (1, "one"));
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn values(self) -> GatheringAll<G, Values> {
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
    /// As described for the function [`gather`](crate::gather()).
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
    ///     let (never, text) = gather!(never, async { "one" }).return_results().await.unwrap();
    ///     assert!(never.unwrap_err().is_cancelled());
    ///     assert_eq!(text.unwrap(), "one");
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn return_results(self) -> GatheringAll<G, ReturnResults> {
        self.read_as()
    }

    /// Gives every result, each with its own error type: asyncio's `return_exceptions=True`. Failures and
    /// cancellations do not end it early.
    ///
    /// # Errors
    ///
    /// Awaiting it gives a [`TaskError`] only when the gather itself was cancelled.
    ///
    /// # Cancellation
    ///
    /// As described for the function [`gather`](crate::gather()).
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{TaskError, gather};
    /// use std::io;
    ///
    /// ouroloop::run(async {
    ///     let (number, failure) = gather!(
    ///         async { Ok::<_, TaskError>(1) },
    ///         async { Err::<(), _>(io::Error::other("no luck")) },
    ///     )
    ///     .return_exceptions()
    ///     .await
    ///     .unwrap();
    ///     assert_eq!(number.unwrap(), 1);
    ///     assert_eq!(failure.unwrap_err().to_string(), "no luck");
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn return_exceptions(self) -> GatheringAll<G, ReturnExceptions>
    where
        G: FallibleTuple,
    {
        self.read_as()
    }

    /// Gives a handle to keep: it can be asked and cancelled, and awaited later.
    ///
    /// What it runs does so whether this is called or not. [`GatheringAll`] has an example.
    ///
    /// # Errors
    ///
    /// Awaiting it gives the first error.
    ///
    /// # Cancellation
    ///
    /// As described for the function [`gather`](crate::gather()).
    #[track_caller]
    pub fn start(self) -> GatheringAll<G, Plain>
    where
        G: PlainTuple,
    {
        self.read_as()
    }

    #[track_caller]
    fn read_as<M: TupleMode<G>>(mut self) -> GatheringAll<G, M> {
        // One that was polled is settled as it is; to say so again would make errors unread that were looked at.
        let wait = match self.wait.take() {
            Some(wait) if !M::ANEW => wait,
            Some(_) => {
                self.core = self.core.again();
                self.settle::<M>()
            }
            None => self.settle::<M>(),
        };
        GatheringAll {
            wait,
            core: self.core,
            children: self.children,
            mode: PhantomData,
        }
    }

    fn settle<M: TupleMode<G>>(&self) -> PromiseValue<()> {
        M::prepare(&self.children);
        let children = self.children.clone();
        self.core.settle(
            M::RETURN_EXCEPTIONS,
            Box::new(move |place| M::failed(&children, place)),
        );
        self.core.outer().into_future()
    }
}

// A future, and not an `IntoFuture`: so the compiler says what is wrong with the outputs.
impl<G: GatherTuple> Future for GatherAll<G>
where
    Plain: TupleMode<G>,
{
    type Output = <Plain as TupleMode<G>>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let wait = match this.wait.take() {
            Some(wait) => wait,
            None => this.settle::<Plain>(),
        };
        let ended = ready!(Pin::new(this.wait.insert(wait)).poll(cx));
        Poll::Ready(read::<G, Plain>(&this.core, &this.children, ended))
    }
}

/// A gather of different types under way, as asyncio's `gather` returns it: it can be kept, asked, cancelled, and
/// awaited.
///
/// # Errors
///
/// As the way of reading says: see [`GatherAll`] and its methods.
///
/// # Cancellation
///
/// As described for the function [`gather`](crate::gather()). Dropping it cancels nothing.
///
/// # Examples
///
/// ```
/// use ouroloop::{TaskError, gather, sleep};
/// use std::time::Duration;
///
/// async fn hour() -> Result<&'static str, TaskError> {
///     sleep(Duration::from_secs(3600)).await;
///     Ok("late")
/// }
///
/// ouroloop::run(async {
///     let both = gather!(hour(), async { Ok(1) }).start();
///     assert!(both.cancel() && !both.done());
///     assert!(both.await.unwrap_err().is_cancelled());
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "the results are lost unless the gather is awaited"]
pub struct GatheringAll<G: GatherTuple, M> {
    core: Rc<Core>,
    children: Rc<G::Children>,
    wait: PromiseValue<()>,
    mode: PhantomData<M>,
}

impl<G: GatherTuple, M> Unpin for GatheringAll<G, M> {}

impl<G: GatherTuple, M> GatheringAll<G, M> {
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
}

impl<G: GatherTuple, M> AsFutureRef for GatheringAll<G, M> {
    fn as_future_ref(&self) -> FutureRef {
        self.core.outer().as_future_ref()
    }
}

impl<G: GatherTuple, M: TupleMode<G>> Future for GatheringAll<G, M> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        let ended = ready!(Pin::new(&mut this.wait).poll(cx));
        Poll::Ready(read::<G, M>(&this.core, &this.children, ended))
    }
}

fn read<G: GatherTuple, M: TupleMode<G>>(
    core: &Core,
    children: &G::Children,
    ended: Result<(), TaskError>,
) -> M::Output {
    match ended {
        Ok(()) => M::all(children),
        Err(error) => M::first(children, core.first_failed(), error),
    }
}

/// How the results of a `gather!` are read.
pub trait TupleMode<G: GatherTuple> {
    /// What awaiting it gives.
    type Output;
    /// Whether failures do not end it early.
    const RETURN_EXCEPTIONS: bool;
    /// Whether one that was awaited as it is has to be counted anew to be read so.
    const ANEW: bool = true;

    /// Tells the children what is an error.
    fn prepare(_children: &G::Children) {}
    /// Whether the one at a place ended in a value that is an error.
    fn failed(_children: &G::Children, _place: usize) -> bool {
        false
    }
    /// The output when all count.
    fn all(children: &G::Children) -> Self::Output;
    /// The output when the one at a place decided, or the gather was cancelled; `error` is what the
    /// gather itself ended with.
    fn first(children: &G::Children, place: Option<usize>, error: TaskError) -> Self::Output;
}

impl<G: PlainTuple> TupleMode<G> for Plain {
    type Output = Result<G::Values, G::Error>;
    const RETURN_EXCEPTIONS: bool = false;
    const ANEW: bool = false;

    fn prepare(children: &G::Children) {
        G::prepare(children);
    }

    fn failed(children: &G::Children, place: usize) -> bool {
        G::failed(children, place)
    }

    fn all(children: &G::Children) -> Self::Output {
        G::values(children)
    }

    fn first(children: &G::Children, place: Option<usize>, error: TaskError) -> Self::Output {
        Err(match place {
            Some(place) => G::error(children, place),
            None => error.into(),
        })
    }
}

impl<G: GatherTuple> TupleMode<G> for Values {
    type Output = Result<G::Outputs, TaskError>;
    const RETURN_EXCEPTIONS: bool = false;

    fn all(children: &G::Children) -> Self::Output {
        G::outputs(children)
    }

    fn first(_: &G::Children, _: Option<usize>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

impl<G: GatherTuple> TupleMode<G> for ReturnResults {
    type Output = Result<G::Results, TaskError>;
    const RETURN_EXCEPTIONS: bool = true;

    fn all(children: &G::Children) -> Self::Output {
        Ok(G::results(children))
    }

    fn first(_: &G::Children, _: Option<usize>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

impl<G: FallibleTuple> TupleMode<G> for ReturnExceptions {
    type Output = Result<G::Exceptions, TaskError>;
    const RETURN_EXCEPTIONS: bool = true;

    fn prepare(children: &G::Children) {
        G::prepare(children);
    }

    fn all(children: &G::Children) -> Self::Output {
        Ok(G::exceptions(children))
    }

    fn first(_: &G::Children, _: Option<usize>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

/// What one of `gather!` gives, unless it is read by `values()`.
#[diagnostic::on_unimplemented(
    message = "`gather!` runs what gives a `Result`, not `{Self}`",
    label = "one of these gives `{Self}`",
    note = "`gather!(..).values().await` gives outputs of any types"
)]
pub trait GatherOutput: Sized + 'static {
    /// The value.
    type Value;
    /// The error.
    type Error: From<TaskError>;

    /// Tells a child what is an error.
    fn expect_errors(child: &Eventual<Self>);
    /// Whether it is the error.
    fn is_err(&self) -> bool;
    /// The value, or the error.
    ///
    /// # Errors
    ///
    /// The error.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T: 'static, E: From<TaskError> + 'static> GatherOutput for Result<T, E> {
    type Value = T;
    type Error = E;

    fn expect_errors(child: &Eventual<Self>) {
        child.expect_errors();
    }

    fn is_err(&self) -> bool {
        self.is_err()
    }

    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// The output of a child, with a panic or a cancellation as its error.
fn take<O: GatherOutput>(child: &Eventual<O>) -> Result<O::Value, O::Error> {
    child.take()?.into_result()
}

macro_rules! gather_tuples {
    ($($place:tt $awaitable:ident),+) => {
        impl<$($awaitable),+> GatherTuple for ($($awaitable,)+)
        where
            $($awaitable: IntoTask<Output: 'static>,)+
        {
            type Children = ($(Eventual<$awaitable::Output>,)+);
            type Outputs = ($($awaitable::Output,)+);
            type Results = ($(Result<$awaitable::Output, TaskError>,)+);

            #[track_caller]
            fn into_children(self, event_loop: &LoopRef) -> Result<Self::Children, LoopError> {
                Ok(($(self.$place.into_own_task_on(event_loop)?,)+))
            }

            fn futures(children: &Self::Children) -> Vec<FutureRef> {
                vec![$(children.$place.as_future_ref()),+]
            }

            fn outputs(children: &Self::Children) -> Result<Self::Outputs, TaskError> {
                Ok(($(children.$place.take()?,)+))
            }

            fn results(children: &Self::Children) -> Self::Results {
                ($(children.$place.take(),)+)
            }
        }

        impl<$($awaitable),+> FallibleTuple for ($($awaitable,)+)
        where
            $($awaitable: IntoTask<Output: GatherOutput>,)+
        {
            type Exceptions = ($(Result<
                <$awaitable::Output as GatherOutput>::Value,
                <$awaitable::Output as GatherOutput>::Error,
            >,)+);

            fn prepare(children: &Self::Children) {
                $(GatherOutput::expect_errors(&children.$place);)+
            }

            fn failed(children: &Self::Children, place: usize) -> bool {
                match place {
                    $($place => children.$place.inspect(GatherOutput::is_err).unwrap_or(false),)+
                    _ => false,
                }
            }

            fn exceptions(children: &Self::Children) -> Self::Exceptions {
                ($(take(&children.$place),)+)
            }
        }

        impl<E, $($awaitable),+> PlainTuple for ($($awaitable,)+)
        where
            E: From<TaskError>,
            $($awaitable: IntoTask<Output: GatherOutput<Error = E>>,)+
        {
            type Values = ($(<$awaitable::Output as GatherOutput>::Value,)+);
            type Error = E;

            fn values(children: &Self::Children) -> Result<Self::Values, E> {
                Ok(($(take(&children.$place)?,)+))
            }

            fn error(children: &Self::Children, place: usize) -> E {
                let error = match place {
                    $($place => take(&children.$place).err(),)+
                    _ => None,
                };
                // A value in its place was moved out by whoever else held the task.
                error.unwrap_or_else(|| TaskError::ResultTaken.into())
            }
        }
    };
}

gather_tuples!(0 A);
gather_tuples!(0 A, 1 B);
gather_tuples!(0 A, 1 B, 2 C);
gather_tuples!(0 A, 1 B, 2 C, 3 D);
gather_tuples!(0 A, 1 B, 2 C, 3 D, 4 F);
gather_tuples!(0 A, 1 B, 2 C, 3 D, 4 F, 5 G);
gather_tuples!(0 A, 1 B, 2 C, 3 D, 4 F, 5 G, 6 H);
gather_tuples!(0 A, 1 B, 2 C, 3 D, 4 F, 5 G, 6 H, 7 I);

/// Runs awaitables of different types beside each other and gathers their results in a tuple: asyncio's
/// `gather(a, b)`.
///
/// It takes up to 8. Each gives a `Result` with the same error type, which has to be made of a `TaskError`
/// too (as `io::Error` and boxed errors are); the first error wins, and the others go on. Outputs that are
/// no `Result` are read by [`values`](crate::GatherAll::values), and asyncio's `return_exceptions=True` is
/// [`return_exceptions`](crate::GatherAll::return_exceptions).
///
/// # Errors
///
/// The first error that one gives, or that is made of the `TaskError` of one that panicked or was cancelled.
///
/// # Cancellation
///
/// As for the function [`gather`](crate::gather()), and so are the order and the panics.
///
/// # Examples
///
/// ```
/// use ouroloop::gather;
/// use std::io;
///
/// #[ouroloop::main]
/// async fn main() -> io::Result<()> {
///     let (number, text) = gather!(async { Ok(1) }, async { io::Result::Ok("one") }).await?;
///     assert_eq!((number, text), (1, "one"));
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! gather {
    ($($awaitable:expr),+ $(,)?) => {
        $crate::__private::gather_tuple(($($awaitable,)+))
    };
}
