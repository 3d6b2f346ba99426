//! Dates of SEARCH and APPEND (RFC 9051 §9, `date` and `date-time`). Dates that do not exist are errors.

use super::parser::{Fault, Parse, Parser};
use crate::calendar::{self, CivilDateTime};
use crate::command::{Date, DateTime};

const MALFORMED: Fault = Fault { kind: super::ParseErrorKind::Syntax, message: "a date is malformed" };

/// The largest zone that RFC 5322 §3.3 allows a clock to show: 23 hours and 59 minutes.
const ZONE_HOURS_MAX: u32 = 23;

impl Parser<'_> {
    /// `date = date-text / DQUOTE date-text DQUOTE`
    pub(super) fn date(&mut self) -> Parse<Date> {
        let quoted = self.eat(b'"');
        let day = self.digits(1, 2)?;
        let (month, year) = self.month_and_year()?;
        if quoted {
            self.expect(b'"', MALFORMED.message)?;
        }
        calendar::date(year, month, day).ok_or(MALFORMED)
    }

    /// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
    pub(super) fn date_time(&mut self) -> Parse<DateTime> {
        self.expect(b'"', MALFORMED.message)?;
        let day = self.quirk_day_without_padding()?;
        let (month, year) = self.month_and_year()?;
        self.space()?;
        let hour = self.digits(2, 2)?;
        self.expect(b':', MALFORMED.message)?;
        let minute = self.digits(2, 2)?;
        self.expect(b':', MALFORMED.message)?;
        let second = self.digits(2, 2)?;
        self.space()?;
        let zone_minutes = self.zone()?;
        self.expect(b'"', MALFORMED.message)?;
        CivilDateTime { year, month, day, hour, minute, second }.to_unix(zone_minutes).ok_or(MALFORMED)
    }

    /// `date-day-fixed = (SP DIGIT) / 2DIGIT`; a single digit without the space is what simple scripts send
    /// (Python's imaplib leaves formatting a date to its callers).
    fn quirk_day_without_padding(&mut self) -> Parse<u32> {
        if self.eat(b' ') { self.digits(1, 1) } else { self.digits(1, 2) }
    }

    /// `"-" date-month "-" date-year`
    fn month_and_year(&mut self) -> Parse<(u32, u32)> {
        self.expect(b'-', MALFORMED.message)?;
        let month = self.take(3).and_then(calendar::month_number).ok_or(MALFORMED)?;
        self.expect(b'-', MALFORMED.message)?;
        Ok((month, self.digits(4, 4)?))
    }

    /// `zone = ("+" / "-") 4DIGIT`, in minutes
    fn zone(&mut self) -> Parse<i16> {
        let west = self.eat(b'-');
        if !west {
            self.expect(b'+', MALFORMED.message)?;
        }
        let (hours, minutes) = (self.digits(2, 2)?, self.digits(2, 2)?);
        if hours > ZONE_HOURS_MAX || minutes > 59 {
            return Err(MALFORMED);
        }
        let zone = i16::try_from(hours * 60 + minutes).map_err(|_| MALFORMED)?;
        Ok(if west { -zone } else { zone })
    }

    /// A number of at least `least` and at most `most` digits; it ends where there are no more.
    fn digits(&mut self, least: usize, most: usize) -> Parse<u32> {
        let rest = self.rest();
        let count = rest.iter().take(most).take_while(|octet| octet.is_ascii_digit()).count();
        if count < least {
            return Err(MALFORMED);
        }
        let digits = self.take(count).unwrap_or_default();
        Ok(digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }
}
