//! The system's monotonic clock, at the price of a counter.
//!
//! Every new deadline reads the clock, and a reading of the system's clock takes longer than all
//! the rest of setting a timer and cancelling it. So for up to a millisecond after a reading the
//! processor's counter says how much time has passed since; then the system is asked again.
//!
//! # Invariants
//!
//! - The two never run apart: what the counter says starts at a reading of the system's clock that
//!   is a millisecond old at most, and how fast it counts is measured between such readings.
//! - What the counter says is ahead of the system's clock, by less than a few microseconds, rather
//!   than behind it. What is due is compared with the system's clock itself,
//!   [`exact_ns`](SystemClock::exact_ns). So no timer is early.
//! - [`now_ns`](SystemClock::now_ns) never goes back.
//! - The counter is used only where the kernel takes its own time from it, and has therefore found
//!   that it runs evenly, and alike on all processors; and not before a loop has read the clock so
//!   often that it is worth measuring.

use std::cell::Cell;

use rustix::time::{ClockId, clock_gettime};

/// A clock that started at zero when it was made.
pub(crate) struct SystemClock {
    origin_ns: u64,
    /// What was said last.
    said_ns: Cell<u64>,
    /// Where the counter was at the last reading of the system's clock.
    anchor: Cell<Reading>,
    /// For how many ticks from there it is believed; not at all at zero.
    window: Cell<u64>,
    /// Nanoseconds for a tick, in units of 2^-32.
    rate: Cell<u64>,
    /// Where the measurement of the rate began.
    base: Cell<Reading>,
    /// How often the system is to be asked before the first measurement.
    readings_left: Cell<u32>,
}

#[derive(Copy, Clone, Default)]
struct Reading {
    ticks: u64,
    ns: u64,
}

const WINDOW_NS: u64 = 1_000_000;

/// How long the counter is watched before it is believed, and for how long at most.
const SPAN_MIN_NS: u64 = 5_000_000;
const SPAN_MAX_NS: u64 = 1_000_000_000;

/// A reading that took longer was interrupted, and says nothing about the counter.
const READING_MAX_TICKS: u64 = 2_000;

/// Programs that read the clock less often need no faster one.
const READINGS_BEFORE: u32 = 64;

impl SystemClock {
    pub(crate) fn new() -> SystemClock {
        SystemClock {
            origin_ns: system_ns(),
            said_ns: Cell::new(0),
            anchor: Cell::default(),
            window: Cell::new(0),
            rate: Cell::new(0),
            base: Cell::default(),
            readings_left: Cell::new(READINGS_BEFORE),
        }
    }

    /// The time, for new deadlines and for whoever asks.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        let window = self.window.get();
        if window != 0 {
            let anchor = self.anchor.get();
            let since = counter::ticks().wrapping_sub(anchor.ticks);
            if since < window {
                // Less than a window is less than 2^20 ns, so the product fits.
                return self.say(anchor.ns + ((since * self.rate.get()) >> 32));
            }
        }
        self.ask()
    }

    /// The time by the system's clock.
    #[inline]
    pub(crate) fn exact_ns(&self) -> u64 {
        system_ns().saturating_sub(self.origin_ns)
    }

    #[inline]
    fn say(&self, ns: u64) -> u64 {
        let ns = ns.max(self.said_ns.get());
        self.said_ns.set(ns);
        ns
    }

    /// Asks the system, and measures the counter by the answer.
    fn ask(&self) -> u64 {
        match self.readings_left.get() {
            0 => {}
            left => {
                let left = if left == 1 && !counter::is_trusted() {
                    READINGS_BEFORE
                } else {
                    left - 1
                };
                self.readings_left.set(left);
                return self.say(self.exact_ns());
            }
        }
        let ticks = counter::ticks();
        let ns = self.exact_ns();
        let took = counter::ticks().wrapping_sub(ticks);
        if took <= READING_MAX_TICKS {
            self.measure(Reading { ticks, ns });
        }
        self.say(ns)
    }

    fn measure(&self, here: Reading) {
        let (base, before) = (self.base.get(), self.rate.get());
        let span_ns = here.ns.saturating_sub(base.ns);
        if span_ns < SPAN_MIN_NS {
            if before != 0 {
                self.anchor.set(here);
            }
            return;
        }
        let rate = rate(span_ns, here.ticks.wrapping_sub(base.ticks));
        if base.ticks == 0 || rate == 0 || (before != 0 && rate.abs_diff(before) > before >> 10) {
            // The first reading; or one before which the machine slept, or was another one.
            self.base.set(here);
            self.rate.set(0);
            self.window.set(0);
            return;
        }
        // Faster than measured by more than the measurement can be wrong: ahead, and not behind.
        let rate = rate + (rate >> 12);
        self.rate.set(rate);
        self.window.set((WINDOW_NS << 32) / rate);
        self.anchor.set(here);
        if span_ns > SPAN_MAX_NS {
            self.base.set(here);
        }
    }
}

/// Nanoseconds for a tick, in units of 2^-32; zero if that cannot be.
fn rate(span_ns: u64, span_ticks: u64) -> u64 {
    let rate = (u128::from(span_ns) << 32)
        .checked_div(span_ticks.into())
        .unwrap_or(0);
    // Counters of less than 100 MHz or more than 100 GHz are none.
    match u64::try_from(rate) {
        Ok(rate) if (1 << 32) / 100 < rate && rate < 10 << 32 => rate,
        _ => 0,
    }
}

/// Asked without `Instant`, which spends as much again on sums and checks.
#[inline]
fn system_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither is negative, and 584 years of uptime fit.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod counter {
    use std::fs;
    use std::sync::OnceLock;

    pub(super) use tick_counter::x86_64_tick_counter as ticks;

    const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

    /// Asks once in a process.
    pub(super) fn is_trusted() -> bool {
        static TRUSTED: OnceLock<bool> = OnceLock::new();
        *TRUSTED
            .get_or_init(|| fs::read_to_string(CLOCK_SOURCE).is_ok_and(|name| name.trim() == "tsc"))
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod counter {
    pub(super) fn ticks() -> u64 {
        0
    }

    pub(super) fn is_trusted() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::*;

    /// A clock that believes the counter, if this machine has one to believe.
    fn measured() -> Option<SystemClock> {
        let clock = SystemClock::new();
        let begun = Instant::now();
        while clock.window.get() == 0 && begun.elapsed() < Duration::from_secs(1) {
            clock.now_ns();
        }
        (clock.window.get() != 0).then_some(clock)
    }

    #[test]
    fn it_keeps_pace_with_the_systems_clock_and_never_goes_back() {
        let clock = measured().unwrap_or_else(SystemClock::new);
        let (begun, mut last) = (Instant::now(), 0);
        let (mut behind, mut looks) = (0, 0);
        while begun.elapsed() < Duration::from_millis(100) {
            let before = clock.exact_ns();
            let now = clock.now_ns();
            let after = clock.exact_ns();
            assert!(now >= last, "it went back");
            last = now;
            looks += 1;
            behind += usize::from(now < before);
            assert!(now + 5_000 > before, "{} ns behind", before - now);
            assert!(now < after + 20_000, "{} ns ahead", now - after);
        }
        assert!(behind * 100 <= looks, "behind {behind} times of {looks}");
    }

    #[test]
    fn it_is_measured_soon_where_the_kernel_uses_the_counter() {
        assert_eq!(measured().is_some(), counter::is_trusted());
    }

    #[test]
    fn a_few_readings_measure_nothing() {
        let clock = SystemClock::new();
        for _ in 0..READINGS_BEFORE {
            clock.now_ns();
        }
        sleep(Duration::from_millis(20));
        assert_eq!((clock.window.get(), clock.base.get().ticks), (0, 0));
    }

    #[test]
    fn a_counter_that_changes_its_pace_is_measured_anew() {
        let clock = SystemClock::new();
        let at = |ms: u64, ticks| Reading {
            ticks,
            ns: ms * 1_000_000,
        };
        clock.measure(at(10, 1_000));
        assert_eq!(clock.window.get(), 0);
        clock.measure(at(12, 4_001_000));
        assert_eq!(clock.window.get(), 0, "not watched for long enough");
        clock.measure(at(20, 20_001_000));
        // 2 GHz: two million ticks are a millisecond, but for the allowance.
        assert!((1_999_000..2_000_000).contains(&clock.window.get()));
        clock.measure(at(1_100, 2_180_001_000));
        assert_ne!(clock.window.get(), 0);
        assert_eq!(clock.base.get().ns, 1_100_000_000);
        clock.measure(at(1_101, 2_182_001_000));
        assert_eq!(clock.anchor.get().ns, 1_101_000_000);
        // The counter went on while the clock stood still.
        clock.measure(at(1_200, 9_000_000_000));
        assert_eq!((clock.window.get(), clock.rate.get()), (0, 0));
        clock.measure(at(1_210, 9_020_000_000));
        assert_ne!(clock.window.get(), 0);
        // It began anew.
        clock.measure(at(1_300, 7));
        assert_eq!(clock.window.get(), 0);
    }

    #[test]
    fn what_is_no_counter_has_no_rate() {
        assert_eq!(rate(1_000_000, 0), 0);
        assert_eq!(rate(1_000_000, 1), 0);
        assert_eq!(rate(1_000_000, u64::MAX), 0);
        assert_eq!(rate(1_000_000, 1_000_000), 1 << 32);
    }
}
