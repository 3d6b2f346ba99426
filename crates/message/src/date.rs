//! Dates: reading Date fields, writing the two forms mail protocols use.
//!
//! Reading is lenient as RFC 5256 §2.2 asks: an invalid zone counts as UTC, an invalid time as midnight; only without
//! a valid day there is no date. All arithmetic is on the proleptic Gregorian calendar; there is no clock here.

use crate::parameter::skip_comments;

const SECONDS_PER_DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Octets of `hh:mm:ss`.
const TIME_BYTES_MAX: usize = 8;
/// Index 0 is the weekday of 1 January 1970.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A moment together with the zone it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentDate {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub unix_seconds: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

impl SentDate {
    /// Days since 1970-01-01 of the date as it was written: SENTBEFORE, SENTON and SENTSINCE disregard time and zone
    /// (RFC 9051 §6.4.4).
    pub fn sent_day(self) -> i64 {
        local_seconds(self.unix_seconds, self.zone_minutes).div_euclid(SECONDS_PER_DAY)
    }
}

fn local_seconds(unix_seconds: i64, zone_minutes: i16) -> i64 {
    unix_seconds.saturating_add(i64::from(zone_minutes) * 60)
}

/// Days since 1970-01-01 of a day in the Gregorian calendar; nothing for a day that does not exist.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    (year_of_era + era * 400 + i64::from(month < 2), usize::try_from(month).unwrap_or(0), day)
}

/// Reads the value of a Date field (RFC 5322 §3.3 and §4.3; also the order of `asctime`).
pub fn parse_date(field_value: &[u8]) -> Option<SentDate> {
    let mut tokens = Tokens { rest: field_value };
    let mut day = None;
    let mut month = None;
    // The day's name and whatever else stands before the month is passed over.
    for _ in 0..6 {
        let token = tokens.next()?;
        month = month_number(token);
        if month.is_some() {
            break;
        }
        day = number(token).or(day);
    }
    let month = month?;
    let mut time = None;
    if day.is_none() {
        day = number(tokens.next()?);
        // asctime: the time stands before the year.
        if tokens.peek().is_some_and(|token| token.contains(&b':')) {
            time = tokens.time();
        }
    }
    let year = tokens.next().and_then(parse_year)?;
    let days = days_from_civil(year, month, day?)?;
    if time.is_none() {
        time = tokens.time();
    }
    let zone_minutes = tokens.next().and_then(parse_zone).filter(|_| time.is_some()).unwrap_or(0);
    let unix_seconds = days * SECONDS_PER_DAY + time.unwrap_or(0) - i64::from(zone_minutes) * 60;
    Some(SentDate { unix_seconds, zone_minutes })
}

/// Words between white space, commas, comments and, in old dates, hyphens.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn skip_space(&mut self) {
        loop {
            self.rest = skip_comments(self.rest);
            match self.rest {
                [b',' | 0, rest @ ..] => self.rest = rest,
                // "1-Jan-2020"; in front of a zone the hyphen is a sign.
                [b'-', next, rest @ ..] if next.is_ascii_alphabetic() || !is_zone(*next, rest) => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'(' | 0);
        let length = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        // A sign may only begin a token.
        let sign = self.rest.iter().skip(1).take(length).position(|byte| matches!(byte, b'-' | b'+'));
        let length = sign.map_or(length, |at| (at + 1).min(length));
        let (token, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn peek(&self) -> Option<&'a [u8]> {
        Self { rest: self.rest }.next()
    }

    /// RFC 5322 §4.3: white space and comments may stand around the colons.
    fn time(&mut self) -> Option<i64> {
        let mut text = self.next()?.to_vec();
        while text.len() < TIME_BYTES_MAX
            && let Some(more) = self.peek().filter(|more| text.ends_with(b":") || more.starts_with(b":"))
        {
            text.extend_from_slice(more);
            self.next();
        }
        parse_time(&text)
    }
}

/// Four digits and no more: how a zone looks after its sign. A year after "Jan-" looks the same, but only a zone
/// follows a time; a year read as "-2020" is put right in `parse_year`.
fn is_zone(first: u8, rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    first.is_ascii_digit() && digits == 3
}

fn number(token: &[u8]) -> Option<u32> {
    let all_digits = !token.is_empty() && token.len() <= 6 && token.iter().all(u8::is_ascii_digit);
    all_digits.then(|| token.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

fn month_number(token: &[u8]) -> Option<u32> {
    let start = token.get(..3)?;
    if !token.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    (1..).zip(MONTHS).find(|(_, month)| month.as_bytes().eq_ignore_ascii_case(start)).map(|(number, _)| number)
}

/// RFC 5322 §4.3: two digits are 1950 to 2049, three are years after 1900.
fn parse_year(token: &[u8]) -> Option<i64> {
    let token = token.strip_prefix(b"-").unwrap_or(token);
    let year = i64::from(number(token)?);
    match (token.len(), year) {
        (1 | 2, 0..=49) => Some(2000 + year),
        (1..=3, _) => Some(1900 + year),
        (4, _) => Some(year),
        _ => None,
    }
}

/// Seconds since midnight; a leap second is the last second of its minute.
fn parse_time(token: &[u8]) -> Option<i64> {
    let mut fields = token.split(|&byte| byte == b':');
    let hour = number(fields.next()?)?;
    let minute = number(fields.next()?)?;
    let second = fields.next().map_or(Some(0), number)?;
    let is_valid = hour <= 23 && minute <= 59 && second <= 60 && fields.next().is_none();
    is_valid.then(|| i64::from(hour * 3600 + minute * 60 + second.min(59)))
}

/// Minutes east of UTC. RFC 5322 §4.3: the military letters were defined wrongly and mean an unknown zone.
fn parse_zone(token: &[u8]) -> Option<i16> {
    let (sign, digits) = match token {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        name => return named_zone(name),
    };
    let value = i16::try_from(number(digits).filter(|_| digits.len() == 4)?).ok()?;
    (value % 100 < 60 && value < 2400).then_some(sign * (value / 100 * 60 + value % 100))
}

fn named_zone(name: &[u8]) -> Option<i16> {
    let hours = match name.to_ascii_uppercase().as_slice() {
        b"UT" | b"GMT" | b"UTC" | b"Z" => 0,
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => return None,
    };
    Some(hours * 60)
}

struct Civil {
    year: i64,
    month: &'static str,
    day: i64,
    weekday: &'static str,
    second_of_day: i64,
    zone: String,
}

/// Out of range, the first and last moment of the years which four digits can say.
fn civil(unix_seconds: i64, zone_minutes: i16) -> Civil {
    const FIRST: i64 = -62_167_219_200;
    const LAST: i64 = 253_402_300_799;
    let zone_minutes = zone_minutes.clamp(-1439, 1439);
    let local = local_seconds(unix_seconds, zone_minutes).clamp(FIRST, LAST);
    let days = local.div_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil_from_days(days);
    let weekday = usize::try_from(days.rem_euclid(7)).unwrap_or(0);
    let sign = if zone_minutes < 0 { '-' } else { '+' };
    let zone = zone_minutes.unsigned_abs();
    Civil {
        year,
        month: MONTHS.get(month).copied().unwrap_or("Jan"),
        day,
        weekday: WEEKDAYS.get(weekday).copied().unwrap_or("Thu"),
        second_of_day: local.rem_euclid(SECONDS_PER_DAY),
        zone: format!("{sign}{:02}{:02}", zone / 60, zone % 60),
    }
}

/// `date-time` of RFC 5322 §3.3, for a Date field.
pub fn format_date(unix_seconds: i64, zone_minutes: i16) -> String {
    let Civil { year, month, day, weekday, second_of_day: second, zone } = civil(unix_seconds, zone_minutes);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} {zone}")
}

/// `date-time` of RFC 9051 §9 without its quotes, for INTERNALDATE.
pub fn format_internal_date(unix_seconds: i64, zone_minutes: i16) -> String {
    let Civil { year, month, day, second_of_day: second, zone, .. } = civil(unix_seconds, zone_minutes);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day:>2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} {zone}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_the_grammar_are_read() {
        for (value, unix_seconds, zone_minutes) in [
            ("Thu, 1 Jan 1970 00:00:00 +0000", 0, 0),
            ("Fri, 21 Nov 1997 09:55:06 -0600", 880_127_706, -360),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880_127_706, -360),
            (
                " Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
                -27_723_480,
                -210,
            ),
            ("21 Nov 97 09:55:06 GMT", 880_106_106, 0),
            ("Mon, 23 Nov 2026 10:42:32 +0530", 1_795_410_752, 330),
            ("31 Dec 2000 16:01:33 -0800", 978_307_293, -480),
            ("1 Jan 00 00:00 EST", 946_702_800, -300),
            ("1 Jan 100 00:00 UT", 946_684_800, 0),
            ("29 Feb 2024 23:59:60 Z", 1_709_251_199, 0),
            ("1-Jan-2020 00:00:00 +0100", 1_577_833_200, 60),
            ("Wed Jun 30 21:49:08 1993", 741_476_948, 0),
        ] {
            let expected = Some(SentDate { unix_seconds, zone_minutes });
            assert_eq!(parse_date(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn obsolete_zones_are_known_and_others_are_utc() {
        for (zone, minutes) in [
            ("EST", -300),
            ("EDT", -240),
            ("CST", -360),
            ("CDT", -300),
            ("MST", -420),
            ("MDT", -360),
            ("PST", -480),
            ("PDT", -420),
            ("UT", 0),
            ("GMT", 0),
            ("A", 0),
            ("m", 0),
            ("XYZ", 0),
            ("+2500", 0),
            ("+0075", 0),
            ("", 0),
        ] {
            let date = parse_date(format!("1 Jan 2000 00:00:00 {zone}").as_bytes()).unwrap();
            assert_eq!(date.zone_minutes, minutes, "{zone}");
        }
    }

    #[test]
    fn an_invalid_time_is_midnight_and_an_invalid_day_no_date() {
        assert_eq!(parse_date(b"1 Jan 2000 25:00:00 +0100").map(|date| date.unix_seconds), Some(946_684_800));
        assert_eq!(parse_date(b"1 Jan 2000").map(|date| date.unix_seconds), Some(946_684_800));
        for value in [
            "",
            "30 Feb 2000 00:00:00 +0000",
            "Jan",
            "0 Jan 2000",
            "1 Foo 2000",
            "1 Jan 12345",
            "yesterday",
            "1 2 3 4 5 6 7 8 Jan 2000",
        ] {
            assert_eq!(parse_date(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn the_sent_day_disregards_the_zone() {
        let late = parse_date(b"1 Jan 2000 23:30:00 -1000").unwrap();
        let early = parse_date(b"1 Jan 2000 00:30:00 +1000").unwrap();
        assert_eq!(late.sent_day(), days_from_civil(2000, 1, 1).unwrap());
        assert_eq!(late.sent_day(), early.sent_day());
    }

    #[test]
    fn both_forms_are_written_with_fixed_width_numbers() {
        assert_eq!(format_date(880_127_706, -360), "Fri, 21 Nov 1997 09:55:06 -0600");
        assert_eq!(format_internal_date(0, 0), " 1-Jan-1970 00:00:00 +0000");
        assert_eq!(format_internal_date(1_795_410_752, 330), "23-Nov-2026 10:42:32 +0530");
        assert_eq!(format_internal_date(i64::MAX, i16::MAX), "31-Dec-9999 23:59:59 +2359");
        assert_eq!(format_date(i64::MIN, i16::MIN), "Sat, 1 Jan 0000 00:00:00 -2359");
    }

    proptest! {
        #[test]
        fn written_dates_are_read_back(seconds in -62_000_000_000i64..253_000_000_000, zone in -1439i16..=1439) {
            let date = SentDate { unix_seconds: seconds, zone_minutes: zone };
            prop_assert_eq!(parse_date(format_date(seconds, zone).as_bytes()), Some(date));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_date(&bytes);
        }
    }
}
