//! Flags and keywords (RFC 9051 §2.3.2).
//!
//! In a mailbox a message's flags are bits: five for the system flags, the others for keywords, whose names stand in the
//! mailbox's [`KeywordTable`]. Comparing, counting and combining flags is then arithmetic, and a snapshot row stays
//! small. The price is a bound on the number of different keywords in one mailbox, [`KEYWORDS_MAX`].

use std::sync::Arc;

/// How many different keywords a mailbox can hold.
pub const KEYWORDS_MAX: usize = 123;

/// The longest keyword, in bytes.
pub const KEYWORD_BYTES_MAX: usize = 255;

const SYSTEM_BITS: usize = 5;

/// A flag as people and protocols name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// The message was answered.
    Answered,
    /// The message asks for attention.
    Flagged,
    /// The message is to go with the next expunge.
    Deleted,
    /// The message was read.
    Seen,
    /// The message is not finished.
    Draft,
    /// A keyword; letter case does not matter (RFC 9051 §2.3.2), the first spelling used in a mailbox stays.
    Keyword(String),
}

/// A message's flags as bits; the keywords' meaning is in the mailbox's [`KeywordTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlagBits([u64; 2]);

impl FlagBits {
    /// No flag.
    pub const NONE: Self = Self([0, 0]);
    /// `\Answered`
    pub const ANSWERED: Self = Self([1, 0]);
    /// `\Flagged`
    pub const FLAGGED: Self = Self([2, 0]);
    /// `\Deleted`
    pub const DELETED: Self = Self([4, 0]);
    /// `\Seen`
    pub const SEEN: Self = Self([8, 0]);
    /// `\Draft`
    pub const DRAFT: Self = Self([16, 0]);

    /// The bit of the keyword at `position` in the mailbox's table.
    pub const fn keyword(position: usize) -> Self {
        let bit = position + SYSTEM_BITS;
        if bit < 64 { Self([1 << bit, 0]) } else { Self([0, 1 << (bit - 64)]) }
    }

    /// Whether all flags of `other` are here.
    pub const fn contains(self, other: Self) -> bool {
        self.0[0] & other.0[0] == other.0[0] && self.0[1] & other.0[1] == other.0[1]
    }

    /// The flags of both.
    pub const fn union(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// The flags that are in both.
    pub const fn intersection(self, other: Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    /// The flags here that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0
    }

    pub(crate) const fn to_words(self) -> [u64; 2] {
        self.0
    }

    pub(crate) const fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// Positions, in the mailbox's table, of the keywords that are set.
    pub fn keyword_positions(self) -> impl Iterator<Item = usize> {
        (0..KEYWORDS_MAX).filter(move |&position| self.contains(Self::keyword(position)))
    }
}

/// The keywords of a mailbox, in the order of their bits. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeywordTable {
    names: Arc<Vec<String>>,
}

impl KeywordTable {
    pub(crate) fn from_names(names: Vec<String>) -> Self {
        Self { names: Arc::new(names) }
    }

    /// The keywords' names, in the order of their bits.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where `keyword` stands.
    pub fn position(&self, keyword: &str) -> Option<usize> {
        self.names.iter().position(|name| name.eq_ignore_ascii_case(keyword))
    }

    /// The bits of `flag`; `None` for a keyword that this mailbox never saw.
    pub fn bits(&self, flag: &Flag) -> Option<FlagBits> {
        Some(match flag {
            Flag::Answered => FlagBits::ANSWERED,
            Flag::Flagged => FlagBits::FLAGGED,
            Flag::Deleted => FlagBits::DELETED,
            Flag::Seen => FlagBits::SEEN,
            Flag::Draft => FlagBits::DRAFT,
            Flag::Keyword(name) => FlagBits::keyword(self.position(name)?),
        })
    }

    /// The bits of all `flags`, new keywords being added to the table. `None`, and nothing added, if it would be full.
    pub(crate) fn intern(&mut self, flags: &[Flag]) -> Option<FlagBits> {
        let mut grown = self.clone();
        let mut bits = FlagBits::NONE;
        for flag in flags {
            if let Flag::Keyword(name) = flag
                && grown.position(name).is_none()
            {
                if grown.names.len() >= KEYWORDS_MAX {
                    return None;
                }
                Arc::make_mut(&mut grown.names).push(name.clone());
            }
            bits = bits.union(grown.bits(flag)?);
        }
        *self = grown;
        Some(bits)
    }

    /// The flags that `bits` stand for, system flags first.
    pub fn flags(&self, bits: FlagBits) -> Vec<Flag> {
        let system = [
            (FlagBits::ANSWERED, Flag::Answered),
            (FlagBits::FLAGGED, Flag::Flagged),
            (FlagBits::DELETED, Flag::Deleted),
            (FlagBits::SEEN, Flag::Seen),
            (FlagBits::DRAFT, Flag::Draft),
        ];
        let keywords = bits.keyword_positions().filter_map(|position| self.names.get(position));
        system
            .into_iter()
            .filter(|(bit, _)| bits.contains(*bit))
            .map(|(_, flag)| flag)
            .chain(keywords.map(|name| Flag::Keyword(name.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_keeps_its_first_spelling_and_one_bit() {
        let mut table = KeywordTable::default();
        let first = table.intern(&[Flag::Keyword("$Forwarded".into()), Flag::Seen]);
        let second = table.intern(&[Flag::Keyword("$forwarded".into()), Flag::Seen]);
        assert_eq!(first, second);
        assert_eq!(table.names(), ["$Forwarded"]);
        assert_eq!(table.flags(first.unwrap()), [Flag::Seen, Flag::Keyword("$Forwarded".into())]);
    }

    #[test]
    fn a_full_table_refuses_new_keywords_and_stays_as_it_was() {
        let mut table = KeywordTable::default();
        for number in 0..KEYWORDS_MAX {
            let bits = table.intern(&[Flag::Keyword(format!("k{number}"))]).unwrap();
            assert_eq!(bits.keyword_positions().collect::<Vec<_>>(), [number]);
        }
        let before = table.clone();
        assert_eq!(table.intern(&[Flag::Seen, Flag::Keyword("one too many".into())]), None);
        assert_eq!(table, before);
    }
}
