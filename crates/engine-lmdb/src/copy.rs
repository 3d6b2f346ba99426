//! A copy of the whole store while it is in use.
//!
//! The order is LMDB first and the segments after, with compaction held off: every row in the copy then has its body.
//! LMDB's file is copied without its free pages, so this is also how a store is made small again. It gets its name
//! last, so that a copy that was broken off cannot be taken for a store.

use std::{
    fs::{self, File},
    path::Path,
};

use heed::CompactionOption;
use postrider_engine::EngineError;

use crate::{
    Shared,
    environment::sync_folder,
    error::{at, from_heed},
};

/// Copies the store into `folder`, which must be empty or not there. Compaction must not run meanwhile.
pub(crate) fn copy(shared: &Shared, folder: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    if fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(EngineError::Io(format!("{}: a copy needs an empty folder", folder.display())));
    }
    let (lmdb_folder, segment_folder) = (folder.join("lmdb"), folder.join("segments"));
    for inner in [&lmdb_folder, &segment_folder] {
        fs::create_dir(inner).map_err(at(inner))?;
    }
    let part = lmdb_folder.join("data.mdb.part");
    let data = shared.environment.env.copy_to_path(&part, CompactionOption::Enabled).map_err(from_heed)?;
    data.sync_all().map_err(at(&part))?;
    // Taken after, so it has every segment that the copy names. Those begun since are copied in vain, and removed
    // when the copy is opened.
    for segment in shared.segments.table().values() {
        shared.check_open()?;
        let target = segment_folder.join(segment.path().file_name().unwrap_or_default());
        fs::copy(segment.path(), &target).map_err(at(segment.path()))?;
        File::open(&target).and_then(|file| file.sync_all()).map_err(at(&target))?;
    }
    sync_folder(&segment_folder)?;
    fs::rename(&part, lmdb_folder.join("data.mdb")).map_err(at(&part))?;
    sync_folder(&lmdb_folder)?;
    sync_folder(folder)
}
