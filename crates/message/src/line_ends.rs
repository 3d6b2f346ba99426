//! Line ends: mail on the wire has CRLF and nothing else.

use memchr::memchr2_iter;

/// True when some CR or LF stands alone (RFC 5321 §2.3.8 and RFC 5322 §2.3 forbid it in mail).
pub fn has_bare_line_ends(raw: &[u8]) -> bool {
    memchr2_iter(b'\r', b'\n', raw).any(|at| match raw.get(at) {
        Some(b'\r') => raw.get(at + 1) != Some(&b'\n'),
        _ => at.checked_sub(1).and_then(|before| raw.get(before)) != Some(&b'\r'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
