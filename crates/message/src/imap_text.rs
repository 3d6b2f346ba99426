//! Strings as IMAP writes them.

/// A quoted string longer than this is written as a literal, since some clients bound the length of a line.
const QUOTED_BYTES_MAX: usize = 1000;

/// `string` (RFC 9051 §9): quoted where all octets are printable ASCII, a literal otherwise. CR, LF and NUL are left
/// out, so no value can end the line it stands in; 8-bit octets stay as they are.
pub(crate) fn write_string(value: &[u8], text: &mut Vec<u8>) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    if value.len() <= QUOTED_BYTES_MAX && value.iter().all(is_plain) {
        text.push(b'"');
        for &byte in value {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.push(b'"');
        return;
    }
    let allowed = |byte: &&u8| !matches!(**byte, b'\r' | b'\n' | 0);
    text.push(b'{');
    write_number(value.iter().filter(allowed).count() as u64, text);
    text.extend_from_slice(b"}\r\n");
    text.extend(value.iter().filter(allowed));
}

/// `nstring`
pub(crate) fn write_nstring(value: Option<&[u8]>, text: &mut Vec<u8>) {
    match value {
        Some(value) => write_string(value, text),
        None => text.extend_from_slice(b"NIL"),
    }
}

/// `number` or `number64`
pub(crate) fn write_number(number: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_only_where_that_is_safe() {
        for (value, written) in [
            (&b"abc"[..], &b"\"abc\""[..]),
            (b"", b"\"\""),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            (b"caf\xe9", b"{4}\r\ncaf\xe9"),
            (b"a\r\nb\0c", b"{3}\r\nabc"),
            (b"\x7f", b"{1}\r\n\x7f"),
        ] {
            let mut text = Vec::new();
            write_string(value, &mut text);
            assert_eq!(text, written, "{value:?}");
        }
    }
}
