//! Flags that changed there, and messages that vanished there, are followed here as the mode has it.

use std::collections::BTreeMap;

use postrider_store::{
    Account, Entry, ExpungeOnly, FlagMode, MailboxId, Note, Snapshot, StoreError, StoreFlags, Uid, UidSet,
};

use super::error::ImapError;
use super::flags::{FlagSet, KeywordRoom};
use super::memory::{Memory, MessageNote};
use super::options::{Consent, ImapMode, ImapPullOptions, Rehearsal};
use super::report::{MailboxReport, Remark};
use crate::counted::{agreeing, counted};

/// Follows changes in one mailbox.
pub(crate) struct Following<'a> {
    pub(crate) account: &'a Account,
    pub(crate) options: &'a ImapPullOptions,
    pub(crate) mailbox: MailboxId,
    pub(crate) memory: &'a mut Memory,
    pub(crate) report: &'a mut MailboxReport,
}

/// Messages by the flags that they are to get, or to lose.
type ByFlags = BTreeMap<FlagSet, Vec<Uid>>;

impl Following<'_> {
    /// Takes over flags as they are there now.
    pub(crate) async fn flags(
        &mut self,
        told: &BTreeMap<u32, FlagSet>,
        keywords: &mut KeywordRoom,
    ) -> Result<(), ImapError> {
        let mailbox = self.account.mailbox(self.mailbox).await?;
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let (mut adding, mut removing, mut notes) = (ByFlags::new(), ByFlags::new(), Vec::new());
        let mut plan = |local: Uid, now: &FlagSet, wanted: &FlagSet| {
            let (missing, extra) = (wanted.without(now), now.without(wanted));
            if !missing.is_empty() {
                adding.entry(missing).or_default().push(local);
            }
            if !extra.is_empty() {
                removing.entry(extra).or_default().push(local);
            }
        };
        for (&uid, note) in self.memory.messages.iter_mut().filter(|(_, note)| !note.is_gone) {
            let before = note.flags.clone();
            if let Some(flags) = told.get(&uid).filter(|flags| **flags != before) {
                note.flags = flags.clone();
                notes.push(self.memory.place.message(uid, Some(note)));
            }
            let Some(entry) = place_of(messages, note) else { continue };
            match self.options.mode {
                // Only what changed there since it was seen last: a flag that changed here since then stays as it is.
                ImapMode::Archive if note.flags != before => {
                    let wanted = keywords.fit(&note.flags.clone().without_deleted());
                    plan(entry.uid, &before.without_deleted(), &wanted);
                }
                ImapMode::Archive => {}
                ImapMode::Mirror | ImapMode::Sync => {
                    let now = FlagSet::from_store(&mailbox.record.keywords.flags(entry.flags));
                    plan(entry.uid, &now, &keywords.fit(&note.flags));
                }
            }
        }
        self.store(FlagMode::Add, adding).await?;
        self.store(FlagMode::Remove, removing).await?;
        self.write(notes).await
    }

    async fn store(&mut self, mode: FlagMode, by_flags: ByFlags) -> Result<(), ImapError> {
        for (flags, uids) in by_flags {
            let uids: UidSet = uids.into_iter().collect();
            self.report.flags_changed += match self.options.rehearsal {
                Rehearsal::Dry => uids.count(),
                Rehearsal::Real => {
                    let flags = flags.to_store();
                    let wish = StoreFlags { mailbox: self.mailbox, uids, mode, flags, unchanged_since: None };
                    self.account.store_flags(wish).await?.changed.count()
                }
            };
        }
        Ok(())
    }

    async fn write(&self, notes: Vec<Note>) -> Result<(), ImapError> {
        if !notes.is_empty() && self.options.rehearsal == Rehearsal::Real {
            self.account.write_notes(notes).await?;
        }
        Ok(())
    }

    /// Does what the mode has for messages that are not there any more.
    pub(crate) async fn vanished(&mut self, vanished: &[u32]) -> Result<(), ImapError> {
        self.report.vanished += vanished.len() as u64;
        if self.options.mode == ImapMode::Archive {
            let notes = vanished.iter().map(|&uid| self.memory.place.message(uid, None)).collect();
            vanished.iter().for_each(|uid| drop(self.memory.messages.remove(uid)));
            return self.write(notes).await;
        }
        let mut newly_gone = Vec::new();
        for uid in vanished {
            if let Some(note) = self.memory.messages.get_mut(uid) {
                note.is_gone = true;
                newly_gone.push(self.memory.place.message(*uid, Some(note)));
            }
        }
        let gone: Vec<u32> =
            self.memory.messages.iter().filter(|(_, note)| note.is_gone).map(|(&uid, _)| uid).collect();
        let (count, total) = (gone.len() as u64, self.memory.messages.len() as u64);
        let is_much = count > self.options.removals_max
            && count.saturating_mul(100) > total.saturating_mul(self.options.removals_percent_max);
        if is_much && self.options.consent == Consent::Unasked {
            self.report.remarks.push(Remark::problem(format!(
                "{count} of {} vanished there; {} kept here until you agree to remove {} (--yes)",
                counted(total, "message"),
                agreeing(count, "it is", "they are"),
                agreeing(count, "it", "them")
            )));
            return self.write(newly_gone).await;
        }
        let notes = gone.iter().map(|&uid| self.memory.place.message(uid, None)).collect();
        let removed: Vec<MessageNote> = gone.iter().filter_map(|uid| self.memory.messages.remove(uid)).collect();
        self.remove(&removed).await?;
        self.write(notes).await
    }

    /// Messages of an earlier UIDVALIDITY that are not there under the present one.
    pub(crate) async fn orphans(&mut self) -> Result<(), ImapError> {
        let count = self.memory.orphans.len();
        if count == 0 {
            return Ok(());
        }
        if self.options.mode == ImapMode::Mirror && self.options.consent == Consent::Unasked {
            self.report.remarks.push(Remark::problem(format!(
                "{} {} not there any more since the server numbered the mailbox anew, and kept here until you agree to \
                 remove {} (--yes)",
                counted(count, "message"),
                agreeing(count, "is", "are"),
                agreeing(count, "it", "them")
            )));
            return Ok(());
        }
        let notes = self.memory.orphans.keys().map(|&number| self.memory.place.orphan(number, None)).collect();
        let orphans: Vec<MessageNote> = std::mem::take(&mut self.memory.orphans).into_values().collect();
        self.report.vanished += count as u64;
        if self.options.mode == ImapMode::Mirror {
            self.remove(&orphans).await?;
        }
        self.write(notes).await
    }

    /// Removes messages that this pull brought.
    async fn remove(&mut self, notes: &[MessageNote]) -> Result<(), ImapError> {
        let mailbox = self.account.mailbox(self.mailbox).await?;
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let brought = notes.iter().filter(|note| !note.was_here);
        let uids: UidSet = brought.filter_map(|note| place_of(messages, note)).map(|entry| entry.uid).collect();
        self.report.removed += match self.options.rehearsal {
            Rehearsal::Dry => uids.count(),
            Rehearsal::Real if uids.is_empty() => 0,
            Rehearsal::Real => self.account.expunge(self.mailbox, Some(uids), ExpungeOnly::Named).await?.count(),
        };
        Ok(())
    }
}

/// The message here that a note speaks of, if it is still there.
pub(crate) fn place_of<'a>(messages: &'a Snapshot, note: &MessageNote) -> Option<&'a Entry> {
    let (_, entry) = messages.find(note.local)?;
    (u64::from(entry.size) == note.bytes).then_some(entry)
}
