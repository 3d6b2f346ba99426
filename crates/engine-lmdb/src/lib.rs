//! The embedded engine: a journal of segment files that is at the same time the store of bodies, and LMDB for records.
//!
//! A commit costs one flush of the device. The batches that wait are written as one checksummed *frame* behind the last
//! one in the current segment file (modules `journal` and `frame`), bodies inside; one `fdatasync`; then they are made
//! visible in an *overlay* in memory (`overlay`) and acknowledged. A second thread writes what the overlay holds to LMDB
//! (`applier`), many groups in one transaction, bodies as locations in the segments: a body is written once and never
//! copied. LMDB's own two flushes for each transaction are so out of everybody's way. Reads see both as one state
//! (`view`); records come straight from LMDB's memory map and are not copied. Opening replays the frames that LMDB does
//! not have (`replay`). Deleted bodies, and everything else in frames, are dead space; segments without a live body
//! are unlinked, those that are mostly dead are rewritten in the background (`compact`).
//!
//! The alternative, which this replaced, is to commit to LMDB itself: two flushes for each group, three with bodies in
//! files, and every page on the path to a changed record written for each. Beside it, by turns on one virtio disk in a
//! slow mood (350 to 600 flushes a second), medians: one thread's deliveries 413/s to 127/s, 16 threads' 7,900/s to
//! 1,250/s, 64 threads' 9,900/s to 3,600/s; small updates of one thread 380/s to 220/s, of 16 threads 44,800/s to
//! 4,100/s; at half to nine tenths of the CPU for each. `examples/durable_commits.rs` is the meter.
//!
//! # Durability
//! What was acknowledged is in a frame that the device has reported durable, and stays there until a transaction of
//! LMDB that holds it is durable. After loss of power a frame counts as a whole or not at all: it is found by its
//! checksums, which cover operations and bodies, and the first one that does not match ends the journal. A group whose
//! write or sync failed is answered with an error; its frame is void unless the process ends before the next frame, so
//! it may be there after a crash, as a whole. This rests on the device keeping what it has reported as flushed, and on
//! LMDB's own commits. What is in doubt is never appended to: after a failure, and after every start, a new segment is
//! begun.
//!
//! # When there is no room
//! A commit that finds no room on the device for its frame is refused. So is one for which LMDB's map may not have
//! room: what it holds plus what the overlay will add, guessed upwards, must stay below `map_bytes_max`. The map itself
//! is larger by a reserve of address space for what transactions need by the way, so that all that was acknowledged can
//! be applied. Should LMDB's file still find no room, on the device or because an old snapshot holds its free pages,
//! the overlay is kept, served, and applied later; it is in the journal already. Commits are refused when the overlay
//! is full.
//!
//! On a device that is full as a whole a reserve is given back, from which changes of records and deletions are written;
//! bodies are refused until there is room for it again (`room`). Opening needs no room: what cannot be replayed into LMDB
//! stays in the overlay.
//!
//! What the engine deliberately does not do: `WRITEMAP` and `NOSYNC`, which trade safety of what was acknowledged for
//! speed; holes punched into files, which cost more than they win; more than one process on a folder; and anything of
//! mail.
//!
//! Reads and answers need no runtime; the futures of reads are ready when they are returned.

mod applier;
mod apply;
mod bodies;
mod checksum;
mod committer;
mod compact;
mod copy;
mod disk;
mod environment;
mod error;
mod frame;
mod group;
mod growth;
mod journal;
mod layer;
mod layout;
mod mounts;
mod open;
mod options;
mod overlay;
mod read;
mod replay;
mod room;
mod run;
mod segment_file;
mod segments;
mod shared;
mod snapshot;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod walk;

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

pub use options::LmdbOptions;
use postrider_engine::{
    Batch, BodyRange, BodyWrite, BoxFuture, Direction, Engine, EngineError, EngineStatistics, KeyRange, Read,
    RecordVisitor, RecordWrite, ValueVisitor,
};
use tokio::sync::oneshot;

use crate::{
    applier::Applier,
    committer::{Committer, Request, Work, submit},
    disk::{Disk, SystemDisk},
    error::from_io,
    journal::Journal,
    layout::check_key,
    open::Opened,
    read::ready,
    shared::Shared,
    snapshot::Snapshot,
    view::View,
};

/// The engine. Dropping it writes what was submitted and gives the folder free, once the last snapshot is gone too.
#[derive(Debug)]
pub struct LmdbEngine {
    shared: Arc<Shared>,
    /// To the committer; taken when closing.
    sender: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    applier: Option<JoinHandle<()>>,
    /// Lays out zeros ahead of the journal; ends when the committer has.
    growth: Option<JoinHandle<()>>,
    /// Verifications, compactions and copies.
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl LmdbEngine {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder is in use by another process, lies on a network file system, or was written in a format that
    /// this version does not know; when the map cannot be reserved; when something that was committed is damaged and
    /// not in LMDB yet; when the system fails.
    pub fn open(folder: &Path, options: LmdbOptions) -> Result<Arc<Self>, EngineError> {
        Self::open_on(folder, options, Arc::new(SystemDisk))
    }

    fn open_on(folder: &Path, options: LmdbOptions, disk: Arc<dyn Disk>) -> Result<Arc<Self>, EngineError> {
        let Opened { shared, accounts, tail, next_segment } = open::open(folder, options, disk)?;
        let (chores, asked) = mpsc::channel();
        let growing = Arc::clone(&shared);
        let growth = spawn("postrider-growth", move || growth::run(&growing, &asked))?;
        let applier = Applier::new(Arc::clone(&shared), accounts);
        let journal = Journal::new(Arc::clone(&shared), chores, next_segment, tail.sequence);
        let committer = Committer::new(Arc::clone(&shared), journal);
        let (sender, requests) = mpsc::channel();
        // From here on, dropping the engine ends what has begun.
        let mut engine = Self {
            shared: Arc::clone(&shared),
            sender: Some(sender.clone()),
            committer: None,
            applier: None,
            growth: Some(growth),
            background: Mutex::default(),
        };
        engine.applier = Some(spawn("postrider-applier", move || applier.run())?);
        engine.committer = Some(spawn("postrider-committer", move || committer.run(&requests))?);
        let compaction = spawn("postrider-compaction", move || compact::run(&shared, &sender))?;
        engine.background.get_mut().unwrap_or_else(PoisonError::into_inner).push(compaction);
        Ok(Arc::new(engine))
    }

    /// Copies the whole store into `folder`, which must be empty or not there, while it is in use. The copy has one
    /// committed state, no older than the call, and is a store like this one. No segment is removed meanwhile.
    ///
    /// # Errors
    /// When the folder is not empty, or the system fails. What was copied by then is left there, and is no store.
    pub fn copy_to(&self, folder: &Path) -> BoxFuture<'static, Result<(), EngineError>> {
        let folder = folder.to_owned();
        self.in_background("postrider-copy", move |shared| copy::copy(shared, &folder))
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

    fn with_view<'a>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<(), EngineError>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(View::now(&self.shared).and_then(|view| read(&view)))
    }
}

impl Drop for LmdbEngine {
    fn drop(&mut self) {
        self.shared.close();
        // Compactions use the committer and wait for the applier, so they end first; the committer ends when no sender
        // is left, the growth of files with it, and then the applier when all is applied.
        let background = std::mem::take(self.background.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in background {
            let _ = thread.join();
        }
        drop(self.sender.take());
        let committed = self.committer.take().map(JoinHandle::join);
        self.shared.overlay.finish();
        let applied = self.applier.take().map(JoinHandle::join);
        let grown = self.growth.take().map(JoinHandle::join);
        if [committed, applied, grown].iter().flatten().any(Result::is_err) {
            tracing::error!("a thread of the engine had ended by a panic");
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
        self.with_view(|view| read::get(&self.shared, view, keys, visit))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_view(|view| read::scan(&self.shared, view, range, direction, visit))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_view(|view| bodies::bodies(&self.shared, view, wanted, visit))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.with_view(|view| read::scan_bodies(&self.shared, view, range, visit))
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
