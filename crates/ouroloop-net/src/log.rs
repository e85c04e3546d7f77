//! Lines for the user.

use ouroloop_core::to_stderr_if_untraced;

pub(crate) fn warn(line: &str) {
    if !to_stderr_if_untraced(line) {
        tracing::warn!(target: "ouroloop::net", "{line}");
    }
}
