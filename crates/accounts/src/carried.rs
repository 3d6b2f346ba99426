//! An account outside of its store: what a backup keeps of it beside its mail.
//!
//! Credentials go along only if they are asked for: who has them can try passwords against the hashes. App passwords are
//! hashed with their store's secret, so the secret goes with them, for each on its own.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, AccountSettings, Accounts, AccountsError,
    account::given_address,
    app_password,
    record::{AccountRecord, AppPasswordRecord, PasswordRecord, VERSION},
};

/// Whether credentials go along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// They stay behind: the account can be made again, but a new password has to be set.
    Left,
    /// The hashes of passwords, SCRAM keys and app passwords go along.
    Included,
}

/// An account, to be made again elsewhere or later. Its serialised form is what backups hold: fields may be added, and those
/// that are not known are passed over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CarriedAccount {
    address: String,
    /// Seconds since 1970.
    created: u64,
    #[serde(default)]
    settings: AccountSettings,
    /// The aliases that lead to it, each with all its targets.
    #[serde(default)]
    aliases: Vec<(String, Vec<String>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<CarriedCredentials>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CarriedCredentials {
    password: PasswordRecord,
    app_passwords: Vec<AppPasswordRecord>,
}

impl CarriedAccount {
    /// The account's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The aliases that led to it, each with all its targets.
    pub fn aliases(&self) -> &[(String, Vec<String>)] {
        &self.aliases
    }

    /// Whether people can log in with the passwords they had.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

impl Accounts {
    /// What makes the account of this address again.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn carry(&self, address: &str, credentials: Credentials) -> Result<CarriedAccount, AccountsError> {
        let account = self.account_of_user(address).ok_or_else(|| AccountsError::UnknownAccount(address.to_owned()))?;
        let record = &account.record;
        let aliases = self.list_aliases().await?;
        let aliases = aliases.into_iter().filter(|alias| alias.targets.contains(&record.address));
        Ok(CarriedAccount {
            address: record.address.clone(),
            created: record.created,
            settings: record.settings.clone(),
            aliases: aliases.map(|alias| (alias.alias, alias.targets)).collect(),
            credentials: (credentials == Credentials::Included).then(|| CarriedCredentials {
                password: record.password.clone(),
                app_passwords: record.app_passwords.iter().map(|one| one.with_secret(&self.secret)).collect(),
            }),
        })
    }

    /// Makes an account as it was. Without credentials it gets a password that nobody knows. Aliases are left to the caller,
    /// since their other targets may not be there yet.
    ///
    /// # Errors
    /// When the address is taken, or is none.
    pub async fn add_carried(&self, carried: &CarriedAccount) -> Result<AccountId, AccountsError> {
        let address = given_address(&carried.address)?;
        let (password, app_passwords) = match &carried.credentials {
            Some(credentials) => (credentials.password.clone(), credentials.app_passwords.clone()),
            None => (self.hasher.hash(&app_password::generate()?).await?, Vec::new()),
        };
        self.add_record(AccountRecord {
            version: VERSION,
            address: address.to_string(),
            created: carried.created,
            settings: carried.settings.clone(),
            password,
            app_passwords,
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use postrider_engine::memory::MemoryEngine;
    use postrider_sasl::Password;
    use std::{net::Ipv4Addr, sync::Arc};

    use super::*;
    use crate::{AccountsOptions, HashingOptions, LoginConnection, Service};

    async fn accounts() -> Arc<Accounts> {
        let hashing = HashingOptions { memory_kibibytes: 8, passes: 1, ..HashingOptions::default() };
        let options = AccountsOptions { hashing, ..AccountsOptions::default() };
        Accounts::open(Arc::new(MemoryEngine::new()), options).await.unwrap()
    }

    async fn lets_in(accounts: &Accounts, password: &Password) -> bool {
        let connection = LoginConnection {
            address: Ipv4Addr::LOCALHOST.into(),
            service: Service::Imap,
            protected: true,
            can_bind_channel: false,
            channel_binding: None,
        };
        accounts.login("alice@example.org", password, &connection).await.is_ok()
    }

    #[tokio::test]
    async fn an_account_comes_back_with_its_passwords_settings_and_aliases_in_another_store() {
        let (there, here) = (accounts().await, accounts().await);
        let password = Password::new("a long enough one");
        there.add("alice@example.org", &password).await.unwrap();
        let app_password = there.add_app_password("alice@example.org", "phone").await.unwrap();
        there.add_alias("info@example.org", &["alice@example.org".to_owned()]).await.unwrap();
        let settings = AccountSettings { quota_bytes: Some(5), ..AccountSettings::default() };
        there.set_settings("alice@example.org", settings.clone()).await.unwrap();
        let carried = there.carry("alice@example.org", Credentials::Included).await.unwrap();
        let carried: CarriedAccount = serde_json::from_str(&serde_json::to_string(&carried).unwrap()).unwrap();
        here.add_carried(&carried).await.unwrap();
        assert_eq!(carried.aliases(), [("info@example.org".to_owned(), vec!["alice@example.org".to_owned()])]);
        assert_eq!(here.find("alice@example.org").await.unwrap().unwrap().settings, settings);
        assert!(lets_in(&here, &password).await);
        assert!(lets_in(&here, &app_password).await);
        assert!(!lets_in(&here, &Password::new("another")).await);
        // Carried on from there, they still work.
        let third = accounts().await;
        third.add_carried(&here.carry("alice@example.org", Credentials::Included).await.unwrap()).await.unwrap();
        assert!(lets_in(&third, &app_password).await);
        assert!(matches!(third.add_carried(&carried).await, Err(AccountsError::AddressTaken(_))));
    }

    #[tokio::test]
    async fn without_credentials_nothing_secret_goes_along_and_no_old_password_works() {
        let (there, here) = (accounts().await, accounts().await);
        let password = Password::new("a long enough one");
        there.add("alice@example.org", &password).await.unwrap();
        let carried = there.carry("alice@example.org", Credentials::Left).await.unwrap();
        assert!(!serde_json::to_string(&carried).unwrap().contains("argon2"));
        here.add_carried(&carried).await.unwrap();
        assert!(!lets_in(&here, &password).await);
        here.set_password("alice@example.org", &password).await.unwrap();
        assert!(lets_in(&here, &password).await);
    }
}
