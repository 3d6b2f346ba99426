//! Takes the requests of one group in order, decides each, and makes a frame and a run of those that are granted.
//!
//! What a request may depend on is decided here and nowhere else: whether expectations hold, whether a body is there
//! already, whether a body is still where compaction saw it. So neither applying nor replaying a frame depends on the
//! state it meets. A request that is refused has left nothing in frame or run.

use postrider_engine::{Batch, BodyWrite, EngineError, RecordWrite};

use crate::{
    Shared,
    frame::{FrameBuilder, Operation},
    layer::Found,
    layout::Location,
    run::{Cost, DraftRun},
    view::View,
};

/// A body to be moved out of a segment.
#[derive(Debug)]
pub(crate) struct Move {
    /// The body's key.
    pub key: Vec<u8>,
    /// Where it was seen.
    pub from: Location,
    /// What was read there, checked.
    pub content: bytes::Bytes,
}

/// The answer to one request of a group.
pub(crate) type Outcome = Result<(), EngineError>;

/// A group under construction.
pub(crate) struct Group<'a> {
    shared: &'a Shared,
    /// The state before the group.
    view: View<'a>,
    /// Bytes that LMDB's map has room for.
    map_room: u64,
    /// Whether something was refused for want of that.
    pub is_map_full: bool,
    /// What will be written.
    pub frame: FrameBuilder,
    /// What will be visible.
    pub draft: DraftRun,
}

impl<'a> Group<'a> {
    /// An empty group on top of all that is committed.
    pub fn new(shared: &'a Shared) -> Result<Self, EngineError> {
        let view = View::now(shared)?;
        let map_room = shared.overlay.map_room();
        Ok(Self { shared, view, map_room, is_map_full: false, frame: FrameBuilder::new(), draft: DraftRun::default() })
    }

    /// Adds a batch whose keys have been checked.
    pub fn batch(&mut self, batch: &Batch) -> Result<(), EngineError> {
        for (key, expected) in &batch.expectations {
            if self.record(key)? != expected.as_deref() {
                return Err(EngineError::Conflict);
            }
        }
        self.pay(batch)?;
        for write in &batch.records {
            self.push(&match write {
                RecordWrite::Put(key, value) => Operation::PutRecord(key, value),
                RecordWrite::Delete(key) => Operation::DeleteRecord(key),
                RecordWrite::DeleteRange(range) => Operation::ClearRecords(range.clone()),
            });
        }
        for write in &batch.bodies {
            match write {
                BodyWrite::Put(key, content) => self.put_body(key, content),
                BodyWrite::Delete(key) => self.push(&Operation::DeleteBody(key)),
                BodyWrite::DeleteRange(range) => self.push(&Operation::ClearBodies(range.clone())),
            }
        }
        Ok(())
    }

    /// Refuses a batch for which LMDB's map may have no room. One that only deletes is never refused: the map has a
    /// reserve for what changing needs by the way.
    fn pay(&mut self, batch: &Batch) -> Result<(), EngineError> {
        let inline_max = self.shared.options.inline_body_bytes_max;
        let records = batch.records.iter().filter_map(|write| match write {
            RecordWrite::Put(key, value) => Some(Cost::of(key, Some(value.len()))),
            RecordWrite::Delete(_) | RecordWrite::DeleteRange(_) => None,
        });
        let bodies = batch.bodies.iter().filter_map(|write| match write {
            BodyWrite::Put(key, content) if content.len() <= inline_max => Some(Cost::of(key, Some(content.len()))),
            BodyWrite::Put(key, _) => Some(Cost::of(key, Some(size_of::<Location>()))),
            BodyWrite::Delete(_) | BodyWrite::DeleteRange(_) => None,
        });
        let cost = records.chain(bodies).fold(Cost::default(), Cost::plus).map;
        match self.map_room.checked_sub(cost) {
            Some(left) => self.map_room = left,
            None if cost == 0 => {}
            None => {
                self.is_map_full = true;
                return Err(EngineError::Full("LMDB's file has reached its bound; raise map_bytes_max".to_owned()));
            }
        }
        Ok(())
    }

    /// Adds bodies that are moved, those that are still where they were seen. Should LMDB fail half way, those before are
    /// moved and the others are not: each move stands for itself.
    pub fn relocate(&mut self, moves: &[Move]) -> Result<(), EngineError> {
        for body in moves {
            // Deleted since it was read, or deleted and put again: then it has no more business where it was.
            let is_there = match self.draft.bodies.find(&body.key) {
                Found::Below => {
                    let named = self.view.body(self.shared, &body.key)?;
                    named.is_some_and(|named| named.is_at(&body.key, &body.from))
                }
                Found::Value(_) | Found::Deleted => false,
            };
            if is_there {
                self.push_body(&body.key, &body.content);
            }
        }
        Ok(())
    }

    fn record(&self, key: &[u8]) -> Result<Option<&[u8]>, EngineError> {
        match self.draft.records.find(key) {
            Found::Value(value) => Ok(Some(value)),
            Found::Deleted => Ok(None),
            Found::Below => self.view.record(self.shared, key),
        }
    }

    fn put_body(&mut self, key: &[u8], content: &bytes::Bytes) {
        let is_there = match self.draft.bodies.find(key) {
            Found::Value(_) => true,
            Found::Deleted => false,
            // LMDB could be read for the expectations and will be for the answers; should it fail just here, the first
            // content gives way to the second, and nothing is lost.
            Found::Below => self.view.body(self.shared, key).is_ok_and(|named| named.is_some()),
        };
        if is_there {
            return;
        }
        if content.len() <= self.shared.options.inline_body_bytes_max {
            self.push(&Operation::PutInlineBody(key, content));
        } else {
            self.push_body(key, content);
        }
    }

    fn push(&mut self, operation: &Operation<'_>) {
        self.frame.push(operation);
        self.draft.apply(operation);
    }

    fn push_body(&mut self, key: &[u8], content: &bytes::Bytes) {
        let body = self.frame.push_body(key, content);
        self.draft.apply(&Operation::PutBody(key, body));
    }
}

/// Bytes and changes of a batch.
pub(crate) fn size(batch: &Batch) -> (usize, usize) {
    let records = batch.records.iter().map(|write| match write {
        RecordWrite::Put(key, value) => key.len() + value.len(),
        RecordWrite::Delete(key) => key.len(),
        RecordWrite::DeleteRange(_) => 0,
    });
    let bodies = batch.bodies.iter().map(|write| match write {
        BodyWrite::Put(key, content) => key.len() + content.len(),
        BodyWrite::Delete(key) => key.len(),
        BodyWrite::DeleteRange(_) => 0,
    });
    (records.chain(bodies).sum(), batch.records.len() + batch.bodies.len())
}
