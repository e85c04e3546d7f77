#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate self as ouroloop;

mod runner;

#[doc(hidden)]
pub mod __private;

pub use ouroloop_combinators::*;
pub use ouroloop_core::*;
pub use ouroloop_macros::{main, test};
pub use ouroloop_net::*;
pub use ouroloop_task::*;
pub use runner::{Runner, run};
