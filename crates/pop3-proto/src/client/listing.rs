//! What stands in answers to STAT, LIST and UIDL.

use crate::command::MessageNumber;

/// The answer to STAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropListing {
    /// How many messages there are.
    pub messages: u32,
    /// Their size, if it is told, in octets.
    pub octets: Option<u64>,
}

/// A line of LIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLine {
    /// The message.
    pub message: MessageNumber,
    /// Its size, if it is told, in octets; only about right where a server counts what it keeps rather than what it sends.
    pub octets: Option<u64>,
}

/// A line of UIDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdLine {
    /// The message; `None` where the server left the number out.
    pub message: Option<MessageNumber>,
    /// Its unique id: whatever stands behind the number, of any length and with spaces in it, though RFC 1939 §7 allows 1
    /// to 70 characters without. Empty where the server left it out.
    pub unique_id: Vec<u8>,
}

/// Reads the text of the answer to STAT: `nn mm`, and anything behind it (RFC 1939 §5).
pub fn parse_drop_listing(text: &[u8]) -> Option<DropListing> {
    let (messages, rest) = number(text)?;
    Some(DropListing { messages: messages.try_into().ok()?, octets: number(rest).map(|(octets, _)| octets) })
}

/// Reads a line of LIST, or the text of the answer to LIST with a number: `scan-listing`, and anything behind it.
pub fn parse_size_line(line: &[u8]) -> Option<SizeLine> {
    let (message, rest) = message_number(line)?;
    Some(SizeLine { message, octets: number(rest).map(|(octets, _)| octets) })
}

/// Reads a line of UIDL: `unique-id-listing`.
///
/// Between number and id there may be several spaces (as seen by K-9 Mail). A line without a number has it from its place in
/// the listing at best, which is the caller's to decide.
pub fn parse_unique_id_line(line: &[u8]) -> UniqueIdLine {
    match message_number(line) {
        Some((message, rest)) => UniqueIdLine { message: Some(message), unique_id: rest.trim_ascii().to_vec() },
        None => UniqueIdLine { message: None, unique_id: line.trim_ascii().to_vec() },
    }
}

/// Reads the text of the answer to UIDL with a number, from which Twisted leaves the number out.
pub fn parse_unique_id_reply(text: &[u8], asked: MessageNumber) -> UniqueIdLine {
    let line = parse_unique_id_line(text);
    match line.message {
        Some(message) if message == asked && !line.unique_id.is_empty() => line,
        _ => UniqueIdLine { message: Some(asked), unique_id: text.trim_ascii().to_vec() },
    }
}

/// A number that is a word of its own, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let length = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((value, rest))
}

fn message_number(text: &[u8]) -> Option<(MessageNumber, &[u8])> {
    let (value, rest) = number(text)?;
    let value = u32::try_from(value).ok().filter(|&value| value > 0)?;
    Some((MessageNumber(value), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::response::{encode_number_line, encode_unique_id_line};

    #[test]
    fn sizes_may_have_more_or_less_beside_them() {
        for (line, expected) in [
            ("1 120", Some((1, Some(120)))),
            (" 1\t120  1234 extra", Some((1, Some(120)))),
            ("2", Some((2, None))),
            ("2 big", Some((2, None))),
            ("2 99999999999999999999", Some((2, None))),
            ("0 5", None),
            ("x 5", None),
            ("4294967296 5", None),
            ("", None),
        ] {
            let expected = expected.map(|(message, octets)| SizeLine { message: MessageNumber(message), octets });
            assert_eq!(parse_size_line(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(parse_drop_listing(b"2 320"), Some(DropListing { messages: 2, octets: Some(320) }));
        assert_eq!(parse_drop_listing(b"0 messages"), Some(DropListing { messages: 0, octets: None }));
        assert_eq!(parse_drop_listing(b"maildrop has 2"), None);
    }

    #[test]
    fn unique_ids_are_what_follows_the_number() {
        let long = "x".repeat(200);
        for (line, number, unique_id) in [
            ("1 whqtswO00WBw418f9t5JxYwZ", Some(1), "whqtswO00WBw418f9t5JxYwZ"),
            ("2   QhdPYR:00WBw1Ph7x7  ", Some(2), "QhdPYR:00WBw1Ph7x7"),
            ("3 a b c", Some(3), "a b c"),
            ("4", Some(4), ""),
            ("<no number>", None, "<no number>"),
            (&format!("5 {long}"), Some(5), &long),
        ] {
            let expected = UniqueIdLine { message: number.map(MessageNumber), unique_id: unique_id.into() };
            assert_eq!(parse_unique_id_line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_single_unique_id_may_lack_its_number() {
        for (text, unique_id) in [
            ("6670 00001a1457b5a851", "00001a1457b5a851"),
            ("00001a1457b5a851", "00001a1457b5a851"),
            ("4711", "4711"),
            ("6670", "6670"),
        ] {
            let line = parse_unique_id_reply(text.as_bytes(), MessageNumber(6670));
            assert_eq!(line, UniqueIdLine { message: Some(MessageNumber(6670)), unique_id: unique_id.into() });
        }
    }

    proptest! {
        #[test]
        fn what_our_server_lists_comes_back(message in 1u32.., octets in any::<u64>(), unique_id in "[!-~]{1,70}") {
            let mut out = Vec::new();
            encode_number_line(&mut out, message, octets);
            let expected = SizeLine { message: MessageNumber(message), octets: Some(octets) };
            prop_assert_eq!(parse_size_line(&out), Some(expected));
            out.clear();
            encode_unique_id_line(&mut out, message, &unique_id);
            let line = parse_unique_id_line(&out);
            prop_assert_eq!(line, UniqueIdLine { message: Some(MessageNumber(message)), unique_id: unique_id.into() });
        }

        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse_size_line(&line), parse_drop_listing(&line), parse_unique_id_line(&line));
            let _ = parse_unique_id_reply(&line, MessageNumber(1));
        }
    }
}
