//! Whether mail lies in the safe, for those who remove it elsewhere.

use std::{collections::HashSet, fmt, sync::Arc};

use postrider_backup::{Holdings, Verified};
use postrider_pull::{BackupUnknown, Backups, Held};
use postrider_store::{AccountId, BlobHash};

use super::{Safe, explained};
use crate::{advice::one_line, storage::Storage};

/// Vouches with the newest backup that was read back and found right.
#[derive(Clone)]
pub struct Vouching {
    safe: Arc<Safe>,
    storage: Storage,
}

impl Vouching {
    pub fn new(safe: &Arc<Safe>, storage: &Storage) -> Self {
        Self { safe: Arc::clone(safe), storage: storage.clone() }
    }

    async fn held_of(&self, account: AccountId, contents: &[BlobHash]) -> Result<HashSet<BlobHash>, BackupUnknown> {
        let unknown = |reason: &str| BackupUnknown(reason.to_owned());
        let settings = self.safe.settings();
        if settings.backup.repository.is_none() {
            return Err(unknown("no backup is configured"));
        }
        let memory = settings.memory(self.storage.store.now());
        let verified = memory.verified.ok_or_else(|| {
            unknown("no backup was read back yet: `postrider backup run --verify` does it, or the schedule in its time")
        })?;
        let holdings = self.safe.holdings(&verified).await.map_err(|error| unknown(&one_line(&error)))?;
        let entry = self.storage.accounts.get(account).await.map_err(|error| unknown(&error.to_string()))?;
        let address = entry.ok_or_else(|| unknown("the account is gone"))?.address;
        Ok(contents.iter().filter(|content| holdings.holds(&address, content)).copied().collect())
    }
}

impl Backups for Vouching {
    fn held<'a>(&'a self, account: AccountId, contents: &'a [BlobHash]) -> Held<'a> {
        Box::pin(self.held_of(account, contents))
    }
}

impl fmt::Debug for Vouching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vouching")
    }
}

impl Safe {
    /// What a verified snapshot holds: read once, and kept until another one is asked for. That the snapshot is still there
    /// is looked at each time.
    async fn holdings(&self, verified: &Verified) -> anyhow::Result<Arc<Holdings>> {
        let repository = self.open().await?;
        repository.find_snapshot(&verified.snapshot.0).await.map_err(explained)?;
        let mut kept = self.held.lock().await;
        if let Some(holdings) = kept.as_ref().filter(|holdings| holdings.verified() == verified) {
            return Ok(Arc::clone(holdings));
        }
        let holdings = Arc::new(repository.holdings(verified).await.map_err(explained)?);
        *kept = Some(Arc::clone(&holdings));
        Ok(holdings)
    }
}
