//! Some neighbouring messages, tested together: which of them match is told by sets of rows.

use postrider_store::{Entry, SearchDigest};

/// The most messages that are tested together.
pub(super) const GROUP_ROWS: usize = 256;

const WORD_BITS: usize = u64::BITS as usize;

/// A set of rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rows([u64; GROUP_ROWS / WORD_BITS]);

impl Rows {
    pub(super) const NONE: Self = Self([0; GROUP_ROWS / WORD_BITS]);

    /// The first `count` rows.
    pub(super) fn first(count: usize) -> Self {
        let mut rows = Self::NONE;
        for (index, word) in rows.0.iter_mut().enumerate() {
            let bits = count.saturating_sub(index * WORD_BITS);
            *word = if bits >= WORD_BITS { u64::MAX } else { (1 << bits) - 1 };
        }
        rows
    }

    pub(super) fn insert(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / WORD_BITS) {
            *word |= 1 << (row % WORD_BITS);
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.combine(other, |a, b| a & b)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.combine(other, |a, b| a | b)
    }

    pub(super) fn without(self, other: Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        let mut rows = self;
        rows.0.iter_mut().zip(other.0).for_each(|(word, other)| *word = operation(*word, other));
        rows
    }

    /// The rows, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(index * WORD_BITS + bit)
            })
        })
    }
}

/// What is known of the rows of a group: those that match, and those of which only a closer look can tell. All others
/// do not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) yes: Rows,
    pub(super) open: Rows,
}

impl Verdict {
    pub(super) fn known(yes: Rows) -> Self {
        Self { yes, open: Rows::NONE }
    }

    pub(super) fn open(open: Rows) -> Self {
        Self { yes: Rows::NONE, open }
    }
}

/// A message with its sequence number.
pub(super) type Row<'a> = (u32, &'a Entry);

/// Messages that are tested together, ascending.
pub(super) struct Group<'a> {
    pub(super) rows: &'a [Row<'a>],
    /// What is kept in memory of messages from this sequence number on, these among them.
    pub(super) digest: Option<(&'a SearchDigest, u32)>,
}

impl Group<'_> {
    /// Those of `among` that pass a test.
    pub(super) fn select(&self, among: Rows, mut test: impl FnMut(u32, &Entry) -> bool) -> Rows {
        let mut selected = Rows::NONE;
        for row in among.iter() {
            if let Some((sequence, entry)) = self.rows.get(row)
                && test(*sequence, entry)
            {
                selected.insert(row);
            }
        }
        selected
    }

    /// The row here of a row of the digest.
    pub(super) fn of_digest(&self, digest: &SearchDigest, first: u32, row: usize) -> Option<usize> {
        if self.rows.len() == digest.len() {
            return Some(row);
        }
        self.rows.binary_search_by_key(&(first + row as u32), |(sequence, _)| *sequence).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_rows_are_sets() {
        for count in [0, 1, 63, 64, 65, 200, 256] {
            assert_eq!(Rows::first(count).iter().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        }
        let mut few = Rows::NONE;
        [255, 3, 64].into_iter().for_each(|row| few.insert(row));
        assert_eq!(few.iter().collect::<Vec<_>>(), [3, 64, 255]);
        assert_eq!(few.and(Rows::first(65)).iter().collect::<Vec<_>>(), [3, 64]);
        assert_eq!(few.without(Rows::first(65)).iter().collect::<Vec<_>>(), [255]);
        assert_eq!(Rows::first(4).or(few).iter().collect::<Vec<_>>(), [0, 1, 2, 3, 64, 255]);
        assert!(few.without(few).is_empty());
    }
}
