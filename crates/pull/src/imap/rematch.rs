//! A mailbox's UIDs are others than before: its messages are known again by what they are.
//!
//! The usual advice at a new UIDVALIDITY is to throw everything away and fetch it anew, and programs that did the first
//! half without the second have lost mail. Here a message is taken for the one that is noted if size, date and
//! Message-ID agree; if several do, they must have had the same content. What is not recognised so is fetched,
//! and recognised by its content then ([`super::keeping`]). Nothing is removed here because of it.

use std::collections::{BTreeMap, VecDeque};

use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::ImapConnection;
use super::error::ImapError;
use super::listing::{Describe, Described};
use super::memory::{Memory, MessageNote};
use super::options::ImapPullOptions;
use postrider_store::Note;

/// Size, date and Message-ID.
type Likeness = (u64, i64, u64);

fn likeness_of_note(note: &MessageNote) -> Option<Likeness> {
    (note.message_id != 0).then_some((note.told_bytes, note.received, note.message_id))
}

fn likeness(described: &Described) -> Option<Likeness> {
    (described.message_id != 0).then_some((described.told_bytes?, described.received?, described.message_id))
}

/// Gives the noted messages their new UIDs. Answers what is to be written, and how many were recognised.
pub(crate) async fn rematch<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    memory: &mut Memory,
    uid_validity: u32,
    options: &ImapPullOptions,
) -> Result<(Vec<Note>, u64), ImapError> {
    let mut notes = memory.forgetting();
    let messages = std::mem::take(&mut memory.messages);
    let orphans = std::mem::take(&mut memory.orphans);
    let mut pool = Pool::of(messages.into_values().chain(orphans.into_values()).collect());
    if pool.has_likenesses() {
        let present: Vec<u32> = connection.search_all().await?.into_iter().collect();
        for uids in present.chunks(options.described_messages_max.max(1) as usize) {
            for (uid, described) in connection.describe(uids, Describe::WithMessageId).await? {
                if let Some(mut note) = likeness(&described).and_then(|likeness| pool.take(likeness)) {
                    note.is_gone = false;
                    memory.messages.insert(uid, note);
                }
            }
        }
    }
    memory.orphans = (0..).zip(pool.rest()).collect();
    if let Some(mailbox) = &mut memory.mailbox {
        mailbox.uid_validity = uid_validity;
        mailbox.modseq = 0;
    }
    // Later notes win over earlier ones of the same key.
    notes.extend(memory.writing());
    Ok((notes, memory.messages.len() as u64))
}

/// Messages that were noted under the old UIDs.
struct Pool {
    notes: Vec<Option<MessageNote>>,
    by_likeness: BTreeMap<Likeness, VecDeque<usize>>,
}

impl Pool {
    fn of(notes: Vec<MessageNote>) -> Self {
        let mut by_likeness: BTreeMap<Likeness, VecDeque<usize>> = BTreeMap::new();
        for (index, note) in notes.iter().enumerate() {
            if let Some(likeness) = likeness_of_note(note) {
                by_likeness.entry(likeness).or_default().push_back(index);
            }
        }
        // Alike from outside and different inside: which is which only the content can tell.
        let hash = |index: &usize| notes.get(*index).map(|note| note.hash);
        by_likeness.retain(|_, indexes| indexes.iter().all(|index| hash(index) == indexes.front().and_then(hash)));
        Self { notes: notes.into_iter().map(Some).collect(), by_likeness }
    }

    fn has_likenesses(&self) -> bool {
        !self.by_likeness.is_empty()
    }

    fn take(&mut self, likeness: Likeness) -> Option<MessageNote> {
        let index = self.by_likeness.get_mut(&likeness)?.pop_front()?;
        self.notes.get_mut(index)?.take()
    }

    fn rest(self) -> impl Iterator<Item = MessageNote> {
        self.notes.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::flags::FlagSet;
    use postrider_store::{BlobHash, Uid};

    fn note(local: u32, message_id: u64, content: &[u8]) -> MessageNote {
        MessageNote {
            local: Uid(local),
            told_bytes: 10,
            bytes: 10,
            received: 5,
            message_id,
            hash: BlobHash::of(content),
            flags: FlagSet::default(),
            is_gone: false,
            was_here: false,
        }
    }

    #[test]
    fn only_what_is_beyond_doubt_is_taken_over() {
        let notes = vec![note(1, 7, b"a"), note(2, 7, b"a"), note(3, 8, b"b"), note(4, 8, b"c"), note(5, 0, b"d")];
        let mut pool = Pool::of(notes);
        let mut taken = |message_id| pool.take((10, 5, message_id)).map(|note| note.local.0);
        assert_eq!([taken(7), taken(7), taken(7)], [Some(1), Some(2), None]);
        assert_eq!([taken(8), taken(0), taken(9)], [None, None, None]);
        assert_eq!(pool.rest().map(|note| note.local.0).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
