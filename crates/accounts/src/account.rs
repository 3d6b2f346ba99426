//! Accounts as others see them, and the questions that are answered from memory.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use postrider_engine::Engine;
use postrider_store::AccountId;
use serde::{Deserialize, Serialize};

use crate::{
    AccountsError, AccountsOptions, Address, Resolution,
    address::{AddressError, parse_address},
    directory::{self, Account, ResolveLimits},
    hashing::Hasher,
    persistence::Records,
    throttle::Throttle,
    verified::VerifiedLogins,
};

/// What POP3's DELE does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pop3Delete {
    /// Removes the message for good.
    #[default]
    Remove,
    /// Moves the message to the trash.
    MoveToTrash,
}

/// What can be set for each account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountSettings {
    /// What POP3's DELE does.
    pub pop3_delete: Pop3Delete,
    /// The most that the account's mail may take, in bytes; `None` leaves it to the server's default.
    pub quota_bytes: Option<u64>,
    /// The least time between two POP3 logins, in seconds (RFC 2449 §6.5); `None` leaves it to the server's default.
    pub pop3_login_delay_seconds: Option<u32>,
}

/// An account as administration shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// The account.
    pub id: AccountId,
    /// Its address, in normal form.
    pub address: String,
    /// When it was added.
    pub created: SystemTime,
    /// Its settings.
    pub settings: AccountSettings,
    /// The number of its app passwords.
    pub app_passwords: usize,
}

/// An app password as administration shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPasswordEntry {
    /// The name its owner gave it.
    pub label: String,
    /// When it was made.
    pub created: SystemTime,
}

/// Everything about accounts: administration, look-ups, logins.
pub struct Accounts {
    pub(crate) records: Records,
    pub(crate) options: AccountsOptions,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
    pub(crate) verified: VerifiedLogins,
    /// Keys app passwords and SCRAM decoys; the same for the life of the store.
    pub(crate) secret: [u8; 32],
}

impl Accounts {
    /// Reads all records, and makes those that a fresh store lacks.
    pub async fn open(engine: Arc<dyn Engine>, options: AccountsOptions) -> Result<Arc<Self>, AccountsError> {
        let records = Records::open(engine).await?;
        let secret = records.secret().await?;
        Ok(Arc::new(Self {
            records,
            hasher: Hasher::new(&options)?,
            throttle: Throttle::new(options.throttle.clone())?,
            verified: VerifiedLogins::new(options.verified_login_lifetime, options.verified_logins_max)?,
            secret,
            options,
        }))
    }

    /// All accounts, in order of their addresses.
    pub async fn list(&self) -> Result<Vec<AccountEntry>, AccountsError> {
        Ok(self.records.directory().accounts().map(|account| entry(account)).collect())
    }

    /// The account of this id.
    pub async fn get(&self, id: AccountId) -> Result<Option<AccountEntry>, AccountsError> {
        Ok(self.records.directory().account(id).map(|account| entry(account)))
    }

    /// The account of this address, or of this user name. Aliases are not followed.
    pub async fn find(&self, address: &str) -> Result<Option<AccountEntry>, AccountsError> {
        Ok(self.account_of_user(address).map(|account| entry(&account)))
    }

    /// The domains of all accounts and aliases: those that mail is taken for.
    pub async fn domains(&self) -> Vec<String> {
        self.records.directory().domains().cloned().collect()
    }

    /// Where mail for a recipient goes.
    pub async fn resolve(&self, recipient: &str) -> Result<Resolution, AccountsError> {
        let limits =
            ResolveLimits { depth_max: self.options.alias_depth_max, deliveries_max: self.options.deliveries_max };
        let default_domain = self.options.default_domain.as_deref();
        Ok(self.records.directory().resolve(recipient, default_domain, self.options.detail_separator, limits))
    }

    /// The app passwords of an account, in the order in which they were made.
    pub async fn list_app_passwords(&self, address: &str) -> Result<Vec<AppPasswordEntry>, AccountsError> {
        let account = self.account_of_user(address).ok_or_else(|| AccountsError::UnknownAccount(address.to_owned()))?;
        let entry = |app_password: &crate::record::AppPasswordRecord| AppPasswordEntry {
            label: app_password.label.clone(),
            created: time(app_password.created),
        };
        Ok(account.record.app_passwords.iter().map(entry).collect())
    }

    /// The account that a user name stands for.
    pub(crate) fn account_of_user(&self, user: &str) -> Option<Arc<Account>> {
        let directory = self.records.directory();
        let address = directory::complete(user, self.options.default_domain.as_deref(), &directory)?;
        directory.find(address.as_str()).cloned()
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Accounts").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Reads an address that an administrator gave.
pub(crate) fn given_address(text: &str) -> Result<Address, AccountsError> {
    parse_address(text).map_err(|reason| invalid(text, reason))
}

/// The error for what is no address.
pub(crate) fn invalid(text: &str, reason: AddressError) -> AccountsError {
    AccountsError::InvalidAddress { address: text.to_owned(), reason }
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn entry(account: &Account) -> AccountEntry {
    AccountEntry {
        id: account.id,
        address: account.record.address.clone(),
        created: time(account.record.created),
        settings: account.record.settings.clone(),
        app_passwords: account.record.app_passwords.len(),
    }
}
