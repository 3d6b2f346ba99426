//! Old backups go.

use std::sync::Arc;

use anyhow::Result;
use postrider_backup::{KeepRules, PROTECTED, PruneOptions, Work};

use super::{Keep, PruneAnswer, PruneWish, Safe, explained, short, teller::tell};
use crate::{config, control::Reporter, storage::Storage};

impl Safe {
    /// Removes what no rule keeps, and wins its space back.
    pub async fn prune(&self, storage: &Storage, wish: &PruneWish, reporter: &Arc<Reporter>) -> Result<PruneAnswer> {
        let _writing = self.writing.lock().await;
        let repository = self.open().await?;
        let settings = self.settings();
        let keep = wish.keep.unwrap_or_else(|| Keep::from(&settings.backup));
        // What mail was removed elsewhere for stays for as long as nothing newer vouches for it.
        let memory = settings.memory(storage.store.now());
        let options = PruneOptions {
            keep: keep.rules(),
            protect: memory.verified.into_iter().map(|verified| verified.snapshot).collect(),
            work: if wish.dry_run { Work::Tell } else { Work::Do },
            ..PruneOptions::default()
        };
        let report = tell(reporter, |observer, _| {
            let repository = &repository;
            async move { repository.prune(options, observer).await }
        })
        .await
        .map_err(explained)?;
        if !wish.dry_run {
            let now = storage.store.now();
            self.remember(now, |memory| memory.last_pruned = Some(now));
        }
        let protected = report.kept.iter().filter(|(_, reasons)| *reasons == [PROTECTED]);
        Ok(PruneAnswer {
            protected: protected.map(|(snapshot, _)| short(&snapshot.id)).collect(),
            kept: report.kept.iter().map(|(snapshot, _)| short(&snapshot.id)).collect(),
            removed: report.removed.iter().map(|snapshot| short(&snapshot.id)).collect(),
            bytes_freed: report.bytes_freed,
            bytes_marked: report.bytes_marked,
            bytes_used: report.bytes_used,
            dry_run: wish.dry_run,
        })
    }
}

impl Keep {
    fn rules(self) -> KeepRules {
        let rule = |count: u32| Some(count).filter(|count| *count > 0);
        KeepRules {
            last: rule(self.last),
            hourly: None,
            daily: rule(self.daily),
            weekly: rule(self.weekly),
            monthly: rule(self.monthly),
            yearly: rule(self.yearly),
        }
    }
}

impl From<&config::Backup> for Keep {
    fn from(backup: &config::Backup) -> Self {
        Self {
            last: backup.keep_last,
            daily: backup.keep_daily,
            weekly: backup.keep_weekly,
            monthly: backup.keep_monthly,
            yearly: backup.keep_yearly,
        }
    }
}
