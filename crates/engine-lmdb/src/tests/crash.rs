//! What a crash leaves behind opens, and has all that was acknowledged.
//!
//! A copy of the files of a running engine, LMDB's first and the segments after, is what a disk may hold after a
//! crash: LMDB's file as some transaction left it, and segments with frames that it does not know of.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use postrider_engine::{
    Engine, EngineError,
    conformance::{content, wait},
};

use super::{
    body, delete_bodies,
    disk::{Fault, TestDisk},
    eventually, everything, fresh, fresh_on_test_disk, lazy, put_bodies, segment_files, small,
};
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
            let no_segment_goes = engine.shared.retiring.lock().unwrap();
            let copied = tempfile::tempdir().unwrap();
            copy(folder.path(), copied.path());
            drop((snapshot, no_segment_goes));
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
    let (folder, engine, disk) = fresh_on_test_disk(small());
    put_bodies(&*engine, [1], 5_000);
    let first = segment_files(folder.path());
    for (round, fault) in [(2_u8, Fault::Write), (3, Fault::Sync), (4, Fault::WriteFull)] {
        disk.fail_once(Some(fault));
        let mut batch = postrider_engine::Batch::new();
        batch.put_body([round], content(9, 5_000).into());
        batch.put([round], [round]);
        let answer = wait(engine.commit(batch));
        assert_eq!(matches!(answer, Err(EngineError::Full(_))), fault == Fault::WriteFull, "{answer:?}");
        assert!(matches!(answer, Err(EngineError::Io(_) | EngineError::Full(_))), "{answer:?}");
        assert_eq!(body(&*engine, round), None);
    }
    // The last segments begun had nothing that was acknowledged, and are gone at once.
    eventually("they are gone", || segment_files(folder.path()) == first);
    put_bodies(&*engine, [2, 3], 5_000);
    let length = fs::metadata(&first[0]).unwrap().len();
    drop(engine);
    assert_eq!(fs::metadata(&first[0]).unwrap().len(), length, "the first segment has been left");
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    let before = segment_files(folder.path()).len();
    put_bodies(&*engine, [4], 5_000);
    assert_eq!(segment_files(folder.path()).len(), before + 1);
    let [records, bodies] = everything(&*engine);
    assert!(records.is_empty());
    assert_eq!(bodies.len(), 4);
    delete_bodies(&*engine, 1..5);
    wait(engine.compact()).unwrap();
    wait(engine.compact()).unwrap();
    eventually("all files are gone", || segment_files(folder.path()).is_empty());
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_frame_whose_sync_failed_is_void_once_another_was_acknowledged() {
    for (block_bytes, next) in [(512, None), (4_096, Some(7_u8))] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(TestDisk::new(block_bytes));
        let on = Arc::clone(&disk);
        let engine = LmdbEngine::open_on(folder.path(), lazy(), on).unwrap();
        put_bodies(&*engine, [1], 5_000);
        disk.keep_tails();
        disk.fail_once(Some(Fault::Sync));
        let mut batch = postrider_engine::Batch::new();
        batch.put_body([2], content(2, 3_000).into());
        batch.put([2], [2]);
        assert!(wait(engine.commit(batch)).is_err());
        next.into_iter().for_each(|number| put_bodies(&*engine, [number], 100));
        disk.cut_power();
        drop(engine);
        // Nothing is lost: the frame is on the disk as a whole.
        let engine = LmdbEngine::open(folder.path(), small()).unwrap();
        assert_eq!(body(&*engine, 1), Some(content(1, 5_000)));
        let [records, bodies] = everything(&*engine);
        match next {
            None => assert_eq!((records.len(), bodies.len()), (1, 2), "it is there as a whole"),
            Some(next) => {
                assert_eq!((records.len(), bodies.len()), (0, 2), "it is void");
                assert_eq!(body(&*engine, next), Some(content(next.into(), 100)));
            }
        }
        assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_batch_that_changes_nothing_makes_a_failed_frame_void_too() {
    let (folder, engine, disk) = fresh_on_test_disk(lazy());
    put_bodies(&*engine, [1], 5_000);
    disk.keep_tails();
    disk.fail_once(Some(Fault::Sync));
    let mut deletion = postrider_engine::Batch::new();
    deletion.delete_body([1]);
    assert!(wait(engine.commit(deletion)).is_err());
    // The body is there already.
    put_bodies(&*engine, [1], 5_000);
    disk.cut_power();
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert_eq!(body(&*engine, 1), Some(content(1, 5_000)));
}

#[test]
fn what_is_replayed_after_a_kill_is_not_lost_with_the_power_later() {
    let (folder, engine, disk) = fresh_on_test_disk(lazy());
    put_bodies(&*engine, [1], 5_000);
    disk.keep_tails();
    disk.fail_once(Some(Fault::Sync));
    let mut batch = postrider_engine::Batch::new();
    batch.put_body([2], content(2, 5_000).into());
    assert!(wait(engine.commit(batch)).is_err());
    // For the process this is the same as to be killed.
    disk.cut_power();
    drop(engine);
    disk.restore_power();
    let again = Arc::clone(&disk);
    let engine = LmdbEngine::open_on(folder.path(), lazy(), again).unwrap();
    assert_eq!(body(&*engine, 2), Some(content(2, 5_000)));
    disk.cut_power();
    drop(engine);
    disk.lose(&folder.path().join("segments"), || true);
    let engine = LmdbEngine::open(folder.path(), lazy()).unwrap();
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
    assert_eq!(body(&*engine, 2), Some(content(2, 5_000)));
}

#[test]
fn what_was_acknowledged_is_replayed_and_only_once() {
    let (folder, engine, disk) = fresh_on_test_disk(lazy());
    (0..30).for_each(|number| put_bodies(&*engine, [number], 5_000));
    delete_bodies(&*engine, 10..20);
    let mut batch = postrider_engine::Batch::new();
    batch.put(b"a", content(1, 3_000));
    wait(engine.commit(batch)).unwrap();
    let before = everything(&*engine);
    disk.cut_power();
    drop(engine);
    for _ in 0..3 {
        let engine = LmdbEngine::open(folder.path(), lazy()).unwrap();
        assert_eq!(everything(&*engine), before);
        assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
        assert_eq!(engine.shared.overlay.load().records().count(), 0, "all was applied at opening");
    }
}

#[test]
fn a_frame_of_an_earlier_life_of_a_file_is_not_taken() {
    let (folder, engine) = fresh(lazy());
    put_bodies(&*engine, [1], 5_000);
    let first = fs::read(&segment_files(folder.path())[0]).unwrap();
    put_bodies(&*engine, [2], 5_000);
    drop(engine);
    // A new segment with the same number and the same next frame, but another salt: what follows its header is old.
    let engine = LmdbEngine::open(folder.path(), lazy()).unwrap();
    let disk_copy = tempfile::tempdir().unwrap();
    put_bodies(&*engine, [3], 5_000);
    copy(folder.path(), disk_copy.path());
    let second = segment_files(disk_copy.path()).pop().unwrap();
    let mut bytes = fs::read(&second).unwrap();
    let frame = |bytes: &[u8]| bytes.windows(4).position(|window| window == b"pfrm").unwrap();
    let (old, new) = (frame(&first), frame(&bytes));
    bytes.truncate(new);
    bytes.extend_from_slice(&first[old..]);
    fs::write(&second, bytes).unwrap();
    let opened = LmdbEngine::open(disk_copy.path(), lazy()).unwrap();
    assert_eq!(everything(&*opened)[1].len(), 2);
    assert_eq!(wait(opened.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn damage_before_a_frame_that_counts_is_told_at_opening() {
    let (folder, engine, disk) = fresh_on_test_disk(lazy());
    put_bodies(&*engine, [1], 50_000);
    put_bodies(&*engine, [2], 50_000);
    disk.cut_power();
    drop(engine);
    let files = segment_files(folder.path());
    assert_eq!(files.len(), 2);
    let sound = fs::read(&files[0]).unwrap();
    for place in [100, sound.len() - 100] {
        let mut bytes = sound.clone();
        bytes[place] ^= 1;
        fs::write(&files[0], bytes).unwrap();
        let refusal = LmdbEngine::open(folder.path(), lazy()).unwrap_err();
        assert!(matches!(refusal, EngineError::Damaged(_)), "{refusal}");
    }
    fs::write(&files[0], sound).unwrap();
    assert_eq!(everything(&*LmdbEngine::open(folder.path(), lazy()).unwrap())[1].len(), 2);
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
