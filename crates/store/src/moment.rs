//! The whole store as it was at one moment, to read at leisure while it goes on changing.
//!
//! What a backup needs: mailboxes, flags, counters and bytes that belong together, of all accounts, whatever sessions do
//! meanwhile. It stands on the engine's snapshot and takes no part in the accounts' writers: nobody waits for a moment that is
//! held, but space that becomes free is not used again until it is let go. So it is for work that ends.
//!
//! Only what is durable is in it. What was handed to a writer and not yet answered may be in it or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use postrider_engine::{Direction, KeyRange, Read, ValueVisitor};
use postrider_message::MimeLimits;

use crate::{
    error::StoreError,
    expunged::{ExpungedKey, ExpungedMessages},
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, ModSeq, Uid},
    keys,
    load::{load_account, scan_records},
    read::Records,
    record::{ChangeKind, ChangeRecord, EmailRecord},
    rows::load_rows,
    snapshot::Snapshot,
    state::AccountState,
    store::{Store, account_ranges},
    uid_set::UidSet,
};

/// How many notes are read in one go: there may be one for each message that a POP3 server ever had.
const NOTES_AT_ONCE: usize = 1000;
/// How many bytes of notes end a go, too.
const NOTES_BYTES_AT_ONCE: usize = 1 << 20;

/// A note's key and value.
pub type NoteRecord = (Vec<u8>, Vec<u8>);

/// What went from an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removals {
    /// Messages, by their mailbox.
    pub messages: BTreeMap<MailboxId, UidSet>,
    /// Mailboxes.
    pub mailboxes: BTreeSet<MailboxId>,
}

/// The whole store at one moment.
pub struct Moment {
    read: Box<dyn Read>,
    taken: i64,
    mime: MimeLimits,
}

impl Store {
    /// Holds the store as it is now, all accounts together.
    pub async fn moment(&self) -> Result<Moment, StoreError> {
        let read = self.engine().snapshot().await?;
        Ok(Moment { read, taken: self.now(), mime: self.options().mime.clone() })
    }
}

impl Moment {
    /// When it was taken, seconds since 1970 (UTC).
    pub fn taken(&self) -> i64 {
        self.taken
    }

    /// The engine's records as of this moment: for the directory of accounts, which lies beside the mail.
    pub fn read(&self) -> &dyn Read {
        &*self.read
    }

    /// The bounds of MIME parsing with which derived answers of this store are made.
    pub fn mime(&self) -> &MimeLimits {
        &self.mime
    }

    /// Every account that has mail.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, StoreError> {
        let ranges = account_ranges(&*self.read).await?;
        Ok(ranges.into_iter().filter(|(_, has_record)| *has_record).map(|(id, _)| id).collect())
    }

    /// An account's counters, mailboxes and subscriptions; the mailboxes are without their messages.
    ///
    /// # Errors
    /// [`StoreError::NoAccount`] if it was not there.
    pub async fn account(&self, id: AccountId) -> Result<Arc<AccountState>, StoreError> {
        Ok(Arc::new(load_account(&*self.read, id).await?))
    }

    /// The messages of a mailbox; none for one that was not there.
    pub async fn messages(&self, id: AccountId, mailbox: MailboxId) -> Result<Snapshot, StoreError> {
        load_rows(&*self.read, id, mailbox).await
    }

    /// Email records, `None` where there was none.
    pub async fn emails(&self, id: AccountId, ids: &[EmailId]) -> Result<Vec<Option<EmailRecord>>, StoreError> {
        self.records(id).emails(ids).await
    }

    /// The names of blobs' contents, `None` where there was no blob.
    pub async fn hashes(&self, id: AccountId, blobs: &[BlobId]) -> Result<Vec<Option<BlobHash>>, StoreError> {
        self.records(id).hashes(blobs).await
    }

    /// A copy of a whole blob, checked by the engine's checksum; `None` if it was not there.
    pub async fn body(&self, id: AccountId, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        self.records(id).body(blob).await
    }

    /// Pieces of blobs, as [`crate::Account::pieces`].
    pub async fn pieces(
        &self,
        id: AccountId,
        pieces: &[(BlobId, u64, u64)],
        visit: &mut ValueVisitor<'_>,
    ) -> Result<(), StoreError> {
        self.records(id).pieces(pieces, visit).await
    }

    /// The derived answers of blobs, as [`crate::Account::derived`].
    pub async fn derived(
        &self,
        id: AccountId,
        blobs: &[BlobId],
        visit: &mut ValueVisitor<'_>,
    ) -> Result<(), StoreError> {
        self.records(id).beside(keys::derived, blobs, visit).await
    }

    /// The unique-ids that a mailbox's messages brought from other POP3 servers, by UID. The others have
    /// [`crate::own_unique_id`].
    pub async fn unique_ids(&self, id: AccountId, mailbox: MailboxId) -> Result<BTreeMap<Uid, String>, StoreError> {
        self.records(id).unique_ids(mailbox).await
    }

    /// What could be brought back, as [`crate::Account::expunged`].
    pub async fn expunged(
        &self,
        id: AccountId,
        after: Option<&ExpungedKey>,
        keys_max: usize,
    ) -> Result<Vec<ExpungedMessages>, StoreError> {
        self.records(id).expunged(after, keys_max).await
    }

    /// The next notes of an account, in the order of their keys: those after the key `after`, as many as are well read at once.
    /// None: there are no more.
    pub async fn notes_after(&self, id: AccountId, after: Option<&[u8]>) -> Result<Vec<NoteRecord>, StoreError> {
        let mut range: KeyRange = keys::notes(id, &[]);
        if let Some(after) = after {
            // A key's successor is the key with one more byte: there is none in between.
            range.start = [keys::note(id, after).as_slice(), &[0]].concat();
        }
        let (mut notes, mut bytes) = (Vec::new(), 0);
        self.read
            .scan(&range, Direction::Forward, &mut |key, value| {
                bytes += key.len() + value.len();
                notes.push((keys::tail(key).to_vec(), value.to_vec()));
                match notes.len() < NOTES_AT_ONCE && bytes < NOTES_BYTES_AT_ONCE {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })
            .await?;
        Ok(notes)
    }

    /// All notes of an account, in the order of their keys.
    pub async fn notes(&self, id: AccountId, mut visit: impl FnMut(&[u8], &[u8]) + Send) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let notes = self.notes_after(id, after.as_deref()).await?;
            notes.iter().for_each(|(key, value)| visit(key, value));
            match notes.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// What went from an account after `since`; nothing if the log of changes does not reach back so far.
    pub async fn removals(&self, id: AccountId, since: ModSeq) -> Result<Option<Removals>, StoreError> {
        if since < self.account(id).await?.record.changes_trimmed {
            return Ok(None);
        }
        let mut mailboxes = BTreeSet::new();
        let mut ranges: BTreeMap<MailboxId, Vec<(u32, u32)>> = BTreeMap::new();
        scan_records(&*self.read, &keys::changes_after(id, since), |_, value| {
            for change in ChangeRecord::decode(value)?.changes {
                match change.kind {
                    ChangeKind::Expunged => {
                        ranges.entry(change.mailbox).or_default().extend_from_slice(change.uids.ranges());
                    }
                    ChangeKind::MailboxRemoved => drop(mailboxes.insert(change.mailbox)),
                    ChangeKind::Added | ChangeKind::Flags | ChangeKind::Mailbox => {}
                }
            }
            Ok(())
        })
        .await?;
        let messages = ranges.into_iter().map(|(mailbox, ranges)| (mailbox, UidSet::from_ranges(ranges)));
        Ok(Some(Removals { messages: messages.collect(), mailboxes }))
    }

    pub(crate) fn records(&self, account: AccountId) -> Records<'_, dyn Read> {
        Records { read: &*self.read, account }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use postrider_engine::memory::MemoryEngine;

    use super::*;
    use crate::{ExpungeOnly, Flag, NewMessage, Note, SpecialUses, StoreOptions};

    async fn store() -> Arc<Store> {
        let clock = AtomicI64::new(1_700_000_000);
        let now = Arc::new(move || clock.load(Ordering::Relaxed));
        let store = Store::open(Arc::new(MemoryEngine::new()), StoreOptions::default(), now).await.unwrap();
        for id in [6, 7, 8] {
            store.create_account(AccountId(id)).await.unwrap();
        }
        store
    }

    fn note(number: usize) -> Note {
        Note { key: format!("{number:06}").into_bytes(), value: Some(vec![7; number % 3]) }
    }

    #[tokio::test]
    async fn every_note_is_read_once_however_many_there_are_and_none_of_other_accounts() {
        let store = store().await;
        for id in [6, 8] {
            store.account(AccountId(id)).await.unwrap().write_notes(vec![note(1), note(2)]).await.unwrap();
        }
        let account = store.account(AccountId(7)).await.unwrap();
        for count in [0, 1, NOTES_AT_ONCE, 2 * NOTES_AT_ONCE + 1] {
            account.write_notes((0..count).map(note).collect()).await.unwrap();
            let moment = store.moment().await.unwrap();
            let mut read = Vec::new();
            moment.notes(AccountId(7), |key, value| read.push((key.to_vec(), value.to_vec()))).await.unwrap();
            let written = (0..count).map(note).map(|note| (note.key, note.value.unwrap()));
            assert_eq!(read, written.collect::<Vec<_>>());
            assert!(moment.notes_after(AccountId(7), None).await.unwrap().len() <= NOTES_AT_ONCE);
        }
        let large = Note { key: b"x".to_vec(), value: Some(vec![0; NOTES_BYTES_AT_ONCE]) };
        account.write_notes(vec![large]).await.unwrap();
        let mut count = 0;
        store.moment().await.unwrap().notes(AccountId(7), |_, _| count += 1).await.unwrap();
        assert_eq!(count, 2 * NOTES_AT_ONCE + 2);
    }

    #[tokio::test]
    async fn what_went_since_a_change_is_told_and_what_went_before_is_not() {
        let store = store().await;
        let account = store.account(AccountId(7)).await.unwrap();
        let inbox = account.state().find("INBOX").unwrap().id;
        let other = account.create_mailbox("Other", SpecialUses::NONE).await.unwrap();
        let mut messages = Vec::new();
        for number in 0..6 {
            let raw = format!("Subject: {number}\r\n\r\n");
            messages.push(NewMessage::prepare(raw.into(), vec![Flag::Deleted], 0, &Default::default()).await);
        }
        account.append(inbox, messages).await.unwrap();
        let remove = |uids: [u32; 2]| {
            let uids = UidSet::from_ranges(vec![(uids[0], uids[1])]);
            account.expunge(inbox, Some(uids), ExpungeOnly::Deleted)
        };
        remove([1, 1]).await.unwrap();
        let since = account.state().record.modseq;
        assert_eq!(
            store.moment().await.unwrap().removals(AccountId(7), since).await.unwrap(),
            Some(Removals::default())
        );
        remove([3, 4]).await.unwrap();
        account.delete_mailbox(other).await.unwrap();
        let gone = store.moment().await.unwrap().removals(AccountId(7), since).await.unwrap().unwrap();
        assert_eq!(gone.messages[&inbox].ranges(), [(3, 4)]);
        assert_eq!(gone.mailboxes, BTreeSet::from([other]));
    }
}
