//! Lines for the user: through `tracing`, or on the standard error stream where nobody listens to that.
//!
//! What a user is to see goes this way, in all crates; what only helps to look for a bug is an event of
//! `tracing` and no more. [`LoopRef::warn`](crate::LoopRef::warn) and the exception handler are made of it.

use std::io::{self, Write};

/// Writes a line to the standard error stream if no `tracing` subscriber is installed, and tells whether it did.
///
/// Else it is up to the caller to say it through `tracing`, with a target of its own. For where there is no loop at hand;
/// with one, [`LoopRef::warn`](crate::LoopRef::warn) does both.
///
/// # Examples
///
/// ```
/// use ouroloop::lowlevel::to_stderr_if_untraced;
///
/// let line = "no further thread for the pool";
/// if !to_stderr_if_untraced(line) {
///     tracing::warn!(target: "my_pool", "{line}");
/// }
/// ```
pub fn to_stderr_if_untraced(line: &str) -> bool {
    let nobody_listens =
        tracing::dispatcher::get_default(|it| it.is::<tracing::subscriber::NoSubscriber>());
    if nobody_listens {
        // At once; one that cannot be written is lost. `eprintln!` would panic, and in a destructor end the process.
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    }
    nobody_listens
}
