//! Long work that must not run beside itself: two imports of one file, or two pulls of one mailbox elsewhere, would both
//! find the same messages missing and store them twice.
//!
//! One process has the store open at a time, so it is enough to know within the process.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use postrider_store::{Account, AccountId, StoreError};
use tokio::{sync::Notify, time::timeout};

/// How long work whose command was just broken off may take to notice it.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// An account and what is done to it.
type Work = (AccountId, String);

/// The work that is under way.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    under_way: Mutex<BTreeSet<Work>>,
    ended: Notify,
}

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    shared: Arc<Shared>,
    work: Work,
}

impl Turns {
    /// Takes a turn. The same work under way is waited for, but not long: then there is none. What work that was given
    /// up had handed to the store is done when this returns.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, account: &Account, work: &str) -> Result<Option<Turn>, StoreError> {
        let Ok(turn) = timeout(WAIT_MAX, self.take((account.id(), work.to_owned()))).await else { return Ok(None) };
        // Changes are done in the order in which they are handed in: after an empty one, all before it are durable.
        account.write_notes(Vec::new()).await?;
        Ok(Some(turn))
    }

    async fn take(&self, work: Work) -> Turn {
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            // Before looking, so that an end between the look and the wait is heard.
            ended.as_mut().enable();
            if self.shared.under_way().insert(work.clone()) {
                return Turn { shared: Arc::clone(&self.shared), work };
            }
            ended.await;
        }
    }
}

impl Shared {
    /// The set is whole at every moment, also after a panic elsewhere.
    fn under_way(&self) -> MutexGuard<'_, BTreeSet<Work>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.work);
        self.shared.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use postrider_engine::memory::MemoryEngine;
    use postrider_store::{Store, StoreOptions, system_now};

    use super::*;

    async fn accounts() -> [Arc<Account>; 2] {
        let store = Store::open(Arc::new(MemoryEngine::new()), StoreOptions::default(), system_now()).await.unwrap();
        for id in [AccountId(1), AccountId(2)] {
            store.create_account(id).await.unwrap();
        }
        [store.account(AccountId(1)).await.unwrap(), store.account(AccountId(2)).await.unwrap()]
    }

    #[tokio::test(start_paused = true)]
    async fn work_waits_for_itself_but_not_for_ever() {
        let ([mine, other], turns) = (accounts().await, Turns::default());
        let first = turns.begin(&mine, "a").await.unwrap().unwrap();
        assert!(turns.begin(&mine, "b").await.unwrap().is_some());
        assert!(turns.begin(&other, "a").await.unwrap().is_some());
        assert!(turns.begin(&mine, "a").await.unwrap().is_none());
        let again = turns.clone();
        let waiting = tokio::spawn(async move { again.begin(&mine, "a").await.unwrap().is_some() });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
