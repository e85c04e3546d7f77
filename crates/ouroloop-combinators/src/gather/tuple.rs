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
fn error_at<T, E: From<TaskError>>(child: &Eventual<Result<T, E>>) -> E {
    match child.take() {
        Ok(Err(error)) => error,
        Ok(Ok(_)) => TaskError::ResultTaken.into(),
        Err(error) => error.into(),
    }
}

macro_rules! gather_tuples {
    ($($count:literal: $($place:tt $awaitable:ident $output:ident),+;)*) => {$(
        impl<E, $($awaitable, $output),+> GatherTuple<E> for ($($awaitable,)+)
        where
            E: From<TaskError> + 'static,
            $($awaitable: IntoTask<Output = Result<$output, E>>, $output: 'static,)+
        {
            type Children = ($(Eventual<Result<$output, E>>,)+);
            type Output = ($($output,)+);

            #[track_caller]
            fn into_children(self, event_loop: &LoopRef) -> Result<Self::Children, LoopError> {
                let children = ($(self.$place.into_own_task_on(event_loop)?,)+);
                $(children.$place.expect_errors();)+
                Ok(children)
            }

            fn futures(children: &Self::Children) -> Vec<FutureRef> {
                vec![$(children.$place.as_future_ref()),+]
            }

            fn failed(children: &Self::Children, place: usize) -> bool {
                match place {
                    $($place => children.$place.inspect(Result::is_err).unwrap_or(false),)+
                    _ => false,
                }
            }

            fn collect(children: &Self::Children) -> Result<Self::Output, E> {
                Ok(($(children.$place.take()??,)+))
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
    1: 0 A Ao;
    2: 0 A Ao, 1 B Bo;
    3: 0 A Ao, 1 B Bo, 2 C Co;
    4: 0 A Ao, 1 B Bo, 2 C Co, 3 D Do;
    5: 0 A Ao, 1 B Bo, 2 C Co, 3 D Do, 4 F Fo;
    6: 0 A Ao, 1 B Bo, 2 C Co, 3 D Do, 4 F Fo, 5 G Go;
    7: 0 A Ao, 1 B Bo, 2 C Co, 3 D Do, 4 F Fo, 5 G Go, 6 H Ho;
    8: 0 A Ao, 1 B Bo, 2 C Co, 3 D Do, 4 F Fo, 5 G Go, 6 H Ho, 7 I Io;
}

/// Runs awaitables of different types beside each other and gathers their results in a tuple.
///
/// Each gives a `Result` with the same error type, which has to be made of a `TaskError` too (as
/// `io::Error` and boxed errors are); the first error wins, and the others go on. For outputs that
/// are no `Result` there are the function and [`values`](crate::Gather::values).
/// It is the function [`gather`](crate::gather()) in all else.
///
/// # Examples
///
/// ```
/// use ouroloop_combinators::gather;
/// use ouroloop_core::new_event_loop;
/// use ouroloop_task::{LoopTasks, TaskError};
///
/// let event_loop = new_event_loop()?;
/// let (number, text) = event_loop.run_until_complete(async {
///     gather!(async { Ok::<_, TaskError>(1) }, async { Ok("one") }).await
/// })??;
/// assert_eq!((number, text), (1, "one"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! gather {
    ($($awaitable:expr),+ $(,)?) => {
        $crate::__private::gather_tuple(($($awaitable,)+))
    };
}
