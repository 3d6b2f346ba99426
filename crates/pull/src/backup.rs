//! The question that is asked before mail is removed on another server: does a backup hold it?
//!
//! It is about contents, by their hashes, as these are what a backup and the notes of a run have in common. The notes of each
//! message that was fetched hold its hash, so what had to stay in one run is asked for again in every later one, and goes when the
//! answer has become yes. Who makes backups, and where, is not known here.

use std::{collections::HashSet, fmt, pin::Pin};

use postrider_store::{AccountId, BlobHash};

/// Those of the contents that are held, or why that cannot be told.
pub type Held<'a> = Pin<Box<dyn Future<Output = Result<HashSet<BlobHash>, BackupUnknown>> + Send + 'a>>;

/// Knows what lies in backups.
pub trait Backups: fmt::Debug + Send + Sync {
    /// Which of these contents of an account a backup holds that was verified since: read back, and found right. A backup that
    /// was only written does not count. Nothing is changed by asking, so it may be asked again at any time.
    fn held<'a>(&'a self, account: AccountId, contents: &'a [BlobHash]) -> Held<'a>;
}

/// Why nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackupUnknown(pub String);
