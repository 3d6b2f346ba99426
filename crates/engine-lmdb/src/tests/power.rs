//! Power cuts at any moment: everything that was acknowledged is there, and nothing in part.

use std::sync::Arc;

use postrider_engine::{Batch, Engine, Read, conformance::wait, memory::MemoryEngine};
use proptest::{collection::vec, prelude::*};

use super::{
    disk::{Fault, TestDisk},
    everything,
    model::{Change, batch, change},
    small,
};
use crate::{LmdbEngine, LmdbOptions};

/// One life of the engine, from an opening to a power cut.
#[derive(Debug, Clone)]
struct Life {
    /// Batches, in rounds; those of a round are submitted together.
    rounds: Vec<Vec<Vec<Change>>>,
    /// Writes and syncs until the power is cut.
    until_cut: u32,
    /// Whether changes are applied often, or hardly ever.
    is_lazy: bool,
    is_growing: bool,
    keeps_tails: bool,
    /// How much is written at one time.
    write_bytes_max: usize,
    fault: Option<(usize, Fault)>,
    /// Which of the blocks that were not synced are lost, by turns.
    lost: Vec<bool>,
}

fn life() -> impl Strategy<Value = Life> {
    let fault = prop_oneof![Just(Fault::Write), Just(Fault::WriteFull), Just(Fault::Sync)];
    let rounds = vec(vec(vec(change(), 0..6), 1..4), 1..12);
    let written = prop_oneof![Just(usize::MAX), Just(1_000), Just(37_777)];
    let fault = proptest::option::of((0..12_usize, fault));
    (rounds, 1..60_u32, any::<[bool; 3]>(), written, fault, vec(any::<bool>(), 1..40)).prop_map(
        |(rounds, until_cut, [is_lazy, is_growing, keeps_tails], write_bytes_max, fault, lost)| Life {
            rounds,
            until_cut,
            is_lazy,
            is_growing,
            keeps_tails,
            write_bytes_max,
            fault,
            lost,
        },
    )
}

/// The states that the store may have, by what is known: the model with all that was acknowledged, and the batches
/// since of which nothing is known, in their order.
struct Known {
    model: MemoryEngine,
    in_doubt: Vec<Batch>,
}

impl Known {
    /// Commits the batches of a round, and learns from the answers.
    fn round(&mut self, engine: &LmdbEngine, round: &[Vec<Change>]) {
        let batches: Vec<Batch> = round.iter().map(|changes| batch(changes, &self.model)).collect();
        let waiting: Vec<_> = batches.iter().map(|batch| engine.commit(batch.clone())).collect();
        for (batch, answer) in batches.into_iter().zip(waiting) {
            match wait(answer) {
                Ok(()) => {
                    if !batch.is_empty() {
                        // What failed before it is void.
                        self.in_doubt.clear();
                    }
                    wait(self.model.commit(batch)).expect("the model takes what the engine took");
                }
                Err(postrider_engine::EngineError::Conflict) => {}
                Err(_) => self.in_doubt.push(batch),
            }
        }
    }

    /// Checks that the store has one of the states it may have, and takes that for the model: of the batches in doubt
    /// none is there, or one group, which are some that follow each other.
    fn settle(&mut self, engine: &LmdbEngine) {
        let found = everything(engine);
        let in_doubt = std::mem::take(&mut self.in_doubt);
        for start in 0..=in_doubt.len() {
            let model = copy(&self.model);
            for batch in std::iter::once(&Batch::new()).chain(&in_doubt[start..]) {
                let _ = wait(model.commit(batch.clone()));
                if everything(&model) == found {
                    self.model = model;
                    return;
                }
            }
        }
        panic!("the store has a state that it never had");
    }
}

fn copy(model: &MemoryEngine) -> MemoryEngine {
    let [records, bodies] = everything(model);
    let mut batch = Batch::new();
    records.into_iter().for_each(|(key, value)| batch.put(key, value));
    bodies.into_iter().for_each(|(key, content)| batch.put_body(key, content.into()));
    let copy = MemoryEngine::new();
    wait(copy.commit(batch)).unwrap();
    copy
}

fn options(life: &Life) -> LmdbOptions {
    let base = if life.is_lazy { super::lazy() } else { small() };
    LmdbOptions { growth_bytes_max: if life.is_growing { 20_000 } else { 0 }, ..base }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_power_cuts_everything_acknowledged_is_there_and_nothing_in_part(
        lives in vec(life(), 1..4),
        block_bytes in prop_oneof![Just(512_u64), Just(4_096)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut known = Known { model: MemoryEngine::new(), in_doubt: Vec::new() };
        for life in &lives {
            let disk = Arc::new(TestDisk::new(block_bytes));
            let on = Arc::clone(&disk);
            let engine = LmdbEngine::open_on(folder.path(), options(life), on).unwrap();
            known.settle(&engine);
            prop_assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
            disk.cut_writes(life.write_bytes_max);
            if life.keeps_tails {
                disk.keep_tails();
            }
            disk.cut_power_after(life.until_cut);
            for (number, round) in life.rounds.iter().enumerate() {
                if let Some((_, fault)) = life.fault.filter(|(at, _)| *at == number) {
                    disk.fail_once(Some(fault));
                }
                known.round(&engine, round);
            }
            disk.cut_power();
            drop(engine);
            let mut lost = life.lost.iter().copied().cycle();
            disk.lose(&folder.path().join("segments"), || lost.next().unwrap_or(true));
        }
        let engine = LmdbEngine::open(folder.path(), small()).unwrap();
        known.settle(&engine);
        prop_assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
        let snapshot = wait(engine.snapshot()).unwrap();
        prop_assert_eq!(everything(&*snapshot as &dyn Read), everything(&known.model));
    }
}
