//! A connection, in the clear or in TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::linux::net::TcpStreamExt as _;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Type};

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

/// When the client's kernel acknowledges what has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledging {
    /// When it sees fit, as for every program.
    AsUsual,
    /// At once. A server that leaves Nagle's algorithm on (RFC 896) stands still for 40 ms in many of its answers otherwise.
    AtOnce,
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    acknowledging: Acknowledging,
}

/// The connection.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(Socket),
    /// In TLS.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    /// Connects in the clear.
    pub fn plain(port: u16, server: &Server) -> Result<Self> {
        Ok(Self::Plain(connect(port, server)?))
    }

    /// Connects in the clear, from this loopback address: the ports of one alone do not suffice for very many connections.
    pub fn plain_from(source: Ipv4Addr, port: u16, server: &Server) -> Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddrV4::new(source, 0).into()).with_context(|| format!("cannot connect from {source}"))?;
        let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        socket.connect(&target.into()).with_context(|| format!("cannot connect from {source} to port {port}"))?;
        Ok(Self::Plain(Socket::new(TcpStream::from(socket), server)?))
    }

    /// Connects in TLS.
    pub fn tls(port: u16, server: &Server) -> Result<Self> {
        let session = ClientConnection::new(server.tls().clone(), "localhost".try_into()?)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, connect(port, server)?))))
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => &socket.stream,
            Self::Tls(stream) => &stream.sock.stream,
        }
    }
}

fn connect(port: u16, server: &Server) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("cannot connect to port {port}"))?;
    Socket::new(stream, server)
}

impl Socket {
    fn new(stream: TcpStream, server: &Server) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, acknowledging: server.acknowledging() })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.acknowledging == Acknowledging::AtOnce {
            // tcp(7): the kernel forgets it again.
            self.stream.set_quickack(true)?;
        }
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
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
