//! Days and seconds since 1970 to years, months and days, and back, in the proleptic Gregorian calendar.
//!
//! Small enough to be here rather than a dependency; no time zone is known but the offset that stands in a date.

use crate::command::{Date, DateTime};

pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_ERA: i64 = 146_097;
const MONTH_NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date and time as a calendar and a clock show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CivilDateTime {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
}

impl CivilDateTime {
    /// What clocks show in a zone, cut to the years 0 to 9999, which four digits can hold.
    pub(crate) fn from_unix(unix_seconds: i64, zone_minutes: i16) -> Self {
        let local = Self::local_seconds(unix_seconds, zone_minutes);
        let (year, month, day) = civil_from_days(local.div_euclid(SECONDS_PER_DAY));
        let clock = local.rem_euclid(SECONDS_PER_DAY) as u32;
        Self { year: year as u32, month, day, hour: clock / 3600, minute: clock / 60 % 60, second: clock % 60 }
    }

    /// What clocks in a zone have counted since they showed 1970, cut in the same way.
    pub(crate) fn local_seconds(unix_seconds: i64, zone_minutes: i16) -> i64 {
        let first = days_from_civil(0, 1, 1) * SECONDS_PER_DAY;
        let last = days_from_civil(10_000, 1, 1) * SECONDS_PER_DAY - 1;
        unix_seconds.saturating_add(i64::from(zone_minutes) * 60).clamp(first, last)
    }

    /// The moment, or `None` where there is no such date or time. A leap second counts as the second after it.
    pub(crate) fn to_unix(self, zone_minutes: i16) -> Option<DateTime> {
        if self.hour > 23 || self.minute > 59 || self.second > 60 {
            return None;
        }
        let days = date(self.year, self.month, self.day)?.unix_days;
        let clock = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let unix_seconds = days * SECONDS_PER_DAY + clock - i64::from(zone_minutes) * 60;
        Some(DateTime { unix_seconds, zone_minutes })
    }

    pub(crate) fn month_name(&self) -> &'static str {
        MONTH_NAMES.get(self.month.saturating_sub(1) as usize).copied().unwrap_or("Dec")
    }
}

/// The date, or `None` where there is no such date.
pub(crate) fn date(year: u32, month: u32, day: u32) -> Option<Date> {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days_in_month)
        .contains(&day)
        .then(|| Date { unix_days: days_from_civil(i64::from(year), i64::from(month), i64::from(day)) })
}

/// The month, from 1, that three letters in any case name.
pub(crate) fn month_number(name: &[u8]) -> Option<u32> {
    (1..).zip(MONTH_NAMES).find(|(_, month)| name.eq_ignore_ascii_case(month.as_bytes())).map(|(number, _)| number)
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for (year, month, day, days) in [
            (1970, 1, 1, Some(0)),
            (1969, 12, 31, Some(-1)),
            (2000, 2, 29, Some(11_016)),
            (1900, 2, 29, None),
            (2023, 4, 31, None),
            (2023, 0, 1, None),
            (2023, 13, 1, None),
            (2023, 1, 0, None),
        ] {
            assert_eq!(date(year, month, day).map(|date| date.unix_days), days, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn moments_beyond_four_digit_years_are_cut() {
        assert_eq!(CivilDateTime::from_unix(i64::MAX, 840).year, 9999);
        assert_eq!(CivilDateTime::from_unix(i64::MIN, -840).year, 0);
    }

    proptest! {
        #[test]
        fn a_moment_survives_the_calendar(unix_seconds in -60_000_000_000i64..250_000_000_000, zone in -1439i16..1440) {
            let civil = CivilDateTime::from_unix(unix_seconds, zone);
            prop_assert_eq!(civil.to_unix(zone), Some(DateTime { unix_seconds, zone_minutes: zone }));
        }
    }
}
