//! What all POP3 sessions share.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use postrider_accounts::{AccountSettings, Accounts};
use postrider_net::{Shutdown, TlsAcceptor};
use postrider_store::Store;

use crate::{occupancy::Occupancy, options::Pop3Options};

/// How long the largest login delay of all accounts is remembered, in seconds.
const LOGIN_DELAY_MAX_KEPT_SECONDS: i64 = 60;

/// What all POP3 sessions share. One per server, since it holds the maildrops' locks.
pub struct Pop3Service {
    pub(crate) store: Arc<Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) options: Pop3Options,
    pub(crate) shutdown: Shutdown,
    pub(crate) occupancy: Occupancy,
    login_delay_max: AtomicU32,
    login_delay_max_until: AtomicI64,
}

impl Pop3Service {
    /// Joins what sessions need. Without `tls`, STLS is not offered; `shutdown` asks sessions to end.
    pub fn new(
        store: Arc<Store>,
        accounts: Arc<Accounts>,
        tls: Option<TlsAcceptor>,
        options: Pop3Options,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            store,
            accounts,
            tls,
            options,
            shutdown,
            occupancy: Occupancy::default(),
            login_delay_max: AtomicU32::new(0),
            login_delay_max_until: AtomicI64::new(i64::MIN),
        }
    }

    /// The least time between two logins to an account, in seconds.
    pub(crate) fn login_delay(&self, settings: &AccountSettings) -> u32 {
        settings.pop3_login_delay_seconds.unwrap_or(self.options.login_delay_seconds)
    }

    /// The largest delay of any account: what CAPA tells before login (RFC 2449 §6.5). Looking at all accounts for
    /// everybody who asks would be a burden, so the answer may be a minute old.
    pub(crate) async fn login_delay_max(&self) -> u32 {
        let now = self.store.now();
        if now < self.login_delay_max_until.load(Ordering::Relaxed) {
            return self.login_delay_max.load(Ordering::Relaxed);
        }
        let default = self.options.login_delay_seconds;
        let entries = self.accounts.list().await.unwrap_or_default();
        let largest = entries.iter().map(|entry| self.login_delay(&entry.settings)).fold(default, u32::max);
        self.login_delay_max.store(largest, Ordering::Relaxed);
        self.login_delay_max_until.store(now.saturating_add(LOGIN_DELAY_MAX_KEPT_SECONDS), Ordering::Relaxed);
        largest
    }
}
