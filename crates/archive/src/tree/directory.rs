//! The index of a directory of the file system.
//!
//! Links are not followed below the root, so that nothing is read twice or from elsewhere; they are told.

use std::{
    ffi::OsStr,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{DirectoryId, Place, Tree};
use crate::error::ArchiveError;

pub(super) fn read(tree: &mut Tree) -> Result<(), ArchiveError> {
    let mut waiting: Vec<(DirectoryId, usize)> = vec![(0, 0)];
    while let Some((directory, level)) = waiting.pop() {
        read_one(tree, directory, level, &mut waiting)?;
    }
    Ok(())
}

fn read_one(
    tree: &mut Tree,
    directory: DirectoryId,
    level: usize,
    waiting: &mut Vec<(DirectoryId, usize)>,
) -> Result<(), ArchiveError> {
    let Some(path) = tree.directories.get(directory).map(|one| one.os_path.clone()) else { return Ok(()) };
    let entries = match fs::read_dir(&path) {
        Err(error) if directory != 0 => {
            tree.notes.push(format!("{}: cannot be read, passed over: {error}", path.display()));
            return Ok(());
        }
        entries => entries.map_err(ArchiveError::io(&path))?,
    };
    for entry in entries {
        let entry = entry.map_err(ArchiveError::io(&path))?;
        let os_name = entry.file_name();
        let name = os_name.to_string_lossy().into_owned();
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Someone took it away while we looked.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(ArchiveError::io(entry.path())(error)),
        };
        if metadata.is_dir() {
            if level >= tree.limits.levels_max {
                tree.notes.push(format!("{}: too many folders in one another, passed over", entry.path().display()));
                continue;
            }
            let child = tree.directory_in(directory, &name)?;
            if let Some(child) = tree.directories.get_mut(child) {
                child.os_path = entry.path();
            }
            waiting.push((child, level + 1));
        } else if metadata.is_file() {
            let place = Place::Name((OsStr::new(&name) != os_name).then(|| os_name.into_boxed_os_str()));
            tree.add_file(directory, name, metadata.len(), metadata.modified().ok().and_then(unix_seconds), place)?;
        } else {
            tree.notes.push(format!("{}: neither file nor folder, passed over", entry.path().display()));
        }
    }
    Ok(())
}

pub(super) fn unix_seconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}
