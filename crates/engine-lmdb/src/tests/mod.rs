//! Tests of the engine as a whole: the suite that every engine passes, and what is particular to this one.

pub(crate) mod disk;

mod compaction;
mod crash;
mod damage;
mod full;
mod kill;
mod model;
mod power;
mod readers;

use std::{path::Path, sync::Arc};

use postrider_engine::{
    Batch, BodyRange, BoxFuture, Direction, Engine, KeyRange, Read,
    conformance::{self, Home, body_lengths, content, pieces, records, values, wait},
};
use tempfile::TempDir;

use self::disk::TestDisk;
use crate::{LmdbEngine, LmdbOptions};

/// Bounds so small that every path is taken with little data. Nothing is compacted without being asked for.
pub(crate) fn small() -> LmdbOptions {
    LmdbOptions {
        map_bytes_max: 1 << 30,
        readers_max: 16,
        inline_body_bytes_max: 100,
        segment_bytes: 60_000,
        growth_bytes_max: 0,
        reserve_bytes_max: 0,
        reserve_retry_milliseconds: 0,
        segment_files_max: 2,
        frame_bytes_max: 100_000,
        frame_operations_max: 50,
        apply_bytes: 20_000,
        apply_milliseconds: 2,
        overlay_bytes_max: 40_000,
        body_read_bytes_max: 20_000,
        body_read_gap_bytes_max: 1_000,
        compact_live_percent: 50,
        compact_frame_bytes: 30_000,
        compact_dead_bytes_min: u64::MAX,
        compact_idle_milliseconds: 1,
        verify_transaction_records: 3,
        verify_faults_max: 100,
    }
}

/// As small, and nothing is applied before it must be.
pub(crate) fn lazy() -> LmdbOptions {
    LmdbOptions { apply_bytes: 1 << 20, apply_milliseconds: 1 << 30, overlay_bytes_max: 1 << 20, ..small() }
}

/// A fresh folder and an engine in it.
pub(crate) fn fresh(options: LmdbOptions) -> (TempDir, Arc<LmdbEngine>) {
    let (folder, engine, _) = fresh_on_test_disk(options);
    (folder, engine)
}

/// A fresh folder and an engine in it, and its disk.
pub(crate) fn fresh_on_test_disk(options: LmdbOptions) -> (TempDir, Arc<LmdbEngine>, Arc<TestDisk>) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::new(512));
    let on = Arc::clone(&disk);
    let engine = LmdbEngine::open_on(folder.path(), options, on).unwrap();
    (folder, engine, disk)
}

/// Commits bodies under one-byte keys, with contents that follow from the key.
pub(crate) fn put_bodies(engine: &dyn Engine, numbers: impl IntoIterator<Item = u8>, length: usize) {
    let mut batch = Batch::new();
    for number in numbers {
        batch.put_body([number], content(number.into(), length).into());
    }
    wait(engine.commit(batch)).unwrap();
}

/// Commits the deletion of bodies under one-byte keys.
pub(crate) fn delete_bodies(engine: &dyn Engine, numbers: impl IntoIterator<Item = u8>) {
    let mut batch = Batch::new();
    numbers.into_iter().for_each(|number| batch.delete_body([number]));
    wait(engine.commit(batch)).unwrap();
}

/// A body under a one-byte key.
pub(crate) fn body(read: &dyn Read, number: u8) -> Option<Vec<u8>> {
    wait(pieces(read, &[BodyRange::whole([number])])).remove(0)
}

/// All records and all bodies.
pub(crate) fn everything(read: &dyn Read) -> [Vec<(Vec<u8>, Vec<u8>)>; 2] {
    let all = KeyRange::all();
    let records = wait(records(read, &all, Direction::Forward));
    let lengths = wait(body_lengths(read, &all));
    let wanted: Vec<BodyRange> = lengths.iter().map(|(key, _)| BodyRange::whole(key.clone())).collect();
    let contents = wait(pieces(read, &wanted));
    let bodies = lengths.into_iter().zip(contents).map(|((key, length), content)| {
        let content = content.expect("the body is there");
        assert_eq!(content.len() as u64, length);
        (key, content)
    });
    [records, bodies.collect()]
}

/// The segment files of a store, in order.
pub(crate) fn segment_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("segments")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Waits until something is so that another thread brings about.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed().as_secs() < 30, "{what}");
        std::thread::yield_now();
    }
}

struct Folder(TempDir, LmdbOptions);

impl Home for Folder {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Engine>> {
        let engine: Arc<dyn Engine> = LmdbEngine::open(self.0.path(), self.1.clone()).unwrap();
        Box::pin(async { engine })
    }
}

#[test]
fn the_contract_is_kept_with_the_default_options() {
    wait(conformance::run(|| Folder(tempfile::tempdir().unwrap(), LmdbOptions::default())));
}

#[test]
fn the_contract_is_kept_when_nothing_is_applied_before_it_must_be() {
    wait(conformance::run(|| Folder(tempfile::tempdir().unwrap(), lazy())));
}

#[test]
fn the_contract_is_kept_with_small_segments_and_frames() {
    wait(conformance::run(|| Folder(tempfile::tempdir().unwrap(), small())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_commit_and_share_frames() {
    let (_folder, engine) = fresh(LmdbOptions::default());
    let mut tasks = Vec::new();
    for number in 0..64_u8 {
        let engine = Arc::clone(&engine);
        tasks.push(tokio::spawn(async move {
            let mut batch = Batch::new();
            batch.put([number], [number]);
            batch.put_body([number], content(number.into(), 20_000).into());
            engine.commit(batch).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let statistics = engine.statistics().await.unwrap();
    assert_eq!(statistics.batches, 64);
    assert!(statistics.commits <= 64 && statistics.bytes_on_disk > 64 * 20_000, "{statistics:?}");
    assert_eq!(engine.verify().await.unwrap(), Vec::<String>::new());
}

#[test]
fn what_was_submitted_is_written_even_if_nobody_waits() {
    let (folder, engine) = fresh(small());
    for number in 0..100_u8 {
        let mut batch = Batch::new();
        batch.put([number], [number]);
        drop(engine.commit(batch));
    }
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert_eq!(everything(&*engine)[0].len(), 100);
}

#[test]
fn a_snapshot_outlives_its_engine_and_keeps_the_folder() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 1_000);
    let snapshot = wait(engine.snapshot()).unwrap();
    drop(engine);
    assert_eq!(body(&*snapshot, 1), Some(content(1, 1_000)));
    assert!(LmdbEngine::open(folder.path(), small()).is_err(), "the folder is still in use");
    drop(snapshot);
    assert!(LmdbEngine::open(folder.path(), small()).is_ok());
}

#[test]
fn an_idle_engine_closes_within_milliseconds() {
    let (_folder, engine) = fresh(LmdbOptions::default());
    put_bodies(&*engine, [1], 5_000);
    engine.shared.overlay.flush().unwrap();
    let start = std::time::Instant::now();
    drop(engine);
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
}

#[test]
fn neighbouring_bodies_are_read_together_and_in_any_order() {
    let (_folder, engine) = fresh(LmdbOptions { segment_bytes: 100_000, ..LmdbOptions::default() });
    let length = |number: u8| 10 + 97 * usize::from(number);
    (0..100).for_each(|number| put_bodies(&*engine, [number], length(number)));
    let orders: [Vec<u8>; 3] =
        [(0..100).collect(), (0..100).rev().collect(), (0..100_u32).map(|number| (number * 37 % 100) as u8).collect()];
    for round in 0..2 {
        for order in &orders {
            let wanted: Vec<BodyRange> = order.iter().map(|number| BodyRange::whole([*number])).collect();
            for (number, found) in order.iter().zip(wait(pieces(&*engine, &wanted))) {
                assert!(found == Some(content((*number).into(), length(*number))), "body {number} in round {round}");
            }
            let part = |number: &u8| BodyRange { key: vec![*number], offset: 7, length: 100 };
            let wanted: Vec<BodyRange> = order.iter().map(part).collect();
            for (number, found) in order.iter().zip(wait(pieces(&*engine, &wanted))) {
                let whole = content((*number).into(), length(*number));
                assert_eq!(found.as_deref(), whole.get(7..107.min(whole.len())), "body {number}");
            }
        }
        engine.shared.overlay.flush().unwrap();
    }
}

#[test]
fn keys_in_any_order_are_found() {
    let (_folder, engine) = fresh(lazy());
    let key = |number: u16| (number * 3).to_be_bytes().to_vec();
    let mut batch = Batch::new();
    (0..500).for_each(|number| batch.put(key(number), key(number)));
    wait(engine.commit(batch)).unwrap();
    for round in 0..3 {
        for (step, start) in [(1, 0), (1, 300), (2, 0), (3, 2), (7, 1), (500, 0), (1_499, 9), (40, 3)] {
            let asked: Vec<[u8; 2]> = (0..1_500_u16)
                .map(|at| ((u32::from(at) * step + start) % 1_500) as u16)
                .map(u16::to_be_bytes)
                .collect();
            let keys: Vec<&[u8]> = asked.iter().map(<[u8; 2]>::as_slice).collect();
            let expected = asked.iter().map(|at| u16::from_be_bytes(*at).is_multiple_of(3).then(|| at.to_vec()));
            assert_eq!(wait(values(&*engine, &keys)), expected.collect::<Vec<_>>(), "steps of {step} in round {round}");
        }
        match round {
            0 => engine.shared.overlay.flush().unwrap(),
            _ => {
                // Some of them again in the overlay.
                let mut batch = Batch::new();
                (0..500).step_by(7).for_each(|number| batch.put(key(number), key(number)));
                wait(engine.commit(batch)).unwrap();
            }
        }
    }
}
