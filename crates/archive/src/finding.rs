//! What is odd about a message. Nothing is mended: a finding is told, the message is handed out as it is.

use std::fmt;

use memchr::{memchr, memchr_iter};
use postrider_message::header_block_bytes;

/// The longest line that mail may have (RFC 5322 §2.1.1), in bytes without its end.
const LINE_BYTES_MAX: usize = 998;

/// Something odd about a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Finding {
    /// There is nothing in it.
    Empty,
    /// It does not begin with a header field.
    NoHeader,
    /// NUL bytes.
    NulBytes,
    /// Bytes beyond ASCII in the header that are not UTF-8 either.
    EightBitHeader,
    /// A carriage return or a line feed that stands alone.
    BareLineEnd,
    /// A line beyond 998 bytes.
    LongLine,
    /// Content-Length says otherwise; it was not believed.
    WrongContentLength,
    /// The next message begins without an empty line before it.
    NoEmptyLineBefore,
    /// A line that begins with `From ` was taken as text.
    FromLineInText,
    /// The line before the message cannot be read as `From address date`.
    OddFromLine,
    /// The file ends within the message, or the archive within the file.
    Cut,
    /// Its size is not the one that its name or metadata tell.
    WrongSize,
    /// Its content is not the one that metadata or the archive's checksum tell.
    WrongHash,
    /// Only a part of the message lies in the file (Apple's `.partial.emlx`).
    Partial,
    /// What stands beside the message cannot be read.
    BadMetadata(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "is empty",
            Self::NoHeader => "does not begin with a header",
            Self::NulBytes => "holds NUL bytes",
            Self::EightBitHeader => "has 8-bit bytes in its header that are not UTF-8",
            Self::BareLineEnd => "has a carriage return or line feed that stands alone",
            Self::LongLine => "has a line of more than 998 bytes",
            Self::WrongContentLength => "has a Content-Length that is wrong and was not believed",
            Self::NoEmptyLineBefore => "has no empty line before the message that follows",
            Self::FromLineInText => "has a line beginning with \"From \" that was taken as text",
            Self::OddFromLine => "has a \"From \" line without a date that can be read",
            Self::Cut => "is cut off",
            Self::WrongSize => "has not the size that was noted",
            Self::WrongHash => "has not the content that was noted",
            Self::Partial => "is there only in part",
            Self::BadMetadata(what) => return write!(formatter, "has metadata that cannot be read: {what}"),
        })
    }
}

/// What is odd about these bytes.
pub(crate) fn inspect(raw: &[u8], findings: &mut Vec<Finding>) {
    if raw.is_empty() {
        findings.push(Finding::Empty);
        return;
    }
    if !begins_with_field(raw) {
        findings.push(Finding::NoHeader);
    }
    if memchr(0, raw).is_some() {
        findings.push(Finding::NulBytes);
    }
    let header = raw.get(..header_block_bytes(raw)).unwrap_or(raw);
    if !header.is_ascii() && std::str::from_utf8(header).is_err() {
        findings.push(Finding::EightBitHeader);
    }
    if postrider_message::has_bare_line_ends(raw) {
        findings.push(Finding::BareLineEnd);
    }
    let mut begin = 0;
    for end in memchr_iter(b'\n', raw).chain([raw.len()]) {
        if end.saturating_sub(begin) > LINE_BYTES_MAX + 1 {
            findings.push(Finding::LongLine);
            break;
        }
        begin = end + 1;
    }
}

/// Whether the bytes begin with `name:` (RFC 5322 §2.2).
pub(crate) fn begins_with_field(raw: &[u8]) -> bool {
    let name = raw.iter().take(128).position(|byte| !(33..=126).contains(byte) || *byte == b':');
    let Some(end) = name.filter(|end| *end > 0) else { return false };
    // RFC 5322 §4.5: old mail may have white space before the colon.
    let rest = raw.get(end..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    rest.get(blanks) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddities_are_told() {
        let long = [b"A: b\r\n\r\n".as_slice(), &[b'x'; 1_000_000], b"\r\n"].concat();
        let cases: &[(&[u8], &[Finding])] = &[
            (b"A: b\r\n\r\ntext\r\n", &[]),
            (b"A : b\r\n\r\n", &[]),
            (b"", &[Finding::Empty]),
            (b"text", &[Finding::NoHeader]),
            (b"A: b\r\n\r\nx\0y\r\n", &[Finding::NulBytes]),
            ("A: ü\r\n\r\n".as_bytes(), &[]),
            (b"A: \xfc\r\n\r\n\xfc\r\n", &[Finding::EightBitHeader]),
            (b"A: b\r\n\r\nx\n", &[Finding::BareLineEnd]),
            (b"A: b\rC: d\r", &[Finding::BareLineEnd]),
            (&long, &[Finding::LongLine]),
        ];
        for (raw, expected) in cases {
            let mut findings = Vec::new();
            inspect(raw, &mut findings);
            assert_eq!(&findings, expected, "{}", String::from_utf8_lossy(raw.get(..20).unwrap_or(raw)));
        }
    }
}
