//! Files in folders, wherever they lie: in the file system, in a tar (compressed or not) or in a zip, or one file alone.
//!
//! A [`Tree`] is an index: names, sizes and dates of all files, sorted, at about 100 bytes each. Contents are opened one
//! at a time and streamed; nothing is ever unpacked to disk, so a name in an archive can point nowhere.

mod content;
mod directory;
mod tar_index;
mod zip_index;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    io::{Cursor, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;

pub(crate) use content::{Compression, Content};

use crate::{error::ArchiveError, options::ReadLimits};
use content::{Sequence, SequencePart, ZipSpan};

/// A file's number in its tree.
pub(crate) type FileId = usize;
/// A directory's number in its tree; the root is 0.
pub(crate) type DirectoryId = usize;

/// How much of a file is looked at to tell what it is.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;

/// Files that stand beside mail and say more about it.
pub(crate) const METADATA_NAMES: [&str; 7] = [
    "folder.json",
    "dovecot-uidlist",
    "dovecot-keywords",
    "subscriptions",
    "courierimapuiddb",
    "courierimapsubscribed",
    "courierimapkeywords",
];

/// Where the files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Directory,
    /// One file, which is the root itself.
    File(Compression),
    Tar(Compression),
    Zip,
}

/// Where one file's bytes lie.
#[derive(Debug, Clone)]
enum Place {
    /// Under its name, or under one that is not Unicode.
    Name(Option<Box<OsStr>>),
    /// In a tar at this offset, decompressed.
    Tar(u64),
    Zip(Box<ZipSpan>),
}

#[derive(Debug)]
pub(crate) struct FileEntry {
    pub directory: DirectoryId,
    pub name: Box<str>,
    pub size: u64,
    /// Seconds since 1970.
    pub modified: Option<i64>,
    place: Place,
}

#[derive(Debug, Default)]
struct Directory {
    parent: DirectoryId,
    name: String,
    os_path: PathBuf,
    children: BTreeMap<String, DirectoryId>,
    files: std::ops::Range<usize>,
}

/// An index of files.
pub(crate) struct Tree {
    pub root: PathBuf,
    pub container: Container,
    /// What was passed over, for people.
    pub notes: Vec<String>,
    limits: ReadLimits,
    directories: Vec<Directory>,
    files: Vec<FileEntry>,
    /// Small files and heads of a compressed tar, by offset.
    captured: HashMap<u64, Bytes>,
    sequence: Option<Arc<Mutex<Sequence>>>,
}

impl Tree {
    /// Reads the index of what lies at `path`.
    pub fn open(path: &Path, limits: &ReadLimits) -> Result<Self, ArchiveError> {
        let metadata = std::fs::metadata(path).map_err(ArchiveError::io(path))?;
        if metadata.is_dir() {
            let mut tree = Self::empty(path, Container::Directory, limits);
            directory::read(&mut tree)?;
            return Ok(tree.sorted());
        }
        let head = read_head(path, Compression::None, limits)?;
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            let mut tree = Self::empty(path, Container::Zip, limits);
            zip_index::read(&mut tree)?;
            return Ok(tree.sorted());
        }
        let compression = Compression::of(&head);
        let head = match compression {
            Compression::None => head,
            _ => read_head(path, compression, limits)?,
        };
        if tar_index::is_tar(&head) {
            let mut tree = Self::empty(path, Container::Tar(compression), limits);
            tar_index::read(&mut tree, compression)?;
            return Ok(tree.sorted());
        }
        let mut tree = Self::empty(path, Container::File(compression), limits);
        let modified = metadata.modified().ok().and_then(directory::unix_seconds);
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        tree.add_file(0, name, metadata.len(), modified, Place::Name(None))?;
        Ok(tree.sorted())
    }

    fn empty(path: &Path, container: Container, limits: &ReadLimits) -> Self {
        Self {
            root: path.to_owned(),
            container,
            notes: Vec::new(),
            limits: limits.clone(),
            directories: vec![Directory { os_path: path.to_owned(), ..Directory::default() }],
            files: Vec::new(),
            captured: HashMap::new(),
            sequence: None,
        }
    }

    fn add_file(
        &mut self,
        directory: DirectoryId,
        name: String,
        size: u64,
        modified: Option<i64>,
        place: Place,
    ) -> Result<(), ArchiveError> {
        self.files.push(FileEntry { directory, name: name.into_boxed_str(), size, modified, place });
        self.check_count()
    }

    fn check_count(&self) -> Result<(), ArchiveError> {
        let (count, value) = (self.files.len() + self.directories.len(), self.limits.files_max);
        match u64::try_from(count).is_ok_and(|count| count <= value) {
            true => Ok(()),
            false => Err(ArchiveError::Limit { path: self.root.clone(), limit: "files_max", value }),
        }
    }

    /// The directory `name` in `parent`, new or known.
    fn directory_in(&mut self, parent: DirectoryId, name: &str) -> Result<DirectoryId, ArchiveError> {
        let id = self.directories.len();
        let Some(above) = self.directories.get_mut(parent) else { return Ok(0) };
        if let Some(known) = above.children.get(name) {
            return Ok(*known);
        }
        above.children.insert(name.to_owned(), id);
        let os_path = above.os_path.join(name);
        self.directories.push(Directory { parent, name: name.to_owned(), os_path, ..Directory::default() });
        self.check_count()?;
        Ok(id)
    }

    /// The directory and the file's name for a path in an archive; nothing for a path that leads out of it.
    fn place_of(&mut self, path: &str) -> Result<Option<(DirectoryId, String)>, ArchiveError> {
        let levels: Vec<&str> = path.split(['/', '\\']).filter(|level| !level.is_empty() && *level != ".").collect();
        let absolute = path.starts_with(['/', '\\']);
        let Some((name, above)) = levels.split_last().filter(|_| !absolute && !levels.contains(&"..")) else {
            return Ok(None);
        };
        if above.len() > self.limits.levels_max {
            return Ok(None);
        }
        let mut directory = 0;
        for level in above {
            directory = self.directory_in(directory, level)?;
        }
        Ok(Some((directory, (*name).to_owned())))
    }

    fn sorted(mut self) -> Self {
        self.files.sort_by(|one, other| (one.directory, &one.name).cmp(&(other.directory, &other.name)));
        let mut begin = 0;
        while let Some(first) = self.files.get(begin) {
            let directory = first.directory;
            let count = self.files.get(begin..).unwrap_or_default().partition_point(|file| file.directory == directory);
            if let Some(directory) = self.directories.get_mut(directory) {
                directory.files = begin..begin + count;
            }
            begin += count;
        }
        self
    }

    /// A file's entry.
    pub fn file(&self, id: FileId) -> Option<&FileEntry> {
        self.files.get(id)
    }

    /// The files of a directory, by name.
    pub fn files_in(&self, directory: DirectoryId) -> impl Iterator<Item = (FileId, &FileEntry)> {
        let range = self.directories.get(directory).map_or(0..0, |directory| directory.files.clone());
        let begin = range.start;
        self.files.get(range).unwrap_or_default().iter().enumerate().map(move |(at, file)| (begin + at, file))
    }

    /// The directories of a directory, by name.
    pub fn directories_in(&self, directory: DirectoryId) -> impl Iterator<Item = (&str, DirectoryId)> {
        let directory = self.directories.get(directory);
        directory.into_iter().flat_map(|one| one.children.iter().map(|(name, id)| (name.as_str(), *id)))
    }

    /// The directory of that name in `parent`.
    pub fn child(&self, parent: DirectoryId, name: &str) -> Option<DirectoryId> {
        self.directories.get(parent)?.children.get(name).copied()
    }

    /// The file of that name in `directory`.
    pub fn file_in(&self, directory: DirectoryId, name: &str) -> Option<FileId> {
        let range = self.directories.get(directory)?.files.clone();
        let files = self.files.get(range.clone())?;
        files.binary_search_by(|file| (*file.name).cmp(name)).ok().map(|at| range.start + at)
    }

    /// The levels of a directory's path below the root.
    pub fn levels(&self, mut directory: DirectoryId) -> Vec<String> {
        let mut levels = Vec::new();
        while directory != 0 {
            let Some(one) = self.directories.get(directory) else { break };
            levels.push(one.name.clone());
            directory = one.parent;
        }
        levels.reverse();
        levels
    }

    /// A directory's path for people.
    pub fn directory_path(&self, id: DirectoryId) -> PathBuf {
        self.directories.get(id).map_or_else(|| self.root.clone(), |directory| directory.os_path.clone())
    }

    /// How many bytes a file has when it is read; of a compressed file alone that is not known before.
    pub fn content_bytes(&self, id: FileId) -> Option<u64> {
        match self.container {
            Container::File(compression) if compression != Compression::None => None,
            _ => self.file(id).map(|file| file.size),
        }
    }

    /// A file's path below the root, with `/` between levels.
    pub fn relative_path(&self, id: FileId) -> String {
        let Some(file) = self.file(id) else { return String::new() };
        let mut levels = self.levels(file.directory);
        levels.push(file.name.to_string());
        levels.join("/")
    }

    /// A file's path for people.
    pub fn path(&self, id: FileId) -> PathBuf {
        match self.container {
            Container::File(_) => self.root.clone(),
            _ => self.root.join(self.relative_path(id)),
        }
    }

    /// Where in a compressed tar the file lies: such files are best read in that order.
    pub fn stream_offset(&self, id: FileId) -> u64 {
        match (self.container, self.file(id).map(|file| &file.place)) {
            (Container::Tar(compression), Some(Place::Tar(offset))) if compression != Compression::None => *offset,
            _ => 0,
        }
    }

    /// The content of a file.
    pub fn read(&self, id: FileId) -> Result<Content, ArchiveError> {
        let Some(file) = self.file(id) else { return Ok(Content::plain(Box::new(std::io::empty()))) };
        match &file.place {
            Place::Name(os_name) => match self.container {
                Container::File(compression) => content::open_file(&self.root, compression, &self.limits),
                _ => {
                    let directory =
                        self.directories.get(file.directory).map_or(self.root.as_path(), |one| &one.os_path);
                    let path = match os_name {
                        Some(name) => directory.join(&**name),
                        None => directory.join(&*file.name),
                    };
                    content::open_file(&path, Compression::None, &self.limits)
                }
            },
            Place::Zip(span) => content::open_zipped(&self.root, span, &self.limits),
            Place::Tar(offset) => match &self.sequence {
                None => Ok(Content::plain(Box::new(content::open_span(&self.root, *offset, file.size)?))),
                Some(_) if self.captured.get(offset).is_some_and(|bytes| length(bytes) == file.size) => {
                    let bytes = self.captured.get(offset).cloned().unwrap_or_default();
                    Ok(Content::plain(Box::new(Cursor::new(bytes))))
                }
                Some(sequence) => {
                    let sequence = Arc::clone(sequence);
                    let part = SequencePart { sequence, at: *offset, end: offset.saturating_add(file.size) };
                    Ok(Content::decoded(Box::new(part)))
                }
            },
        }
    }

    /// The content of a file from `offset` on.
    pub fn read_from(&self, id: FileId, offset: u64) -> Result<Content, ArchiveError> {
        let mut content = self.read(id)?;
        if content.seek(offset).map_err(ArchiveError::io(self.path(id)))? {
            return Ok(content);
        }
        std::io::copy(&mut (&mut content).take(offset), &mut std::io::sink())
            .map_err(ArchiveError::io(self.path(id)))?;
        Ok(content)
    }

    /// The first bytes of a file, as many as are cheap to have.
    pub fn head(&self, id: FileId) -> Result<Vec<u8>, ArchiveError> {
        if let (Some(_), Some(Place::Tar(offset))) = (&self.sequence, self.file(id).map(|file| &file.place)) {
            let bytes = self.captured.get(offset).cloned().unwrap_or_default();
            return Ok(bytes.get(..HEAD_BYTES).unwrap_or(&bytes).to_vec());
        }
        let mut head = Vec::new();
        let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
        self.read(id)?.take(limit).read_to_end(&mut head).map_err(ArchiveError::io(self.path(id)))?;
        Ok(head)
    }

    /// The whole of a metadata file.
    pub fn metadata(&self, id: FileId) -> Result<Vec<u8>, ArchiveError> {
        let limit = self.limits.metadata_bytes_max;
        let mut bytes = Vec::new();
        let content = self.read(id)?;
        content.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(ArchiveError::io(self.path(id)))?;
        if length(&bytes) > limit {
            return Err(ArchiveError::Limit { path: self.path(id), limit: "metadata_bytes_max", value: limit });
        }
        Ok(bytes)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn read_head(path: &Path, compression: Compression, limits: &ReadLimits) -> Result<Vec<u8>, ArchiveError> {
    let mut head = Vec::new();
    let content = content::open_file(path, compression, limits)?;
    content.take(512).read_to_end(&mut head).map_err(ArchiveError::io(path))?;
    Ok(head)
}
