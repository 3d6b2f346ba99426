//! Line ends: mail on the wire has CRLF and nothing else.

use std::borrow::Cow;

use memchr::memchr_iter;

/// Octets looked at before it is asked whether something was found.
const PIECE_BYTES: usize = 4096;

/// True when some CR or LF stands alone (RFC 5321 §2.3.8 and RFC 5322 §2.3 forbid it in mail).
pub fn has_bare_line_ends(raw: &[u8]) -> bool {
    // A CR and no LF behind it, or an LF and no CR before it, anywhere between two octets. Without a branch for each
    // octet, as every line has such a place, the processor looks at many of them at once.
    let alone = |before: &[u8], after: &[u8]| {
        let differ = |(before, after): (&u8, &u8)| u8::from(*before == b'\r') ^ u8::from(*after == b'\n');
        before.iter().zip(after).map(differ).fold(0, |any, differs| any | differs) != 0
    };
    let behind = raw.get(1..).unwrap_or_default();
    raw.first() == Some(&b'\n')
        || raw.last() == Some(&b'\r')
        || raw.chunks(PIECE_BYTES).zip(behind.chunks(PIECE_BYTES)).any(|(before, after)| alone(before, after))
}

/// The text with CRLF where LF stood alone. A CR alone ends no line and stays.
pub(crate) fn with_crlf(text: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = |&at: &usize| at.checked_sub(1).and_then(|before| text.get(before)) != Some(&b'\r');
    let mut bare = memchr_iter(b'\n', text).filter(is_bare).peekable();
    if bare.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut lines = Vec::with_capacity(text.len() + text.len() / 32 + 2);
    let mut done = 0;
    for at in bare {
        lines.extend_from_slice(text.get(done..at).unwrap_or_default());
        lines.push(b'\r');
        done = at;
    }
    lines.extend_from_slice(text.get(done..).unwrap_or_default());
    Cow::Owned(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_pairs() {
        for (raw, text) in
            [(&b""[..], &b""[..]), (b"a\r\nb\r", b"a\r\nb\r"), (b"\na\nb\r\n\nc", b"\r\na\r\nb\r\n\r\nc")]
        {
            assert_eq!(with_crlf(raw).as_ref(), text, "{raw:?}");
        }
    }

    #[test]
    fn only_pairs_are_line_ends() {
        for (raw, is_bare) in [
            (&b""[..], false),
            (b"a\r\nb\r\n\r\n", false),
            (b"a\nb", true),
            (b"\n", true),
            (b"a\rb\r\n", true),
            (b"a\r", true),
            (b"a\r\r\n", true),
            (b"a\r\n\n", true),
        ] {
            assert_eq!(has_bare_line_ends(raw), is_bare, "{raw:?}");
        }
    }
}
