//! asyncio for Rust: one event loop, one thread, the semantics that every Python programmer knows
