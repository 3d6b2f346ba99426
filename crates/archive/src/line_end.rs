//! Line ends: messages have CRLF, files often LF.
//!
//! The first line decides. If it ends in LF, the message is in Unix form: every LF without CR before it becomes CRLF. If it
//! ends in CRLF, the message is in the form that mail has on the wire, and not a byte is changed, even if some later
//! line ends alone: it may be signed, and a message that went through a server is stored that way.

use memchr::{memchr, memchr_iter};

/// How a message's lines end in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// LF.
    Unix,
    /// CRLF.
    Wire,
}

impl LineEnds {
    /// By the first line; a text without any is in wire form, as nothing needs to change.
    pub fn of(text: &[u8]) -> Self {
        match memchr(b'\n', text) {
            Some(end) if end == 0 || text.get(end - 1) != Some(&b'\r') => Self::Unix,
            _ => Self::Wire,
        }
    }
}

/// Appends `text`, whose lines end as `ends` says, with CRLF line ends. Pieces must be cut behind line feeds.
pub(crate) fn append_wire(out: &mut Vec<u8>, text: &[u8], ends: LineEnds) {
    if ends == LineEnds::Wire {
        out.extend_from_slice(text);
        return;
    }
    let mut begin = 0;
    for end in memchr_iter(b'\n', text) {
        let line = text.get(begin..end).unwrap_or_default();
        out.extend_from_slice(line);
        if line.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(b'\n');
        begin = end + 1;
    }
    out.extend_from_slice(text.get(begin..).unwrap_or_default());
}

/// The message with CRLF line ends.
pub(crate) fn to_wire(raw: Vec<u8>) -> Vec<u8> {
    let ends = LineEnds::of(&raw);
    if ends == LineEnds::Wire {
        return raw;
    }
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 32 + 16);
    append_wire(&mut out, &raw, ends);
    out
}

/// The message in Unix form, if it comes back from that form as it was; nothing if it has to stay in wire form.
pub(crate) fn to_unix(raw: &[u8]) -> Option<Vec<u8>> {
    if postrider_message::has_bare_line_ends(raw) || memchr(b'\n', raw).is_none() {
        return None;
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut begin = 0;
    for end in memchr_iter(b'\r', raw) {
        out.extend_from_slice(raw.get(begin..end).unwrap_or_default());
        begin = end + 1;
    }
    out.extend_from_slice(raw.get(begin..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_decides() {
        for (file, message) in [
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\nb\r\nc", "a\r\nb\r\nc"),
            ("a\r\nb\nc\r\n", "a\r\nb\nc\r\n"),
            ("\n", "\r\n"),
            ("a\rb", "a\rb"),
            ("", ""),
        ] {
            assert_eq!(to_wire(file.as_bytes().to_vec()), message.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn unix_form_comes_back_as_it_was(raw in "[a\r\n]{0,12}") {
            if let Some(unix) = to_unix(raw.as_bytes()) {
                prop_assert_eq!(to_wire(unix), raw.as_bytes());
            } else if LineEnds::of(raw.as_bytes()) == LineEnds::Wire {
                prop_assert_eq!(to_wire(raw.clone().into_bytes()), raw.as_bytes());
            }
        }
    }
}
