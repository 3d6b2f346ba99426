//! Announcements of literals at the end of a line: `{5}`, `{5+}`, `~{5}`, `~{5+}` (RFC 9051 §4.3, RFC 7888, RFC 3516).
//!
//! A quoted string cannot hold a line end, so whatever a line ends with in this form announces a literal: there is no
//! need to know the command around it. A line that ends with `"{5}"` ends with a quote and announces nothing.

/// Whether the sender of a literal waits for leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronisation {
    /// `{n}`: it waits for a continuation request.
    Synchronising,
    /// `{n+}`: it does not (RFC 7888).
    NonSynchronising,
}

/// A literal announced at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiteralAnnouncement {
    /// How many octets follow the line's end. A number beyond 64 bits is cut to the largest.
    pub length: u64,
    /// Whether the sender waits.
    pub synchronisation: Synchronisation,
    /// It is a `literal8`, which may hold NUL octets (RFC 3516 §4.4).
    pub binary: bool,
    /// How many octets the announcement itself takes at the line's end.
    pub announcement_bytes: usize,
}

/// The most octets an announcement may take: 20 digits, which hold every 64-bit number, and its marks.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 24;

const DIGITS_MAX: usize = 20;

/// The literal that `line`, given without its end, announces.
pub fn announced_literal(line: &[u8]) -> Option<LiteralAnnouncement> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, synchronisation) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, Synchronisation::NonSynchronising),
        None => (inner, Synchronisation::Synchronising),
    };
    let digits = inner.iter().rev().take_while(|octet| octet.is_ascii_digit()).take(DIGITS_MAX + 1).count();
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let (before, number) = inner.split_at(inner.len() - digits);
    let before = before.strip_suffix(b"{")?;
    let binary = before.last() == Some(&b'~');
    let length = number
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .unwrap_or(u64::MAX);
    let announcement_bytes = line.len() - before.len() + usize::from(binary);
    Some(LiteralAnnouncement { length, synchronisation, binary, announcement_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Synchronisation::{NonSynchronising, Synchronising};

    /// Length, synchronisation, binary, octets of the announcement.
    type Announced = (u64, Synchronisation, bool, usize);

    #[test]
    fn announcements_are_seen_at_the_line_end_only() {
        let cases: [(&str, Option<Announced>); 14] = [
            ("a LOGIN {5}", Some((5, Synchronising, false, 3))),
            ("a LOGIN {5+}", Some((5, NonSynchronising, false, 4))),
            ("a APPEND x ~{17}", Some((17, Synchronising, true, 5))),
            ("a APPEND x ~{17+}", Some((17, NonSynchronising, true, 6))),
            ("{0}", Some((0, Synchronising, false, 3))),
            ("{18446744073709551615}", Some((u64::MAX, Synchronising, false, 22))),
            ("{99999999999999999999}", Some((u64::MAX, Synchronising, false, 22))),
            ("{999999999999999999999}", None),
            ("a SEARCH TEXT \"{5}\"", None),
            ("{5} ", None),
            ("{}", None),
            ("{+}", None),
            ("{-1}", None),
            ("5}", None),
        ];
        for (line, expected) in cases {
            let found = announced_literal(line.as_bytes())
                .map(|found| (found.length, found.synchronisation, found.binary, found.announcement_bytes));
            assert_eq!(found, expected, "{line}");
        }
    }
}
