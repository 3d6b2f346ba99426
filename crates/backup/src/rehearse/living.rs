//! What was restored is held against the store that the snapshot was made of, which has gone on living since.
//!
//! A store counts its changes, and each message says which of them was its last one; the account's count at the moment of the
//! snapshot is in the snapshot. So a difference has either happened since, and is counted, or it has no reason and is a fault:
//! then the snapshot did not show the store as it was.
//!
//! Accounts and mailboxes that were made anew since, as after a restore, count from elsewhere. UIDs mean the same there, so
//! content and dates still have to be equal, but what came, went or got other flags may have done so at any time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use postrider_store::{
    AccountId, AccountState, Entry, Mailbox, MailboxId, ModSeq, Moment, Removals, Snapshot, Store, StoreError, Uid,
    UidSet,
};
use tokio::runtime::Handle;

use super::Rehearsed;
use crate::{
    error::{BackupError, Place},
    manifest::{AccountFile, MailboxFile, MessageLine},
};

/// The store that a snapshot was made of, as it is now.
#[derive(Clone)]
pub struct Living {
    /// It may be in use.
    pub store: Arc<Store>,
    /// Its accounts, by their addresses.
    pub accounts: BTreeMap<String, AccountId>,
}

/// What was held against the living store, and what has changed there since the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LivingReport {
    /// Accounts that were held against each other.
    pub accounts: u64,
    /// Addresses of accounts that are there no more.
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

/// What differs, and where.
type Differences = Vec<(Place, String)>;

/// The living store at one moment.
pub(super) struct Comparison<'a> {
    handle: &'a Handle,
    moment: Moment,
    accounts: &'a BTreeMap<String, AccountId>,
    pub(super) report: LivingReport,
}

/// An account in it.
pub(super) struct LivingAccount<'a> {
    id: AccountId,
    saved: &'a AccountFile,
    state: Arc<AccountState>,
    /// What went since; nothing if the log is too short to tell.
    removals: Option<Removals>,
    /// Mailboxes that the snapshot has.
    found: BTreeSet<MailboxId>,
}

impl LivingAccount<'_> {
    /// Whether it is the one that was saved, and not one that took its place.
    fn is_same(&self) -> bool {
        self.id.0 == self.saved.account && self.state.record.modseq.0 >= self.saved.modseq
    }

    /// The count of changes when the snapshot was made.
    fn since(&self) -> ModSeq {
        ModSeq(self.saved.modseq)
    }

    fn may_have_lost(&self, mailbox: &Mailbox, line: &MessageLine) -> bool {
        match &self.removals {
            Some(removals) => removals.messages.get(&mailbox.id).is_some_and(|uids| uids.contains(line.uid())),
            None => mailbox.record.highest_modseq > self.since(),
        }
    }
}

/// A mailbox in it.
pub(super) struct LivingMailbox {
    mailbox: Arc<Mailbox>,
    messages: Snapshot,
    /// Whether it is the one that was saved.
    is_same: bool,
    /// UIDs that the snapshot has.
    saved: Vec<(u32, u32)>,
}

impl LivingMailbox {
    /// The snapshot has a message of this UID.
    pub(super) fn note_saved(&mut self, uid: Uid) {
        self.saved.push((uid.0, uid.0));
    }
}

impl<'a> Comparison<'a> {
    /// Holds the living store as it is now; nothing if it has none of the accounts.
    pub(super) fn begin(
        living: &'a Living,
        addresses: impl Iterator<Item = &'a str>,
        handle: &'a Handle,
    ) -> Result<Option<Self>, BackupError> {
        let mut addresses = addresses;
        if !addresses.any(|address| living.accounts.contains_key(address)) {
            return Ok(None);
        }
        let moment = handle.block_on(living.store.moment())?;
        Ok(Some(Self { handle, moment, accounts: &living.accounts, report: LivingReport::default() }))
    }

    pub(super) fn open_account<'b>(
        &mut self,
        saved: &'b AccountFile,
    ) -> Result<Option<LivingAccount<'b>>, BackupError> {
        let id = self.accounts.get(&saved.address).copied();
        let state = match id.map(|id| self.handle.block_on(self.moment.account(id))) {
            None | Some(Err(StoreError::NoAccount(_))) => None,
            Some(state) => Some(state?),
        };
        let (Some(id), Some(state)) = (id, state) else {
            self.report.accounts_gone.push(saved.address.clone());
            return Ok(None);
        };
        self.report.accounts += 1;
        let mut account = LivingAccount { id, saved, state, removals: None, found: BTreeSet::new() };
        if account.is_same() {
            account.removals = self.handle.block_on(self.moment.removals(id, account.since()))?;
        }
        Ok(Some(account))
    }

    /// The mailbox that was saved. Its UIDVALIDITY tells it, as names change.
    pub(super) fn open_mailbox(
        &mut self,
        account: &mut LivingAccount<'_>,
        saved: &MailboxFile,
        place: &Place,
        differences: &mut Differences,
    ) -> Result<Option<LivingMailbox>, BackupError> {
        let is_same_account = account.is_same();
        let has_validity = |mailbox: &&Arc<Mailbox>| mailbox.record.uid_validity.0 == saved.uid_validity;
        let Some(mailbox) = account.state.mailboxes().find(has_validity).map(Arc::clone) else {
            let id = MailboxId(saved.mailbox);
            let now = account.state.mailbox(id).filter(|_| is_same_account);
            if let Some(now) = now {
                let what = format!("in the living store its UIDVALIDITY is {}", now.record.uid_validity.0);
                differences.push((place.clone(), what));
                account.found.insert(id);
            } else if account.removals.as_ref().is_some_and(|removals| !removals.mailboxes.contains(&id)) {
                differences.push((place.clone(), String::from("the living store lacks it and did not remove it")));
            } else {
                self.report.mailboxes_gone += 1;
                self.report.gone += u64::from(saved.messages);
            }
            return Ok(None);
        };
        account.found.insert(mailbox.id);
        self.report.mailboxes_renamed += u64::from(mailbox.record.name != saved.name);
        let is_same = is_same_account && mailbox.id.0 == saved.mailbox;
        let messages = self.handle.block_on(self.moment.messages(account.id, mailbox.id))?;
        Ok(Some(LivingMailbox { mailbox, messages, is_same, saved: Vec::new() }))
    }

    /// Holds the messages of a range against what was restored of them.
    pub(super) fn compare(
        &mut self,
        account: &LivingAccount<'_>,
        living: &mut LivingMailbox,
        restored: &[(MessageLine, Rehearsed)],
        place: &Place,
        differences: &mut Differences,
    ) -> Result<(), BackupError> {
        let mut there = Vec::with_capacity(restored.len());
        for (line, rehearsed) in restored {
            match living.messages.find(line.uid()) {
                Some((_, entry)) => there.push((line, rehearsed, *entry)),
                None if living.is_same && !account.may_have_lost(&living.mailbox, line) => {
                    let what = String::from("the living store lacks it and did not remove it");
                    differences.push((Place { uid: Some(line.uid()), ..place.clone() }, what));
                }
                None => self.report.gone += 1,
            }
        }
        let blobs: Vec<_> = there.iter().map(|(_, _, entry)| entry.blob).collect();
        let hashes = self.handle.block_on(self.moment.hashes(account.id, &blobs))?;
        for ((line, rehearsed, entry), hash) in there.into_iter().zip(hashes) {
            let flags = living.mailbox.record.keywords.flags(entry.flags);
            let now = Rehearsed::new(hash, &entry, flags);
            let mut wrong = rehearsed.differs_from(&now);
            if rehearsed.flags != now.flags {
                match has_changed(account, living, line, &entry) {
                    true => self.report.flags_changed += 1,
                    false => wrong.push("flags, which nobody changed since"),
                }
            }
            if !wrong.is_empty() {
                let what = format!("the living store has another {}", wrong.join(", another "));
                differences.push((Place { uid: Some(line.uid()), ..place.clone() }, what));
            }
            self.report.messages += 1;
        }
        Ok(())
    }

    /// Looks for messages that the snapshot has not.
    pub(super) fn close_mailbox(
        &mut self,
        account: &LivingAccount<'_>,
        living: LivingMailbox,
        place: &Place,
        differences: &mut Differences,
    ) {
        let more = living.messages.uids().difference(&UidSet::from_ranges(living.saved));
        for (_, entry) in living.messages.select(&more) {
            if living.is_same && entry.modseq <= account.since() {
                let what = String::from("it lived when the backup was made, and is not in it");
                differences.push((Place { uid: Some(entry.uid), ..place.clone() }, what));
            } else {
                self.report.came += 1;
            }
        }
    }

    /// Looks for mailboxes that the snapshot has not.
    pub(super) fn close_account(&mut self, account: &LivingAccount<'_>, differences: &mut Differences) {
        let is_same = account.is_same();
        for mailbox in account.state.mailboxes().filter(|mailbox| !account.found.contains(&mailbox.id)) {
            if is_same && mailbox.id.0 < account.saved.mailbox_next {
                let place = Place::mailbox(&account.saved.address, &mailbox.record.name);
                differences.push((place, String::from("it lived when the backup was made, and is not in it")));
            } else {
                self.report.mailboxes_came += 1;
                self.report.came += u64::from(mailbox.record.counts.messages);
            }
        }
    }
}

/// Whether a message changed since it was saved. One that was brought back from a backup counts from elsewhere.
fn has_changed(account: &LivingAccount<'_>, living: &LivingMailbox, line: &MessageLine, entry: &Entry) -> bool {
    let is_same = living.is_same && entry.email.0 == line.email && entry.modseq.0 >= line.modseq;
    !is_same || entry.modseq > account.since()
}
