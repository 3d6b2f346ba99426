//! Whether a message came whole, as far as that can be told: POP3 ends a message with a dot and says no length with it.
//!
//! A server that breaks off within a message and sets the dot behind it has been seen: Dovecot, where the name of a Maildir file
//! tells too small a size. What came then agrees with itself however often it is compared. What remains is the size that
//! LIST told before, which servers count in more than one way, so a message is taken for cut only where none of these ways explains
//! the difference. Estimates get no allowance of their own: one that is some per cent off could hide the loss of as much.

use crate::{received::has_header, report::NotFetchedReason};

/// What a server may count of the end: CRLF, the dot and CRLF (RFC 1939 §3).
const END_OCTETS: u64 = 5;

/// Why a message may not be the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortfall {
    /// Less came than was told.
    Short {
        /// The size that LIST told, in octets.
        told: u64,
        /// How much came, in octets.
        came: u64,
    },
    /// As much as was told, but there is no header.
    NoHeader {
        /// How much came, in octets.
        came: u64,
    },
    /// Less than was told, and no header: this is no message at all.
    Nothing {
        /// The size that LIST told, in octets.
        told: u64,
        /// How much came, in octets.
        came: u64,
    },
}

impl From<Shortfall> for NotFetchedReason {
    fn from(shortfall: Shortfall) -> Self {
        match shortfall {
            Shortfall::Short { told, came } => Self::Short { told, came },
            Shortfall::NoHeader { came } => Self::NoHeader { came },
            Shortfall::Nothing { told, came } => Self::Nothing { told, came },
        }
    }
}

/// What is wrong with a message of which LIST told the size; `None` if nothing is.
pub(super) fn shortfall(told: Option<u64>, content: &[u8]) -> Option<Shortfall> {
    let came = content.len() as u64;
    let short = told.filter(|told| *told > counted_max(content));
    match (short, has_header(content)) {
        (Some(told), true) => Some(Shortfall::Short { told, came }),
        (Some(told), false) => Some(Shortfall::Nothing { told, came }),
        (None, false) => Some(Shortfall::NoHeader { came }),
        (None, true) => None,
    }
}

/// The largest size that a server can find in a message by counting: a CR more for each line, for lines that it keeps or sends
/// without, the dot that doubles one at the start of a line, and the end.
fn counted_max(content: &[u8]) -> u64 {
    let lines = content.split(|octet| *octet == b'\n');
    let (mut ends, mut dots) = (0u64, 0u64);
    for line in lines {
        ends += 1;
        dots += u64::from(line.first() == Some(&b'.'));
    }
    // The last part has no LF behind it.
    let ends = ends.saturating_sub(1);
    (content.len() as u64).saturating_add(ends).saturating_add(dots).saturating_add(END_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_counting_are_no_shortfall() {
        let content = b"Subject: x\r\n\r\none\r\n.two\r\n";
        let octets = content.len() as u64;
        let lines = content.iter().filter(|octet| **octet == b'\n').count() as u64;
        // Exactly; without CR; with a CR twice; with the doubled dot; with the end.
        for told in [octets, octets - lines, octets + lines, octets + lines + 1, octets + lines + 1 + 5, 0, 3] {
            assert_eq!(shortfall(Some(told), content), None, "{told}");
        }
        assert_eq!(shortfall(None, content), None);
        let told = octets + lines + 1 + 5 + 1;
        assert_eq!(shortfall(Some(told), content), Some(Shortfall::Short { told, came: octets }));
    }

    #[test]
    fn an_empty_line_is_no_message() {
        assert_eq!(shortfall(Some(170), b"\r\n"), Some(Shortfall::Nothing { told: 170, came: 2 }));
        assert_eq!(shortfall(Some(2), b"\r\n"), Some(Shortfall::NoHeader { came: 2 }));
        assert_eq!(shortfall(Some(0), b""), Some(Shortfall::NoHeader { came: 0 }));
        assert_eq!(shortfall(None, b"no header, no end\r\n"), Some(Shortfall::NoHeader { came: 19 }));
    }
}
