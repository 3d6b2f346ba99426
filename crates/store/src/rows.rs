//! How a mailbox's messages are stored: sealed chunks as columns, the youngest messages one by one.
//!
//! A delivery writes one small row. As soon as there are enough rows for a chunk they are sealed: their columns become two
//! records, one for what never changes of a message and one for its flags. So a flag set on a whole
//! mailbox writes a few bytes for each chunk, and a mailbox is read from a few records however large it is.
//!
//! What has to be written follows from comparing the snapshot as it is stored with the one that takes its place.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use postrider_engine::{Batch, Read};

use crate::{
    chunk::{CHUNK_ROWS, Chunk, Form},
    error::StoreError,
    identifier::{AccountId, MailboxId, Uid},
    keys::{self, RowKind},
    load::{malformed, scan_records},
    record::{decode_entry, encode_entry},
    sealed::{SealedRows, encode_fixed, encode_flags},
    snapshot::{Entry, Snapshot},
};

/// Reads all messages of a mailbox, as of one moment.
pub(crate) async fn load_rows<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Snapshot, StoreError> {
    let mut loader = Loader::default();
    scan_records(read, &keys::rows(account, mailbox), |key, value| {
        let (_, kind, uid) = keys::split_row(key).ok_or_else(|| malformed("row"))?;
        loader.add(kind, uid, value)
    })
    .await?;
    loader.finish()
}

/// Reads all messages of all mailboxes of an account, those of mailboxes that do not exist too.
pub(crate) async fn load_all_rows<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
) -> Result<BTreeMap<MailboxId, Snapshot>, StoreError> {
    let mut loaders: BTreeMap<MailboxId, Loader> = BTreeMap::new();
    scan_records(read, &keys::all_rows(account), |key, value| {
        let (mailbox, kind, uid) = keys::split_row(key).ok_or_else(|| malformed("row"))?;
        loaders.entry(mailbox).or_default().add(kind, uid, value)
    })
    .await?;
    loaders.into_iter().map(|(mailbox, loader)| Ok((mailbox, loader.finish()?))).collect()
}

/// Reads the open rows of a mailbox alone.
pub(crate) async fn load_open_rows<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<Entry>, StoreError> {
    let mut rows = Vec::new();
    scan_records(read, &keys::open_rows(account, mailbox), |key, value| {
        let (_, _, uid) = keys::split_row(key).ok_or_else(|| malformed("row"))?;
        rows.push(decode_entry(uid, value)?);
        Ok(())
    })
    .await?;
    Ok(rows)
}

/// Puts a snapshot together from records, which come in the order of their keys: what is fixed, flags, open rows.
#[derive(Default)]
struct Loader {
    /// The records of sealed chunks one behind the other: in one piece they take one allocation and not hundreds.
    bytes: Vec<u8>,
    /// Where each one lies.
    fixed: Vec<(Uid, Range<usize>)>,
    flags: Vec<(Uid, Range<usize>)>,
    open: Vec<Entry>,
}

impl Loader {
    fn add(&mut self, kind: RowKind, uid: Uid, value: &[u8]) -> Result<(), StoreError> {
        let start = self.bytes.len();
        let place = start..start + value.len();
        match kind {
            RowKind::Fixed => self.fixed.push((uid, place)),
            RowKind::Flags => self.flags.push((uid, place)),
            RowKind::Open => {
                self.open.push(decode_entry(uid, value)?);
                return Ok(());
            }
        }
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn finish(self) -> Result<Snapshot, StoreError> {
        if self.fixed.len() != self.flags.len() {
            return Err(malformed("chunk"));
        }
        let bytes = Bytes::from(self.bytes);
        let mut chunks = Vec::with_capacity(self.fixed.len() + self.open.len().div_ceil(CHUNK_ROWS));
        for ((key, fixed), (same_key, flags)) in self.fixed.into_iter().zip(self.flags) {
            if key != same_key {
                return Err(malformed("chunk"));
            }
            chunks.push(Chunk::sealed(key, SealedRows::new(bytes.slice(fixed), bytes.slice(flags))?));
        }
        let ascends = self.open.is_sorted_by(|a, b| a.uid < b.uid);
        chunks.extend(self.open.chunks(CHUNK_ROWS).map(|rows| Chunk::new(Form::Open, rows.to_vec())));
        // The rows of a sealed chunk are known to ascend.
        if !ascends || !chunks.is_sorted_by(|a, b| a.last_uid().0 < b.first_uid()) {
            return Err(StoreError::Damaged("the rows of a mailbox do not fit together".to_owned()));
        }
        Ok(Snapshot::from_chunks(chunks))
    }
}

/// Writes what turns the stored rows `before` into `after`.
pub(crate) fn write_rows(
    account: AccountId,
    mailbox: MailboxId,
    before: &Snapshot,
    after: &Snapshot,
    batch: &mut Batch,
) {
    let key = |kind, uid| keys::row(account, mailbox, kind, uid);
    let mut stored: BTreeMap<Uid, &Arc<Chunk>> =
        before.chunks().iter().filter_map(|chunk| sealed_key(chunk).map(|uid| (uid, chunk))).collect();
    for chunk in after.chunks() {
        let Some(uid) = sealed_key(chunk) else { break };
        let earlier = stored.remove(&uid);
        if earlier.is_some_and(|earlier| Arc::ptr_eq(earlier, chunk)) {
            continue;
        }
        let earlier = earlier.map(|earlier| earlier.rows()).unwrap_or_default();
        let same_messages = earlier.len() == chunk.rows().len()
            && earlier.iter().zip(chunk.rows()).all(|(earlier, row)| earlier.uid == row.uid);
        if !same_messages {
            batch.put(key(RowKind::Fixed, uid), encode_fixed(chunk.rows()));
        }
        batch.put(key(RowKind::Flags, uid), encode_flags(chunk.rows()));
    }
    for uid in stored.into_keys() {
        batch.delete(key(RowKind::Fixed, uid));
        batch.delete(key(RowKind::Flags, uid));
    }
    let open = |snapshot: &Snapshot| -> BTreeMap<Uid, Entry> {
        let chunks = snapshot.chunks().iter().rev().take_while(|chunk| chunk.is_open());
        chunks.flat_map(|chunk| chunk.rows()).map(|row| (row.uid, *row)).collect()
    };
    let mut stored = open(before);
    for (uid, row) in open(after) {
        if stored.remove(&uid) != Some(row) {
            batch.put(key(RowKind::Open, uid), encode_entry(&row));
        }
    }
    stored.into_keys().for_each(|uid| batch.delete(key(RowKind::Open, uid)));
}

/// Writes rows behind open ones that stay as they are.
pub(crate) fn write_open_rows(account: AccountId, mailbox: MailboxId, rows: &[Entry], batch: &mut Batch) {
    for row in rows {
        batch.put(keys::row(account, mailbox, RowKind::Open, row.uid), encode_entry(row));
    }
}

fn sealed_key(chunk: &Chunk) -> Option<Uid> {
    match chunk.form {
        Form::Sealed(uid) => Some(uid),
        Form::Open => None,
    }
}

#[cfg(test)]
mod tests {
    use postrider_engine::{Engine, memory::MemoryEngine};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        flags::FlagBits,
        identifier::{BlobId, EmailId, ModSeq},
        uid_set::UidSet,
    };

    const PLACE: (AccountId, MailboxId) = (AccountId(7), MailboxId(3));

    fn entry(uid: u32, modseq: u64) -> Entry {
        Entry {
            uid: Uid(uid),
            size: uid.wrapping_mul(2_654_435_761),
            flags: FlagBits::NONE,
            modseq: ModSeq(modseq),
            email: EmailId(uid.into()),
            blob: BlobId(uid.into()),
            received: i64::from(uid) - 500,
            saved: 1_700_000_000,
            ends_with_crlf: !uid.is_multiple_of(7),
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u16),
        Flag { first: u16, count: u16, keyword: usize },
        Remove { first: u16, count: u16 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1_u16..600).prop_map(Step::Add),
            (0_u16..1500, 1_u16..700, 0_usize..123).prop_map(|(first, count, keyword)| Step::Flag {
                first,
                count,
                keyword
            }),
            (0_u16..1500, 1_u16..400).prop_map(|(first, count)| Step::Remove { first, count }),
        ];
        prop::collection::vec(step, 1..12)
    }

    fn run(step: &Step, snapshot: &mut Snapshot, modseq: u64, uid_next: &mut u32) {
        let here = |first: u16, count: u16| -> Vec<Entry> {
            snapshot.range(u32::from(first) + 1, u32::from(first) + u32::from(count)).map(|(_, row)| *row).collect()
        };
        match *step {
            Step::Add(count) => {
                for _ in 0..count {
                    snapshot.push(entry(*uid_next, modseq));
                    *uid_next += 1;
                }
            }
            Step::Flag { first, count, keyword } => {
                let flagged = |row| Entry { flags: FlagBits::keyword(keyword), modseq: ModSeq(modseq), ..row };
                let rows: Vec<Entry> = here(first, count).into_iter().map(flagged).collect();
                snapshot.replace(&rows);
            }
            Step::Remove { first, count } => {
                let uids: UidSet = here(first, count).iter().map(|row| row.uid).collect();
                snapshot.remove(&uids);
            }
        }
    }

    fn load(engine: &MemoryEngine) -> Snapshot {
        block_on(load_rows(engine, PLACE.0, PLACE.1)).unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_step_by_step_is_read_again(groups in prop::collection::vec(steps(), 1..6)) {
            let engine = MemoryEngine::new();
            let (mut stored, mut uid_next) = (Snapshot::empty(), 1);
            for (modseq, group) in (1..).zip(groups) {
                let mut next = stored.clone();
                group.iter().for_each(|step| run(step, &mut next, modseq, &mut uid_next));
                next.seal();
                prop_assert!(next.open_rows() < CHUNK_ROWS);
                let mut batch = Batch::new();
                write_rows(PLACE.0, PLACE.1, &stored, &next, &mut batch);
                block_on(engine.commit(batch)).unwrap();
                let loaded = load(&engine);
                prop_assert!(loaded.iter().eq(next.iter()));
                prop_assert_eq!(loaded.open_rows(), next.open_rows());
                // A program that was started again goes on from what it reads.
                stored = if modseq % 2 == 0 { loaded } else { next };
            }
        }
    }

    #[test]
    fn a_flag_on_a_whole_mailbox_writes_a_few_bytes_for_each_chunk() {
        let mut before = Snapshot::empty();
        (1..=30_000).for_each(|uid| before.push(entry(uid, uid.into())));
        before.seal();
        let rows: Vec<Entry> =
            before.iter().map(|row| Entry { flags: FlagBits::SEEN, modseq: ModSeq(40_000), ..*row }).collect();
        let mut after = before.clone();
        after.replace(&rows);
        let mut batch = Batch::new();
        write_rows(PLACE.0, PLACE.1, &before, &after, &mut batch);
        let sealed = batch.records.iter().filter_map(|write| match write {
            postrider_engine::RecordWrite::Put(key, value) if !key.contains(&2) => Some(value.len()),
            _ => None,
        });
        assert!(batch.records.len() < 30_000 / CHUNK_ROWS + CHUNK_ROWS);
        assert!(sealed.max().unwrap() < 40);
    }
}
