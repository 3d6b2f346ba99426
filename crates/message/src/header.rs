//! Header blocks: where a header ends, which fields it has, and their text.
//!
//! A header ends at the first empty line and nowhere else: a line that is no field (an mbox `From ` line, garbage)
//! stays inside, nameless, because HEADER must return the bytes that are there. The refused alternative, to start
//! the body at the first malformed line, hides all fields after it from every client.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr3};

use crate::encoded_word::decode_encoded_words;

/// The octets of `raw` in `range`; nothing where the range does not fit.
pub(crate) fn slice(raw: &[u8], range: Range<usize>) -> &[u8] {
    raw.get(range).unwrap_or_default()
}

/// The position just after the line which begins at `start`.
pub(crate) fn line_end(raw: &[u8], start: usize) -> usize {
    match memchr(b'\n', slice(raw, start..raw.len())) {
        Some(at) => start + at + 1,
        None => raw.len(),
    }
}

/// True for a line that holds nothing but its line end.
pub(crate) fn is_blank_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// Length in octets of the header block at the start of `raw`, its blank line included; all of `raw` when there is
/// no blank line.
pub fn header_block_bytes(raw: &[u8]) -> usize {
    let mut start = 0;
    while start < raw.len() {
        let end = line_end(raw, start);
        if is_blank_line(slice(raw, start..end)) {
            return end;
        }
        start = end;
    }
    raw.len()
}

/// One header field as it stands in its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's name as written; empty for a line that is no field.
    pub name: &'a [u8],
    /// What follows the colon, still folded, without the last line end.
    pub value: &'a [u8],
    /// The whole field with its folds and its last line end, as offsets into the block.
    pub range: Range<usize>,
}

impl Field<'_> {
    /// Compares the name as RFC 5322 does: ASCII letters in either case.
    pub fn is(&self, name: &[u8]) -> bool {
        !self.name.is_empty() && self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields of a header block in their order; it ends at the blank line or the end of the block.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    block: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    /// Reads `block` from its start.
    pub fn new(block: &'a [u8]) -> Self {
        Self { block, position: 0 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.position;
        if start >= self.block.len() {
            return None;
        }
        let mut end = line_end(self.block, start);
        if is_blank_line(slice(self.block, start..end)) {
            self.position = self.block.len();
            return None;
        }
        while matches!(self.block.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.block, end);
        }
        self.position = end;
        let (name, value) = split_field(trim_line_end(slice(self.block, start..end)));
        Some(Field { name, value, range: start..end })
    }
}

pub(crate) fn trim_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

pub(crate) fn split_field(text: &[u8]) -> (&[u8], &[u8]) {
    let Some((name, value)) = memchr(b':', text).and_then(|at| text.split_at_checked(at)) else {
        return (b"", text);
    };
    // RFC 5322 §4.5: obsolete syntax lets white space stand before the colon.
    let name = name.trim_ascii_end();
    match name.iter().all(u8::is_ascii_graphic) && !name.is_empty() {
        true => (name, value.strip_prefix(b":").unwrap_or(value)),
        false => (b"", text),
    }
}

/// The raw value of the first field of that name.
pub fn field_value<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Fields::new(block).find(|field| field.is(name)).map(|field| field.value)
}

/// Which fields [`header_fields`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Those named: HEADER.FIELDS.
    Only,
    /// All but those named: HEADER.FIELDS.NOT.
    Except,
}

/// The ranges within `header_block` of the fields which `names` selects, in their original order, folds and line
/// ends included. RFC 9051 §6.4.5.1: the caller adds the blank line. A field cut off by the end of the message is
/// returned without a line end.
pub fn header_fields(header_block: &[u8], names: &[&[u8]], selection: Selection) -> Vec<Range<usize>> {
    let mut wanted: Vec<Vec<u8>> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    wanted.sort_unstable();
    let is_named = |field: &Field<'_>| {
        !field.name.is_empty()
            && wanted.binary_search_by(|name| name.iter().copied().cmp(lowercase_of(field.name))).is_ok()
    };
    Fields::new(header_block)
        .filter(|field| is_named(field) == (selection == Selection::Only))
        .map(|field| field.range)
        .collect()
}

fn lowercase_of(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(u8::to_ascii_lowercase)
}

/// A field's value on one line: line ends and NUL are taken out, white space at both ends is trimmed.
/// RFC 5322 §2.2.3: the white space that follows a fold stays.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = trim_space(value);
    if memchr3(b'\r', b'\n', 0, value).is_none() {
        return Cow::Borrowed(value);
    }
    let kept: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
    Cow::Owned(trim_space(&kept).to_vec())
}

fn trim_space(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n' | 0, rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n' | 0] = value {
        value = rest;
    }
    value
}

/// A field's value as readable text: unfolded, encoded words decoded, octets that are no UTF-8 read as windows-1252.
pub fn decode_unstructured(value: &[u8]) -> String {
    decode_encoded_words(&unfold(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] =
        b"From a@b Mon Jan 1 10:00\r\nSubject: one\r\n\ttwo\r\nTO : x@y\r\nsubject: again\r\n\r\nbody: no\r\n";

    #[test]
    fn header_ends_after_the_first_blank_line() {
        for (raw, bytes) in [
            (&b"A: b\r\n\r\nbody"[..], 8),
            (b"A: b\n\nbody", 6),
            (b"\r\nbody", 2),
            (b"A: b\r\n", 6),
            (b"A: b", 4),
            (b"", 0),
            (b"no field\r\nB: c\r\n\r\n", 18),
        ] {
            assert_eq!(header_block_bytes(raw), bytes, "{raw:?}");
        }
    }

    #[test]
    fn fields_keep_folds_and_stop_at_the_blank_line() {
        let names: Vec<&[u8]> = Fields::new(BLOCK).map(|field| field.name).collect();
        assert_eq!(names, [&b""[..], b"Subject", b"TO", b"subject"]);
        assert_eq!(field_value(BLOCK, b"SUBJECT"), Some(&b" one\r\n\ttwo"[..]));
        assert_eq!(field_value(BLOCK, b"body"), None);
    }

    #[test]
    fn selected_fields_come_whole_and_in_order() {
        let text = |ranges: Vec<Range<usize>>| {
            ranges.into_iter().flat_map(|range| slice(BLOCK, range).to_vec()).collect::<Vec<u8>>()
        };
        assert_eq!(
            text(header_fields(BLOCK, &[b"to", b"SUBJECT"], Selection::Only)),
            b"Subject: one\r\n\ttwo\r\nTO : x@y\r\nsubject: again\r\n"
        );
        assert_eq!(
            text(header_fields(BLOCK, &[b"Subject"], Selection::Except)),
            b"From a@b Mon Jan 1 10:00\r\nTO : x@y\r\n"
        );
        assert!(header_fields(BLOCK, &[b"", b"none"], Selection::Only).is_empty());
    }

    #[test]
    fn unfolding_removes_line_ends_and_nul_only() {
        assert_eq!(unfold(b" a\r\n b\n\tc\0 \r\n").as_ref(), b"a b\tc");
        assert_eq!(unfold(b"  plain ").as_ref(), b"plain");
        assert_eq!(unfold(b"\r\n \r\n").as_ref(), b"");
    }

    #[test]
    fn text_of_a_field_has_its_words_decoded() {
        assert_eq!(decode_unstructured(b" =?utf-8?q?caf=C3=A9?=\r\n =?utf-8?q?_now?= ok"), "café now ok");
        assert_eq!(decode_unstructured(b"caf\xe9"), "café");
    }
}
