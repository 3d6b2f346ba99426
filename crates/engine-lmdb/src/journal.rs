//! Writes frames: appends each to the current segment and waits for the device, once.
//!
//! A tail whose state is in doubt, after a failed write or sync or after a restart, is never written to again: a new
//! segment is begun, and its header says with which frame. A frame that was written but whose sync failed may be on the
//! device; the header of the next segment makes it void, because its number is used again there. Until that header is
//! durable nothing else is acknowledged, not even a batch that changes nothing, so it does not matter whether such a
//! frame counts.

use std::{
    fs::File,
    io::IoSlice,
    sync::{Arc, mpsc::Sender},
};

use postrider_engine::EngineError;

use crate::{
    disk,
    error::from_io,
    frame::FrameBuilder,
    growth::{Chore, Zone},
    run::Position,
    segment_file::{HEADER_BYTES, SegmentHeader},
    shared::Shared,
};

/// The segment that takes frames.
#[derive(Debug)]
struct OpenSegment {
    header: SegmentHeader,
    file: File,
    zone: Arc<Zone>,
    /// Where the next frame goes.
    end: u64,
}

/// The journal's writing end; owned by the committer.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    chores: Sender<Chore>,
    current: Option<OpenSegment>,
    next_number: u64,
    /// The last frame's number.
    sequence: u64,
    /// A frame has been written that may be on the device, and is not void yet.
    is_in_doubt: bool,
}

/// Where a frame has been written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Its end.
    pub tail: Position,
    /// Where the contents of its bodies begin.
    pub contents_offset: u64,
}

impl Journal {
    /// A journal that goes on after the frame of this number, in a new segment.
    pub fn new(shared: Arc<Shared>, chores: Sender<Chore>, next_number: u64, sequence: u64) -> Self {
        Self { shared, chores, current: None, next_number, sequence, is_in_doubt: false }
    }

    /// Writes a frame; it is on stable storage when this returns.
    ///
    /// # Errors
    /// When it may not be. It will then not count, unless the process ends before another frame is written.
    pub fn append(&mut self, frame: &mut FrameBuilder) -> Result<Written, EngineError> {
        let length = frame.length();
        // One frame may be larger than a segment should be; it gets one for itself.
        if self.current.as_ref().is_some_and(|open| open.end.saturating_add(length) > self.shared.options.segment_bytes)
        {
            self.close();
        }
        let mut open = match self.current.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let (start, sequence) = (open.end, self.sequence + 1);
        match self.write(&open, frame, sequence) {
            Ok(()) => {
                open.end += length;
                self.sequence = sequence;
                self.is_in_doubt = false;
                let tail = Position { segment: open.header.number, end: open.end, sequence };
                self.current = Some(open);
                Ok(Written { tail, contents_offset: start + frame.contents_offset() })
            }
            Err(error) => {
                self.is_in_doubt = true;
                self.leave(open);
                Err(error)
            }
        }
    }

    fn write(&self, open: &OpenSegment, frame: &mut FrameBuilder, sequence: u64) -> Result<(), EngineError> {
        // On a full device the zeros would take the room of frames.
        if open.zone.claim(open.end, open.end + frame.length()) && !self.shared.room.is_full() {
            // If the thread is gone, the file grows with each write; that is slower, no more.
            let _ = self.chores.send(Chore::Grow(Arc::clone(&open.zone)));
        }
        let pieces = frame.seal(&open.header, sequence);
        let mut pieces: Vec<IoSlice<'_>> = pieces.into_iter().map(IoSlice::new).collect();
        disk::write_all(&*self.shared.disk, &open.file, &mut pieces, open.end)
            .and_then(|()| self.shared.disk.sync(&open.file))
            .map_err(|error| from_io(format_args!("segment {}", open.header.number), error))
    }

    fn begin(&mut self) -> Result<OpenSegment, EngineError> {
        let header = SegmentHeader::new(self.next_number, self.sequence + 1);
        // A number is not used again even if the file cannot be made: it may be there all the same.
        self.next_number += 1;
        let (segment, [file, second]) = self.shared.segments.create(&header, &*self.shared.disk)?;
        self.shared.overlay.begin_segment(header.number, segment);
        let _ = self.chores.send(Chore::KeepRoom);
        let options = &self.shared.options;
        let zone = Arc::new(Zone::new(second, options.segment_bytes, options.growth_bytes_max));
        Ok(OpenSegment { header, file, zone, end: HEADER_BYTES })
    }

    /// Whether a frame that was not acknowledged may still come to count, until another is written, if need be one with
    /// nothing in it.
    pub fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// Begins a new segment with the next frame.
    pub fn close(&mut self) {
        if let Some(open) = self.current.take() {
            self.leave(open);
        }
    }

    /// The segment that takes frames.
    pub fn current(&self) -> Option<u64> {
        self.current.as_ref().map(|open| open.header.number)
    }

    fn leave(&self, open: OpenSegment) {
        open.zone.leave();
        self.shared.overlay.end_segment();
        if open.end == HEADER_BYTES {
            self.shared.overlay.retire(&[open.header.number]);
            self.shared.segments.close(open.header.number);
        } else {
            let _ = self.chores.send(Chore::Trim(open.zone, open.end));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
