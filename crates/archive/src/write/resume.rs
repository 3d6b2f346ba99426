//! What an earlier run left in a file that is written from its beginning to its end.
//!
//! Its pieces are known by their hashes. As long as what is to be written is what is there, nothing is written; at the first
//! difference the file is cut, and writing begins.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::Written;
use crate::error::ArchiveError;

/// A file that is appended to, piece by piece.
pub(super) struct Pieces {
    path: PathBuf,
    /// Hash and beginning of each piece that is there.
    there: VecDeque<(blake3::Hash, u64)>,
    /// Where the last of them ends.
    end: u64,
    out: Option<BufWriter<File>>,
}

impl Pieces {
    /// The file at `path` with what is known to be in it; `end` is where the last whole piece ends.
    pub fn new(path: &Path, there: VecDeque<(blake3::Hash, u64)>, end: u64) -> Self {
        Self { path: path.to_owned(), there, end, out: None }
    }

    /// Whether the piece with this hash is the next of those that are there.
    pub fn is_there(&mut self, hash: &blake3::Hash) -> bool {
        match self.there.front() {
            Some((known, _)) if known == hash && self.out.is_none() => {
                self.there.pop_front();
                true
            }
            _ => false,
        }
    }

    /// The file, positioned behind the last piece that is used; what follows is cut off.
    pub fn out(&mut self) -> Result<&mut BufWriter<File>, ArchiveError> {
        let out = match self.out.take() {
            Some(out) => out,
            None => {
                let end = self.there.front().map_or(self.end, |(_, begin)| *begin);
                self.there.clear();
                let options = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
                let mut file = options.map_err(ArchiveError::io(&self.path))?;
                file.set_len(end).map_err(ArchiveError::io(&self.path))?;
                file.seek(SeekFrom::Start(end)).map_err(ArchiveError::io(&self.path))?;
                BufWriter::with_capacity(256 * 1024, file)
            }
        };
        Ok(self.out.insert(out))
    }

    /// Appends a piece unless it is there.
    pub fn put(&mut self, piece: &[u8]) -> Result<Written, ArchiveError> {
        if self.is_there(&blake3::hash(piece)) {
            return Ok(Written::AlreadyThere);
        }
        let path = self.path.clone();
        self.out()?.write_all(piece).map_err(ArchiveError::io(path))?;
        Ok(Written::New)
    }

    /// Ends the file and syncs it.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        let path = self.path.clone();
        let out = self.out()?;
        out.flush().map_err(ArchiveError::io(&path))?;
        out.get_ref().sync_all().map_err(ArchiveError::io(&path))
    }
}
