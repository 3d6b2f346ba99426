//! Servers that want some time between two logins (RFC 2449 §6.5).
//!
//! It is kept between the connections of one run here; whoever runs again and again learns it from the report.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{connect::Stop, error::PullError, observer::Observer};

/// The longest time that is believed to be meant.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// When somebody logged in last, and how long the server wants until the next time.
#[derive(Debug, Default)]
pub(super) struct LoginDelay(Mutex<Option<(Instant, Duration)>>);

/// What a server announced, as far as it is believed.
pub(super) fn believed(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()).min(DELAY_MAX)
}

impl LoginDelay {
    /// Somebody has just logged in.
    pub(super) fn logged_in(&self, delay: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = delay.map(|delay| (Instant::now(), delay));
    }

    /// Returns when the server lets somebody log in again.
    pub(super) async fn passed(&self, stop: &Stop, observer: &dyn Observer) -> Result<(), PullError> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = last.map(|(at, delay)| at + delay).filter(|until| *until > Instant::now()) else {
            return Ok(());
        };
        let seconds = until.duration_since(Instant::now()).as_secs() + 1;
        observer.note(format!("the server wants some time between two logins: going on in {seconds} s"));
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = stop.requested() => Err(PullError::Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connect::StopTrigger, observer::Silent};

    #[tokio::test(start_paused = true)]
    async fn it_is_waited_from_the_last_login_on_and_no_longer() {
        let (delay, stop) = (LoginDelay::default(), Stop::default());
        let begin = Instant::now();
        delay.passed(&stop, &Silent).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
        delay.logged_in(Some(believed(90)));
        tokio::time::advance(Duration::from_secs(60)).await;
        delay.passed(&stop, &Silent).await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 90);
        delay.passed(&stop, &Silent).await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 90);
        assert_eq!(believed(u32::MAX), DELAY_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait() {
        let (delay, (trigger, stop)) = (LoginDelay::default(), StopTrigger::new());
        delay.logged_in(Some(DELAY_MAX));
        trigger.request();
        assert!(matches!(delay.passed(&stop, &Silent).await, Err(PullError::Stopped)));
    }
}
