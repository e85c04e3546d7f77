//! The name of a timer, by which it is cancelled.

use core::num::NonZeroU32;

/// Names one timer of one [`TimerWheel`](crate::TimerWheel), even after that timer is gone.
///
/// A key is a place in the wheel's memory and the generation of what lies there. Places are used
/// again; generations tell the new tenant from the old one, so a key that outlives its timer is
/// harmless. A generation comes round after 2^32 insertions: to be mistaken, a stale key must be
/// used after an exact multiple of that many, with its place taken by that very insertion.
///
/// A key means nothing to another wheel, which may have given out an equal one.
///
/// `Option<TimerKey>` is no larger than `TimerKey`, which has 8 bytes.
///
/// # Examples
///
/// ```
/// use ouroloop_timer::TimerWheel;
///
/// let mut wheel = TimerWheel::new();
/// let old = wheel.insert(10, "old");
/// wheel.expire(10, drop);
/// let new = wheel.insert(20, "new"); // takes the place of the old one
/// assert_ne!(old, new);
/// assert_eq!(wheel.cancel(old), None);
/// assert_eq!(wheel.cancel(new), Some("new"));
/// ```
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub struct TimerKey {
    pub(crate) place: u32,
    pub(crate) generation: NonZeroU32,
}
