//! What crosses crates: conformance with asyncio and end-to-end tests.
