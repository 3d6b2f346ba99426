//! What every write to a repository passes through.
//!
//! The library underneath has two habits that a safe cannot have. Of what it backs up it passes over files that it cannot
//! read, and writes the snapshot without them: the gate refuses the snapshot's file once anything failed. And its local storage
//! flushes files but not the folders that name them: the gate flushes these too, so that what was answered is there after a
//! power failure. Packs and indexes are let through even after a failure: they are true, and the next run need not write them again.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use crate::error::BackupError;

/// How often a distant storage is asked again for a list that differs from the one before: somebody may be writing to it.
const LISTINGS_MAX: usize = 5;

/// What went wrong first, and what was written.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    failure: Mutex<Option<BackupError>>,
    bytes_written: AtomicU64,
}

impl Ledger {
    /// Notes a failure; the first one counts.
    pub(crate) fn fail(&self, error: BackupError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn take_failure(&self) -> Option<BackupError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Bytes that were handed to the storage.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }
}

/// A storage whose writes are durable and counted.
pub(crate) struct Gate {
    pub(crate) inner: Arc<dyn WriteBackend>,
    pub(crate) location: String,
    /// Where it is, if it is a folder.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Gate {
    fn flush_folder_of(&self, kind: FileType, id: &Id) -> RusticResult<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = match kind {
            FileType::Config => folder.clone(),
            FileType::Pack => folder.join(kind.dirname()).join(id.to_hex().as_str().get(..2).unwrap_or_default()),
            _ => folder.join(kind.dirname()),
        };
        self.flush(&path)
    }

    fn flush(&self, path: &Path) -> RusticResult<()> {
        flush_folder(path).map_err(|error| {
            RusticError::with_source(ErrorKind::InputOutput, "Failed to flush the folder `{path}`", error)
                .attach_context("path", path.display().to_string())
        })
    }

    /// A list on which a distant storage agrees with itself. The library leaves out, with a line in the log, what it could not list there: a
    /// snapshot that pruning does not see is one whose mail it takes for unneeded.
    fn settled<T: Ord>(&self, list: impl Fn() -> RusticResult<Vec<T>>) -> RusticResult<Vec<T>> {
        let mut listed = list()?;
        if self.folder.is_some() {
            return Ok(listed);
        }
        listed.sort_unstable();
        for _ in 0..LISTINGS_MAX {
            let mut again = list()?;
            again.sort_unstable();
            if again == listed {
                return Ok(listed);
            }
            listed = again;
        }
        Err(RusticError::new(ErrorKind::Backend, "The storage lists other files each time it is asked."))
    }

    /// Keeps a failed write in mind: some of the library's threads only log theirs.
    fn noted<T>(&self, outcome: RusticResult<T>) -> RusticResult<T> {
        outcome.inspect_err(|error| self.ledger.fail(BackupError::of_library(&self.location, error)))
    }
}

/// Makes the names in a folder durable.
fn flush_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

impl ReadBackend for Gate {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.settled(|| self.inner.list_with_size(kind))
    }

    fn list(&self, kind: FileType) -> RusticResult<Vec<Id>> {
        self.settled(|| self.inner.list(kind))
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.inner.read_full(kind, id)
    }

    fn read_partial(&self, kind: FileType, id: &Id, cacheable: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.inner.read_partial(kind, id, cacheable, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }

    fn needs_warm_up(&self) -> bool {
        self.inner.needs_warm_up()
    }

    fn warm_up(&self, kind: FileType, id: &Id) -> RusticResult<()> {
        self.inner.warm_up(kind, id)
    }
}

impl WriteBackend for Gate {
    fn create(&self) -> RusticResult<()> {
        self.noted(self.inner.create())?;
        let Some(folder) = &self.folder else { return Ok(()) };
        let data = folder.join(FileType::Pack.dirname());
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        [data.as_path(), folder.as_path()].into_iter().chain(above).try_for_each(|path| self.noted(self.flush(path)))
    }

    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        if kind == FileType::Snapshot && self.ledger.has_failed() {
            return Err(RusticError::new(ErrorKind::Other, "The snapshot is not whole and is not written."));
        }
        let bytes = content.size() as u64;
        self.noted(self.inner.write_bytes(kind, id, cacheable, content))?;
        let flushed = self.noted(self.flush_folder_of(kind, id));
        if flushed.is_err() && kind == FileType::Snapshot {
            // The caller is told that there is none; what may be gone after a power failure must not be taken for one.
            let _ = self.inner.remove(kind, id, cacheable);
        }
        flushed?;
        self.ledger.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        self.noted(self.inner.remove(kind, id, cacheable))
    }
}
