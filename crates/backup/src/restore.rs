//! Mail out of a snapshot and into a store, while that is in use.
//!
//! A restore adds and never takes away: what is in a mailbox stays, with its flags, and messages that are there are not
//! added again. So it can be broken off and run again, and it can be run on an account that lost only something.
//!
//! *Same place.* A mailbox that is gone is made anew with its UIDVALIDITY, and its messages get their UIDs, so that mail programs
//! go on with what they have. They may have seen more than the backup knows of: what came after it. So counters begin a margin later
//! ([`RestoreOptions::uid_margin`], [`RestoreOptions::modseq_margin`]): a UID or mod-sequence that was given out after the backup comes
//! again only if there were more of them than that. In a mailbox that is there, missing messages get new UIDs.
//!
//! *Elsewhere*, in another account or below a folder, mailboxes are new ones, and so are UIDs.

mod account;
mod mailbox;

use std::{collections::BTreeMap, fmt, sync::Arc};

use postrider_store::{AccountId, MailboxId, SEPARATOR, Store, UidSet, UidValidity};
use tokio::runtime::Handle;

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    observer::{Cancel, Observer, Phase, Progress},
    prune::Work,
    reader::Reader,
    repository::Repository,
    snapshots::SnapshotId,
};

/// What of an account is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreSelection {
    /// All mailboxes, subscriptions and notes.
    Account,
    /// Mailboxes of these names, and those below them.
    Mailboxes(Vec<String>),
    /// Messages of one mailbox.
    Messages {
        /// Its name.
        mailbox: String,
        /// Which.
        uids: UidSet,
    },
}

impl RestoreSelection {
    /// Whether a mailbox of this name, or messages in it, are restored.
    pub fn takes(&self, name: &str) -> bool {
        let is_at_or_below = |wanted: &String| {
            name.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
        };
        match self {
            Self::Account => true,
            Self::Mailboxes(names) => names.iter().any(is_at_or_below),
            Self::Messages { mailbox, .. } => mailbox == name,
        }
    }
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestorePlace {
    /// Where it was: the account is the one that was saved, or takes its place.
    Same,
    /// Into another account, under the same names.
    OtherAccount,
    /// Below a folder of this name.
    Below(String),
}

/// An account to be restored. It must be in the store already: who knows where accounts are kept makes it, of what
/// [`Repository::saved_accounts`] gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRestore {
    /// The address under which it was saved.
    pub address: String,
    /// The account in the store that it goes into.
    pub into: AccountId,
    /// What of it.
    pub selection: RestoreSelection,
    /// Where to.
    pub place: RestorePlace,
}

/// Which mailbox became which, for those who note mailboxes' numbers.
#[derive(Debug, Clone, Default)]
pub struct MailboxIds(BTreeMap<MailboxId, (MailboxId, UidValidity)>);

impl MailboxIds {
    /// The mailbox that took the place of one that was saved, and its UIDVALIDITY.
    pub fn get(&self, saved: MailboxId) -> Option<(MailboxId, UidValidity)> {
        self.0.get(&saved).copied()
    }
}

/// Changes notes that speak of mailboxes' numbers. Gets a note's name, its value and the mailboxes, and gives the value
/// to be written; nothing if the note is not to come back.
pub type NoteTranslation = Arc<dyn Fn(&[u8], &[u8], &MailboxIds) -> Option<Vec<u8>> + Send + Sync>;

/// How a restore is done.
#[derive(Clone)]
pub struct RestoreOptions {
    /// Whether it is done.
    pub work: Work,
    /// How many UIDs are left out after the last one that the backup knows, in mailboxes that keep their UIDVALIDITY.
    pub uid_margin: u32,
    /// How many mod-sequences, numbers of emails and of mailboxes are left out in an account that is restored as a whole.
    pub modseq_margin: u64,
    /// How many bytes of messages are handed to the store at once; a larger message goes alone.
    pub batch_bytes_max: usize,
    /// How many messages are handed to the store at once.
    pub batch_messages_max: usize,
    /// What happens to notes; without it they come back as they were.
    pub notes: Option<NoteTranslation>,
    /// Stops it.
    pub cancel: Cancel,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            work: Work::Do,
            uid_margin: 10_000,
            modseq_margin: 1_000_000,
            batch_bytes_max: 8 * 1024 * 1024,
            batch_messages_max: 500,
            notes: None,
            cancel: Cancel::default(),
        }
    }
}

impl fmt::Debug for RestoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RestoreOptions");
        fields.field("work", &self.work).field("uid_margin", &self.uid_margin);
        fields.field("modseq_margin", &self.modseq_margin).finish_non_exhaustive()
    }
}

/// What was restored, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreReport {
    /// Accounts that were gone through.
    pub accounts: u64,
    /// Mailboxes that were made.
    pub mailboxes_made: u64,
    /// Mailboxes that were made and kept their UIDVALIDITY.
    pub uid_validities_kept: u64,
    /// Messages that were added.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that kept their UID.
    pub uids_kept: u64,
    /// Messages that were there already.
    pub messages_there: u64,
    /// Notes that came back.
    pub notes: u64,
    /// What could not be restored, each with the reason. The rest was.
    pub problems: Vec<(Place, String)>,
}

impl Repository {
    /// Restores accounts from a snapshot.
    ///
    /// # Errors
    /// [`BackupError::NoSnapshot`], [`BackupError::NoPath`] if the snapshot has no such account or mailbox,
    /// [`BackupError::Cancelled`]. What is wrong with single mailboxes and messages is in the report.
    pub async fn restore(
        &self,
        snapshot: &SnapshotId,
        accounts: Vec<AccountRestore>,
        store: Arc<Store>,
        options: RestoreOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreReport, BackupError> {
        let (inner, snapshot) = (Arc::clone(&self.inner), snapshot.clone());
        blocking(move |handle| {
            let reader = Reader::open(&inner, &snapshot)?;
            restore(&reader, &accounts, &store, &options, &*observer, &handle)
        })
        .await
    }
}

pub(crate) fn restore(
    reader: &Reader,
    accounts: &[AccountRestore],
    store: &Store,
    options: &RestoreOptions,
    observer: &dyn Observer,
    handle: &Handle,
) -> Result<RestoreReport, BackupError> {
    let mut work = Restoring { reader, store, options, observer, handle, report: RestoreReport::default() };
    for account in accounts {
        work.restore_account(account)?;
        work.report.accounts += 1;
    }
    Ok(work.report)
}

struct Restoring<'a> {
    reader: &'a Reader,
    store: &'a Store,
    options: &'a RestoreOptions,
    observer: &'a dyn Observer,
    handle: &'a Handle,
    report: RestoreReport,
}

impl Restoring<'_> {
    fn problem(&mut self, place: Place, reason: impl fmt::Display) {
        let reason = reason.to_string();
        self.observer.note(format!("{place}: {reason}"));
        self.report.problems.push((place, reason));
    }

    fn does(&self) -> bool {
        self.options.work == Work::Do
    }

    fn go_on(&self) -> Result<(), BackupError> {
        if self.options.cancel.is_cancelled() { Err(BackupError::Cancelled) } else { Ok(()) }
    }

    fn tell(&self) {
        self.observer.progress(Progress {
            phase: Phase::Restoring,
            messages: self.report.messages + self.report.messages_there,
            messages_total: None,
            bytes: self.report.bytes,
        });
    }
}
