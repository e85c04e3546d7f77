//! What a test may return.

use std::fmt::Debug;
use std::process::ExitCode;

/// What an explored test may return: nothing, or a result whose error can be shown.
///
/// These are what a `#[test]` may return. An error is a failure of the run.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::{Exploration, Reason, Verdict};
///
/// assert_eq!(Err::<(), _>("too late").error().unwrap(), "\"too late\"");
///
/// let run = Exploration::new().replay(1, || async { "300".parse::<u8>().map(drop) });
/// assert!(matches!(run.failure().unwrap().reason(), Reason::Error(_)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says nothing about how a test went",
    note = "an explored test returns `()`, or a `Result` of it whose error is `Debug`; end one that \
            never returns with a way out"
)]
pub trait Verdict: 'static {
    /// What went wrong, if something did.
    fn error(&self) -> Option<String>;
}

impl Verdict for () {
    fn error(&self) -> Option<String> {
        None
    }
}

impl Verdict for ExitCode {
    fn error(&self) -> Option<String> {
        (*self != ExitCode::SUCCESS).then(|| format!("{self:?}"))
    }
}

impl<T: Verdict, E: Debug + 'static> Verdict for Result<T, E> {
    fn error(&self) -> Option<String> {
        match self {
            Ok(value) => value.error(),
            Err(error) => Some(format!("{error:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_order_has_no_error() {
        assert_eq!(().error(), None);
        assert_eq!(Ok::<(), u8>(()).error(), None);
        assert_eq!(Err::<(), u8>(7).error().unwrap(), "7");
        assert_eq!(Ok::<_, u8>(Err::<(), _>("x")).error().unwrap(), "\"x\"");
        assert_eq!(ExitCode::SUCCESS.error(), None);
        assert!(ExitCode::from(3).error().is_some());
    }
}
