//! The directory of a mailbox: of each sealed chunk what is asked of it as long as nobody looks at its rows.
//!
//! Whoever selects a mailbox wants to know how many messages there are, and looks at the rows of a few. With the directory the
//! others need not even be read: chunks are made of its lines, and read when they are looked at ([`crate::source`]). It is
//! written in the same batch as the chunks it tells of, by pages: a page has the chunks whose keys lie in the same
//! [`PAGE_UIDS`] UIDs, which are at most 64 as no two chunks' keys are nearer to each other than a chunk has rows. So the
//! page of a chunk never depends on others, and a change of flags writes some hundred bytes at most, mostly nothing.
//!
//! It says nothing that the chunks do not say. A mailbox whose directory is missing, as in stores of format 3, or does not
//! count as many messages as the mailbox does, is read chunk by chunk and gets a new one.

use std::collections::BTreeMap;

use crate::{
    chunk::{CHUNK_ROWS, Chunk, Form},
    columns::{Columns, encode_column},
    error::StoreError,
    flags::FlagBits,
    identifier::Uid,
    load::malformed,
    snapshot::Snapshot,
};

/// UIDs of which the chunks are told by one page.
const PAGE_UIDS: u32 = 64 * CHUNK_ROWS as u32;

const VERSION: u8 = 1;

const COLUMNS: usize = 6;

/// What is told of a sealed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Under which UID it is stored.
    pub(crate) key: Uid,
    pub(crate) first: Uid,
    pub(crate) last: Uid,
    pub(crate) count: usize,
    /// The flags that all its messages have.
    pub(crate) common: FlagBits,
}

impl Line {
    /// Nothing for a chunk that is not sealed.
    pub(crate) fn of(chunk: &Chunk) -> Option<Self> {
        let Form::Sealed(key) = chunk.form else { return None };
        let (first, last) = (Uid(chunk.first_uid()), chunk.last_uid());
        Some(Self { key, first, last, count: chunk.len(), common: chunk.common_flags() })
    }

    /// Whether there can be such a chunk.
    fn is_possible(&self) -> bool {
        let uids = u64::from(self.last.0).saturating_sub(self.first.0.into()) + 1;
        self.key <= self.first && self.first <= self.last && (1..=uids).contains(&(self.count as u64))
    }
}

/// Whether what is stored of a mailbox's directory is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directory {
    /// It tells of all sealed chunks as they are.
    Whole,
    /// There is none, or it is not to be trusted.
    Missing,
}

/// The page that tells of a chunk: the first UID of it.
pub(crate) fn page_of(key: Uid) -> Uid {
    Uid(key.0 / PAGE_UIDS * PAGE_UIDS)
}

/// All pages of a mailbox's directory.
pub(crate) fn pages(messages: &Snapshot) -> BTreeMap<Uid, Vec<u8>> {
    let mut pages: BTreeMap<Uid, Vec<Line>> = BTreeMap::new();
    for line in messages.chunks().iter().map_while(|chunk| Line::of(chunk)) {
        pages.entry(page_of(line.key)).or_default().push(line);
    }
    pages.into_iter().map(|(page, lines)| (page, encode(&lines))).collect()
}

/// One page of a mailbox's directory; nothing if it would be empty.
pub(crate) fn page(messages: &Snapshot, page: Uid) -> Option<Vec<u8>> {
    let chunks = messages.chunks();
    let key = |chunk: &Chunk| match chunk.form {
        Form::Sealed(key) => Some(key),
        Form::Open => None,
    };
    let start = chunks.partition_point(|chunk| key(chunk).is_some_and(|key| key < page));
    let here = chunks.iter().skip(start).map_while(|chunk| Line::of_page(chunk, page));
    let lines: Vec<Line> = here.collect();
    (!lines.is_empty()).then(|| encode(&lines))
}

impl Line {
    fn of_page(chunk: &Chunk, page: Uid) -> Option<Self> {
        match chunk.form {
            Form::Sealed(key) if page_of(key) == page => Self::of(chunk),
            _ => None,
        }
    }
}

fn encode(lines: &[Line]) -> Vec<u8> {
    let [high, low] = u16::try_from(lines.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![VERSION, high, low];
    encode_column(lines.iter().map(|line| line.key.0.into()), &mut out);
    // Mostly it is the same number.
    encode_column(lines.iter().map(|line| line.first.0.wrapping_sub(line.key.0).into()), &mut out);
    encode_column(lines.iter().map(|line| line.last.0.wrapping_sub(line.first.0).into()), &mut out);
    encode_column(lines.iter().map(|line| line.count as u64), &mut out);
    encode_column(lines.iter().map(|line| line.common.to_words()[0]), &mut out);
    encode_column(lines.iter().map(|line| line.common.to_words()[1]), &mut out);
    out
}

/// Reads a page.
pub(crate) fn decode(page: Uid, bytes: &[u8]) -> Result<Vec<Line>, StoreError> {
    let ([VERSION, high, low], rest) = bytes.split_first_chunk::<3>().ok_or_else(|| malformed("directory"))? else {
        return Err(malformed("directory"));
    };
    let rows = usize::from(u16::from_be_bytes([*high, *low]));
    let mut columns = Columns::new(rest, rows, "directory");
    let mut numbers: [Vec<u64>; COLUMNS] = Default::default();
    for numbers in &mut numbers {
        numbers.reserve(rows);
        columns.next(|_, number| numbers.push(number))?;
    }
    columns.finish()?;
    let at = |column: usize, row: usize| {
        numbers.get(column).and_then(|numbers| numbers.get(row)).copied().ok_or_else(|| malformed("directory"))
    };
    let uid = |number: u64| u32::try_from(number).map(Uid).map_err(|_| malformed("directory"));
    let mut lines = Vec::with_capacity(rows);
    for row in 0..rows {
        let key = uid(at(0, row)?)?;
        let first = uid(u64::from(key.0).saturating_add(at(1, row)?))?;
        let last = uid(u64::from(first.0).saturating_add(at(2, row)?))?;
        let count = usize::try_from(at(3, row)?).map_err(|_| malformed("directory"))?;
        let line = Line { key, first, last, count, common: FlagBits::from_words([at(4, row)?, at(5, row)?]) };
        if !line.is_possible() || page_of(key) != page {
            return Err(malformed("directory"));
        }
        lines.push(line);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        let line = (0_u32..9, 0_u32..300, 0_u32..9_000, any::<[u64; 2]>());
        (0_u32..200_000, prop::collection::vec(line, 1..65)).prop_map(|(page, lines)| {
            let start = page * PAGE_UIDS;
            let line = |(row, (removed, rows, gaps, common)): (u32, (u32, u32, u32, [u64; 2]))| {
                let key = Uid(start + row * 256);
                let first = Uid(key.0 + removed);
                let (last, common) = (Uid(first.0 + rows + gaps), FlagBits::from_words(common));
                Line { key, first, last, count: rows as usize + 1, common }
            };
            (0..).zip(lines).map(line).collect()
        })
    }

    proptest! {
        #[test]
        fn a_page_is_what_was_written(lines in lines()) {
            let page = page_of(lines[0].key);
            prop_assert_eq!(decode(page, &encode(&lines)).unwrap(), lines);
        }

        #[test]
        fn no_bytes_make_reading_panic(
            lines in lines(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            random in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut bytes = encode(&lines);
            damage.iter().for_each(|(place, byte)| *place.get_mut(&mut bytes) = *byte);
            let page = page_of(lines[0].key);
            if let Ok(lines) = decode(page, &bytes) {
                prop_assert!(lines.iter().all(Line::is_possible));
            }
            let _ = decode(page, &random);
        }
    }

    #[test]
    fn a_page_of_full_chunks_takes_some_hundred_bytes() {
        let line = |row: u32| {
            let key = Uid(1 + row * CHUNK_ROWS as u32);
            Line { key, first: key, last: Uid(key.0 + 255), count: CHUNK_ROWS, common: FlagBits::SEEN }
        };
        let lines: Vec<Line> = (0..64).map(line).collect();
        assert!(lines.iter().all(|line| page_of(line.key) == Uid(0)));
        assert!(encode(&lines).len() < 200);
    }
}
