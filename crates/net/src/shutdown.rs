//! The wish to stop, told to everything that waits.
//!
//! It is a level, not an edge: who asks late learns of it at once. Sessions wait on it beside their input, say the
//! protocol's own goodbye and end.

use tokio::sync::watch;

/// Asks everything that holds a [`Shutdown`] to stop. Dropping it asks, too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl ShutdownTrigger {
    /// Asks for the stop; asking twice is no error.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Learns of the wish to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(Option<watch::Receiver<bool>>);

impl Shutdown {
    /// A shutdown that is never requested, for sessions that tests drive.
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the stop has been asked for.
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow() || receiver.has_changed().is_err())
    }

    /// Returns once the stop has been asked for. Cancel safe.
    pub async fn requested(&mut self) {
        match &mut self.0 {
            // A dropped trigger is an answer as well.
            Some(receiver) => {
                let _ = receiver.wait_for(|requested| *requested).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// A trigger and what listens to it.
pub fn shutdown_channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(Some(receiver)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_reaches_who_waits_and_who_asks_late() {
        let (trigger, shutdown) = shutdown_channel();
        assert!(!shutdown.is_requested());
        let mut waiting = shutdown.clone();
        let task = tokio::spawn(async move { waiting.requested().await });
        trigger.request();
        task.await.unwrap();
        assert!(shutdown.is_requested());
        shutdown.clone().requested().await;
    }

    #[tokio::test]
    async fn a_dropped_trigger_counts_as_a_request() {
        let (trigger, mut shutdown) = shutdown_channel();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[test]
    fn never_is_never_requested() {
        assert!(!Shutdown::never().is_requested());
    }
}
