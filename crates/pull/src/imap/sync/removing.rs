//! What was removed on one side goes on the other: last of all, and never much at once unasked.
//!
//! A message that was moved has by then come to its new place and been taken there. It is removed only as it was seen: if
//! it changed since, the change wins. Messages that are still in another mailbox of both sides do not count as many:
//! nothing is lost with them.

use std::collections::BTreeSet;

use postrider_imap_proto::client::Response;
use postrider_imap_proto::command::{CommandBody, Flag as WireFlag, Numbering, Search, SearchKey, StoreMode};
use postrider_store::{BlobHash, ExpungeOnly, Flag, FlagMode, ModSeq, Note, StoreError, StoreFlags, Uid, UidSet};
use tokio::io::{AsyncRead, AsyncWrite};

use super::flags::sets_of;
use super::{Syncer, has_problems};
use crate::counted::{agreeing, counted};
use crate::imap::connection::ImapConnection;
use crate::imap::error::ImapError;
use crate::imap::flags::FlagSet;
use crate::imap::following::place_of;
use crate::imap::listing::Access;
use crate::imap::mailboxes::RemoteMailbox;
use crate::imap::memory::{Memory, Place};
use crate::imap::options::Consent;
use crate::imap::report::{ImapReport, MailboxReport, Remark};
use crate::imap::run::pass_over;

/// What is to be removed in one pair, by UIDs there.
pub(super) struct Removals {
    /// The mailbox's name there.
    pub(super) name: String,
    /// Its name in the report.
    pub(super) position: String,
    /// Removed there: they go here.
    pub(super) here: Vec<u32>,
    /// Removed here: they go there.
    pub(super) there: Vec<u32>,
    /// The mod-sequence here when that was decided.
    pub(super) seen_here: ModSeq,
    /// The mod-sequence there; 0 if it has none.
    pub(super) seen_there: u64,
    pub(super) uid_validity: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Removes what is to be removed.
    pub(super) async fn follow_removals(&mut self, report: &mut ImapReport) -> Result<(), ImapError> {
        let is_incomplete = has_problems(report);
        for removals in std::mem::take(&mut self.removals) {
            let found = report.mailboxes.iter().position(|mailbox| mailbox.remote == removals.position);
            let mut mailbox = match found {
                Some(position) => report.mailboxes.remove(position),
                None => MailboxReport { remote: removals.position.clone(), ..MailboxReport::default() },
            };
            let outcome = match is_incomplete {
                true => {
                    mailbox
                        .remarks
                        .push(Remark::problem("removals wait until a run has brought everything else to its place"));
                    Ok(())
                }
                false => self.remove(&removals, &mut mailbox).await,
            };
            let outcome = pass_over(outcome, &mut mailbox);
            report.mailboxes.insert(found.unwrap_or(report.mailboxes.len()), mailbox);
            outcome?;
        }
        Ok(())
    }

    async fn remove(&mut self, removals: &Removals, report: &mut MailboxReport) -> Result<(), ImapError> {
        let mut memory = Memory::read(self.worker.account, self.worker.key.place(&removals.name)).await?;
        let total = memory.messages.len() as u64;
        if self.may_remove(&removals.here, total, &memory, "there", report).await? {
            self.remove_here(removals, &mut memory, report).await?;
        }
        if self.may_remove(&removals.there, total, &memory, "here", report).await? {
            self.remove_there(removals, &mut memory, report).await?;
        }
        Ok(())
    }

    /// Whether they may be removed without being asked for.
    async fn may_remove(
        &self,
        uids: &[u32],
        total: u64,
        memory: &Memory,
        side: &'static str,
        report: &mut MailboxReport,
    ) -> Result<bool, ImapError> {
        let options = self.worker.options;
        let is_much = |count: u64| {
            count > options.removals_max
                && count.saturating_mul(100) > total.saturating_mul(options.removals_percent_max)
        };
        if options.consent == Consent::Given || !is_much(uids.len() as u64) {
            return Ok(!uids.is_empty());
        }
        let elsewhere = self.contents_elsewhere(&memory.place).await?;
        let hashes = uids.iter().filter_map(|uid| memory.messages.get(uid)).map(|note| note.hash);
        let count = hashes.filter(|hash| !elsewhere.contains(hash)).count() as u64;
        if is_much(count) {
            report.remarks.push(Remark::problem(format!(
                "{count} of {} {} removed {side}; {} kept until you agree to remove {} (--yes)",
                counted(total, "message"),
                agreeing(count, "was", "were"),
                agreeing(count, "it is", "they are"),
                agreeing(count, "it", "them")
            )));
            return Ok(false);
        }
        Ok(true)
    }

    /// What both sides have in other mailboxes.
    async fn contents_elsewhere(&self, place: &Place) -> Result<BTreeSet<BlobHash>, ImapError> {
        let mut found = BTreeSet::new();
        for note in self.worker.key.mailboxes(self.worker.account).await? {
            let other = self.worker.key.place(&note.name);
            if other != *place {
                let memory = Memory::read(self.worker.account, other).await?;
                found.extend(memory.messages.values().filter(|note| !note.is_gone).map(|note| note.hash));
            }
        }
        Ok(found)
    }

    async fn remove_here(
        &self,
        removals: &Removals,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let Some(local) = memory.mailbox.as_ref().map(|note| note.local) else { return Ok(()) };
        let mailbox = self.worker.account.mailbox(local).await?;
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let noted = removals.here.iter().filter_map(|uid| Some((*uid, memory.messages.get(uid)?)));
        let places: Vec<(u32, Uid)> =
            noted.filter_map(|(uid, note)| Some((uid, place_of(messages, note)?.uid))).collect();
        let uids: UidSet = places.iter().map(|(_, local)| *local).collect();
        if !self.is_real() {
            report.removed += uids.count();
            return Ok(());
        }
        let wish = StoreFlags {
            mailbox: local,
            uids: uids.clone(),
            mode: FlagMode::Add,
            flags: vec![Flag::Deleted],
            unchanged_since: Some(removals.seen_here),
        };
        let changed_since = self.worker.account.store_flags(wish).await?.conflicting;
        let uids = uids.difference(&changed_since);
        if !uids.is_empty() {
            let removed = self.worker.account.expunge(local, Some(uids), ExpungeOnly::Named).await?;
            report.removed += removed.count();
        }
        let is_done = |uid: &&u32| {
            places.iter().find(|(there, _)| there == *uid).is_none_or(|(_, here)| !changed_since.contains(*here))
        };
        let done: Vec<u32> = removals.here.iter().filter(is_done).copied().collect();
        self.forget(&done, memory).await
    }

    async fn remove_there(
        &mut self,
        removals: &Removals,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if !self.is_real() {
            report.removed_there += removals.there.len() as u64;
            return Ok(());
        }
        let name = self.worker.connection.argument(&removals.name);
        let remote = RemoteMailbox { raw: name, name: removals.name.clone(), local: String::new(), special_use: None };
        let nothing = Memory { mailbox: None, ..memory.clone() };
        let selected = self.worker.connection.open_mailbox(&remote, &nothing, Access::Write).await?;
        if selected.uid_validity != removals.uid_validity {
            return Ok(());
        }
        if selected.is_read_only {
            let count = removals.there.len();
            let (messages, were) = (counted(count, "message"), agreeing(count, "was", "were"));
            let text = format!("{messages} {were} not removed there: the mailbox there can only be read");
            report.remarks.push(Remark::problem(text));
            return Ok(());
        }
        let unchanged_since = Some(removals.seen_there).filter(|modseq| *modseq > 0 && selected.modseq > 0);
        let deleted = FlagSet::from_store(&[Flag::Deleted]);
        let connection = &mut *self.worker.connection;
        let modified = connection.store_flags(&removals.there, StoreMode::Add, &deleted, unchanged_since).await?;
        let changed_since = UidSet::from_ranges(modified);
        let marked: Vec<u32> =
            removals.there.iter().copied().filter(|uid| !changed_since.contains(Uid(*uid))).collect();
        if connection.expunge(&marked).await? {
            report.removed_there += marked.len() as u64;
            return self.forget(&marked, memory).await;
        }
        report.remarks.push(Remark::notice(format!(
            "{} {} marked as deleted there and not yet removed: the server can only remove all that are marked, \
             and somebody marked others",
            counted(marked.len(), "message"),
            agreeing(marked.len(), "is", "are")
        )));
        Ok(())
    }

    async fn forget(&self, uids: &[u32], memory: &mut Memory) -> Result<(), ImapError> {
        let notes: Vec<Note> = uids.iter().map(|&uid| memory.place.message(uid, None)).collect();
        uids.iter().for_each(|uid| drop(memory.messages.remove(uid)));
        if !notes.is_empty() {
            self.worker.account.write_notes(notes).await?;
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Removes messages that are marked as deleted in the mailbox that is selected. Without UIDPLUS only if there are no others
    /// (RFC 4315 §2.1); answers whether they are gone.
    async fn expunge(&mut self, uids: &[u32]) -> Result<bool, ImapError> {
        if uids.is_empty() {
            return Ok(true);
        }
        if self.capabilities.has("UIDPLUS") {
            for set in sets_of(uids) {
                self.command("EXPUNGE", CommandBody::Expunge(Some(set)), drop).await?;
            }
            return Ok(true);
        }
        let keys = vec![SearchKey::Flag(WireFlag::Deleted)];
        let search = Search { numbering: Numbering::Uid, returns: None, charset: None, keys };
        let mut marked = BTreeSet::new();
        self.command("SEARCH", CommandBody::Search(search), |response| {
            if let Response::Search(numbers) = response {
                marked.extend(numbers.numbers);
            }
        })
        .await?;
        if marked.iter().any(|uid| !uids.contains(uid)) {
            return Ok(false);
        }
        self.command("EXPUNGE", CommandBody::Expunge(None), drop).await?;
        Ok(true)
    }
}
