//! The loop's time: monotonic, or virtual.
//!
//! Time is a number of nanoseconds since the clock's origin: the making of the loop, or zero of
//! the virtual clock. Virtual time never passes by itself. When nothing is ready the loop jumps to
//! the next deadline, so a program full of sleeps runs at once and with exact times.

mod system;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use self::system::SystemClock;

/// Where a loop takes its time from: what [`Builder::clock`](crate::Builder::clock) and
/// `Runner::clock` take.
///
/// # Examples
///
/// ```
/// use ouroloop::{Clock, EventLoop};
///
/// let event_loop = EventLoop::builder().clock(Clock::virtual_time()).build()?;
/// assert!(event_loop.virtual_clock().is_some());
/// event_loop.close()?;
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    Monotonic,
    /// A clock that moves only when the loop has nothing else to do, or by hand.
    Virtual(VirtualClock),
}

impl Clock {
    /// Makes a new virtual clock that advances by itself.
    pub fn virtual_time() -> Clock {
        Clock::Virtual(VirtualClock::new())
    }
}

impl From<VirtualClock> for Clock {
    fn from(clock: VirtualClock) -> Clock {
        Clock::Virtual(clock)
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
///
/// A loop with nothing ready moves it to the next deadline, so a program full of sleeps runs at once and with
/// exact times.
///
/// # Examples
///
/// ```
/// use ouroloop::{Runner, VirtualClock, sleep};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// Runner::new().clock(clock.clone()).run(sleep(Duration::from_secs(3600)))?;
/// assert_eq!(clock.now(), Duration::from_secs(3600));
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone, Default)]
pub struct VirtualClock(Rc<VirtualState>);

/// What [`VirtualClock::set_lateness`] takes.
pub type Lateness = Box<dyn FnMut(Duration) -> Duration>;

struct VirtualState {
    now_ns: Cell<u64>,
    auto_advance: Cell<bool>,
    lateness: Cell<Option<Lateness>>,
    /// Counts how often the lateness was set.
    lateness_epoch: Cell<u64>,
}

impl Default for VirtualState {
    fn default() -> VirtualState {
        VirtualState {
            now_ns: Cell::new(0),
            auto_advance: Cell::new(true),
            lateness: Cell::new(None),
            lateness_epoch: Cell::new(0),
        }
    }
}

impl VirtualClock {
    /// Makes a clock that shows zero and advances by itself.
    pub fn new() -> VirtualClock {
        VirtualClock::default()
    }

    /// Moves the clock forward; it stays at the end of time, 584 years from its zero, if it comes there.
    ///
    /// # Ordering
    ///
    /// What is due by then comes into the next iteration, by deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// clock.advance(Duration::from_millis(1500));
    /// assert_eq!(clock.now_ns(), 1_500_000_000);
    /// ```
    pub fn advance(&self, by: Duration) {
        self.jump_to(self.now_ns().saturating_add(duration_to_ns(by)));
    }

    /// Says whether a loop with nothing ready may jump to the next deadline. It may, until told
    /// otherwise; else only [`advance`](Self::advance) moves the clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{EventLoop, VirtualClock};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// let clock = VirtualClock::new();
    /// clock.set_auto_advance(false);
    /// let event_loop = EventLoop::builder().clock(clock.clone()).build()?;
    /// let rang = Rc::new(Cell::new(false));
    /// let bell = rang.clone();
    /// event_loop.call_later(Duration::from_secs(5), move || bell.set(true))?;
    ///
    /// clock.advance(Duration::from_secs(4));
    /// event_loop.call_soon(|| {})?;
    /// event_loop.run_once()?;
    /// assert!(!rang.get());
    /// clock.advance(Duration::from_secs(1));
    /// event_loop.run_once()?;
    /// assert!(rang.get());
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn set_auto_advance(&self, auto_advance: bool) {
        self.0.auto_advance.set(auto_advance);
    }

    /// Tells whether a loop with nothing ready jumps to the next deadline.
    pub fn auto_advance(&self) -> bool {
        self.0.auto_advance.get()
    }

    /// Lets a loop that jumps to the next deadline come late, as every loop does in real time.
    /// `lateness` is given how far the jump is, and says how much further it goes; at `None` the
    /// loop is on time to the nanosecond.
    ///
    /// A hook for exploring schedules: what is due within the time that the loop is late comes
    /// into one batch.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{EventLoop, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// clock.set_lateness(Some(Box::new(|jump| jump / 2)));
    /// let event_loop = EventLoop::builder().clock(clock.clone()).build()?;
    /// event_loop.call_later(Duration::from_secs(10), || {})?;
    /// event_loop.run_once()?;
    /// assert_eq!(clock.now(), Duration::from_secs(15));
    /// event_loop.close()?;
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn set_lateness(&self, lateness: Option<Lateness>) {
        self.0.lateness_epoch.set(self.0.lateness_epoch.get() + 1);
        drop(self.0.lateness.replace(lateness));
    }

    /// Gives the time on the clock, since its zero.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now_ns())
    }

    /// Gives the time on the clock, in nanoseconds since its zero.
    pub fn now_ns(&self) -> u64 {
        self.0.now_ns.get()
    }

    /// Goes on to a deadline, and beyond it by as much as the loop is late.
    pub(crate) fn jump_to_deadline(&self, when_ns: u64) {
        let when_ns = when_ns.max(self.now_ns());
        let mut late = Duration::ZERO;
        // Out of its place while it runs, since it may set another one.
        let epoch = self.0.lateness_epoch.get();
        if let Some(mut lateness) = self.0.lateness.take() {
            late = lateness(Duration::from_nanos(when_ns - self.now_ns()));
            if self.0.lateness_epoch.get() == epoch {
                self.0.lateness.set(Some(lateness));
            }
        }
        self.jump_to(when_ns.saturating_add(duration_to_ns(late)));
    }

    pub(crate) fn jump_to(&self, when_ns: u64) {
        debug_assert!(when_ns >= self.now_ns(), "virtual time never goes back");
        self.0.now_ns.set(when_ns);
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.now())
            .field("auto_advance", &self.auto_advance())
            .finish()
    }
}

/// A clock with its origin: what a loop reads.
pub(crate) enum ClockReader {
    Monotonic(SystemClock),
    Virtual(VirtualClock),
}

impl ClockReader {
    pub(crate) fn new(clock: Clock) -> ClockReader {
        match clock {
            Clock::Monotonic => ClockReader::Monotonic(SystemClock::new()),
            Clock::Virtual(clock) => ClockReader::Virtual(clock),
        }
    }

    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        match self {
            ClockReader::Monotonic(clock) => clock.now_ns(),
            ClockReader::Virtual(clock) => clock.now_ns(),
        }
    }

    /// As the system has it, for what is due.
    #[inline]
    pub(crate) fn exact_ns(&self) -> u64 {
        match self {
            ClockReader::Monotonic(clock) => clock.exact_ns(),
            ClockReader::Virtual(clock) => clock.now_ns(),
        }
    }
}

/// Nanoseconds of a duration; what does not fit becomes the end of time, 584 years on.
#[inline]
pub(crate) fn duration_to_ns(duration: Duration) -> u64 {
    duration
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(u64::from(duration.subsec_nanos())))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h06_durations_saturate_at_the_end_of_time() {
        assert_eq!(duration_to_ns(Duration::ZERO), 0);
        assert_eq!(duration_to_ns(Duration::from_nanos(1)), 1);
        assert_eq!(duration_to_ns(Duration::from_micros(999)), 999_000);
        assert_eq!(
            duration_to_ns(Duration::from_millis(1 << 31)),
            (1 << 31) * 1_000_000
        );
        assert_eq!(duration_to_ns(Duration::from_nanos(u64::MAX)), u64::MAX);
        assert_eq!(duration_to_ns(Duration::from_millis(u64::MAX)), u64::MAX);
        assert_eq!(duration_to_ns(Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_virtual_clock_stops_at_the_end_of_time() {
        let clock = VirtualClock::new();
        clock.advance(Duration::from_secs(1));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now_ns(), u64::MAX);
    }

    #[test]
    fn lateness_may_set_another_or_none() {
        let clock = VirtualClock::new();
        let second = Duration::from_secs(1);
        let own = clock.clone();
        clock.set_lateness(Some(Box::new(move |_| {
            own.set_lateness(Some(Box::new(move |_| 2 * second)));
            second
        })));
        clock.jump_to_deadline(0);
        assert_eq!(clock.now(), second);
        clock.jump_to_deadline(0);
        assert_eq!(clock.now(), 3 * second);
        let own = clock.clone();
        clock.set_lateness(Some(Box::new(move |_| {
            own.set_lateness(None);
            second
        })));
        clock.jump_to_deadline(0);
        clock.jump_to_deadline(0);
        assert_eq!(clock.now(), 4 * second);
    }

    #[test]
    fn clones_of_a_virtual_clock_show_the_same_time() {
        let clock = VirtualClock::new();
        let other = clock.clone();
        clock.advance(Duration::from_millis(5));
        assert_eq!(other.now(), Duration::from_millis(5));
    }

    #[test]
    fn the_monotonic_clock_starts_near_zero_and_never_goes_back() {
        let clock = ClockReader::new(Clock::Monotonic);
        let first = clock.now_ns();
        assert!(first < 1_000_000_000);
        assert!(clock.now_ns() >= first);
    }
}
