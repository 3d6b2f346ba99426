//! Appends bodies to the current segment file: collected while a transaction is built, written with few large
//! writes, synced once before the transaction commits.
//!
//! The order is what makes a crash harmless: a row that names a body is committed after the body is durable, so a
//! body without a row may be left behind, never a row without its body. A tail whose state is in doubt, after a
//! failed write, sync or commit, or after a restart, is never written to again; a new segment is begun.

use std::{fs::File, mem, os::unix::fs::FileExt as _, sync::Arc};

use bytes::Bytes;
use postrider_engine::EngineError;

use crate::{
    Shared,
    error::from_io,
    layout::{self, Location},
    segment_file::{self, HEADER_BYTES},
};

/// Pieces smaller than this are put together before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A segment that takes bodies.
#[derive(Debug)]
struct OpenSegment {
    number: u64,
    file: File,
    /// Where the next entry goes.
    end: u64,
    /// Where `pending` goes.
    written: u64,
    /// Heads and contents by turns, not written yet.
    pending: Vec<Bytes>,
    /// Whether the transaction that is being built has put something here.
    is_touched: bool,
    /// Whether a committed transaction may name a body in it.
    is_named: bool,
}

/// Appends bodies; owned by the committer.
#[derive(Debug)]
pub(crate) struct Appender {
    shared: Arc<Shared>,
    current: Option<OpenSegment>,
    /// Filled up by the transaction that is being built, not synced yet.
    filled: Vec<OpenSegment>,
    next_number: u64,
}

impl Appender {
    /// An appender whose first segment gets `next_number`.
    pub fn new(shared: Arc<Shared>, next_number: u64) -> Self {
        Self { shared, current: None, filled: Vec::new(), next_number }
    }

    /// The number that the next segment will have.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Takes a body to be written, and tells where it will be and where its entry ends.
    pub fn append(&mut self, key: &[u8], content: &Bytes) -> Result<(Location, u64), EngineError> {
        let length = content.len() as u64;
        let bytes = segment_file::entry_bytes(key, length);
        let mut segment = match self.current.take() {
            // One entry may be larger than a segment should be; it gets one for itself.
            Some(open) if open.end + bytes <= self.shared.options.segment_bytes || open.end == HEADER_BYTES => open,
            full => {
                self.filled.extend(full);
                self.begin()?
            }
        };
        let checksum = layout::checksum(key, content);
        let head = segment_file::entry_head(key, length, checksum);
        let offset = segment.end + head.len() as u64;
        segment.end += bytes;
        segment.is_touched = true;
        segment.pending.push(Bytes::from(head));
        segment.pending.push(content.clone());
        let end = segment.end;
        let location = Location { segment: segment.number, offset, length, checksum };
        self.current = Some(segment);
        Ok((location, end))
    }

    /// Begins a new segment for the next body if this one is the current.
    pub fn close(&mut self, number: u64) {
        if self.current.as_ref().is_some_and(|open| open.number == number) {
            self.filled.extend(self.current.take());
        }
    }

    fn begin(&mut self) -> Result<OpenSegment, EngineError> {
        let number = self.next_number;
        let file = self.shared.segments.create(number)?;
        self.next_number += 1;
        Ok(OpenSegment {
            number,
            file,
            end: HEADER_BYTES,
            written: HEADER_BYTES,
            pending: Vec::new(),
            is_touched: false,
            is_named: false,
        })
    }

    /// Writes all that is pending and waits until it is on stable storage.
    pub fn sync(&mut self) -> Result<(), EngineError> {
        for segment in self.filled.iter_mut().chain(&mut self.current) {
            if segment.pending.is_empty() {
                continue;
            }
            #[cfg(test)]
            self.shared.faults.at(crate::tests::faults::Point::SegmentWrite)?;
            segment
                .write()
                .and_then(|()| segment.file.sync_data())
                .map_err(|error| from_io(format_args!("segment {}", segment.number), error))?;
            segment.is_named = true;
        }
        Ok(())
    }

    /// To be called after the transaction has committed.
    pub fn committed(&mut self) {
        self.filled.clear();
        if let Some(segment) = &mut self.current {
            segment.is_touched = false;
        }
    }

    /// To be called when the transaction has failed, at whatever point. Segments that no transaction can name are
    /// removed; all others are left as they are, and never written to again.
    pub fn abandon(&mut self) {
        for segment in mem::take(&mut self.filled).into_iter().chain(self.current.take()) {
            if !segment.is_named {
                self.shared.segments.retire(segment.number);
            } else if !segment.is_touched {
                self.current = Some(segment);
            }
        }
    }
}

impl OpenSegment {
    fn write(&mut self) -> std::io::Result<()> {
        let mut buffer: Vec<u8> = Vec::new();
        for piece in mem::take(&mut self.pending) {
            if !buffer.is_empty() && buffer.len() + piece.len() > WRITE_BYTES {
                self.file.write_all_at(&buffer, self.written)?;
                self.written += buffer.len() as u64;
                buffer.clear();
            }
            if piece.len() >= WRITE_BYTES {
                self.file.write_all_at(&piece, self.written)?;
                self.written += piece.len() as u64;
            } else {
                buffer.extend_from_slice(&piece);
            }
        }
        self.file.write_all_at(&buffer, self.written)?;
        self.written += buffer.len() as u64;
        Ok(())
    }
}
