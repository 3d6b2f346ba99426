//! Replays what the journal has behind the applied position, when a store is opened.
//!
//! Frames are taken in the order of their numbers, without a gap. The last segment ends with the first frame that is
//! not sound: a torn one, or what lies behind the journal's end. Each segment before it must reach up to the number
//! with which the next begins; if it does not, something that was acknowledged is damaged, and the store is not opened,
//! because what comes after may build on it. Frames from that number on are void (see [`journal`](crate::journal)).
//!
//! Where LMDB has no room for more, what is left is put off: it goes into the overlay, where it was before, and the
//! applier writes it when there is room.

use std::{fs::File, sync::Arc};

use postrider_engine::EngineError;

use crate::{
    Shared, applier,
    apply::Accounts,
    error::from_io,
    frame::Frame,
    room::Room,
    run::{self, DraftRun, Position, Run},
    segment_file::{HEADER_BYTES, SegmentHeader},
};

/// A segment that may hold frames to be replayed.
struct Candidate {
    header: SegmentHeader,
    file: File,
}

/// What was replayed.
pub(crate) struct Replayed {
    /// The end of the last frame.
    pub tail: Position,
    /// What LMDB had no room for, the oldest first.
    pub put_off: Vec<Arc<Run>>,
}

/// Applies what is not in LMDB yet.
pub(crate) fn replay(shared: &Shared, applied: Position, accounts: &mut Accounts) -> Result<Replayed, EngineError> {
    let candidates = candidates(shared, applied)?;
    let mut replay = Replay { shared, accounts, tail: applied, runs: Vec::new(), is_putting_off: false };
    let mut ends = candidates.iter().skip(1).map(|next| Some(next.header.first_sequence)).chain([None]);
    for candidate in &candidates {
        replay.segment(candidate, ends.next().flatten())?;
    }
    replay.flush()?;
    let (tail, put_off) = (replay.tail, replay.runs);
    if tail != applied {
        let frames = tail.sequence - applied.sequence;
        tracing::info!(frames, is_put_off = !put_off.is_empty(), "replayed what the journal had and LMDB had not");
    }
    Ok(Replayed { tail, put_off })
}

/// The segments, in order, from the applied one on.
fn candidates(shared: &Shared, applied: Position) -> Result<Vec<Candidate>, EngineError> {
    let mut candidates = Vec::new();
    for number in shared.segments.found()? {
        if number < applied.segment {
            continue;
        }
        let file = shared.segments.open_file(number)?;
        let failed = |error| from_io(format_args!("segment {number}"), error);
        // What a killed process wrote may be in the system's memory alone; LMDB must not name it before it is durable.
        shared.disk.sync(&file).map_err(failed)?;
        let header = SegmentHeader::read(&file).map_err(failed)?;
        // One without a header was begun when the process ended, and has nothing.
        candidates.extend(header.filter(|header| header.number == number).map(|header| Candidate { header, file }));
    }
    Ok(candidates)
}

struct Replay<'a> {
    shared: &'a Shared,
    accounts: &'a mut Accounts,
    /// The end of the last frame that was taken.
    tail: Position,
    /// What was taken and not yet applied.
    runs: Vec<Arc<Run>>,
    /// LMDB has no room.
    is_putting_off: bool,
}

impl Replay<'_> {
    /// Takes the frames of a segment; those from `void` on do not count.
    fn segment(&mut self, candidate: &Candidate, void: Option<u64>) -> Result<(), EngineError> {
        let Candidate { header, file } = candidate;
        let failed = |error| from_io(format_args!("segment {}", header.number), error);
        let length = file.metadata().map_err(failed)?.len();
        let mut offset = if header.number == self.tail.segment { self.tail.end } else { HEADER_BYTES };
        if header.first_sequence > self.tail.sequence + 1 {
            return Err(lost(header.number, self.tail.sequence, header.first_sequence));
        }
        while void.is_none_or(|void| self.tail.sequence + 1 < void) {
            let frame = Frame::read(file, header, offset, length).map_err(failed)?;
            let Some(frame) = frame.filter(|frame| frame.sequence == self.tail.sequence + 1) else { break };
            if !frame.has_sound_bodies(file).map_err(failed)? {
                break;
            }
            offset = frame.end;
            self.take(header.number, &frame)?;
        }
        match void {
            Some(void) if self.tail.sequence + 1 < void => Err(lost(header.number, self.tail.sequence, void)),
            _ => Ok(()),
        }
    }

    fn take(&mut self, segment: u64, frame: &Frame) -> Result<(), EngineError> {
        let mut draft = DraftRun::default();
        frame.operations().for_each(|operation| draft.apply(&operation));
        self.tail = Position { segment, end: frame.end, sequence: frame.sequence };
        run::push(&mut self.runs, 0, draft.finish(self.tail, frame.contents_offset));
        let (memory, options) = (self.memory(), &self.shared.options);
        if self.is_putting_off {
            // Only the journal of a copy can have more than an overlay and a frame, and that was just made.
            let memory_max = options.overlay_bytes_max.saturating_add(options.frame_bytes_max).saturating_mul(2);
            return if memory > memory_max { Err(Room::refusal()) } else { Ok(()) };
        }
        if memory >= options.apply_bytes { self.flush() } else { Ok(()) }
    }

    fn memory(&self) -> usize {
        self.runs.iter().map(|run| run.cost.memory).sum()
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        let shared = self.shared;
        let mut done = 0;
        while let Some(run) = self.runs.get(done).filter(|_| !self.is_putting_off) {
            match applier::transact(shared, run, self.accounts, |_| false) {
                Ok(_) => done += 1,
                Err(EngineError::Full(_)) => self.is_putting_off = true,
                Err(error) => return Err(error),
            }
        }
        self.runs.drain(..done);
        Ok(())
    }
}

fn lost(segment: u64, last: u64, next: u64) -> EngineError {
    EngineError::Damaged(format!(
        "the journal has no sound frame between {last} and {next} (segment {segment}): what was committed there is lost"
    ))
}
