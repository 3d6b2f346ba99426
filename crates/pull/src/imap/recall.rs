//! What is noted, held against what is here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use postrider_store::{Account, BlobHash, BlobId, Entry, Mailbox, Note, StoreError, Uid};

use super::error::ImapError;
use super::memory::{Memory, MessageNote};
use super::options::Rehearsal;

/// A piece of a message that is read at a time, in bytes.
const PIECE_BYTES: u64 = 1024 * 1024;

/// The mailbox here that is noted, if it is still there, whatever its name is now. Notes whose UIDs are not certain are
/// proved, and set right where a crash came between.
pub(crate) async fn recall(
    account: &Account,
    memory: &mut Memory,
    rehearsal: Rehearsal,
) -> Result<Option<Arc<Mailbox>>, ImapError> {
    let Some(note) = memory.mailbox.clone() else { return Ok(None) };
    let mailbox = match account.mailbox(note.local).await {
        Ok(mailbox) if mailbox.record.uid_validity == note.local_validity => mailbox,
        Ok(_) | Err(StoreError::NoMailbox) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (mut notes, doubtful) = prove(account, &mailbox, note.certain_before, memory).await?;
    if note.certain_before == Uid(0) {
        // The store was restored. What is not found now will not be later, and its UID may be another's.
        for uid in doubtful {
            if let Some(message) = memory.messages.get_mut(&uid) {
                message.local = Uid(0);
                message.was_here = false;
                notes.push(memory.place.message(uid, Some(message)));
            }
        }
        if let Some(note) = &mut memory.mailbox {
            note.certain_before = mailbox.record.uid_next;
        }
        notes.push(memory.place.mailbox(memory.mailbox.as_ref()));
    }
    if !notes.is_empty() && rehearsal == Rehearsal::Real {
        account.write_notes(notes).await?;
    }
    Ok(Some(mailbox))
}

/// Looks for the messages whose UIDs are not certain. Answers what is to be written, and which are not found.
async fn prove(
    account: &Account,
    mailbox: &Mailbox,
    certain_before: Uid,
    memory: &mut Memory,
) -> Result<(Vec<Note>, Vec<u32>), ImapError> {
    let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
    let (mut taken, mut doubtful) = (BTreeSet::new(), Vec::new());
    for (&uid, note) in memory.messages.iter().filter(|(_, note)| note.local >= certain_before && !note.is_elsewhere())
    {
        match messages.find(note.local) {
            Some((_, entry)) if is_it(account, entry, note).await? => {
                taken.insert(entry.uid);
            }
            _ => doubtful.push(uid),
        }
    }
    let mut young: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    if !doubtful.is_empty() {
        for (_, entry) in messages.range(messages.sequence_at_or_after(certain_before), u32::MAX) {
            young.entry(entry.size.into()).or_default().push(*entry);
        }
    }
    let (mut notes, mut lost) = (Vec::new(), Vec::new());
    for uid in doubtful {
        let Some(note) = memory.messages.get_mut(&uid) else { continue };
        let mut found = None;
        for entry in young.get(&note.bytes).into_iter().flatten() {
            if !taken.contains(&entry.uid) && is_it(account, entry, note).await? {
                found = Some(entry.uid);
                break;
            }
        }
        match found {
            Some(local) => {
                taken.insert(local);
                note.local = local;
                notes.push(memory.place.message(uid, Some(note)));
            }
            None => lost.push(uid),
        }
    }
    Ok((notes, lost))
}

async fn is_it(account: &Account, entry: &Entry, note: &MessageNote) -> Result<bool, ImapError> {
    Ok(u64::from(entry.size) == note.bytes && hash_of(account, entry.blob, entry.size.into()).await? == Some(note.hash))
}

/// The hash of a message as it can be read back; `None` if it is gone.
pub(crate) async fn hash_of(account: &Account, blob: BlobId, bytes: u64) -> Result<Option<BlobHash>, ImapError> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    loop {
        let length = PIECE_BYTES.min(bytes - offset);
        let mut found = false;
        account
            .pieces(&[(blob, offset, length)], &mut |_, piece| {
                if let Some(piece) = piece.filter(|piece| piece.len() as u64 == length) {
                    hasher.update(piece);
                    found = true;
                }
                ControlFlow::Continue(())
            })
            .await?;
        offset += length;
        if !found {
            return Ok(None);
        }
        if offset >= bytes {
            return Ok(Some(BlobHash(*hasher.finalize().as_bytes())));
        }
    }
}

/// The hash of a message without its carriage returns, which servers add where a line ends without.
pub(crate) fn text_hash(octets: &[u8]) -> BlobHash {
    let mut hasher = blake3::Hasher::new();
    for piece in octets.split(|&octet| octet == b'\r') {
        hasher.update(piece);
    }
    BlobHash(*hasher.finalize().as_bytes())
}
