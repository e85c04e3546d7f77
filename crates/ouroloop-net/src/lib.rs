#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod buffer;
mod connect;
mod connection;
mod error;
mod log;
mod net;
mod reader;
mod resolve;
mod server;
mod socket;
mod writer;

pub use connect::{OpenConnection, open_connection};
pub use error::{ConnectAttempt, NetError};
pub use reader::{Lines, StreamReader};
pub use resolve::{LoopNet, Resolver, getaddrinfo};
pub use server::{Hosts, Server, StartServer, start_server};
pub use writer::StreamWriter;

/// How many bytes a line, or whatever [`StreamReader::readuntil`] looks for, may have unless the
/// limit is set: asyncio's 64 KiB.
pub const DEFAULT_LIMIT: usize = 64 * 1024;
