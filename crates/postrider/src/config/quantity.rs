//! Times and rates as people write them: `15m`, `2M`.

use std::{fmt, num::NonZeroU64, str::FromStr, time::Duration};

use anyhow::{Error, anyhow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time, written as a number and `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline)]
pub struct Span(pub Duration);

/// Bytes in a second, written as a number, with `K`, `M` or `G` behind it for 1024 and its powers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline)]
pub struct Rate(pub NonZeroU64);

/// Units with their sizes, the largest first.
const SPANS: [(&str, u64); 4] = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
const RATES: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// The number before one of the units, times its size.
fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, size)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*size))
}

/// The number with the largest unit in which it is whole.
fn written(number: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().find(|(_, size)| number >= *size && number.is_multiple_of(*size));
    whole.map_or_else(|| number.to_string(), |(unit, size)| format!("{}{unit}", number / size))
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let seconds = number(text.trim(), &SPANS).filter(|seconds| *seconds <= 10 * 365 * SPANS[0].1);
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(|| {
            anyhow!("{text:?} is no time; write a number and s, m, h or d, as in \"15m\" for a quarter of an hour")
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => f.write_str("0s"),
            seconds => f.write_str(&written(seconds, &SPANS)),
        }
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let bytes = trimmed.parse().ok().or_else(|| number(&trimmed.to_ascii_uppercase(), &RATES));
        // With less, not even a connection would be ready in time.
        bytes.filter(|bytes| *bytes >= 1024).and_then(NonZeroU64::new).map(Self).ok_or_else(|| {
            anyhow!("{text:?} is no rate; write bytes per second, at least 1K, with K, M or G for 1024 and its powers, as in \"2M\"")
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0.get(), &RATES))
    }
}

impl TryFrom<String> for Span {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for Rate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read_as_they_are_written() {
        for (text, seconds, again) in
            [("15m", 900, "15m"), ("90s", 90, "90s"), ("120s", 120, "2m"), ("24h", 86_400, "1d"), ("0s", 0, "0s")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0, span.to_string().as_str()), (Duration::from_secs(seconds), again));
        }
        for (text, bytes, again) in
            [("2M", 2 << 20, "2M"), ("500k", 500 << 10, "500K"), ("2000", 2000, "2000"), (" 1G ", 1 << 30, "1G")]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.0.get(), rate.to_string().as_str()), (bytes, again));
        }
        for wrong in ["", "15", "m", "-1m", "1.5h", "15 minutes", "99999999999d", "ä"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        for wrong in ["", "0", "0M", "1000", "fast", "1.5M", "2MB", "99999999999G"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
