//! The whole store as it was at one moment, to read at leisure while it goes on changing.
//!
//! What a backup needs: mailboxes, flags, counters and bytes that belong together, of all accounts, whatever sessions do
//! meanwhile. It stands on the engine's snapshot and takes no part in the accounts' writers: nobody waits for a moment that is
//! held, but space that becomes free is not used again until it is let go. So it is for work that ends.
//!
//! Only what is durable is in it. What was handed to a writer and not yet answered may be in it or not.

use std::{collections::BTreeMap, sync::Arc};

use postrider_engine::{Read, ValueVisitor};
use postrider_message::MimeLimits;

use crate::{
    error::StoreError,
    expunged::{ExpungedKey, ExpungedMessages},
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, Uid},
    keys,
    load::load_account,
    read::Records,
    record::EmailRecord,
    rows::load_rows,
    snapshot::Snapshot,
    state::AccountState,
    store::{Store, account_ranges},
};

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

    /// All notes of an account, in the order of their keys.
    pub async fn notes(&self, id: AccountId, visit: impl FnMut(&[u8], &[u8]) + Send) -> Result<(), StoreError> {
        self.records(id).notes(&[], visit).await
    }

    pub(crate) fn records(&self, account: AccountId) -> Records<'_, dyn Read> {
        Records { read: &*self.read, account }
    }
}
