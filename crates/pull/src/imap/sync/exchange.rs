//! One pair of mailboxes: what is new goes both ways, and what changed is merged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postrider_store::{Mailbox, ModSeq, Note, StoreError, Uid};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use super::flags::FlagPlan;
use super::matching::rematch_here;
use super::merge::{Decision, decide};
use super::removing::Removals;
use crate::counted::{agreeing, counted};
use crate::imap::error::ImapError;
use crate::imap::flags::{FlagSet, KeywordRoom};
use crate::imap::following::place_of;
use crate::imap::listing::{Access, Changes, Selected};
use crate::imap::mailboxes::RemoteMailbox;
use crate::imap::memory::{MailboxNote, Memory};
use crate::imap::options::Rehearsal;
use crate::imap::places::{find_place, make_place};
use crate::imap::recall::recall;
use crate::imap::report::{MailboxReport, Remark, Weight};
use crate::imap::work::note_of;

/// What is to be done in a pair for the messages that are noted.
#[derive(Default)]
struct Plan {
    flags: FlagPlan,
    /// UIDs there of messages that go here.
    remove_here: Vec<u32>,
    /// UIDs there of messages that go there.
    remove_there: Vec<u32>,
    /// UIDs there of messages that come again.
    fetch_again: Vec<u32>,
    send_again: u64,
    notes: Vec<Note>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Brings one pair together, but for removals.
    pub(super) async fn exchange(
        &mut self,
        remote: &RemoteMailbox,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let mut memory = Memory::read(self.worker.account, self.worker.key.place(&remote.name)).await?;
        let access = if self.is_real() { Access::Write } else { Access::Read };
        if memory.is_sending && self.is_real() {
            self.worker.connection.open_mailbox(remote, &Memory::empty(), Access::Read).await?;
            self.worker.connection.wait_until_quiet(self.worker.options.quiet_time).await?;
        }
        let selected = self.worker.connection.open_mailbox(remote, &memory, access).await?;
        if memory.mailbox.is_none() {
            self.worker.follow_rename(remote, &selected, &mut memory, report).await?;
        }
        let stored = memory.mailbox.clone();
        let Some(mailbox) = self.place_here(remote, &mut memory, report).await? else {
            return self.without_place(remote, stored, &selected, report).await;
        };
        self.worker.taken.insert(mailbox.id);
        report.local.clone_from(&mailbox.record.name);
        let note = note_of(remote, &selected, memory.mailbox.as_ref(), &mailbox);
        let before = memory.mailbox.replace(note).map_or(0, |note| note.uid_validity);
        self.worker.follow_numbering(before, &selected, &mut memory, report).await?;
        report.messages = selected.exists.into();
        let mut changes = self.worker.connection.changes(&selected, &memory).await?;
        if !changes.is_whole {
            report.remarks.push(Remark::problem(
                "the server did not list all messages that it says there are; what it left out takes no part",
            ));
        }
        self.worker.take_back(&mut changes, &mut memory).await?;
        // Whatever is done from here on is done to what is seen here now.
        let mailbox = self.worker.account.mailbox(mailbox.id).await?;
        let seen_here = mailbox.record.highest_modseq;
        self.follow_changes(&mailbox, &selected, &changes, &mut memory, report).await?;
        self.bring(&mailbox, &selected, std::mem::take(&mut changes.new), &mut memory, report).await?;
        self.release_orphans(&mut memory, report).await?;
        self.send_new(remote, &selected, mailbox.id, &mut memory, report).await?;
        self.finish_pair(&selected, seen_here, stored.as_ref(), &mut memory).await
    }

    /// A mailbox there that has no place here: it was removed here, or this is a rehearsal.
    async fn without_place(
        &mut self,
        remote: &RemoteMailbox,
        stored: Option<MailboxNote>,
        selected: &Selected,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        report.messages = selected.exists.into();
        match stored {
            Some(note) => {
                self.removed_here.push((remote.clone(), note));
                Ok(())
            }
            None if selected.exists == 0 => Ok(()),
            None => {
                let new: Vec<u32> = self.worker.connection.search_all().await?.into_iter().collect();
                self.worker.tell_new(&new, report).await
            }
        }
    }

    /// The mailbox here. `None` if it was removed here, or if a rehearsal would have to make it.
    async fn place_here(
        &mut self,
        remote: &RemoteMailbox,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<Option<Arc<Mailbox>>, ImapError> {
        let (account, rehearsal) = (self.worker.account, self.worker.options.rehearsal);
        let Some(note) = memory.mailbox.clone() else {
            let id = match find_place(account, remote, &self.worker.taken) {
                Some(id) => id,
                None if rehearsal == Rehearsal::Real => make_place(account, remote, &self.worker.taken).await?,
                None => return Ok(None),
            };
            return Ok(Some(account.mailbox(id).await?));
        };
        let found = match account.mailbox(note.local).await {
            Ok(mailbox) => Some(mailbox),
            Err(StoreError::NoMailbox) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(mailbox) = &found
            && mailbox.record.uid_validity == note.local_validity
            && !is_set_back(mailbox, memory)
        {
            return recall(account, memory, rehearsal).await;
        }
        // A mailbox of that name that is another one: somebody made it anew, or the store was set back.
        let again = match found {
            Some(mailbox) => Some(mailbox),
            None => {
                let id = account.state().find(&note.local_name).map(|mailbox| mailbox.id);
                match id.filter(|id| !self.worker.taken.contains(id)) {
                    Some(id) => Some(account.mailbox(id).await?),
                    None => None,
                }
            }
        };
        let Some(mailbox) = again else { return Ok(None) };
        let noted = memory.messages.len();
        let notes = rematch_here(account, &mailbox, memory).await?;
        report.remarks.push(Remark::notice(format!(
            "the mailbox here was numbered anew: {} of {} recognised by content",
            memory.messages.len(),
            counted(noted, "message")
        )));
        if self.is_real() {
            account.write_notes(notes).await?;
        }
        Ok(Some(mailbox))
    }

    /// Messages that both had: flags, and what is not there or not here any more.
    async fn follow_changes(
        &mut self,
        mailbox: &Mailbox,
        selected: &Selected,
        changes: &Changes,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let mut room = KeywordRoom::new(&mailbox.record.keywords);
        let mut plan = plan(mailbox, selected, changes, memory, &mut room)?;
        report.vanished += plan.remove_here.len() as u64;
        self.apply_flags(mailbox.id, plan.flags, memory, report).await?;
        room.tell_left_out(report);
        if self.is_real() && !plan.notes.is_empty() {
            self.worker.account.write_notes(std::mem::take(&mut plan.notes)).await?;
        }
        if plan.send_again > 0 {
            report.remarks.push(Remark::notice(format!(
                "{} removed there and changed here since: {} there again",
                counted(plan.send_again, "message"),
                agreeing(plan.send_again, "it goes", "they go")
            )));
        }
        if !plan.fetch_again.is_empty() {
            report.remarks.push(Remark::notice(format!(
                "{} removed here and changed there since: {} again",
                counted(plan.fetch_again.len(), "message"),
                agreeing(plan.fetch_again.len(), "it comes", "they come")
            )));
            self.bring(mailbox, selected, plan.fetch_again, memory, report).await?;
        }
        if !plan.remove_here.is_empty() || !plan.remove_there.is_empty() {
            self.removals.push(Removals {
                name: memory.mailbox.as_ref().map_or_else(String::new, |note| note.name.clone()),
                position: report.remote.clone(),
                here: plan.remove_here,
                there: plan.remove_there,
                seen_here: mailbox.record.highest_modseq,
                seen_there: selected.modseq,
                uid_validity: selected.uid_validity,
            });
        }
        Ok(())
    }

    /// Gets messages that are new there, or recognises them among those here.
    pub(super) async fn bring(
        &mut self,
        mailbox: &Mailbox,
        selected: &Selected,
        new: Vec<u32>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if new.is_empty() {
            return Ok(());
        }
        let (new, mut told) = self.recognise(mailbox, new, memory, report).await?;
        if !self.is_real() {
            return self.worker.tell_new(&new, report).await;
        }
        told.append(&mut self.worker.fetch(mailbox, &new, memory, report).await?);
        self.merge_recognised(mailbox.id, selected, &told, memory, report).await
    }

    /// Flags of messages that were only now recognised as the same.
    async fn merge_recognised(
        &mut self,
        mailbox: postrider_store::MailboxId,
        selected: &Selected,
        told: &BTreeMap<u32, FlagSet>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if told.is_empty() {
            return Ok(());
        }
        let mailbox = self.worker.account.mailbox(mailbox).await?;
        let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
        let mut room = KeywordRoom::new(&mailbox.record.keywords);
        let mut flags = FlagPlan::default();
        for (uid, there) in told {
            let Some(note) = memory.messages.get(uid) else { continue };
            let Some(entry) = place_of(messages, note) else { continue };
            let here = FlagSet::from_store(&mailbox.record.keywords.flags(entry.flags));
            let merged = super::merge::merge(&note.flags, &here, there);
            flags.add(*uid, note, &here, there, &merged, &selected.permitted, &mut room);
        }
        self.apply_flags(mailbox.id, flags, memory, report).await?;
        room.tell_left_out(report);
        Ok(())
    }

    /// Notes how far everything was followed.
    async fn finish_pair(
        &mut self,
        selected: &Selected,
        seen_here: ModSeq,
        stored: Option<&MailboxNote>,
        memory: &mut Memory,
    ) -> Result<(), ImapError> {
        if !self.is_real() {
            return Ok(());
        }
        if let Some(note) = &mut memory.mailbox
            && let Some(mailbox) = self.worker.account.state().mailbox(note.local)
        {
            note.modseq = selected.modseq;
            note.local_modseq = seen_here.0;
            note.local_name.clone_from(&mailbox.record.name);
            // What arrives from now on is not noted; all that is noted stands where it is noted.
            if stored.is_none_or(|stored| stored.certain_before < mailbox.record.uid_next) {
                note.certain_before = mailbox.record.uid_next;
            }
        }
        if memory.mailbox.as_ref() != stored {
            self.worker.account.write_notes(vec![memory.place.mailbox(memory.mailbox.as_ref())]).await?;
        }
        Ok(())
    }

    /// Messages that were there before the server numbered anew, and are not: they go there again, as nobody is known to have
    /// removed them. Not before all that is there was looked at.
    async fn release_orphans(&self, memory: &mut Memory, report: &MailboxReport) -> Result<(), ImapError> {
        let is_whole = report.remarks.iter().all(|remark| remark.weight == Weight::Notice);
        if memory.orphans.is_empty() || !is_whole {
            return Ok(());
        }
        let notes: Vec<Note> = memory.orphans.keys().map(|&number| memory.place.orphan(number, None)).collect();
        memory.orphans.clear();
        if self.is_real() {
            self.worker.account.write_notes(notes).await?;
        }
        Ok(())
    }
}

/// Whether the store here was set back to an earlier state, and gives out UIDs a second time: then what is not here was not
/// removed by anybody.
fn is_set_back(mailbox: &Mailbox, memory: &Memory) -> bool {
    let last = memory.messages.values().map(|note| note.local).max().unwrap_or(Uid(0));
    let followed = memory.mailbox.as_ref().map_or(0, |note| note.local_modseq);
    let is_foretold = memory.mailbox.as_ref().is_some_and(|note| last >= note.certain_before);
    // A UID that was foretold and not confirmed may be too large (`recall`).
    (last >= mailbox.record.uid_next && !is_foretold) || followed > mailbox.record.highest_modseq.0
}

fn plan(
    mailbox: &Mailbox,
    selected: &Selected,
    changes: &Changes,
    memory: &mut Memory,
    room: &mut KeywordRoom,
) -> Result<Plan, ImapError> {
    let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
    let vanished: BTreeSet<u32> = changes.vanished.iter().copied().collect();
    let mut plan = Plan::default();
    let (mut send_again, mut forgotten) = (Vec::new(), Vec::new());
    for (&uid, note) in &mut memory.messages {
        let here =
            place_of(messages, note).map(|entry| FlagSet::from_store(&mailbox.record.keywords.flags(entry.flags)));
        let is_gone = note.is_gone || vanished.contains(&uid);
        let there = (!is_gone).then(|| changes.flags.get(&uid).unwrap_or(&note.flags).clone());
        // What the other side cannot have is no change that it missed.
        let told_here = here.as_ref().map(|now| selected.permitted.fit(now).union(&now.intersection(&note.flags)));
        let told_there = there.as_ref().map(|now| room.fit(now).union(&now.intersection(&note.flags)));
        match decide(&note.flags, told_here.as_ref(), told_there.as_ref()) {
            Decision::Keep(merged) => {
                if let (Some(here), Some(there)) = (&here, &there) {
                    plan.flags.add(uid, note, here, there, &merged, &selected.permitted, room);
                }
            }
            Decision::RemoveHere => {
                if !note.is_gone {
                    note.is_gone = true;
                    plan.notes.push(memory.place.message(uid, Some(note)));
                }
                plan.remove_here.push(uid);
            }
            Decision::RemoveThere => plan.remove_there.push(uid),
            Decision::SendAgain => send_again.push(uid),
            Decision::FetchAgain => plan.fetch_again.push(uid),
            Decision::Forget => forgotten.push(uid),
        }
    }
    plan.send_again = send_again.len() as u64;
    // Without its note a message is new, on the side that still has it.
    for uid in send_again.into_iter().chain(forgotten).chain(plan.fetch_again.iter().copied()) {
        memory.messages.remove(&uid);
        plan.notes.push(memory.place.message(uid, None));
    }
    Ok(plan)
}
