//! Orders: permutations of messages, made criterion by criterion.
//!
//! Criteria are applied from the last to the first, each in a way that leaves equal messages as they stand: that is the
//! order of all criteria together, with the mailbox's own order behind them (RFC 5256 §3). So every step sorts plain
//! numbers, never by a comparison that looks at all criteria.

use postrider_imap_proto::command::SortDirection;

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
    }

    proptest! {
        #[test]
        fn orders_are_those_of_a_stable_sort(
            messages in prop::collection::vec((0..4_i64, prop_oneof![-3..3_i64, any::<i64>()]), 0..60),
            flips in (any::<bool>(), any::<bool>()),
        ) {
            let direction = |flip| if flip { SortDirection::Descending } else { SortDirection::Ascending };
            let (by_first, by_second) = (direction(flips.0), direction(flips.1));
            let first = |index: u32| messages[index as usize].0;
            let second = |index: u32| messages[index as usize].1;
            let flipped = |order: std::cmp::Ordering, flip| if flip { order.reverse() } else { order };
            let mut expected = mailbox_order(messages.len());
            expected.sort_by(|&a, &b| {
                flipped(first(a).cmp(&first(b)), flips.0).then(flipped(second(a).cmp(&second(b)), flips.1))
            });
            let order = order_by_number(mailbox_order(messages.len()), by_second, second);
            prop_assert_eq!(order_by_number(order, by_first, first), expected);
        }
    }
}
