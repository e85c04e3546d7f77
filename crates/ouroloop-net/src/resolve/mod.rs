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
use ouroloop_task::{LoopTasks, TaskError};

pub(crate) use self::lookups::Lookups;
use crate::error::NetError;
use crate::net::Net;

/// Looks up the addresses of a name, in the order in which they are to be tried.
///
/// An address is its own answer, without a thread. Else the system is asked, on one of at most 16
/// threads that the loop has for this alone; further questions wait for their turn.
///
/// # Errors
///
/// [`NetError::NameNotFound`] with what the resolver said; [`NetError::LoopClosed`];
/// [`NetError::Io`] if no thread is to be had.
///
/// # Cancellation
///
/// Returns at once. A question that waits for its turn is never asked; the late answer to any other
/// is dropped.
///
/// # Examples
///
/// ```
/// use ouroloop_core::new_event_loop;
/// use ouroloop_net::getaddrinfo;
/// use ouroloop_task::LoopTasks;
///
/// let event_loop = new_event_loop()?;
/// let addrs = event_loop.run_until_complete(getaddrinfo("::1", 80))??;
/// assert_eq!(addrs, ["[::1]:80".parse()?]);
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn getaddrinfo(host: impl AsRef<str>, port: u16) -> Result<Vec<SocketAddr>, NetError> {
    let host = host.as_ref();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let net = Net::running()?;
    let promise = net.event_loop().create_future()?;
    let _place = net.lookups().ask(host, port, promise.remote())?;
    let answer: Result<Vec<SocketAddr>, TaskError> = promise.await;
    match answer {
        Ok(addrs) if addrs.is_empty() => Err(not_found(
            host,
            io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        )),
        Ok(addrs) => Ok(addrs),
        Err(TaskError::LoopClosed) => Err(NetError::LoopClosed),
        Err(TaskError::BrokenPromise) => {
            Err(not_found(host, io::Error::other("the resolver panicked")))
        }
        Err(error) => {
            let source = error.downcast_ref::<io::Error>().map(crate::error::again);
            let source = source.unwrap_or_else(|| io::Error::other(error));
            Err(not_found(host, source))
        }
    }
}

/// Answers the questions of [`getaddrinfo`], on a thread where it may block.
#[derive(Clone)]
pub struct Resolver(Arc<Resolve>);

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

impl Resolver {
    /// A resolver that calls `f` with a name and a port.
    pub fn new(
        f: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver(Arc::new(f))
    }

    /// The one of the operating system.
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

/// What asyncio's loop has for networks.
pub trait LoopNet {
    /// Exchanges who answers [`getaddrinfo`] on this loop, as asyncio does by overriding the method:
    /// a cache, another protocol, or a test that wants names of its own. Addresses are not asked
    /// about. `None` is the operating system.
    ///
    /// # Errors
    ///
    /// [`LoopError::Closed`] once the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop_core::new_event_loop;
    /// use ouroloop_net::{LoopNet, Resolver, getaddrinfo};
    /// use ouroloop_task::LoopTasks;
    ///
    /// let event_loop = new_event_loop()?;
    /// event_loop.set_getaddrinfo(Resolver::new(|_name, port| {
    ///     Ok(vec![([10, 0, 0, 1], port).into()])
    /// }))?;
    /// let addrs = event_loop.run_until_complete(getaddrinfo("printer", 631))??;
    /// assert_eq!(addrs, ["10.0.0.1:631".parse()?]);
    /// event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
