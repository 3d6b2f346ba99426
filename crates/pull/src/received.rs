//! What a message's header tells: when it was received, where the protocol does not, and whether it is there.

use postrider_message::{Fields, parse_date};

/// Octets of a message within which its header is looked for.
const HEADER_BYTES_MAX: usize = 256 * 1024;

/// When a message was received, going by its header: the newest Received field, else Date; seconds since 1970 (UTC).
pub(crate) fn date_of_header(message: &[u8]) -> Option<i64> {
    let mut sent = None;
    for field in Fields::new(message.get(..HEADER_BYTES_MAX).unwrap_or(message)) {
        // RFC 5321 §4.4: each server adds its Received field on top, so the first one is of the server asked.
        if field.is(b"received") {
            let date = field.value.iter().rposition(|octet| *octet == b';').and_then(|at| field.value.get(at + 1..));
            if let Some(date) = date.and_then(parse_date) {
                return Some(date.unix_seconds);
            }
        } else if field.is(b"date") && sent.is_none() {
            sent = parse_date(field.value).map(|date| date.unix_seconds);
        }
    }
    sent
}

/// Whether a message begins with a header: something with a field's name stands before the first empty line.
pub(crate) fn has_header(message: &[u8]) -> bool {
    let beginning = message.get(..HEADER_BYTES_MAX).unwrap_or(message);
    Fields::new(beginning).any(|field| !field.name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_received_field_counts_then_the_date() {
        let received = "Received: from a by b; Thu, 1 Jan 1970 00:01:00 +0000\r\n";
        let older = "Received: from x by a; Thu, 1 Jan 1970 00:00:30 +0000\r\n";
        let date = "Date: Thu, 1 Jan 1970 00:00:10 +0000\r\n";
        for (header, expected) in [
            (format!("{received}{older}{date}\r\n"), Some(60)),
            (format!("Received: nonsense\r\n{date}\r\n"), Some(10)),
            (format!("Subject: x\r\n\r\n{date}"), None),
            (String::new(), None),
        ] {
            assert_eq!(date_of_header(header.as_bytes()), expected, "{header}");
        }
    }
}
