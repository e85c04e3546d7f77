//! What can go wrong with a stream, a server or a look-up, and what to do about it.
//!
//! One enum for the crate. A cancellation is no variant of it, so no `match` swallows one.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use ouroloop_core::LoopError;
use ouroloop_task::TaskError;

/// What can go wrong with a stream, a server or a look-up.
///
/// It converts into [`io::Error`], of the kind that code over other streams expects. A cancellation is
/// none of these, so no `match` swallows one.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, open_connection, start_server};
/// use std::io;
///
/// ouroloop::run(async {
///     let server = start_server(async |_, _| {}, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///     let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
///     match reader.readexactly(5).await {
///         Err(NetError::IncompleteRead { partial, .. }) => assert_eq!(partial, b""),
///         other => panic!("{other:?}"),
///     }
///     let error = io::Error::from(reader.readexactly(5).await.unwrap_err());
///     assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
///     Ok::<_, NetError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IncompleteReadError")]
#[doc(alias = "LimitOverrunError")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// Somebody serves with this server already. One [`serve_forever`](crate::Server::serve_forever)
    /// is enough.
    #[error("serve_forever() of this server is being awaited already: await it once")]
    AlreadyServing,

    /// A server cannot listen there. Choose another port, or an address that this machine has.
    #[error("cannot listen on {addr}: {source}")]
    BindFailed {
        /// The address.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },

    /// None of the addresses could be connected to. Check that somebody listens there.
    #[error("{}", ConnectAttempt::list(attempts))]
    ConnectFailed {
        /// What was tried, in this order, and what came of it; never empty.
        attempts: Vec<ConnectAttempt>,
    },

    /// The connection is gone, so nothing that is written arrives. Open a new one.
    #[error("connection lost: open a new one")]
    ConnectionLost,

    /// An empty separator is everywhere. Give one of at least a byte, and at least one.
    #[error("separators need at least one byte, and there must be at least one of them")]
    EmptySeparator,

    /// The peer closed its side before all of it had come. What has come is in `partial`, and no
    /// longer in the buffer.
    #[error("{} bytes read when {} expected: the peer closed its side early", partial.len(), Expected(*expected))]
    IncompleteRead {
        /// What has come.
        partial: Vec<u8>,
        /// How many bytes were wanted; `None` if they were to go up to a separator.
        expected: Option<usize>,
    },

    /// The operating system refused something, or the connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The low-water mark is above the high one. Exchange them.
    #[error("the low-water mark, {low}, is above the high-water mark, {high}: exchange them")]
    InvalidWaterMarks {
        /// The low one.
        low: usize,
        /// The high one.
        high: usize,
    },

    /// There is no end of the line within the limit. The line, or as much of it as has come, was
    /// dropped. Raise the limit, or drop the connection.
    #[error("the line is longer than the limit of {limit} bytes: raise the limit")]
    LineTooLong {
        /// The limit of the reader.
        limit: usize,
    },

    /// There is no separator within the limit. Everything is still in the buffer: `read` it away,
    /// raise the limit, or drop the connection.
    #[error("no separator within the limit, after {consumed} bytes: raise the limit, or read them")]
    LimitOverrun {
        /// How many bytes there are before a separator, for all that is known.
        consumed: usize,
    },

    /// The loop of the stream or server is closed, and so is its socket. Use it before the run
    /// ends.
    #[error("the event loop of this stream was closed: use it before the run ends")]
    LoopClosed,

    /// The name has no address, or nobody could be asked. Check its spelling and the network.
    #[error("cannot look up `{host}`: {source}")]
    NameNotFound {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },

    /// The server is closed. Start another one.
    #[error("the server is closed: start another one")]
    ServerClosed,

    /// A task or a promise that was awaited ended without a value: so that `?` takes the errors of
    /// tasks and gathers, too.
    #[error(transparent)]
    Task(#[from] TaskError),

    /// The write side was ended with `write_eof` already. Write first.
    #[error("cannot write after write_eof(): write first")]
    WriteAfterEof,
}

/// One address that was tried in vain, of those in [`NetError::ConnectFailed`].
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, open_connection};
///
/// ouroloop::run(async {
///     match open_connection("localhost", 1).await {
///         Err(NetError::ConnectFailed { attempts }) => {
///             for attempt in &attempts {
///                 println!("{}: {}", attempt.addr, attempt.error);
///             }
///         }
///         other => panic!("{other:?}"),
///     }
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectAttempt {
    /// The address.
    pub addr: SocketAddr,
    /// What came of it.
    pub error: io::Error,
}

impl ConnectAttempt {
    pub(crate) fn new(addr: SocketAddr, error: io::Error) -> ConnectAttempt {
        ConnectAttempt { addr, error }
    }

    fn list(attempts: &[ConnectAttempt]) -> String {
        let texts: Vec<_> = attempts.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }
}

impl fmt::Display for ConnectAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.addr, self.error)
    }
}

impl From<LoopError> for NetError {
    fn from(error: LoopError) -> NetError {
        match error {
            LoopError::Closed => NetError::LoopClosed,
            LoopError::Io(error) => NetError::Io(error),
            other => NetError::Io(io::Error::other(other)),
        }
    }
}

impl From<NetError> for io::Error {
    fn from(error: NetError) -> io::Error {
        let kind = match &error {
            NetError::ConnectFailed { attempts } => common_kind(attempts),
            NetError::ConnectionLost => io::ErrorKind::ConnectionReset,
            NetError::EmptySeparator | NetError::InvalidWaterMarks { .. } => {
                io::ErrorKind::InvalidInput
            }
            NetError::IncompleteRead { .. } => io::ErrorKind::UnexpectedEof,
            NetError::Io(_) => {
                let NetError::Io(error) = error else {
                    unreachable!("it was one above")
                };
                return error;
            }
            NetError::LineTooLong { .. } | NetError::LimitOverrun { .. } => {
                io::ErrorKind::InvalidData
            }
            NetError::BindFailed { source, .. } | NetError::NameNotFound { source, .. } => {
                source.kind()
            }
            NetError::Task(_) => {
                let NetError::Task(error) = error else {
                    unreachable!("it was one above")
                };
                return error.into();
            }
            NetError::WriteAfterEof => io::ErrorKind::BrokenPipe,
            NetError::AlreadyServing | NetError::LoopClosed | NetError::ServerClosed => {
                io::ErrorKind::Other
            }
        };
        io::Error::new(kind, error)
    }
}

/// "5", or "more", in a message.
struct Expected(Option<usize>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} were"),
            None => f.write_str("a separator was"),
        }
    }
}

fn common_kind(attempts: &[ConnectAttempt]) -> io::ErrorKind {
    match attempts.split_first() {
        Some((first, rest)) if rest.iter().all(|it| it.error.kind() == first.error.kind()) => {
            first.error.kind()
        }
        _ => io::ErrorKind::Other,
    }
}

/// The same error once more: a stored one is given to everybody who asks.
pub(crate) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(kind: io::ErrorKind) -> ConnectAttempt {
        ConnectAttempt::new("127.0.0.1:1".parse().unwrap(), kind.into())
    }

    #[test]
    fn attempts_that_agree_keep_their_kind() {
        let refused = io::ErrorKind::ConnectionRefused;
        let both = NetError::ConnectFailed {
            attempts: vec![attempt(refused), attempt(refused)],
        };
        assert_eq!(io::Error::from(both).kind(), refused);
        let mixed = NetError::ConnectFailed {
            attempts: vec![attempt(refused), attempt(io::ErrorKind::TimedOut)],
        };
        assert!(
            mixed
                .to_string()
                .contains("; cannot connect to 127.0.0.1:1")
        );
        assert_eq!(io::Error::from(mixed).kind(), io::ErrorKind::Other);
    }

    #[test]
    fn an_io_error_comes_back_as_it_was() {
        let error = io::Error::from(NetError::Io(io::Error::from_raw_os_error(104)));
        assert_eq!(error.raw_os_error(), Some(104));
        assert_eq!(again(&error).raw_os_error(), Some(104));
        assert_eq!(again(&io::Error::other("odd")).to_string(), "odd");
    }

    #[test]
    fn an_incomplete_read_says_what_was_missing() {
        let exactly = NetError::IncompleteRead {
            partial: vec![0; 3],
            expected: Some(5),
        };
        assert!(
            exactly
                .to_string()
                .starts_with("3 bytes read when 5 were expected")
        );
        let until = NetError::IncompleteRead {
            partial: vec![],
            expected: None,
        };
        assert!(
            until
                .to_string()
                .starts_with("0 bytes read when a separator was expected")
        );
    }
}
