//! Message ids in Message-ID, References and In-Reply-To.

use memchr::memchr;

/// The ids in a field value, without their angle brackets.
#[derive(Debug, Clone)]
pub struct MessageIds<'a> {
    rest: &'a [u8],
}

/// Reads all `<...>` in a field value in their order; phrases and comments between them, which RFC 5322 §4.5.4 once
/// allowed, are passed over. An id is compared octet by octet (RFC 5256 §3, "case-sensitive"); quotes that it may be
/// written with are no part of it.
pub fn message_ids(field_value: &[u8]) -> MessageIds<'_> {
    MessageIds { rest: field_value }
}

impl<'a> Iterator for MessageIds<'a> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let start = memchr(b'<', self.rest)?;
            let inner = self.rest.get(start + 1..)?;
            let end = memchr(b'>', inner)?;
            let (id, rest): (&'a [u8], &'a [u8]) = inner.split_at_checked(end)?;
            self.rest = rest;
            // After an unclosed "<" the id begins at the last one. White space in an id comes from folding.
            let id = id.rsplit(|&byte| byte == b'<').next().unwrap_or_default();
            let id: Vec<u8> = id.iter().copied().filter(|byte| byte.is_ascii_graphic() || *byte >= 0x80).collect();
            let id = without_quotes(id);
            if !id.is_empty() {
                return Some(String::from_utf8_lossy(&id).into_owned());
            }
        }
    }
}

/// `"local part"@domain` as it is without its quotes: both are the same id (RFC 5256 §3).
fn without_quotes(id: Vec<u8>) -> Vec<u8> {
    let Some(quoted) = id.strip_prefix(b"\"") else { return id };
    let mut local = Vec::with_capacity(id.len());
    let mut rest = quoted.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'"' if matches!(rest.as_slice(), [] | [b'@', ..]) => {
                local.extend_from_slice(rest.as_slice());
                return local;
            }
            b'"' => return id,
            b'\\' => local.extend(rest.next()),
            _ => local.push(byte),
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_between_other_text() {
        for (value, ids) in [
            ("<a@b>", &["a@b"][..]),
            (" <a@b>\r\n\t<c@d><e@f>", &["a@b", "c@d", "e@f"]),
            ("Your message of Friday <x@y> (comment)", &["x@y"]),
            ("<a\r\n @b>", &["a@b"]),
            ("<lost <a@b>", &["a@b"]),
            ("<> < > <a@b", &[]),
            // RFC 5256 §3
            (r#"<"01KF8JCEOCBS0045PS"@xxx.yyy.com>"#, &["01KF8JCEOCBS0045PS@xxx.yyy.com"]),
            (r#"<"a\"b\\c"@d> <"a"b@c> <"open@c> <"">"#, &[r#"a"b\c@d"#, r#""a"b@c"#, r#""open@c"#]),
            ("none", &[]),
        ] {
            assert_eq!(message_ids(value.as_bytes()).collect::<Vec<_>>(), ids, "{value}");
        }
    }
}
