//! What all IMAP sessions share.

use std::sync::Arc;

use postrider_accounts::Accounts;
use postrider_net::{Shutdown, TlsAcceptor};
use postrider_store::Store;

use crate::options::ImapOptions;

/// What all IMAP sessions share; wired by the program, or by a test.
pub struct ImapService {
    /// Everybody's mail.
    pub store: Arc<Store>,
    /// Who may log in.
    pub accounts: Arc<Accounts>,
    /// For STARTTLS; without it the command is not offered.
    pub tls: Option<TlsAcceptor>,
    /// Bounds and habits.
    pub options: ImapOptions,
    /// Asks sessions to say goodbye.
    pub shutdown: Shutdown,
}
