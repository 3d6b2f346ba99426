//! What is asked of the safe over the control socket, and what it answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A repository that was made: `POST /v1/backup/init`.
#[derive(Debug, Serialize, Deserialize)]
pub struct InitAnswer {
    /// Where the repository is.
    pub repository: String,
    /// The file with the passphrase.
    pub passphrase_file: PathBuf,
    /// Whether the passphrase was made up too.
    pub made_passphrase: bool,
}

/// A backup to be made: `POST /v1/backup/run`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunWish {
    /// The addresses of the accounts that are saved; none: all.
    pub accounts: Vec<String>,
    /// Whether it is read back and compared afterwards.
    pub verify: bool,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunAnswer {
    /// The snapshot's name.
    pub snapshot: String,
    /// Accounts in it.
    pub accounts: u64,
    /// Mailboxes in it.
    pub mailboxes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Messages that had to be read, because the backup before does not have them.
    pub bodies_read: u64,
    /// The sizes of those together.
    pub bytes_read: u64,
    /// What the repository did not have, before compression.
    pub bytes_added: u64,
    /// What was written to the repository.
    pub bytes_written: u64,
    /// How long it took.
    pub seconds: f64,
    /// What reading it back found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifyAnswer>,
}

/// `GET /v1/backup/snapshots`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotSummary {
    /// Its name.
    pub snapshot: String,
    /// The moment it shows, seconds since 1970 (UTC).
    pub taken: i64,
    /// The machine that made it.
    pub host: String,
    /// What it holds, in words.
    pub holds: String,
    /// Whether it holds some accounts only.
    pub partial: bool,
    /// What it added to the repository, before compression.
    pub bytes_added: u64,
}

/// What a snapshot holds: `POST /v1/backup/show`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowWish {
    /// Which snapshot.
    #[serde(default)]
    pub when: When,
    /// Of which account; none: all, without their mailboxes.
    #[serde(default)]
    pub account: Option<String>,
    /// Of which mailbox; none: all, without their messages.
    #[serde(default)]
    pub mailbox: Option<String>,
}

/// Which snapshot is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The newest that holds all accounts.
    #[default]
    Latest,
    /// The one whose name begins so.
    Named(String),
    /// The newest that is not younger than this, in seconds since 1970 (UTC).
    AsOf(i64),
}

/// What a snapshot holds, as deep as was asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShowAnswer {
    /// The snapshot.
    pub snapshot: SnapshotSummary,
    /// The accounts in it, or the one that was asked for.
    pub accounts: Vec<String>,
    /// The mailboxes of that account, or the one that was asked for.
    pub mailboxes: Vec<MailboxSummary>,
    /// The messages of that mailbox.
    pub messages: Vec<MessageSummary>,
}

/// A mailbox in a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailboxSummary {
    /// Its name.
    pub name: String,
    /// How many messages it has.
    pub messages: u32,
    /// Their sizes together.
    pub bytes: u64,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// Where it lies in the snapshot, for `extract` and for restic.
    pub path: String,
}

/// A message in a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageSummary {
    /// Its UID.
    pub uid: u32,
    /// Its size.
    pub size: u32,
    /// When it was received, seconds since 1970 (UTC).
    pub received: i64,
    /// Its flags and keywords.
    pub flags: Vec<String>,
    /// The hash of its bytes.
    pub blake3: String,
}

/// A proof to be made: `POST /v1/backup/verify`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyWish {
    /// Which snapshot.
    pub when: When,
    /// Whether every snapshot is read, and not only that one.
    pub all: bool,
    /// Whether it is also restored into a store of its own and compared there.
    pub rehearse: bool,
}

/// What a proof found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VerifyAnswer {
    /// The snapshots that were read.
    pub snapshots: Vec<String>,
    /// Messages in them, each counted in each.
    pub messages: u64,
    /// Messages that were read back and compared; a content that several share is read once.
    pub messages_read: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were restored into a store of their own and compared there.
    pub rehearsed_messages: u64,
    /// What was held against the living store: one for each snapshot that was restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub living: Vec<LivingAnswer>,
    /// One line for each fault.
    pub findings: Vec<String>,
}

/// A snapshot that was restored elsewhere, held against the living store, and what has changed there since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivingAnswer {
    /// The snapshot.
    pub snapshot: String,
    /// Accounts that were held against each other; none: there is no living store of these accounts.
    pub accounts: u64,
    /// Accounts that are there no more.
    pub accounts_gone: Vec<String>,
    /// Messages that lived then and live still, and were held against each other.
    pub messages: u64,
    /// Messages that came since.
    pub came: u64,
    /// Messages that are gone since.
    pub gone: u64,
    /// Messages whose flags changed since.
    pub flags_changed: u64,
    /// Mailboxes that were made since.
    pub mailboxes_came: u64,
    /// Mailboxes that are gone since.
    pub mailboxes_gone: u64,
    /// Mailboxes that have another name since.
    pub mailboxes_renamed: u64,
}

/// Mail to be brought back: `POST /v1/backup/restore`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestoreWish {
    /// From which snapshot.
    pub when: When,
    /// Whose mail; none: all accounts'.
    pub account: Option<String>,
    /// Of which mailbox; none: all.
    pub mailbox: Option<String>,
    /// Which messages of it, by their UIDs then; none: all.
    pub uids: Vec<u32>,
    /// Into which account; none: into its own.
    pub into: Option<String>,
    /// Below which mailbox; none: into the old places.
    pub below: Option<String>,
    /// Whether it is only to be said what would be done.
    pub dry_run: bool,
}

/// What was brought back.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RestoreAnswer {
    /// The snapshot it came from.
    pub snapshot: String,
    /// Accounts that were looked at.
    pub accounts: u64,
    /// Accounts that were made again.
    pub accounts_made: Vec<String>,
    /// Those of them that need a new password, because the backup holds none.
    pub without_password: Vec<String>,
    /// Mailboxes that were made again.
    pub mailboxes_made: u64,
    /// Of those, mailboxes that could not keep their UIDVALIDITY: mail programs fetch them anew.
    pub mailboxes_renumbered: u64,
    /// Messages that were brought back.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were there already.
    pub already_there: u64,
    /// What could not be brought back, and why, a line for each.
    pub problems: Vec<String>,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// Files to be written: `POST /v1/backup/extract`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractWish {
    /// From which snapshot.
    #[serde(default)]
    pub when: When,
    /// What, as in `ADDRESS/Mailbox`; empty: all.
    pub path: String,
    /// The folder they are written to.
    pub to: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExtractAnswer {
    /// The snapshot it came from.
    pub snapshot: String,
    /// Files of messages.
    pub messages: u64,
    /// All files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Old backups to be removed: `POST /v1/backup/prune`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneWish {
    /// What is kept; none: what the configuration says.
    pub keep: Option<Keep>,
    /// Whether it is only to be said what would be done.
    pub dry_run: bool,
}

/// Which backups are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// The newest.
    pub last: u32,
    /// The last of so many days.
    pub daily: u32,
    /// The last of so many weeks.
    pub weekly: u32,
    /// The last of so many months.
    pub monthly: u32,
    /// The last of so many years.
    pub yearly: u32,
}

/// What was removed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PruneAnswer {
    /// Snapshots that are kept.
    pub kept: Vec<String>,
    /// Of those, the one that no rule keeps and that stays because it is the newest that was read back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// Snapshots that are removed.
    pub removed: Vec<String>,
    /// Space that was won back: that of files which an earlier pruning marked.
    pub bytes_freed: u64,
    /// Space of files that were marked now: a later pruning wins it back, so that nobody who reads meanwhile loses anything.
    pub bytes_marked: u64,
    /// What the snapshots that are kept need.
    pub bytes_used: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// How the safe is: in `GET /v1/backup/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafeStatus {
    /// Where backups go, if anywhere.
    pub repository: Option<String>,
    /// When the newest was made, seconds since 1970 (UTC).
    pub last_success: Option<i64>,
    /// When one was last read back and found right.
    pub last_verified: Option<i64>,
    /// Why the newest attempt failed, if it did.
    pub last_failure: Option<String>,
    /// Whether there should have been one by now.
    pub late: bool,
    /// Whether one is being made.
    pub running: bool,
    /// When the next one is due.
    pub next: Option<i64>,
}
