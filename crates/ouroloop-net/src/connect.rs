//! `open_connection`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use ouroloop_core::IoSource;

use crate::connection::Connection;
use crate::error::{ConnectAttempt, NetError};
use crate::net::Net;
use crate::reader::StreamReader;
use crate::resolve::getaddrinfo;
use crate::writer::StreamWriter;
use crate::{DEFAULT_LIMIT, socket};

/// Connects to a port of a host, by TCP, and gives both ends of the connection here: asyncio's
/// `open_connection`.
///
/// `host` is a name or an address; a name may have several addresses, which are tried one after the
/// other. Small writes are sent at once (`TCP_NODELAY`), as with asyncio.
///
/// # Errors
///
/// [`NetError::NameNotFound`]; [`NetError::ConnectFailed`] with what came of each address, if none
/// could be connected to; [`NetError::LoopClosed`]; and [`NetError::Io`] if it is awaited outside of a
/// running loop.
///
/// # Cancellation
///
/// The look-up or the attempt is given up, and its socket closed at once. Nothing is sent.
///
/// # Ordering
///
/// There is at least one iteration in it, for the connecting, even on the same machine.
///
/// # Differences from asyncio
///
/// Addresses are tried one after the other; there is no `happy_eyeballs_delay`.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, open_connection, start_server};
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), NetError> {
///     let greet = async |_reader, writer: ouroloop::StreamWriter| writer.write(b"hello\n");
///     let server = start_server(greet, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///
///     let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok(())
/// }
/// ```
pub fn open_connection(host: &str, port: u16) -> OpenConnection {
    OpenConnection {
        state: State::New(Options {
            host: host.into(),
            port,
            limit: DEFAULT_LIMIT,
            local_addr: None,
        }),
    }
}

/// The future of [`open_connection`], and its options, to be set before it is awaited.
///
/// # Cancellation
///
/// As described for [`open_connection`].
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, open_connection};
///
/// ouroloop::run(async {
///     // Nobody listens on port 1.
///     let refused = open_connection("127.0.0.1", 1).limit(1024).await;
///     assert!(matches!(refused, Err(NetError::ConnectFailed { .. })));
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[must_use = "nothing is connected unless this is awaited"]
pub struct OpenConnection {
    state: State,
}

enum State {
    New(Options),
    Running(Pin<Box<dyn Future<Output = Ends>>>),
}

type Ends = Result<(StreamReader, StreamWriter), NetError>;

#[derive(Clone)]
struct Options {
    host: String,
    port: u16,
    limit: usize,
    local_addr: Option<SocketAddr>,
}

impl OpenConnection {
    /// Sets the limit of the reader: how many bytes [`readline`](StreamReader::readline) and
    /// [`readuntil`](StreamReader::readuntil) accept; 64 KiB unless set, at least 1.
    ///
    /// # Cancellation
    ///
    /// As described for [`open_connection`].
    pub fn limit(self, limit: usize) -> OpenConnection {
        self.with(|options| options.limit = limit)
    }

    /// Sets the address to connect from: asyncio's `local_addr`. Port 0 lets the system choose one.
    ///
    /// # Cancellation
    ///
    /// As described for [`open_connection`].
    pub fn local_addr(self, addr: SocketAddr) -> OpenConnection {
        self.with(|options| options.local_addr = Some(addr))
    }

    fn with(mut self, set: impl FnOnce(&mut Options)) -> OpenConnection {
        if let State::New(options) = &mut self.state {
            set(options);
        }
        self
    }
}

impl Future for OpenConnection {
    type Output = Ends;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ends> {
        loop {
            match &mut self.state {
                State::New(options) => {
                    let running = connect_to_host(options.clone());
                    self.state = State::Running(Box::pin(running));
                }
                State::Running(running) => return running.as_mut().poll(cx),
            }
        }
    }
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenConnection").finish_non_exhaustive()
    }
}

async fn connect_to_host(options: Options) -> Ends {
    let net = Net::running()?;
    let addrs = getaddrinfo(&options.host, options.port).await?;
    let mut attempts = Vec::new();
    for addr in addrs {
        match connect(&net, addr, options.local_addr).await {
            Ok(socket) => {
                let (reader, writer, _) = Connection::open(&net, socket, options.limit);
                return Ok((reader, writer));
            }
            Err(NetError::Io(error)) => attempts.push(ConnectAttempt::new(addr, error)),
            Err(error) => return Err(error),
        }
    }
    Err(NetError::ConnectFailed { attempts })
}

async fn connect(
    net: &Rc<Net>,
    addr: SocketAddr,
    local: Option<SocketAddr>,
) -> Result<IoSource<TcpStream>, NetError> {
    let stream = socket::begin_connect(addr, local)?;
    let stream = net.event_loop().register_io(stream)?;
    loop {
        poll_fn(|cx| stream.poll_writable(cx.waker())).await?;
        match socket::connect_outcome(stream.get_ref()) {
            Some(outcome) => break outcome?,
            None if stream.write_closed() => {
                return Err(io::Error::from(io::ErrorKind::NotConnected).into());
            }
            None => stream.clear_writable(),
        }
    }
    socket::configure_stream(stream.get_ref())?;
    Ok(stream)
}
