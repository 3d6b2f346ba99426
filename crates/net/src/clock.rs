//! The wall clock as a value, so that what depends on the date can be tested without waiting.
//!
//! Deadlines do not use it: they are tokio's, whose test clock can be paused.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> SystemTime;

    /// Seconds since 1970-01-01T00:00:00Z; 0 for a clock set before that.
    fn unix_seconds(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct TestClock {
    unix_milliseconds: AtomicU64,
}

impl TestClock {
    /// A clock that shows this many seconds since 1970.
    pub fn new(unix_seconds: u64) -> Self {
        Self { unix_milliseconds: AtomicU64::new(unix_seconds.saturating_mul(1000)) }
    }

    /// Sets the clock.
    pub fn set(&self, unix_seconds: u64) {
        self.unix_milliseconds.store(unix_seconds.saturating_mul(1000), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let milliseconds = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.unix_milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_milliseconds.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_moves_only_when_told() {
        let clock = TestClock::new(1_700_000_000);
        assert_eq!(clock.unix_seconds(), 1_700_000_000);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.unix_seconds(), 1_700_000_001);
        clock.set(5);
        assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(5));
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(SystemClock.unix_seconds() > 1_577_836_800);
    }
}
