//! What crosses crates: conformance with asyncio and end-to-end tests.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod conformance;
