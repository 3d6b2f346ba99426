//! A run: what one group of batches, or several that follow each other, change.
//!
//! Runs are what the overlay is made of, what the applier writes to LMDB, and what replaying a frame gives.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    frame::{FrameBody, Operation},
    layer::{DraftLayer, Layer},
    layout::Location,
};

/// What an entry takes in memory besides its key and value, roughly.
const ENTRY_BYTES: usize = 120;
/// LMDB gives a value of this length or more pages of its own.
const OVERFLOW_BYTES: usize = 2_000;
const PAGE_BYTES: usize = 4_096;

/// The end of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The segment it is in.
    pub segment: u64,
    /// Where it ends in the file.
    pub end: u64,
    /// The frame's number.
    pub sequence: u64,
}

/// Where a body is, or what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyPlace {
    /// A small one's content.
    Inline(Bytes),
    /// Where in a segment it lies.
    Segment(Location),
}

impl BodyPlace {
    /// The content's length.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(content) => content.len() as u64,
            Self::Segment(location) => location.length,
        }
    }
}

/// Changes that are durable in the journal.
#[derive(Debug)]
pub(crate) struct Run {
    /// The records.
    pub records: Layer<Bytes>,
    /// The bodies.
    pub bodies: Layer<BodyPlace>,
    /// The end of its last frame.
    pub tail: Position,
    /// Where its last frame in each segment ends.
    pub ends: BTreeMap<u64, u64>,
    /// What it takes in memory, and what it may take in LMDB, in bytes.
    pub cost: Cost,
}

/// What changes take, in bytes; guessed, and rather too much.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// In memory.
    pub memory: usize,
    /// In LMDB's map.
    pub map: u64,
}

impl Cost {
    /// The cost of setting or deleting a key.
    pub fn of(key: &[u8], value: Option<usize>) -> Self {
        let map = match value {
            None => 0,
            Some(length) if length >= OVERFLOW_BYTES => (length / PAGE_BYTES + 2) * PAGE_BYTES,
            Some(length) => 2 * (key.len() + length + 16),
        };
        Self { memory: key.len() + value.unwrap_or_default() + ENTRY_BYTES, map: map as u64 }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { memory: self.memory.saturating_add(other.memory), map: self.map.saturating_add(other.map) }
    }
}

impl Run {
    /// A run that changes nothing.
    pub fn empty(tail: Position) -> Self {
        Self {
            records: DraftLayer::default().finish(|value| value),
            bodies: DraftLayer::default().finish(|value| value),
            tail,
            ends: BTreeMap::new(),
            cost: Cost::default(),
        }
    }

    /// Entries, deletions and ranges, as a measure of the work to merge it.
    pub fn weight(&self) -> usize {
        let ranges = self.records.cleared().iter().count() + self.bodies.cleared().iter().count();
        self.records.entries().len() + self.bodies.entries().len() + ranges + 1
    }

    /// One run that does what `older` and then `newer` do.
    pub fn merge(older: &Self, newer: &Self) -> Self {
        let mut ends = older.ends.clone();
        ends.extend(&newer.ends);
        Self {
            records: Layer::merge(&older.records, &newer.records),
            bodies: Layer::merge(&older.bodies, &newer.bodies),
            tail: newer.tail,
            ends,
            cost: older.cost.plus(newer.cost),
        }
    }
}

/// A body in a run whose place in the journal is not decided yet.
#[derive(Debug)]
pub(crate) enum DraftBody {
    /// A small one's content.
    Inline(Bytes),
    /// One whose content is in the frame.
    InFrame(FrameBody),
}

/// A run under construction.
#[derive(Debug, Default)]
pub(crate) struct DraftRun {
    /// The records so far.
    pub records: DraftLayer<Bytes>,
    /// The bodies so far.
    pub bodies: DraftLayer<DraftBody>,
    cost: Cost,
}

impl DraftRun {
    /// Does what an operation says.
    pub fn apply(&mut self, operation: &Operation<'_>) {
        match operation {
            Operation::PutRecord(key, value) => {
                self.pay(key, Some(value.len()));
                self.records.set(key, Some(Bytes::copy_from_slice(value)));
            }
            Operation::DeleteRecord(key) => {
                self.pay(key, None);
                self.records.set(key, None);
            }
            Operation::ClearRecords(range) => self.records.clear(range),
            Operation::PutInlineBody(key, content) => {
                self.pay(key, Some(content.len()));
                self.bodies.set(key, Some(DraftBody::Inline(Bytes::copy_from_slice(content))));
            }
            Operation::PutBody(key, body) => {
                self.pay(key, Some(size_of::<Location>()));
                self.bodies.set(key, Some(DraftBody::InFrame(*body)));
            }
            Operation::DeleteBody(key) => {
                self.pay(key, None);
                self.bodies.set(key, None);
            }
            Operation::ClearBodies(range) => self.bodies.clear(range),
        }
    }

    fn pay(&mut self, key: &[u8], value: Option<usize>) {
        self.cost = self.cost.plus(Cost::of(key, value));
    }

    /// The run, now that its frame has a place: it ends at `tail`, and its bodies begin at `contents_offset`.
    pub fn finish(self, tail: Position, contents_offset: u64) -> Run {
        Run {
            records: self.records.finish(|value| value),
            bodies: self.bodies.finish(|body| match body {
                DraftBody::Inline(content) => BodyPlace::Inline(content),
                DraftBody::InFrame(FrameBody { offset, length, checksum }) => BodyPlace::Segment(Location {
                    segment: tail.segment,
                    offset: contents_offset + offset,
                    length,
                    checksum,
                }),
            }),
            tail,
            ends: BTreeMap::from([(tail.segment, tail.end)]),
            cost: self.cost,
        }
    }
}

/// Adds a run behind others, of which the last are merged with it if they are not much larger: so there are never more
/// than some logarithm of them, and each entry is merged about as often.
pub(crate) fn push(runs: &mut Vec<std::sync::Arc<Run>>, first: usize, run: Run) {
    let mut newest = run;
    while runs.len() > first {
        match runs.pop() {
            Some(before) if before.weight() <= 2 * newest.weight() => newest = Run::merge(&before, &newest),
            before => {
                runs.extend(before);
                break;
            }
        }
    }
    runs.push(std::sync::Arc::new(newest));
}
