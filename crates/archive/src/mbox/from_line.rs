//! The line before each message: `From address date`.

use postrider_message::parse_date;

use crate::finding::begins_with_field;

/// Longer ones are text.
const FROM_LINE_BYTES_MAX: usize = 1000;

/// How much a line looks like the one before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It does not begin with `From `, or cannot be one.
    None,
    /// It begins with `From `, but no date is to be seen.
    Weak,
    /// There is a date with a time.
    Strong,
}

/// Judges a line with its end.
pub(super) fn likeness(line: &[u8]) -> Likeness {
    let Some(rest) = line.strip_prefix(b"From ") else { return Likeness::None };
    let rest = rest.trim_ascii_end();
    if line.len() > FROM_LINE_BYTES_MAX || rest.contains(&b'\r') || rest.contains(&0) {
        return Likeness::None;
    }
    let is_time = |word: &[u8]| {
        let colon = word.iter().position(|byte| *byte == b':');
        colon.is_some() && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    match rest.split(|byte| *byte == b' ').any(is_time) && date(line).is_some() {
        true => Likeness::Strong,
        false => Likeness::Weak,
    }
}

/// The moment that the line tells; UTC unless it names a zone.
pub(super) fn date(line: &[u8]) -> Option<i64> {
    let rest = line.strip_prefix(b"From ")?.trim_ascii();
    // The sender may hold a month's name; it is one word unless someone quoted it.
    let after_sender = rest.iter().position(|byte| *byte == b' ').and_then(|at| rest.get(at..))?;
    parse_date(after_sender).map(|date| date.unix_seconds)
}

/// Whether a message begins with this line, going by what stands before and behind it. Not every program quotes lines that
/// begin with `From `, and not every one writes an empty line before it.
pub(super) fn begins_message(line: &[u8], after_empty_line: bool, next: &[u8]) -> bool {
    let next_is_header = begins_with_field(next) || next.starts_with(b">From ");
    match (likeness(line), after_empty_line) {
        (Likeness::None, _) | (Likeness::Weak, false) => false,
        (Likeness::Strong, true) => true,
        (Likeness::Strong, false) | (Likeness::Weak, true) => next_is_header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_lines_are_told_from_text() {
        for (line, expected) in [
            ("From joe@example.org Thu Jan  1 00:00:05 1970\n", Likeness::Strong),
            ("From - Thu Jan 01 00:00:05 1970\r\n", Likeness::Strong),
            ("From \"j d\"@x Thu Jan  1 00:00:05 1970 +0100\n", Likeness::Strong),
            ("From MAILER-DAEMON Thu Jan  1 00:00:05 1970", Likeness::Strong),
            ("From nobody\n", Likeness::Weak),
            ("From what I saw on May 5 it was\n", Likeness::Weak),
            ("From:  x\n", Likeness::None),
            ("from x\n", Likeness::None),
            ("From x Thu Jan  1 00:00:05 1970\rSubject: x", Likeness::None),
        ] {
            assert_eq!(likeness(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn its_date_is_utc_unless_it_says_otherwise() {
        for (line, expected) in [
            ("From a@may Thu Jan  1 00:00:05 1970\n", Some(5)),
            ("From a Thu Jan  1 01:00:05 1970 +0100\n", Some(5)),
            ("From a\n", None),
            ("From \n", None),
        ] {
            assert_eq!(date(line.as_bytes()), expected, "{line}");
        }
    }
}
