//! A backup is made.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use postrider_accounts::{AccountsError, Credentials};
use postrider_backup::{AccountInfo, Depth, Repository, RunOptions, RunReport, Scope};
use serde_json::Value;

use super::{RunAnswer, RunWish, Safe, explained, short, teller::tell, with_advice};
use crate::{control::Reporter, storage::Storage};

/// The field of an account's form that holds its secrets: they lie in a file of their own.
const CREDENTIALS: &str = "credentials";

impl Safe {
    /// Makes a backup, and reads it back if that is wished for.
    pub async fn run(&self, storage: &Storage, wish: &RunWish, reporter: &Arc<Reporter>) -> Result<RunAnswer> {
        let _writing = self.writing.lock().await;
        let _running = Running::begin(self);
        let now = storage.store.now();
        self.remember(now, |memory| memory.last_begun = Some(now));
        let made = self.make(storage, wish, reporter).await;
        self.remember(storage.store.now(), |memory| match &made {
            // A part of the accounts is no backup of all.
            Ok(_) if wish.accounts.is_empty() => {
                memory.last_success = Some(now);
                memory.last_failure = None;
            }
            Ok(_) => {}
            Err(error) => memory.last_failure = Some(with_advice(error)),
        });
        let (repository, mut answer) = made?;
        if wish.verify {
            let named = repository.find_snapshot(&answer.snapshot).await.map_err(explained)?;
            let verified = self.prove(&repository, &[named], Depth::Messages, storage, reporter).await?;
            if let Some(first) = verified.findings.first() {
                let failure = format!("the backup was read back and is not right: {first}");
                self.remember(storage.store.now(), |memory| memory.last_failure = Some(failure));
            }
            answer.verified = Some(verified);
        }
        Ok(answer)
    }

    async fn make(
        &self,
        storage: &Storage,
        wish: &RunWish,
        reporter: &Arc<Reporter>,
    ) -> Result<(Repository, RunAnswer)> {
        let repository = self.open().await?;
        let settings = self.settings();
        let credentials = if settings.backup.credentials { Credentials::Included } else { Credentials::Left };
        // First who there is, then their mail: an account that is made in between is in the next backup.
        let accounts = chosen(storage, &wish.accounts, credentials).await?;
        let moment = Arc::new(storage.store.moment().await?);
        let there = moment.accounts().await?;
        let accounts: Vec<AccountInfo> = accounts.into_iter().filter(|account| there.contains(&account.id)).collect();
        let scope = if wish.accounts.is_empty() { Scope::Everything } else { Scope::Some };
        let report = tell(reporter, |observer, cancel| {
            let options = RunOptions { host: settings.host.clone(), scope, cancel, ..RunOptions::default() };
            let repository = &repository;
            async move { repository.run(moment, accounts, options, observer).await }
        })
        .await
        .map_err(explained)?;
        Ok((repository, RunAnswer::from(report)))
    }
}

/// The accounts that are saved, with what is saved of them beside their mail.
async fn chosen(storage: &Storage, wished: &[String], credentials: Credentials) -> Result<Vec<AccountInfo>> {
    let all = storage.accounts.list().await?;
    for address in wished {
        if storage.accounts.find(address).await?.is_none() {
            return Err(AccountsError::UnknownAccount(address.clone()).into());
        }
    }
    let mut chosen = Vec::new();
    for entry in all {
        if !wished.is_empty() && !wished.contains(&entry.address) {
            continue;
        }
        let carried = match storage.accounts.carry(&entry.address, credentials).await {
            // It was removed a moment ago.
            Err(AccountsError::UnknownAccount(_)) => continue,
            other => other?,
        };
        let mut info = serde_json::to_value(&carried).context("an account has no written form")?;
        let fields = info.as_object_mut().ok_or_else(|| anyhow!("an account's written form has no fields"))?;
        let credentials = fields.remove(CREDENTIALS);
        chosen.push(AccountInfo { id: entry.id, address: entry.address, info, credentials });
    }
    Ok(chosen)
}

/// The account's form as it was before its secrets were put elsewhere.
pub(super) fn whole(mut info: Value, credentials: Option<Value>) -> Value {
    if let (Some(fields), Some(credentials)) = (info.as_object_mut(), credentials) {
        fields.insert(CREDENTIALS.to_owned(), credentials);
    }
    info
}

/// Says that a backup is being made, for as long as it lives.
struct Running<'a>(&'a Safe);

impl<'a> Running<'a> {
    fn begin(safe: &'a Safe) -> Self {
        safe.shared().running = true;
        Self(safe)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.shared().running = false;
    }
}

impl From<RunReport> for RunAnswer {
    fn from(report: RunReport) -> Self {
        Self {
            snapshot: short(&report.snapshot),
            accounts: report.accounts,
            mailboxes: report.mailboxes,
            messages: report.messages,
            bytes: report.bytes,
            bodies_read: report.messages_read,
            bytes_read: report.bytes_read,
            bytes_added: report.bytes_added,
            bytes_written: report.bytes_written,
            seconds: report.duration.as_secs_f64(),
            verified: None,
        }
    }
}
