//! The wish that a run may end, heard where it waits: at the connection.
//!
//! A connection that was told to stop fails at its next read or write that has to wait, so a run ends as it would if the server
//! had gone away: what was received whole is stored, and the next run goes on behind it.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::watch;

/// Asks runs to stop.
#[derive(Debug)]
pub struct StopTrigger(watch::Sender<bool>);

/// Hears of it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<watch::Receiver<bool>>);

impl StopTrigger {
    /// A trigger and who hears it.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(Some(receiver)))
    }

    /// Asks for the stop; asking twice is no error.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the stop has been asked for.
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow() || receiver.has_changed().is_err())
    }

    /// Returns when the stop is asked for; never, where nobody can.
    pub async fn requested(&self) {
        match &self.0 {
            // Whoever could have asked is gone: that, too, is an end.
            Some(receiver) => drop(receiver.clone().wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }
}

/// The wait for it, as a connection holds it.
pub(super) struct StopWait(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl StopWait {
    pub(super) fn new(stop: &Stop) -> Self {
        let stop = stop.clone();
        Self(Box::pin(async move { stop.requested().await }))
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.0.as_mut().poll(context).map(|()| {
            // Polled again, it answers the same.
            self.0 = Box::pin(std::future::ready(()));
            io::Error::new(io::ErrorKind::ConnectionAborted, Stopped)
        })
    }
}

impl fmt::Debug for StopWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopWait")
    }
}

/// The cause inside an I/O error that says that the stop was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the run was asked to stop")]
pub(crate) struct Stopped;
