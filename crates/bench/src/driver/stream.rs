//! A connection, in the clear or in TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::server::Server;

/// No answer takes longer; a server that hangs ends the run with an error.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// How the client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Plain,
    /// TLS from the first byte.
    Tls,
}

/// The connection.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// In TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects in the clear.
    pub fn plain(port: u16) -> Result<Self> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self::Plain(stream))
    }

    /// Connects in the clear, from this loopback address: the ports of one alone do not suffice for very many connections.
    pub fn plain_from(source: Ipv4Addr, port: u16) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddrV4::new(source, 0).into()).with_context(|| format!("cannot connect from {source}"))?;
        let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        socket.connect(&target.into()).with_context(|| format!("cannot connect from {source} to port {port}"))?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(Self::Plain(stream))
    }

    /// Connects in TLS.
    pub fn tls(port: u16, server: &Server) -> Result<Self> {
        let Self::Plain(socket) = Self::plain(port)? else { anyhow::bail!("a plain stream was asked for") };
        let session = ClientConnection::new(server.tls().clone(), "localhost".try_into()?)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
