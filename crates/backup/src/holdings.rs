//! What a verified snapshot holds.
//!
//! Who removes mail elsewhere must know that a backup has it: not that it was written, but that it was read back. A
//! [`Verified`] says so of a snapshot; it is small and can be kept. What the snapshot holds is read from its lists when it is
//! asked for, so there is no second index that could say something else, and a snapshot that was pruned vouches for nothing.

use std::{collections::BTreeMap, sync::Arc};

use postrider_store::BlobHash;
use serde::{Deserialize, Serialize};

use crate::{
    blocking::blocking, error::BackupError, reader::Reader, repository::Repository, snapshots::SnapshotId,
    verify::Depth,
};

/// That a snapshot was verified and found as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The repository's own name, whatever its location.
    pub repository: String,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When, seconds since 1970 (UTC).
    pub at: u64,
    /// How much was read.
    pub depth: Depth,
}

/// The contents that a verified snapshot holds, by account: 32 bytes of memory for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    verified: Verified,
    accounts: BTreeMap<String, Vec<[u8; 32]>>,
}

impl Holdings {
    /// Whether the snapshot holds a message of these bytes in the account with this address.
    pub fn holds(&self, address: &str, content: &BlobHash) -> bool {
        self.accounts.get(address).is_some_and(|hashes| hashes.binary_search(&content.0).is_ok())
    }

    /// The snapshot, and when it was verified.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// How many different contents there are in all accounts.
    pub fn len(&self) -> usize {
        self.accounts.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Repository {
    /// What a verified snapshot holds.
    ///
    /// # Errors
    /// [`BackupError::NoSnapshot`] if the snapshot is gone, or of another repository, or was not verified at
    /// [`Depth::Messages`] at least.
    pub async fn holdings(&self, verified: &Verified) -> Result<Holdings, BackupError> {
        let (inner, verified) = (Arc::clone(&self.inner), verified.clone());
        blocking(move |_| {
            let reader = Reader::open(&inner, &verified.snapshot)?;
            let is_here = reader.library.config().id.to_string() == verified.repository;
            if !is_here || verified.depth < Depth::Messages {
                return Err(BackupError::NoSnapshot { wished: verified.snapshot.to_string() });
            }
            let mut accounts = BTreeMap::new();
            for account in reader.accounts()? {
                let mut hashes = Vec::new();
                reader.walk(&account, &mut |mailbox| {
                    for range in &mailbox?.ranges {
                        hashes.extend(reader.range(range)?.lines.iter().map(|line| line.blake3.0));
                    }
                    Ok(())
                })?;
                hashes.sort_unstable();
                hashes.dedup();
                accounts.insert(account.file.address.clone(), hashes);
            }
            Ok(Holdings { verified, accounts })
        })
        .await
    }
}
