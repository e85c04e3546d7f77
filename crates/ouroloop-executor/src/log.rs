//! Lines for the user, from threads and destructors that have no loop to say them.

use ouroloop_core::to_stderr_if_untraced;

pub(crate) fn warn(line: &str) {
    if !to_stderr_if_untraced(line) {
        tracing::warn!(target: "ouroloop::executor", "{line}");
    }
}

pub(crate) fn error(line: &str) {
    if !to_stderr_if_untraced(line) {
        tracing::error!(target: "ouroloop::executor", "{line}");
    }
}
