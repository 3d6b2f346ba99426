//! Random work on this engine and on the model, with failures, compactions and new openings in between, leaves
//! equal states.

use std::sync::Arc;

use postrider_engine::{
    Batch, BodyWrite, Engine, EngineError, KeyRange, Read, RecordWrite,
    conformance::{content, values, wait},
    memory::MemoryEngine,
};
use proptest::{collection::vec, prelude::*};

use super::{
    disk::{Fault, TestDisk},
    everything, small,
};
use crate::LmdbEngine;

/// A change, with keys and contents by number.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(u8, u16),
    Delete(u8),
    DeleteRange(u8, u8),
    PutBody(u8, u16),
    DeleteBody(u8),
    DeleteBodies(u8, u8),
    /// Expects what is there.
    ExpectSame(u8),
    /// Expects a value, which mostly is not there.
    ExpectValue(u8, u16),
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Change>),
    /// Several batches, all submitted before the first is waited for.
    CommitTogether(Vec<Vec<Change>>),
    /// A commit while a failure is injected.
    CommitFailing(Vec<Change>, Fault),
    OpenSnapshot,
    /// Waits until all is applied.
    Flush,
    Compact,
    Reopen,
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    // Contents are short (in LMDB), longer (in a segment), or longer than a segment.
    let content = prop_oneof![4 => 0..100_u16, 4 => 101..20_000_u16, 1 => Just(u16::MAX)];
    let key = 0..12_u8;
    prop_oneof![
        4 => (key.clone(), 0..300_u16).prop_map(|(key, value)| Change::Put(key, value)),
        2 => key.clone().prop_map(Change::Delete),
        1 => (key.clone(), key.clone()).prop_map(|(start, end)| Change::DeleteRange(start, end)),
        6 => (key.clone(), content).prop_map(|(key, value)| Change::PutBody(key, value)),
        4 => key.clone().prop_map(Change::DeleteBody),
        1 => (key.clone(), key.clone()).prop_map(|(start, end)| Change::DeleteBodies(start, end)),
        1 => key.clone().prop_map(Change::ExpectSame),
        1 => (key, 0..300_u16).prop_map(|(key, value)| Change::ExpectValue(key, value)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::Write), Just(Fault::WriteFull), Just(Fault::Sync)];
    prop_oneof![
        8 => vec(change(), 0..8).prop_map(Step::Commit),
        3 => vec(vec(change(), 0..5), 2..6).prop_map(Step::CommitTogether),
        2 => (vec(change(), 1..8), fault).prop_map(|(changes, fault)| Step::CommitFailing(changes, fault)),
        1 => Just(Step::OpenSnapshot),
        2 => Just(Step::Flush),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

pub(super) fn batch(changes: &[Change], model: &MemoryEngine) -> Batch {
    let key = |number: u8| vec![number / 4, number];
    let value = |number: u16| content(number.into(), number.into());
    let mut batch = Batch::new();
    for change in changes {
        match *change {
            Change::Put(at, number) => batch.put(key(at), value(number)),
            Change::Delete(at) => batch.delete(key(at)),
            Change::DeleteRange(start, end) => batch.delete_range(KeyRange::new(key(start), key(end))),
            Change::PutBody(at, number) => batch.put_body(key(at), value(number).into()),
            Change::DeleteBody(at) => batch.delete_body(key(at)),
            Change::DeleteBodies(start, end) => {
                batch.bodies.push(BodyWrite::DeleteRange(KeyRange::new(key(start), key(end))));
            }
            Change::ExpectSame(at) => {
                let same = wait(values(model, &[&key(at)])).remove(0);
                batch.expect(key(at), same);
            }
            Change::ExpectValue(at, number) => batch.expect(key(at), Some(value(number))),
        }
    }
    batch
}

struct Pair {
    folder: tempfile::TempDir,
    engine: Arc<LmdbEngine>,
    disk: Arc<TestDisk>,
    model: MemoryEngine,
    snapshot: Option<(Box<dyn Read>, Box<dyn Read>)>,
}

impl Pair {
    fn new() -> Self {
        let (folder, engine, disk) = super::fresh_on_test_disk(small());
        Self { folder, engine, disk, model: MemoryEngine::new(), snapshot: None }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Commit(changes) => {
                let batch = batch(changes, &self.model);
                let expected = wait(self.model.commit(batch.clone()));
                same_answer(&wait(self.engine.commit(batch)), &expected);
            }
            Step::CommitTogether(together) => {
                let batches: Vec<Batch> = together.iter().map(|changes| batch(changes, &self.model)).collect();
                let waiting: Vec<_> = batches.iter().map(|batch| self.engine.commit(batch.clone())).collect();
                for (batch, answer) in batches.into_iter().zip(waiting) {
                    same_answer(&wait(answer), &wait(self.model.commit(batch)));
                }
            }
            Step::CommitFailing(changes, fault) => self.commit_failing(changes, *fault),
            Step::Flush => self.engine.shared.overlay.flush().unwrap(),
            Step::OpenSnapshot => {
                let model = wait(self.model.snapshot()).unwrap();
                self.snapshot = Some((wait(self.engine.snapshot()).unwrap(), model));
            }
            Step::Compact => wait(self.engine.compact()).unwrap(),
            Step::Reopen => self.reopen(),
        }
        self.compare();
    }

    fn commit_failing(&self, changes: &[Change], fault: Fault) {
        let batch = batch(changes, &self.model);
        self.disk.fail_once(Some(fault));
        let answer = wait(self.engine.commit(batch.clone()));
        self.disk.fail_once(None);
        if !matches!(answer, Err(EngineError::Io(_) | EngineError::Full(_))) {
            // The batch did not come as far as the failure.
            same_answer(&answer, &wait(self.model.commit(batch)));
        }
    }

    fn reopen(&mut self) {
        self.snapshot = None;
        // The engine must be gone before the folder is free, so something stands in for it meanwhile.
        let (_elsewhere, stand_in) = super::fresh(small());
        drop(std::mem::replace(&mut self.engine, stand_in));
        let disk = Arc::clone(&self.disk);
        self.engine = LmdbEngine::open_on(self.folder.path(), small(), disk).unwrap();
    }

    fn compare(&self) {
        assert_eq!(everything(&*self.engine), everything(&self.model));
        if let Some((snapshot, model)) = &self.snapshot {
            assert_eq!(everything(&**snapshot), everything(&**model), "in the snapshot");
        }
    }
}

fn same_answer(answer: &Result<(), EngineError>, expected: &Result<(), EngineError>) {
    match (answer, expected) {
        (Ok(()), Ok(())) | (Err(EngineError::Conflict), Err(EngineError::Conflict)) => {}
        _ => panic!("{answer:?} instead of {expected:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_work_leaves_the_same_state_as_the_model(steps in vec(step(), 1..30)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step);
        }
        pair.reopen();
        pair.compare();
        prop_assert_eq!(wait(pair.engine.verify()).unwrap(), Vec::<String>::new());
        // Every body gone, nothing is left to win back, and no file with it.
        let all = Batch {
            records: vec![RecordWrite::DeleteRange(KeyRange::all())],
            bodies: vec![BodyWrite::DeleteRange(KeyRange::all())],
            ..Batch::new()
        };
        wait(pair.engine.commit(all)).unwrap();
        pair.snapshot = None;
        wait(pair.engine.compact()).unwrap();
        prop_assert_eq!(wait(pair.engine.statistics()).unwrap().bytes_dead, 0);
        super::eventually("all files are gone", || super::segment_files(pair.folder.path()).is_empty());
    }
}
