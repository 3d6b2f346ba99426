//! The model engine: two ordered maps in memory, simple enough to be right by reading.
//!
//! Every other engine is compared with it, and tests of what stands above an engine run on it. It knows
//! no durability: "committed" means in the map. A commit copies the maps only if a snapshot or a running read
//! still holds them; a persistent tree would copy less, but would be one more thing to trust.
//!
//! [`MemoryEngine::fail_commits`] makes commits fail, so that the error paths above can be tested.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{
    Batch, BodyRange, BodyWrite, BoxFuture, Direction, Engine, EngineError, EngineStatistics, KEY_BYTES_MAX, KeyRange,
    Read, RecordVisitor, RecordWrite, ValueVisitor,
};

/// One committed state.
#[derive(Debug, Clone, Default)]
struct State {
    records: BTreeMap<Vec<u8>, Bytes>,
    bodies: BTreeMap<Vec<u8>, Bytes>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Arc<State>,
    commits_to_fail: u64,
    batches: u64,
}

/// An engine that keeps everything in memory and forgets it when dropped.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    shared: Mutex<Shared>,
}

impl MemoryEngine {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next `count` commits answer [`EngineError::Io`] and write nothing. Replaces an earlier count.
    pub fn fail_commits(&self, count: u64) {
        self.lock().commits_to_fail = count;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No visitor runs under this lock, and a state is replaced only when whole: poison says nothing here.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.lock().state)
    }

    fn apply(&self, batch: Batch) -> Result<(), EngineError> {
        let mut shared = self.lock();
        if let Some(left) = shared.commits_to_fail.checked_sub(1) {
            shared.commits_to_fail = left;
            return Err(EngineError::Io("a failure injected by a test".to_owned()));
        }
        check_keys(&batch)?;
        for (key, value) in &batch.expectations {
            if shared.state.records.get(key).map(Bytes::as_ref) != value.as_deref() {
                return Err(EngineError::Conflict);
            }
        }
        if !batch.is_empty() {
            Arc::make_mut(&mut shared.state).write(batch);
        }
        shared.batches += 1;
        Ok(())
    }
}

impl State {
    fn write(&mut self, batch: Batch) {
        for write in batch.records {
            match write {
                RecordWrite::Put(key, value) => drop(self.records.insert(key, Bytes::from(value))),
                RecordWrite::Delete(key) => drop(self.records.remove(&key)),
                RecordWrite::DeleteRange(range) => remove_range(&mut self.records, &range),
            }
        }
        for write in batch.bodies {
            match write {
                // A copy: the caller's buffer may be a small piece of something large that must be freed.
                BodyWrite::Put(key, body) => {
                    self.bodies.entry(key).or_insert_with(|| Bytes::copy_from_slice(&body));
                }
                BodyWrite::Delete(key) => drop(self.bodies.remove(&key)),
                BodyWrite::DeleteRange(range) => remove_range(&mut self.bodies, &range),
            }
        }
    }

    fn get(&self, keys: &[Vec<u8>], visit: &mut ValueVisitor<'_>) -> Result<(), EngineError> {
        for key in keys {
            check_key(key)?;
        }
        for (position, key) in keys.iter().enumerate() {
            if visit(position, self.records.get(key).map(Bytes::as_ref)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan(&self, range: &KeyRange, direction: Direction, visit: &mut RecordVisitor<'_>) {
        let Some(bounds) = bounds(range) else { return };
        let mut found = self.records.range::<[u8], _>(bounds);
        loop {
            let next = match direction {
                Direction::Forward => found.next(),
                Direction::Backward => found.next_back(),
            };
            let Some((key, value)) = next else { return };
            if visit(key, value).is_break() {
                return;
            }
        }
    }

    fn bodies(&self, wanted: &[BodyRange], visit: &mut ValueVisitor<'_>) -> Result<(), EngineError> {
        for piece in wanted {
            check_key(&piece.key)?;
        }
        for (position, piece) in wanted.iter().enumerate() {
            let found = self.bodies.get(&piece.key).map(|body| cut(body, piece));
            if visit(position, found).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan_bodies(&self, range: &KeyRange, visit: &mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send)) {
        let Some(bounds) = bounds(range) else { return };
        for (key, body) in self.bodies.range::<[u8], _>(bounds) {
            if visit(key, body.len() as u64).is_break() {
                return;
            }
        }
    }
}

/// The piece of `body` that was asked for.
fn cut<'b>(body: &'b [u8], piece: &BodyRange) -> &'b [u8] {
    let start = usize::try_from(piece.offset).unwrap_or(usize::MAX).min(body.len());
    let rest = body.get(start..).unwrap_or_default();
    let length = usize::try_from(piece.length).unwrap_or(usize::MAX).min(rest.len());
    rest.get(..length).unwrap_or_default()
}

/// First and last bound of a range of keys.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The range as `BTreeMap` takes it; nothing if it is empty, which `BTreeMap` would not take.
fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let end = match &range.end {
        Some(end) if *end <= range.start => return None,
        Some(end) => Bound::Excluded(end.as_slice()),
        None => Bound::Unbounded,
    };
    Some((Bound::Included(range.start.as_slice()), end))
}

fn remove_range(map: &mut BTreeMap<Vec<u8>, Bytes>, range: &KeyRange) {
    map.retain(|key, _| !range.contains(key));
}

fn check_key(key: &[u8]) -> Result<(), EngineError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX { Err(EngineError::KeyLength(key.len())) } else { Ok(()) }
}

fn check_keys(batch: &Batch) -> Result<(), EngineError> {
    for (key, _) in &batch.expectations {
        check_key(key)?;
    }
    for write in &batch.records {
        if let RecordWrite::Put(key, _) | RecordWrite::Delete(key) = write {
            check_key(key)?;
        }
    }
    for write in &batch.bodies {
        if let BodyWrite::Put(key, _) | BodyWrite::Delete(key) = write {
            check_key(key)?;
        }
    }
    Ok(())
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Read for Arc<State> {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(State::get(self, keys, visit))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        State::scan(self, range, direction, visit);
        ready(Ok(()))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(State::bodies(self, wanted, visit))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        State::scan_bodies(self, range, visit);
        ready(Ok(()))
    }
}

impl Read for MemoryEngine {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(State::get(&self.state(), keys, visit))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        State::scan(&self.state(), range, direction, visit);
        ready(Ok(()))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(State::bodies(&self.state(), wanted, visit))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        State::scan_bodies(&self.state(), range, visit);
        ready(Ok(()))
    }
}

impl Engine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    /// Applied within the call, so that the order of calls is the order of batches.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), EngineError>> {
        ready(self.apply(batch))
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Read>, EngineError>> {
        ready(Ok(Box::new(self.state()) as Box<dyn Read>))
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        ready(Ok(Vec::new()))
    }

    fn compact(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        ready(Ok(()))
    }

    fn statistics(&self) -> BoxFuture<'_, Result<EngineStatistics, EngineError>> {
        let batches = self.lock().batches;
        ready(Ok(EngineStatistics { commits: batches, batches, ..EngineStatistics::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Home, values, wait};

    struct Memory(Arc<MemoryEngine>);

    impl Home for Memory {
        fn open(&self) -> BoxFuture<'_, Arc<dyn Engine>> {
            let engine: Arc<dyn Engine> = self.0.clone();
            ready(engine)
        }
    }

    #[test]
    fn the_model_keeps_the_contract() {
        wait(conformance::run(|| Memory(Arc::new(MemoryEngine::new()))));
    }

    #[test]
    fn injected_failures_write_nothing_and_end() {
        let engine = MemoryEngine::new();
        engine.fail_commits(2);
        for value in [b"1", b"2"] {
            let mut batch = Batch::new();
            batch.put(b"a", *value);
            assert!(matches!(wait(engine.commit(batch)), Err(EngineError::Io(_))));
            assert_eq!(wait(values(&engine, &[b"a"])), [None]);
        }
        let mut batch = Batch::new();
        batch.put(b"a", b"3");
        assert!(wait(engine.commit(batch)).is_ok());
        assert_eq!(wait(values(&engine, &[b"a"])), [Some(b"3".to_vec())]);
    }
}
