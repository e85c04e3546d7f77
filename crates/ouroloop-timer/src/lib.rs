//! The hierarchical timer wheel of Ouroloop: no clock, no I/O, no `std`.
//!
//! A [`TimerWheel<T>`] keeps values of any type, each with a deadline in nanoseconds, and gives
//! them back in order of (deadline, age) once the time that the caller names has reached them.
//! Setting a timer and cancelling it, which is the fate of almost every timeout, is an allocation
//! from a free list and two list operations, whether the wheel holds one timer or a million.
//!
//! The wheel never asks what time it is. Time is an argument, so a real clock, a virtual clock
//! that jumps from deadline to deadline, and a test that writes the numbers down drive it alike.
//! It runs no callbacks either: what is due is handed out by value, and no borrow of the wheel is
//! held while the caller acts on it.
//!
//! # Examples
//!
//! ```
//! use core::time::Duration;
//! use ouroloop_timer::{TimerWheel, deadline_after};
//!
//! let mut wheel = TimerWheel::new();
//! let mut now = 0;
//! wheel.insert(deadline_after(now, Duration::from_secs(2)), "two seconds");
//! wheel.insert(deadline_after(now, Duration::from_millis(5)), "five milliseconds");
//! let forgotten = wheel.insert(deadline_after(now, Duration::from_secs(1)), "cancelled");
//! assert_eq!(wheel.cancel(forgotten), Some("cancelled"));
//!
//! let mut fired = Vec::new();
//! while let Some(deadline) = wheel.next_deadline() {
//!     now = deadline; // virtual time: jump
//!     wheel.expire(now, |what| fired.push((now, what)));
//! }
//! assert_eq!(fired, [(5_000_000, "five milliseconds"), (2_000_000_000, "two seconds")]);
//! ```
//!
//! # How it works
//!
//! George Varghese and Tony Lauck (*Hashed and hierarchical timing wheels*, SOSP 1987) file a
//! timer under the digits of its deadline: a wheel of seconds, one of minutes, one of hours. Only
//! when the hour comes are its timers dealt out over the minutes. Most timers are cancelled long
//! before that and have cost two list operations in all. Linux's timer wheel goes one step
//! further and never deals out the coarse slots; it pays with timers that fire late.
//!
//! Here a digit has six bits, so a wheel is 64 slots and a bitmap that says which are in use, and
//! eleven levels resolve all of `u64` to the nanosecond. Two things differ from the textbook:
//!
//! - **Wheels do not turn.** A slot is dealt out over a finer wheel when it is *first*, that is,
//!   when somebody asks for the earliest deadline, and only if it holds more timers than can be
//!   looked through at once; or when it grows so long that doing it later would take noticeable
//!   time. There is no tick, no position that could run ahead of a timer or be
//!   overtaken by one, and so no range beyond which timers are early, late or forgotten. A
//!   deadline in the past is a deadline like any other.
//! - **Wheels exist where timers are.** A finer wheel hangs in the slot that it refines and covers
//!   only the digits in which the timers of that slot differ, so the empty levels between a
//!   timer of a millisecond and one of 500 years cost nothing.
//!
//! Equal deadlines are in the same slot at any moment, slots are first in, first out, and dealing
//! out keeps the order: timers that are due together fire in the order of their insertion. When a
//! whole slot is due by the time that somebody looks, its list is sorted as it is, stably, and need
//! not be dealt out.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod deadline;
mod entries;
mod key;
mod level;
mod links;
mod nodes;
mod wheel;

pub use deadline::deadline_after;
pub use key::TimerKey;
pub use wheel::{Drain, TimerWheel};

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
