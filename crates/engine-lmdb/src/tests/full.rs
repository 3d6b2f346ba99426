//! A full store says so, keeps what it has, and is usable again when there is room.

use postrider_engine::{
    Batch, Engine, EngineError, KeyRange,
    conformance::{content, values, wait},
};

use super::{everything, fresh, fresh_on_test_disk, small};
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
