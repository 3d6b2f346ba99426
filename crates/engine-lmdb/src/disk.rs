//! The few things the journal asks of a disk, apart, so that tests can put a worse one in its place.
//!
//! A test's disk cuts writes short, fails, or loses at a power cut what was not synced. What is read is read from the
//! files themselves.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
};

/// How the journal's files are written.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Writes some of `pieces` at an offset, and tells how many bytes. One thread at a time writes to one `file`.
    fn write(&self, file: &File, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Waits until all that was written to the file is on stable storage.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Cuts off what follows the last frame of a file that takes no more.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;

    /// Called before LMDB commits.
    fn before_apply(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The system's own.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn write(&self, mut file: &File, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_vectored(pieces)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }
}

/// Writes all of `pieces`, one after the other.
pub(crate) fn write_all(
    disk: &dyn Disk,
    file: &File,
    mut pieces: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        match disk.write(file, pieces, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                IoSlice::advance_slices(&mut pieces, count);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
