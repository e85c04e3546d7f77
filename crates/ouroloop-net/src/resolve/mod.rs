//! `getaddrinfo`: from names to addresses.
//!
//! The system's resolver blocks, and nothing can stop it. So it runs on threads that do nothing
//! else, and whoever waits may walk away: the answer is then dropped where it arrives.

mod lookups;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use ouroloop_core::{LoopError, LoopRef};
use ouroloop_task::TaskError;

pub(crate) use self::lookups::Lookups;
use crate::error::NetError;
use crate::net::Net;

/// Looks up the addresses of a name, in the order in which they are to be tried: asyncio's
/// `loop.getaddrinfo`.
///
/// An address is its own answer, without a thread. Else the system is asked, on a thread that the loop has for this alone;
/// at most 16 questions that somebody waits for are asked at once, and the others wait for their turn.
///
/// # Errors
///
/// [`NetError::NameNotFound`] with what the resolver said; [`NetError::LoopClosed`];
/// [`NetError::Io`] if no thread is to be had, or no loop is running.
///
/// # Cancellation
///
/// Returns at once. A question that waits for its turn is never asked; the late answer to any other
/// is dropped. The next question takes its turn, on another thread if this one is still held up (there are at most 64).
///
/// # Ordering
///
/// An address does not suspend. Else it takes the iterations of a promise that another thread sets.
///
/// # Differences from asyncio
///
/// It gives socket addresses of TCP, and has no `family`, `type`, `proto` and `flags`.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, getaddrinfo};
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), NetError> {
///     assert_eq!(getaddrinfo("::1", 80).await?, ["[::1]:80".parse().unwrap()]);
///     for addr in getaddrinfo("localhost", 80).await? {
///         assert!(addr.ip().is_loopback());
///     }
///     Ok(())
/// }
/// ```
pub async fn getaddrinfo(host: impl AsRef<str>, port: u16) -> Result<Vec<SocketAddr>, NetError> {
    let host = host.as_ref();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let net = Net::running()?;
    match net.lookups().ask(host, port).await {
        Ok(Ok(addrs)) if addrs.is_empty() => Err(not_found(
            host,
            io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        )),
        Ok(Ok(addrs)) => Ok(addrs),
        Ok(Err(source)) => Err(not_found(host, source)),
        Err(TaskError::LoopClosed) => Err(NetError::LoopClosed),
        Err(TaskError::Panicked(_)) => {
            Err(not_found(host, io::Error::other("the resolver panicked")))
        }
        // There is no thread to be had.
        Err(error) => Err(NetError::Io(io::Error::other(error))),
    }
}

/// Answers the questions of [`getaddrinfo`], on a thread where it may block.
///
/// # Examples
///
/// ```
/// use ouroloop::{LoopNet, Resolver, getaddrinfo, get_running_loop};
/// use std::io;
///
/// ouroloop::run(async {
///     let nobody = Resolver::new(|_, _| Err(io::Error::other("no network")));
///     get_running_loop().unwrap().set_getaddrinfo(nobody).unwrap();
///     let error = getaddrinfo("printer", 631).await.unwrap_err();
///     assert_eq!(error.to_string(), "cannot look up `printer`: no network");
/// })?;
/// # Ok::<(), ouroloop::RunError>(())
/// ```
#[derive(Clone)]
pub struct Resolver(Arc<Resolve>);

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

impl Resolver {
    /// Makes a resolver that calls `f` with a name and a port.
    pub fn new(
        f: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver(Arc::new(f))
    }

    /// Gives the one of the operating system.
    pub fn system() -> Resolver {
        Resolver::new(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    pub(crate) fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (self.0)(host, port)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The methods of asyncio's loop that are about networks. Imported, it adds them to every loop.
///
/// # Examples
///
/// [`set_getaddrinfo`](LoopNet::set_getaddrinfo) has one.
pub trait LoopNet {
    /// Exchanges who answers [`getaddrinfo`] on this loop, as asyncio does by overriding the method:
    /// a cache, another protocol, or a test that wants names of its own.
    ///
    /// Addresses are not asked about. `None` is the operating system.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{LoopNet, Resolver, get_running_loop, getaddrinfo};
    ///
    /// ouroloop::run(async {
    ///     let printer = Resolver::new(|_name, port| Ok(vec![([10, 0, 0, 1], port).into()]));
    ///     get_running_loop().unwrap().set_getaddrinfo(printer).unwrap();
    ///     let addrs = getaddrinfo("printer", 631).await.unwrap();
    ///     assert_eq!(addrs, ["10.0.0.1:631".parse().unwrap()]);
    /// })?;
    /// # Ok::<(), ouroloop::RunError>(())
    /// ```
    fn set_getaddrinfo(&self, resolver: impl Into<Option<Resolver>>) -> Result<(), LoopError>;
}

impl LoopNet for LoopRef {
    fn set_getaddrinfo(&self, resolver: impl Into<Option<Resolver>>) -> Result<(), LoopError> {
        let resolver = resolver.into().unwrap_or_else(Resolver::system);
        Net::of(self)?.lookups().set_resolver(resolver);
        Ok(())
    }
}

fn not_found(host: &str, source: io::Error) -> NetError {
    NetError::NameNotFound {
        host: host.into(),
        source,
    }
}
