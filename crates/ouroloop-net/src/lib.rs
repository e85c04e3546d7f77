//! Streams and servers with asyncio's semantics
