//! Promise, Task and cancellation scopes with asyncio's semantics
