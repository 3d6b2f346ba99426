//! TLS around a stream, with as few calls to the system as the protocol lets be.
//!
//! Bytes leave when they are flushed and not before. So what TLS has to say by itself travels with what the session says:
//! the server's part of the handshake with the greeting, the ticket for a later resumption with the first answer, the goodbye
//! with the last one. Ciphertext is read in pieces that grow with an upload, and nothing is held for a connection that waits.

use std::{
    future::Future,
    io::{self, BufRead, IoSlice, Write},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What a connection that waits asks for at once, in bytes.
const READ_BYTES_MIN: usize = 4 * 1024;
/// What a connection that uploads asks for at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The server's end of a TLS connection, from the moment on at which the server may speak.
pub(crate) struct TlsStream<S> {
    stream: S,
    connection: ServerConnection,
    /// Ciphertext that was received and not yet decrypted.
    received: BytesMut,
    read_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Takes the server's part in a handshake, until the session may speak. The caller sets the time limit.
    ///
    /// In TLS 1.3 that is before the client has had its last word (RFC 8446 §2, figure 1): the greeting then leaves together
    /// with the handshake, a round trip earlier. [`Self::finish_handshake`] does the rest before anything is read.
    pub(crate) async fn accept(stream: S, configuration: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(configuration).map_err(io::Error::other)?;
        let mut accepted = Self { stream, connection, received: BytesMut::new(), read_bytes: READ_BYTES_MIN };
        while accepted.is_handshaking() && !accepted.may_speak_early() {
            accepted.advance_handshake().await?;
        }
        // In TLS 1.2 the client waits for the end of the handshake (RFC 5246 §7.3). In TLS 1.3 nothing is left to say but
        // tickets (RFC 8446 §4.6.1), which have time until there is more.
        if accepted.connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            accepted.flush().await?;
        }
        Ok(accepted)
    }

    /// What was agreed on.
    pub(crate) fn connection(&self) -> &ServerConnection {
        &self.connection
    }

    /// Goes on with a handshake until the client has had its last word. A future that is dropped has lost nothing.
    pub(crate) async fn finish_handshake(&mut self) -> io::Result<()> {
        while self.is_handshaking() {
            self.advance_handshake().await?;
        }
        Ok(())
    }

    async fn advance_handshake(&mut self) -> io::Result<()> {
        if self.received.is_empty() {
            self.flush().await?;
            if std::future::poll_fn(|cx| self.poll_receive(cx)).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client left during the TLS handshake"));
            }
        }
        if let Err(error) = self.decrypt() {
            // The alert that says what was wrong.
            let _ = self.flush().await;
            return Err(error);
        }
        Ok(())
    }

    /// Whether all is said of the handshake that the server has to say, and the client answers next.
    fn may_speak_early(&self) -> bool {
        // After a HelloRetryRequest the library does not tell which of the two flights it has made; the whole handshake then.
        self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
            && matches!(self.connection.handshake_kind(), Some(HandshakeKind::Full | HandshakeKind::Resumed))
    }

    /// Whether the client has still to finish the handshake.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Says that nothing more will come (RFC 8446 §6.1), with the next flush.
    pub(crate) fn end(&mut self) {
        self.connection.send_close_notify();
    }

    /// Receives ciphertext, when all that was received before is decrypted. Returns how many bytes came; 0 at the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.received.reserve(self.read_bytes);
        let polled = pin!(self.stream.read_buf(&mut self.received)).poll(cx);
        match &polled {
            Poll::Ready(Ok(count)) if *count >= self.read_bytes => {
                self.read_bytes = (self.read_bytes * 4).min(READ_BYTES_MAX);
            }
            Poll::Ready(_) => {}
            Poll::Pending => {
                self.received = BytesMut::new();
                self.read_bytes = READ_BYTES_MIN;
            }
        }
        polled
    }

    /// Hands some of the ciphertext that was received to the TLS library.
    fn decrypt(&mut self) -> io::Result<()> {
        let mut rest = &self.received[..];
        let taken = self.connection.read_tls(&mut rest)?;
        self.received.advance(taken);
        match self.connection.process_new_packets() {
            Ok(_) if taken > 0 => Ok(()),
            // It takes nothing more after the client's goodbye.
            Ok(_) => {
                self.received.clear();
                Ok(())
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Gives decrypted bytes out. Returns whether it was the end of what the client says.
    fn take_plaintext(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        while buffer.remaining() > 0 {
            let mut reader = self.connection.reader();
            match reader.fill_buf() {
                Ok([]) => return Ok(true),
                Ok(chunk) => {
                    let (taken, _) = chunk.split_at(chunk.len().min(buffer.remaining()));
                    buffer.put_slice(taken);
                    let taken = taken.len();
                    reader.consume(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Sends some of what waits to be sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = Polled { stream: &mut self.stream, cx };
        match self.connection.write_tls(&mut writer) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends all that waits to be sent.
    fn poll_send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        loop {
            let ended = this.take_plaintext(buffer)?;
            if ended || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.received.is_empty() {
                if let Err(error) = this.decrypt() {
                    // The alert that says what was wrong, if it can leave at once.
                    let _ = this.poll_send_all(cx);
                    return Poll::Ready(Err(error));
                }
            } else if buffer.filled().len() > filled {
                return Poll::Ready(Ok(()));
            } else if ready!(this.poll_receive(cx))? == 0 {
                // Many programs leave without close_notify. Our protocols mark their own ends, so a cut is no danger.
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let taken = this.connection.writer().write(bytes)?;
            if taken > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            // The library holds as much as it may.
            ready!(this.poll_send(cx))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send_all(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.end();
        ready!(this.poll_send_all(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// A stream as the TLS library writes to it: what would wait is an error.
struct Polled<'a, 'b, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'b>,
}

fn would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}
