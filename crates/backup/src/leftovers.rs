//! Files that a run left half-written when it was killed.
//!
//! The library writes a file under its name with [`SUFFIX`] and renames it; broken off in between, it never looks at that file again,
//! and nobody reads it. Only names of that very form go, and only once they are so old that no program can still be at it:
//! `restic` calls its own otherwise, and `rustic`, which calls them the same, does not know the lock that our runs take.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use rustic_core::FileType;

/// What stands behind the name of a file that is being written.
pub(crate) const SUFFIX: &str = "-tmp-";

/// How old a file is at least that goes, while nobody else of ours can be writing.
pub(crate) const AGE: Duration = Duration::from_secs(60 * 60);
/// How old it is at least where the file system has no locks.
pub(crate) const AGE_UNLOCKED: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Leftovers {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Removes what was left behind in a repository's folder and is older than `age`.
pub(crate) fn remove(repository: &Path, age: Duration) -> io::Result<Leftovers> {
    let mut removed = Leftovers::default();
    let Some(before) = SystemTime::now().checked_sub(age) else { return Ok(removed) };
    for kind in [FileType::Snapshot, FileType::Index, FileType::Key] {
        remove_from(&repository.join(kind.dirname()), before, &mut removed)?;
    }
    for folder in entries(&repository.join(FileType::Pack.dirname()))? {
        let folder = folder?;
        let is_ours = folder.file_name().to_str().is_some_and(|name| name.len() == 2 && is_hexadecimal(name));
        if is_ours && folder.file_type()?.is_dir() {
            remove_from(&folder.path(), before, &mut removed)?;
        }
    }
    Ok(removed)
}

fn remove_from(folder: &Path, before: SystemTime, removed: &mut Leftovers) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_leftover) {
            continue;
        }
        // Of a link this is the link itself.
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.modified()? < before {
            fs::remove_file(entry.path())?;
            removed.files += 1;
            removed.bytes += metadata.len();
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    Ok(found.into_iter().flatten())
}

fn is_leftover(name: &str) -> bool {
    name.strip_suffix(SUFFIX).is_some_and(|id| id.len() == 64 && is_hexadecimal(id))
}

pub(crate) fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_files_of_our_own_making_go() {
        let folder = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let old = SystemTime::now() - 2 * AGE;
        let write = |path: &str, modified: SystemTime| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"half").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        };
        let gone = [format!("data/01/{id}-tmp-"), format!("index/{id}-tmp-"), format!("snapshots/{id}-tmp-")];
        let kept = [
            format!("data/01/{id}"),
            format!("data/01/{id}-tmp-1234"),
            format!("data/elsewhere/{id}-tmp-"),
            format!("data/01/{}-tmp-", id.to_uppercase()),
            String::from("data/01/abc-tmp-"),
            format!("other/{id}-tmp-"),
            String::from("config"),
        ];
        for path in gone.iter().chain(&kept) {
            write(path, old);
        }
        let new = format!("data/23/{id}-tmp-");
        write(&new, SystemTime::now());
        assert_eq!(remove(folder.path(), AGE).unwrap(), Leftovers { files: 3, bytes: 12 });
        for path in &gone {
            assert!(!folder.path().join(path).exists(), "{path}");
        }
        for path in kept.iter().chain([&new]) {
            assert!(folder.path().join(path).exists(), "{path}");
        }
        assert_eq!(remove(&folder.path().join("nowhere"), AGE).unwrap(), Leftovers::default());
    }
}
