//! Messages that are the same on both sides, and are not noted as such.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use postrider_store::{Account, Entry, Mailbox, Note, StoreError, Uid};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Syncer;
use crate::imap::error::ImapError;
use crate::imap::flags::FlagSet;
use crate::imap::keeping::unnoted;
use crate::imap::listing::{Describe, Described};
use crate::imap::memory::{Memory, MessageNote, Sent};
use crate::imap::message_id::message_id_hash;
use crate::imap::recall::hash_of;
use crate::imap::report::MailboxReport;

/// Octets of a message in which its Message-ID is looked for.
const HEADER_BYTES_MAX: u64 = 256 * 1024;

/// Size and date.
type Outside = (u64, i64);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    /// Recognises messages that are new there by size, date and Message-ID, where that leaves no doubt. Answers those that
    /// have to be fetched, and the flags there of the others.
    pub(super) async fn recognise(
        &mut self,
        mailbox: &Mailbox,
        new: Vec<u32>,
        memory: &mut Memory,
        report: &mut MailboxReport,
    ) -> Result<(Vec<u32>, BTreeMap<u32, FlagSet>), ImapError> {
        let account = self.worker.account;
        let by_size = unnoted(mailbox, memory);
        if by_size.is_empty() {
            return Ok((new, BTreeMap::new()));
        }
        let mut here: BTreeMap<Outside, Vec<Entry>> = BTreeMap::new();
        for entry in by_size.into_values().flatten() {
            here.entry((entry.size.into(), entry.received)).or_default().push(entry);
        }
        let mut alike: BTreeMap<(Outside, u64), Vec<Described>> = BTreeMap::new();
        for uids in new.chunks(self.worker.options.described_messages_max.max(1) as usize) {
            let connection = &mut *self.worker.connection;
            let described = connection.describe_with_care(uids, Describe::WithMessageId, &memory.place).await?;
            for described in described.into_values() {
                if let (Some(bytes), Some(received)) = (described.told_bytes, described.received)
                    && described.message_id != 0
                    && here.contains_key(&(bytes, received))
                {
                    alike.entry(((bytes, received), described.message_id)).or_default().push(described);
                }
            }
        }
        let (mut told, mut notes) = (BTreeMap::new(), Vec::new());
        for ((outside, message_id), described) in alike {
            // Several that are alike from outside: the content has to tell.
            let [described] = described.as_slice() else { continue };
            let Some(entry) = only_one(account, here.get(&outside), message_id).await? else { continue };
            let Some(hash) = hash_of(account, entry.blob, entry.size.into()).await? else { continue };
            let note = MessageNote {
                local: entry.uid,
                told_bytes: outside.0,
                bytes: entry.size.into(),
                received: outside.1,
                message_id,
                hash,
                flags: FlagSet::default(),
                is_gone: false,
                was_here: true,
            };
            notes.push(memory.place.message(described.uid, Some(&note)));
            if memory.sent.remove(&entry.uid.0) {
                notes.push(memory.place.sent(entry.uid.0, Sent::Settled));
            }
            memory.messages.insert(described.uid, note);
            told.insert(described.uid, described.flags.clone());
        }
        report.recognised += told.len() as u64;
        if self.is_real() && !notes.is_empty() {
            notes.push(memory.place.mailbox(memory.mailbox.as_ref()));
            account.write_notes(notes).await?;
        }
        Ok((new.into_iter().filter(|uid| !told.contains_key(uid)).collect(), told))
    }
}

/// The one message among these that has the Message-ID; `None` if several have it.
async fn only_one(
    account: &Account,
    entries: Option<&Vec<Entry>>,
    message_id: u64,
) -> Result<Option<Entry>, StoreError> {
    let mut found = None;
    for entry in entries.into_iter().flatten() {
        if message_id_of(account, entry).await? == message_id {
            if found.is_some() {
                return Ok(None);
            }
            found = Some(*entry);
        }
    }
    Ok(found)
}

async fn message_id_of(account: &Account, entry: &Entry) -> Result<u64, StoreError> {
    let mut hash = 0;
    let length = HEADER_BYTES_MAX.min(entry.size.into());
    account
        .pieces(&[(entry.blob, 0, length)], &mut |_, piece| {
            hash = piece.map_or(0, message_id_hash);
            ControlFlow::Continue(())
        })
        .await?;
    Ok(hash)
}

/// The mailbox here has other UIDs than before: the noted messages are known again by their content. Notes of those that
/// are not here are dropped, so that they come again: nobody removed them. Answers what is to be written.
pub(super) async fn rematch_here(
    account: &Account,
    mailbox: &Mailbox,
    memory: &mut Memory,
) -> Result<Vec<Note>, ImapError> {
    let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
    let mut notes = memory.forgetting();
    let mut by_size: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    for entry in messages.iter() {
        by_size.entry(entry.size.into()).or_default().push(*entry);
    }
    let mut hashes = BTreeMap::new();
    let mut taken: BTreeSet<Uid> = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (uid, note) in std::mem::take(&mut memory.messages) {
        for entry in by_size.get(&note.bytes).into_iter().flatten().filter(|entry| !note.is_gone && entry.size > 0) {
            if taken.contains(&entry.uid) {
                continue;
            }
            let hash = match hashes.get(&entry.blob) {
                Some(hash) => *hash,
                None => {
                    let hash = hash_of(account, entry.blob, note.bytes).await?;
                    hashes.insert(entry.blob, hash);
                    hash
                }
            };
            if hash == Some(note.hash) {
                taken.insert(entry.uid);
                found.insert(uid, MessageNote { local: entry.uid, ..note });
                break;
            }
        }
    }
    memory.messages = found;
    memory.orphans.clear();
    memory.sent.clear();
    if let Some(note) = &mut memory.mailbox {
        note.local = mailbox.id;
        note.local_validity = mailbox.record.uid_validity;
        note.certain_before = mailbox.record.uid_next;
        note.local_modseq = 0;
        // Messages that are not noted any more have to be told again.
        note.modseq = 0;
    }
    // Later notes win over earlier ones of the same key.
    notes.extend(memory.writing());
    Ok(notes)
}
