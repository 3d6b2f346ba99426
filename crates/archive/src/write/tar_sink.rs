//! Files in a tar.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use super::{Written, resume::Pieces};
use crate::error::ArchiveError;

/// A tar is written in blocks.
const BLOCK_BYTES: u64 = 512;

pub(super) struct TarSink {
    path: PathBuf,
    pieces: Pieces,
}

impl TarSink {
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let (there, end) = match File::open(path) {
            Ok(file) => entries_there(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (VecDeque::new(), 0),
            Err(error) => return Err(ArchiveError::io(path)(error)),
        };
        Ok(Self { path: path.to_owned(), pieces: Pieces::new(path, there, end) })
    }

    pub fn put(&mut self, path: &str, bytes: &[u8], modified: i64) -> Result<Written, ArchiveError> {
        self.append(path, bytes, modified, EntryType::Regular)
    }

    pub fn make_directory(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.append(&format!("{path}/"), b"", 0, EntryType::Directory).map(drop)
    }

    fn append(&mut self, path: &str, bytes: &[u8], modified: i64, kind: EntryType) -> Result<Written, ArchiveError> {
        if self.pieces.is_there(&hash_of(path.as_bytes(), bytes)) {
            return Ok(Written::AlreadyThere);
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(u64::try_from(bytes.len()).unwrap_or(0));
        header.set_mode(if kind == EntryType::Directory { 0o700 } else { 0o600 });
        header.set_mtime(u64::try_from(modified).unwrap_or(0));
        let out = self.pieces.out()?;
        let mut builder = Builder::new(NoEnd { out, is_ended: false });
        let appended = builder.append_data(&mut header, path, bytes);
        // The builder writes a tar's end when it is given up; there is none yet.
        builder.get_mut().is_ended = true;
        drop(builder);
        appended.map_err(ArchiveError::io(&self.path))?;
        Ok(Written::New)
    }

    pub fn finish(mut self) -> Result<(), ArchiveError> {
        let out = self.pieces.out()?;
        io::Write::write_all(out, &[0; 1024]).map_err(ArchiveError::io(&self.path))?;
        self.pieces.finish()
    }
}

/// Swallows what a builder writes at its end.
struct NoEnd<W> {
    out: W,
    is_ended: bool,
}

impl<W: io::Write> io::Write for NoEnd<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_ended { Ok(bytes.len()) } else { self.out.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hash_of(path: &[u8], bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path).update(&[0]).update(bytes);
    hasher.finalize()
}

/// The whole entries of a tar that we wrote, and where the last of them ends.
fn entries_there(file: File) -> (VecDeque<(blake3::Hash, u64)>, u64) {
    let mut there = VecDeque::new();
    let mut end = 0;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let Ok(entries) = archive.entries() else { return (there, end) };
    for entry in entries {
        let Ok(mut entry) = entry else { break };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&entry.path_bytes()).update(&[0]);
        let data_end = entry.raw_file_position().saturating_add(entry.size());
        if io::copy(&mut entry, &mut hasher).ok() != Some(entry.size()) {
            break;
        }
        there.push_back((hasher.finalize(), end));
        end = data_end.next_multiple_of(BLOCK_BYTES);
    }
    (there, end)
}
