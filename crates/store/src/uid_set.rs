//! Sets of UIDs as ascending, disjoint, inclusive ranges.

use crate::identifier::Uid;

/// A set of UIDs, small however many it holds in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of inclusive ranges in any order; overlapping ones are joined.
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.retain(|&(low, high)| low <= high);
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match joined.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        Self { ranges: joined }
    }

    /// Adds a UID that is larger than all inside; a smaller one is sorted in, which costs more.
    pub fn push(&mut self, uid: Uid) {
        match self.ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(uid.0) => last.1 = uid.0,
            Some(last) if uid.0 <= last.1 => {
                if !self.contains(uid) {
                    let mut ranges = std::mem::take(&mut self.ranges);
                    ranges.push((uid.0, uid.0));
                    *self = Self::from_ranges(ranges);
                }
            }
            _ => self.ranges.push((uid.0, uid.0)),
        }
    }

    /// Whether `uid` is inside.
    pub fn contains(&self, uid: Uid) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= uid.0);
        after > 0 && self.ranges.get(after - 1).is_some_and(|range| uid.0 <= range.1)
    }

    /// Whether all UIDs from `low` to `high` are in it.
    pub fn covers(&self, low: Uid, high: Uid) -> bool {
        let after = self.ranges.partition_point(|&(start, _)| start <= low.0);
        after.checked_sub(1).and_then(|index| self.ranges.get(index)).is_some_and(|&(_, end)| high.0 <= end)
    }

    /// Whether any UID from `low` to `high` is inside.
    pub fn overlaps(&self, low: Uid, high: Uid) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= high.0);
        after > 0 && self.ranges.get(after - 1).is_some_and(|range| range.1 >= low.0)
    }

    /// The ranges, ascending and disjoint.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether nothing is inside.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs are inside.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|&(low, high)| u64::from(high) - u64::from(low) + 1).sum()
    }

    /// Every UID inside, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges.iter().flat_map(|&(low, high)| (low..=high).map(Uid))
    }

    /// What both sets hold.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut common = Vec::new();
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (low, high) = (a.0.max(b.0), a.1.min(b.1));
            if low <= high {
                common.push((low, high));
            }
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self { ranges: common }
    }

    /// What this set holds and the other does not.
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        for &(low, high) in &self.ranges {
            let mut from = u64::from(low);
            let first = other.ranges.partition_point(|range| range.1 < low);
            for &(cut_low, cut_high) in other.ranges.iter().skip(first).take_while(|range| range.0 <= high) {
                if u64::from(cut_low) > from {
                    rest.push((from as u32, cut_low - 1));
                }
                from = u64::from(cut_high) + 1;
            }
            if from <= u64::from(high) {
                rest.push((from as u32, high));
            }
        }
        Self { ranges: rest }
    }

    /// What either set holds.
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).copied().collect())
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        let mut ascending = true;
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids {
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(uid.0) => last.1 = uid.0,
                Some(last) => {
                    ascending &= uid.0 > last.1;
                    ranges.push((uid.0, uid.0));
                }
                None => ranges.push((uid.0, uid.0)),
            }
        }
        if ascending {
            set.ranges = ranges;
            set
        } else {
            Self::from_ranges(ranges)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(uids: &BTreeSet<u32>) -> UidSet {
        uids.iter().copied().map(Uid).collect()
    }

    proptest! {
        #[test]
        fn set_algebra_agrees_with_ordered_sets(a: BTreeSet<u8>, b: BTreeSet<u8>, probe: u8) {
            let a: BTreeSet<u32> = a.into_iter().map(u32::from).collect();
            let b: BTreeSet<u32> = b.into_iter().map(u32::from).collect();
            prop_assert_eq!(set(&a).union(&set(&b)), set(&(&a | &b)));
            prop_assert_eq!(set(&a).intersection(&set(&b)), set(&(&a & &b)));
            prop_assert_eq!(set(&a).difference(&set(&b)), set(&(&a - &b)));
            prop_assert_eq!(set(&a).count(), a.len() as u64);
            prop_assert_eq!(set(&a).contains(Uid(probe.into())), a.contains(&probe.into()));
            let high = probe.saturating_add(3);
            prop_assert_eq!(set(&a).overlaps(Uid(probe.into()), Uid(high.into())), a.range(u32::from(probe)..=high.into()).next().is_some());
        }

        #[test]
        fn any_order_of_insertion_gives_the_same_set(uids: Vec<u8>) {
            let ordered: BTreeSet<u32> = uids.iter().copied().map(u32::from).collect();
            let mut pushed = UidSet::new();
            uids.iter().for_each(|&uid| pushed.push(Uid(uid.into())));
            prop_assert_eq!(&pushed, &set(&ordered));
            prop_assert_eq!(uids.iter().map(|&uid| Uid(uid.into())).collect::<UidSet>(), pushed);
        }
    }

    #[test]
    fn the_largest_uid_ends_a_range_without_overflow() {
        let all = UidSet::from_ranges(vec![(1, u32::MAX)]);
        assert_eq!(all.count(), u64::from(u32::MAX));
        assert_eq!(all.difference(&UidSet::from_ranges(vec![(u32::MAX, u32::MAX)])).ranges(), [(1, u32::MAX - 1)]);
    }
}
