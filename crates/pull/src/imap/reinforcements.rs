//! Further connections of a run, as many as the run, the other runs and the server let there be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{TryAcquireError, mpsc};

use super::{
    Server,
    crew::{Helper, Reinforce},
    log_in,
};
use crate::{connect::Connection, error::PullError};

/// How many connections a server bears, as far as a run knows.
#[derive(Debug)]
pub(super) struct Bearing(AtomicUsize);

impl Bearing {
    pub(super) fn new(connections_max: usize) -> Self {
        Self(AtomicUsize::new(connections_max.max(1)))
    }
}

/// Opens connections to a server.
pub(super) struct Reinforcements<'a> {
    pub(super) server: Server<'a>,
    /// Who is told of their waits.
    pub(super) notes: Option<mpsc::UnboundedSender<String>>,
}

impl Reinforce<Connection> for Reinforcements<'_> {
    fn connections_max(&self) -> usize {
        self.server.bearing.0.load(Ordering::Relaxed)
    }

    async fn open(&self) -> Result<Option<Helper<Connection>>, PullError> {
        let options = self.server.connect_options;
        let permit = match &options.further_connections {
            None => None,
            Some(all) => match Arc::clone(all).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return Ok(None),
            },
        };
        let mut connection = log_in(self.server.remote, self.server.credential, options).await?;
        connection.suspects = Arc::clone(self.server.suspects);
        if let Some(notes) = &self.notes {
            connection.tell_as(notes);
        }
        Ok(Some(Helper { connection, permit }))
    }

    fn lower(&self, connections_max: usize) {
        self.server.bearing.0.fetch_min(connections_max.max(1), Ordering::Relaxed);
    }
}
