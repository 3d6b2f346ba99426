//! The safe is filled on schedule while the server runs, and it is said when it is not.

use std::{sync::Arc, time::Duration};

use postrider_net::Shutdown;
use postrider_pull::counted;
use tokio::time::sleep;

use super::{
    PruneWish, RunWish, Safe, Settings,
    memory::{Memory, seconds},
    with_advice,
};
use crate::{control::Reporter, storage::Storage};

/// How long is waited after a failure, unless backups come more often anyway.
const RETRY: Duration = Duration::from_secs(600);
/// How often it is said that a backup is late.
const REMIND: Duration = Duration::from_secs(3600);

/// Makes backups when they are due, until the server stops. A backup that is under way then is given up; those before stay, and
/// the next one goes on from what was written.
pub async fn keep_filling(safe: Arc<Safe>, storage: Storage, mut shutdown: Shutdown) {
    let mut reminded = None;
    loop {
        // Before looking, so that a change between the look and the wait is heard.
        let changed = safe.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let settings = safe.settings();
        let now = storage.store.now();
        remind(&settings, now, &mut reminded);
        let wait = settings.wait(now);
        let pause = wait.unwrap_or(REMIND).min(REMIND);
        tokio::select! {
            () = sleep(pause) => {}
            () = &mut changed => continue,
            () = shutdown.requested() => return,
        }
        if wait.is_some_and(|wait| wait <= pause) {
            tokio::select! {
                () = safe.fill(&storage, &settings) => {}
                () = shutdown.requested() => return,
            }
        }
    }
}

impl Safe {
    /// Makes a backup, reads it back and removes old ones if that is due, and tells the log.
    async fn fill(&self, storage: &Storage, settings: &Settings) {
        let before = settings.memory(storage.store.now());
        let verified = before.verified.as_ref().map(|verified| i64::try_from(verified.at).unwrap_or(i64::MAX));
        let due = |last, every| Memory::is_due(last, every, storage.store.now());
        let wish = RunWish { accounts: Vec::new(), verify: due(verified, settings.backup.verify_every.0) };
        let reporter = Reporter::to_log("backup".to_owned());
        match self.run(storage, &wish, &reporter).await {
            Ok(answer) => {
                for finding in answer.verified.iter().flat_map(|verified| &verified.findings) {
                    tracing::error!("the backup was read back and is not right: {finding}");
                }
                tracing::info!(
                    snapshot = answer.snapshot,
                    messages = answer.messages,
                    bytes_written = answer.bytes_written,
                    verified = answer.verified.is_some(),
                    "a backup was made"
                );
            }
            Err(error) => {
                tracing::error!("no backup was made: {}", with_advice(&error));
                return;
            }
        }
        if due(before.last_pruned, settings.backup.prune_every.0) {
            match self.prune(storage, &PruneWish::default(), &reporter).await {
                Ok(answer) => tracing::info!(
                    kept = answer.kept.len(),
                    removed = answer.removed.len(),
                    bytes_freed = answer.bytes_freed,
                    "old backups were removed"
                ),
                Err(error) => tracing::error!("old backups were not removed: {}", with_advice(&error)),
            }
        }
    }
}

impl Settings {
    /// How long until a backup is due, if there is a schedule.
    pub(super) fn wait(&self, now: i64) -> Option<Duration> {
        let every = self.backup.every()?;
        let memory = self.memory(now);
        let every = if memory.last_failure.is_some() { every.min(RETRY) } else { every };
        let due = memory.last_begun.map_or(now, |begun| begun.saturating_add(seconds(every)));
        Some(Duration::from_secs(u64::try_from(due.saturating_sub(now)).unwrap_or(0)))
    }
}

/// Says in the log that a backup is late, once in a while.
fn remind(settings: &Settings, now: i64, reminded: &mut Option<i64>) {
    let memory = settings.memory(now);
    if settings.backup.every().is_none() || !memory.is_late(settings.backup.late_after.0, now) {
        *reminded = None;
        return;
    }
    if reminded.is_some_and(|last| now.saturating_sub(last) < seconds(REMIND)) {
        return;
    }
    *reminded = Some(now);
    let hours = now.saturating_sub(memory.last_success.unwrap_or(memory.since)) / 3600;
    let why = memory.last_failure.as_deref().unwrap_or("none was made");
    tracing::error!("the backup is late: there has been none for {} ({why})", counted(hours, "hour"));
}
