//! Adding, changing and removing accounts. Each change is durable before it is answered.

use postrider_sasl::Password;

use crate::{
    AccountId, AccountSettings, Accounts, AccountsError,
    account::{given_address, now},
    alias::{changes_without, keys_of},
    app_password,
    directory::Change,
    keys,
    record::{self, AccountRecord, AppPasswordRecord, IdRecord, PasswordRecord, VERSION},
};

impl Accounts {
    /// Adds an account. Its domain becomes local with it.
    pub async fn add(&self, address: &str, password: &Password) -> Result<AccountId, AccountsError> {
        let address = given_address(address)?;
        if self.records.directory().knows(address.as_str()) {
            return Err(AccountsError::AddressTaken(address.to_string()));
        }
        self.add_record(AccountRecord {
            version: VERSION,
            address: address.to_string(),
            created: now(),
            settings: AccountSettings::default(),
            password: self.password_record(password).await?,
            app_passwords: Vec::new(),
        })
        .await
    }

    /// Adds an account under the next number.
    pub(crate) async fn add_record(&self, account: AccountRecord) -> Result<AccountId, AccountsError> {
        let address = account.address.as_str();
        if self.records.directory().knows(address) {
            return Err(AccountsError::AddressTaken(address.to_owned()));
        }
        let depends = [keys::counter(), keys::address(address), keys::alias(address)];
        self.records
            .change(
                |_| Ok(depends.to_vec()),
                |_, values| {
                    let [counter, None, None] = values.as_slice() else {
                        return Err(AccountsError::AddressTaken(address.to_owned()));
                    };
                    let id = match counter {
                        Some(value) => AccountId(record::decode::<IdRecord>("the counter", value)?.id),
                        None => AccountId(1),
                    };
                    let next = AccountId(id.0.checked_add(1).ok_or(AccountsError::IdsExhausted)?);
                    Ok((vec![Change::Counter(next), Change::PutAccount(id, account.clone())], id))
                },
            )
            .await
    }

    /// Removes an account and takes it out of the aliases that lead to it; an alias left without targets goes too.
    /// The account's mail stays where it is until the store removes it.
    pub async fn remove(&self, address: &str) -> Result<AccountId, AccountsError> {
        let address = given_address(address)?.to_string();
        self.records
            .change(
                |directory| {
                    let account = directory.find(&address).ok_or_else(|| unknown(&address))?;
                    let mut keys = vec![keys::account(account.id), keys::address(&address)];
                    keys.extend(keys_of(&changes_without(directory, &address)));
                    Ok(keys)
                },
                |directory, values| {
                    let account = directory.find(&address).ok_or_else(|| unknown(&address))?;
                    if values.first().is_none_or(Option::is_none) {
                        return Err(unknown(&address));
                    }
                    let mut changes = vec![Change::RemoveAccount(account.id, address.clone())];
                    changes.extend(changes_without(directory, &address));
                    Ok((changes, account.id))
                },
            )
            .await
    }

    /// Sets an account's password. App passwords stay as they are.
    pub async fn set_password(&self, address: &str, password: &Password) -> Result<(), AccountsError> {
        let address = given_address(address)?.to_string();
        if !self.records.directory().knows(&address) {
            return Err(unknown(&address));
        }
        let password = self.password_record(password).await?;
        self.change_account(&address, |account| {
            account.password = password.clone();
            Ok(())
        })
        .await
    }

    /// Sets an account's settings.
    pub async fn set_settings(&self, address: &str, settings: AccountSettings) -> Result<(), AccountsError> {
        let address = given_address(address)?.to_string();
        self.change_account(&address, |account| {
            account.settings = settings.clone();
            Ok(())
        })
        .await
    }

    /// Makes an app password and returns it. It is shown this once: only its hash is kept. It works wherever the
    /// password itself is sent (PLAIN, LOGIN, POP3's PASS), not with SCRAM.
    pub async fn add_app_password(&self, address: &str, label: &str) -> Result<Password, AccountsError> {
        let address = given_address(address)?.to_string();
        let bytes_max = self.options.label_bytes_max;
        if label.is_empty() || label.len() > bytes_max || label.chars().any(char::is_control) {
            return Err(AccountsError::InvalidLabel(bytes_max));
        }
        let password = app_password::generate()?;
        self.change_account(&address, |account| {
            let app_passwords = &mut account.app_passwords;
            if app_passwords.iter().any(|app_password| app_password.label == label) {
                return Err(AccountsError::LabelTaken(label.to_owned()));
            }
            if app_passwords.len() >= self.options.app_passwords_max {
                return Err(AccountsError::TooManyAppPasswords(self.options.app_passwords_max));
            }
            let hash = app_password::hash(&self.secret, &address, &password);
            app_passwords.push(AppPasswordRecord { label: label.to_owned(), created: now(), hash, secret: None });
            Ok(())
        })
        .await?;
        Ok(password)
    }

    /// Removes an app password; who is logged in with it stays so.
    pub async fn remove_app_password(&self, address: &str, label: &str) -> Result<(), AccountsError> {
        let address = given_address(address)?.to_string();
        self.change_account(&address, |account| {
            let before = account.app_passwords.len();
            account.app_passwords.retain(|app_password| app_password.label != label);
            if account.app_passwords.len() == before {
                return Err(AccountsError::UnknownLabel(label.to_owned()));
            }
            Ok(())
        })
        .await
    }

    /// Changes one account's record, computed from what is stored rather than from what this node remembers.
    async fn change_account(
        &self,
        address: &str,
        edit: impl Fn(&mut AccountRecord) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        self.records
            .change(
                |directory| Ok(vec![keys::account(directory.find(address).ok_or_else(|| unknown(address))?.id)]),
                |directory, values| {
                    let id = directory.find(address).ok_or_else(|| unknown(address))?.id;
                    let value = values.first().and_then(Option::as_ref).ok_or_else(|| unknown(address))?;
                    let mut account: AccountRecord = record::decode(address, value)?;
                    edit(&mut account)?;
                    Ok((vec![Change::PutAccount(id, account)], ()))
                },
            )
            .await
    }

    async fn password_record(&self, password: &Password) -> Result<PasswordRecord, AccountsError> {
        if password.is_empty() || password.len() > self.options.password_bytes_max {
            return Err(AccountsError::PasswordLength(self.options.password_bytes_max));
        }
        self.hasher.hash(password).await
    }
}

fn unknown(address: &str) -> AccountsError {
    AccountsError::UnknownAccount(address.to_owned())
}
