//! Where a server listens.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::error::NetError;
use crate::log;
use crate::resolve::getaddrinfo;
use crate::socket;

/// The hosts that a server listens on: one name or address, several, or `None` (and `""`) for all
/// interfaces, as for asyncio.
///
/// # Examples
///
/// ```
/// use ouroloop::{Hosts, start_server};
///
/// ouroloop::run(async {
///     let everywhere = Hosts::from(None);
///     start_server(async |_, _| {}, everywhere, 0).await?;
///     let here = start_server(async |_, _| {}, ["127.0.0.1", "::1"], 0).await?;
///     assert!(here.local_addrs().iter().all(|addr| addr.ip().is_loopback()));
///     Ok::<_, ouroloop::NetError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Binds a socket to each address of each host.
    pub(super) async fn bind(self, port: u16) -> Result<Vec<TcpListener>, NetError> {
        let mut seen = HashSet::new();
        let mut sockets = Vec::new();
        let mut skipped = None;
        for host in self.0 {
            for addr in addresses(&host, port).await? {
                if !seen.insert(addr) {
                    continue;
                }
                match socket::bind(addr) {
                    Ok(socket) => sockets.push(socket),
                    Err(error) if is_not_here(&error) => {
                        log::warn(&format!("not listening on {addr}: {error}"));
                        skipped.get_or_insert((addr, error));
                    }
                    Err(source) => return Err(NetError::BindFailed { addr, source }),
                }
            }
        }
        match skipped {
            Some((addr, source)) if sockets.is_empty() => {
                Err(NetError::BindFailed { addr, source })
            }
            _ => Ok(sockets),
        }
    }
}

impl From<&str> for Hosts {
    fn from(host: &str) -> Hosts {
        Hosts(vec![host.into()])
    }
}

impl From<String> for Hosts {
    fn from(host: String) -> Hosts {
        Hosts(vec![host])
    }
}

impl From<IpAddr> for Hosts {
    fn from(addr: IpAddr) -> Hosts {
        Hosts(vec![addr.to_string()])
    }
}

impl From<Option<&str>> for Hosts {
    fn from(host: Option<&str>) -> Hosts {
        Hosts::from(host.unwrap_or(""))
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Hosts {
    fn from(hosts: [S; N]) -> Hosts {
        Hosts(hosts.into_iter().map(Into::into).collect())
    }
}

impl<S: Into<String>> From<Vec<S>> for Hosts {
    fn from(hosts: Vec<S>) -> Hosts {
        Hosts(hosts.into_iter().map(Into::into).collect())
    }
}

async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, NetError> {
    if host.is_empty() {
        return Ok(vec![
            (Ipv4Addr::UNSPECIFIED, port).into(),
            (Ipv6Addr::UNSPECIFIED, port).into(),
        ]);
    }
    getaddrinfo(host, port).await
}

/// Whether this machine has no such address, or no such family of addresses.
fn is_not_here(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
