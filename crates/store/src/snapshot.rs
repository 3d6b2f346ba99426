//! A mailbox's messages at one moment, and the difference between two moments.
//!
//! A [`Snapshot`] is immutable and cheap to clone. Its rows lie in chunks that versions share: a change copies the chunks
//! it touches, and comparing two versions skips the chunks they have in common, so both cost what
//! changed and not what is there. Sequence numbers are positions in a snapshot and exist nowhere else.

use std::sync::Arc;

use crate::{
    chunk::{CHUNK_ROWS, Chunk, Form},
    error::StoreError,
    flags::FlagBits,
    identifier::{BlobId, EmailId, ModSeq, Uid},
    source::Source,
    uid_set::UidSet,
};

/// A message in a mailbox: what FETCH and SEARCH ask for most, without a look into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// Its size in bytes, as stored.
    pub size: u32,
    /// Its flags.
    pub flags: FlagBits,
    /// The last change of its flags, or its arrival.
    pub modseq: ModSeq,
    /// What it is, whichever mailbox it is in.
    pub email: EmailId,
    /// Its bytes.
    pub blob: BlobId,
    /// INTERNALDATE, seconds since 1970 (UTC).
    pub received: i64,
    /// When it came into this mailbox (RFC 8514), seconds since 1970 (UTC).
    pub saved: i64,
    /// Whether its last line ends as lines do: POP3 adds the end that lacks, and has to count it beforehand.
    pub ends_with_crlf: bool,
}

/// The messages of a mailbox in the order of their UIDs.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Never holds an empty chunk. Sealed ones come before open ones.
    chunks: Vec<Arc<Chunk>>,
    /// For each chunk, how many rows stand before it.
    starts: Vec<u32>,
    length: u32,
    /// Where the rows of chunks are that were not read yet.
    source: Option<Arc<Source>>,
}

impl Snapshot {
    /// A mailbox without messages.
    pub fn empty() -> Self {
        Self::default()
    }

    /// How many messages there are: also the largest sequence number.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The message with the sequence number `sequence`, from 1.
    pub fn get(&self, sequence: u32) -> Option<&Entry> {
        let position = sequence.checked_sub(1)?;
        let chunk = self.starts.partition_point(|&start| start <= position).checked_sub(1)?;
        self.chunks.get(chunk)?.rows().get((position - self.starts.get(chunk)?) as usize)
    }

    /// The sequence number of the first message whose UID is `uid` or larger; one past the end if there is none.
    pub fn sequence_at_or_after(&self, uid: Uid) -> u32 {
        let after = self.chunks.partition_point(|chunk| chunk.first_uid() <= uid.0);
        let Some(index) = after.checked_sub(1) else { return 1 };
        let (Some(chunk), Some(start)) = (self.chunks.get(index), self.starts.get(index)) else { return 1 };
        if uid > chunk.last_uid() {
            return start + chunk.len() as u32 + 1;
        }
        if uid.0 == chunk.first_uid() {
            return start + 1;
        }
        start + chunk.rows().partition_point(|row| row.uid < uid) as u32 + 1
    }

    /// The message with `uid` and its sequence number.
    pub fn find(&self, uid: Uid) -> Option<(u32, &Entry)> {
        let sequence = self.sequence_at_or_after(uid);
        self.get(sequence).filter(|entry| entry.uid == uid).map(|entry| (sequence, entry))
    }

    /// The message with the largest UID.
    pub fn last(&self) -> Option<&Entry> {
        self.chunks.last().and_then(|chunk| chunk.rows().last())
    }

    /// All messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.rows().iter())
    }

    /// Messages with sequence numbers from `low` to `high`, with those numbers.
    pub fn range(&self, low: u32, high: u32) -> impl Iterator<Item = (u32, &Entry)> + '_ {
        let low = low.max(1);
        let first = self.starts.partition_point(|&start| start < low).saturating_sub(1);
        let skipped = self.starts.get(first).copied().unwrap_or(0);
        let rows = self.chunks.iter().skip(first).flat_map(|chunk| chunk.rows().iter());
        (skipped + 1..)
            .zip(rows)
            .skip_while(move |(sequence, _)| *sequence < low)
            .take_while(move |(sequence, _)| *sequence <= high)
    }

    /// The UIDs of all messages.
    pub fn uids(&self) -> UidSet {
        self.iter().map(|entry| entry.uid).collect()
    }

    /// Those of `uids` that are here.
    pub fn existing(&self, uids: &UidSet) -> UidSet {
        self.select(uids).map(|(_, entry)| entry.uid).collect()
    }

    /// The messages whose UIDs are in `uids`, with their sequence numbers.
    pub fn select<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = (u32, &'a Entry)> + 'a {
        uids.ranges().iter().flat_map(move |&(low, high)| {
            let first = self.sequence_at_or_after(Uid(low));
            self.range(first, u32::MAX).take_while(move |(_, entry)| entry.uid.0 <= high)
        })
    }

    /// Takes over the rows of `uids` from a newer snapshot; messages that it does not have stay as they are.
    pub fn adopt(&mut self, newer: &Self, uids: &UidSet) {
        let mut rest = Vec::new();
        let mut candidates = newer.chunks.iter().peekable();
        for chunk in &mut self.chunks {
            while candidates.next_if(|newer| newer.first_uid() < chunk.first_uid()).is_some() {}
            // Where all messages of a chunk are meant it is taken over as it is: later comparisons skip it then.
            match candidates.peek() {
                Some(newer)
                    if uids.covers(Uid(chunk.first_uid()), chunk.last_uid()) && chunk.has_messages_of(newer) =>
                {
                    *chunk = Arc::clone(newer);
                }
                _ => rest.push((chunk.first_uid(), chunk.last_uid().0)),
            }
        }
        if newer.source.is_some() {
            self.source.clone_from(&newer.source);
        }
        let rest = uids.intersection(&UidSet::from_ranges(rest));
        let rows: Vec<Entry> = newer.select(&rest).map(|(_, entry)| *entry).collect();
        self.replace(&rows);
    }

    /// The sequence number of the first message that lacks `flags`. Chunks in which all messages have them are skipped.
    pub fn first_without(&self, flags: FlagBits) -> Option<u32> {
        let lacking = self.chunks.iter().zip(&self.starts).find(|(chunk, _)| !chunk.common_flags().contains(flags));
        let (chunk, start) = lacking?;
        let row = chunk.rows().iter().position(|row| !row.flags.contains(flags))?;
        Some(start + row as u32 + 1)
    }

    /// The chunks, in order.
    pub(crate) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// Puts a snapshot together.
    pub(crate) fn from_chunks(chunks: impl IntoIterator<Item = Chunk>) -> Self {
        let chunks = chunks.into_iter().map(Arc::new).collect();
        let mut snapshot = Self { chunks, starts: Vec::new(), length: 0, source: None };
        snapshot.count();
        snapshot
    }

    /// The same with rows that are read from `source` when they are looked at.
    pub(crate) fn with_source(self, source: Arc<Source>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Why some rows that were looked at could not be read; they seem to be missing then. What was answered of a
    /// snapshot from [`crate::Account::mailbox_outline`] holds if there is nothing here afterwards. One from
    /// [`crate::Account::mailbox`] never has anything here.
    pub fn failure(&self) -> Option<&StoreError> {
        self.source.as_ref()?.failure()
    }

    /// Adds a message whose UID is larger than all.
    pub(crate) fn push(&mut self, entry: Entry) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.is_open() && chunk.len() < CHUNK_ROWS => Arc::make_mut(chunk).extend([entry]),
            _ => {
                self.starts.push(self.length);
                self.chunks.push(Arc::new(Chunk::new(Form::Open, vec![entry])));
            }
        }
        self.length += 1;
    }

    /// How many messages are in open chunks.
    pub(crate) fn open_rows(&self) -> usize {
        self.chunks.iter().rev().take_while(|chunk| chunk.is_open()).map(|chunk| chunk.len()).sum()
    }

    /// Seals open messages as soon as there are enough for a full chunk.
    pub(crate) fn seal(&mut self) {
        if self.open_rows() < CHUNK_ROWS {
            return;
        }
        let first_open = self.chunks.partition_point(|chunk| !chunk.is_open());
        let open = self.chunks.split_off(first_open);
        let mut rows: Vec<Entry> = Vec::new();
        for chunk in &open {
            if rows.is_empty() && chunk.len() == CHUNK_ROWS {
                let mut sealed = Chunk::clone(chunk);
                sealed.form = Form::Sealed(Uid(sealed.first_uid()));
                self.chunks.push(Arc::new(sealed));
            } else {
                rows.extend_from_slice(chunk.rows());
            }
        }
        for rows in rows.chunks(CHUNK_ROWS) {
            let first = rows.first().map_or(Uid(0), |row| row.uid);
            let form = if rows.len() == CHUNK_ROWS { Form::Sealed(first) } else { Form::Open };
            self.chunks.push(Arc::new(Chunk::new(form, rows.to_vec())));
        }
        self.count();
    }

    /// Shows each row of `uids` to `change` and puts what it answers in its place: the same message with other flags.
    pub(crate) fn update(&mut self, uids: &UidSet, mut change: impl FnMut(&Entry) -> Option<Entry>) {
        let mut changed: Vec<(usize, Entry)> = Vec::new();
        for chunk in &mut self.chunks {
            let (first, last) = (Uid(chunk.first_uid()), chunk.last_uid());
            if !uids.overlaps(first, last) {
                continue;
            }
            let all = uids.covers(first, last);
            let rows = chunk.rows().iter().enumerate().filter(|(_, row)| all || uids.contains(row.uid));
            changed.extend(rows.filter_map(|(position, row)| Some((position, change(row)?))));
            if !changed.is_empty() {
                Arc::make_mut(chunk).replace_at(changed.drain(..));
            }
        }
    }

    /// Replaces rows by UID; both lists ascend. Rows that are not here are passed over.
    pub(crate) fn replace(&mut self, rows: &[Entry]) {
        let mut rest = rows;
        for index in 0..self.chunks.len() {
            let bound = self.chunks.get(index + 1).map_or(u64::from(u32::MAX) + 1, |next| u64::from(next.first_uid()));
            let here = rest.partition_point(|row| u64::from(row.uid.0) < bound);
            let (now, later) = rest.split_at(here);
            rest = later;
            if let (false, Some(chunk)) = (now.is_empty(), self.chunks.get_mut(index)) {
                let chunk = Arc::make_mut(chunk);
                now.iter().for_each(|row| chunk.replace(*row));
            }
        }
    }

    /// Removes the messages of `uids`. A chunk that gets small is joined with the one before it.
    pub(crate) fn remove(&mut self, uids: &UidSet) {
        let mut kept: Vec<Arc<Chunk>> = Vec::with_capacity(self.chunks.len());
        for chunk in self.chunks.drain(..) {
            if !uids.overlaps(Uid(chunk.first_uid()), chunk.last_uid()) {
                kept.push(chunk);
                continue;
            }
            let rows: Vec<Entry> = chunk.rows().iter().filter(|row| !uids.contains(row.uid)).copied().collect();
            match kept.last_mut() {
                _ if rows.is_empty() => {}
                Some(before) if before.is_open() == chunk.is_open() && before.len() + rows.len() <= CHUNK_ROWS / 2 => {
                    Arc::make_mut(before).extend(rows);
                }
                _ => kept.push(Arc::new(Chunk::new(chunk.form, rows))),
            }
        }
        self.chunks = kept;
        self.count();
    }

    fn count(&mut self) {
        self.length = 0;
        self.starts.clear();
        for chunk in &self.chunks {
            self.starts.push(self.length);
            self.length += chunk.len() as u32;
        }
    }
}

/// What happened between two snapshots of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Messages of the old snapshot that are not in the new one, with their old sequence numbers, ascending.
    pub expunged: Vec<(u32, Uid)>,
    /// Messages that are in both with other flags or another mod-sequence: their new sequence numbers, ascending.
    pub changed: Vec<u32>,
    /// How many messages of the new snapshot were not in the old one. They are its last ones, as UIDs only grow.
    pub added: u32,
}

impl Difference {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.changed.is_empty() && self.added == 0
    }
}

/// What turned `old` into `new`. Chunks that both share are skipped.
pub fn difference(old: &Snapshot, new: &Snapshot) -> Difference {
    let mut found = Difference::default();
    let (mut before, mut after) = (Cursor::new(old), Cursor::new(new));
    loop {
        if before.skip_shared(&mut after) {
            continue;
        }
        match (before.row(), after.row()) {
            (Some(a), Some(b)) if a.uid == b.uid => {
                if a.flags != b.flags || a.modseq != b.modseq {
                    found.changed.push(after.sequence);
                }
                before.step();
                after.step();
            }
            (Some(a), Some(b)) if a.uid < b.uid => {
                found.expunged.push((before.sequence, a.uid));
                before.step();
            }
            (Some(a), None) => {
                found.expunged.push((before.sequence, a.uid));
                before.step();
            }
            (_, Some(_)) => {
                found.added += 1;
                after.step();
            }
            (None, None) => return found,
        }
    }
}

struct Cursor<'a> {
    snapshot: &'a Snapshot,
    chunk: usize,
    row: usize,
    sequence: u32,
}

impl<'a> Cursor<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, chunk: 0, row: 0, sequence: 1 }
    }

    fn row(&self) -> Option<&'a Entry> {
        self.snapshot.chunks.get(self.chunk)?.rows().get(self.row)
    }

    fn step(&mut self) {
        self.row += 1;
        self.sequence += 1;
        if self.snapshot.chunks.get(self.chunk).is_some_and(|chunk| self.row >= chunk.len()) {
            self.chunk += 1;
            self.row = 0;
        }
    }

    /// Steps over a whole chunk on both sides if it is the same one.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        if self.row != 0 || other.row != 0 {
            return false;
        }
        let (Some(mine), Some(theirs)) = (self.snapshot.chunks.get(self.chunk), other.snapshot.chunks.get(other.chunk))
        else {
            return false;
        };
        if !Arc::ptr_eq(mine, theirs) {
            return false;
        }
        for cursor in [self, other] {
            cursor.sequence += mine.len() as u32;
            cursor.chunk += 1;
        }
        true
    }
}

/// `old` with the present flags of those messages that `new` still has: what a client may be told while it may not
/// be told of expunged messages (RFC 9051 §7.5.1). Messages that are new are left out, as they would get numbers behind
/// ones that are about to shift.
pub fn merge_without_expunges(old: &Snapshot, new: &Snapshot) -> Snapshot {
    let mut merged = old.clone();
    let changed: Vec<Entry> =
        difference(old, new).changed.iter().filter_map(|&sequence| new.get(sequence)).copied().collect();
    merged.replace(&changed);
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(uid: u32) -> Entry {
        Entry {
            uid: Uid(uid),
            size: uid * 10,
            flags: FlagBits::NONE,
            modseq: ModSeq(1),
            email: EmailId(uid.into()),
            blob: BlobId(uid.into()),
            received: 0,
            saved: 0,
            ends_with_crlf: true,
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Flag(u16),
        Remove(u16, u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1u8..).prop_map(Step::Push),
            any::<u16>().prop_map(Step::Flag),
            (any::<u16>(), 0u16..600).prop_map(|(first, count)| Step::Remove(first, count)),
        ];
        prop::collection::vec(step, 0..30)
    }

    /// Applies steps to a snapshot and to a plain map.
    fn run(steps: &[Step], snapshot: &mut Snapshot, model: &mut BTreeMap<u32, Entry>, modseq: &mut u64) {
        for step in steps {
            *modseq += 1;
            match step {
                Step::Push(count) => {
                    for _ in 0..*count {
                        // UIDs are never used again, so they go on from the mod-sequence's own high ground.
                        let uid = 1 + model.keys().last().copied().unwrap_or(0).max(*modseq as u32 * 300);
                        let row = Entry { modseq: ModSeq(*modseq), ..entry(uid) };
                        snapshot.push(row);
                        model.insert(uid, row);
                    }
                }
                Step::Flag(position) => {
                    let Some(row) = pick(model, *position) else { continue };
                    let row = Entry { flags: FlagBits::SEEN, modseq: ModSeq(*modseq), ..row };
                    snapshot.replace(&[row]);
                    model.insert(row.uid.0, row);
                }
                Step::Remove(position, count) => {
                    let Some(first) = pick(model, *position) else { continue };
                    let uids: UidSet =
                        model.range(first.uid.0..).take(usize::from(*count)).map(|(&uid, _)| Uid(uid)).collect();
                    snapshot.remove(&uids);
                    model.retain(|&uid, _| !uids.contains(Uid(uid)));
                }
            }
        }
    }

    fn pick(model: &BTreeMap<u32, Entry>, position: u16) -> Option<Entry> {
        model.values().nth(usize::from(position) % model.len().max(1)).copied()
    }

    proptest! {
        #[test]
        fn a_snapshot_is_an_ordered_map_and_differences_are_exact(first in steps(), second in steps()) {
            let (mut snapshot, mut model, mut modseq) = (Snapshot::empty(), BTreeMap::new(), 0);
            run(&first, &mut snapshot, &mut model, &mut modseq);
            let (old, old_model) = (snapshot.clone(), model.clone());
            run(&second, &mut snapshot, &mut model, &mut modseq);

            prop_assert!(old.iter().eq(old_model.values()), "an older version does not change");
            prop_assert!(snapshot.iter().eq(model.values()));
            prop_assert_eq!(snapshot.len() as usize, model.len());
            for (position, row) in model.values().enumerate() {
                let sequence = position as u32 + 1;
                prop_assert_eq!(snapshot.get(sequence), Some(row));
                prop_assert_eq!(snapshot.find(row.uid), Some((sequence, row)));
            }
            prop_assert_eq!(snapshot.get(0), None);
            prop_assert_eq!(snapshot.get(snapshot.len() + 1), None);
            let middle = snapshot.len() / 2;
            prop_assert!(snapshot.range(middle, middle + 300).map(|(n, row)| (n, *row)).eq(
                (1..).zip(model.values().copied()).filter(|(n, _)| (middle..=middle + 300).contains(n))));

            let found = difference(&old, &snapshot);
            let expunged: Vec<(u32, Uid)> =
                (1..).zip(old_model.keys()).filter(|(_, uid)| !model.contains_key(uid)).map(|(n, &uid)| (n, Uid(uid))).collect();
            let changed: Vec<u32> = (1..)
                .zip(model.values())
                .filter(|(_, row)| old_model.get(&row.uid.0).is_some_and(|before| before != *row))
                .map(|(n, _)| n)
                .collect();
            let added = model.keys().filter(|uid| !old_model.contains_key(uid)).count() as u32;
            prop_assert_eq!(found, Difference { expunged, changed, added });

            let merged = merge_without_expunges(&old, &snapshot);
            let expected: Vec<Entry> = old_model.iter().map(|(uid, row)| *model.get(uid).unwrap_or(row)).collect();
            prop_assert!(merged.iter().eq(expected.iter()));
        }
    }
}
