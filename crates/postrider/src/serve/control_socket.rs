//! The control socket of a running server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use postrider_net::{Shutdown, bind_local};
use tokio::task::JoinHandle;

use crate::control::{Administration, SOCKET, router};

/// A socket file that is being served.
pub struct ControlSocket {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// Listens in the data folder, whose lock the caller holds.
    pub fn open(data: &Path, administration: Administration, mut shutdown: Shutdown) -> Result<Self> {
        let path = data.join(SOCKET);
        let listener = bind_local(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
        let service = router(administration);
        let task = tokio::spawn(async move {
            let stop = async move { shutdown.requested().await };
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop).await {
                tracing::error!("control socket: {error}");
            }
        });
        Ok(Self { path, task })
    }

    /// Returns when the last request after a shutdown is answered.
    pub async fn closed(&mut self) {
        if !self.task.is_finished() {
            // It ends by the shutdown, or with the runtime.
            let _ = (&mut self.task).await;
        }
    }

    /// Removes the socket file.
    pub fn remove(self) {
        self.task.abort();
        // A file that stays behind is replaced by the next server.
        let _ = fs::remove_file(&self.path);
    }
}
