//! The ways to read a gather.

use ouroloop_task::{Eventual, TaskError};

#[diagnostic::on_unimplemented(
    message = "a gather of `{T}`s cannot be awaited as it is: they are no `Result`s",
    label = "gathers `{T}`s",
    note = "`gather(..).values().await` gives outputs of any type, and `gather(..).return_results().await` what became of each"
)]
/// How the results of a gather are read. The methods of [`Gather`](crate::Gather) choose one, and nobody
/// else can make one: programs name it only to be generic over gathers.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::GatherMode;
/// use ouroloop::{Gathering, gather};
///
/// async fn read<T: 'static, M: GatherMode<T>>(gathering: Gathering<T, M>) -> M::Output {
///     println!("{}", if gathering.done() { "done" } else { "pending" });
///     gathering.await
/// }
///
/// ouroloop::run(async {
///     let values = read(gather([async { 1 }]).values()).await;
///     assert_eq!(values.unwrap(), [1]);
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub trait GatherMode<T: 'static>: sealed::Sealed {
    /// What awaiting the gather gives.
    type Output: 'static;

    #[doc(hidden)]
    const RETURN_EXCEPTIONS: bool;
    /// Tells the children what is an error.
    #[doc(hidden)]
    fn prepare(children: &[Eventual<T>]) {
        let _ = children;
    }
    /// Whether a child that is done has a value that is an error.
    #[doc(hidden)]
    fn failed(child: &Eventual<T>) -> bool;
    /// The output when all children count.
    #[doc(hidden)]
    fn all(results: impl Iterator<Item = Result<T, TaskError>>) -> Self::Output;
    /// The output when one decided, or the gather was cancelled; `error` is what the gather itself ended
    /// with.
    #[doc(hidden)]
    fn first(result: Result<T, TaskError>, error: TaskError) -> Self::Output;
}

mod sealed {
    pub trait Sealed: 'static {}
}

/// The first error wins: `Result<Vec<T>, E>` of children that give `Result<T, E>`. See
/// [`Gather::start`](crate::Gather::start).
pub enum Plain {}

/// Every result: `Result<Vec<Result<T, E>>, TaskError>` of children that give `Result<T, E>`. See
/// [`Gather::return_exceptions`](crate::Gather::return_exceptions).
pub enum ReturnExceptions {}

/// The outputs of children that do not fail: `Result<Vec<T>, TaskError>`. See
/// [`Gather::values`](crate::Gather::values).
pub enum Values {}

/// What became of each: `Result<Vec<Result<T, TaskError>>, TaskError>`. See
/// [`Gather::return_results`](crate::Gather::return_results).
pub enum ReturnResults {}

impl sealed::Sealed for Plain {}
impl sealed::Sealed for ReturnExceptions {}
impl sealed::Sealed for Values {}
impl sealed::Sealed for ReturnResults {}

impl<T: 'static, E: From<TaskError> + 'static> GatherMode<Result<T, E>> for Plain {
    type Output = Result<Vec<T>, E>;
    const RETURN_EXCEPTIONS: bool = false;

    fn prepare(children: &[Eventual<Result<T, E>>]) {
        children.iter().for_each(Eventual::expect_errors);
    }

    fn failed(child: &Eventual<Result<T, E>>) -> bool {
        child.inspect(Result::is_err).unwrap_or(false)
    }

    fn all(results: impl Iterator<Item = Result<Result<T, E>, TaskError>>) -> Self::Output {
        results.map(flatten).collect()
    }

    fn first(result: Result<Result<T, E>, TaskError>, _error: TaskError) -> Self::Output {
        match flatten(result) {
            Err(error) => Err(error),
            // Moved out meanwhile by whoever else held the task.
            Ok(_) => Err(TaskError::ResultTaken.into()),
        }
    }
}

impl<T: 'static, E: From<TaskError> + 'static> GatherMode<Result<T, E>> for ReturnExceptions {
    type Output = Result<Vec<Result<T, E>>, TaskError>;
    const RETURN_EXCEPTIONS: bool = true;

    fn prepare(children: &[Eventual<Result<T, E>>]) {
        children.iter().for_each(Eventual::expect_errors);
    }

    fn failed(_child: &Eventual<Result<T, E>>) -> bool {
        false
    }

    fn all(results: impl Iterator<Item = Result<Result<T, E>, TaskError>>) -> Self::Output {
        Ok(results.map(flatten).collect())
    }

    fn first(_result: Result<Result<T, E>, TaskError>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

impl<T: 'static> GatherMode<T> for Values {
    type Output = Result<Vec<T>, TaskError>;
    const RETURN_EXCEPTIONS: bool = false;

    fn failed(_child: &Eventual<T>) -> bool {
        false
    }

    fn all(results: impl Iterator<Item = Result<T, TaskError>>) -> Self::Output {
        results.collect()
    }

    fn first(_result: Result<T, TaskError>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

impl<T: 'static> GatherMode<T> for ReturnResults {
    type Output = Result<Vec<Result<T, TaskError>>, TaskError>;
    const RETURN_EXCEPTIONS: bool = true;

    fn failed(_child: &Eventual<T>) -> bool {
        false
    }

    fn all(results: impl Iterator<Item = Result<T, TaskError>>) -> Self::Output {
        Ok(results.collect())
    }

    fn first(_result: Result<T, TaskError>, error: TaskError) -> Self::Output {
        Err(error)
    }
}

fn flatten<T, E: From<TaskError>>(result: Result<Result<T, E>, TaskError>) -> Result<T, E> {
    result.unwrap_or_else(|error| Err(error.into()))
}
