//! A full store says so, keeps what it has, and is usable again when there is room.

use std::sync::Arc;

use postrider_engine::{
    Batch, Engine, EngineError, KeyRange,
    conformance::{content, values, wait},
};

use super::{body, delete_bodies, everything, fresh, fresh_on_test_disk, lazy, put_bodies, small};
use crate::{LmdbEngine, LmdbOptions};

fn large_record(number: u8) -> Batch {
    let mut batch = Batch::new();
    batch.put([number], content(number.into(), 200_000));
    batch
}

#[test]
fn a_full_map_refuses_commits_and_recovers_after_deletions() {
    let options = LmdbOptions { map_bytes_max: 4 << 20, ..small() };
    let (_folder, engine) = fresh(options);
    let mut stored = 0_u8;
    let refusal = loop {
        match wait(engine.commit(large_record(stored))) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, EngineError::Full(_)), "{refusal}");
    assert!(stored > 5, "{stored}");
    assert_eq!(everything(&*engine)[0].len(), usize::from(stored));
    let mut deletion = Batch::new();
    deletion.delete_range(KeyRange::all());
    wait(engine.commit(deletion)).unwrap();
    for number in 0..5 {
        wait(engine.commit(large_record(number))).unwrap();
    }
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_batch_too_large_for_what_is_left_does_not_take_others_with_it() {
    let options = LmdbOptions { map_bytes_max: 2 << 20, frame_bytes_max: 64 << 20, ..small() };
    let (_folder, engine) = fresh(options);
    let mut giant = Batch::new();
    giant.put(b"giant", content(1, 4 << 20));
    let mut small = Batch::new();
    small.put(b"small", *b"1");
    // Submitted together, so that they may share a transaction, in every order.
    let waiting = [small.clone(), giant.clone(), small.clone(), giant, small].map(|batch| engine.commit(batch));
    let answers = waiting.map(wait);
    for (position, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), position % 2 == 0, "batch {position}: {answer:?}");
    }
    assert_eq!(wait(values(&*engine, &[b"giant", b"small"])), [None, Some(b"1".to_vec())]);
}

#[test]
fn what_cannot_be_applied_is_served_and_applied_later() {
    let (folder, engine, disk) = fresh_on_test_disk(small());
    disk.fail_applying(Some(std::io::ErrorKind::StorageFull));
    let mut taken = 0_u8;
    let refusal = loop {
        let mut batch = Batch::new();
        batch.put([taken], content(taken.into(), 3_000));
        match wait(engine.commit(batch)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, EngineError::Full(_)), "{refusal}");
    assert!(taken > 5, "{taken}");
    let before = everything(&*engine);
    assert_eq!(before[0].len(), usize::from(taken));
    disk.fail_applying(None);
    engine.shared.overlay.flush().unwrap();
    assert_eq!(everything(&*engine), before);
    wait(engine.commit(large_record(200))).unwrap();
    // What cannot be applied when the engine is closed is applied at the next opening.
    disk.fail_applying(Some(std::io::ErrorKind::StorageFull));
    let before = everything(&*engine);
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert_eq!(everything(&*engine), before);
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

fn put_body(number: u8) -> Batch {
    let mut batch = Batch::new();
    batch.put_body([number], content(number.into(), 5_000).into());
    batch
}

fn with_reserve(options: LmdbOptions) -> LmdbOptions {
    LmdbOptions { reserve_bytes_max: 16 << 20, ..options }
}

#[test]
fn a_full_device_takes_small_changes_and_deletions_and_everything_when_there_is_room_again() {
    let (folder, engine, disk) = fresh_on_test_disk(with_reserve(small()));
    disk.leave_room(Some(100_000));
    let mut taken = 0_u8;
    let refusal = loop {
        match wait(engine.commit(put_body(taken))) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, EngineError::Full(_)), "{refusal}");
    assert!(taken > 5 && engine.shared.room.is_full(), "{taken}");
    for number in 0..20 {
        let mut batch = Batch::new();
        batch.put([number], content(number.into(), 1_000));
        wait(engine.commit(batch)).unwrap();
        assert!(matches!(wait(engine.commit(put_body(200))), Err(EngineError::Full(_))));
    }
    delete_bodies(&*engine, 0..3);
    engine.shared.overlay.flush().unwrap();
    assert_eq!((body(&*engine, 2), body(&*engine, 3)), (None, Some(content(3, 5_000))));
    // Room for a body, but not for the reserve beside it.
    disk.leave_room(Some(1 << 20));
    assert!(matches!(wait(engine.commit(put_body(200))), Err(EngineError::Full(_))));
    disk.leave_room(None);
    wait(engine.commit(put_body(200))).unwrap();
    assert!(!engine.shared.room.is_full());
    let before = everything(&*engine);
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert_eq!(everything(&*engine), before);
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_batch_that_is_too_large_for_what_is_left_makes_no_device_full() {
    let (_folder, engine, disk) = fresh_on_test_disk(with_reserve(small()));
    disk.leave_room(Some(2 << 20));
    let mut giant = Batch::new();
    giant.put_body([0], content(0, 4 << 20).into());
    assert!(matches!(wait(engine.commit(giant)), Err(EngineError::Full(_))));
    assert!(!engine.shared.room.is_full());
    put_bodies(&*engine, [1], 5_000);
}

#[test]
fn a_store_opens_on_a_full_device_with_all_that_was_acknowledged() {
    let (folder, engine, disk) = fresh_on_test_disk(with_reserve(lazy()));
    for number in 0..30 {
        put_bodies(&*engine, [number], 5_000);
        let mut batch = Batch::new();
        batch.put([number], content(number.into(), 1_000));
        wait(engine.commit(batch)).unwrap();
    }
    delete_bodies(&*engine, 3..7);
    let before = everything(&*engine);
    disk.cut_power();
    drop(engine);
    disk.restore_power();
    std::fs::remove_file(folder.path().join("reserve")).unwrap();
    for is_last in [false, false, true] {
        disk.leave_room(Some(0));
        let again = Arc::clone(&disk);
        let engine = LmdbEngine::open_on(folder.path(), with_reserve(small()), again).unwrap();
        assert!(engine.shared.room.is_full());
        assert_eq!(everything(&*engine), before);
        assert!(matches!(wait(engine.commit(put_body(200))), Err(EngineError::Full(_))));
        assert!(engine.shared.overlay.flush().is_err());
        assert_eq!(everything(&*engine), before);
        if is_last {
            disk.leave_room(None);
            engine.shared.overlay.flush().unwrap();
            put_bodies(&*engine, [100], 5_000);
            assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
        }
    }
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert_eq!(body(&*engine, 100), Some(content(100, 5_000)));
    delete_bodies(&*engine, [100]);
    assert_eq!(everything(&*engine), before);
}
