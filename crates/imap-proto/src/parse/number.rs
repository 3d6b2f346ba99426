//! Numbers and sequence sets (RFC 9051 §9).

use std::num::NonZeroU32;

use super::parser::{Fault, Parse, Parser};
use crate::set::{Bound, SequenceSet};

impl Parser<'_> {
    /// `number64 = 1*DIGIT`, at most 63 bits
    pub(super) fn number64(&mut self) -> Parse<u64> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        if digits.is_empty() {
            return Err(Fault::syntax("a number is missing"));
        }
        digits
            .iter()
            .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .filter(|&number| i64::try_from(number).is_ok())
            .ok_or(Fault::syntax("a number is too large"))
    }

    /// `nz-number64`
    pub(super) fn nonzero_number64(&mut self) -> Parse<u64> {
        match self.number64()? {
            0 => Err(Fault::syntax("a number must not be 0")),
            number => Ok(number),
        }
    }

    /// `nz-number = digit-nz *DIGIT`, 32 bits; leading zeros are let through
    pub(super) fn nonzero_number(&mut self) -> Parse<NonZeroU32> {
        let number = u32::try_from(self.number64()?).map_err(|_| Fault::syntax("a number is too large"))?;
        NonZeroU32::new(number).ok_or(Fault::syntax("a number must not be 0"))
    }

    /// `sequence-set = (seq-number / seq-range) ["," sequence-set] / seq-last-command`
    pub(super) fn sequence_set(&mut self) -> Parse<SequenceSet> {
        // RFC 5182 §2.1
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            if ranges.len() >= self.limits.set_ranges_max {
                return Err(Fault::too_many("a sequence set has too many ranges"));
            }
            let first = self.bound()?;
            let last = if self.eat(b':') { self.bound()? } else { first };
            ranges.push((first, last));
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    /// A set of plain numbers, as clients tell what they know (RFC 7162 §7, `known-uids` and `known-sequence-set`).
    pub(super) fn known_set(&mut self) -> Parse<SequenceSet> {
        let set = self.sequence_set()?;
        match &set {
            SequenceSet::Ranges(ranges)
                if ranges.iter().all(|&(first, last)| first != Bound::Last && last != Bound::Last) =>
            {
                Ok(set)
            }
            _ => Err(Fault::syntax("this set must consist of numbers only")),
        }
    }

    fn bound(&mut self) -> Parse<Bound> {
        if self.eat(b'*') { Ok(Bound::Last) } else { self.nonzero_number().map(Bound::Number) }
    }
}
