//! Where files are put: into a directory, a tar or a zip.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Written, tar_sink::TarSink, zip_sink::ZipSink};
use crate::error::ArchiveError;

/// Where files are put. Paths have `/` between their levels and were made by us.
pub(super) enum Sink {
    Directory(DirectorySink),
    Tar(TarSink),
    Zip(Box<ZipSink>),
}

/// The date of files that are not messages, so that the same mail makes the same archive: the first that a zip can hold.
/// Dovecot takes a file from 1970 for one that is not there.
pub(super) const METADATA_DATE: i64 = 315_532_800;

/// Whether a file of the right name and size is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// It is: its name says what is in it.
    Immutable,
    /// It has to be written again.
    Changing,
}

impl Sink {
    /// Puts a whole file.
    pub fn put(&mut self, path: &str, bytes: &[u8], modified: i64, content: Content) -> Result<Written, ArchiveError> {
        match self {
            Self::Directory(sink) => sink.put(path, bytes, modified, content),
            Self::Tar(sink) => sink.put(path, bytes, modified),
            Self::Zip(sink) => sink.put(path, bytes, modified).map(|()| Written::New),
        }
    }

    /// Makes an empty directory.
    pub fn make_directory(&mut self, path: &str) -> Result<(), ArchiveError> {
        match self {
            Self::Directory(sink) => {
                let path = sink.root.join(path);
                fs::create_dir_all(&path).map_err(ArchiveError::io(path))
            }
            Self::Tar(sink) => sink.make_directory(path),
            Self::Zip(sink) => sink.make_directory(path),
        }
    }

    /// The path of a file that the caller writes by himself; only in a directory.
    pub fn prepare(&mut self, path: &str) -> Result<PathBuf, ArchiveError> {
        match self {
            Self::Directory(sink) => {
                sink.strays.remove(path);
                let path = sink.root.join(path);
                make_parent(&path)?;
                Ok(path)
            }
            Self::Tar(_) | Self::Zip(_) => {
                Err(ArchiveError::Unsupported { path: path.into(), reason: "only whole files are put into archives" })
            }
        }
    }

    /// Completes what was written and syncs it.
    pub fn finish(self) -> Result<(), ArchiveError> {
        match self {
            Self::Directory(sink) => sink.finish(),
            Self::Tar(sink) => sink.finish(),
            Self::Zip(sink) => sink.finish(),
        }
    }
}

/// What a file is called while it is written.
const TEMPORARY: &str = ".writing";

/// Files in a directory.
pub(super) struct DirectorySink {
    root: PathBuf,
    /// What an earlier run left and this one has not asked for.
    strays: BTreeSet<String>,
    /// Directories that have to be synced.
    touched: BTreeSet<PathBuf>,
}

impl DirectorySink {
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(root).map_err(ArchiveError::io(root))?;
        let mut strays = BTreeSet::new();
        collect_files(root, "", &mut strays)?;
        if strays.remove(TEMPORARY) {
            let path = root.join(TEMPORARY);
            fs::remove_file(&path).map_err(ArchiveError::io(path))?;
        }
        Ok(Self { root: root.to_owned(), strays, touched: BTreeSet::new() })
    }

    fn put(&mut self, path: &str, bytes: &[u8], modified: i64, content: Content) -> Result<Written, ArchiveError> {
        let target = self.root.join(path);
        let is_known = self.strays.remove(path);
        if is_known && content == Content::Immutable {
            let size = fs::metadata(&target).map_err(ArchiveError::io(&target))?.len();
            if u64::try_from(bytes.len()) == Ok(size) {
                return Ok(Written::AlreadyThere);
            }
        }
        make_parent(&target)?;
        let temporary = self.root.join(TEMPORARY);
        write_synced(&temporary, bytes, modified).map_err(ArchiveError::io(&target))?;
        fs::rename(&temporary, &target).map_err(ArchiveError::io(&target))?;
        if let Some(parent) = target.parent().filter(|parent| !self.touched.contains(*parent)) {
            self.touched.insert(parent.to_owned());
        }
        Ok(Written::New)
    }

    fn finish(self) -> Result<(), ArchiveError> {
        for stray in &self.strays {
            let path = self.root.join(stray);
            fs::remove_file(&path).map_err(ArchiveError::io(path))?;
        }
        self.touched.iter().try_for_each(|path| sync_directory(path))?;
        sync_directory(&self.root)
    }
}

fn collect_files(directory: &Path, prefix: &str, files: &mut BTreeSet<String>) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(directory).map_err(ArchiveError::io(directory))? {
        let entry = entry.map_err(ArchiveError::io(directory))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // As deep as we made it ourselves.
        match entry.file_type().map_err(ArchiveError::io(entry.path()))?.is_dir() {
            true => collect_files(&entry.path(), &format!("{path}/"), files)?,
            false => drop(files.insert(path)),
        }
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8], modified: i64) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_modified(system_time(modified))?;
    file.sync_all()
}

fn system_time(unix_seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(unix_seconds.unsigned_abs());
    let time = if unix_seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

fn make_parent(path: &Path) -> Result<(), ArchiveError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(ArchiveError::io(parent))
}

/// Makes names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), ArchiveError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // Not every system can open a directory; those sync names by themselves.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(ArchiveError::io(path))?;
    }
    Ok(())
}
