//! What making a repository leaves in a folder when it fails or is killed.
//!
//! The library makes the folders first, then the file of the key, then the configuration, with which there is a repository. Without it
//! nothing can have been saved, so what is there may go; but only if there is nothing that making a repository does not make. In doubt
//! it is somebody's.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustic_core::FileType;

use crate::leftovers::{SUFFIX, is_hexadecimal};

/// A folder of a repository that `restic` makes and the library does not.
const LOCKS: &str = "locks";

/// The beginnings of a repository, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    files: Vec<PathBuf>,
    /// Those within others come first.
    folders: Vec<PathBuf>,
}

impl Unfinished {
    /// What lies in a folder. `None` if it is a repository, or if anything else lies there, too.
    pub(crate) fn find(repository: &Path) -> io::Result<Option<Self>> {
        let mut found = Self::default();
        let half_written = format!("{}{SUFFIX}", FileType::Config.dirname());
        for entry in fs::read_dir(repository)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { return Ok(None) };
            // Of a link this is the link itself.
            let kind = entry.file_type()?;
            let is_known = if kind.is_dir() {
                found.take_folder(&entry.path(), name)?
            } else {
                kind.is_file() && name == half_written && found.take_file(entry.path())
            };
            if !is_known {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Whether it is one that making a repository makes, with no more in it than that.
    fn take_folder(&mut self, path: &Path, name: &str) -> io::Result<bool> {
        let is_key = name == FileType::Key.dirname();
        let is_data = name == FileType::Pack.dirname();
        let is_empty_one = [FileType::Snapshot.dirname(), FileType::Index.dirname(), LOCKS].contains(&name);
        if !(is_key || is_data || is_empty_one) {
            return Ok(false);
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let Some(name) = name.to_str() else { return Ok(false) };
            let is_known = if is_key && kind.is_file() {
                is_name(name.strip_suffix(SUFFIX).unwrap_or(name), 64) && self.take_file(entry.path())
            } else {
                is_data && kind.is_dir() && is_name(name, 2) && self.take_empty(entry.path())?
            };
            if !is_known {
                return Ok(false);
            }
        }
        self.folders.push(path.to_owned());
        Ok(true)
    }

    fn take_file(&mut self, path: PathBuf) -> bool {
        self.files.push(path);
        true
    }

    fn take_empty(&mut self, path: PathBuf) -> io::Result<bool> {
        let is_empty = fs::read_dir(&path)?.next().is_none();
        self.folders.push(path);
        Ok(is_empty)
    }

    /// Removes the files. The folders can be gone on with; a key cannot: another one that opens with the same passphrase would be tried
    /// first, and does not fit.
    pub(crate) fn remove_files(&self) -> io::Result<()> {
        self.files.iter().try_for_each(fs::remove_file)
    }

    /// Removes all of it. A folder into which something came meanwhile stays.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.remove_files()?;
        self.folders.iter().try_for_each(fs::remove_dir)
    }
}

fn is_name(name: &str, length: usize) -> bool {
    name.len() == length && is_hexadecimal(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there when the key was written and the configuration was not.
    fn broken_off(folder: &Path) {
        for name in ["data/00", "data/ff", "index", "keys", "snapshots", "locks"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let id = "0123456789abcdef".repeat(4);
        fs::write(folder.join("keys").join(&id), "{}").unwrap();
        fs::write(folder.join("keys").join(id + SUFFIX), "{").unwrap();
        fs::write(folder.join("config-tmp-"), "").unwrap();
    }

    #[test]
    fn what_making_a_repository_left_goes_without_trace() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Unfinished::find(folder.path()).unwrap().is_some(), "an empty folder is a beginning, too");
        broken_off(folder.path());
        Unfinished::find(folder.path()).unwrap().unwrap().remove().unwrap();
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
        assert!(Unfinished::find(&folder.path().join("none")).is_err());
    }

    #[test]
    fn what_may_be_somebodys_is_not_touched() {
        for other in [
            "config",
            "notes.txt",
            "data/x",
            "data/00/x",
            "keys/mine",
            "snapshots/0",
            "index/0",
            "locks/0",
            "lost+found/",
            "data/zz/",
            "index/00/",
        ] {
            let folder = tempfile::tempdir().unwrap();
            broken_off(folder.path());
            match other.strip_suffix('/') {
                Some(name) => fs::create_dir(folder.path().join(name)).unwrap(),
                None => fs::write(folder.path().join(other), "").unwrap(),
            }
            assert!(Unfinished::find(folder.path()).unwrap().is_none(), "{other}");
        }
    }
}
