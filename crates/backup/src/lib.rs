//! The safe: incremental, verified backups of a store.
//!
//! A backup is a snapshot in a repository of restic's format, written through `rustic_core`: encrypted, compressed, what was
//! there before never written again, and readable with the stock `restic` program alone should this one be lost. A format of
//! our own was refused for that reason: a safe whose key is one program is no safe. What lies in a snapshot is a plain tree of
//! `.eml` files with a few JSON files between them ([`layout`], [`manifest`]; for people: `docs/backup-format.md`).
//!
//! *Nothing is staged.* A run reads a [`postrider_store::Moment`], one consistent view of the whole store, and hands files
//! to the repository as they are asked for. What the snapshot before holds already is not read: names never change and a
//! file's times tell whether its content did ([`layout::Stamp`]).
//!
//! *A snapshot is there only if it is whole.* The library underneath passes over files that it cannot read, with a warning. So every write
//! goes through a gate ([`Repository`] puts it before the storage) that refuses the snapshot's own file, the last one that is
//! written, if anything failed before.
//!
//! *A backup that was never read back is a hope.* [`Repository::verify`] reads every message again and holds it against its
//! BLAKE3 hash; [`Repository::rehearse`] restores into a throw-away store and compares; [`Repository::holdings`] tells
//! what a verified snapshot holds, for those who remove mail elsewhere.
//!
//! The crate does not know where accounts are kept: what is to be saved of them beside mail is handed in as JSON and handed
//! back. It knows no schedule and no configuration, and it does not keep the passphrase.

mod blocking;
mod error;
mod extract;
mod gate;
mod holdings;
pub mod layout;
mod leftovers;
mod location;
pub mod manifest;
mod observer;
mod prune;
mod reader;
mod rehearse;
mod repository;
mod restore;
mod run;
mod snapshots;
mod source;
mod unfinished;
mod verify;

#[cfg(test)]
mod tests;

pub use error::{BackupError, Place};
pub use extract::Extracted;
pub use holdings::{Holdings, Verified};
pub use location::{Location, Passphrase};
pub use observer::{Cancel, Observer, Phase, Progress, Silent};
pub use prune::{KeepRules, PROTECTED, PruneOptions, PruneReport, Work};
pub use rehearse::{Living, LivingReport, Rehearsal, RehearsalReport};
pub use repository::Repository;
pub use restore::{
    AccountRestore, MailboxIds, NoteTranslation, RestoreOptions, RestorePlace, RestoreReport, RestoreSelection,
};
pub use run::{AccountInfo, RunOptions, RunReport, Scope};
pub use snapshots::{SavedAccount, SavedMailbox, SnapshotId, SnapshotInfo};
pub use verify::{Depth, Finding, VerifyOptions, VerifyReport};
