//! The segment files there are: who may read them, and when they go.
//!
//! The table of segments is immutable and replaced as a whole. A reader takes the table that belongs to its
//! transaction and so holds every segment the transaction can name. A segment that compaction has emptied is taken
//! out of the table and marked; its file is unlinked when the last reader that holds it lets go. No epochs are
//! counted, and no reader is ever waited for.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use postrider_engine::EngineError;

use crate::{error::at, segment_file};

const EXTENSION: &str = "segment";

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

/// All segments, and the files kept open.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
    table: RwLock<Arc<SegmentTable>>,
    /// The file used last stands last.
    files: Mutex<VecDeque<(u64, Arc<File>)>>,
    files_max: usize,
}

impl Segments {
    /// Finds the segment files in a folder, and removes those that `known` does not name: what a crash left of a
    /// transaction that was not committed, or of a segment that was emptied.
    pub fn open(folder: &Path, known: &[u64], files_max: usize) -> Result<Self, EngineError> {
        let mut table = SegmentTable::new();
        for number in known {
            table.insert(*number, new_segment(folder, *number));
        }
        let kept: HashSet<&Path> = table.values().map(|segment| segment.path.as_path()).collect();
        for found in fs::read_dir(folder).map_err(at(folder))? {
            let path = found.map_err(at(folder))?.path();
            let is_segment = path.extension().is_some_and(|extension| extension == EXTENSION);
            if is_segment && !kept.contains(path.as_path()) {
                tracing::info!(path = %path.display(), "removing a segment that holds nothing");
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        for segment in table.values().filter(|segment| !segment.path.exists()) {
            // The rest of the store can still be read; reads of these bodies and `verify` report it.
            tracing::error!(path = %segment.path.display(), "a segment file with bodies in it is missing");
        }
        Ok(Self {
            folder: folder.to_owned(),
            table: RwLock::new(Arc::new(table)),
            files: Mutex::default(),
            files_max: files_max.max(1),
        })
    }

    /// The table as it is now.
    pub fn table(&self) -> Arc<SegmentTable> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the file of a new segment, with its header, and enters it in the table. Its name is durable after.
    pub fn create(&self, number: u64) -> Result<File, EngineError> {
        let segment = new_segment(&self.folder, number);
        let path = segment.path.clone();
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(at(&path))?;
        let written = std::os::unix::fs::FileExt::write_all_at(&file, &segment_file::header(number), 0)
            .map_err(at(&path))
            .and_then(|()| crate::environment::sync_folder(&self.folder));
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        self.change(|table| drop(table.insert(number, segment)));
        Ok(file)
    }

    /// Takes a segment that nothing names any more out of the table; the file goes when its last reader does.
    pub fn retire(&self, number: u64) {
        if let Some(segment) = self.table().get(&number) {
            segment.is_retired.store(true, Ordering::Release);
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|(open, _)| *open != number);
        self.change(|table| drop(table.remove(&number)));
    }

    fn change(&self, change: impl FnOnce(&mut SegmentTable)) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = SegmentTable::clone(&table);
        change(&mut next);
        *table = Arc::new(next);
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
        if !segment_file::has_header(&file, number).map_err(at(&segment.path))? {
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

fn new_segment(folder: &Path, number: u64) -> Arc<Segment> {
    let path = folder.join(format!("{number:016}.{EXTENSION}"));
    Arc::new(Segment { path, is_retired: AtomicBool::new(false) })
}
