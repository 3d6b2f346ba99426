//! Compaction wins space back and takes nothing from anyone.

use std::sync::Arc;

use postrider_engine::{
    Batch, Engine,
    conformance::{content, wait},
};

use super::{body, delete_bodies, eventually, fresh, put_bodies, segment_files, small};
use crate::{
    LmdbEngine, LmdbOptions,
    committer::{Work, submit},
    group::Move,
    layout::StoredBody,
};

/// What little of frames is not bodies.
const FRAMES_BYTES: u64 = 2_000;

#[test]
fn segments_that_are_mostly_dead_are_rewritten() {
    let (folder, engine) = fresh(small());
    (0..20).for_each(|number| put_bodies(&*engine, [number], 10_000));
    let before = segment_files(folder.path());
    assert!(before.len() >= 4, "{before:?}");
    delete_bodies(&*engine, (0..20).filter(|number| number % 5 != 0));
    engine.shared.overlay.flush().unwrap();
    let dead = wait(engine.statistics()).unwrap().bytes_dead;
    assert!(dead >= 160_000, "{dead}");
    wait(engine.compact()).unwrap();
    let statistics = wait(engine.statistics()).unwrap();
    assert!(statistics.bytes_dead < FRAMES_BYTES, "{statistics:?}");
    let after = segment_files(folder.path());
    assert!(after.len() < before.len() && after.iter().all(|file| !before.contains(file)), "{after:?}");
    for number in 0..20 {
        assert_eq!(body(&*engine, number), (number % 5 == 0).then(|| content(number.into(), 10_000)));
    }
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_segment_that_is_mostly_live_is_let_be() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, 0..5, 10_000);
    delete_bodies(&*engine, [0, 1]);
    let before = segment_files(folder.path());
    wait(engine.compact()).unwrap();
    assert_eq!(segment_files(folder.path()), before);
    assert!(wait(engine.statistics()).unwrap().bytes_dead > 20_000);
}

#[test]
fn a_file_goes_when_its_last_snapshot_does() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1, 2], 1_000);
    let snapshot = wait(engine.snapshot()).unwrap();
    delete_bodies(&*engine, [1, 2]);
    wait(engine.compact()).unwrap();
    assert_eq!(segment_files(folder.path()).len(), 1);
    wait(engine.compact()).unwrap();
    assert_eq!(body(&*snapshot, 2), Some(content(2, 1_000)));
    assert_eq!(body(&*engine, 2), None);
    drop(snapshot);
    eventually("the file is gone", || segment_files(folder.path()).is_empty());
}

#[test]
fn the_segment_that_takes_bodies_is_compacted_too_and_left() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1, 2, 3], 1_000);
    let first = segment_files(folder.path());
    delete_bodies(&*engine, [1, 2]);
    wait(engine.compact()).unwrap();
    assert!(!segment_files(folder.path()).contains(&first[0]));
    delete_bodies(&*engine, [3]);
    wait(engine.compact()).unwrap();
    eventually("all files are gone", || segment_files(folder.path()).is_empty());
    put_bodies(&*engine, [4], 1_000);
    assert_eq!(body(&*engine, 4), Some(content(4, 1_000)));
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_body_that_was_put_again_while_it_was_being_moved_is_not_moved() {
    let (_folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 1_000);
    engine.shared.overlay.flush().unwrap();
    let environment = &engine.shared.environment;
    let txn = environment.read().unwrap();
    let stored = environment.databases.bodies.get(&txn, &[1]).unwrap().unwrap();
    let StoredBody::Segment(from) = StoredBody::parse(&[1], stored).unwrap() else { panic!("not in a segment") };
    drop(txn);
    delete_bodies(&*engine, [1]);
    let mut again = Batch::new();
    again.put_body([1], content(99, 1_000).into());
    wait(engine.commit(again)).unwrap();
    let moves = vec![Move { key: vec![1], from, content: content(1, 1_000).into() }];
    submit(engine.sender.as_ref().unwrap(), Work::Relocate(moves)).blocking_recv().unwrap().unwrap();
    assert_eq!(body(&*engine, 1), Some(content(99, 1_000)));
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn numbers_of_segments_are_never_used_again() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 1_000);
    let first = segment_files(folder.path());
    delete_bodies(&*engine, [1]);
    wait(engine.compact()).unwrap();
    drop(engine);
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    put_bodies(&*engine, [1], 1_000);
    assert!(!segment_files(folder.path()).contains(&first[0]));
}

#[test]
fn deliveries_deletions_and_compactions_go_on_at_one_time() {
    let (_folder, engine) = fresh(small());
    std::thread::scope(|scope| {
        for worker in 0..3_u8 {
            let engine = Arc::clone(&engine);
            scope.spawn(move || {
                for round in 0..15_u8 {
                    let number = worker * 16 + round;
                    put_bodies(&*engine, [number], 9_000);
                    assert_eq!(body(&*engine, number), Some(content(number.into(), 9_000)));
                    if round % 3 != 0 {
                        delete_bodies(&*engine, [number]);
                    }
                }
            });
        }
        scope.spawn(|| (0..10).for_each(|_| wait(engine.compact()).unwrap()));
    });
    for number in (0..3_u8).flat_map(|worker| (0..15).step_by(3).map(move |round| worker * 16 + round)) {
        assert_eq!(body(&*engine, number), Some(content(number.into(), 9_000)), "body {number}");
    }
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn segments_in_which_nothing_is_left_go_by_themselves() {
    let (folder, engine) = fresh(small());
    // Of records nothing is left in a segment once they are applied.
    for round in 0..300_u32 {
        let mut batch = Batch::new();
        batch.put(b"counter", content(round.into(), 1_000));
        wait(engine.commit(batch)).unwrap();
    }
    (0..20).for_each(|number| put_bodies(&*engine, [number], 10_000));
    delete_bodies(&*engine, 0..20);
    engine.shared.overlay.flush().unwrap();
    eventually("only the one that takes frames is left", || segment_files(folder.path()).len() == 1);
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn segments_that_are_mostly_dead_are_rewritten_without_being_asked_to() {
    let (_folder, engine) = fresh(LmdbOptions { compact_dead_bytes_min: 5_000, ..small() });
    (0..40).for_each(|number| put_bodies(&*engine, [number], 10_000));
    delete_bodies(&*engine, (0..40).filter(|number| number % 5 != 0));
    let dead = || {
        engine.shared.overlay.flush().unwrap();
        wait(engine.statistics()).unwrap().bytes_dead
    };
    eventually("little is dead", || dead() <= 60_000);
    for number in 0..40 {
        assert_eq!(body(&*engine, number), (number % 5 == 0).then(|| content(number.into(), 10_000)));
    }
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}
