//! Tests of the engine as a whole: the suite that every engine passes, and what is particular to this one.

pub(crate) mod faults;

mod compaction;
mod crash;
mod damage;
mod full;
mod model;

use std::{path::Path, sync::Arc};

use postrider_engine::{
    Batch, BodyRange, BoxFuture, Direction, Engine, KeyRange, Read,
    conformance::{self, Home, body_lengths, content, pieces, records, wait},
};
use tempfile::TempDir;

use crate::{LmdbEngine, LmdbOptions};

/// Bounds so small that every path is taken with little data.
pub(crate) fn small() -> LmdbOptions {
    LmdbOptions {
        map_bytes_max: 1 << 30,
        readers_max: 16,
        inline_body_bytes_max: 100,
        segment_bytes: 60_000,
        segment_files_max: 2,
        transaction_bytes_max: 100_000,
        transaction_operations_max: 50,
        compact_live_percent: 50,
        compact_transaction_bytes: 30_000,
        verify_transaction_records: 3,
        verify_faults_max: 100,
    }
}

/// A fresh folder and an engine in it.
pub(crate) fn fresh(options: LmdbOptions) -> (TempDir, Arc<LmdbEngine>) {
    let folder = tempfile::tempdir().unwrap();
    let engine = LmdbEngine::open(folder.path(), options).unwrap();
    (folder, engine)
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
fn the_contract_is_kept_with_small_segments_and_transactions() {
    wait(conformance::run(|| Folder(tempfile::tempdir().unwrap(), small())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_commit_and_share_transactions() {
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
