//! A copy of the whole store while it is in use.
//!
//! The order is LMDB first and the segments after, with no segment removed between: every row in the copy then has its
//! body, and what is not in LMDB's copy is in the journal's. The last segment is copied up to the last frame that was
//! acknowledged when the segments' turn came, so the copy has that state. LMDB's file is copied without its free pages,
//! so this is also how a store is made small again. It gets its name last, so that a copy that was broken off cannot be
//! taken for a store.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::PoisonError,
};

use heed::CompactionOption;
use postrider_engine::EngineError;

use crate::{
    Shared,
    environment::sync_folder,
    error::{at, from_heed},
};

/// Copies the store into `folder`, which must be empty or not there.
pub(crate) fn copy(shared: &Shared, folder: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    if fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(EngineError::Io(format!("{}: a copy needs an empty folder", folder.display())));
    }
    let (lmdb_folder, segment_folder) = (folder.join("lmdb"), folder.join("segments"));
    for inner in [&lmdb_folder, &segment_folder] {
        fs::create_dir(inner).map_err(at(inner))?;
    }
    let _no_segment_goes = shared.retiring.lock().unwrap_or_else(PoisonError::into_inner);
    let part = lmdb_folder.join("data.mdb.part");
    let data = shared.environment.env.copy_to_path(&part, CompactionOption::Enabled).map_err(from_heed)?;
    data.sync_all().map_err(at(&part))?;
    let state = shared.overlay.load();
    for (number, segment) in &*state.table {
        shared.check_open()?;
        // One that has been begun since has nothing that was acknowledged in this state.
        let length = match number.cmp(&state.committed.segment) {
            std::cmp::Ordering::Less => u64::MAX,
            std::cmp::Ordering::Equal => state.committed.end,
            std::cmp::Ordering::Greater => continue,
        };
        let target = segment_folder.join(segment.path().file_name().unwrap_or_default());
        let source = File::open(segment.path()).map_err(at(segment.path()))?;
        let mut copied = File::create_new(&target).map_err(at(&target))?;
        io::copy(&mut source.take(length), &mut copied).map_err(at(segment.path()))?;
        copied.sync_all().map_err(at(&target))?;
    }
    sync_folder(&segment_folder)?;
    fs::rename(&part, lmdb_folder.join("data.mdb")).map_err(at(&part))?;
    sync_folder(&lmdb_folder)?;
    sync_folder(folder)
}
