//! Sets of messages in commands: as short as they can be written, and in pieces that no server refuses.

use std::num::NonZeroU32;

use crate::set::{Bound, SequenceSet};

/// Bounds on one command's set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetLimits {
    /// Octets of the set as written; at least one range is always taken.
    pub set_bytes_max: usize,
    /// Messages that the set can name; at least one.
    pub messages_max: u32,
}

impl Default for SetLimits {
    /// RFC 2683 §3.2.1.5 advises clients to keep a command below about 1000 octets. Servers with CONDSTORE take 8192
    /// (RFC 7162 §4).
    fn default() -> Self {
        Self { set_bytes_max: 900, messages_max: u32::MAX }
    }
}

/// Ascending UIDs as inclusive ranges. Of UIDs that do not ascend each begins a range of its own; 0 is left out.
pub fn ranges_of_uids(uids: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids.into_iter().filter(|&uid| uid > 0) {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) || *last == uid => *last = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    ranges
}

/// Inclusive ranges as sets within the limits, in the order given, for one command each.
pub fn split_into_sets(ranges: &[(u32, u32)], limits: SetLimits) -> Vec<SequenceSet> {
    let mut sets = Vec::new();
    let mut present = PresentSet::default();
    for &(first, last) in ranges {
        let mut rest = NonZeroU32::new(first.min(last).max(1)).zip(NonZeroU32::new(first.max(last)));
        while let Some((first, last)) = rest {
            let room = limits.messages_max.max(1) - present.messages;
            // Counted from 0, since a range can name 2^32 - 1 messages.
            let taken_last = match last.get() - first.get() < room {
                true => last,
                false => first.saturating_add(room.saturating_sub(1)),
            };
            let bytes = written_bytes(first, taken_last) + usize::from(!present.ranges.is_empty());
            if room == 0 || (present.bytes + bytes > limits.set_bytes_max && !present.ranges.is_empty()) {
                sets.push(std::mem::take(&mut present).into_set());
                continue;
            }
            present.bytes += bytes;
            present.messages += taken_last.get() - first.get() + 1;
            present.ranges.push((Bound::Number(first), Bound::Number(taken_last)));
            rest = taken_last.checked_add(1).filter(|&next| next <= last).map(|next| (next, last));
        }
    }
    if !present.ranges.is_empty() {
        sets.push(present.into_set());
    }
    sets
}

#[derive(Default)]
struct PresentSet {
    ranges: Vec<(Bound, Bound)>,
    bytes: usize,
    messages: u32,
}

impl PresentSet {
    fn into_set(self) -> SequenceSet {
        SequenceSet::Ranges(self.ranges)
    }
}

fn written_bytes(first: NonZeroU32, last: NonZeroU32) -> usize {
    let digits = |number: NonZeroU32| number.ilog10() as usize + 1;
    if first == last { digits(first) } else { digits(first) + 1 + digits(last) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(sets: &[SequenceSet]) -> Vec<Vec<(u32, u32)>> {
        sets.iter().map(|set| set.resolve(u32::MAX).unwrap()).collect()
    }

    #[test]
    fn neighbours_become_ranges() {
        assert_eq!(ranges_of_uids([1, 2, 3, 5, 5, 7, 8, u32::MAX]), [(1, 3), (5, 5), (7, 8), (u32::MAX, u32::MAX)]);
        assert_eq!(ranges_of_uids([0, 3, 1]), [(3, 3), (1, 1)]);
    }

    #[test]
    fn sets_are_split_where_a_limit_is_reached() {
        let limits = |set_bytes_max, messages_max| SetLimits { set_bytes_max, messages_max };
        let sets = split_into_sets(&[(1, 3), (5, 5), (7, 9)], limits(5, 100));
        assert_eq!(numbers(&sets), [vec![(1, 3), (5, 5)], vec![(7, 9)]]);
        let sets = split_into_sets(&[(1, 5), (8, 8)], limits(100, 2));
        assert_eq!(numbers(&sets), [vec![(1, 2)], vec![(3, 4)], vec![(5, 5), (8, 8)]]);
        let sets = split_into_sets(&[(1, u32::MAX)], SetLimits::default());
        assert_eq!(numbers(&sets), [vec![(1, u32::MAX)]]);
        assert_eq!(numbers(&split_into_sets(&[(100, 200)], limits(0, 0))).len(), 101);
        assert!(split_into_sets(&[], SetLimits::default()).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_said_twice(
            uids in proptest::collection::btree_set(1u32..300, 0..120),
            set_bytes_max in 0usize..40,
            messages_max in 0u32..20,
        ) {
            let sets = split_into_sets(&ranges_of_uids(uids.iter().copied()), SetLimits { set_bytes_max, messages_max });
            let said: Vec<u32> = numbers(&sets).into_iter().flatten().flat_map(|(low, high)| low..=high).collect();
            prop_assert_eq!(said, uids.into_iter().collect::<Vec<u32>>());
            for set in numbers(&sets) {
                let messages: u32 = set.iter().map(|(low, high)| high - low + 1).sum();
                prop_assert!(messages <= messages_max.max(1));
            }
        }
    }
}
