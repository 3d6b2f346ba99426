//! `[backup]`: where the safe is, and when it is filled.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Span};

/// Where backups go and when they are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Where backups are kept: a folder, best on another disk, made by `postrider backup init`. It is a repository in restic's
    /// format. A relative path starts at the folder of this file. In a program that was built with the feature `remote-backup`, also
    /// `"s3:https://host/bucket/folder"` or `"rest:https://host/path"`, without name and password. Left out, there are no backups.
    pub repository: Option<String>,
    /// A file with lines `NAME=value` that open a repository that is no folder, such as `AWS_ACCESS_KEY_ID` or `RESTIC_REST_PASSWORD`.
    /// Left out, they come from the environment alone. A relative path starts at the folder of this file.
    pub access_file: Option<PathBuf>,
    /// The file with the passphrase, without which nobody can read the backups: keep a copy of it elsewhere. Left out, it is
    /// `backup-passphrase` in the data folder. A relative path starts at the folder of this file.
    pub passphrase_file: Option<PathBuf>,
    /// The time between the beginnings of two backups while the server runs, as in `"1d"` or `"6h"`. `"0s"`: only when
    /// `postrider backup run` is given.
    pub every: Span,
    /// After this time without a new backup it is late: a line in the log each hour and a metric say so. `"0s"`: never.
    pub late_after: Span,
    /// After this time the next new backup is also read back and compared, message by message. `"0s"`: only when
    /// `postrider backup verify` is given.
    pub verify_every: Span,
    /// Whether the hashes of passwords are in the backup, so that people can log in after everything was restored. Who has the backup
    /// and its passphrase can then try passwords against them.
    pub credentials: bool,
    /// How many of the newest backups are kept, whatever their age.
    pub keep_last: u32,
    /// For how many days the last backup of each is kept.
    pub keep_daily: u32,
    /// For how many weeks the last backup of each is kept.
    pub keep_weekly: u32,
    /// For how many months the last backup of each is kept.
    pub keep_monthly: u32,
    /// For how many years the last backup of each is kept.
    pub keep_yearly: u32,
    /// After this time, backups that no rule keeps are removed when the next one was made, and their space is won back. `"0s"`:
    /// only when `postrider backup prune` is given.
    pub prune_every: Span,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

impl Default for Backup {
    fn default() -> Self {
        Self {
            repository: None,
            access_file: None,
            passphrase_file: None,
            every: Span(Duration::from_secs(DAY)),
            late_after: Span(Duration::from_secs(36 * HOUR)),
            verify_every: Span(Duration::from_secs(7 * DAY)),
            credentials: false,
            keep_last: 3,
            keep_daily: 14,
            keep_weekly: 8,
            keep_monthly: 24,
            keep_yearly: 10,
            prune_every: Span(Duration::from_secs(7 * DAY)),
        }
    }
}

impl Backup {
    /// One line for each value that cannot be meant.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.repository.as_deref().is_some_and(str::is_empty) {
            problems.push("backup.repository: is empty; leave it out to have no backups".to_owned());
        }
        let kept = [self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly];
        if kept.iter().all(|kept| *kept == 0) && !self.prune_every.0.is_zero() {
            let wrong = "backup: with every keep_ value 0 all backups would go; set one, or prune_every = \"0s\"";
            problems.push(wrong.to_owned());
        }
        if !self.late_after.0.is_zero() && self.late_after.0 <= self.every.0 {
            problems.push("backup.late_after: must be longer than every, else each backup is late".to_owned());
        }
        problems
    }

    /// Makes a relative path of the repository start at `folder`; another kind of place, as in `rest:https://…`, stays.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(repository) = self.repository.as_mut().filter(|text| !text.is_empty() && !text.contains(':')) {
            *repository = folder.join(&*repository).to_string_lossy().into_owned();
        }
    }

    /// How often, if there is a schedule.
    pub fn every(&self) -> Option<Duration> {
        (self.repository.is_some() && !self.every.0.is_zero()).then_some(self.every.0)
    }
}

impl Config {
    /// The file with the passphrase of the backups.
    pub fn backup_passphrase_file(&self) -> PathBuf {
        self.backup.passphrase_file.clone().unwrap_or_else(|| self.data().join("backup-passphrase"))
    }
}
