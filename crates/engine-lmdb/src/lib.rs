//! The embedded engine: records and small bodies in LMDB, large bodies in append-only segment files.
//!
//! One LMDB environment holds everything small; reads come straight from its memory map and copy nothing. One
//! committer thread writes: all batches that wait share one transaction and one sync. Large bodies are appended to
//! segment files and synced before the transaction that names them, because copying them through a B-tree would
//! write them twice. Deleted bodies are dead space until [`compact`](Engine::compact) rewrites their segments.
//!
//! What it deliberately does not do: `WRITEMAP` and `NOSYNC`, which trade safety of what was acknowledged for speed;
//! holes punched into files, which cost more than they win; more than one process on a folder; and anything of mail.
//!
//! Reads and answers need no runtime; the futures of reads are ready when they are returned.

mod append;
mod apply;
mod committer;
mod compact;
mod copy;
mod environment;
mod error;
mod layout;
mod mounts;
mod options;
mod read;
mod segment_file;
mod segments;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

pub use options::LmdbOptions;
use postrider_engine::{
    Batch, BodyRange, BodyWrite, BoxFuture, Direction, Engine, EngineError, EngineStatistics, KeyRange, Read,
    RecordVisitor, RecordWrite, ValueVisitor,
};
use tokio::sync::oneshot;

use crate::{
    committer::{Committer, Request, Work, submit},
    environment::Environment,
    error::{from_heed, from_io},
    layout::check_key,
    read::{Snapshot, View, ready},
    segment_file::HEADER_BYTES,
    segments::Segments,
};

/// What the engine, its threads and its snapshots share.
struct Shared {
    segments: Segments,
    environment: Environment,
    options: LmdbOptions,
    /// When each open snapshot was opened.
    readers: Mutex<BTreeMap<u64, Instant>>,
    commits: AtomicU64,
    batches: AtomicU64,
    is_closing: AtomicBool,
    /// Held by the one compaction or copy that runs.
    compacting: Mutex<()>,
    #[cfg(test)]
    faults: tests::faults::Faults,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("folder", &self.environment.segment_folder).finish_non_exhaustive()
    }
}

impl Shared {
    /// Ends long work when the engine is being closed.
    fn check_open(&self) -> Result<(), EngineError> {
        if self.is_closing.load(Ordering::Relaxed) { Err(EngineError::Closed) } else { Ok(()) }
    }

    fn statistics(&self) -> Result<EngineStatistics, EngineError> {
        let accounts = self.environment.accounts(&self.environment.read()?)?;
        let data = self.environment.env.real_disk_size().map_err(from_heed)?;
        let dead = |end: u64, live: u64| end.saturating_sub(HEADER_BYTES).saturating_sub(live);
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = readers.values().min().map(Instant::elapsed).unwrap_or_default();
        Ok(EngineStatistics {
            bytes_on_disk: accounts.iter().fold(data, |sum, (_, account)| sum.saturating_add(account.end)),
            bytes_dead: accounts.iter().map(|(_, account)| dead(account.end, account.live_bytes)).sum(),
            oldest_reader_milliseconds: u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX),
            commits: self.commits.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
        })
    }
}

/// The engine. Dropping it writes what was submitted and gives the folder free, once the last snapshot is gone too.
#[derive(Debug)]
pub struct LmdbEngine {
    shared: Arc<Shared>,
    /// To the committer; taken when closing.
    sender: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    /// Verifications, compactions and copies.
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl LmdbEngine {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder is in use by another process, lies on a network file system, or was written in a format that
    /// this version does not know; when the map cannot be reserved; when the system fails.
    pub fn open(folder: &Path, options: LmdbOptions) -> Result<Arc<Self>, EngineError> {
        let environment = Environment::open(folder, &options)?;
        let txn = environment.read()?;
        let numbers: Vec<u64> = environment.accounts(&txn)?.iter().map(|(number, _)| *number).collect();
        let after_last = numbers.last().map_or(1, |last| last + 1);
        let next_segment = environment.next_segment(&txn)?.max(after_last);
        drop(txn);
        let segments = Segments::open(&environment.segment_folder, &numbers, options.segment_files_max)?;
        let shared = Arc::new(Shared {
            segments,
            environment,
            options,
            readers: Mutex::default(),
            commits: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            compacting: Mutex::default(),
            #[cfg(test)]
            faults: tests::faults::Faults::default(),
        });
        let (sender, requests) = mpsc::channel();
        let committer = Committer::new(Arc::clone(&shared), next_segment);
        let committer = spawn("postrider-committer", move || committer.run(&requests))?;
        Ok(Arc::new(Self { shared, sender: Some(sender), committer: Some(committer), background: Mutex::default() }))
    }

    /// Copies the whole store into `folder`, which must be empty or not there, while it is in use. The copy has one
    /// committed state, no older than the call, and is a store like this one. Compactions wait meanwhile.
    ///
    /// # Errors
    /// When the folder is not empty, or the system fails. What was copied by then is left there, and is no store.
    pub fn copy_to(&self, folder: &Path) -> BoxFuture<'static, Result<(), EngineError>> {
        let folder = folder.to_owned();
        self.in_background("postrider-copy", move |shared| {
            let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
            copy::copy(shared, &folder)
        })
    }

    /// Runs long work on a thread of its own.
    fn in_background<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Shared) -> Result<T, EngineError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, EngineError>> {
        let shared = Arc::clone(&self.shared);
        let (answer, outcome) = oneshot::channel();
        let spawned = spawn(name, move || {
            let done = work(&shared);
            // Let go before the answer: who has it may close the engine and open the folder again.
            drop(shared);
            let _ = answer.send(done);
        });
        let handle = match spawned {
            Ok(handle) => handle,
            Err(error) => return ready(Err(error)),
        };
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        background.retain(|running| !running.is_finished());
        background.push(handle);
        Box::pin(async { outcome.await.unwrap_or(Err(EngineError::Closed)) })
    }

    fn with_transaction<'a>(
        &self,
        read: impl FnOnce(&heed::RoTxn<'_, heed::WithoutTls>) -> Result<(), EngineError>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.shared.environment.read().and_then(|txn| read(&txn)))
    }
}

impl Drop for LmdbEngine {
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::Relaxed);
        // Compactions use the committer, so they end first; the committer ends when no sender is left.
        let background = std::mem::take(self.background.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in background {
            let _ = thread.join();
        }
        drop(self.sender.take());
        if let Some(Err(_)) = self.committer.take().map(JoinHandle::join) {
            tracing::error!("the committer had ended by a panic");
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| from_io("a thread", error))
}

/// Refuses a batch with a key outside the bounds.
fn check_keys(batch: &Batch) -> Result<(), EngineError> {
    batch.expectations.iter().try_for_each(|(key, _)| check_key(key))?;
    batch.records.iter().try_for_each(|write| match write {
        RecordWrite::Put(key, _) | RecordWrite::Delete(key) => check_key(key),
        RecordWrite::DeleteRange(_) => Ok(()),
    })?;
    batch.bodies.iter().try_for_each(|write| match write {
        BodyWrite::Put(key, _) | BodyWrite::Delete(key) => check_key(key),
        BodyWrite::DeleteRange(_) => Ok(()),
    })
}

impl Read for LmdbEngine {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_transaction(|txn| read::get(&self.shared, txn, keys, visit))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_transaction(|txn| read::scan(&self.shared, txn, range, direction, visit))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        let view = View::open(&self.shared, || self.shared.environment.env.read_txn());
        ready(view.and_then(|view| read::bodies(&self.shared, &view.txn, &view.table, wanted, visit)))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_transaction(|txn| read::scan_bodies(&self.shared, txn, range, visit))
    }
}

impl Engine for LmdbEngine {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), EngineError>> {
        let Some(sender) = &self.sender else { return ready(Err(EngineError::Closed)) };
        if let Err(error) = check_keys(&batch) {
            return ready(Err(error));
        }
        let outcome = submit(sender, Work::Batch(batch));
        Box::pin(async { outcome.await.unwrap_or(Err(EngineError::Closed)) })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Read>, EngineError>> {
        ready(Snapshot::open(&self.shared).map(|snapshot| Box::new(snapshot) as Box<dyn Read>))
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        self.in_background("postrider-verify", verify::verify)
    }

    fn compact(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        let Some(sender) = self.sender.clone() else { return ready(Err(EngineError::Closed)) };
        self.in_background("postrider-compact", move |shared| {
            let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
            compact::compact(shared, &sender)
        })
    }

    fn statistics(&self) -> BoxFuture<'_, Result<EngineStatistics, EngineError>> {
        ready(self.shared.statistics())
    }
}
