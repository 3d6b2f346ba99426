//! What the engine, its threads and its snapshots share, and the signals between them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use postrider_engine::{EngineError, EngineStatistics};

use crate::{
    LmdbOptions, disk::Disk, environment::Environment, error::from_heed, layout::SegmentAccount, overlay::Overlay,
    room::Room, segments::Segments, view::View,
};

/// What the engine, its threads and its snapshots share.
pub(crate) struct Shared {
    /// What is not in LMDB yet.
    pub overlay: Overlay,
    /// The segments' files.
    pub segments: Segments,
    /// LMDB.
    pub environment: Environment,
    /// What is done about a full device.
    pub room: Room,
    /// How the journal's files are written.
    pub disk: Arc<dyn Disk>,
    /// What the operator has set.
    pub options: LmdbOptions,
    /// When each open snapshot was opened.
    pub readers: Mutex<BTreeMap<u64, Instant>>,
    /// Frames written.
    pub commits: AtomicU64,
    /// Batches in them.
    pub batches: AtomicU64,
    /// Transactions of LMDB.
    pub transactions: AtomicU64,
    /// Held by the one compaction that runs.
    pub compacting: Mutex<()>,
    /// Held while segments may be removed, or to keep them from being.
    pub retiring: Mutex<()>,
    is_closing: AtomicBool,
    /// Whether something is worth compacting.
    compaction: Mutex<bool>,
    /// Compaction is wanted, or the engine is being closed.
    signal: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("folder", &self.environment.segment_folder).finish_non_exhaustive()
    }
}

impl Shared {
    /// What is shared by an engine that is being opened.
    pub fn new(
        environment: Environment,
        segments: Segments,
        overlay: Overlay,
        disk: Arc<dyn Disk>,
        options: LmdbOptions,
    ) -> Self {
        let room = Room::new(&environment.folder, &options);
        Self {
            overlay,
            segments,
            room,
            environment,
            disk,
            options,
            readers: Mutex::default(),
            commits: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            compacting: Mutex::default(),
            retiring: Mutex::default(),
            is_closing: AtomicBool::new(false),
            // What is worth it at opening is found, too.
            compaction: Mutex::new(true),
            signal: Condvar::new(),
        }
    }

    /// Ends long work when the engine is being closed.
    pub fn check_open(&self) -> Result<(), EngineError> {
        if self.is_closing.load(Ordering::Relaxed) { Err(EngineError::Closed) } else { Ok(()) }
    }

    /// Says that the engine is being closed.
    pub fn close(&self) {
        let _wanted = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_closing.store(true, Ordering::Relaxed);
        self.signal.notify_all();
    }

    /// Says that something is worth compacting.
    pub fn wake_compaction(&self) {
        let mut wanted = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        if !*wanted {
            *wanted = true;
            self.signal.notify_all();
        }
    }

    /// Waits until something is worth compacting. False if the engine is being closed.
    pub fn wait_for_compaction(&self) -> bool {
        let mut wanted = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.check_open().is_err() {
                return false;
            }
            if std::mem::take(&mut *wanted) {
                return true;
            }
            wanted = self.signal.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a time, or until the engine is being closed.
    pub fn sleep(&self, time: Duration) -> Result<(), EngineError> {
        let until = Instant::now() + time;
        let mut wanted = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.check_open()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            wanted = self.signal.wait_timeout(wanted, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lays out the reserve that a store of this size should have.
    pub fn keep_room(&self) {
        match self.statistics() {
            Ok(statistics) => self.room.keep(&*self.disk, statistics.bytes_on_disk),
            Err(error) => tracing::warn!(%error, "the size of the store could not be found out"),
        }
    }

    /// Figures for operators. What is dead is told of what has been applied.
    pub fn statistics(&self) -> Result<EngineStatistics, EngineError> {
        let view = View::now(self)?;
        let accounts = self.environment.accounts(&view.txn)?;
        let mut ends: BTreeMap<u64, u64> = accounts.iter().map(|(segment, account)| (*segment, account.end)).collect();
        ends.extend(view.state.ends());
        let data = self.environment.env.real_disk_size().map_err(from_heed)?;
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = readers.values().min().map(Instant::elapsed).unwrap_or_default();
        Ok(EngineStatistics {
            bytes_on_disk: ends.values().fold(data, |sum, end| sum.saturating_add(*end)),
            bytes_dead: accounts.iter().map(|(_, account)| SegmentAccount::dead_bytes(account)).sum(),
            oldest_reader_milliseconds: u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX),
            commits: self.commits.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
        })
    }
}
