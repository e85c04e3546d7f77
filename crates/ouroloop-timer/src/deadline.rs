//! From delays to deadlines, without overflow.
//!
//! Deadlines are `u64` nanoseconds from an origin that the owner of the clock chose. That reaches
//! 584 years, so what does not fit may as well be the last moment there is.

use core::time::Duration;

/// Returns the deadline that lies `delay` after `now_ns`, or `u64::MAX` if that is out of range.
///
/// `Duration::MAX`, the usual way of saying "no timeout", gives `u64::MAX`: a deadline that the
/// wheel keeps like any other and that comes in 584 years.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use ouroloop_timer::deadline_after;
///
/// assert_eq!(deadline_after(7, Duration::from_micros(1)), 1_007);
/// assert_eq!(deadline_after(7, Duration::MAX), u64::MAX);
/// ```
#[inline]
#[must_use]
pub const fn deadline_after(now_ns: u64, delay: Duration) -> u64 {
    delay
        .as_secs()
        .saturating_mul(NANOS_PER_SEC)
        .saturating_add(delay.subsec_nanos() as u64)
        .saturating_add(now_ns)
}

const NANOS_PER_SEC: u64 = 1_000_000_000;
