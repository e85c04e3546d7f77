//! The event loop of Ouroloop: callbacks, timers, I/O sources and wake-ups, in asyncio's order
