//! Messages that came are made durable here, in one batch with what is noted of them.

use std::collections::{BTreeMap, BTreeSet};

use postrider_store::{Account, Appended, BlobHash, Entry, Mailbox, MailboxId, Note, StoreError, Uid};

use super::bodies::{Arrived, Take};
use super::body::Body;
use super::error::ImapError;
use super::flags::{FlagSet, KeywordRoom};
use super::memory::{Memory, MessageNote, Sent};
use super::message_id::message_id_hash;
use super::options::ImapMode;
use super::recall::{hash_of, text_hash};
use super::report::{MailboxReport, Remark};
use crate::counted::{agreeing, counted};
use crate::observer::Observer;
use crate::received::date_of_header;

/// Odd sizes that are named one by one; more are counted, as some servers tell none right.
const NAMED_MAX: u64 = 10;

/// Where a message was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    /// It is here already.
    Here,
    /// It is not.
    There,
}

/// Puts messages into a mailbox here.
pub(crate) struct Keeping<'a> {
    pub(crate) account: &'a Account,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) mode: ImapMode,
    pub(crate) mailbox: MailboxId,
    pub(crate) memory: &'a mut Memory,
    pub(crate) report: &'a mut MailboxReport,
    pub(crate) keywords: KeywordRoom,
    /// Messages that are here and not noted, by size.
    pub(crate) unnoted: BTreeMap<u64, Vec<Entry>>,
    /// The present time, for messages without any date: seconds since 1970 (UTC).
    pub(crate) now: i64,
    /// The flags there of messages that were recognised by their content.
    pub(crate) flags_of_recognised: BTreeMap<u32, FlagSet>,
    /// Hashes of messages here without regard to line ends, as far as they were needed.
    pub(crate) text_hashes: BTreeMap<Uid, Option<BlobHash>>,
    /// Messages whose size the server told falsely.
    pub(crate) odd_sizes: u64,
    /// How many messages will be fetched in all.
    pub(crate) total: u64,
}

impl Take for Keeping<'_> {
    async fn take(&mut self, messages: Vec<Arrived>) -> Result<(), ImapError> {
        let (mut fresh, mut notes) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for message in messages {
            if let Body::TooLarge { bytes } = message.body {
                self.remark_too_large(message.described.uid, bytes);
            }
            let Some(octets) = message.octets() else { continue };
            bytes += octets.len() as u64;
            self.look_at_size(&message, octets.len() as u64);
            let note = self.note(&message, octets);
            match self.orphan_of(note.hash) {
                Some(number) => self.adopt(number, message.described.uid, note, &mut notes),
                None => match self.recognise(note, octets).await? {
                    (note, Whence::Here) => self.take_over(note, message.described.uid, &mut notes),
                    (note, Whence::There) => fresh.push((message, note)),
                },
            }
        }
        self.append(fresh, notes).await?;
        self.report.fetched_bytes += bytes;
        let done = self.report.fetched + self.report.recognised;
        self.observer.progress(done, Some(self.total.max(done)), self.report.fetched_bytes);
        Ok(())
    }
}

impl Keeping<'_> {
    fn note(&self, message: &Arrived, octets: &[u8]) -> MessageNote {
        MessageNote {
            local: Uid(0),
            told_bytes: message.described.told_bytes.unwrap_or(octets.len() as u64),
            bytes: octets.len() as u64,
            received: message.described.received.or_else(|| date_of_header(octets)).unwrap_or(self.now),
            message_id: message_id_hash(octets),
            hash: BlobHash::of(octets),
            flags: message.described.flags.clone(),
            is_gone: false,
            was_here: false,
        }
    }

    /// Notes a message that stands in another mailbox here, and is to stay there.
    pub(crate) async fn note_elsewhere(&mut self, message: &Arrived) -> Result<(), ImapError> {
        let Some(octets) = message.octets() else { return Ok(()) };
        let note = MessageNote { local: Uid(0), was_here: true, ..self.note(message, octets) };
        let uid = message.described.uid;
        self.account.write_notes(vec![self.memory.place.message(uid, Some(&note))]).await?;
        self.memory.messages.insert(uid, note);
        self.report.recognised += 1;
        Ok(())
    }

    /// What is to be told when all messages have come.
    pub(crate) fn finish(&mut self) {
        let more = self.odd_sizes.saturating_sub(NAMED_MAX);
        if more > 0 {
            let (messages, have) = (counted(more, "more message"), agreeing(more, "has", "have"));
            self.report.remarks.push(Remark::notice(format!("{messages} {have} another size than the server says")));
        }
        self.keywords.tell_left_out(self.report);
    }

    fn look_at_size(&mut self, message: &Arrived, bytes: u64) {
        if let Some(told) = message.described.told_bytes.filter(|told| *told != bytes) {
            self.odd_sizes += 1;
            if self.odd_sizes > NAMED_MAX {
                return;
            }
            let uid = message.described.uid;
            self.report.remarks.push(Remark::notice(format!(
                "message UID {uid}: the server says that it has {told} bytes, but it has {bytes}; it was taken as it is"
            )));
        }
    }

    pub(crate) fn remark_too_large(&mut self, uid: u32, bytes: u64) {
        self.report.lasting_problems += 1;
        self.report.remarks.push(Remark::problem(format!(
            "message UID {uid} was not fetched: with {bytes} bytes it is larger than a message may be here"
        )));
    }

    /// A message of an earlier UIDVALIDITY that has this content.
    fn orphan_of(&self, hash: BlobHash) -> Option<u32> {
        self.memory.orphans.iter().find(|(_, orphan)| orphan.hash == hash).map(|(&number, _)| number)
    }

    /// A message here that has this content and is not noted: it came another way, or from the same server under
    /// another name.
    async fn unnoted(&mut self, note: &MessageNote) -> Result<Option<Uid>, ImapError> {
        let Some(entries) = self.unnoted.get_mut(&note.bytes) else { return Ok(None) };
        for position in 0..entries.len() {
            let Some(entry) = entries.get(position).copied() else { break };
            if hash_of(self.account, entry.blob, note.bytes).await? == Some(note.hash) {
                entries.swap_remove(position);
                return Ok(Some(entry.uid));
            }
        }
        Ok(None)
    }

    /// The note of a message that came, with its place here if it is here already.
    async fn recognise(&mut self, note: MessageNote, octets: &[u8]) -> Result<(MessageNote, Whence), ImapError> {
        if let Some(local) = self.unnoted(&note).await? {
            return Ok((MessageNote { local, ..note }, Whence::Here));
        }
        if self.mode == ImapMode::Sync
            && let Some((local, bytes)) = self.sent_from_here(&note, octets).await?
            && let Some(hash) = hash_of(self.account, local.blob, bytes).await?
        {
            return Ok((MessageNote { local: local.uid, bytes, hash, ..note }, Whence::Here));
        }
        Ok((note, Whence::There))
    }

    /// A message here that went there, and is not as it was: servers complete the ends of lines, and some add to the header.
    async fn sent_from_here(&mut self, note: &MessageNote, octets: &[u8]) -> Result<Option<(Entry, u64)>, ImapError> {
        let lines = octets.iter().filter(|octet| **octet == b'\n').count() as u64;
        let shorter = note.bytes.saturating_sub(lines)..note.bytes;
        let near: Vec<Entry> = self.unnoted.range(shorter).flat_map(|(_, entries)| entries.iter().copied()).collect();
        let text = if near.is_empty() { None } else { Some(text_hash(octets)) };
        for entry in near {
            let known = match self.text_hashes.get(&entry.uid) {
                Some(known) => *known,
                None => {
                    let known = self.account.body(entry.blob).await?.map(|body| text_hash(&body));
                    self.text_hashes.insert(entry.uid, known);
                    known
                }
            };
            if known.is_some() && known == text {
                return Ok(self.claim(entry));
            }
        }
        let sent: Vec<Entry> = match self.memory.sent.is_empty() || note.message_id == 0 {
            true => Vec::new(),
            false => self
                .unnoted
                .values()
                .flatten()
                .filter(|entry| self.memory.sent.contains(&entry.uid.0))
                .copied()
                .collect(),
        };
        for entry in sent {
            let body = self.account.body(entry.blob).await?;
            if body.is_some_and(|body| message_id_hash(&body) == note.message_id) {
                return Ok(self.claim(entry));
            }
        }
        Ok(None)
    }

    /// Takes a message out of those that are not noted.
    fn claim(&mut self, entry: Entry) -> Option<(Entry, u64)> {
        let bytes = u64::from(entry.size);
        self.unnoted.get_mut(&bytes)?.retain(|other| other.uid != entry.uid);
        Some((entry, bytes))
    }

    fn take_over(&mut self, mut note: MessageNote, uid: u32, notes: &mut Vec<Note>) {
        note.was_here = true;
        let flags = match self.mode {
            ImapMode::Archive | ImapMode::Mirror => note.flags.clone(),
            // There is nothing that both had agreed upon.
            ImapMode::Sync => std::mem::take(&mut note.flags),
        };
        self.flags_of_recognised.insert(uid, flags);
        if self.memory.sent.remove(&note.local.0) {
            notes.push(self.memory.place.sent(note.local.0, Sent::Settled));
        }
        notes.push(self.memory.place.message(uid, Some(&note)));
        self.memory.messages.insert(uid, note);
        self.report.recognised += 1;
    }

    /// Takes over a message of an earlier UIDVALIDITY.
    fn adopt(&mut self, number: u32, uid: u32, mut note: MessageNote, notes: &mut Vec<Note>) {
        let Some(orphan) = self.memory.orphans.remove(&number) else { return };
        note.local = orphan.local;
        note.was_here = orphan.was_here;
        self.flags_of_recognised.insert(uid, std::mem::replace(&mut note.flags, orphan.flags));
        notes.push(self.memory.place.orphan(number, None));
        notes.push(self.memory.place.message(uid, Some(&note)));
        self.memory.messages.insert(uid, note);
        self.report.recognised += 1;
    }

    /// The flags that a new message gets here.
    fn flags_here(&mut self, flags: &FlagSet) -> FlagSet {
        let wanted = match self.mode {
            // An archive is not to lose a message because somebody's mail program expunges here.
            ImapMode::Archive => flags.clone().without_deleted(),
            ImapMode::Mirror | ImapMode::Sync => flags.clone(),
        };
        self.keywords.fit(&wanted)
    }

    async fn append(&mut self, fresh: Vec<(Arrived, MessageNote)>, notes: Vec<Note>) -> Result<(), ImapError> {
        match self.append_group(&fresh, notes.clone()).await {
            // One message is too much for the store: the others are not to suffer.
            Err(ImapError::Store(StoreError::TooLarge { .. })) => {
                self.append_group(&[], notes).await?;
                for single in fresh {
                    match self.append_group(std::slice::from_ref(&single), Vec::new()).await {
                        Err(ImapError::Store(StoreError::TooLarge { .. })) => {
                            self.remark_too_large(single.0.described.uid, single.1.bytes);
                        }
                        other => other?,
                    }
                }
                Ok(())
            }
            other => other,
        }
    }

    async fn append_group(&mut self, fresh: &[(Arrived, MessageNote)], mut notes: Vec<Note>) -> Result<(), ImapError> {
        let next = self.account.state().mailbox(self.mailbox).ok_or(StoreError::NoMailbox)?.record.uid_next;
        let mut messages = Vec::with_capacity(fresh.len());
        let mut foretold: BTreeMap<u32, MessageNote> = BTreeMap::new();
        for (position, (arrived, note)) in (0u32..).zip(fresh) {
            let Some(octets) = arrived.octets() else { continue };
            let flags = self.flags_here(&note.flags);
            messages.push(self.account.prepare(octets.clone(), flags.to_store(), note.received).await);
            let mut note = MessageNote { local: Uid(next.0.saturating_add(position)), ..note.clone() };
            if self.mode == ImapMode::Sync {
                // What both have: a keyword without room here is no change of somebody's.
                note.flags = flags;
            }
            foretold.insert(arrived.described.uid, note);
        }
        if let Some(mailbox) = &mut self.memory.mailbox {
            mailbox.certain_before = next;
        }
        notes.extend(foretold.iter().map(|(&uid, note)| self.memory.place.message(uid, Some(note))));
        notes.push(self.memory.place.mailbox(self.memory.mailbox.as_ref()));
        if messages.is_empty() {
            self.account.write_notes(notes).await?;
            return Ok(());
        }
        let appended = self.account.append_noting(self.mailbox, messages, notes).await?;
        self.set_right(&appended, &mut foretold).await?;
        self.report.fetched += foretold.len() as u64;
        self.memory.messages.append(&mut foretold);
        Ok(())
    }

    /// If others delivered at the same moment, the messages have other UIDs than was foretold.
    async fn set_right(&self, appended: &Appended, foretold: &mut BTreeMap<u32, MessageNote>) -> Result<(), ImapError> {
        let mut notes = Vec::new();
        for ((&uid, note), local) in foretold.iter_mut().zip(appended.uids.iter()) {
            if note.local != local {
                note.local = local;
                notes.push(self.memory.place.message(uid, Some(note)));
            }
        }
        if !notes.is_empty() {
            self.account.write_notes(notes).await?;
        }
        Ok(())
    }
}

/// Messages of a mailbox here that are not noted, by size.
pub(crate) fn unnoted(mailbox: &Mailbox, memory: &Memory) -> BTreeMap<u64, Vec<Entry>> {
    let noted: BTreeSet<Uid> = memory.messages.values().chain(memory.orphans.values()).map(|note| note.local).collect();
    let mut found: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    for entry in mailbox.messages().into_iter().flat_map(|messages| messages.iter()) {
        if !noted.contains(&entry.uid) {
            found.entry(entry.size.into()).or_default().push(*entry);
        }
    }
    found
}
