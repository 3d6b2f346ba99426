//! Damage on disk is found and told, never handed out.

use std::{fs, os::unix::fs::FileExt as _, path::Path};

use postrider_engine::{
    BodyRange, Engine, EngineError,
    conformance::{content, pieces, wait},
};

use super::{body, delete_bodies, eventually, fresh, put_bodies, segment_files, small};
use crate::LmdbEngine;

fn flip(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

fn read_whole(engine: &LmdbEngine, number: u8) -> Result<(), EngineError> {
    let visit = &mut |_: usize, _: Option<&[u8]>| std::ops::ControlFlow::Continue(());
    wait(postrider_engine::Read::bodies(engine, &[BodyRange::whole([number])], visit))
}

#[test]
fn a_flipped_bit_in_a_segment_is_found_by_a_whole_read_and_by_verify() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, 1..4, 5_000);
    let file = &segment_files(folder.path())[0];
    // In the middle of the second body.
    flip(file, 7_500);
    assert!(matches!(read_whole(&engine, 2), Err(EngineError::Damaged(_))));
    assert_eq!(body(&*engine, 1), Some(content(1, 5_000)));
    assert_eq!(body(&*engine, 3), Some(content(3, 5_000)));
    let piece = BodyRange { key: vec![2], offset: 0, length: 100 };
    assert_eq!(wait(pieces(&*engine, &[piece])), [Some(content(2, 100))], "pieces are not checked");
    let faults = wait(engine.verify()).unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("\\x02"), "the fault names the key: {faults:?}");
}

#[test]
fn compaction_leaves_damage_where_it_is() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, 1..6, 5_000);
    flip(&segment_files(folder.path())[0], 7_500);
    delete_bodies(&*engine, 3..6);
    wait(engine.compact()).unwrap();
    assert_eq!(body(&*engine, 1), Some(content(1, 5_000)));
    assert!(matches!(read_whole(&engine, 2), Err(EngineError::Damaged(_))));
    assert_eq!(wait(engine.verify()).unwrap().len(), 1);
    delete_bodies(&*engine, [2]);
    wait(engine.compact()).unwrap();
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
    eventually("the damaged segment is gone", || segment_files(folder.path()).len() == 1);
}

#[test]
fn a_missing_or_cut_segment_is_told_and_the_rest_still_served() {
    let (folder, engine) = fresh(small());
    put_bodies(&*engine, [1], 50_000);
    put_bodies(&*engine, [2], 50_000);
    put_bodies(&*engine, [3], 50_000);
    drop(engine);
    let files = segment_files(folder.path());
    assert_eq!(files.len(), 3);
    fs::remove_file(&files[0]).unwrap();
    fs::File::options().write(true).open(&files[1]).unwrap().set_len(1_000).unwrap();
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    assert!(matches!(read_whole(&engine, 1), Err(EngineError::Damaged(_))));
    assert!(matches!(read_whole(&engine, 2), Err(EngineError::Damaged(_))));
    assert_eq!(body(&*engine, 3), Some(content(3, 50_000)));
    let faults = wait(engine.verify()).unwrap();
    assert!(faults.len() >= 2, "{faults:?}");
    delete_bodies(&*engine, [1, 2]);
    wait(engine.compact()).unwrap();
    assert_eq!(wait(engine.verify()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_flipped_bit_in_lmdb_is_found() {
    let (folder, engine) = fresh(small());
    let mut batch = postrider_engine::Batch::new();
    batch.put(b"record", *b"a value that is easy to find");
    batch.put_body(b"body", bytes::Bytes::from_static(b"a body that is easy to find"));
    wait(engine.commit(batch)).unwrap();
    drop(engine);
    let data = folder.path().join("lmdb/data.mdb");
    let bytes = fs::read(&data).unwrap();
    for needle in [&b"a value that is easy"[..], b"a body that is easy"] {
        let places = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
        places.for_each(|(place, _)| flip(&data, place as u64));
    }
    let engine = LmdbEngine::open(folder.path(), small()).unwrap();
    let visit = &mut |_: usize, _: Option<&[u8]>| std::ops::ControlFlow::Continue(());
    let record = wait(postrider_engine::Read::get(&*engine, &[b"record".to_vec()], visit));
    assert!(matches!(record, Err(EngineError::Damaged(_))), "{record:?}");
    let body = wait(postrider_engine::Read::bodies(&*engine, &[BodyRange::whole(b"body")], visit));
    assert!(matches!(body, Err(EngineError::Damaged(_))), "{body:?}");
    assert_eq!(wait(engine.verify()).unwrap().len(), 2);
}
