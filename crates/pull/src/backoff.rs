//! How long to leave a server alone that is out of order or wants to be, and when to give up.
//!
//! Waits double, are spread by chance so that many runs do not come back at one moment, and are bounded. What is bounded, too, is the
//! number of tries without progress: a run that brings a message with each connection goes on for as long as it takes, one that
//! brings nothing ends. It knows no clock; whoever asks it waits.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use crate::error::PullError;
use crate::oauth::OAuthError;

/// Bounds on trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffOptions {
    /// Tries in a row that bring nothing before the run is given up; 1: nothing is tried again.
    pub tries_max: u32,
    /// The first wait after a broken connection.
    pub wait: Duration,
    /// The first wait where the server, or the mailbox, is out of order or in use.
    pub wait_temporary: Duration,
    /// The first wait where the server says that too much was asked.
    pub wait_throttled: Duration,
    /// The longest wait.
    pub wait_max: Duration,
}

impl Default for BackoffOptions {
    fn default() -> Self {
        Self {
            tries_max: 5,
            wait: Duration::from_secs(1),
            wait_temporary: Duration::from_secs(5),
            wait_throttled: Duration::from_secs(30),
            wait_max: Duration::from_secs(600),
        }
    }
}

/// What may help against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Another connection.
    Reconnect,
    /// Another connection, if there was one before: else it may be the address that is wrong.
    ReconnectIfKnown,
    /// A while, for the server or the mailbox to become free.
    WaitAWhile,
    /// A longer while, as the server was asked too much.
    WaitLonger,
    /// Nothing that a program can do by itself, such as another password.
    None,
}

impl PullError {
    /// What may help.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Silence { .. } | Self::Closed | Self::Broken(_) => Remedy::Reconnect,
            Self::NameNotFound { .. }
            | Self::Refused { .. }
            | Self::ConnectTimeout { .. }
            | Self::Connect { .. }
            | Self::Tls { .. } => Remedy::ReconnectIfKnown,
            Self::OAuth(OAuthError::Https(_)) => Remedy::ReconnectIfKnown,
            Self::OAuth(error) if error.is_passing() => Remedy::WaitAWhile,
            Self::InUse { .. } | Self::Temporary { .. } => Remedy::WaitAWhile,
            Self::Throttled { .. } => Remedy::WaitLonger,
            _ => Remedy::None,
        }
    }
}

/// Counts tries and measures waits.
#[derive(Debug)]
pub struct Backoff {
    options: BackoffOptions,
    failures: u32,
    chance: Chance,
}

impl Backoff {
    /// Before the first try.
    pub fn new(options: BackoffOptions) -> Self {
        Self { options, failures: 0, chance: Chance::new() }
    }

    /// After progress, the count begins anew.
    pub fn progress(&mut self) {
        self.failures = 0;
    }

    /// Tries that failed since the last progress.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after another failure; `None` to give up.
    pub fn failed(&mut self, remedy: Remedy) -> Option<Duration> {
        let first = match remedy {
            Remedy::Reconnect | Remedy::ReconnectIfKnown => self.options.wait,
            Remedy::WaitAWhile => self.options.wait_temporary,
            Remedy::WaitLonger => self.options.wait_throttled,
            Remedy::None => return None,
        };
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.options.tries_max {
            return None;
        }
        let whole = first.saturating_mul(1 << (self.failures - 1).min(20)).min(self.options.wait_max);
        Some(self.chance.between(whole / 2, whole))
    }
}

/// Chance, good enough to spread moments.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Seeded by the system.
    pub fn new() -> Self {
        // What keys a new hash map is random in each process and differs with each call.
        Self(RandomState::new().build_hasher().finish())
    }

    /// A time between two others.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        least + most.saturating_sub(least).mul_f64(part)
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> BackoffOptions {
        BackoffOptions { tries_max: 6, wait_max: Duration::from_secs(100), ..BackoffOptions::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_then_it_is_given_up() {
        for (remedy, wholes) in [
            (Remedy::Reconnect, [1, 2, 4, 8, 16]),
            (Remedy::WaitAWhile, [5, 10, 20, 40, 80]),
            (Remedy::WaitLonger, [30, 60, 100, 100, 100]),
        ] {
            let mut backoff = Backoff::new(options());
            for whole in wholes.map(Duration::from_secs) {
                let wait = backoff.failed(remedy).unwrap();
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            assert_eq!(backoff.failed(remedy), None);
        }
    }

    #[test]
    fn progress_begins_the_count_anew() {
        let mut backoff = Backoff::new(options());
        for _ in 0..100 {
            assert!(backoff.failed(Remedy::Reconnect).unwrap() <= Duration::from_secs(1));
            backoff.progress();
        }
        let mut once = Backoff::new(BackoffOptions { tries_max: 1, ..options() });
        assert_eq!(once.failed(Remedy::Reconnect), None);
    }

    #[test]
    fn a_wrong_password_is_never_tried_again() {
        let refused = PullError::Credentials { text: String::from("no") };
        assert_eq!(Backoff::new(options()).failed(refused.remedy()), None);
        assert_eq!(PullError::Stopped.remedy(), Remedy::None);
    }

    #[test]
    fn many_runs_do_not_come_back_at_one_moment() {
        let waits: std::collections::BTreeSet<_> =
            (0..50).filter_map(|_| Backoff::new(options()).failed(Remedy::WaitLonger)).collect();
        assert!(waits.len() > 40, "{waits:?}");
    }
}
