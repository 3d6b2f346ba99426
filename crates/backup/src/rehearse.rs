//! A restore is tried out.
//!
//! The only proof that a backup can be restored is a restore. It goes into a store that the caller throws away, through
//! the very code that a true restore takes, and what is then in that store is held against what the snapshot lists, message by
//! message: bytes, dates, flags, UIDs. Where the store that was saved is at hand, it is held against that, too ([`living`]).

mod living;

use std::{collections::BTreeSet, sync::Arc};

use postrider_store::{Account, AccountId, BlobHash, Entry, Flag, Mailbox, Store};
use tokio::runtime::Handle;

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    manifest::{MailboxFile, MessageLine},
    observer::{Cancel, Observer, Phase, Progress},
    reader::{AccountFolder, MailboxFolder, Reader},
    repository::Repository,
    restore::{AccountRestore, RestoreOptions, RestorePlace, RestoreReport, RestoreSelection, restore},
    snapshots::SnapshotId,
};

use living::{Comparison, LivingAccount, LivingMailbox};
pub use living::{Living, LivingReport};

/// What is rehearsed.
#[derive(Clone, Default)]
pub struct Rehearsal {
    /// Addresses of accounts; none means all.
    pub addresses: Vec<String>,
    /// The store that was saved, if it is at hand.
    pub living: Option<Living>,
    /// Stops it.
    pub cancel: Cancel,
}

/// How a rehearsal went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RehearsalReport {
    /// What was restored.
    pub restored: RestoreReport,
    /// Messages in the throw-away store that were read and held against the snapshot.
    pub compared: u64,
    /// What is not there as it was saved; empty if all is well.
    pub differences: Vec<(Place, String)>,
    /// What was held against the living store; nothing if there was none, or none with these accounts.
    pub living: Option<LivingReport>,
}

impl RehearsalReport {
    /// Whether everything came back as it was.
    pub fn is_faithful(&self) -> bool {
        self.differences.is_empty() && self.restored.problems.is_empty()
    }
}

impl Repository {
    /// Restores a snapshot into a store without accounts, which is filled by it, and compares.
    pub async fn rehearse(
        &self,
        snapshot: &SnapshotId,
        store: Arc<Store>,
        rehearsal: Rehearsal,
        observer: Arc<dyn Observer>,
    ) -> Result<RehearsalReport, BackupError> {
        let (inner, snapshot) = (Arc::clone(&self.inner), snapshot.clone());
        blocking(move |handle| {
            let reader = Reader::open(&inner, &snapshot)?;
            let stage = Stage { reader: &reader, store: &store, handle: &handle, observer: &*observer };
            stage.rehearse(&rehearsal)
        })
        .await
    }
}

struct Stage<'a> {
    reader: &'a Reader,
    store: &'a Store,
    handle: &'a Handle,
    observer: &'a dyn Observer,
}

impl Stage<'_> {
    fn rehearse(&self, rehearsal: &Rehearsal) -> Result<RehearsalReport, BackupError> {
        let all = self.reader.accounts()?;
        let wanted = all.iter().map(|account| account.file.address.clone());
        let addresses: Vec<String> =
            if rehearsal.addresses.is_empty() { wanted.collect() } else { rehearsal.addresses.clone() };
        let mut accounts = Vec::new();
        for (address, number) in addresses.into_iter().zip(1..) {
            let into = AccountId(number);
            self.handle.block_on(self.store.create_account(into))?;
            let (selection, place) = (RestoreSelection::Account, RestorePlace::Same);
            accounts.push(AccountRestore { address, into, selection, place });
        }
        let options = RestoreOptions { cancel: rehearsal.cancel.clone(), ..RestoreOptions::default() };
        let restored = restore(self.reader, &accounts, self.store, &options, self.observer, self.handle)?;
        let mut report = RehearsalReport { restored, ..RehearsalReport::default() };
        let living = rehearsal.living.as_ref();
        // Only now, so that nothing is held while the restore goes on.
        let addresses = accounts.iter().map(|account| account.address.as_str());
        let mut living = living.map(|living| Comparison::begin(living, addresses, self.handle)).transpose()?.flatten();
        for account in &accounts {
            self.compare_account(account, rehearsal, living.as_mut(), &mut report)?;
        }
        report.living = living.map(|living| living.report);
        Ok(report)
    }

    fn compare_account(
        &self,
        wish: &AccountRestore,
        rehearsal: &Rehearsal,
        mut living: Option<&mut Comparison<'_>>,
        report: &mut RehearsalReport,
    ) -> Result<(), BackupError> {
        let saved = self.reader.account(&wish.address)?;
        let account = self.handle.block_on(self.store.account(wish.into))?;
        let mut living_account = match &mut living {
            Some(living) => living.open_account(&saved.file)?,
            None => None,
        };
        for mailbox in self.reader.mailboxes(&saved)? {
            if rehearsal.cancel.is_cancelled() {
                return Err(BackupError::Cancelled);
            }
            let place = Place::mailbox(&wish.address, &mailbox.file.name);
            let against = match (&mut living, &mut living_account) {
                (Some(living), Some(account)) => {
                    let found = living.open_mailbox(account, &mailbox.file, &place, &mut report.differences)?;
                    found.map(|mailbox| Against { living, account, mailbox })
                }
                _ => None,
            };
            match account.state().find(&mailbox.file.name) {
                Some(found) => {
                    let found = self.handle.block_on(account.mailbox(found.id))?;
                    self.compare_mailbox(&account, &found, &mailbox, against, &place, report)?;
                }
                None => report.differences.push((place, String::from("the mailbox is not there"))),
            }
        }
        if let (Some(living), Some(account)) = (living, &living_account) {
            living.close_account(account, &mut report.differences);
        }
        compare_subscriptions(&account, &saved, report);
        Ok(())
    }

    fn compare_mailbox(
        &self,
        account: &Arc<Account>,
        found: &Mailbox,
        saved: &MailboxFolder,
        mut against: Option<Against<'_, '_, '_>>,
        place: &Place,
        report: &mut RehearsalReport,
    ) -> Result<(), BackupError> {
        compare_head(found, &saved.file, place, report);
        for range in &saved.ranges {
            let mut restored = Vec::new();
            for line in self.reader.range(range)?.lines {
                let messages = found.messages();
                let place = Place { uid: Some(line.uid()), ..place.clone() };
                report.compared += 1;
                against.iter_mut().for_each(|against| against.mailbox.note_saved(line.uid()));
                let Some((_, entry)) = messages.and_then(|messages| messages.find(line.uid())) else {
                    report.differences.push((place, String::from("the message is not there")));
                    continue;
                };
                let body = self.handle.block_on(account.body(entry.blob))?;
                let hash = body.map(|body| BlobHash::of(&body));
                let rehearsed = Rehearsed::new(hash, entry, found.record.keywords.flags(entry.flags));
                report.differences.extend(rehearsed.difference(&line).map(|what| (place, what)));
                restored.push((line, rehearsed));
            }
            if let Some(against) = &mut against {
                against.compare(&restored, place, report)?;
            }
            self.observer.progress(Progress {
                phase: Phase::ReadingBack,
                messages: report.compared,
                messages_total: Some(report.restored.messages),
                bytes: report.restored.bytes,
            });
        }
        if let Some(Against { living, account, mailbox }) = against {
            living.close_mailbox(account, mailbox, place, &mut report.differences);
        }
        Ok(())
    }
}

/// The mailbox of the living store that another one is held against.
struct Against<'a, 'b, 'c> {
    living: &'a mut Comparison<'b>,
    account: &'a LivingAccount<'c>,
    mailbox: LivingMailbox,
}

impl Against<'_, '_, '_> {
    fn compare(
        &mut self,
        restored: &[(MessageLine, Rehearsed)],
        place: &Place,
        report: &mut RehearsalReport,
    ) -> Result<(), BackupError> {
        self.living.compare(self.account, &mut self.mailbox, restored, place, &mut report.differences)
    }
}

/// A message as a store has it.
struct Rehearsed {
    hash: Option<BlobHash>,
    received: i64,
    saved: i64,
    flags: BTreeSet<Flag>,
}

impl Rehearsed {
    fn new(hash: Option<BlobHash>, entry: &Entry, flags: Vec<Flag>) -> Self {
        Self { hash, received: entry.received, saved: entry.saved, flags: flag_set(flags) }
    }

    /// What differs beside flags.
    fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let checks = [
            ("content", self.hash.is_some() && self.hash == other.hash),
            ("received date", self.received == other.received),
            ("saved date", self.saved == other.saved),
        ];
        checks.into_iter().filter(|(_, is_right)| !is_right).map(|(what, _)| what).collect()
    }

    /// What is not as it was saved.
    fn difference(&self, line: &MessageLine) -> Option<String> {
        let (received, saved) = (line.received, line.saved);
        let wanted = Self { hash: Some(line.blake3), received, saved, flags: flag_set(line.flags()) };
        let mut wrong = self.differs_from(&wanted);
        if self.flags != wanted.flags {
            wrong.push("flags");
        }
        (!wrong.is_empty()).then(|| format!("another {}", wrong.join(", another ")))
    }
}

/// Flags to be compared: case does not count in keywords.
fn flag_set(flags: Vec<Flag>) -> BTreeSet<Flag> {
    let lower = |flag: Flag| match flag {
        Flag::Keyword(name) => Flag::Keyword(name.to_ascii_lowercase()),
        system => system,
    };
    flags.into_iter().map(lower).collect()
}

fn compare_head(found: &Mailbox, saved: &MailboxFile, place: &Place, report: &mut RehearsalReport) {
    let record = &found.record;
    let uses: BTreeSet<&str> = record.special_use.iter().map(|kind| kind.name()).collect();
    for (what, is_right) in [
        ("UIDVALIDITY", record.uid_validity.0 == saved.uid_validity),
        ("number of messages", record.counts.messages == saved.messages),
        ("special use", saved.special_uses().iter().all(|kind| uses.contains(kind.name()))),
    ] {
        if !is_right {
            report.differences.push((place.clone(), format!("the {what} is another")));
        }
    }
}

fn compare_subscriptions(account: &Account, saved: &AccountFolder, report: &mut RehearsalReport) {
    let state = account.state();
    let missing = saved.file.subscriptions.iter().filter(|name| !state.is_subscribed(name));
    let address = &saved.file.address;
    let missing = missing.map(|name| (Place::mailbox(address, name), String::from("it is not subscribed")));
    report.differences.extend(missing);
}
