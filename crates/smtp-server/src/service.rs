//! What all SMTP sessions share, and the roles they play.

use std::sync::Arc;

use postrider_accounts::Accounts;
use postrider_net::{Shutdown, TlsAcceptor};
use postrider_store::Store;

use crate::{budget::Budget, options::SmtpOptions};

/// Room that trace fields and added fields take in a stored message, in bytes.
const ADDED_BYTES_MAX: u64 = 4096;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpRole {
    /// Mail from other servers (port 25), for recipients who have mail here and nobody else.
    Receive,
    /// Mail from people's programs (RFC 6409), which log in first.
    Submission,
    /// Mail from a mail server next door (RFC 2033), which hands it over for delivery.
    Lmtp,
}

/// What all SMTP sessions share.
pub struct SmtpService {
    pub(crate) store: Arc<Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) options: SmtpOptions,
    pub(crate) shutdown: Shutdown,
    pub(crate) budget: Budget,
}

impl SmtpService {
    /// Joins what sessions need. Without `tls`, STARTTLS is not offered; `shutdown` asks sessions to end.
    pub fn new(
        store: Arc<Store>,
        accounts: Arc<Accounts>,
        tls: Option<TlsAcceptor>,
        options: SmtpOptions,
        shutdown: Shutdown,
    ) -> Self {
        let budget = Budget::new(options.content_bytes_in_flight_max);
        Self { store, accounts, tls, options, shutdown, budget }
    }

    /// The largest message that is taken, in bytes: what SIZE announces. The store must have room for what is added.
    pub(crate) fn message_bytes_max(&self) -> u64 {
        let stored = self.store.options().message_bytes_max.saturating_sub(ADDED_BYTES_MAX);
        self.options.message_bytes_max.min(stored)
    }
}
