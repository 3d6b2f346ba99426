//! Sequence sets: which messages a command means (RFC 9051 §9, `sequence-set`).

use std::num::NonZeroU32;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A number.
    Number(NonZeroU32),
    /// `*`: the largest number in use.
    Last,
}

/// A set of sequence numbers or UIDs, as a client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SequenceSet {
    /// `$`: the result that an earlier SEARCH saved (RFC 5182).
    Saved,
    /// Ranges in the order written; `5:2` stays as it is, a single number has two equal ends.
    Ranges(Vec<(Bound, Bound)>),
}

impl SequenceSet {
    /// The set as ascending, disjoint, inclusive ranges, `*` standing for `last`. `None` for [`SequenceSet::Saved`].
    ///
    /// In an empty mailbox (`last` is 0) `*` names nothing. A range that has `*` for one end always holds `last`, even
    /// where its other end is beyond (RFC 9051 §9, `seq-range`).
    pub fn resolve(&self, last: u32) -> Option<Vec<(u32, u32)>> {
        let Self::Ranges(ranges) = self else { return None };
        let number = |bound: Bound| match bound {
            Bound::Number(n) => n.get(),
            Bound::Last => last,
        };
        let mut resolved: Vec<(u32, u32)> = ranges
            .iter()
            .map(|&(a, b)| (number(a).min(number(b)), number(a).max(number(b))))
            .filter(|&(low, _)| low > 0)
            .collect();
        resolved.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(resolved.len());
        for (low, high) in resolved {
            match merged.last_mut() {
                Some(previous) if low <= previous.1.saturating_add(1) => previous.1 = previous.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Some(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges as written, the largest number in use, ranges as resolved.
    type Case = (Vec<(Bound, Bound)>, u32, Vec<(u32, u32)>);

    fn number(n: u32) -> Bound {
        Bound::Number(NonZeroU32::new(n).unwrap())
    }

    #[test]
    fn ranges_come_out_ascending_and_merged() {
        let cases: [Case; 6] = [
            (vec![(number(5), number(2))], 9, vec![(2, 5)]),
            (vec![(number(7), number(7)), (number(1), number(3)), (number(4), number(4))], 9, vec![(1, 4), (7, 7)]),
            (vec![(number(3), Bound::Last)], 9, vec![(3, 9)]),
            (vec![(number(12), Bound::Last)], 9, vec![(9, 12)]),
            (vec![(Bound::Last, Bound::Last)], 0, vec![]),
            (vec![(number(u32::MAX), number(u32::MAX)), (number(1), number(1))], 9, vec![(1, 1), (u32::MAX, u32::MAX)]),
        ];
        for (ranges, last, expected) in cases {
            assert_eq!(SequenceSet::Ranges(ranges).resolve(last), Some(expected));
        }
        assert_eq!(SequenceSet::Saved.resolve(5), None);
    }
}
