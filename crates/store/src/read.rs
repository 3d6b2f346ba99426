//! Reading an account's records: the same for the newest state and for a moment that is held.

use std::{collections::BTreeMap, ops::ControlFlow};

use postrider_engine::{BodyRange, Direction, KeyRange, Read, ValueVisitor};

use crate::{
    draft::{read_records, unique_id_text},
    error::StoreError,
    expunged::{ExpungedKey, ExpungedMessages, ExpungedRecord},
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, Uid},
    keys,
    load::{malformed, scan_records},
    record::{BlobRecord, EmailRecord},
};

/// The records of one account, in one state of the engine.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a, R: Read + ?Sized> {
    pub(crate) read: &'a R,
    pub(crate) account: AccountId,
}

impl<R: Read + ?Sized> Records<'_, R> {
    /// Email records, `None` where there is none.
    pub(crate) async fn emails(&self, ids: &[EmailId]) -> Result<Vec<Option<EmailRecord>>, StoreError> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| keys::email(self.account, *id)).collect();
        read_records(self.read, &keys, EmailRecord::decode).await
    }

    /// The names of blobs' contents, `None` where there is no blob.
    pub(crate) async fn hashes(&self, blobs: &[BlobId]) -> Result<Vec<Option<BlobHash>>, StoreError> {
        let keys: Vec<Vec<u8>> = blobs.iter().map(|id| keys::blob(self.account, *id)).collect();
        read_records(self.read, &keys, |bytes| Ok(BlobRecord::decode(bytes)?.hash)).await
    }

    /// A copy of a whole blob; `None` if it is not there.
    pub(crate) async fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        let mut body = None;
        let wanted = [BodyRange::whole(keys::blob(self.account, blob))];
        self.read
            .bodies(&wanted, &mut |_, bytes| {
                body = bytes.map(<[u8]>::to_vec);
                ControlFlow::Continue(())
            })
            .await?;
        Ok(body)
    }

    /// Pieces of blobs, as `(blob, offset, length)`.
    pub(crate) async fn pieces(
        &self,
        pieces: &[(BlobId, u64, u64)],
        visit: &mut ValueVisitor<'_>,
    ) -> Result<(), StoreError> {
        let wanted: Vec<BodyRange> = pieces
            .iter()
            .map(|&(blob, offset, length)| BodyRange { key: keys::blob(self.account, blob), offset, length })
            .collect();
        Ok(self.read.bodies(&wanted, visit).await?)
    }

    /// The notes whose keys begin with `prefix`, in the order of their keys.
    pub(crate) async fn notes(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) + Send,
    ) -> Result<(), StoreError> {
        scan_records(self.read, &keys::notes(self.account, prefix), |key, value| {
            visit(keys::tail(key), value);
            Ok(())
        })
        .await
    }

    /// The unique-ids that a mailbox's messages brought from other POP3 servers.
    pub(crate) async fn unique_ids(&self, mailbox: MailboxId) -> Result<BTreeMap<Uid, String>, StoreError> {
        let mut found = BTreeMap::new();
        scan_records(self.read, &keys::unique_ids(self.account, mailbox), |key, value| {
            let Some((_, Ok(uid))) = keys::split_unique_id(key) else { return Err(malformed("unique-id")) };
            found.insert(uid, unique_id_text(value)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// What can be brought back and was expunged after `after`, in the order in which it was expunged, of at most so many keys.
    pub(crate) async fn expunged(
        &self,
        after: Option<&ExpungedKey>,
        keys_max: usize,
    ) -> Result<Vec<ExpungedMessages>, StoreError> {
        let range = match after {
            Some(key) => keys::expunged_after(self.account, key),
            None => keys::all_expunged(self.account),
        };
        let (mut found, mut failure) = (Vec::new(), None);
        self.read
            .scan(&range, Direction::Forward, &mut |key, value| {
                if found.len() >= keys_max {
                    return ControlFlow::Break(());
                }
                match keys::split_expunged(key).ok_or_else(|| malformed("kept message")) {
                    Ok(key) => match ExpungedRecord::decode(value) {
                        Ok(record) => found.push(record.into_messages(key)),
                        Err(error) => failure = Some(error),
                    },
                    Err(error) => failure = Some(error),
                }
                if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        failure.map_or(Ok(found), Err)
    }

    /// Whether anything was expunged at the time `when` or before and can still be brought back.
    pub(crate) async fn has_expunged_through(&self, when: i64) -> Result<bool, StoreError> {
        let mut has = false;
        let range = keys::expunged_through(self.account, when);
        self.read
            .scan(&range, Direction::Forward, &mut |_, _| {
                has = true;
                ControlFlow::Break(())
            })
            .await?;
        Ok(has)
    }

    /// What lies beside blobs in one table.
    pub(crate) async fn beside(
        &self,
        key: fn(AccountId, BlobId) -> Vec<u8>,
        blobs: &[BlobId],
        visit: &mut ValueVisitor<'_>,
    ) -> Result<(), StoreError> {
        // The messages of a mailbox mostly came one after the other: then what lies beside them is one stretch.
        if let Some((first, last)) = stretch(blobs) {
            let range = KeyRange { start: key(self.account, first), end: Some(key(self.account, BlobId(last.0 + 1))) };
            let mut position = 0;
            let mut ended = false;
            self.read
                .scan(&range, Direction::Forward, &mut |key, value| {
                    let found = keys::split_number(key).map(BlobId);
                    while let Some(wanted) = blobs.get(position).filter(|wanted| Some(**wanted) <= found) {
                        let value = (Some(*wanted) == found).then_some(value);
                        let flow = visit(position, value);
                        position += 1;
                        if flow.is_break() {
                            ended = true;
                            return flow;
                        }
                    }
                    ControlFlow::Continue(())
                })
                .await?;
            // What is behind the last record is gone.
            while !ended && position < blobs.len() {
                ended = visit(position, None).is_break();
                position += 1;
            }
            return Ok(());
        }
        let keys: Vec<Vec<u8>> = blobs.iter().map(|blob| key(self.account, *blob)).collect();
        Ok(self.read.get(&keys, visit).await?)
    }
}

/// The first and last of blobs that ascend with few others in between, so that walking from the one to the other is
/// less work than looking for each.
fn stretch(blobs: &[BlobId]) -> Option<(BlobId, BlobId)> {
    let (first, last) = (*blobs.first()?, *blobs.last()?);
    let is_dense = last.0.checked_sub(first.0)? < blobs.len() as u64 + blobs.len() as u64 / 8;
    let is_walk = blobs.len() > 2 && last.0 < u64::MAX && is_dense && blobs.is_sorted_by(|a, b| a < b);
    is_walk.then_some((first, last))
}
