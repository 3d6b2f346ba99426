//! The data folder and LMDB's environment in it: opening, refusing, and the four databases.
//!
//! ```text
//! lock                     held while the folder is in use; names the process
//! reserve                  room for when the device is full
//! lmdb/data.mdb, lock.mdb  records, small bodies, locations, accounts
//! segments/*.segment       the journal, and in it the bodies
//! ```
//!
//! A folder is used by one process at a time: the committer's view of the segments is its own, so what LMDB would
//! allow, several processes on one environment, is refused here by a lock on a file beside it.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls, types::Bytes};
use postrider_engine::EngineError;

use crate::{
    LmdbOptions,
    error::{at, from_heed},
    layout::{self, FORMAT, Fields, SegmentAccount},
    mounts,
    run::Position,
};

/// A database of byte keys and byte values.
pub(crate) type Table = Database<'static, Bytes, Bytes>;

const KEY_FORMAT: &[u8] = b"format";
const KEY_APPLIED: &[u8] = b"applied";
/// The databases of [`Databases`], and a few for the versions to come.
const DATABASES_MAX: u32 = 16;
/// What LMDB keeps of a reader in its lock file, and how many of these its head takes at most.
const READER_BYTES: usize = 64;
const READERS_HEAD: usize = 16;
/// How the number of the process stands in the lock.
const HOLDER_BYTES: usize = 20;
/// Map sizes are whole multiples of this, which every page size divides.
const MAP_STEP_BYTES: u64 = 1 << 20;
/// The map is larger than what it may be filled with: what is in the journal must always find room, and a transaction
/// needs new pages for all that it changes before it gives the old ones free. Each entry of the overlay takes about
/// 100 bytes of memory at least and changes a page or two.
const MAP_RESERVE_BYTES: u64 = 1 << 30;
const MAP_RESERVE_PER_OVERLAY_BYTE: u64 = 128;
/// Pages of the databases' list and of the list of free pages, which are not counted one by one.
const UNCOUNTED_PAGES: u64 = 16;

/// The four databases.
#[derive(Clone, Copy)]
pub(crate) struct Databases {
    /// Records.
    pub records: Table,
    /// Bodies or where they are.
    pub bodies: Table,
    /// One account for each segment.
    pub segments: Table,
    /// The format and the applied position.
    pub meta: Table,
}

/// An open environment. Dropping it closes LMDB first and gives the folder free after.
pub(crate) struct Environment {
    /// LMDB's handle.
    pub env: Env<WithoutTls>,
    /// The databases in it.
    pub databases: Databases,
    /// The data folder.
    pub folder: PathBuf,
    /// Where segment files are.
    pub segment_folder: PathBuf,
    _lock: File,
}

impl Environment {
    /// Opens the folder, making it if it is not there.
    pub fn open(folder: &Path, options: &LmdbOptions) -> Result<Self, EngineError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let folder = folder.canonicalize().map_err(at(folder))?;
        mounts::refuse_network_file_system(&folder)?;
        let lock = lock(&folder.join("lock"))?;
        let segment_folder = folder.join("segments");
        let lmdb_folder = folder.join("lmdb");
        for inner in [&segment_folder, &lmdb_folder] {
            fs::create_dir_all(inner).map_err(at(inner))?;
        }
        lay_out_readers(&lmdb_folder, options.readers_max);
        let env = open_lmdb(&lmdb_folder, options)?;
        // Readers of a process that was killed would keep their pages from being reused for ever.
        let stale = env.clear_stale_readers().map_err(from_heed)?;
        if stale > 0 {
            tracing::info!(stale, "cleared readers that an earlier process left behind");
        }
        let databases = open_databases(&env)?;
        for made in [lmdb_folder.as_path(), &folder].into_iter().chain(folder.parent()) {
            sync_folder(made)?;
        }
        Ok(Self { env, databases, folder, segment_folder, _lock: lock })
    }

    /// A read transaction on the newest committed state.
    pub fn read(&self) -> Result<RoTxn<'_, WithoutTls>, EngineError> {
        self.env.read_txn().map_err(from_heed)
    }

    /// Cuts off what a transaction that failed had written behind the last page in use, which would keep its room.
    pub fn cut_unused(&self) -> Result<(), EngineError> {
        // Keeps others from writing, and is refused if LMDB does not know whether its last commit came through.
        let txn = self.env.write_txn().map_err(from_heed)?;
        let path = self.env.path().join("data.mdb");
        let page_bytes = u64::from(self.databases.meta.stat(&txn).map_err(from_heed)?.page_size);
        let used = (self.env.info().last_page_number as u64 + 1) * page_bytes;
        let file = File::options().write(true).open(&path).map_err(at(&path))?;
        if file.metadata().map_err(at(&path))?.len() > used {
            file.set_len(used).map_err(at(&path))?;
        }
        Ok(())
    }

    /// The accounts of all segments. A damaged one stands as if all were live, so that compaction lets it be.
    pub fn accounts(&self, txn: &RoTxn<'_, WithoutTls>) -> Result<Vec<(u64, SegmentAccount)>, EngineError> {
        let mut accounts = Vec::new();
        for found in self.databases.segments.iter(txn).map_err(from_heed)? {
            let (key, stored) = found.map_err(from_heed)?;
            let segment = Fields(key).number::<8>().ok_or_else(|| layout::damaged("account of segment", key))?;
            let account = SegmentAccount::unseal(segment, stored).unwrap_or_else(|error| {
                tracing::error!(segment, %error, "the account of a segment is damaged");
                SegmentAccount::DAMAGED
            });
            accounts.push((segment, account));
        }
        Ok(accounts)
    }

    /// The end of the last frame that this transaction has.
    pub fn applied(&self, txn: &RoTxn<'_, WithoutTls>) -> Result<Position, EngineError> {
        let stored = self.databases.meta.get(txn, KEY_APPLIED).map_err(from_heed)?;
        Ok(stored.map(|stored| Position::unseal(KEY_APPLIED, stored)).transpose()?.unwrap_or_default())
    }

    /// Writes the end of the last frame that this transaction has.
    pub fn put_applied(&self, txn: &mut RwTxn<'_>, applied: Position) -> Result<(), EngineError> {
        let mut stored = Vec::new();
        applied.seal(KEY_APPLIED, &mut stored);
        self.databases.meta.put(txn, KEY_APPLIED, &stored).map_err(from_heed)
    }

    /// Bytes of the map that hold something; pages that can be used again do not count.
    pub fn map_used(&self, txn: &RoTxn<'_, WithoutTls>) -> Result<u64, EngineError> {
        let Databases { records, bodies, segments, meta } = self.databases;
        let mut used = 0;
        for table in [records, bodies, segments, meta] {
            let stat = table.stat(txn).map_err(from_heed)?;
            let pages = (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64;
            used += (pages + UNCOUNTED_PAGES / 4) * u64::from(stat.page_size);
        }
        Ok(used)
    }
}

/// Makes a folder's list of names durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), EngineError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(at(folder))
}

fn lock(path: &Path) -> Result<File, EngineError> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder's number is a help for people, no more: whatever can be read of it will do.
            let _ = file.take(HOLDER_BYTES as u64).read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(EngineError::InUse(format!(
                "{}: the data folder is in use by process {holder}",
                path.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(at(path)(error)),
    }
    // Over what is there, which takes no room; and on a full device it goes without.
    let holder = format!("{:<width$}\n", std::process::id(), width = HOLDER_BYTES - 1);
    if let Err(error) = file.write_all(holder.as_bytes()) {
        tracing::debug!(%error, "the lock does not name its process");
    }
    Ok(file)
}

/// Lays out LMDB's list of readers, which it would make with holes and write to through memory: on a full device a
/// write into a hole ends the process.
fn lay_out_readers(lmdb_folder: &Path, readers_max: u32) {
    let path = lmdb_folder.join("lock.mdb");
    let length = (readers_max as usize).saturating_add(READERS_HEAD).saturating_mul(READER_BYTES);
    let is_whole = fs::metadata(&path)
        .is_ok_and(|found| found.len() >= length as u64 && found.blocks().saturating_mul(512) >= found.len());
    if is_whole {
        return;
    }
    // The folder's lock is held, so nobody is in the list.
    let outcome = File::options().write(true).create(true).truncate(false).open(&path);
    if let Err(error) = outcome.and_then(|mut file| file.write_all(&vec![0; length])) {
        tracing::debug!(%error, "LMDB's list of readers could not be laid out");
    }
}

fn open_lmdb(folder: &Path, options: &LmdbOptions) -> Result<Env<WithoutTls>, EngineError> {
    let reserve = (options.overlay_bytes_max as u64).saturating_mul(MAP_RESERVE_PER_OVERLAY_BYTE);
    let map_bytes = options.map_bytes_max.saturating_add(reserve).saturating_add(MAP_RESERVE_BYTES);
    let map_bytes = map_bytes / MAP_STEP_BYTES * MAP_STEP_BYTES;
    let map_bytes = usize::try_from(map_bytes)
        .map_err(|_| EngineError::Io(format!("map_bytes_max: this machine cannot address {map_bytes} bytes")))?;
    let mut open = EnvOpenOptions::new().read_txn_without_tls();
    open.map_size(map_bytes).max_readers(options.readers_max).max_dbs(DATABASES_MAX);
    // SAFETY: the map is undefined behaviour if its file changes under it other than by LMDB. The folder's lock,
    // which is held by now, keeps other engines out; no flag is set that turns LMDB's own locking off; the file
    // system is no network file system; and nothing else writes to a file of this name. `cut_unused` makes it shorter,
    // but not by a page that any state in LMDB can name.
    #[allow(unsafe_code, reason = "a memory map of a file cannot be opened safely; see SAFETY")]
    let opened = unsafe { open.open(folder) };
    opened.map_err(|error| match error {
        heed::Error::Io(error) if error.kind() == std::io::ErrorKind::OutOfMemory => EngineError::Io(format!(
            "{}: {map_bytes} bytes of address space could not be reserved ({error}); \
             lift the limit on virtual memory (ulimit -v) or lower map_bytes_max",
            folder.display()
        )),
        heed::Error::Mdb(MdbError::VersionMismatch) => {
            EngineError::Io(format!("{}: written by another version of LMDB", folder.display()))
        }
        error => from_heed(error),
    })
}

/// Opens the databases, making them in a new store; refuses a format that is not ours and then leaves all as it was.
fn open_databases(env: &Env<WithoutTls>) -> Result<Databases, EngineError> {
    let txn = env.write_txn().map_err(from_heed)?;
    let opened = env.create_databases_and_commit(txn, |opener, txn| {
        let meta = opener.create_database::<Bytes, Bytes>(txn, Some("meta"))?;
        let records = opener.create_database::<Bytes, Bytes>(txn, Some("records"))?;
        let bodies = opener.create_database::<Bytes, Bytes>(txn, Some("bodies"))?;
        let segments = opener.create_database::<Bytes, Bytes>(txn, Some("segments"))?;
        let is_new = records.is_empty(txn)? && bodies.is_empty(txn)?;
        match check_format(meta.get(txn, KEY_FORMAT)?, is_new) {
            Ok(true) => {}
            Ok(false) => {
                let mut stored = Vec::new();
                layout::seal(KEY_FORMAT, &FORMAT.to_be_bytes(), &mut stored);
                meta.put(txn, KEY_FORMAT, &stored)?;
            }
            Err(refusal) => return Ok(CommitOrAbort::Abort(refusal)),
        }
        Ok::<_, heed::Error>(CommitOrAbort::Commit((records, bodies, segments, meta)))
    });
    match opened.map_err(from_heed)? {
        CommitOrAbort::Commit((records, bodies, segments, meta)) => Ok(Databases { records, bodies, segments, meta }),
        CommitOrAbort::Abort(refusal) => Err(refusal),
    }
}

/// Whether the format is there (and ours), or still to be written.
fn check_format(stored: Option<&[u8]>, is_new: bool) -> Result<bool, EngineError> {
    match number(stored, KEY_FORMAT)? {
        Some(FORMAT) => Ok(true),
        Some(format) => Err(EngineError::Io(format!(
            "the store has format {format}, this program knows format {FORMAT}: use the version that wrote it or a newer one"
        ))),
        None if is_new => Ok(false),
        None => Err(EngineError::Damaged("the store does not say what format it has".to_owned())),
    }
}

fn number(stored: Option<&[u8]>, key: &[u8]) -> Result<Option<u64>, EngineError> {
    let Some(stored) = stored else { return Ok(None) };
    let value = layout::unseal("setting", key, stored)?;
    Fields(value).number::<8>().map(Some).ok_or_else(|| layout::damaged("setting", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_not_ours_is_refused() {
        let stored = |format: u64| {
            let mut stored = Vec::new();
            layout::seal(KEY_FORMAT, &format.to_be_bytes(), &mut stored);
            stored
        };
        assert!(check_format(Some(&stored(FORMAT)), false).unwrap());
        assert!(!check_format(None, true).unwrap());
        assert!(check_format(None, false).is_err());
        let refusal = check_format(Some(&stored(FORMAT + 1)), false).unwrap_err().to_string();
        assert!(refusal.contains(&format!("format {}", FORMAT + 1)), "{refusal}");
    }

    #[test]
    fn a_newer_store_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let options = LmdbOptions { map_bytes_max: 1 << 30, ..LmdbOptions::default() };
        let environment = Environment::open(folder.path(), &options).unwrap();
        let mut txn = environment.env.write_txn().unwrap();
        let mut stored = Vec::new();
        layout::seal(KEY_FORMAT, &(FORMAT + 1).to_be_bytes(), &mut stored);
        environment.databases.meta.put(&mut txn, KEY_FORMAT, &stored).unwrap();
        txn.commit().unwrap();
        drop(environment);
        for _ in 0..2 {
            let refusal = Environment::open(folder.path(), &options).err().unwrap().to_string();
            assert!(refusal.contains("format"), "{refusal}");
        }
    }

    #[test]
    fn a_folder_in_use_is_refused_by_name_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let options = LmdbOptions { map_bytes_max: 1 << 30, ..LmdbOptions::default() };
        let first = Environment::open(folder.path(), &options).unwrap();
        let refusal = Environment::open(folder.path(), &options).err().unwrap().to_string();
        assert!(refusal.contains(&format!("in use by process {}", std::process::id())), "{refusal}");
        drop(first);
        assert!(Environment::open(folder.path(), &options).is_ok());
    }

    #[test]
    fn a_map_that_cannot_be_reserved_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let options = LmdbOptions { map_bytes_max: 1 << 62, ..LmdbOptions::default() };
        let refusal = Environment::open(folder.path(), &options).err().unwrap().to_string();
        assert!(refusal.contains("lower map_bytes_max"), "{refusal}");
    }
}
