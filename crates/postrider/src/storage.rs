//! Accounts and their mail over one engine, opened together.
//!
//! An account has two halves: its address and password are kept by `accounts`, its mail by `store`. They are made and
//! removed here, in an order in which a crash between the two leaves nothing that somebody could fall into: mail
//! without an account is unreachable and found by `check`, an account without mail is given its mailboxes at the next start.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use postrider_accounts::{Accounts, Password};
use postrider_engine::{Engine, EngineError};
use postrider_engine_lmdb::LmdbEngine;
use postrider_store::{AccountId, Store, StoreError, system_now};
use serde::{Deserialize, Serialize};

use crate::{
    advice::Advise,
    config::Config,
    control::{Progress, Reporter},
};

/// Everything that is kept.
#[derive(Clone)]
pub struct Storage {
    /// The database.
    pub engine: Arc<dyn Engine>,
    /// The mail.
    pub store: Arc<Store>,
    /// Who it belongs to.
    pub accounts: Arc<Accounts>,
}

/// What a check looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Accounts looked at.
    pub accounts: u64,
    /// Messages looked at.
    pub messages: u64,
    /// Bytes of message content that were read and hashed.
    pub bytes: u64,
    /// Messages whose derived answers were made anew.
    pub rebuilt_messages: u64,
    /// Mailboxes whose counters were made anew.
    pub rebuilt_mailboxes: u64,
    /// One line for each fault that is there.
    pub findings: Vec<String>,
}

impl Storage {
    /// Whether the data folder holds anything to open.
    pub fn exists(config: &Config) -> bool {
        store_folder(config).exists()
    }

    /// Opens what lies in the data folder; makes it if there is nothing yet.
    pub async fn open(config: &Config) -> Result<Self> {
        make_private_folder(config.data())
            .with_context(|| format!("cannot make the data folder {}", config.data().display()))
            .advise("give another one with --data or in the configuration, or make it and give it to this user")?;
        let folder = store_folder(config);
        let opened = LmdbEngine::open(&folder, config.store.engine());
        let engine: Arc<dyn Engine> = opened.with_context(|| format!("cannot open {}", folder.display()))?;
        let store = Store::open(Arc::clone(&engine), config.store.options(&config.message), system_now()).await?;
        let accounts = Accounts::open(Arc::clone(&engine), config.login.options()).await?;
        let storage = Self { engine, store, accounts };
        storage.complete_accounts().await?;
        Ok(storage)
    }

    /// Gives mailboxes to accounts whose making was interrupted.
    async fn complete_accounts(&self) -> Result<()> {
        let with_mail: BTreeSet<AccountId> = self.store.accounts().await?.into_iter().collect();
        for account in self.accounts.list().await? {
            let id = account.id;
            if !with_mail.contains(&id) {
                tracing::warn!(account = account.address, "had no mailboxes, and was given them");
                self.store.create_account(id).await?;
            }
        }
        Ok(())
    }

    /// Adds an account with its mailboxes.
    pub async fn add_account(&self, address: &str, password: &Password) -> Result<AccountId> {
        let id = self.accounts.add(address, password).await?;
        self.store.create_account(id).await?;
        Ok(id)
    }

    /// Removes an account and all its mail, for good.
    pub async fn remove_account(&self, address: &str) -> Result<()> {
        let id = self.accounts.remove(address).await?;
        match self.store.delete_account(id).await {
            Ok(()) | Err(StoreError::NoAccount(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads everything and holds it against everything else; makes what is derived anew first, if asked to.
    pub async fn check(&self, rebuild: Rebuild, reporter: &Reporter) -> Result<CheckReport> {
        let tell = |doing: &str, messages| {
            reporter.progress(|| Progress { doing: doing.to_owned(), messages, ..Progress::default() });
        };
        let mut report = CheckReport::default();
        if rebuild == Rebuild::Derived {
            let rebuilt = self.store.rebuild(|messages| tell("making derived answers anew", messages)).await?;
            (report.rebuilt_messages, report.rebuilt_mailboxes) = (rebuilt.messages, rebuilt.mailboxes);
        }
        tell("reading the database", 0);
        report.findings = self.engine.verify().await?;
        let verified = self.store.verify(|messages| tell("reading messages", messages)).await?;
        (report.accounts, report.messages, report.bytes) = (verified.accounts, verified.messages, verified.bytes);
        report.findings.extend(verified.findings);
        let known: BTreeSet<u32> = self.accounts.list().await?.iter().map(|account| account.id.0).collect();
        for id in self.store.accounts().await?.into_iter().filter(|id| !known.contains(&id.0)) {
            report.findings.push(format!("account {id}: has mail, but no address leads to it"));
        }
        Ok(report)
    }
}

/// Whether a check also mends what can be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// Only look.
    Nothing,
    /// Derived answers and counters are made anew.
    Derived,
}

/// Where the engine's files are.
fn store_folder(config: &Config) -> PathBuf {
    config.data().join("store")
}

/// Whether the engine is open in another process.
pub fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<EngineError>(), Some(EngineError::InUse(_)))
}

/// Makes a folder that only its owner can look into; one that exists stays as it is.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
