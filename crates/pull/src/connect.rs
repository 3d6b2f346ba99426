//! The way to another server: names looked up, TCP, TLS, and a watch over silence.
//!
//! A server is trusted because an authority that this machine trusts vouches for its name, because an authority of a given
//! file does, or because its certificate is the very one that was pinned. Whatever was shown is remembered during
//! the handshake, so that an error can name its fingerprint and people can pin it.
//!
//! It knows nothing of protocols: when TLS is begun by a command, the caller says the command.

mod trust;

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use postrider_sasl::ChannelBinding;
use rustls::{ClientConfig, ProtocolVersion, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use self::trust::{Fingerprint, Trust};
use crate::{
    error::{PullError, Silent},
    remote::{Remote, Security},
};

/// How connections are made.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// How long one address of the server may take to answer, and how long the TLS handshake may take.
    pub connect_time_max: Duration,
    /// How long the server may say nothing while it is waited for, and take nothing while it is spoken to.
    pub silence_time_max: Duration,
    /// Whose certificates are believed.
    pub trust: Trust,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_time_max: Duration::from_secs(30),
            silence_time_max: Duration::from_secs(180),
            trust: Trust::System,
        }
    }
}

/// A stream to read from and write to.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

/// An open connection. Reading and writing fail with [`io::ErrorKind::TimedOut`] after too long a silence, which
/// becomes [`PullError::Silence`].
pub struct Connection {
    layer: Layer,
    silence: Silence,
}

enum Layer {
    Plain(Box<dyn Stream>),
    Tls(Box<TlsStream<Box<dyn Stream>>>),
}

struct Silence {
    time_max: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_encrypted", &self.is_encrypted()).finish_non_exhaustive()
    }
}

/// Connects, with TLS at once where the remote says so; where TLS begins by a command, the caller goes on with
/// [`Connection::start_tls`].
pub async fn connect(remote: &Remote, options: &ConnectOptions) -> Result<Connection, PullError> {
    let stream = connect_tcp(remote, options).await?;
    let connection = Connection::over(stream, options.silence_time_max);
    match remote.security {
        Security::Tls => connection.start_tls(remote, options).await,
        Security::StartTls | Security::Plain => Ok(connection),
    }
}

async fn connect_tcp(remote: &Remote, options: &ConnectOptions) -> Result<TcpStream, PullError> {
    let (host, port) = (remote.host.clone(), remote.port);
    let looked_up = timeout(options.connect_time_max, lookup_host((remote.host.as_str(), port))).await;
    let addresses: Vec<SocketAddr> = match looked_up {
        Err(_) => return Err(PullError::ConnectTimeout { host, port, after: options.connect_time_max }),
        Ok(Err(source)) => return Err(PullError::NameNotFound { host, source }),
        Ok(Ok(addresses)) => addresses.collect(),
    };
    let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut failure = PullError::NameNotFound { host: host.clone(), source: nothing };
    for address in addresses {
        let host = host.clone();
        failure = match timeout(options.connect_time_max, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are short and their answers are waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => PullError::Refused { host, port },
            Ok(Err(source)) => PullError::Connect { host, port, source },
            Err(_) => PullError::ConnectTimeout { host, port, after: options.connect_time_max },
        };
    }
    Err(failure)
}

impl Connection {
    /// A connection over a stream that is there already, such as one in memory.
    pub fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
        silence_time_max: Duration,
    ) -> Self {
        let silence = Silence { time_max: silence_time_max, alarm: None };
        Self { layer: Layer::Plain(Box::new(stream)), silence }
    }

    /// Begins TLS. Whoever calls it has nothing left unread: what came before TLS must not count as said in it.
    pub async fn start_tls(self, remote: &Remote, options: &ConnectOptions) -> Result<Self, PullError> {
        let host = remote.host.clone();
        let Layer::Plain(stream) = self.layer else {
            return Err(PullError::Tls { host, reason: String::from("it has begun already") });
        };
        let failed = |reason: String| PullError::Tls { host: host.clone(), reason };
        let verifier = Arc::new(trust::Verifier::new(&options.trust)?);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(error.to_string()))?;
        let believed = Arc::clone(&verifier);
        let config = builder.dangerous().with_custom_certificate_verifier(believed).with_no_client_auth();
        let name = ServerName::try_from(host.clone());
        let name = name.map_err(|_| failed(String::from("the server's name cannot stand in a certificate")))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        match timeout(options.connect_time_max, handshake).await {
            Err(_) => Err(failed(format!("nothing came for {} seconds", options.connect_time_max.as_secs()))),
            Ok(Err(error)) => Err(verifier.explain(&host, &error)),
            Ok(Ok(stream)) => {
                let silence = Silence { time_max: self.silence.time_max, alarm: None };
                Ok(Self { layer: Layer::Tls(Box::new(stream)), silence })
            }
        }
    }

    /// Whether TLS is in use.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    /// What ties a login to this connection.
    pub fn channel_binding(&self) -> ChannelBinding {
        let Layer::Tls(stream) = &self.layer else { return ChannelBinding::None };
        let (_, session) = stream.get_ref();
        // RFC 9266 §4.2: with TLS 1.2 it holds only under conditions that are not told here.
        if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return ChannelBinding::None;
        }
        match session.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", Some(&[])) {
            Ok(exporter) => ChannelBinding::TlsExporter(exporter),
            Err(_) => ChannelBinding::None,
        }
    }

    /// From now on the server may say nothing for so long, as when it is to tell news.
    pub fn set_silence_time_max(&mut self, silence_time_max: Duration) {
        self.silence = Silence { time_max: silence_time_max, alarm: None };
    }
}

impl Silence {
    /// Turns waiting into failure when it lasts too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.alarm = None;
            return polled;
        }
        let time_max = self.time_max;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(time_max)));
        match alarm.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.alarm = None;
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Silent(time_max))))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Layer::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, into),
        };
        this.silence.watch(context, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Layer::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, octets),
        };
        this.silence.watch(context, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_flush(context),
            Layer::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        };
        this.silence.watch(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Layer::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests;
