//! How the `[[pull]]` entries of a running server are doing, for whoever asks.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::control::Failure;

/// What one entry does and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullStatus {
    /// What it is called.
    pub name: String,
    /// Where the mail is.
    pub url: String,
    /// The account here.
    pub into: String,
    /// What it is doing.
    pub phase: Phase,
    /// Whether the server there tells of new mail.
    pub push: PushState,
    /// Runs since the server started or the entry was changed.
    pub runs: u64,
    /// Messages stored by them.
    pub fetched: u64,
    /// Runs that failed since the last one that did not.
    pub failures: u32,
    /// When the last run ended, seconds since 1970 (UTC).
    pub last_run: Option<u64>,
    /// When the last run that was complete ended, seconds since 1970 (UTC).
    pub last_success: Option<u64>,
    /// Messages that the last run stored.
    pub last_fetched: Option<u64>,
    /// Messages there that wait for a backup before they are removed.
    #[serde(default)]
    pub waiting_for_backup: u64,
    /// What went wrong in the last run.
    pub last_error: Option<Failure>,
    /// When the next run is due, seconds since 1970 (UTC).
    pub next_run: Option<u64>,
}

/// What an entry is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Until the next run is due, or the server there tells of news.
    Waiting,
    /// For other runs to end, as there are enough at one time.
    Queued,
    /// It fetches.
    Running,
    /// Nothing, as the login was refused; until the password or the configuration is another one.
    LoginRefused,
}

/// Whether the server there tells of new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// Nobody asked for it.
    Off,
    /// The connection for it is being made, or broke and will be made again.
    Connecting,
    /// It tells of INBOX.
    Inbox,
    /// It tells of all mailboxes.
    AllMailboxes,
    /// It cannot.
    NotOffered,
}

/// All entries, each with the name by which it is found again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PullBoard(Arc<Mutex<Vec<(String, PullStatus)>>>);

impl PullStatus {
    /// An entry that has done nothing yet.
    pub fn new(name: String, url: String, into: String) -> Self {
        Self {
            name,
            url,
            into,
            phase: Phase::Waiting,
            push: PushState::Off,
            runs: 0,
            fetched: 0,
            failures: 0,
            last_run: None,
            last_success: None,
            last_fetched: None,
            waiting_for_backup: 0,
            last_error: None,
            next_run: None,
        }
    }
}

impl PullBoard {
    /// All entries, in the order of the configuration.
    pub fn statuses(&self) -> Vec<PullStatus> {
        self.entries().iter().map(|(_, status)| status.clone()).collect()
    }

    /// Keeps those entries that `order` names, in its order, and takes in those that are new.
    pub fn arrange(&self, order: Vec<(String, PullStatus)>) {
        let mut entries = self.entries();
        let mut before = std::mem::take(&mut *entries);
        for (identity, new) in order {
            let position = before.iter().position(|(known, _)| *known == identity);
            entries.push(position.map_or((identity, new), |position| before.swap_remove(position)));
        }
    }

    /// Forgets an entry's past.
    pub fn reset(&self, identity: &str, status: PullStatus) {
        self.change(identity, |known| *known = status);
    }

    /// Whether an entry does nothing, as its login was refused.
    pub fn is_halted(&self, identity: &str) -> bool {
        self.entries().iter().any(|(known, status)| known == identity && status.phase == Phase::LoginRefused)
    }

    /// Changes what is told of an entry, if it is still there.
    pub fn change(&self, identity: &str, change: impl FnOnce(&mut PullStatus)) {
        if let Some((_, status)) = self.entries().iter_mut().find(|(known, _)| known == identity) {
            change(status);
        }
    }

    /// The list is whole at every moment, also after a panic elsewhere.
    fn entries(&self) -> MutexGuard<'_, Vec<(String, PullStatus)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970 (UTC).
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_stays_keeps_its_past_and_one_that_goes_is_forgotten() {
        let board = PullBoard::default();
        let new = |name: &str| (name.to_owned(), PullStatus::new(name.into(), String::new(), String::new()));
        board.arrange(vec![new("a"), new("b")]);
        board.change("b", |status| status.runs = 3);
        board.arrange(vec![new("b"), new("c")]);
        let told: Vec<_> = board.statuses().into_iter().map(|status| (status.name, status.runs)).collect();
        assert_eq!(told, [("b".to_owned(), 3), ("c".to_owned(), 0)]);
        board.change("a", |_| panic!("it is gone"));
        board.reset("b", new("b").1);
        assert_eq!(board.statuses()[0].runs, 0);
    }
}
