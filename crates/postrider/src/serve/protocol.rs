//! Which session answers on which listener. The one place where protocols, TLS and storage meet.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use postrider_imap_server::ImapService;
use postrider_net::{
    ApplicationProtocol, ConnectionLimits, ConnectionPermit, OverLimit, Peer, Shutdown, Timeouts, TlsAcceptor,
    TlsSettings, Transport, serve_listener,
};
use postrider_pop3_server::Pop3Service;
use postrider_smtp_server::{SmtpRole, SmtpService};
use tokio::net::TcpStream;

use super::listeners::Bound;
use crate::{config::Config, storage::Storage};

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Imaps,
    Pop3,
    Pop3s,
    Submission,
    Submissions,
    Smtp,
    Lmtp,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsStart {
    /// With the first byte.
    AtOnce,
    /// When the client asks for it.
    OnRequest,
}

impl Protocol {
    const ALL: [Self; 8] =
        [Self::Imap, Self::Imaps, Self::Pop3, Self::Pop3s, Self::Submission, Self::Submissions, Self::Smtp, Self::Lmtp];

    /// Its key in `[listen]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        }
    }

    /// The protocol of this key.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    fn tls_start(self) -> TlsStart {
        match self {
            Self::Imaps | Self::Pop3s | Self::Submissions => TlsStart::AtOnce,
            _ => TlsStart::OnRequest,
        }
    }

    /// What a client hears that there is no room for.
    fn refusal(self, hostname: &str, over: OverLimit) -> String {
        match self {
            // RFC 5530 §3: UNAVAILABLE is temporary.
            Self::Imap | Self::Imaps => format!("* BYE [UNAVAILABLE] {over}\r\n"),
            // RFC 3206 §4: SYS/TEMP asks to come again later.
            Self::Pop3 | Self::Pop3s => format!("-ERR [SYS/TEMP] {over}\r\n"),
            // RFC 5321 §3.8: 421 may stand in place of the greeting.
            _ => format!("421 4.7.0 {hostname} {over}\r\n"),
        }
    }
}

/// A session under way.
type Session = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a protocol's session on a connection.
type BeginSession = Arc<dyn Fn(Transport<TcpStream>) -> Session + Send + Sync>;

/// The protocols' services, ready to serve.
pub struct Services {
    imap: Arc<ImapService>,
    pop3: Arc<Pop3Service>,
    smtp: Arc<SmtpService>,
    acceptors: Acceptors,
    timeouts: Timeouts,
    hostname: Arc<str>,
}

/// TLS for each protocol name.
#[derive(Clone)]
struct Acceptors {
    imap: TlsAcceptor,
    pop3: TlsAcceptor,
    smtp: TlsAcceptor,
}

impl Services {
    /// Wires the protocols to the storage.
    pub fn new(config: &Config, storage: &Storage, tls: &Arc<TlsSettings>, shutdown: &Shutdown) -> Self {
        let acceptors = Acceptors {
            imap: tls.acceptor(ApplicationProtocol::Imap),
            pop3: tls.acceptor(ApplicationProtocol::Pop3),
            smtp: tls.acceptor(ApplicationProtocol::Unnamed),
        };
        let imap = ImapService {
            store: Arc::clone(&storage.store),
            accounts: Arc::clone(&storage.accounts),
            tls: Some(acceptors.imap.clone()),
            options: config.imap.options(&config.store),
            shutdown: shutdown.clone(),
        };
        let pop3 = Pop3Service::new(
            Arc::clone(&storage.store),
            Arc::clone(&storage.accounts),
            Some(acceptors.pop3.clone()),
            config.pop3.options(),
            shutdown.clone(),
        );
        let smtp = SmtpService::new(
            Arc::clone(&storage.store),
            Arc::clone(&storage.accounts),
            Some(acceptors.smtp.clone()),
            config.smtp.options(config.hostname()),
            shutdown.clone(),
        );
        Self {
            imap: Arc::new(imap),
            pop3: Arc::new(pop3),
            smtp: Arc::new(smtp),
            acceptors,
            timeouts: config.limits.timeouts(),
            hostname: config.hostname().into(),
        }
    }

    /// Serves one listener until the shutdown.
    pub fn serve(
        &self,
        bound: Bound,
        limits: Arc<ConnectionLimits>,
        shutdown: Shutdown,
        drain: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let protocol = bound.protocol;
        let (session, acceptor) = self.session(protocol);
        let (timeouts, hostname) = (self.timeouts, Arc::clone(&self.hostname));
        let handler = move |stream: TcpStream, peer: Peer, permit: ConnectionPermit| {
            let (session, acceptor) = (Arc::clone(&session), acceptor.clone());
            async move {
                let _permit = permit;
                let transport = match protocol.tls_start() {
                    TlsStart::OnRequest => Transport::plain(stream, peer, timeouts),
                    TlsStart::AtOnce => match Transport::tls(stream, peer, timeouts, &acceptor).await {
                        Ok(transport) => transport,
                        Err(error) => {
                            tracing::info!(protocol = protocol.name(), client = %peer.remote, "no TLS: {error}");
                            return;
                        }
                    },
                };
                session(transport).await;
            }
        };
        let refused = move |stream: TcpStream, peer: Peer, over: OverLimit| {
            let text = protocol.refusal(&hostname, over);
            async move {
                // A handshake only to say no would cost more than the session.
                if protocol.tls_start() == TlsStart::OnRequest {
                    let mut transport = Transport::plain(stream, peer, timeouts);
                    transport.close_with(text.as_bytes()).await;
                }
            }
        };
        serve_listener(bound.listener, limits, shutdown, drain, handler, refused)
    }

    /// How a protocol serves a connection, and with which TLS.
    fn session(&self, protocol: Protocol) -> (BeginSession, TlsAcceptor) {
        match protocol {
            Protocol::Imap | Protocol::Imaps => {
                let service = Arc::clone(&self.imap);
                let session = begin(move |transport| postrider_imap_server::serve(transport, Arc::clone(&service)));
                (session, self.acceptors.imap.clone())
            }
            Protocol::Pop3 | Protocol::Pop3s => {
                let service = Arc::clone(&self.pop3);
                let session = begin(move |transport| postrider_pop3_server::serve(transport, Arc::clone(&service)));
                (session, self.acceptors.pop3.clone())
            }
            Protocol::Smtp => self.smtp_session(SmtpRole::Receive),
            Protocol::Submission | Protocol::Submissions => self.smtp_session(SmtpRole::Submission),
            Protocol::Lmtp => self.smtp_session(SmtpRole::Lmtp),
        }
    }

    fn smtp_session(&self, role: SmtpRole) -> (BeginSession, TlsAcceptor) {
        let service = Arc::clone(&self.smtp);
        let session = begin(move |transport| postrider_smtp_server::serve(transport, Arc::clone(&service), role));
        (session, self.acceptors.smtp.clone())
    }
}

/// A protocol's session behind a pointer, so that one accept loop serves them all.
fn begin<F>(session: impl Fn(Transport<TcpStream>) -> F + Send + Sync + 'static) -> BeginSession
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |transport| Box::pin(session(transport)))
}
