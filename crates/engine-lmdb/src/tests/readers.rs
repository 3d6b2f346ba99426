//! Readers see one committed state, the newest, while others commit and the applier is at work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use postrider_engine::{
    Batch, BodyWrite, Engine, KeyRange, Read,
    conformance::{content, values, wait},
};

use super::{everything, fresh, small};
use crate::{LmdbEngine, LmdbOptions, view::View};

const ROWS: u64 = 12;

/// A batch after which everything says the same number: rows that are overwritten, rows of a range that is cleared and
/// filled again, and bodies.
fn turn(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.delete_range(KeyRange::prefix(b"r"));
    batch.bodies.push(BodyWrite::DeleteRange(KeyRange::all()));
    for row in 0..ROWS {
        // Which rows there are changes with the number, their count does not.
        batch.put([b'r', ((row * 3 + number) % 36) as u8], number.to_be_bytes());
        batch.put([b'w', row as u8], number.to_be_bytes());
    }
    for body in 0..3 {
        batch.put_body([((body * 5 + number) % 15) as u8], content(number, 50 + 70 * body as usize).into());
    }
    batch
}

/// Checks that all rows and bodies say one number, and answers it.
fn number_of(read: &dyn Read) -> u64 {
    let [records, bodies] = everything(read);
    let number = u64::from_be_bytes(records.first().expect("rows").1[..].try_into().unwrap());
    assert_eq!(records.len() as u64, 2 * ROWS);
    for (key, value) in &records {
        assert_eq!(value[..], number.to_be_bytes(), "row {key:?}");
    }
    for row in 0..ROWS {
        let key = [b'r', ((row * 3 + number) % 36) as u8];
        assert!(records.iter().any(|(found, _)| found[..] == key), "row {key:?} of {number}");
    }
    assert_eq!(bodies.len(), 3);
    for (key, body) in &bodies {
        assert_eq!(*body, content(number, body.len()), "body {key:?} of {number}");
    }
    number
}

fn read_on(engine: &LmdbEngine, acknowledged: &AtomicU64, done: &AtomicBool) {
    let mut seen = 0;
    while !done.load(Ordering::Acquire) {
        let before = acknowledged.load(Ordering::Acquire);
        let snapshot = wait(engine.snapshot()).unwrap();
        let number = number_of(&*snapshot);
        assert!(number >= before.max(seen), "{number} was seen after {seen} and {before}");
        // One call sees one state, too.
        let keys: Vec<Vec<u8>> = (0..ROWS).map(|row| vec![b'w', row as u8]).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let found = wait(values(engine, &keys));
        assert!(found.iter().all(|value| *value == found[0] && value.is_some()), "{found:?}");
        assert_eq!(number_of(&*snapshot), number, "the snapshot has changed");
        seen = number;
    }
}

#[test]
fn readers_see_one_state_and_the_newest_while_changes_are_applied() {
    let options = LmdbOptions { apply_milliseconds: 0, apply_bytes: 3_000, compact_dead_bytes_min: 3_000, ..small() };
    let (_folder, engine) = fresh(options);
    wait(engine.commit(turn(1))).unwrap();
    let (acknowledged, done) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let engine = Arc::clone(&engine);
                let (acknowledged, done) = (&acknowledged, &done);
                scope.spawn(move || read_on(&engine, acknowledged, done))
            })
            .collect();
        for number in 2..400 {
            wait(engine.commit(turn(number))).unwrap();
            acknowledged.store(number, Ordering::Release);
            if readers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_reader_that_is_overtaken_by_a_commit_and_its_application_begins_again() {
    let (_folder, engine) = fresh(super::lazy());
    wait(engine.commit(turn(1))).unwrap();
    let shared = &engine.shared;
    let calls = AtomicU64::new(1);
    // Between the overlay's state and the transaction of LMDB.
    let view = View::open(shared, || {
        let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
        if number < 5 {
            wait(engine.commit(turn(number))).unwrap();
            shared.overlay.flush().unwrap();
            // LMDB is ahead; something is in the overlay all the same.
            let mut batch = Batch::new();
            batch.put([b'w', 0], number.to_be_bytes());
            wait(engine.commit(batch)).unwrap();
        }
        shared.environment.env.read_txn()
    });
    let view = view.unwrap();
    let mut found = Vec::new();
    let visit = &mut |_: &[u8], value: &[u8]| {
        found.push(value.to_vec());
        std::ops::ControlFlow::Continue(())
    };
    crate::read::scan(shared, &view, &KeyRange::all(), postrider_engine::Direction::Forward, visit).unwrap();
    assert_eq!(found, vec![4_u64.to_be_bytes().to_vec(); 2 * ROWS as usize]);
}
