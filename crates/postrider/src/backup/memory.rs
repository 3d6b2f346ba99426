//! What the safe remembers from run to run, in a small file in the data folder: when it was last filled, read back and
//! pruned, and why it last failed. Losing it loses nothing but that.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use postrider_backup::Verified;
use serde::{Deserialize, Serialize};

const FILE: &str = "backup-state.json";

/// What is remembered. Times are seconds since 1970 (UTC).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The repository that all this is about.
    pub repository: String,
    /// When it was first known: before the first backup, lateness counts from here.
    pub since: i64,
    /// When the newest attempt began.
    pub last_begun: Option<i64>,
    /// The moment of the newest snapshot.
    pub last_success: Option<i64>,
    /// The snapshot that was last read back and found right, and when.
    pub verified: Option<Verified>,
    /// When old snapshots were last removed.
    pub last_pruned: Option<i64>,
    /// Why the newest attempt failed, if it did.
    pub last_failure: Option<String>,
}

impl Memory {
    /// What is remembered of this repository; nothing of another one.
    pub fn read(data: &Path, repository: &str, now: i64) -> Self {
        let fresh = || Self { repository: repository.to_owned(), since: now, ..Self::default() };
        let path = data.join(FILE);
        match fs::read(&path).map(|bytes| serde_json::from_slice::<Self>(&bytes)) {
            Ok(Ok(memory)) if memory.repository == repository => memory,
            Ok(Err(error)) => {
                tracing::warn!("{} is unreadable and begun anew: {error}", path.display());
                fresh()
            }
            Ok(Ok(_)) | Err(_) => fresh(),
        }
    }

    /// Remembers, durably: afterwards either the new content is there or the old one.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let (path, written) = (data.join(FILE), data.join(format!("{FILE}.new")));
        let mut file = File::create(&written)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&written, &path)?;
        File::open(data)?.sync_all()
    }

    /// Whether there should have been a backup by now.
    pub fn is_late(&self, after: Duration, now: i64) -> bool {
        let last = self.last_success.unwrap_or(self.since);
        !after.is_zero() && now.saturating_sub(last) > seconds(after)
    }

    /// Whether what is to be done every so often and was last done at `last` is due.
    pub fn is_due(last: Option<i64>, every: Duration, now: i64) -> bool {
        !every.is_zero() && last.is_none_or(|last| now.saturating_sub(last) >= seconds(every))
    }
}

/// A time in whole seconds.
pub fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// The file that [`Memory`] lies in, for messages to people.
pub fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_another_repository_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { last_success: Some(5), ..Memory::read(folder.path(), "a", 1) };
        memory.write(folder.path()).unwrap();
        assert_eq!(Memory::read(folder.path(), "a", 9), memory);
        let other = Memory::read(folder.path(), "b", 9);
        assert_eq!((other.since, other.last_success), (9, None));
        fs::write(file(folder.path()), "{").unwrap();
        assert_eq!(Memory::read(folder.path(), "a", 9).last_success, None);
    }

    #[test]
    fn a_backup_is_late_after_its_time_and_before_the_first_one_too() {
        let mut memory = Memory { since: 100, ..Memory::default() };
        let after = Duration::from_secs(50);
        assert!(!memory.is_late(after, 150) && memory.is_late(after, 151));
        memory.last_success = Some(140);
        assert!(!memory.is_late(after, 151) && memory.is_late(after, 191));
        assert!(!memory.is_late(Duration::ZERO, i64::MAX));
        let ten = Duration::from_secs(10);
        assert!(Memory::is_due(None, ten, 0) && Memory::is_due(Some(5), ten, 15) && !Memory::is_due(Some(6), ten, 15));
        assert!(!Memory::is_due(None, Duration::ZERO, 0));
    }
}
