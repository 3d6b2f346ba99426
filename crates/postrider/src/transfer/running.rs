//! Which imports are under way, so that one does not run beside itself and take messages twice.
//!
//! One process has the store open at a time, so it is enough to know within the process.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow};
use tokio::{sync::Notify, time::timeout};

use crate::advice::Advise;

/// How long an import whose command was just broken off may take to notice it.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The imports that are under way.
#[derive(Debug, Clone, Default)]
pub struct Running {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<BTreeSet<String>>,
    ended: Notify,
}

/// An import's turn; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    shared: Arc<Shared>,
    name: String,
}

impl Running {
    /// Takes the turn of `name`.
    pub(super) async fn begin(&self, name: &str) -> Result<Turn> {
        let begun = timeout(WAIT_MAX, async {
            loop {
                let ended = self.shared.ended.notified();
                tokio::pin!(ended);
                // Before looking, so that an end between the look and the wait is heard.
                ended.as_mut().enable();
                if self.shared.names().insert(name.to_owned()) {
                    return Turn { shared: Arc::clone(&self.shared), name: name.to_owned() };
                }
                ended.await;
            }
        });
        begun
            .await
            .map_err(|_| anyhow!("this import is under way already"))
            .advise("wait for the command that does it, or end that one first")
    }
}

impl Shared {
    /// The set is whole at every moment, also after a panic elsewhere.
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.names().remove(&self.name);
        self.shared.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_import_waits_for_itself_but_not_for_ever() {
        let running = Running::default();
        let first = running.begin("a").await.unwrap();
        assert!(running.begin("b").await.is_ok());
        assert!(running.begin("a").await.is_err());
        let again = running.clone();
        let waiting = tokio::spawn(async move { again.begin("a").await.is_ok() });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
