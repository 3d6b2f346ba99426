//! The safe, between the command line, the schedule and `postrider-backup`.
//!
//! What a repository looks like is that crate's matter. Here stands what it leaves to others: where it is and with which passphrase,
//! what is saved of accounts beside their mail, and what is remembered from run to run.

mod access;
mod memory;
mod passphrase;
mod proof;
mod restore;
mod run;
mod schedule;
mod teller;
mod thin;
mod vouch;
mod wish;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Error, Result, anyhow};
use postrider_backup::{BackupError, Holdings, Location, Repository, SnapshotId, SnapshotInfo};
use tokio::sync::Notify;

pub use schedule::keep_filling;
pub use vouch::Vouching;
pub use wish::{
    ExtractAnswer, ExtractWish, InitAnswer, Keep, LivingAnswer, MailboxSummary, MessageSummary, PruneAnswer, PruneWish,
    RestoreAnswer, RestoreWish, RunAnswer, RunWish, SafeStatus, ShowAnswer, ShowWish, SnapshotSummary, VerifyAnswer,
    VerifyWish, When,
};

use self::memory::Memory;
use crate::{
    advice::{self, Advise, with_hint},
    config::{Backup, Config},
};

/// The safe as it is configured, and what is remembered of it.
pub struct Safe {
    shared: Mutex<Shared>,
    /// Told when the configuration changes.
    changed: Notify,
    /// Held by work that writes to the repository.
    writing: tokio::sync::Mutex<()>,
    /// What the newest verified snapshot holds, once somebody asked.
    held: tokio::sync::Mutex<Option<Arc<Holdings>>>,
}

struct Shared {
    settings: Arc<Settings>,
    /// Whether a backup is being made.
    running: bool,
}

/// What the configuration says of the safe.
pub struct Settings {
    backup: Backup,
    data: PathBuf,
    passphrase_file: PathBuf,
    host: String,
}

impl Safe {
    /// As configured. Nothing is opened before it is needed.
    pub fn new(config: &Config) -> Arc<Self> {
        let shared = Mutex::new(Shared { settings: Arc::new(Settings::of(config)), running: false });
        Arc::new(Self {
            shared,
            changed: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            held: tokio::sync::Mutex::default(),
        })
    }

    /// Takes a changed configuration.
    pub fn reconfigure(&self, config: &Config) {
        self.shared().settings = Arc::new(Settings::of(config));
        self.changed.notify_waiters();
    }

    /// How it is.
    pub fn status(&self, now: i64) -> SafeStatus {
        let (settings, running) = {
            let shared = self.shared();
            (Arc::clone(&shared.settings), shared.running)
        };
        let Some(repository) = settings.shown() else { return SafeStatus::default() };
        let memory = settings.memory(now);
        SafeStatus {
            repository: Some(repository),
            last_success: memory.last_success,
            last_verified: memory.verified.as_ref().map(|verified| i64::try_from(verified.at).unwrap_or(i64::MAX)),
            late: settings.backup.every().is_some() && memory.is_late(settings.backup.late_after.0, now),
            next: settings.wait(now).map(|wait| now.saturating_add(memory::seconds(wait))),
            last_failure: memory.last_failure,
            running,
        }
    }

    /// Makes the repository, and a passphrase if there is none.
    pub async fn init(&self) -> Result<InitAnswer> {
        let settings = self.settings();
        let location = settings.location()?;
        let made_passphrase = passphrase::make(&settings.passphrase_file)?;
        let repository =
            Repository::init(location, &passphrase::read(&settings.passphrase_file)?).await.map_err(explained)?;
        Ok(InitAnswer {
            repository: repository.location().to_owned(),
            passphrase_file: settings.passphrase_file.clone(),
            made_passphrase,
        })
    }

    /// Every snapshot, the oldest first.
    pub async fn list(&self) -> Result<Vec<SnapshotSummary>> {
        let repository = self.open().await?;
        let snapshots = repository.snapshots().await.map_err(explained)?;
        Ok(snapshots.into_iter().map(SnapshotSummary::from).collect())
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.shared().settings)
    }

    async fn open(&self) -> Result<Repository> {
        let settings = self.settings();
        Repository::open(settings.location()?, &passphrase::read(&settings.passphrase_file)?).await.map_err(explained)
    }

    /// Changes what is remembered. Failing to write it down harms nothing but later answers.
    fn remember(&self, now: i64, change: impl FnOnce(&mut Memory)) {
        // The lock keeps two changes apart.
        let shared = self.shared();
        let mut memory = shared.settings.memory(now);
        change(&mut memory);
        if let Err(error) = memory.write(&shared.settings.data) {
            tracing::error!("cannot write {}: {error}", memory::file(&shared.settings.data).display());
        }
    }

    /// It is whole at every moment.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            backup: config.backup.clone(),
            data: config.data().to_owned(),
            passphrase_file: config.backup_passphrase_file(),
            host: config.hostname(),
        }
    }

    fn location(&self) -> Result<Location> {
        let Some(repository) = &self.backup.repository else {
            let none = Err(anyhow!("no place for backups is configured"));
            return none.advise("write repository = \"/a/folder/on/another/disk\" below [backup] in the configuration");
        };
        let location = Location::parse(repository).map_err(explained)?;
        match location.as_folder() {
            Some(_) => Ok(location),
            None => Ok(location.with_variables(access::variables(self.backup.access_file.as_deref())?)),
        }
    }

    /// The repository as it may be told to anybody.
    fn shown(&self) -> Option<String> {
        self.backup.repository.as_deref().map(Location::shown)
    }

    fn memory(&self, now: i64) -> Memory {
        Memory::read(&self.data, &self.shown().unwrap_or_default(), now)
    }
}

/// The snapshot that is meant.
async fn find(repository: &Repository, when: &When) -> Result<SnapshotInfo> {
    match when {
        When::Latest => repository.find_snapshot("latest").await.map_err(explained),
        When::Named(name) => repository.find_snapshot(name).await.map_err(explained),
        When::AsOf(moment) => {
            let all = repository.snapshots().await.map_err(explained)?;
            let found = all.into_iter().rfind(|snapshot| !snapshot.is_partial && snapshot.taken <= *moment);
            found.ok_or_else(|| anyhow!("there is no backup as old as that")).advise("postrider backup list shows all")
        }
    }
}

fn short(snapshot: &SnapshotId) -> String {
    snapshot.short().to_owned()
}

impl From<SnapshotInfo> for SnapshotSummary {
    fn from(info: SnapshotInfo) -> Self {
        Self {
            snapshot: short(&info.id),
            taken: info.taken,
            host: info.host,
            holds: info.description,
            partial: info.is_partial,
            bytes_added: info.bytes_added,
        }
    }
}

/// An error in one line for the log and for `backup status`, which have no place for a hint of its own.
fn with_advice(error: &Error) -> String {
    let line = advice::one_line(error);
    match advice::hint(error) {
        Some(hint) => format!("{line}: {hint}"),
        None => line,
    }
}

/// An error with what to do about it, where its own words do not say so.
fn explained(error: BackupError) -> Error {
    let hint = match &error {
        BackupError::NoRepository { .. } => "run `postrider backup init`",
        BackupError::WrongPassphrase { .. } => {
            "it is in the file that backup.passphrase_file names; put back the copy that you kept"
        }
        _ => return error.into(),
    };
    with_hint(error.into(), hint)
}
