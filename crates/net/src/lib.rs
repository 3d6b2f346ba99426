//! Listeners, TLS, connection limits and the clock: the only crate that opens sockets.
//!
//! It knows nothing of mail. A protocol session is generic over its byte stream and owns a [`Transport`], which
//! joins four things every text protocol needs: an input buffer, deadlines, TLS from the first byte or
//! started later, and what is known of the peer. Tests and fuzzers hand a session an in-memory stream; the
//! binary hands it what [`serve_listener`] accepted.
//!
//! Two decisions shaped it. Sessions pull (`fill`, look at `input`, consume) instead of being pushed frames,
//! so that a literal of many megabytes is bounded where its protocol knows the bound. And TLS settings are a value that
//! can be swapped ([`TlsSettings::reload`]): each handshake takes the newest, open connections keep theirs.

mod clock;
mod limits;
mod listener;
mod local;
mod shutdown;
mod tls;
mod tls_stream;
mod transport;

pub use clock::{Clock, SystemClock, TestClock};
pub use limits::{ConnectionLimitOptions, ConnectionLimits, ConnectionPermit, OverLimit};
pub use listener::{bind, serve_listener};
pub use local::{bind_local, connect_local, notify_service_manager};
pub use shutdown::{Shutdown, ShutdownTrigger, shutdown_channel};
pub use tls::{
    ApplicationProtocol, CertificateOrigin, TlsAcceptor, TlsError, TlsSettings, create_self_signed, ensure_certificate,
};
pub use transport::{Peer, Security, Stream, Timeouts, TlsDetails, Transport};
