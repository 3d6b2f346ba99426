//! Which snapshots there are, and what is in one.

use std::{fmt, sync::Arc};

use postrider_store::UidSet;
use rustic_core::{
    Id, Open, Repository as Library,
    repofile::{SnapshotFile, SnapshotId as LibraryId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    blocking::blocking,
    error::BackupError,
    manifest::{MailboxFile, MessageLine},
    reader::Reader,
    repository::{Inner, Repository},
};

/// The label of snapshots that this program makes; those of others in the same repository are left alone.
pub(crate) const LABEL: &str = "postrider";

/// The tag of snapshots that hold some accounts only.
pub(crate) const PARTIAL_TAG: &str = "partial";

/// A snapshot's name: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotId(pub String);

impl SnapshotId {
    pub(crate) fn of(snapshot: &SnapshotFile) -> Self {
        Self(snapshot.id.to_hex().as_str().to_owned())
    }

    /// The first eight digits, as restic shows them.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotInfo {
    /// Its name.
    pub id: SnapshotId,
    /// When the store was so, seconds since 1970 (UTC).
    pub taken: i64,
    /// The machine's name.
    pub host: String,
    /// How many accounts and messages, in words.
    pub description: String,
    /// Words that it is marked with.
    pub tags: Vec<String>,
    /// Whether it holds some accounts only.
    pub is_partial: bool,
    /// What it added to the repository, in bytes before compression.
    pub bytes_added: u64,
    /// The program that wrote it.
    pub program: String,
}

impl SnapshotInfo {
    pub(crate) fn of(snapshot: &SnapshotFile) -> Self {
        Self {
            id: SnapshotId::of(snapshot),
            taken: snapshot.time.timestamp().as_second(),
            host: snapshot.hostname.clone(),
            description: snapshot.description.clone().unwrap_or_default(),
            tags: snapshot.tags.iter().filter(|tag| *tag != PARTIAL_TAG).cloned().collect(),
            is_partial: snapshot.tags.contains(PARTIAL_TAG),
            bytes_added: snapshot.summary.as_ref().map_or(0, |summary| summary.data_added),
            program: snapshot.program_version.clone(),
        }
    }
}

/// An account as a snapshot has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAccount {
    /// Its address.
    pub address: String,
    /// What the caller saved of it.
    pub info: Value,
    /// Password hashes and the like, if they were saved.
    pub credentials: Option<Value>,
    /// Subscribed names.
    pub subscriptions: Vec<String>,
}

/// A mailbox as a snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedMailbox {
    /// What is known of it without its messages.
    pub file: MailboxFile,
    /// Where it is in the snapshot, for `restic restore`.
    pub path: String,
}

/// A snapshot's file that cannot be read.
pub(crate) type Unreadable = (Id, BackupError);

/// All snapshots that can be read, whoever made them, and those that cannot: one that is damaged must not hide the others.
pub(crate) fn read_all<S: Open>(
    inner: &Inner,
    library: &Library<S>,
) -> Result<(Vec<SnapshotFile>, Vec<Unreadable>), BackupError> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for id in inner.checked(library.list::<LibraryId>())? {
        match inner.checked(library.get_file::<SnapshotFile>(&id)) {
            Ok(snapshot) => found.push(SnapshotFile { id, ..snapshot }),
            Err(error) => {
                tracing::warn!(snapshot = %id, %error, "a snapshot of the backup cannot be read");
                unreadable.push((*id, error));
            }
        }
    }
    Ok((found, unreadable))
}

/// Snapshots of this program, the oldest first.
pub(crate) fn ours(all: Vec<SnapshotFile>) -> Vec<SnapshotFile> {
    let mut ours: Vec<SnapshotFile> = all.into_iter().filter(|snapshot| snapshot.label == LABEL).collect();
    ours.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.id.cmp(&b.id)));
    ours
}

/// The snapshot that `wished` means: `latest` (the latest whole one), or the beginning of a name.
pub(crate) fn find(all: Vec<SnapshotFile>, wished: &str) -> Result<SnapshotFile, BackupError> {
    let none = || BackupError::NoSnapshot { wished: wished.to_owned() };
    let mut ours = ours(all);
    if wished == "latest" {
        let whole = ours.iter().rposition(|snapshot| !snapshot.tags.contains(PARTIAL_TAG));
        return whole.map(|at| ours.swap_remove(at)).ok_or_else(none);
    }
    let mut matching = ours.into_iter().filter(|snapshot| SnapshotId::of(snapshot).0.starts_with(wished));
    match (matching.next(), matching.next()) {
        (Some(found), None) if !wished.is_empty() => Ok(found),
        _ => Err(none()),
    }
}

impl Repository {
    /// The snapshots, the oldest first.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotInfo>, BackupError> {
        let inner = Arc::clone(&self.inner);
        blocking(move |_| {
            let library = inner.open(&Arc::default())?;
            let (all, _) = read_all(&inner, &library)?;
            Ok(ours(all).iter().map(SnapshotInfo::of).collect())
        })
        .await
    }

    /// The snapshot that `wished` means: `latest` (the latest that holds all accounts), or the beginning of a name.
    ///
    /// # Errors
    /// [`BackupError::NoSnapshot`] if there is none, or more than one.
    pub async fn find_snapshot(&self, wished: &str) -> Result<SnapshotInfo, BackupError> {
        let (inner, wished) = (Arc::clone(&self.inner), wished.to_owned());
        blocking(move |_| {
            let library = inner.open(&Arc::default())?;
            let (all, _) = read_all(&inner, &library)?;
            Ok(SnapshotInfo::of(&find(all, &wished)?))
        })
        .await
    }

    /// The accounts in a snapshot.
    pub async fn saved_accounts(&self, snapshot: &SnapshotId) -> Result<Vec<SavedAccount>, BackupError> {
        let (inner, snapshot) = (Arc::clone(&self.inner), snapshot.clone());
        blocking(move |_| {
            let reader = Reader::open(&inner, &snapshot)?;
            reader.accounts()?.iter().map(|account| reader.saved_account(account)).collect()
        })
        .await
    }

    /// The mailboxes of an account in a snapshot.
    pub async fn saved_mailboxes(
        &self,
        snapshot: &SnapshotId,
        address: &str,
    ) -> Result<Vec<SavedMailbox>, BackupError> {
        let (inner, snapshot, address) = (Arc::clone(&self.inner), snapshot.clone(), address.to_owned());
        blocking(move |_| {
            let reader = Reader::open(&inner, &snapshot)?;
            let account = reader.account(&address)?;
            let mailboxes = reader.mailboxes(&account)?;
            Ok(mailboxes.into_iter().map(|mailbox| SavedMailbox { file: mailbox.file, path: mailbox.path }).collect())
        })
        .await
    }

    /// The messages of a mailbox in a snapshot: those of `uids`, or all.
    pub async fn saved_messages(
        &self,
        snapshot: &SnapshotId,
        address: &str,
        mailbox: &str,
        uids: Option<UidSet>,
    ) -> Result<Vec<MessageLine>, BackupError> {
        let (inner, snapshot) = (Arc::clone(&self.inner), snapshot.clone());
        let (address, mailbox) = (address.to_owned(), mailbox.to_owned());
        blocking(move |_| {
            let reader = Reader::open(&inner, &snapshot)?;
            let mailbox = reader.mailbox(&reader.account(&address)?, &mailbox)?;
            let mut found = Vec::new();
            for range in &mailbox.ranges {
                if uids.as_ref().is_none_or(|uids| range.may_hold(uids)) {
                    let lines = reader.range(range)?.lines.into_iter();
                    found.extend(lines.filter(|line| uids.as_ref().is_none_or(|uids| uids.contains(line.uid()))));
                }
            }
            Ok(found)
        })
        .await
    }
}
