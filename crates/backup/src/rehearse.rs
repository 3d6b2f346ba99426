//! A restore is tried out.
//!
//! The only proof that a backup can be restored is a restore. It goes into a store that the caller throws away, through
//! the very code that a true restore takes, and what is then in that store is held against what the snapshot lists, message by
//! message: bytes, dates, flags, UIDs.

use std::{collections::BTreeSet, sync::Arc};

use postrider_store::{Account, AccountId, BlobHash, Entry, Flag, Mailbox, Store};
use tokio::runtime::Handle;

use crate::{
    blocking::blocking,
    error::{BackupError, Place},
    manifest::MessageLine,
    observer::{Cancel, Observer, Phase, Progress},
    reader::{MailboxFolder, Reader},
    repository::Repository,
    restore::{AccountRestore, RestoreOptions, RestorePlace, RestoreReport, RestoreSelection, restore},
    snapshots::SnapshotId,
};

/// What is rehearsed.
#[derive(Debug, Clone, Default)]
pub struct Rehearsal {
    /// Addresses of accounts; none means all.
    pub addresses: Vec<String>,
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
        for account in &accounts {
            self.compare_account(account, rehearsal, &mut report)?;
        }
        Ok(report)
    }

    fn compare_account(
        &self,
        wish: &AccountRestore,
        rehearsal: &Rehearsal,
        report: &mut RehearsalReport,
    ) -> Result<(), BackupError> {
        let saved = self.reader.account(&wish.address)?;
        let account = self.handle.block_on(self.store.account(wish.into))?;
        for mailbox in self.reader.mailboxes(&saved)? {
            if rehearsal.cancel.is_cancelled() {
                return Err(BackupError::Cancelled);
            }
            let place = Place::mailbox(&wish.address, &mailbox.file.name);
            match account.state().find(&mailbox.file.name) {
                Some(found) => {
                    let found = self.handle.block_on(account.mailbox(found.id))?;
                    self.compare_mailbox(&account, &found, &mailbox, &place, report)?;
                }
                None => report.differences.push((place, String::from("the mailbox is not there"))),
            }
        }
        let state = account.state();
        let missing = saved.file.subscriptions.iter().filter(|name| !state.is_subscribed(name));
        let missing = missing.map(|name| (Place::mailbox(&wish.address, name), String::from("it is not subscribed")));
        report.differences.extend(missing);
        Ok(())
    }

    fn compare_mailbox(
        &self,
        account: &Arc<Account>,
        found: &Mailbox,
        saved: &MailboxFolder,
        place: &Place,
        report: &mut RehearsalReport,
    ) -> Result<(), BackupError> {
        let record = &found.record;
        let uses: BTreeSet<&str> = record.special_use.iter().map(|kind| kind.name()).collect();
        for (what, is_right) in [
            ("UIDVALIDITY", record.uid_validity.0 == saved.file.uid_validity),
            ("number of messages", record.counts.messages == saved.file.messages),
            ("special use", saved.file.special_uses().iter().all(|kind| uses.contains(kind.name()))),
        ] {
            if !is_right {
                report.differences.push((place.clone(), format!("the {what} is another")));
            }
        }
        for range in &saved.ranges {
            for line in self.reader.range(range)?.lines {
                let place = Place { uid: Some(line.uid()), ..place.clone() };
                let messages = found.messages();
                match messages.and_then(|messages| messages.find(line.uid())) {
                    Some((_, entry)) => {
                        let difference = self.compare_message(account, found, entry, &line)?;
                        report.differences.extend(difference.map(|what| (place, what)));
                    }
                    None => report.differences.push((place, String::from("the message is not there"))),
                }
                report.compared += 1;
            }
            self.observer.progress(Progress {
                phase: Phase::ReadingBack,
                messages: report.compared,
                messages_total: Some(report.restored.messages),
                bytes: report.restored.bytes,
            });
        }
        Ok(())
    }

    fn compare_message(
        &self,
        account: &Arc<Account>,
        mailbox: &Mailbox,
        entry: &Entry,
        line: &MessageLine,
    ) -> Result<Option<String>, BackupError> {
        let body = self.handle.block_on(account.body(entry.blob))?;
        let set = |flags: Vec<Flag>| {
            let lower = |flag: Flag| match flag {
                Flag::Keyword(name) => Flag::Keyword(name.to_ascii_lowercase()),
                system => system,
            };
            flags.into_iter().map(lower).collect::<BTreeSet<_>>()
        };
        let checks = [
            ("content", body.is_some_and(|body| BlobHash::of(&body) == line.blake3)),
            ("received date", entry.received == line.received),
            ("saved date", entry.saved == line.saved),
            ("flags", set(mailbox.record.keywords.flags(entry.flags)) == set(line.flags())),
        ];
        let wrong: Vec<&str> = checks.into_iter().filter(|(_, is_right)| !is_right).map(|(what, _)| what).collect();
        Ok((!wrong.is_empty()).then(|| format!("another {}", wrong.join(", another "))))
    }
}
