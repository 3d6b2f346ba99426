//! SELECT and EXAMINE (RFC 9051 §6.3.2 and §6.3.3, RFC 3501 §6.3.1, RFC 7162 §3.1.8 and §3.2.5).

use postrider_imap_proto::{
    command::{Qresync, Select},
    encode::{self, Code, ListResponse, Status, Vanished},
    set::SequenceSet,
};
use postrider_store::{FlagBits, Mailbox, ModSeq, SEPARATOR, Snapshot, UidSet};

use crate::{
    answer::{Answer, Failure},
    command::{create::mailbox_id, list::attributes_of},
    selected::{Access, Selected, encode_flag_lists},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn select(&mut self, select: Select, access: Access) -> Result<Answer, Failure> {
        if select.qresync.is_some() && !self.enabled.qresync {
            return Err(Failure::bad("Enable QRESYNC first"));
        }
        // RFC 9051 §6.3.2: whatever comes of it, the mailbox that was selected no longer is.
        if self.selected.take().is_some() {
            self.status(None, Status::Ok, Some(&Code::Closed), "The mailbox before is closed");
        }
        let name = self.mailbox_name(&select.mailbox.0)?;
        let account = self.account()?;
        let found = account.state().find(&name).map(|mailbox| mailbox.id);
        let id = found.ok_or_else(|| Failure::no(Code::NonExistent, "There is no such mailbox"))?;
        let mailbox = account.mailbox_outline(id).await?;
        if select.condstore {
            self.enabled.condstore = true;
        }
        let selected = Selected::new(&mailbox, access);
        self.describe(&mailbox, &selected);
        self.selected = Some(selected);
        if let Some(qresync) = &select.qresync
            && qresync.uid_validity == mailbox.record.uid_validity.0
        {
            self.resynchronise(&mailbox, qresync).await?;
        }
        Ok(match access {
            Access::ReadWrite => Answer::ok_with(Code::ReadWrite, "Selected"),
            Access::ReadOnly => Answer::ok_with(Code::ReadOnly, "Examined"),
        })
    }

    fn describe(&mut self, mailbox: &Mailbox, selected: &Selected) {
        let record = &mailbox.record;
        encode_flag_lists(&record.keywords, selected.access, &mut self.out);
        encode::encode_exists(&mut self.out, selected.known.len());
        if !self.enabled.rev2 {
            encode::encode_recent(&mut self.out, selected.recent_count());
            if let Some(unseen) = first_unseen(mailbox, &selected.known) {
                self.status(None, Status::Ok, Some(&Code::Unseen(unseen)), "The first unseen message");
            }
        }
        let codes = [
            (Code::UidValidity(record.uid_validity.0), "UIDs are valid"),
            (Code::UidNext(record.uid_next.0), "The next UID"),
            (Code::HighestModseq(record.highest_modseq.0), "The highest mod-sequence"),
            (Code::MailboxId(mailbox_id(mailbox.id)), "The mailbox's id"),
        ];
        for (code, text) in &codes {
            self.status(None, Status::Ok, Some(code), text);
        }
        if self.enabled.rev2 {
            // RFC 9051 §6.3.2: the mailbox's name and attributes are part of the answer.
            let Ok(account) = self.account() else { return };
            let attributes = attributes_of(&account.state(), mailbox);
            let response = ListResponse {
                attributes: &attributes,
                separator: Some(SEPARATOR),
                name: &record.name,
                child_info: &[],
                old_name: None,
            };
            let encoding = self.name_encoding();
            encode::encode_list(&mut self.out, &response, encoding);
        }
    }

    /// Tells a client that was here before what went and what changed since (RFC 7162 §3.2.5.1).
    async fn resynchronise(&mut self, mailbox: &Mailbox, qresync: &Qresync) -> Result<(), Failure> {
        let account = self.account()?;
        let snapshot = self.selected()?.known.clone();
        let since = ModSeq(qresync.modseq);
        let mut known = qresync.known_uids.as_ref().map(|set| uids_as_written(set, mailbox));
        if let Some((sequences, uids)) = &qresync.sequence_match {
            let unchanged = matching_prefix(&snapshot, sequences, uids);
            let everything = UidSet::from_ranges(vec![(1, mailbox.record.uid_next.0.saturating_sub(1))]);
            let rest = UidSet::from_ranges(vec![(unchanged.saturating_add(1), u32::MAX)]);
            known = Some(known.unwrap_or(everything).intersection(&rest));
        }
        let vanished = account.vanished(mailbox, since, known.as_ref()).await?;
        encode::encode_vanished(&mut self.out, Vanished::Earlier, vanished.ranges());
        let told = qresync.known_uids.as_ref().map(|set| uids_as_written(set, mailbox));
        let changed = snapshot.iter().zip(1..).filter(|(entry, _)| entry.modseq > since);
        for (entry, sequence) in changed.filter(|(entry, _)| told.as_ref().is_none_or(|told| told.contains(entry.uid)))
        {
            if let Some(selected) = &self.selected {
                selected.report_entry(sequence, entry, self.enabled, &mut self.out);
            }
            self.flush_if_large().await?;
        }
        Ok(())
    }
}

/// The sequence number of the first message without `\Seen`.
fn first_unseen(mailbox: &Mailbox, messages: &Snapshot) -> Option<u32> {
    if mailbox.record.counts.unseen == 0 {
        return None;
    }
    messages.first_without(FlagBits::SEEN)
}

/// UIDs that a client names, also those of messages that are gone.
fn uids_as_written(set: &SequenceSet, mailbox: &Mailbox) -> UidSet {
    UidSet::from_ranges(set.resolve(mailbox.record.uid_next.0.saturating_sub(1)).unwrap_or_default())
}

/// The largest UID up to which the client's numbers and ours agree: no message went before it (RFC 7162 §3.2.5.2).
fn matching_prefix(known: &Snapshot, sequences: &SequenceSet, uids: &SequenceSet) -> u32 {
    let flat = |set: &SequenceSet| -> Vec<(u32, u32)> { set.resolve(known.len()).unwrap_or_default() };
    let numbers = |ranges: Vec<(u32, u32)>| ranges.into_iter().flat_map(|(low, high)| low..=high);
    numbers(flat(sequences))
        .zip(numbers(uids.resolve(u32::MAX).unwrap_or_default()))
        .take_while(|&(sequence, uid)| known.get(sequence).is_some_and(|entry| entry.uid.0 == uid))
        .last()
        .map_or(0, |(_, uid)| uid)
}
