//! Work that blocks, away from the threads that serve.

use tokio::{runtime::Handle, task::spawn_blocking};

use crate::error::BackupError;

/// Runs `work` on a thread of its own; a panic in it, of a library met by bytes it did not expect, is an error like others.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, BackupError>
where
    T: Send + 'static,
    F: FnOnce(Handle) -> Result<T, BackupError> + Send + 'static,
{
    let handle = Handle::current();
    match spawn_blocking(move || work(handle)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(BackupError::Ended(error.to_string())),
    }
}
