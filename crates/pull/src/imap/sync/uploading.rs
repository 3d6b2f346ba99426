//! Messages that are only here go there.
//!
//! One message is held at a time. Several are on the way, and each is noted once the server has taken it and told its UID;
//! where it tells none, it is looked for afterwards, and until it is found it is at least known not to be sent again.

use std::collections::{BTreeSet, VecDeque};

use postrider_imap_proto::client::FailureKind;
use postrider_store::{BlobHash, Entry, MailboxId, Note};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use crate::counted::{agreeing, counted};
use crate::imap::appending::{Appends, Settled, Upload, with_line_ends};
use crate::imap::error::ImapError;
use crate::imap::flags::FlagSet;
use crate::imap::keeping::unnoted;
use crate::imap::listing::Selected;
use crate::imap::mailboxes::RemoteMailbox;
use crate::imap::memory::{Memory, MessageNote, Sent};
use crate::imap::message_id::message_id_hash;
use crate::imap::report::{MailboxReport, Remark, printable};

/// Notes that are written together, at most.
const NOTES_MAX: usize = 64;

/// Messages that were not taken and are named one by one; more are counted.
const NAMED_MAX: u64 = 10;

/// Messages on their way to one mailbox.
struct Sending {
    queue: VecDeque<Entry>,
    appends: Appends<(Entry, MessageNote)>,
    notes: Vec<Note>,
    retries: u32,
    refused: u64,
    /// Why nothing more is sent, if so.
    ended: Option<String>,
    total: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Sends what is new here. The mailbox there is selected, and what is new there was brought.
    pub(super) async fn send_new(
        &mut self,
        remote: &RemoteMailbox,
        selected: &Selected,
        mailbox: MailboxId,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let here = self.worker.account.mailbox(mailbox).await?;
        let mut waiting: Vec<Entry> = unnoted(&here, memory).into_values().flatten().collect();
        waiting.retain(|entry| !memory.sent.contains(&entry.uid.0));
        waiting.sort_by_key(|entry| entry.uid);
        self.forget_removed(&here, memory).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        if !self.is_real() {
            report.uploaded += waiting.len() as u64;
            report.uploaded_bytes += waiting.iter().map(|entry| u64::from(entry.size)).sum::<u64>();
            return Ok(());
        }
        if selected.is_read_only {
            let messages = counted(waiting.len(), "message");
            let text = format!("{messages} did not go there: the mailbox there can only be read");
            report.remarks.push(Remark::problem(text));
            return Ok(());
        }
        // If the run ends in the middle, the next one has to wait for what is still on the way.
        self.worker.account.write_notes(vec![memory.place.sending(true)]).await?;
        memory.is_sending = true;
        let (total, queue) = (waiting.len() as u64, waiting.into());
        let appends = Appends::new(self.worker.options.uploads_ahead_max);
        let mut sending = Sending { queue, appends, notes: Vec::new(), retries: 0, refused: 0, ended: None, total };
        let outcome = self.send_all(&mut sending, remote, selected, &here.record.keywords, memory, report).await;
        // What was taken is noted whatever came later.
        if outcome.is_ok() {
            sending.notes.push(memory.place.sending(false));
            memory.is_sending = false;
        }
        if !sending.notes.is_empty() {
            self.worker.account.write_notes(std::mem::take(&mut sending.notes)).await?;
        }
        outcome?;
        if let Some(why) = sending.ended {
            let left = sending.queue.len() as u64 + sending.refused;
            report.remarks.push(Remark::problem(format!("{} did not go there: {why}", counted(left, "message"))));
        } else if sending.refused > NAMED_MAX {
            let more = sending.refused - NAMED_MAX;
            let (messages, were) = (counted(more, "more message"), agreeing(more, "was", "were"));
            report.remarks.push(Remark::problem(format!("{messages} {were} not taken there")));
        }
        self.find_sent(selected, mailbox, memory, report).await
    }

    async fn send_all(
        &mut self,
        sending: &mut Sending,
        remote: &RemoteMailbox,
        selected: &Selected,
        keywords: &postrider_store::KeywordTable,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        loop {
            while !sending.appends.is_full() && sending.ended.is_none() {
                let Some(entry) = sending.queue.pop_front() else { break };
                let flags = FlagSet::from_store(&keywords.flags(entry.flags));
                let flags = selected.permitted.fit(&flags);
                self.send_one(sending, remote, entry, flags, report).await?;
            }
            let Some(settled) = sending.appends.settle(self.worker.connection).await? else {
                // Something may have been put back.
                if sending.queue.is_empty() || sending.ended.is_some() {
                    return Ok(());
                }
                continue;
            };
            self.settled(sending, settled, selected, memory, report).await?;
        }
    }

    async fn send_one(
        &mut self,
        sending: &mut Sending,
        remote: &RemoteMailbox,
        entry: Entry,
        flags: FlagSet,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let Some(body) = self.worker.account.body(entry.blob).await? else {
            sending.refuse(&entry, "it cannot be read here; `postrider check` tells more", report);
            return Ok(());
        };
        let mut note = MessageNote {
            local: entry.uid,
            told_bytes: body.len() as u64,
            bytes: body.len() as u64,
            received: entry.received,
            message_id: message_id_hash(&body),
            hash: BlobHash::of(&body),
            flags,
            is_gone: false,
            was_here: true,
        };
        let body = with_line_ends(&body).unwrap_or(body);
        note.told_bytes = body.len() as u64;
        if self.worker.connection.capabilities.append_limit().is_some_and(|limit| note.told_bytes > limit) {
            sending.refuse(&entry, "it is larger than the server takes", report);
            report.lasting_problems += usize::from(sending.refused <= NAMED_MAX);
            return Ok(());
        }
        let mailbox = remote.raw.to_argument();
        let flags = note.flags.clone();
        let upload = Upload { mailbox: &mailbox, flags: &flags, received: entry.received, octets: &body };
        match sending.appends.send(self.worker.connection, upload, (entry, note)).await {
            Err(error @ ImapError::Encode(_)) => {
                sending.refuse(&entry, &error.to_string(), report);
                report.lasting_problems += usize::from(sending.refused <= NAMED_MAX);
                Ok(())
            }
            other => other,
        }
    }

    async fn settled(
        &mut self,
        sending: &mut Sending,
        settled: Settled<(Entry, MessageNote)>,
        selected: &Selected,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        let append_uid = settled.append_uid().filter(|(validity, _)| *validity == selected.uid_validity);
        let Settled { of: (entry, note), status } = settled;
        match status.failure() {
            None => {
                sending.retries = 0;
                report.uploaded += 1;
                report.uploaded_bytes += note.told_bytes;
                match append_uid {
                    Some((_, uid)) => {
                        sending.notes.push(memory.place.message(uid, Some(&note)));
                        memory.messages.insert(uid, note);
                    }
                    None => {
                        sending.notes.push(memory.place.sent(entry.uid.0, Sent::Unpaired));
                        memory.sent.insert(entry.uid.0);
                    }
                }
                if sending.notes.len() >= NOTES_MAX {
                    sending.notes.push(memory.place.mailbox(memory.mailbox.as_ref()));
                    self.worker.account.write_notes(std::mem::take(&mut sending.notes)).await?;
                }
                self.worker.observer.progress(report.uploaded, Some(sending.total), report.uploaded_bytes);
            }
            Some(FailureKind::Throttled | FailureKind::Temporary) => {
                sending.queue.push_front(entry);
                self.worker.connection.be_patient("APPEND", &status, &mut sending.retries).await?;
            }
            Some(FailureKind::OverQuota) => {
                sending.queue.push_front(entry);
                let said = printable(&status.text);
                sending.ended = Some(format!("the account there is full ({said}); make room there and run this again"));
            }
            Some(_) => {
                let said = printable(&status.text);
                sending.refuse(&entry, &format!("the server did not take it: {said}"), report);
                let is_lasting = status.failure() == Some(FailureKind::TooLarge) && sending.refused <= NAMED_MAX;
                report.lasting_problems += usize::from(is_lasting);
                if sending.refused > u64::from(self.worker.options.refusals_max) {
                    sending.ended = Some(format!("the server refuses them; the last time it said: {said}"));
                }
            }
        }
        Ok(())
    }

    /// Finds the messages that the server took without telling their UIDs: they are new there.
    async fn find_sent(
        &mut self,
        selected: &Selected,
        mailbox: MailboxId,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(), ImapError> {
        if memory.sent.is_empty() {
            return Ok(());
        }
        // Servers may tell of new messages at such a command only (RFC 3501 §6.1.2).
        let noop = postrider_imap_proto::command::CommandBody::Noop;
        self.worker.connection.command("NOOP", noop, drop).await?;
        let present = self.worker.connection.search_all().await?;
        let known: BTreeSet<u32> = memory.messages.keys().copied().collect();
        let new: Vec<u32> = present.difference(&known).copied().collect();
        let here = self.worker.account.mailbox(mailbox).await?;
        let recognised = report.recognised;
        self.bring(&here, selected, new, memory, report).await?;
        // They are what was sent, and no others.
        report.recognised = recognised;
        let lost = memory.sent.len();
        if lost > 0 {
            report.remarks.push(Remark::notice(format!(
                "{} went there and cannot be found there: the server tells no UIDs and seems to alter messages; {} flags \
                 are not followed",
                counted(lost, "message"),
                agreeing(lost, "its", "their")
            )));
        }
        Ok(())
    }

    /// What was sent and removed here since does not have to be found any more.
    async fn forget_removed(&self, here: &postrider_store::Mailbox, memory: &mut Memory) -> Result<(), ImapError> {
        let is_here =
            |uid: u32| here.messages().is_some_and(|messages| messages.find(postrider_store::Uid(uid)).is_some());
        let removed: Vec<u32> = memory.sent.iter().copied().filter(|uid| !is_here(*uid)).collect();
        if removed.is_empty() || !self.is_real() {
            return Ok(());
        }
        memory.sent.retain(|uid| !removed.contains(uid));
        let notes = removed.iter().map(|&uid| memory.place.sent(uid, Sent::Settled)).collect();
        Ok(self.worker.account.write_notes(notes).await?)
    }
}

impl Sending {
    fn refuse(&mut self, entry: &Entry, why: &str, report: &mut MailboxReport) {
        self.refused += 1;
        if self.refused <= NAMED_MAX {
            report.remarks.push(Remark::problem(format!(
                "the message with UID {} here, of {} bytes, did not go there: {why}",
                entry.uid.0, entry.size
            )));
        }
    }
}
