//! What a crash leaves behind opens, and has all that was acknowledged.
//!
//! A copy of the files of a running engine, LMDB's first and the segments after, is what a disk may hold after a
//! crash: LMDB's file as some commit left it, and segments with tails that it does not know of.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use postrider_engine::{
    Engine, EngineError,
    conformance::{content, wait},
};

use super::{body, delete_bodies, everything, faults::Point, fresh, put_bodies, segment_files, small};
use crate::LmdbEngine;

fn copy(from: &Path, to: &Path) {
    for folder in ["lmdb", "segments"] {
        fs::create_dir_all(to.join(folder)).unwrap();
    }
    // A page may be half written while it is copied, but never one that a commit names: the two meta pages are at
    // the front and are read first.
    fs::copy(from.join("lmdb/data.mdb"), to.join("lmdb/data.mdb")).unwrap();
    for file in segment_files(from) {
        fs::copy(&file, to.join("segments").join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_copy_of_the_files_of_a_running_engine_opens_with_all_that_was_acknowledged() {
    let (folder, engine) = fresh(small());
    // Put only: a page that a commit names is then not reused while the copy is made, as a crash would see to.
    let acknowledged = AtomicU8::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=120_u8 {
                put_bodies(&*engine, [number], 2_000 + usize::from(number));
                acknowledged.store(number, Ordering::Release);
            }
            done.store(true, Ordering::Release);
        });
        let mut copies = 0;
        while !done.load(Ordering::Acquire) || copies == 0 {
            let before = acknowledged.load(Ordering::Acquire);
            // Held so that no page of the state that is copied is used again meanwhile.
            let snapshot = wait(engine.snapshot()).unwrap();
            let copied = tempfile::tempdir().unwrap();
            copy(folder.path(), copied.path());
            drop(snapshot);
            let opened = LmdbEngine::open(copied.path(), small()).unwrap();
            assert_eq!(wait(opened.verify()).unwrap(), Vec::<String>::new());
            for number in 1..=before {
                assert_eq!(body(&*opened, number), Some(content(number.into(), 2_000 + usize::from(number))));
            }
            put_bodies(&*opened, [200], 5_000);
            assert_eq!(body(&*opened, 200), Some(content(200, 5_000)));
            copies += 1;
        }
    });
}

#[test]
fn segments_that_no_commit_names_are_removed_at_opening() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 5_000);
    drop(engine);
    let orphan = folder.path().join("segments/0000000000000077.segment");
    fs::write(&orphan, b"left by a crash").unwrap();
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert!(!orphan.exists());
    assert_eq!(body(&*engine, 1), Some(content(1, 5_000)));
}

#[test]
fn no_tail_is_written_to_after_a_failure_or_a_new_opening() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 5_000);
    let first = segment_files(folder.path());
    for (round, point) in [(2_u8, Point::SegmentWrite), (3, Point::Commit), (4, Point::SegmentWrite)] {
        engine.shared.faults.set(Some((point, EngineError::Io("injected".to_owned()))));
        let mut batch = postrider_engine::Batch::new();
        batch.put_body([round], content(9, 5_000).into());
        batch.put([round], [round]);
        assert!(matches!(wait(engine.commit(batch)), Err(EngineError::Io(_))));
        assert_eq!(body(&*engine, round), None);
    }
    // The last segment begun had nothing that a commit could name, and is gone at once.
    assert_eq!(segment_files(folder.path()).len(), 2);
    let length = fs::metadata(&first[0]).unwrap().len();
    put_bodies(&*engine, [2, 3], 5_000);
    assert_eq!(fs::metadata(&first[0]).unwrap().len(), length, "the first segment has been left");
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    let before = segment_files(folder.path()).len();
    put_bodies(&*engine, [4], 5_000);
    assert_eq!(segment_files(folder.path()).len(), before + 1);
    let [records, bodies] = everything(&*engine);
    assert!(records.is_empty());
    assert_eq!(bodies.len(), 4);
    delete_bodies(&*engine, 1..5);
    wait(engine.compact()).unwrap();
    assert!(segment_files(folder.path()).is_empty());
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_hot_copy_is_a_store_with_one_state() {
    let (_folder, engine) = fresh(small());
    put_bodies(&*engine, 0..10, 5_000);
    delete_bodies(&*engine, 2..10);
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("copy");
    std::thread::scope(|scope| {
        scope.spawn(|| (10..60).for_each(|number| put_bodies(&*engine, [number], 5_000)));
        scope.spawn(|| wait(engine.compact()).unwrap());
        wait(engine.copy_to(&target)).unwrap();
    });
    assert!(wait(engine.copy_to(&target)).is_err(), "the folder is not empty any more");
    let copied = LmdbEngine::open(&target, small()).unwrap();
    assert_eq!(wait(copied.verify()).unwrap(), Vec::<String>::new());
    let [_, found] = everything(&*copied);
    let [_, all] = everything(&*engine);
    assert!(found.len() >= 2 && found[..] == all[..found.len()], "bodies up to some commit, and none beyond");
}
