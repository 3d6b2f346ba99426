//! Orders: permutations of messages, made criterion by criterion.
//!
//! Criteria are applied from the last to the first, each in a way that leaves equal messages as they stand: that is the
//! order of all criteria together, with the mailbox's own order behind them (RFC 5256 §3). So every step sorts plain
//! numbers, never by a comparison that looks at all criteria.

use postrider_imap_proto::command::SortDirection;

/// Octets of a text that are compared at once: beside the place of the text they fill a number, and numbers are sorted
/// faster than pairs of them.
const WORD_BYTES: usize = size_of::<u32>();

/// The order of the mailbox.
pub(in crate::command) fn mailbox_order(messages: usize) -> Vec<u32> {
    (0..messages as u32).collect()
}

/// Orders by numbers; `value` is asked for every message of `order`.
pub(in crate::command) fn order_by_number(
    order: Vec<u32>,
    direction: SortDirection,
    value: impl Fn(u32) -> i64,
) -> Vec<u32> {
    // Numbers that keep the order of signed ones.
    let values: Vec<u64> = order.iter().map(|&index| value(index) as u64 ^ (1 << 63)).collect();
    let least = values.iter().copied().min().unwrap_or(0);
    let greatest = values.iter().copied().max().unwrap_or(0);
    let rank = |value: u64| match direction {
        SortDirection::Ascending => value - least,
        SortDirection::Descending => greatest - value,
    };
    let position_bits = u64::BITS - (order.len() as u64).leading_zeros();
    let value_bits = u64::BITS - (greatest - least).leading_zeros();
    let at = |position: u64| order.get(position as usize).copied().unwrap_or(0);
    if value_bits + position_bits > u64::BITS {
        let mut ranked: Vec<(u64, u64)> = values.iter().map(|&value| rank(value)).zip(0..).collect();
        ranked.sort_unstable();
        return ranked.into_iter().map(|(_, position)| at(position)).collect();
    }
    // Value and position in one number: equal values stay as they stand.
    let mut packed: Vec<u64> =
        values.iter().zip(0..).map(|(&value, position)| rank(value) << position_bits | position).collect();
    packed.sort_unstable();
    let mask = (1 << position_bits) - 1;
    packed.into_iter().map(|packed| at(packed & mask)).collect()
}

/// Orders by texts, octet by octet. A NUL is taken for the end of its text.
pub(in crate::command) fn order_by_text<'a>(
    order: Vec<u32>,
    direction: SortDirection,
    text: impl Fn(u32) -> &'a [u8],
) -> Vec<u32> {
    let texts: Vec<&[u8]> = order.iter().map(|&index| text(index)).collect();
    let mut sorted: Vec<u64> = texts.iter().zip(0..).map(|(text, position)| packed(word(text, 0), position)).collect();
    let mut open = vec![(0, sorted.len(), 0)];
    let mut equal = Vec::new();
    while let Some((start, end, offset)) = open.pop() {
        let Some(run) = sorted.get_mut(start..end) else { continue };
        run.sort_unstable();
        let mut first = start;
        for same in run.chunk_by_mut(|a, b| word_of(*a) == word_of(*b)) {
            let last = first + same.len();
            let is_decided = same.first().is_none_or(|packed| word_of(*packed) & 0xff == 0);
            if same.len() > 1 && !is_decided {
                let next = offset + WORD_BYTES;
                for item in same.iter_mut() {
                    let position = *item as u32;
                    *item = packed(word(at(&texts, position), next), position);
                }
                open.push((first, last, next));
            } else if same.len() > 1 {
                equal.push((first, last));
            }
            first = last;
        }
    }
    if direction == SortDirection::Descending {
        // Backwards as a whole; messages that are equal, forwards again.
        for (first, last) in equal {
            if let Some(same) = sorted.get_mut(first..last) {
                same.reverse();
            }
        }
        sorted.reverse();
    }
    sorted.into_iter().map(|item| order.get(item as u32 as usize).copied().unwrap_or(0)).collect()
}

/// A word of a text, and the place of the text in the low half: equal words stay in their order.
fn packed(word: u32, position: u32) -> u64 {
    u64::from(word) << u32::BITS | u64::from(position)
}

fn word_of(packed: u64) -> u32 {
    (packed >> u32::BITS) as u32
}

fn at<'a>(texts: &[&'a [u8]], position: u32) -> &'a [u8] {
    texts.get(position as usize).copied().unwrap_or_default()
}

/// The octets of a text from `offset` as a number that compares as they do, filled up with zeros.
fn word(text: &[u8], offset: usize) -> u32 {
    let rest = text.get(offset..).unwrap_or_default();
    if let Some(octets) = rest.first_chunk::<WORD_BYTES>() {
        return u32::from_be_bytes(*octets);
    }
    let mut octets = [0; WORD_BYTES];
    octets.iter_mut().zip(rest).for_each(|(octet, byte)| *octet = *byte);
    u32::from_be_bytes(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_messages_stay_in_order_in_either_direction() {
        let values = [3, 1, 3, i64::MIN, 1];
        let by = |direction| order_by_number(mailbox_order(5), direction, |index| values[index as usize]);
        assert_eq!(by(SortDirection::Ascending), [3, 1, 4, 0, 2]);
        assert_eq!(by(SortDirection::Descending), [0, 2, 1, 4, 3]);
        let texts = ["same", "", "same", "the same but longer", "the same"];
        let by = |direction| order_by_text(mailbox_order(5), direction, |index| texts[index as usize].as_bytes());
        assert_eq!(by(SortDirection::Ascending), [1, 0, 2, 4, 3]);
        assert_eq!(by(SortDirection::Descending), [3, 4, 0, 2, 1]);
    }

    proptest! {
        #[test]
        fn orders_are_those_of_a_stable_sort(
            messages in prop::collection::vec(("(A|[AB]{0,3}|AAAAAAAA|É){0,5}", prop_oneof![-3..3_i64, any::<i64>()]), 0..60),
            flips in (any::<bool>(), any::<bool>()),
        ) {
            let direction = |flip| if flip { SortDirection::Descending } else { SortDirection::Ascending };
            let (by_text, by_number) = (direction(flips.0), direction(flips.1));
            let text = |index: u32| messages[index as usize].0.as_str();
            let number = |index: u32| messages[index as usize].1;
            let flipped = |order: std::cmp::Ordering, flip| if flip { order.reverse() } else { order };
            let mut expected = mailbox_order(messages.len());
            expected.sort_by(|&a, &b| {
                flipped(text(a).cmp(text(b)), flips.0).then(flipped(number(a).cmp(&number(b)), flips.1))
            });
            let order = order_by_number(mailbox_order(messages.len()), by_number, number);
            prop_assert_eq!(order_by_text(order, by_text, |index| text(index).as_bytes()), expected);
        }
    }
}
