//! What is done about a full device: a reserve that is given back, and who may use it.
//!
//! On a full device everything that is stored can still be read, but not even a deletion can be written. So a file
//! beside the store, `reserve`, takes some room for no use. When a write finds none, the file is emptied, and from then on
//! only batches without bodies are taken, which are small and may make room: changes of records and deletions. Bodies
//! are refused until the reserve can be laid out once more, with some room left beside it; that is tried when a body
//! comes, and needs no new start. A small store has a small reserve.
//!
//! A write of LMDB that fails for want of room leaves its file as long as it came, so it would take the whole reserve and
//! have nothing of it. Its file is cut again, and while the device is full the journal waits for the end of
//! such an attempt ([`Room::alone_if_full`]).
//!
//! Opening takes no room: where LMDB has none for what is in the journal, [`replay`](crate::replay) leaves that in the
//! overlay, and the journal begins a segment only with the first frame.

use std::{
    fs::{self, File},
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use postrider_engine::EngineError;

use crate::{
    LmdbOptions,
    disk::{self, Disk},
    error::{at, from_io},
};

/// The reserve is this part of the store, but not less than the next, as far as the option allows.
const RESERVE_DIVISOR: u64 = 64;
const RESERVE_BYTES_MIN: u64 = 256 << 10;
/// What must fit on the device besides the reserve for it not to count as full.
const MARGIN_BYTES: u64 = 1 << 20;
/// Between looks whether the device is full.
const PROBE_PAUSE: Duration = Duration::from_millis(100);
const PIECE_BYTES: usize = 128 << 10;

/// What is said of a full device.
const FULL: &str = "the disk is full: what is stored can be read and deleted, nothing can be taken until there is room";

/// The room that is kept, and whether there is any other.
#[derive(Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    reserve_bytes_max: u64,
    retry_pause: Duration,
    is_full: AtomicBool,
    state: Mutex<Reserve>,
}

#[derive(Debug)]
struct Reserve {
    /// How long the reserve should be.
    wanted: u64,
    /// When laying it out was tried last, after the device was found full.
    tried: Option<Instant>,
    /// When the device was found not to be full last.
    probed: Option<Instant>,
}

impl Room {
    /// The room of the store in a folder; nothing is laid out yet.
    pub fn new(folder: &Path, options: &LmdbOptions) -> Self {
        let state = Reserve { wanted: RESERVE_BYTES_MIN.min(options.reserve_bytes_max), tried: None, probed: None };
        Self {
            folder: folder.to_owned(),
            reserve_bytes_max: options.reserve_bytes_max,
            retry_pause: Duration::from_millis(options.reserve_retry_milliseconds),
            is_full: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Whether the device was full when it was last looked at.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// The answer to what is not taken on a full device.
    pub fn refusal() -> EngineError {
        EngineError::Full(FULL.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Reserve> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps others from using what is left of a full device, or from failing because it is being tried whether it is
    /// enough.
    pub fn alone_if_full(&self) -> Option<impl Drop + '_> {
        self.is_full().then(|| self.lock())
    }

    /// Lays the reserve out for a store of so many bytes. Where there is no room for the smallest one, the device is full.
    pub fn keep(&self, disk: &dyn Disk, store_bytes: u64) {
        let mut reserve = self.lock();
        let least = RESERVE_BYTES_MIN.min(self.reserve_bytes_max);
        reserve.wanted = (store_bytes / RESERVE_DIVISOR).min(self.reserve_bytes_max).max(least);
        if self.is_full() {
            return;
        }
        match self.lay_out(disk, reserve.wanted) {
            Ok(()) => {}
            Err(EngineError::Full(_)) if self.laid_out() >= least => {}
            Err(EngineError::Full(_)) => self.become_full(disk, &mut reserve),
            // It is a help, no more.
            Err(error) => tracing::warn!(%error, "no room could be kept for when the disk is full"),
        }
    }

    /// Gives the reserve back if the device is full. Answers whether it was, and was not before.
    pub fn give(&self, disk: &dyn Disk) -> bool {
        let mut reserve = self.lock();
        if self.is_full() || reserve.probed.is_some_and(|at| at.elapsed() < PROBE_PAUSE) {
            return false;
        }
        let is_full = self.is_device_full(disk);
        if is_full {
            self.become_full(disk, &mut reserve);
        } else {
            reserve.probed = Some(Instant::now());
        }
        is_full
    }

    fn become_full(&self, disk: &dyn Disk, reserve: &mut Reserve) {
        tracing::error!(folder = %self.folder.display(), "{FULL}");
        reserve.tried = Some(Instant::now());
        self.is_full.store(true, Ordering::Release);
        self.cut(disk, 0);
    }

    /// Looks whether there is room again, unless that was done just now.
    pub fn recover(&self, disk: &dyn Disk) {
        let mut reserve = self.lock();
        if !self.is_full() || reserve.tried.is_some_and(|at| at.elapsed() < self.retry_pause) {
            return;
        }
        match self.lay_out(disk, reserve.wanted + MARGIN_BYTES) {
            Ok(()) => {
                self.cut(disk, reserve.wanted);
                self.is_full.store(false, Ordering::Release);
                tracing::info!(folder = %self.folder.display(), "there is room on the disk again");
            }
            Err(error) => {
                tracing::debug!(%error, "the disk is still full");
                self.cut(disk, 0);
                reserve.tried = Some(Instant::now());
            }
        }
    }

    /// Whether the device has no room left, found out by trying. The reserve is not looked at.
    fn is_device_full(&self, disk: &dyn Disk) -> bool {
        let path = self.folder.join("probe");
        let probed = File::create(&path)
            .and_then(|file| {
                let filled = fill(disk, &file, 0, MARGIN_BYTES).and_then(|()| file.sync_all());
                let _ = disk.cut(&file, 0);
                filled
            })
            .map_err(at(&path));
        let _ = fs::remove_file(&path);
        matches!(probed, Err(EngineError::Full(_)))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("reserve")
    }

    fn laid_out(&self) -> u64 {
        fs::metadata(self.path()).map(|found| found.len()).unwrap_or_default()
    }

    /// Makes the file so long, or leaves it as it was.
    fn lay_out(&self, disk: &dyn Disk, length: u64) -> Result<(), EngineError> {
        let path = self.path();
        let failed = |error| from_io(path.display(), error);
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?.len();
        if before >= length {
            return disk.cut(&file, length).map_err(failed);
        }
        // Some file systems find out with the sync only, and a quota may be one of another machine.
        let filled = fill(disk, &file, before, length).and_then(|()| file.sync_all());
        filled.map_err(|error| {
            let _ = disk.cut(&file, before);
            failed(error)
        })
    }

    fn cut(&self, disk: &dyn Disk, length: u64) {
        let cut = File::options().write(true).open(self.path()).and_then(|file| disk.cut(&file, length));
        if let Err(error) = cut
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the room that was kept for a full disk could not be given back");
        }
    }
}

/// Writes what a file system that compresses cannot make smaller.
fn fill(disk: &dyn Disk, file: &File, start: u64, end: u64) -> io::Result<()> {
    let mut noise = vec![0; PIECE_BYTES];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for piece in noise.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.copy_from_slice(&state.to_ne_bytes());
    }
    let mut offset = start;
    while offset < end {
        let length = usize::try_from(end - offset).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = noise.get(..length).unwrap_or_default();
        disk::write_all(disk, file, &mut [IoSlice::new(piece)], offset)?;
        offset += length as u64;
    }
    Ok(())
}
