//! How a mailbox's messages are stored: sealed chunks as columns, the youngest messages one by one.
//!
//! A delivery writes one small row. As soon as there are enough rows for a chunk they are sealed: their columns become two
//! records, one for what never changes of a message and one for its flags. So a flag set on a whole
//! mailbox writes a few bytes for each chunk. A directory beside them ([`crate::directory`]) tells of each chunk what is asked
//! most, so that a mailbox is opened without reading them ([`load_outline`]).
//!
//! What has to be written follows from comparing the snapshot as it is stored with the one that takes its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use postrider_engine::{Batch, Engine, Read};

use crate::{
    chunk::{CHUNK_ROWS, Chunk, Form},
    directory::{self, Directory, Line},
    error::StoreError,
    identifier::{AccountId, MailboxId, Uid},
    keys::{self, RowKind},
    load::{malformed, scan_records},
    record::{decode_entry, encode_entry},
    sealed::{SealedRows, encode_fixed, encode_flags},
    snapshot::{Entry, Snapshot},
    source::{Source, watched},
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

/// A mailbox's messages, and what is stored of their directory.
pub(crate) struct Outline {
    pub(crate) messages: Snapshot,
    pub(crate) directory: Directory,
}

/// Reads the youngest messages of a mailbox and the directory of the others, which are `count` together. The others' rows are
/// read when they are looked at; at once only where the directory cannot be trusted or the engine is one to wait for.
pub(crate) async fn load_outline(
    engine: &Arc<dyn Engine>,
    account: AccountId,
    mailbox: MailboxId,
    count: u32,
) -> Result<Outline, StoreError> {
    let (mut open, mut lines) = (Vec::new(), Vec::new());
    let mut is_readable = true;
    let range = keys::outline(account, mailbox);
    let scan = scan_records(&**engine, &range, |key, value| {
        match keys::split_row(key).ok_or_else(|| malformed("row"))? {
            (_, RowKind::Directory, page) => match directory::decode(page, value) {
                Ok(more) => lines.extend(more),
                Err(_) => is_readable = false,
            },
            (_, _, uid) => open.push(decode_entry(uid, value)?),
        }
        Ok(())
    });
    let (scanned, waited) = watched(scan).await;
    scanned?;
    let counted = lines.iter().map(|line| line.count as u64).sum::<u64>() + open.len() as u64;
    let source = Arc::new(Source::new(Arc::clone(engine), account, mailbox));
    let sealed = lines.iter().map(|line| Chunk::listed(line, Arc::clone(&source))).collect();
    let is_whole = is_readable && counted == u64::from(count);
    if let (true, false, Ok(messages)) = (is_whole, waited, put_together(sealed, open)) {
        return Ok(Outline { messages: messages.with_source(source), directory: Directory::Whole });
    }
    let messages = load_rows(&**engine, account, mailbox).await?;
    // What cannot be told in another way than by comparing is compared.
    let stored = load_directory(&**engine, account, mailbox).await?;
    let is_whole = stored == directory::pages(&messages);
    Ok(Outline { messages, directory: if is_whole { Directory::Whole } else { Directory::Missing } })
}

/// Reads the directory of a mailbox as it is stored.
pub(crate) async fn load_directory<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<BTreeMap<Uid, Vec<u8>>, StoreError> {
    let mut pages = BTreeMap::new();
    scan_records(read, &keys::directory(account, mailbox), |key, value| {
        let (_, _, page) = keys::split_row(key).ok_or_else(|| malformed("directory"))?;
        pages.insert(page, value.to_vec());
        Ok(())
    })
    .await?;
    Ok(pages)
}

/// Reads what of a mailbox's messages is still to be read, in one go.
pub(crate) async fn read_rest(
    engine: &dyn Engine,
    account: AccountId,
    mailbox: MailboxId,
    messages: &Snapshot,
) -> Result<(), StoreError> {
    if messages.chunks().iter().any(|chunk| chunk.is_elsewhere()) {
        let mut loader = Loader::default();
        scan_records(engine, &keys::chunks(account, mailbox), |key, value| {
            let (_, kind, uid) = keys::split_row(key).ok_or_else(|| malformed("row"))?;
            loader.add(kind, uid, value)
        })
        .await?;
        let mut read: BTreeMap<Uid, SealedRows> = loader.sealed()?.into_iter().collect();
        // What was read meanwhile, or changed, is there already.
        for chunk in messages.chunks().iter().filter(|chunk| chunk.is_elsewhere()) {
            let rows = sealed_key(chunk).and_then(|key| read.remove(&key));
            if !rows.is_some_and(|rows| chunk.put_in(rows)) {
                return Err(StoreError::Damaged("the directory of a mailbox is wrong".to_owned()));
            }
        }
    }
    messages.failure().map_or(Ok(()), |failure| Err(failure.clone()))
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
            RowKind::Directory => return Ok(()),
        }
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// The sealed chunks, each with the UID that it is stored under.
    fn sealed(&mut self) -> Result<Vec<(Uid, SealedRows)>, StoreError> {
        let (fixed, flags) = (std::mem::take(&mut self.fixed), std::mem::take(&mut self.flags));
        if fixed.len() != flags.len() {
            return Err(malformed("chunk"));
        }
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let chunk =
            |((key, fixed), (same_key, flags)): ((Uid, Range<usize>), (Uid, Range<usize>))| match key == same_key {
                true => Ok((key, SealedRows::new(bytes.slice(fixed), bytes.slice(flags))?)),
                false => Err(malformed("chunk")),
            };
        fixed.into_iter().zip(flags).map(chunk).collect()
    }

    fn finish(mut self) -> Result<Snapshot, StoreError> {
        let sealed = self.sealed()?.into_iter().map(|(key, rows)| Chunk::sealed(key, rows)).collect();
        put_together(sealed, self.open)
    }
}

/// Makes a snapshot of sealed chunks and of open rows. The rows of a sealed chunk are known to ascend.
fn put_together(mut chunks: Vec<Chunk>, open: Vec<Entry>) -> Result<Snapshot, StoreError> {
    let ascends = open.is_sorted_by(|a, b| a.uid < b.uid);
    chunks.extend(open.chunks(CHUNK_ROWS).map(|rows| Chunk::new(Form::Open, rows.to_vec())));
    if !ascends || !chunks.is_sorted_by(|a, b| a.last_uid().0 < b.first_uid()) {
        return Err(StoreError::Damaged("the rows of a mailbox do not fit together".to_owned()));
    }
    Ok(Snapshot::from_chunks(chunks))
}

/// Writes what turns the stored rows `before` into `after`, and what follows from that for their directory.
pub(crate) fn write_rows(
    account: AccountId,
    mailbox: MailboxId,
    before: &Snapshot,
    after: &Snapshot,
    directory: Directory,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let pages = write_sealed(account, mailbox, before, after, batch);
    write_open(account, mailbox, before, after, batch);
    let key = |page| keys::row(account, mailbox, RowKind::Directory, page);
    match directory {
        Directory::Whole => {
            for page in pages {
                match directory::page(after, page) {
                    Some(lines) => batch.put(key(page), lines),
                    None => batch.delete(key(page)),
                }
            }
        }
        Directory::Missing => {
            batch.delete_range(keys::directory(account, mailbox));
            directory::pages(after).into_iter().for_each(|(page, lines)| batch.put(key(page), lines));
        }
    }
    // Nothing is written of rows that could not be read.
    before.failure().or(after.failure()).map_or(Ok(()), |failure| Err(failure.clone()))
}

/// Answers the pages of the directory that are not true any more.
fn write_sealed(
    account: AccountId,
    mailbox: MailboxId,
    before: &Snapshot,
    after: &Snapshot,
    batch: &mut Batch,
) -> BTreeSet<Uid> {
    let key = |kind, uid| keys::row(account, mailbox, kind, uid);
    let mut pages = BTreeSet::new();
    let remove = |uid, batch: &mut Batch, pages: &mut BTreeSet<Uid>| {
        batch.delete(key(RowKind::Fixed, uid));
        batch.delete(key(RowKind::Flags, uid));
        pages.insert(directory::page_of(uid));
    };
    // Both ascend by their keys.
    let mut stored = before.chunks().iter().filter_map(|chunk| Some((sealed_key(chunk)?, chunk))).peekable();
    for (uid, chunk) in after.chunks().iter().map_while(|chunk| Some((sealed_key(chunk)?, chunk))) {
        while let Some((gone, _)) = stored.next_if(|(stored, _)| *stored < uid) {
            remove(gone, batch, &mut pages);
        }
        let earlier = stored.next_if(|(stored, _)| *stored == uid).map(|(_, chunk)| chunk);
        if earlier.is_some_and(|earlier| Arc::ptr_eq(earlier, chunk)) {
            continue;
        }
        if earlier.and_then(|earlier| Line::of(earlier)) != Line::of(chunk) {
            pages.insert(directory::page_of(uid));
        }
        let earlier = earlier.map(|earlier| earlier.rows()).unwrap_or_default();
        let same_messages = earlier.len() == chunk.rows().len()
            && earlier.iter().zip(chunk.rows()).all(|(earlier, row)| earlier.uid == row.uid);
        if !same_messages {
            batch.put(key(RowKind::Fixed, uid), encode_fixed(chunk.rows()));
        }
        batch.put(key(RowKind::Flags, uid), encode_flags(chunk.rows()));
    }
    for (gone, _) in stored {
        remove(gone, batch, &mut pages);
    }
    pages
}

fn write_open(account: AccountId, mailbox: MailboxId, before: &Snapshot, after: &Snapshot, batch: &mut Batch) {
    let key = |uid| keys::row(account, mailbox, RowKind::Open, uid);
    let open = |snapshot: &Snapshot| -> BTreeMap<Uid, Entry> {
        let chunks = snapshot.chunks().iter().rev().take_while(|chunk| chunk.is_open());
        chunks.flat_map(|chunk| chunk.rows()).map(|row| (row.uid, *row)).collect()
    };
    let mut stored = open(before);
    for (uid, row) in open(after) {
        if stored.remove(&uid) != Some(row) {
            batch.put(key(uid), encode_entry(&row));
        }
    }
    stored.into_keys().for_each(|uid| batch.delete(key(uid)));
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

    fn outline(engine: &Arc<MemoryEngine>, count: u32) -> Outline {
        let engine: Arc<dyn Engine> = engine.clone();
        block_on(load_outline(&engine, PLACE.0, PLACE.1, count)).unwrap()
    }

    /// Three chunks with their directory, and some open rows.
    fn stored() -> (Arc<MemoryEngine>, Snapshot) {
        let (engine, mut messages) = (Arc::new(MemoryEngine::new()), Snapshot::empty());
        (1..=800).for_each(|uid| messages.push(entry(uid, 1)));
        messages.seal();
        let mut batch = Batch::new();
        write_rows(PLACE.0, PLACE.1, &Snapshot::empty(), &messages, Directory::Whole, &mut batch).unwrap();
        block_on(engine.commit(batch)).unwrap();
        (engine, messages)
    }

    fn replace(engine: &MemoryEngine, kind: RowKind, uid: u32, value: Option<&[u8]>) {
        let (mut batch, key) = (Batch::new(), keys::row(PLACE.0, PLACE.1, kind, Uid(uid)));
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
        block_on(engine.commit(batch)).unwrap();
    }

    #[test]
    fn a_directory_that_is_missing_or_wrong_is_not_believed() {
        let (engine, messages) = stored();
        for value in [None, Some(b"what is this".as_slice())] {
            replace(&engine, RowKind::Directory, 0, value);
            let found = outline(&engine, 800);
            assert_eq!(found.directory, Directory::Missing);
            assert!(found.messages.iter().eq(messages.iter()));
        }
        let mut batch = Batch::new();
        write_rows(PLACE.0, PLACE.1, &messages, &messages, Directory::Missing, &mut batch).unwrap();
        block_on(engine.commit(batch)).unwrap();
        assert_eq!(outline(&engine, 800).directory, Directory::Whole);
    }

    #[test]
    fn rows_that_cannot_be_read_are_a_failure_and_nothing_is_written_of_them() {
        let (engine, _) = stored();
        let found = outline(&engine, 800).messages;
        replace(&engine, RowKind::Flags, 257, Some(b"what is this"));
        assert_eq!(found.get(1).unwrap().uid, Uid(1));
        assert!(found.failure().is_none(), "nobody looked");
        let rest = block_on(read_rest(&*engine, PLACE.0, PLACE.1, &outline(&engine, 800).messages));
        assert!(matches!(rest, Err(StoreError::Damaged(_))));
        let mut after = found.clone();
        after.update(&UidSet::from_ranges(vec![(300, 300)]), |row| Some(Entry { flags: FlagBits::SEEN, ..*row }));
        assert!(found.failure().is_some());
        let written = write_rows(PLACE.0, PLACE.1, &found, &after, Directory::Whole, &mut Batch::new());
        assert!(matches!(written, Err(StoreError::Damaged(_))));
    }

    #[test]
    fn what_was_not_read_is_what_it_was_while_newer_versions_are_written() {
        let (engine, messages) = stored();
        let old = outline(&engine, 800).messages;
        let mut new = old.clone();
        new.update(&UidSet::from_ranges(vec![(300, 300)]), |row| Some(Entry { flags: FlagBits::SEEN, ..*row }));
        new.remove(&UidSet::from_ranges(vec![(10, 20)]));
        let mut batch = Batch::new();
        write_rows(PLACE.0, PLACE.1, &old, &new, Directory::Whole, &mut batch).unwrap();
        block_on(engine.commit(batch)).unwrap();
        assert!(old.iter().eq(messages.iter()) && old.failure().is_none());
        let found = outline(&engine, 789).messages;
        block_on(read_rest(&*engine, PLACE.0, PLACE.1, &found)).unwrap();
        assert!(found.iter().eq(new.iter()));
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_step_by_step_is_read_again(groups in prop::collection::vec(steps(), 1..6)) {
            let engine = Arc::new(MemoryEngine::new());
            let (mut stored, mut uid_next) = (Snapshot::empty(), 1);
            for (modseq, group) in (1..).zip(groups) {
                let mut next = stored.clone();
                group.iter().for_each(|step| run(step, &mut next, modseq, &mut uid_next));
                next.seal();
                prop_assert!(next.open_rows() < CHUNK_ROWS);
                let mut batch = Batch::new();
                write_rows(PLACE.0, PLACE.1, &stored, &next, Directory::Whole, &mut batch).unwrap();
                block_on(engine.commit(batch)).unwrap();
                let loaded = load(&engine);
                prop_assert!(loaded.iter().eq(next.iter()));
                prop_assert_eq!(loaded.open_rows(), next.open_rows());
                prop_assert_eq!(block_on(load_directory(&*engine, PLACE.0, PLACE.1)).unwrap(), directory::pages(&next));
                let outline = outline(&engine, next.len());
                prop_assert_eq!(outline.directory, Directory::Whole);
                let sealed = |snapshot: &Snapshot| snapshot.chunks().iter().filter(|chunk| !chunk.is_open()).count();
                let unread = outline.messages.chunks().iter().filter(|chunk| chunk.is_elsewhere()).count();
                prop_assert_eq!(unread, sealed(&next), "nothing sealed is read for an outline");
                prop_assert_eq!(outline.messages.first_without(FlagBits::SEEN), next.first_without(FlagBits::SEEN));
                if modseq % 3 == 0 {
                    prop_assert!(outline.messages.iter().eq(next.iter()));
                }
                // A program that was started again goes on from what it reads.
                stored = outline.messages;
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
        write_rows(PLACE.0, PLACE.1, &before, &after, Directory::Whole, &mut batch).unwrap();
        let written = |wanted| {
            batch.records.iter().filter_map(move |write| match write {
                postrider_engine::RecordWrite::Put(key, value) => {
                    let (_, kind, _) = keys::split_row(key).unwrap();
                    (kind == wanted).then_some(value.len())
                }
                _ => None,
            })
        };
        assert!(batch.records.len() < 30_000 / CHUNK_ROWS + CHUNK_ROWS);
        assert_eq!(written(RowKind::Fixed).count(), 0);
        assert!(written(RowKind::Flags).max().unwrap() < 40);
        assert!(written(RowKind::Directory).count() <= 2 && written(RowKind::Directory).max().unwrap() < 200);
    }
}
