//! The segment files there are: who may read them, and when they go.
//!
//! The table of segments is immutable and replaced as a whole, as a part of the overlay's published state. A reader
//! takes that with its transaction and so holds every segment the two can name. A segment in which nothing is left is
//! taken out of the table and marked; its file is unlinked when the last reader that holds it lets go. No epochs are
//! counted, and no reader is ever waited for.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io::IoSlice,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use postrider_engine::EngineError;

use crate::{
    disk::{self, Disk},
    error::at,
    segment_file::SegmentHeader,
};

const EXTENSION: &str = "segment";
/// Buffers kept for reading, and the largest that is.
const BUFFERS_MAX: usize = 8;
const BUFFER_BYTES_MAX: usize = 2 << 20;

/// One segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    is_retired: AtomicBool,
}

impl Segment {
    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has the file removed when the last reader that may name something in it lets go.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.is_retired.get_mut() {
            // A file that stays is waste, and removed at the next opening.
            if let Err(error) = fs::remove_file(&self.path) {
                tracing::warn!(path = %self.path.display(), %error, "could not remove an empty segment");
            }
        }
    }
}

/// The segments by number.
pub(crate) type SegmentTable = BTreeMap<u64, Arc<Segment>>;

/// The folder of segments, and the files and buffers kept for reading.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
    /// The file used last stands last.
    files: Mutex<VecDeque<(u64, Arc<File>)>>,
    files_max: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Segments {
    /// The segments in a folder.
    pub fn new(folder: &Path, files_max: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            files: Mutex::default(),
            files_max: files_max.max(1),
            buffers: Mutex::default(),
        }
    }

    /// The numbers of the segment files that there are, in order.
    pub fn found(&self) -> Result<Vec<u64>, EngineError> {
        let mut numbers = Vec::new();
        for found in fs::read_dir(&self.folder).map_err(at(&self.folder))? {
            let path = found.map_err(at(&self.folder))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(number) = stem.filter(|number| self.path(*number) == path) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The table of the segments that hold something.
    pub fn table(&self, known: impl Iterator<Item = u64>) -> SegmentTable {
        let table: SegmentTable = known.map(|number| (number, self.segment(number))).collect();
        for segment in table.values().filter(|segment| !segment.path.exists()) {
            // The rest of the store can still be read; reads of these bodies and `verify` report it.
            tracing::error!(path = %segment.path.display(), "a segment file with bodies in it is missing");
        }
        table
    }

    /// Removes a segment file that holds nothing: what a crash left of one that was begun or emptied.
    pub fn remove(&self, number: u64) -> Result<(), EngineError> {
        let path = self.path(number);
        tracing::info!(path = %path.display(), "removing a segment that holds nothing");
        fs::remove_file(&path).map_err(at(&path))
    }

    /// Makes the file of a new segment, with its header, and opens it twice, for two threads that write to it. Its name
    /// is durable after; its header is with its first frame.
    pub fn create(&self, header: &SegmentHeader, disk: &dyn Disk) -> Result<(Arc<Segment>, [File; 2]), EngineError> {
        let segment = self.segment(header.number);
        let path = &segment.path;
        let file = File::options().read(true).write(true).create_new(true).open(path).map_err(at(path))?;
        let encoded = header.encode();
        let written = disk::write_all(disk, &file, &mut [IoSlice::new(&encoded)], 0)
            .map_err(at(path))
            .and_then(|()| crate::environment::sync_folder(&self.folder))
            .and_then(|()| File::options().write(true).open(path).map_err(at(path)));
        match written {
            Ok(second) => Ok((segment, [file, second])),
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// A segment's file for reading, past the table: for work at opening and for compaction.
    pub fn open_file(&self, number: u64) -> Result<File, EngineError> {
        let path = self.path(number);
        File::open(&path).map_err(at(&path))
    }

    /// Where a segment's file is.
    pub fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016}.{EXTENSION}"))
    }

    fn segment(&self, number: u64) -> Arc<Segment> {
        Arc::new(Segment { path: self.path(number), is_retired: AtomicBool::new(false) })
    }

    /// A buffer to read into; its length and content are whatever the last reader left.
    pub fn take_buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back. New memory costs more than reading into it, so some is kept.
    pub fn give_buffer(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER_BYTES_MAX {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            if buffers.len() < BUFFERS_MAX {
                buffers.push(buffer);
            }
        }
    }

    /// Lets go of a file that is kept open. An open file keeps its space.
    pub fn close(&self, number: u64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|(open, _)| *open != number);
    }

    /// The file of a segment of `table`, open for reading.
    pub fn file(&self, table: &SegmentTable, number: u64) -> Result<Arc<File>, EngineError> {
        let segment = table
            .get(&number)
            .ok_or_else(|| EngineError::Damaged(format!("a body lies in segment {number}, which is not there")))?;
        if let Some(file) = self.cached(number) {
            return Ok(file);
        }
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(EngineError::Damaged(format!("{}: the segment file is missing", segment.path.display())));
            }
            Err(error) => return Err(at(&segment.path)(error)),
        };
        let header = SegmentHeader::read(&file).map_err(at(&segment.path))?;
        if header.is_none_or(|header| header.number != number) {
            return Err(EngineError::Damaged(format!("{}: this is not segment {number}", segment.path.display())));
        }
        let file = Arc::new(file);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // An open file keeps its space, so one that is about to go is not kept here.
        if !segment.is_retired.load(Ordering::Acquire) {
            if files.len() >= self.files_max {
                files.pop_front();
            }
            files.push_back((number, Arc::clone(&file)));
        }
        Ok(file)
    }

    fn cached(&self, number: u64) -> Option<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // From the back: what was used last is asked for again most.
        let place = files.iter().rposition(|(open, _)| *open == number)?;
        let entry = files.remove(place)?;
        let file = Arc::clone(&entry.1);
        files.push_back(entry);
        Some(file)
    }
}
