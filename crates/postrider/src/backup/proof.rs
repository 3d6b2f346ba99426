//! What lies in the safe is read back.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use postrider_backup::{Depth, Living, LivingReport, Rehearsal, Repository, SnapshotId, SnapshotInfo, VerifyOptions};
use postrider_engine_lmdb::{LmdbEngine, LmdbOptions};
use postrider_store::{Store, system_now};

use super::{LivingAnswer, Safe, VerifyAnswer, VerifyWish, explained, find, short, teller::tell};
use crate::{
    control::Reporter,
    storage::{Storage, make_private_folder},
};

/// The folder within the data folder that a rehearsal fills and empties.
const STAGE: &str = "rehearsal";

impl Safe {
    /// Proves that a snapshot holds what it says, or that all do.
    pub async fn verify(&self, storage: &Storage, wish: &VerifyWish, reporter: &Arc<Reporter>) -> Result<VerifyAnswer> {
        // Two rehearsals would share a stage.
        let _writing = if wish.rehearse { Some(self.writing.lock().await) } else { None };
        let repository = self.open().await?;
        let snapshots = match wish.all {
            true => repository.snapshots().await.map_err(explained)?,
            false => vec![find(&repository, &wish.when).await?],
        };
        let depth = if wish.all { Depth::Everything } else { Depth::Messages };
        let mut answer = self.prove(&repository, &snapshots, depth, storage, reporter).await?;
        if wish.rehearse {
            for snapshot in &snapshots {
                self.rehearse(&repository, snapshot, storage, reporter, &mut answer).await?;
            }
        }
        Ok(answer)
    }

    /// Reads snapshots back, and remembers the newest that is right.
    pub(super) async fn prove(
        &self,
        repository: &Repository,
        snapshots: &[SnapshotInfo],
        depth: Depth,
        storage: &Storage,
        reporter: &Arc<Reporter>,
    ) -> Result<VerifyAnswer> {
        let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
        let report = tell(reporter, |observer, cancel| {
            let options = VerifyOptions { depth, cancel };
            let ids = &ids;
            async move { repository.verify(ids, options, observer).await }
        })
        .await
        .map_err(explained)?;
        for remark in &report.remarks {
            reporter.note(remark.clone()).await;
        }
        let right = |snapshot: &&SnapshotInfo| report.verified.iter().find(|one| one.snapshot == snapshot.id);
        let whole = snapshots.iter().filter(|snapshot| !snapshot.is_partial);
        if let Some(newest) = whole.filter_map(|snapshot| right(&snapshot)).next_back() {
            self.remember(storage.store.now(), |memory| memory.verified = Some(newest.clone()));
        }
        Ok(VerifyAnswer {
            snapshots: snapshots.iter().map(|snapshot| snapshot.id.short().to_owned()).collect(),
            messages: report.messages,
            messages_read: report.messages_read,
            bytes: report.bytes_read,
            rehearsed_messages: 0,
            living: Vec::new(),
            findings: report.findings.iter().map(ToString::to_string).collect(),
        })
    }

    /// Restores a snapshot into a store that is thrown away afterwards, and compares what is there then with the snapshot and with
    /// the living store.
    async fn rehearse(
        &self,
        repository: &Repository,
        snapshot: &SnapshotInfo,
        storage: &Storage,
        reporter: &Arc<Reporter>,
        answer: &mut VerifyAnswer,
    ) -> Result<()> {
        let stage = Stage::new(&self.settings().data)?;
        let engine =
            LmdbEngine::open(&stage.store, LmdbOptions::default()).context("cannot open a store to rehearse in")?;
        let store = Store::open(engine, storage.store.options().clone(), system_now()).await?;
        let accounts = storage.accounts.list().await?.into_iter().map(|entry| (entry.address, entry.id)).collect();
        let living = Some(Living { store: Arc::clone(&storage.store), accounts });
        let report = tell(reporter, |observer, cancel| {
            let rehearsal = Rehearsal { living, cancel, ..Rehearsal::default() };
            let (repository, id, store) = (&repository, &snapshot.id, Arc::clone(&store));
            async move { repository.rehearse(id, store, rehearsal, observer).await }
        })
        .await
        .map_err(explained)?;
        let problems = report.differences.iter().chain(&report.restored.problems);
        answer.findings.extend(problems.map(|(place, what)| format!("rehearsal: {place}: {what}")));
        answer.rehearsed_messages += report.compared;
        answer.living.push(LivingAnswer::new(short(&snapshot.id), report.living.unwrap_or_default()));
        Ok(())
    }
}

impl LivingAnswer {
    fn new(snapshot: String, report: LivingReport) -> Self {
        let LivingReport { accounts, accounts_gone, messages, came, gone, flags_changed, .. } = report;
        let LivingReport { mailboxes_came, mailboxes_gone, mailboxes_renamed, .. } = report;
        Self {
            snapshot,
            accounts,
            accounts_gone,
            messages,
            came,
            gone,
            flags_changed,
            mailboxes_came,
            mailboxes_gone,
            mailboxes_renamed,
        }
    }
}

/// A folder that goes when it is dropped, with a folder for a store in it.
struct Stage {
    folder: PathBuf,
    store: PathBuf,
}

impl Stage {
    fn new(data: &Path) -> Result<Self> {
        /// A store closes some time after it was let go, and one that is open keeps another from its folder.
        static REHEARSALS: AtomicU64 = AtomicU64::new(1);
        let folder = data.join(STAGE);
        // What a crash left behind.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
            }
            _ => {}
        }
        let store = folder.join(REHEARSALS.fetch_add(1, Ordering::Relaxed).to_string());
        for folder in [&folder, &store] {
            make_private_folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { folder, store })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!("cannot remove {}: {error}", self.folder.display());
        }
    }
}
