//! Passwords that were right lately, so that a mail program that logs in every minute costs microseconds.
//!
//! Kept is only a hash, keyed with a random key of this process: nothing that could be guessed against once the
//! process is gone. An entry holds for one revision of its account, so any change to the account voids it at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use postrider_sasl::Password;
use tokio::time::Instant;

use crate::{AccountsError, directory::Account, recent::RecentMap};

/// The memory of right passwords.
pub(crate) struct VerifiedLogins {
    key: [u8; 32],
    lifetime: Duration,
    entries: Mutex<RecentMap<[u8; 32], Verified>>,
}

struct Verified {
    revision: u64,
    expires: Instant,
}

impl VerifiedLogins {
    pub(crate) fn new(lifetime: Duration, entries_max: usize) -> Result<Self, AccountsError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| AccountsError::Random(error.to_string()))?;
        Ok(Self { key, lifetime, entries: Mutex::new(RecentMap::new(entries_max)) })
    }

    /// Whether this was the account's password lately, and is still.
    pub(crate) fn contains(&self, account: &Account, password: &Password) -> bool {
        let hash = self.hash(account, password);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let valid = entries
            .get_mut(&hash)
            .map(|verified| verified.revision == account.revision && Instant::now() < verified.expires);
        if valid == Some(false) {
            entries.remove(&hash);
        }
        valid == Some(true)
    }

    /// Remembers that this is the password of this revision of the account.
    pub(crate) fn insert(&self, account: &Account, password: &Password) {
        let Some(expires) = Instant::now().checked_add(self.lifetime).filter(|_| !self.lifetime.is_zero()) else {
            return;
        };
        let verified = Verified { revision: account.revision, expires };
        let hash = self.hash(account, password);
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, verified);
    }

    fn hash(&self, account: &Account, password: &Password) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&account.id.0.to_be_bytes());
        hasher.update(password.expose().as_bytes());
        hasher.finalize().into()
    }
}
