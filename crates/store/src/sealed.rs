//! The rows of a sealed chunk as they are stored, and as they lie in memory until somebody looks at one.
//!
//! Whoever selects a mailbox of a hundred thousand messages looks at a few of them. So a chunk that was read is checked
//! and kept as the columns it is stored as, a fifth of the size of its rows; these are made of them on the first look.
//!
//! Invariant: [`SealedRows`] hold bytes of their own, those of the version of the mailbox that they were read with. What
//! is written later never reaches them, so nothing goes back to the engine to make rows of them, no look at a row waits,
//! and no reader sees a newer row than its snapshot has. Whatever can be wrong with the bytes is found out when
//! they are read ([`SealedRows::new`]), as a look at a row has nobody to tell.

use bytes::Bytes;

use crate::{
    columns::{Columns, encode_column, from_signed, to_signed},
    error::StoreError,
    flags::FlagBits,
    identifier::{BlobId, EmailId, ModSeq, Uid},
    load::malformed,
    snapshot::Entry,
};

const VERSION: u8 = 1;

/// The two records of a sealed chunk, known to be whole.
#[derive(Debug, Clone)]
pub(crate) struct SealedRows {
    fixed: Bytes,
    flags: Bytes,
    pub(crate) count: usize,
    pub(crate) first: Uid,
    pub(crate) last: Uid,
}

impl SealedRows {
    /// Checks that rows can be made of these bytes, ascending by UID, as many of the one as of the other.
    pub(crate) fn new(fixed: Bytes, flags: Bytes) -> Result<Self, StoreError> {
        let (count, columns) = read_head(&fixed)?;
        let mut columns = Columns::new(columns, count, "chunk");
        let (first, last) = columns.next_ascending()?;
        (1..FIXED_COLUMNS).try_for_each(|_| columns.skip())?;
        columns.finish()?;
        let (flagged, columns) = read_head(&flags)?;
        let mut columns = Columns::new(columns, flagged, "flags of a chunk");
        (0..FLAGS_COLUMNS).try_for_each(|_| columns.skip())?;
        columns.finish()?;
        match (u32::try_from(first), u32::try_from(last)) {
            (Ok(first), Ok(last)) if flagged == count => {
                Ok(Self { fixed, flags, count, first: Uid(first), last: Uid(last) })
            }
            _ => Err(malformed("chunk")),
        }
    }

    /// The rows.
    pub(crate) fn decode(&self) -> Vec<Entry> {
        let decoded = decode_fixed(&self.fixed).and_then(|mut rows| {
            decode_flags(&self.flags, &mut rows)?;
            Ok(rows)
        });
        // `new` has seen to it that this cannot fail.
        decoded.unwrap_or_default()
    }

    /// The flags that all rows have.
    pub(crate) fn common_flags(&self) -> FlagBits {
        let mut common = [u64::MAX; 2];
        if let Ok((count, columns)) = read_head(&self.flags) {
            let mut columns = Columns::new(columns, count, "flags of a chunk");
            for word in &mut common {
                let _ = columns.next(|_, number| *word &= number);
            }
        }
        FlagBits::from_words(common)
    }
}

/// Columns of what never changes.
const FIXED_COLUMNS: usize = 7;
/// Columns of what does.
const FLAGS_COLUMNS: usize = 3;

/// What never changes of messages.
pub(crate) fn encode_fixed(rows: &[Entry]) -> Vec<u8> {
    let mut out = head(rows.len());
    encode_column(rows.iter().map(|row| row.uid.0.into()), &mut out);
    encode_column(rows.iter().map(|row| row.size.into()), &mut out);
    encode_column(rows.iter().map(|row| row.email.0), &mut out);
    encode_column(rows.iter().map(|row| row.blob.0), &mut out);
    encode_column(rows.iter().map(|row| from_signed(row.received)), &mut out);
    encode_column(rows.iter().map(|row| from_signed(row.saved)), &mut out);
    encode_column(rows.iter().map(|row| row.ends_with_crlf.into()), &mut out);
    out
}

pub(crate) fn decode_fixed(bytes: &[u8]) -> Result<Vec<Entry>, StoreError> {
    let (rows, columns) = read_head(bytes)?;
    let mut columns = Columns::new(columns, rows, "chunk");
    let blank = Entry {
        uid: Uid(0),
        size: 0,
        flags: FlagBits::NONE,
        modseq: ModSeq(0),
        email: EmailId(0),
        blob: BlobId(0),
        received: 0,
        saved: 0,
        ends_with_crlf: false,
    };
    let mut rows = vec![blank; rows];
    let mut set = |assign: fn(&mut Entry, u64)| {
        columns.next(|row, number| {
            if let Some(entry) = rows.get_mut(row) {
                assign(entry, number);
            }
        })
    };
    // A number that does not fit was not written by us; the order of UIDs, which is checked, would not survive it.
    set(|entry, number| entry.uid = Uid(u32::try_from(number).unwrap_or(0)))?;
    set(|entry, number| entry.size = u32::try_from(number).unwrap_or(0))?;
    set(|entry, number| entry.email = EmailId(number))?;
    set(|entry, number| entry.blob = BlobId(number))?;
    set(|entry, number| entry.received = to_signed(number))?;
    set(|entry, number| entry.saved = to_signed(number))?;
    set(|entry, number| entry.ends_with_crlf = number != 0)?;
    columns.finish()?;
    Ok(rows)
}

/// What does change of messages.
pub(crate) fn encode_flags(rows: &[Entry]) -> Vec<u8> {
    let mut out = head(rows.len());
    encode_column(rows.iter().map(|row| row.flags.to_words()[0]), &mut out);
    encode_column(rows.iter().map(|row| row.flags.to_words()[1]), &mut out);
    encode_column(rows.iter().map(|row| row.modseq.0), &mut out);
    out
}

pub(crate) fn decode_flags(bytes: &[u8], rows: &mut [Entry]) -> Result<(), StoreError> {
    let (count, columns) = read_head(bytes)?;
    if count != rows.len() {
        return Err(malformed("chunk"));
    }
    let mut columns = Columns::new(columns, count, "flags of a chunk");
    let mut set = |assign: fn(&mut Entry, u64)| {
        columns.next(|row, number| {
            if let Some(entry) = rows.get_mut(row) {
                assign(entry, number);
            }
        })
    };
    set(|entry, number| entry.flags = FlagBits::from_words([number, 0]))?;
    set(|entry, number| entry.flags = FlagBits::from_words([entry.flags.to_words()[0], number]))?;
    set(|entry, number| entry.modseq = ModSeq(number))?;
    columns.finish()
}

fn head(rows: usize) -> Vec<u8> {
    // Chunks have at most `CHUNK_ROWS` rows.
    let [high, low] = u16::try_from(rows).unwrap_or(u16::MAX).to_be_bytes();
    vec![VERSION, high, low]
}

fn read_head(bytes: &[u8]) -> Result<(usize, &[u8]), StoreError> {
    let ([version, high, low], columns) = bytes.split_first_chunk::<3>().ok_or_else(|| malformed("chunk"))?;
    if *version != VERSION {
        let text = format!("a chunk of rows has format {version}, this program reads {VERSION}");
        return Err(StoreError::Damaged(text));
    }
    Ok((u16::from_be_bytes([*high, *low]).into(), columns))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Vec<Entry>> {
        let numbers = (1_u32..40_000, any::<u32>(), any::<[u64; 2]>(), any::<u64>(), any::<u64>(), any::<i64>());
        prop::collection::vec((numbers, any::<bool>()), 1..300).prop_map(|rows| {
            let mut uid = 0;
            let row = |((step, size, flags, modseq, email, received), ends_with_crlf)| {
                uid += step;
                let (flags, modseq, email) = (FlagBits::from_words(flags), ModSeq(modseq), EmailId(email));
                let (blob, saved) = (BlobId(email.0 / 2), received / 3);
                Entry { uid: Uid(uid), size, flags, modseq, email, blob, received, saved, ends_with_crlf }
            };
            rows.into_iter().map(row).collect()
        })
    }

    proptest! {
        #[test]
        fn rows_are_what_was_sealed(rows in rows()) {
            let (fixed, flags) = (encode_fixed(&rows), encode_flags(&rows));
            let sealed = SealedRows::new(fixed.into(), flags.into()).unwrap();
            prop_assert_eq!((sealed.first, sealed.last), (rows[0].uid, rows.last().unwrap().uid));
            let all = FlagBits::from_words([u64::MAX; 2]);
            prop_assert_eq!(sealed.common_flags(), rows.iter().fold(all, |all, row| all.intersection(row.flags)));
            prop_assert_eq!(sealed.decode(), rows);
        }

        #[test]
        fn damaged_bytes_are_refused_at_once_or_make_as_many_rows_as_they_say(
            rows in rows(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            in_flags in any::<bool>(),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut records = [encode_fixed(&rows), encode_flags(&rows)];
            let record = &mut records[usize::from(in_flags)];
            damage.iter().for_each(|(place, byte)| *place.get_mut(record) = *byte);
            if let Some(cut) = cut {
                record.truncate(cut.index(record.len()));
            }
            let [fixed, flags] = records;
            if let Ok(sealed) = SealedRows::new(fixed.into(), flags.into()) {
                let decoded = sealed.decode();
                prop_assert_eq!(decoded.len(), sealed.count);
                prop_assert!(decoded.is_sorted_by(|a, b| a.uid < b.uid));
                prop_assert_eq!(decoded.first().map(|row| row.uid), Some(sealed.first));
                prop_assert_eq!(decoded.last().map(|row| row.uid), Some(sealed.last));
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(
            fixed in prop::collection::vec(any::<u8>(), 0..80),
            flags in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = SealedRows::new(fixed.into(), flags.into()).map(|rows| rows.decode());
        }
    }
}
