//! What a new user gets wrong, and what he is told then: each message in full, so that it is reviewed
//! here.
//!
//! A message says who, what, where, and what to do. The compiler's are in `pitfalls`. Lines that
//! depend on this source are written as `misuse/NAME.rs:_`.

#[path = "misuse/awaits.rs"]
mod awaits;
#[path = "misuse/debug_mode.rs"]
mod debug_mode;
#[path = "misuse/durations.rs"]
mod durations;
#[path = "misuse/empty.rs"]
mod empty;
#[path = "misuse/loops.rs"]
mod loops;
#[path = "misuse/no_loop.rs"]
mod no_loop;
#[path = "misuse/outlived.rs"]
mod outlived;
#[path = "misuse/promises.rs"]
mod promises;
#[path = "misuse/scopes.rs"]
mod scopes;
#[path = "misuse/support.rs"]
mod support;
#[path = "misuse/unread.rs"]
mod unread;
