//! Dates and times as IMAP writes them (RFC 9051 §9, `date-time`).

use crate::calendar::{CivilDateTime, SECONDS_PER_DAY};
use crate::command::DateTime;

/// Writes dates and remembers the day: messages that stand side by side mostly came on the same one.
#[derive(Debug, Clone, Default)]
pub struct DateTimes {
    /// The day as the zone's calendar counts it since 1970, and its text: `17-Jul-1996`.
    day: Option<(i64, [u8; 11])>,
}

impl DateTimes {
    /// Appends a date and time as [`encode_date_time`] does.
    pub fn encode(&mut self, out: &mut Vec<u8>, date: DateTime) {
        let local = CivilDateTime::local_seconds(date.unix_seconds, date.zone_minutes);
        let day = local.div_euclid(SECONDS_PER_DAY);
        let text = match self.day {
            Some((known, text)) if known == day => text,
            _ => {
                let text = day_text(&CivilDateTime::from_unix(date.unix_seconds, date.zone_minutes));
                self.day = Some((day, text));
                text
            }
        };
        let [d1, d0, h1, m0, m1, m2, h2, y3, y2, y1, y0] = text;
        let clock = local.rem_euclid(SECONDS_PER_DAY) as u32;
        let [hour1, hour0] = two_digits(clock / 3600, b'0');
        let [minute1, minute0] = two_digits(clock / 60 % 60, b'0');
        let [second1, second0] = two_digits(clock % 60, b'0');
        let zone = u32::from(date.zone_minutes.unsigned_abs());
        let sign = if date.zone_minutes < 0 { b'-' } else { b'+' };
        let ([east3, east2], [east1, east0]) = (two_digits(zone / 60, b'0'), two_digits(zone % 60, b'0'));
        out.extend_from_slice(&[
            b'"', d1, d0, h1, m0, m1, m2, h2, y3, y2, y1, y0, b' ', hour1, hour0, b':', minute1, minute0, b':',
            second1, second0, b' ', sign, east3, east2, east1, east0, b'"',
        ]);
    }
}

/// Appends a date and time in quotes: `"17-Jul-1996 02:44:25 -0700"`.
///
/// Years that four digits cannot hold become the nearest that can be written.
pub fn encode_date_time(out: &mut Vec<u8>, date: DateTime) {
    DateTimes::default().encode(out, date);
}

fn day_text(civil: &CivilDateTime) -> [u8; 11] {
    let [d1, d0] = two_digits(civil.day, b' ');
    let [m0, m1, m2] = civil.month_name().as_bytes().first_chunk().copied().unwrap_or(*b"Dec");
    let ([y3, y2], [y1, y0]) = (two_digits(civil.year / 100, b'0'), two_digits(civil.year % 100, b'0'));
    [d1, d0, b'-', m0, m1, m2, b'-', y3, y2, y1, y0]
}

fn two_digits(number: u32, pad: u8) -> [u8; 2] {
    let number = (number % 100) as u8;
    [if number < 10 { pad } else { b'0' + number / 10 }, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_day_never_shows_where_another_is_meant() {
        let mut days = DateTimes::default();
        for (unix_seconds, zone_minutes, text) in [
            (837_596_665, -420, "\"17-Jul-1996 02:44:25 -0700\""),
            (837_596_665 + 77_735, -420, "\"18-Jul-1996 00:20:00 -0700\""),
            (837_596_665, 0, "\"17-Jul-1996 09:44:25 +0000\""),
            (837_596_665, 870, "\"18-Jul-1996 00:14:25 +1430\""),
            (-1, 0, "\"31-Dec-1969 23:59:59 +0000\""),
            (0, 0, "\" 1-Jan-1970 00:00:00 +0000\""),
            (i64::MAX, 0, "\"31-Dec-9999 23:59:59 +0000\""),
            (i64::MIN, 0, "\" 1-Jan-0000 00:00:00 +0000\""),
        ] {
            let mut out = Vec::new();
            let date = DateTime { unix_seconds, zone_minutes };
            days.encode(&mut out, date);
            assert_eq!(String::from_utf8_lossy(&out), text);
            days.encode(&mut out, date);
            assert_eq!(String::from_utf8_lossy(&out), text.repeat(2));
        }
    }
}
