//! What crosses crates: conformance with asyncio and end-to-end tests.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod conformance;

/// The example of the repository's README, which is run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
