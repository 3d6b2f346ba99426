//! A connection as a session sees it: an input buffer, output with deadlines, TLS now or later, and the peer.
//!
//! The transport does not know lines or commands. It reads what there is into [`Transport::input`] and leaves
//! framing and every bound on it to the protocol. How much is asked of the system at once grows with what
//! arrives, so that a thousand idle connections hold almost nothing and an upload moves in large pieces.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use rustls::ProtocolVersion;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use crate::{tls::TlsAcceptor, tls_stream::TlsStream};

/// What a connection that waits asks for at once, in bytes.
const READ_BYTES_MIN: usize = 1024;
/// What a connection asks for at once that is about to send a message, in bytes: most are no longer.
const READ_BYTES_MESSAGE: usize = 32 * 1024;
/// What a connection that uploads asks for at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;
/// An emptied input buffer larger than this is given back when nothing is expected soon, in bytes.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// RFC 9266 §2: the label of the `tls-exporter` channel binding.
const CHANNEL_BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub remote: SocketAddr,
    /// Our own address, as the client reached it.
    pub local: SocketAddr,
}

impl Peer {
    /// Whether the client is on this machine, so that nobody can listen in.
    pub fn is_loopback(&self) -> bool {
        self.remote.ip().to_canonical().is_loopback()
    }

    /// The client's address without the port; an IPv4 address mapped into IPv6 is given as IPv4.
    pub fn address(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }
}

/// What TLS agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDetails {
    /// The version, as in `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its IANA name.
    pub cipher: String,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// It is not.
    Plain,
    /// It is, and how.
    Tls(TlsDetails),
}

/// How long the transport's own steps may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole TLS handshake.
    pub handshake: Duration,
    /// For the client to take any part of what is written; a slow client is served, one that stopped reading is dropped.
    pub write: Duration,
    /// For the goodbye at the end.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(30), write: Duration::from_secs(120), close: Duration::from_secs(5) }
    }
}

/// What a session can run over: a socket, or a pipe in memory.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The stream below, with or without TLS around it.
enum MaybeTls<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
    /// The stream was lost in a handshake that failed.
    Gone,
}

/// A client's connection.
///
/// After an error from any of its methods other than [`io::ErrorKind::TimedOut`] of [`Transport::fill`], a
/// connection is of no more use than to be closed.
pub struct Transport<S> {
    stream: MaybeTls<S>,
    peer: Peer,
    timeouts: Timeouts,
    security: Security,
    input: BytesMut,
    read_bytes: usize,
}

impl<S> fmt::Debug for Transport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("peer", &self.peer)
            .field("security", &self.security)
            .field("input", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport<S> {
    /// A connection without TLS, which may start later.
    pub fn plain(stream: S, peer: Peer, timeouts: Timeouts) -> Self {
        Self {
            stream: MaybeTls::Plain(stream),
            peer,
            timeouts,
            security: Security::Plain,
            input: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
        }
    }

    /// A connection that begins with TLS (RFC 8314 §3). Returns as soon as the session may speak, which may be before the
    /// client has finished the handshake; what the session writes leaves with the server's part of it.
    pub async fn tls(stream: S, peer: Peer, timeouts: Timeouts, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let mut transport = Self::plain(stream, peer, timeouts);
        transport.start_tls(acceptor).await?;
        Ok(transport)
    }

    /// The two ends.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether it is encrypted, and how.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// Whether logins can be bound to the connection by `tls-exporter` (RFC 9266). They can in TLS 1.3 only: in TLS 1.2 it
    /// needs the extended master secret (RFC 9266 §4.2), of which the TLS library does not tell.
    pub fn can_bind_channel(&self) -> bool {
        match &self.stream {
            MaybeTls::Tls(stream) => stream.connection().protocol_version() == Some(ProtocolVersion::TLSv1_3),
            MaybeTls::Plain(_) | MaybeTls::Gone => false,
        }
    }

    /// The `tls-exporter` channel binding, where there is one: not before the client has finished the handshake.
    pub fn channel_binding(&self) -> Option<[u8; 32]> {
        match &self.stream {
            // RFC 9266 §2: 32 bytes, no context. Absent differs from empty only in TLS 1.2.
            MaybeTls::Tls(stream) if self.can_bind_channel() => {
                stream.connection().export_keying_material([0_u8; 32], CHANNEL_BINDING_LABEL, Some(b"")).ok()
            }
            MaybeTls::Tls(_) | MaybeTls::Plain(_) | MaybeTls::Gone => None,
        }
    }

    /// Whether nobody can listen in: TLS, or a client on this machine. Passwords may pass.
    pub fn is_protected(&self) -> bool {
        matches!(self.security, Security::Tls(_)) || self.peer.is_loopback()
    }

    /// What was read and is not yet consumed. Consume with `advance` or `split_to`.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Reads what there is onto the end of [`Transport::input`], waiting for at least one byte. Returns how
    /// many bytes came; 0 at the end of the stream.
    ///
    /// Cancel safe: a future that is dropped has consumed nothing. After `limit` the error is
    /// [`io::ErrorKind::TimedOut`], and the connection is as it was.
    pub async fn fill(&mut self, limit: Duration) -> io::Result<usize> {
        self.finish_handshake().await?;
        if self.input.capacity() - self.input.len() < self.read_bytes {
            self.input.reserve(self.read_bytes);
        }
        let read = timeout(limit, self.stream.read_buf(&mut self.input)).await;
        let count = read.map_err(|_| timed_out("the client was silent for too long"))??;
        if count >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES_MAX);
        }
        Ok(count)
    }

    /// Awaits the client's end of a handshake, if that is still to come.
    async fn finish_handshake(&mut self) -> io::Result<()> {
        let MaybeTls::Tls(stream) = &mut self.stream else { return Ok(()) };
        if !stream.is_handshaking() {
            return Ok(());
        }
        let finished = timeout(self.timeouts.handshake, stream.finish_handshake()).await;
        let result = finished.unwrap_or_else(|_| Err(timed_out(HANDSHAKE_TOO_LONG)));
        // A client that leaves here was not content with the certificate, as a rule, which is for the operator to know.
        result.inspect_err(|error| tracing::info!(client = %self.peer.remote, "no TLS: {error}"))
    }

    /// Says that a message comes next, which is read in fewer pieces then.
    pub fn expect_message(&mut self) {
        self.read_bytes = self.read_bytes.max(READ_BYTES_MESSAGE);
    }

    /// Writes all bytes and flushes them. Fails with [`io::ErrorKind::TimedOut`] when the client takes nothing for
    /// [`Timeouts::write`].
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_unflushed(bytes).await?;
        self.progress(|stream, cx| Pin::new(stream).poll_flush(cx)).await
    }

    async fn write_unflushed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = self.progress(|stream, cx| Pin::new(stream).poll_write(cx, rest)).await?;
            rest = match rest.get(written..) {
                Some(left) if written > 0 => left,
                _ => return Err(io::ErrorKind::WriteZero.into()),
            };
        }
        Ok(())
    }

    /// Answers the client's request for TLS: the positive reply has been written, the handshake follows.
    ///
    /// What was received before the handshake is discarded. It came in clear, so anybody may have put it there to be
    /// executed as if it were protected (CVE-2011-0411; RFC 3207 §4.2, RFC 9051 §6.2.1).
    pub async fn start_tls(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        self.input.clear();
        let stream = match std::mem::replace(&mut self.stream, MaybeTls::Gone) {
            MaybeTls::Plain(stream) => stream,
            other => {
                self.stream = other;
                return Err(io::Error::other("TLS is already active"));
            }
        };
        let handshake = timeout(self.timeouts.handshake, acceptor.accept(stream)).await;
        let stream = handshake.map_err(|_| timed_out(HANDSHAKE_TOO_LONG))??;
        self.security = Security::Tls(details(&stream));
        self.stream = MaybeTls::Tls(Box::new(stream));
        Ok(())
    }

    /// Gives back the memory of an empty input buffer. Sessions call it before a long wait such as IDLE.
    pub fn free_buffers(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        self.read_bytes = READ_BYTES_MIN;
    }

    /// Ends the connection: TLS close_notify within [`Timeouts::close`], then the stream is let go, which ends it.
    pub async fn close(&mut self) {
        self.stream.end();
        // The peer may be gone already; there is nobody left to tell.
        let _ = timeout(self.timeouts.close, self.stream.flush()).await;
        self.stream = MaybeTls::Gone;
    }

    /// Ends the connection with a last answer, which leaves together with TLS's own end.
    pub async fn close_with(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && self.write_unflushed(bytes).await.is_ok() {
            self.stream.end();
            let _ = self.progress(|stream, cx| Pin::new(stream).poll_flush(cx)).await;
        }
        self.close().await;
    }

    /// Waits for one step of output, no longer than the write limit.
    async fn progress<T>(
        &mut self,
        mut step: impl FnMut(&mut MaybeTls<S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        let stream = &mut self.stream;
        let done = timeout(self.timeouts.write, std::future::poll_fn(|cx| step(stream, cx))).await;
        done.map_err(|_| timed_out("the client stopped reading"))?
    }
}

const HANDSHAKE_TOO_LONG: &str = "the TLS handshake took too long";

fn timed_out(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, message)
}

/// What the handshake agreed on.
fn details<S: AsyncRead + AsyncWrite + Unpin>(stream: &TlsStream<S>) -> TlsDetails {
    let connection = stream.connection();
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    // The library names TLS 1.3 suites `TLS13_…`; IANA says `TLS_…`.
    let cipher = suite.replacen("TLS13_", "TLS_", 1);
    TlsDetails { version: version.to_owned(), cipher }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MaybeTls<S> {
    /// Nothing more will be written; the other side is told so with the next flush.
    fn end(&mut self) {
        if let Self::Tls(stream) = self {
            stream.end();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
