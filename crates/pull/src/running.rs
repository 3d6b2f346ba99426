//! One run at a time for each mailbox elsewhere and account here.
//!
//! Two at once would both find the same messages unknown, and store them twice. One process holds the data, so it is
//! enough to look within it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use postrider_store::AccountId;

use crate::{error::PullError, remote::Remote};

type Runs = Arc<Mutex<BTreeSet<(AccountId, String)>>>;

/// The runs that are under way.
#[derive(Debug, Clone, Default)]
pub struct Running {
    runs: Runs,
}

/// The right to run; it ends with this value.
#[derive(Debug)]
pub struct RunPermit {
    runs: Runs,
    run: (AccountId, String),
}

impl Running {
    /// Begins a run, unless the same one is under way.
    pub fn begin(&self, account: AccountId, remote: &Remote) -> Result<RunPermit, PullError> {
        let run = (account, remote.memory_name());
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if !runs.insert(run.clone()) {
            return Err(PullError::AlreadyRunning);
        }
        Ok(RunPermit { runs: Arc::clone(&self.runs), run })
    }
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_waits_for_the_first_to_end() {
        let running = Running::default();
        let remote: Remote = "pop3s://alice@example.org".parse().unwrap();
        let permit = running.begin(AccountId(1), &remote).unwrap();
        assert!(matches!(running.begin(AccountId(1), &remote), Err(PullError::AlreadyRunning)));
        assert!(running.begin(AccountId(2), &remote).is_ok());
        drop(permit);
        assert!(running.begin(AccountId(1), &remote).is_ok());
    }
}
