//! Dates of messages: of From lines, and from the header where files tell none.

use postrider_message::{Fields, format_date, parse_date};

/// When a message was received, going by its header: the newest Received field, else Date.
pub(crate) fn date_of_header(header: &[u8]) -> Option<i64> {
    let mut sent = None;
    for field in Fields::new(header) {
        // RFC 5321 §4.4: each server adds its Received field on top, so the first one is ours.
        if field.is(b"received") {
            let value = field.value;
            let date = value.iter().rposition(|byte| *byte == b';').and_then(|at| value.get(at + 1..));
            if let Some(date) = date.and_then(parse_date) {
                return Some(date.unix_seconds);
            }
        } else if field.is(b"date") && sent.is_none() {
            sent = parse_date(field.value).map(|date| date.unix_seconds);
        }
    }
    sent
}

/// A moment as `asctime` writes it, in UTC, which From lines have.
pub(crate) fn format_asctime(unix_seconds: i64) -> String {
    // `Thu, 1 Jan 1970 00:00:00 +0000`
    let date = format_date(unix_seconds, 0);
    let words: Vec<&str> = date.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [weekday, day, month, year, time, ..] = words.as_slice() else { return date };
    format!("{weekday} {month} {day:>2} {time} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asctime_is_what_from_lines_have() {
        assert_eq!(format_asctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(format_asctime(1_700_000_000), "Tue Nov 14 22:13:20 2023");
    }

    #[test]
    fn the_newest_received_field_goes_before_date() {
        let header = b"Received: x; bad\r\nReceived: by a; Thu, 1 Jan 1970 00:00:05 +0000\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n\r\n";
        assert_eq!(date_of_header(header), Some(5));
        assert_eq!(date_of_header(b"Date: Thu, 1 Jan 1970 00:00:01 +0000\r\n\r\n"), Some(1));
        assert_eq!(date_of_header(b"Subject: x\r\n\r\n"), None);
    }
}
