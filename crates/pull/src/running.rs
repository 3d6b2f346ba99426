//! One run at a time for each mailbox elsewhere and account here.
//!
//! Two at once would both find the same messages unknown, and store them twice. One process holds the data, so it is
//! enough to look within it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use postrider_store::AccountId;
use tokio::{sync::Notify, time::timeout};

use crate::{error::PullError, remote::Remote};

/// How long a run that was just broken off may take to notice it.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The runs that are under way.
#[derive(Debug, Clone, Default)]
pub struct Running {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    runs: Mutex<BTreeSet<(AccountId, String)>>,
    ended: Notify,
}

/// The right to run; it ends with this value.
#[derive(Debug)]
pub struct RunPermit {
    shared: Arc<Shared>,
    run: (AccountId, String),
}

impl Running {
    /// Begins a run. If the same one is under way it is waited for, but not long.
    pub async fn begin(&self, account: AccountId, remote: &Remote) -> Result<RunPermit, PullError> {
        let run = (account, remote.memory_name());
        let begun = timeout(WAIT_MAX, async {
            loop {
                let ended = self.shared.ended.notified();
                tokio::pin!(ended);
                // Before looking, so that an end between the look and the wait is heard.
                ended.as_mut().enable();
                if self.shared.runs().insert(run.clone()) {
                    return RunPermit { shared: Arc::clone(&self.shared), run: run.clone() };
                }
                ended.await;
            }
        });
        begun.await.map_err(|_| PullError::AlreadyRunning)
    }
}

impl Shared {
    /// The set is whole at every moment, also after a panic elsewhere.
    fn runs(&self) -> MutexGuard<'_, BTreeSet<(AccountId, String)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        self.shared.runs().remove(&self.run);
        self.shared.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_run_waits_for_the_first_to_end() {
        let running = Running::default();
        let remote: Remote = "pop3s://alice@example.org".parse().unwrap();
        let permit = running.begin(AccountId(1), &remote).await.unwrap();
        assert!(matches!(running.begin(AccountId(1), &remote).await, Err(PullError::AlreadyRunning)));
        assert!(running.begin(AccountId(2), &remote).await.is_ok());
        let (again, ()) = tokio::join!(running.begin(AccountId(1), &remote), async { drop(permit) });
        assert!(again.is_ok());
    }
}
