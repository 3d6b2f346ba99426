//! Line ends: mail on the wire has CRLF and nothing else.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2_iter};

/// True when some CR or LF stands alone (RFC 5321 §2.3.8 and RFC 5322 §2.3 forbid it in mail).
pub fn has_bare_line_ends(raw: &[u8]) -> bool {
    memchr2_iter(b'\r', b'\n', raw).any(|at| match raw.get(at) {
        Some(b'\r') => raw.get(at + 1) != Some(&b'\n'),
        _ => at.checked_sub(1).and_then(|before| raw.get(before)) != Some(&b'\r'),
    })
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
