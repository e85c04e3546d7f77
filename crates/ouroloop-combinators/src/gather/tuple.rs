//! What the macro `gather!` makes: a gather of awaitables of different types.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ouroloop_core::{LoopError, LoopRef, get_running_loop};
use ouroloop_task::{AsFutureRef, Eventual, FutureRef, IntoTask, PromiseValue, TaskError};

use super::core::Core;

/// A tuple of what `gather!` runs.
#[diagnostic::on_unimplemented(
    message = "`gather!` runs up to 8 awaitables that each give a `Result` with one error type",
    label = "not all of these do",
    note = "the error type has to be made of a `TaskError` too, as `io::Error` and boxed errors are; for other outputs use the function `gather(...)` and `.values()`"
)]
pub trait GatherTuple<E> {
    /// What each runs as.
    type Children;
    /// The values of all.
    type Output;

    /// Makes them run, in order.
    ///
    /// # Errors
    ///
    /// The loop is closed.
    #[track_caller]
    fn into_children(self, event_loop: &LoopRef) -> Result<Self::Children, LoopError>;
    /// What to wait for, in order.
    fn futures(children: &Self::Children) -> Vec<FutureRef>;
    /// Whether the one at a place ended in a value that is an error.
    fn failed(children: &Self::Children, place: usize) -> bool;
    /// The values, once all are done.
    ///
    /// # Errors
    ///
    /// The first error, in order.
    fn collect(children: &Self::Children) -> Result<Self::Output, E>;
    /// The error of the one at a place.
    fn error(children: &Self::Children, place: usize) -> E;
}

/// Starts what `gather!` is given.
#[track_caller]
pub fn gather_tuple<E, G>(awaitables: G) -> GatherAll<E, G>
where
    G: GatherTuple<E>,
    G::Children: 'static,
    E: 'static,
{
    let event_loop = match get_running_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("gather!: {error}"),
    };
    let started = awaitables.into_children(&event_loop).and_then(|children| {
        let core = Core::new(&event_loop, G::futures(&children))?;
        Ok((Rc::new(children), core))
    });
    let (children, core) = match started {
        Ok(started) => started,
        Err(error) => panic!("gather!: {error}"),
    };
    core.settle(false, {
        let children = children.clone();
        Box::new(move |place| G::failed(&children, place))
    });
    GatherAll {
        wait: core.outer().into_future(),
        core,
        children,
    }
}

/// The future of `gather!`.
#[must_use = "the results are lost unless the gather is awaited"]
pub struct GatherAll<E, G: GatherTuple<E>> {
    core: Rc<Core>,
    children: Rc<G::Children>,
    wait: PromiseValue<()>,
}

impl<E, G: GatherTuple<E>> Unpin for GatherAll<E, G> {}

impl<E: From<TaskError>, G: GatherTuple<E>> Future for GatherAll<E, G> {
    type Output = Result<G::Output, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let ended = ready!(Pin::new(&mut this.wait).poll(cx));
        Poll::Ready(match (ended, this.core.first_failed()) {
            (Ok(()), _) => G::collect(&this.children),
            (Err(_), Some(place)) => Err(G::error(&this.children, place)),
            (Err(error), None) => Err(error.into()),
        })
    }
}

/// The error at a place where there is one.
fn error_at<O: GatherOutput<E>, E: From<TaskError>>(child: &Eventual<O>) -> E {
    match child.take().map(O::into_result) {
        Ok(Err(error)) => error,
        Ok(Ok(_)) => TaskError::ResultTaken.into(),
        Err(error) => error.into(),
    }
}

/// What one of `gather!` gives.
#[diagnostic::on_unimplemented(
    message = "`gather!` runs what gives a `Result`, not `{Self}`",
    label = "one of these gives `{Self}`",
    note = "let it end with `Ok::<_, TaskError>(value)`, or gather things of one type by the function: `gather([..]).values().await`"
)]
pub trait GatherOutput<E>: Sized + 'static {
    /// The value.
    type Value;

    /// Tells a child what is an error.
    fn expect_errors(child: &Eventual<Self>);
    /// Whether it is the error.
    fn is_err(&self) -> bool;
    /// The value, or the error.
    ///
    /// # Errors
    ///
    /// The error.
    fn into_result(self) -> Result<Self::Value, E>;
}

impl<T: 'static, E: 'static> GatherOutput<E> for Result<T, E> {
    type Value = T;

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

macro_rules! gather_tuples {
    ($($count:literal: $($place:tt $awaitable:ident),+;)*) => {$(
        impl<E, $($awaitable),+> GatherTuple<E> for ($($awaitable,)+)
        where
            E: From<TaskError> + 'static,
            $($awaitable: IntoTask<Output: GatherOutput<E>>,)+
        {
            type Children = ($(Eventual<$awaitable::Output>,)+);
            type Output = ($(<$awaitable::Output as GatherOutput<E>>::Value,)+);

            #[track_caller]
            fn into_children(self, event_loop: &LoopRef) -> Result<Self::Children, LoopError> {
                let children = ($(self.$place.into_own_task_on(event_loop)?,)+);
                $(GatherOutput::<E>::expect_errors(&children.$place);)+
                Ok(children)
            }

            fn futures(children: &Self::Children) -> Vec<FutureRef> {
                vec![$(children.$place.as_future_ref()),+]
            }

            fn failed(children: &Self::Children, place: usize) -> bool {
                match place {
                    $($place => children.$place.inspect(GatherOutput::<E>::is_err).unwrap_or(false),)+
                    _ => false,
                }
            }

            fn collect(children: &Self::Children) -> Result<Self::Output, E> {
                Ok(($(children.$place.take()?.into_result()?,)+))
            }

            fn error(children: &Self::Children, place: usize) -> E {
                match place {
                    $($place => error_at(&children.$place),)+
                    _ => TaskError::InvalidState.into(),
                }
            }
        }
    )*};
}

gather_tuples! {
    1: 0 A;
    2: 0 A, 1 B;
    3: 0 A, 1 B, 2 C;
    4: 0 A, 1 B, 2 C, 3 D;
    5: 0 A, 1 B, 2 C, 3 D, 4 F;
    6: 0 A, 1 B, 2 C, 3 D, 4 F, 5 G;
    7: 0 A, 1 B, 2 C, 3 D, 4 F, 5 G, 6 H;
    8: 0 A, 1 B, 2 C, 3 D, 4 F, 5 G, 6 H, 7 I;
}

/// Runs awaitables of different types beside each other and gathers their results in a tuple: asyncio's
/// `gather(a, b)`.
///
/// It takes up to 8. Each gives a `Result` with the same error type, which has to be made of a `TaskError`
/// too (as `io::Error` and boxed errors are); the first error wins, and the others go on. For outputs that
/// are no `Result` there are the function and [`values`](crate::Gather::values).
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
