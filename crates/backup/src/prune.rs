//! Old snapshots go, and the space that nothing needs any more.
//!
//! The library prunes in two phases, so that nobody who reads or writes meanwhile loses anything: files that no snapshot needs are
//! marked, and removed by a later prune once they have been marked for a while. So space comes back with the second prune. What
//! is kept is written before what it replaces goes; broken off at any moment, all snapshots that stay are whole, and the
//! next prune tidies up.

use std::{sync::Arc, time::Duration};

use rustic_core::{
    KeepOptions, PrunePlan,
    jiff::{Span, Zoned},
    repofile::{SnapshotFile, SnapshotId as LibraryId},
};

use crate::{
    blocking::blocking,
    error::BackupError,
    gate::Ledger,
    observer::{Observer, Phase, Progress},
    repository::{Inner, Repository},
    snapshots::{self, PARTIAL_TAG, SnapshotId, SnapshotInfo},
};

/// Whether something is done, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// It is done.
    #[default]
    Do,
    /// It is only told what would be done.
    Tell,
}

/// Why a snapshot stays that is in [`PruneOptions::protect`], in [`PruneReport::kept`].
pub const PROTECTED: &str = "protected";

/// Which snapshots stay: those that any rule wants. Without any rule all stay.
///
/// Snapshots of some accounts only are counted on their own. The latest of all accounts always stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepRules {
    /// The last ones.
    pub last: Option<u32>,
    /// The last of each of so many hours.
    pub hourly: Option<u32>,
    /// The last of each of so many days.
    pub daily: Option<u32>,
    /// The last of each of so many weeks.
    pub weekly: Option<u32>,
    /// The last of each of so many months.
    pub monthly: Option<u32>,
    /// The last of each of so many years.
    pub yearly: Option<u32>,
}

impl KeepRules {
    fn to_library(self) -> Option<KeepOptions> {
        let number = |rule: Option<u32>| rule.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        let has_rule = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        has_rule.iter().any(Option::is_some).then(|| {
            KeepOptions::default()
                .keep_last(number(self.last))
                .keep_hourly(number(self.hourly))
                .keep_daily(number(self.daily))
                .keep_weekly(number(self.weekly))
                .keep_monthly(number(self.monthly))
                .keep_yearly(number(self.yearly))
        })
    }
}

/// How pruning is done.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// Which snapshots stay.
    pub keep: KeepRules,
    /// Snapshots that stay whatever the rules say, such as one that others rely on.
    pub protect: Vec<SnapshotId>,
    /// How long files stay after they were marked. It must be longer than any run, restore or verification takes.
    pub marked_kept: Duration,
    /// Whether it is done.
    pub work: Work,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            keep: KeepRules::default(),
            protect: Vec::new(),
            marked_kept: Duration::from_secs(23 * 60 * 60),
            work: Work::Do,
        }
    }
}

/// What pruning did, or would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PruneReport {
    /// Snapshots that stay, each with the rules that want it.
    pub kept: Vec<(SnapshotInfo, Vec<String>)>,
    /// Snapshots that went.
    pub removed: Vec<SnapshotInfo>,
    /// Bytes that were freed: those marked by an earlier prune.
    pub bytes_freed: u64,
    /// Bytes that are marked, to be freed by a later prune.
    pub bytes_marked: u64,
    /// Bytes of files that were partly needed and written anew without the rest.
    pub bytes_repacked: u64,
    /// Bytes that the snapshots need.
    pub bytes_used: u64,
}

impl Repository {
    /// Removes the snapshots that no rule wants, and marks and frees what nothing needs.
    ///
    /// # Errors
    /// [`BackupError::Busy`] while a run or another prune is at it; [`BackupError::Damaged`] if something that a snapshot needs is
    /// missing: then nothing is freed.
    pub async fn prune(&self, options: PruneOptions, observer: Arc<dyn Observer>) -> Result<PruneReport, BackupError> {
        let inner = Arc::clone(&self.inner);
        blocking(move |_| prune(&inner, &options, &*observer)).await
    }
}

fn prune(inner: &Inner, options: &PruneOptions, observer: &dyn Observer) -> Result<PruneReport, BackupError> {
    let writing = inner.begin_writing()?;
    if options.work == Work::Do {
        inner.remove_leftovers(&writing);
    }
    let tell = || {
        let progress = Progress { phase: Phase::Pruning, messages: 0, messages_total: None, bytes: 0 };
        observer.progress(progress);
    };
    tell();
    let ledger = Arc::new(Ledger::default());
    let library = inner.open(&ledger)?;
    // One that cannot be read must not be taken for one that needs nothing.
    let all = inner.checked(library.get_all_snapshots())?;
    let mut report = PruneReport::default();
    let mut removed = Vec::new();
    for judged in judge(inner, snapshots::ours(all), options)? {
        match judged.reasons.is_empty() {
            true => {
                removed.push(judged.snapshot.id);
                report.removed.push(SnapshotInfo::of(&judged.snapshot));
            }
            false => report.kept.push((SnapshotInfo::of(&judged.snapshot), judged.reasons)),
        }
    }
    if options.work == Work::Do && !removed.is_empty() {
        inner.checked(library.delete_snapshots(&removed))?;
    }
    let plan_options = library_options(options, &removed)?;
    let plan = inner.checked(library.prune_plan(&plan_options))?;
    count(&plan, &mut report);
    if options.work == Work::Do {
        tell();
        let outcome = library.prune(&plan_options, plan);
        if let Some(failure) = ledger.take_failure() {
            return Err(failure);
        }
        inner.checked(outcome)?;
    }
    Ok(report)
}

fn library_options(options: &PruneOptions, removed: &[LibraryId]) -> Result<rustic_core::PruneOptions, BackupError> {
    let seconds = i64::try_from(options.marked_kept.as_secs()).unwrap_or(i64::MAX);
    let marked_kept = Span::new().try_seconds(seconds).map_err(|error| BackupError::Ended(error.to_string()))?;
    let library = rustic_core::PruneOptions::default().keep_delete(marked_kept);
    Ok(match options.work {
        Work::Do => library,
        Work::Tell => library.ignore_snaps(removed.to_vec()),
    })
}

fn count(plan: &PrunePlan, report: &mut PruneReport) {
    let size = plan.stats.size_sum();
    report.bytes_freed = plan.stats.size_to_delete.remove;
    report.bytes_marked = size.remove + size.repackrm + plan.stats.size_unref + plan.stats.size_to_delete.keep;
    report.bytes_repacked = size.repack;
    report.bytes_used = size.used;
}

struct Judged {
    snapshot: SnapshotFile,
    /// Why it stays; empty if it does not.
    reasons: Vec<String>,
}

fn judge(inner: &Inner, ours: Vec<SnapshotFile>, options: &PruneOptions) -> Result<Vec<Judged>, BackupError> {
    let latest = ours.iter().rfind(|snapshot| !snapshot.tags.contains(PARTIAL_TAG)).map(|snapshot| snapshot.id);
    let Some(rules) = options.keep.to_library() else {
        let reasons = || vec![String::from("no rule")];
        return Ok(ours.into_iter().map(|snapshot| Judged { snapshot, reasons: reasons() }).collect());
    };
    let (partial, whole): (Vec<_>, Vec<_>) = ours.into_iter().partition(|snapshot| snapshot.tags.contains(PARTIAL_TAG));
    let now = Zoned::now();
    let mut judged = Vec::new();
    for group in [whole, partial] {
        for judgement in inner.checked(rules.apply(group, &now))? {
            let snapshot = judgement.snapshot;
            let mut reasons = if judgement.keep { judgement.reasons } else { Vec::new() };
            if Some(snapshot.id) == latest {
                reasons.push(String::from("latest"));
            }
            if options.protect.contains(&SnapshotId::of(&snapshot)) {
                reasons.push(PROTECTED.to_owned());
            }
            judged.push(Judged { snapshot, reasons });
        }
    }
    judged.sort_by(|a, b| a.snapshot.time.cmp(&b.snapshot.time));
    Ok(judged)
}
