//! What a mailbox holds already, by content.
//!
//! The store names contents by their hash but a mailbox's rows do not have it. So contents are read when, and only when,
//! a message of the same size comes: each at most once.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use anyhow::Result;
use postrider_store::{Account, BlobHash, BlobId, Mailbox};

/// The most that is asked for in one look, in bytes.
const READ_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The contents of a mailbox. Takes about 40 bytes of memory for each message.
#[derive(Debug, Default)]
pub(super) struct Present {
    unread: HashMap<u64, Vec<BlobId>>,
    hashes: HashSet<BlobHash>,
}

impl Present {
    /// What `mailbox` holds.
    pub fn of(mailbox: &Mailbox) -> Self {
        let mut unread: HashMap<u64, Vec<BlobId>> = HashMap::new();
        for entry in mailbox.messages().into_iter().flat_map(|messages| messages.iter()) {
            unread.entry(u64::from(entry.size)).or_default().push(entry.blob);
        }
        Self { unread, hashes: HashSet::new() }
    }

    /// Whether `raw` is there; it is from now on.
    pub async fn insert(&mut self, account: &Account, raw: &[u8]) -> Result<bool> {
        let size = u64::try_from(raw.len())?;
        if let Some(mut blobs) = self.unread.remove(&size) {
            blobs.sort_unstable();
            blobs.dedup();
            let at_once = usize::try_from((READ_BYTES_MAX / size.max(1)).clamp(1, 1000))?;
            for blobs in blobs.chunks(at_once) {
                let pieces: Vec<_> = blobs.iter().map(|blob| (*blob, 0, size)).collect();
                let mut keep = |_, bytes: Option<&[u8]>| {
                    self.hashes.extend(bytes.map(BlobHash::of));
                    ControlFlow::Continue(())
                };
                account.pieces(&pieces, &mut keep).await?;
            }
        }
        Ok(!self.hashes.insert(BlobHash::of(raw)))
    }
}
