//! Sets of UIDs or sequence numbers: `1:3,7` (RFC 9051 §9, `uid-set`).

use super::encode_number;

/// Appends inclusive ranges as a set, in the order given; nothing for no range, which no response allows.
pub fn encode_uid_set(out: &mut Vec<u8>, ranges: &[(u32, u32)]) {
    for (index, &(low, high)) in ranges.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode_number(out, low);
        if low != high {
            out.push(b':');
            encode_number(out, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_one_number_are_that_number() {
        let mut out = Vec::new();
        encode_uid_set(&mut out, &[(1, 3), (7, 7), (9, u32::MAX)]);
        assert_eq!(out, b"1:3,7,9:4294967295");
    }
}
