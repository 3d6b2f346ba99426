//! The way to another server: names looked up, TCP, TLS, and a watch over silence.
//!
//! A server is trusted because an authority that this machine trusts vouches for its name, because an authority of a given
//! file does, or because its certificate is the very one that was pinned. Whatever was shown is remembered during
//! the handshake, so that an error can name its fingerprint and people can pin it.
//!
//! It knows nothing of protocols: when TLS is begun by a command, the caller says the command.

mod deflate;
mod pace;
mod stop;
mod trust;

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use postrider_sasl::ChannelBinding;
use rustls::{ClientConfig, ProtocolVersion, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) use self::stop::Stopped;
use self::{deflate::Deflate, pace::Paced, stop::StopWait};
pub use self::{
    pace::Pace,
    stop::{Stop, StopTrigger},
    trust::{Fingerprint, Trust},
};
use crate::{
    backoff::BackoffOptions,
    counted::counted,
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
    /// How many octets may pass in a second; `None`: as many as do.
    pub pace: Option<Pace>,
    /// Whether IMAP is compressed.
    pub compression: Compression,
    /// Hears when the run is to end.
    pub stop: Stop,
    /// How often it is tried again, and after which waits.
    pub backoff: BackoffOptions,
    /// Connections of a run at a time. IMAP works on mailboxes side by side; POP3 has one connection.
    pub connections_max: usize,
    /// Permits for the connections that a run has beside its first, shared by all runs that are given the same; `None`: no
    /// bound but the run's own.
    pub further_connections: Option<Arc<Semaphore>>,
}

/// Whether what passes is compressed (RFC 4978).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Where the server offers it.
    #[default]
    WhereOffered,
    /// Never.
    Never,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_time_max: Duration::from_secs(30),
            silence_time_max: Duration::from_secs(180),
            trust: Trust::System,
            pace: None,
            compression: Compression::default(),
            stop: Stop::default(),
            backoff: BackoffOptions::default(),
            connections_max: 3,
            further_connections: None,
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
    deflate: Option<Box<Deflate>>,
    silence: Silence,
    stop: Option<StopWait>,
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
    let stream = connect_tcp(&remote.host, remote.port, options).await?;
    let connection = match &options.pace {
        Some(pace) => Connection::over(Paced::new(stream, pace.clone()), options.silence_time_max),
        None => Connection::over(stream, options.silence_time_max),
    };
    let connection = connection.until(&options.stop);
    match remote.security {
        Security::Tls => connection.start_tls(remote, options).await,
        Security::StartTls | Security::Plain => Ok(connection),
    }
}

/// Connects to a host that speaks TLS at once and another protocol than mail's. With an address given the name is not looked
/// up; its certificate has to be for the name all the same.
pub(crate) async fn connect_tls(
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
    options: &ConnectOptions,
) -> Result<Connection, PullError> {
    let stream = match address {
        None => connect_tcp(host, port, options).await?,
        Some(address) => connect_tcp(&address.ip().to_string(), address.port(), options).await?,
    };
    Connection::over(stream, options.silence_time_max).begin_tls(host, options).await
}

async fn connect_tcp(host: &str, port: u16, options: &ConnectOptions) -> Result<TcpStream, PullError> {
    let looked_up = timeout(options.connect_time_max, lookup_host((host, port))).await;
    let host = host.to_owned();
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
        Self { layer: Layer::Plain(Box::new(stream)), deflate: None, silence, stop: None }
    }

    /// Where it has to wait it fails, with [`PullError::Stopped`], once the stop is asked for.
    #[must_use]
    pub fn until(self, stop: &Stop) -> Self {
        Self { stop: Some(StopWait::new(stop)), ..self }
    }

    /// Begins TLS. Whoever calls it has nothing left unread: what came before TLS must not count as said in it.
    pub async fn start_tls(self, remote: &Remote, options: &ConnectOptions) -> Result<Self, PullError> {
        self.begin_tls(&remote.host, options).await
    }

    async fn begin_tls(self, host: &str, options: &ConnectOptions) -> Result<Self, PullError> {
        let host = host.to_owned();
        let Layer::Plain(stream) = self.layer else {
            return Err(PullError::Tls { host, reason: String::from("it has begun already") });
        };
        let failed = |reason: String| PullError::Tls { host: host.clone(), reason };
        let verifier = Arc::new(trust::Verifier::new(&options.trust)?);
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(error.to_string()))?;
        let believed = Arc::clone(&verifier);
        let config = builder.dangerous().with_custom_certificate_verifier(believed).with_no_client_auth();
        let name = ServerName::try_from(host.clone());
        let name = name.map_err(|_| failed(String::from("the server's name cannot stand in a certificate")))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        match timeout(options.connect_time_max, handshake).await {
            Err(_) => {
                Err(failed(format!("nothing came for {}", counted(options.connect_time_max.as_secs(), "second"))))
            }
            Ok(Err(error)) => Err(verifier.explain(&host, &error)),
            Ok(Ok(stream)) => {
                let silence = Silence { time_max: self.silence.time_max, alarm: None };
                Ok(Self { layer: Layer::Tls(Box::new(stream)), deflate: None, silence, stop: self.stop })
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

    /// From now on everything is compressed both ways (RFC 4978). `read_ahead` is what was read behind the line with which the
    /// server agreed, which is compressed already.
    pub fn start_deflate(&mut self, read_ahead: BytesMut) {
        self.deflate = Some(Box::new(Deflate::new(read_ahead)));
    }

    /// From now on the server may say nothing for so long, as when it is to tell news.
    pub fn set_silence_time_max(&mut self, silence_time_max: Duration) {
        self.silence = Silence { time_max: silence_time_max, alarm: None };
    }

    /// Turns waiting into failure when it lasts too long, or when the run is to stop.
    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending()
            && let Some(stop) = &mut self.stop
            && let Poll::Ready(error) = stop.poll(context)
        {
            return Poll::Ready(Err(error));
        }
        self.silence.watch(context, polled)
    }

    fn poll_unpacked(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(deflate) = &mut self.deflate else { return Pin::new(&mut self.layer).poll_read(context, into) };
        while into.remaining() > 0 {
            let made = deflate.unpack(into.initialize_unfilled())?;
            if made > 0 {
                into.advance(made);
                break;
            }
            let mut buffer = [0; 4096];
            let mut buffer = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut self.layer).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            deflate.room().extend_from_slice(buffer.filled());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_packed(&mut self, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.deflate {
            None => Pin::new(&mut self.layer).poll_write(context, octets),
            Some(deflate) => {
                ready!(drain(deflate.outgoing(), &mut self.layer, context))?;
                Poll::Ready(deflate.pack(octets))
            }
        }
    }

    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(deflate) = &mut self.deflate {
            deflate.finish_command()?;
            ready!(drain(deflate.outgoing(), &mut self.layer, context))?;
        }
        Pin::new(&mut self.layer).poll_flush(context)
    }
}

/// Writes what waits.
fn drain(outgoing: &mut BytesMut, layer: &mut Layer, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !outgoing.is_empty() {
        let written = ready!(Pin::new(&mut *layer).poll_write(context, outgoing))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outgoing.advance(written.min(outgoing.len()));
    }
    Poll::Ready(Ok(()))
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
        let polled = this.poll_unpacked(context, into);
        this.watch(context, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.poll_packed(context, octets);
        this.watch(context, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.poll_out(context);
        this.watch(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().layer).poll_shutdown(context)
    }
}

impl AsyncRead for Layer {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Layer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests;
