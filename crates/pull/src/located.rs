//! Whether a message is in the account: its bytes are read back and hashed.
//!
//! This is what every deletion elsewhere waits for. A message is looked for by its size and then by its content, in the
//! mailbox it was put into and in all others, because people move their mail.

use std::collections::{BTreeSet, HashMap};

use postrider_store::{Account, BlobHash, BlobId, MailboxId, StoreError};

/// The account's messages by size, as of one moment, and the hashes of those that were read back since.
pub(crate) struct Located<'a> {
    account: &'a Account,
    by_size: HashMap<u64, Vec<BlobId>>,
    hashes: HashMap<BlobId, Option<BlobHash>>,
}

impl<'a> Located<'a> {
    /// Looks over all mailboxes, `first` before the others.
    pub(crate) async fn of(account: &'a Account, first: MailboxId) -> Result<Self, StoreError> {
        let mut by_size: HashMap<u64, Vec<BlobId>> = HashMap::new();
        let mut seen = BTreeSet::new();
        let others: Vec<MailboxId> = account.state().mailboxes().map(|mailbox| mailbox.id).collect();
        for id in std::iter::once(first).chain(others.into_iter().filter(|id| *id != first)) {
            let mailbox = match account.mailbox(id).await {
                Ok(mailbox) => mailbox,
                // Somebody removes mailboxes meanwhile.
                Err(StoreError::NoMailbox) => continue,
                Err(error) => return Err(error),
            };
            for entry in mailbox.messages().into_iter().flat_map(|messages| messages.iter()) {
                if seen.insert(entry.blob) {
                    by_size.entry(entry.size.into()).or_default().push(entry.blob);
                }
            }
        }
        Ok(Self { account, by_size, hashes: HashMap::new() })
    }

    /// Whether the very content is here: read back from the store in the life of this value.
    pub(crate) async fn holds(&mut self, hash: BlobHash, size: u64) -> Result<bool, StoreError> {
        let Some(blobs) = self.by_size.get(&size) else { return Ok(false) };
        for blob in blobs {
            let found = match self.hashes.get(blob) {
                Some(found) => *found,
                None => {
                    let found = self.account.body(*blob).await?.map(|body| BlobHash::of(&body));
                    self.hashes.insert(*blob, found);
                    found
                }
            };
            if found == Some(hash) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The very content, read back from the store now; `None` if it is not here.
    pub(crate) async fn read(&mut self, hash: BlobHash, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let blobs = self.by_size.get(&size).map_or(&[][..], Vec::as_slice);
        // What was read as something else before need not be read again.
        let known = |blob: &&BlobId| self.hashes.get(*blob).is_none_or(|found| *found == Some(hash));
        for blob in blobs.iter().filter(known).copied().collect::<Vec<_>>() {
            let body = self.account.body(blob).await?;
            let found = body.as_deref().map(BlobHash::of);
            self.hashes.insert(blob, found);
            if found == Some(hash) {
                return Ok(body);
            }
        }
        Ok(None)
    }
}
