//! sleep, gather, wait, wait_for, timeout, as_completed, shield and TaskGroup with asyncio's semantics
