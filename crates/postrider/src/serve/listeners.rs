//! Binding every configured address before anything is served.

use std::{io, net::SocketAddr};

use anyhow::{Context, Result};
use postrider_net::bind;
use tokio::net::TcpListener;

use super::protocol::Protocol;
use crate::{advice::Advise, config::Listen, control::ListeningStatus};

/// A protocol on an address.
pub struct Bound {
    /// What is spoken.
    pub protocol: Protocol,
    /// The socket.
    pub listener: TcpListener,
    /// Its address, with the port that the system chose if none was given.
    pub address: SocketAddr,
}

impl Bound {
    /// For people and programs who ask.
    pub fn status(&self) -> ListeningStatus {
        ListeningStatus { protocol: self.protocol.name().to_owned(), address: self.address.to_string() }
    }
}

/// Binds all addresses of the mail protocols, or none.
pub fn bind_all(listen: &Listen) -> Result<Vec<Bound>> {
    let mut all = Vec::new();
    for (name, address) in listen.all() {
        let Some(protocol) = Protocol::named(name) else { continue };
        if let Some((listener, address)) = bind_one(name, address)? {
            all.push(Bound { protocol, listener, address });
        }
    }
    Ok(all)
}

/// A socket on an address, with the port that the system chose if none was given; nothing where the machine has no
/// such addresses.
pub fn bind_one(name: &str, address: SocketAddr) -> Result<Option<(TcpListener, SocketAddr)>> {
    match bind(address) {
        // A machine without IPv6 cannot listen on `[::]`, which the defaults name.
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && has_no_ipv6(&error) => {
            tracing::info!("{name}: no IPv6 on this machine, {address} is left out");
            Ok(None)
        }
        Err(error) => {
            let advice = advice(&error, address);
            Err(error).with_context(|| format!("{name}: cannot listen on {address}")).advise(advice)
        }
        Ok(listener) => {
            let address = listener.local_addr().context("listen")?;
            Ok(Some((listener, address)))
        }
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    /// EAFNOSUPPORT, which the standard library gives no kind.
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
    error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn advice(error: &io::Error, address: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need a privilege: docs/systemd.md has a unit file that gives it, or choose other ports \
             in [listen]"
                .to_owned()
        }
        io::ErrorKind::AddrInUse => {
            format!("another program listens there; `ss -ltnp 'sport = :{}'` tells which", address.port())
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address; see `ip address`".to_owned(),
        _ => "choose another address in [listen]".to_owned(),
    }
}
