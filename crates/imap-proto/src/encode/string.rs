//! Strings: quoted where that is allowed and sensible, else literals (RFC 9051 §4.3).

use super::encode_number;
use memchr::memchr3;

/// Whether a quoted string may hold UTF-8.
///
/// Only a client that enabled IMAP4rev2 or `UTF8=ACCEPT` understands it (RFC 9051 §4.3, RFC 9755 §3); any other gets
/// such a text as a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8Quoting {
    /// UTF-8 may be quoted.
    Allowed,
    /// UTF-8 goes into a literal.
    LiteralOnly,
}

/// The most octets that are quoted: a longer text is cheaper to read as a literal.
const QUOTED_BYTES_MAX: usize = 1000;

/// Appends `text` as a quoted string or a literal. A NUL becomes `?`: no form but `literal8` can hold it.
pub fn encode_string(out: &mut Vec<u8>, text: &[u8], quoting: Utf8Quoting) {
    if is_quotable(text, quoting) {
        encode_quoted(out, text);
    } else {
        encode_literal(out, text);
    }
}

/// Appends `NIL`, or the text as [`encode_string`] does.
pub fn encode_nstring(out: &mut Vec<u8>, text: Option<&[u8]>, quoting: Utf8Quoting) {
    match text {
        Some(text) => encode_string(out, text, quoting),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends the text as it is where it can be an atom (and is not `NIL`), or as [`encode_string`] does.
pub fn encode_astring(out: &mut Vec<u8>, text: &[u8], quoting: Utf8Quoting) {
    let plain = !text.is_empty() && text.iter().all(|&octet| crate::parse::is_astring_char(octet));
    if plain && !text.eq_ignore_ascii_case(b"NIL") {
        out.extend_from_slice(text);
    } else {
        encode_string(out, text, quoting);
    }
}

/// Appends a literal's announcement, `{n}` and the line end; exactly `length` octets must follow.
pub fn encode_literal_header(out: &mut Vec<u8>, length: u64) {
    out.push(b'{');
    encode_number(out, length);
    out.extend_from_slice(b"}\r\n");
}

fn is_quotable(text: &[u8], quoting: Utf8Quoting) -> bool {
    text.len() <= QUOTED_BYTES_MAX
        && memchr3(b'\r', b'\n', 0, text).is_none()
        && (text.is_ascii() || (quoting == Utf8Quoting::Allowed && std::str::from_utf8(text).is_ok()))
}

/// Appends a quoted string; the text must be quotable.
fn encode_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

fn encode_literal(out: &mut Vec<u8>, text: &[u8]) {
    encode_literal_header(out, text.len() as u64);
    // RFC 9051 §9, CHAR8: a literal cannot hold NUL.
    out.extend(text.iter().map(|&octet| if octet == 0 { b'?' } else { octet }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8], quoting: Utf8Quoting) -> Vec<u8> {
        let mut out = Vec::new();
        encode_string(&mut out, text, quoting);
        out
    }

    #[test]
    fn strings_are_quoted_where_they_can_be() {
        let long = vec![b'x'; 1001];
        let mut long_literal = b"{1001}\r\n".to_vec();
        long_literal.extend_from_slice(&long);
        let cases: [(&[u8], Utf8Quoting, &[u8]); 8] = [
            (b"", Utf8Quoting::LiteralOnly, b"\"\""),
            (b"a \"b\" \\", Utf8Quoting::LiteralOnly, b"\"a \\\"b\\\" \\\\\""),
            (b"a\r\nb", Utf8Quoting::Allowed, b"{4}\r\na\r\nb"),
            (b"a\0b", Utf8Quoting::Allowed, b"{3}\r\na?b"),
            ("é".as_bytes(), Utf8Quoting::Allowed, "\"é\"".as_bytes()),
            ("é".as_bytes(), Utf8Quoting::LiteralOnly, "{2}\r\né".as_bytes()),
            (b"\xff", Utf8Quoting::Allowed, b"{1}\r\n\xff"),
            (&long, Utf8Quoting::Allowed, &long_literal),
        ];
        for (text, quoting, expected) in cases {
            assert_eq!(string(text, quoting), expected);
        }
    }

    #[test]
    fn an_astring_is_an_atom_where_it_can_be() {
        for (text, expected) in
            [("INBOX", "INBOX"), ("a]b", "a]b"), ("nil", "\"nil\""), ("", "\"\""), ("a b", "\"a b\""), ("a%", "\"a%\"")]
        {
            let mut out = Vec::new();
            encode_astring(&mut out, text.as_bytes(), Utf8Quoting::LiteralOnly);
            assert_eq!(out, expected.as_bytes());
        }
        let mut out = Vec::new();
        encode_nstring(&mut out, None, Utf8Quoting::LiteralOnly);
        assert_eq!(out, b"NIL");
    }
}
