//! Moments as people write and read them, in this machine's time zone.

use anyhow::{Result, anyhow};
use clap::Args;
use jiff::{
    Timestamp, ToSpan, Unit,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use postrider_pull::counted;

use crate::{advice::Advise, backup::When};

/// Which backup is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The backup of this name, as `backup list` shows it. Default: the newest
    #[arg(long, value_name = "NAME", conflicts_with = "as_of")]
    snapshot: Option<String>,
    /// The newest backup that is not younger than this, as in 2026-11-01 (its end) or '2026-11-01 12:30', in this machine's time
    #[arg(long, value_name = "WHEN")]
    as_of: Option<String>,
}

impl Which {
    pub fn when(&self) -> Result<When> {
        match (&self.snapshot, &self.as_of) {
            (Some(name), _) => Ok(When::Named(name.clone())),
            (None, Some(text)) => parse(text, &TimeZone::system()).map(When::AsOf),
            (None, None) => Ok(When::Latest),
        }
    }
}

/// A moment in seconds since 1970 (UTC).
fn parse(text: &str, zone: &TimeZone) -> Result<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_second());
    }
    let unreadable = || anyhow!("{text:?} is no moment");
    // A date alone means all of that day; it would be read as its first moment otherwise.
    let is_date = !text.trim().contains([' ', 'T', ':']);
    let moment = if is_date {
        let day: Result<Date> = text.trim().parse().map_err(|_| unreadable());
        let end = day.advise("write it as in 2026-11-01 or '2026-11-01 12:30'")?;
        end.checked_add(1.day()).map_err(|_| unreadable())?.to_datetime(jiff::civil::Time::midnight())
    } else {
        let moment: Result<DateTime> = text.trim().parse().map_err(|_| unreadable());
        moment.advise("write it as in 2026-11-01 or '2026-11-01 12:30'")?
    };
    let seconds = zone.to_timestamp(moment).map_err(|_| unreadable())?.as_second();
    Ok(if is_date { seconds - 1 } else { seconds })
}

/// A moment, to the minute.
pub fn readable(seconds: i64) -> String {
    let Ok(moment) = Timestamp::from_second(seconds) else { return seconds.to_string() };
    moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// How long ago a moment was, in words.
pub fn ago(seconds: i64, now: i64) -> String {
    let passed = now.saturating_sub(seconds);
    let (count, word) = match passed {
        ..=59 => (passed, "second"),
        60..=7199 => (passed / 60, "minute"),
        7200..=172_799 => (passed / 3600, "hour"),
        _ => (passed / 86_400, "day"),
    };
    format!("{} ago", counted(count, word))
}

/// Now, by this machine's clock.
pub fn now() -> i64 {
    Timestamp::now().round(Unit::Second).map_or(0, |now| now.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let zone = TimeZone::UTC;
        for (text, seconds) in [
            ("2026-11-01", 1_793_577_599),
            ("2026-11-01 12:30", 1_793_536_200),
            ("2026-11-01T12:30:05", 1_793_536_205),
            ("2026-11-01T12:30:00Z", 1_793_536_200),
            ("2026-11-01T13:30:00+01:00", 1_793_536_200),
        ] {
            assert_eq!(parse(text, &zone).unwrap(), seconds, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "12:30"] {
            assert!(parse(text, &zone).is_err(), "{text}");
        }
    }

    #[test]
    fn long_ago_is_told_roughly() {
        for (passed, words) in [
            (1, "1 second ago"),
            (5, "5 seconds ago"),
            (60, "1 minute ago"),
            (120, "2 minutes ago"),
            (7200, "2 hours ago"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(ago(1000, 1000 + passed), words);
        }
    }
}
