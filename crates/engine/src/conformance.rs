//! The suite that every engine must pass: the contract of [`Engine`] and [`Read`], case by case.
//!
//! An engine's own tests hand [`run`] a function that makes a [`Home`], an empty place to keep data, and the suite
//! opens engines in it. It knows nothing of how an engine works, starts no runtime, and reports a broken promise by
//! panicking, as tests do. What is particular to one engine (damage on disk, crashes) is tested there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite of tests reports by panicking")]

use std::{
    future::Future,
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use bytes::Bytes;

use crate::{
    Batch, BodyRange, BodyWrite, BoxFuture, Direction, Engine, EngineError, KEY_BYTES_MAX, KeyRange, Read, RecordWrite,
};

/// A place where engines under test keep their data; empty at first.
pub trait Home {
    /// Opens an engine here. The suite drops an engine before it opens the next, which must find all that was
    /// committed.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Engine>>;
}

/// Runs every case, each in a home of its own.
///
/// # Panics
/// When the engine breaks the contract.
pub async fn run<H: Home>(new_home: impl Fn() -> H) {
    many_keys_are_answered_in_the_order_asked(&new_home()).await;
    a_scan_walks_its_range_in_either_direction(&new_home()).await;
    odd_ranges_hold_what_they_say(&new_home()).await;
    a_visitor_that_breaks_ends_the_call(&new_home()).await;
    writes_of_a_batch_apply_in_order(&new_home()).await;
    a_refused_batch_writes_nothing(&new_home()).await;
    expectations_guard_a_commit(&new_home()).await;
    commits_apply_in_the_order_of_calls(&new_home()).await;
    threads_that_retry_on_conflict_lose_no_update(&new_home()).await;
    keys_outside_the_bounds_are_refused(&new_home()).await;
    values_of_every_size_come_back(&new_home()).await;
    a_body_keeps_its_first_content(&new_home()).await;
    pieces_of_bodies_are_cut_at_the_end(&new_home()).await;
    bodies_are_deleted_by_key_and_by_range(&new_home()).await;
    a_body_of_65_megabytes_comes_back_whole(&new_home()).await;
    a_snapshot_does_not_change(&new_home()).await;
    an_engine_opened_again_has_everything(&new_home()).await;
    compaction_changes_no_answer(&new_home()).await;
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// A key, the value expected of it, and whether that holds.
type Expectation<'a> = (&'a [u8], Option<&'a [u8]>, bool);

/// Sizes at which engines tend to change how they keep a value.
const SIZES: &[usize] = &[0, 1, 27, 28, 29, 100, 2_000, 4_095, 4_096, 16_383, 16_384, 16_385, 100_000, 1_100_000];

/// Every record of a range, in the order of the scan.
///
/// # Panics
/// When the read fails.
pub async fn records(read: &dyn Read, range: &KeyRange, direction: Direction) -> Records {
    let mut found = Vec::new();
    read.scan(range, direction, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .await
    .expect("scan");
    found
}

/// The keys and lengths of the bodies of a range.
///
/// # Panics
/// When the read fails.
pub async fn body_lengths(read: &dyn Read, range: &KeyRange) -> Vec<(Vec<u8>, u64)> {
    let mut found = Vec::new();
    read.scan_bodies(range, &mut |key, length| {
        found.push((key.to_vec(), length));
        ControlFlow::Continue(())
    })
    .await
    .expect("scan of bodies");
    found
}

/// The pieces of bodies that were asked for.
///
/// # Panics
/// When the read fails, or answers out of order.
pub async fn pieces(read: &dyn Read, wanted: &[BodyRange]) -> Vec<Option<Vec<u8>>> {
    let mut found = Vec::new();
    read.bodies(wanted, &mut |position, piece| {
        assert_eq!(position, found.len(), "pieces come in order");
        found.push(piece.map(<[u8]>::to_vec));
        ControlFlow::Continue(())
    })
    .await
    .expect("read of bodies");
    assert_eq!(found.len(), wanted.len(), "every piece is answered");
    found
}

/// The values of keys.
///
/// # Panics
/// When the read fails, or answers out of order.
pub async fn values(read: &dyn Read, keys: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    let mut found = Vec::new();
    read.get(&keys, &mut |position, value| {
        assert_eq!(position, found.len(), "values come in order");
        found.push(value.map(<[u8]>::to_vec));
        ControlFlow::Continue(())
    })
    .await
    .expect("get");
    assert_eq!(found.len(), keys.len(), "every key is answered");
    found
}

/// Waits for a future on this thread, without a runtime.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Bytes that differ from place to place, and between seeds.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn puts(pairs: &[(&[u8], &[u8])]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in pairs {
        batch.put(*key, *value);
    }
    batch
}

fn keys_of(records: &Records) -> Vec<&[u8]> {
    records.iter().map(|(key, _)| key.as_slice()).collect()
}

async fn many_keys_are_answered_in_the_order_asked(home: &impl Home) {
    let engine = home.open().await;
    engine.commit(puts(&[(b"a", b"1"), (b"b", b""), (b"c", b"3")])).await.unwrap();
    let found = values(&*engine, &[b"c", b"missing", b"a", b"b", b"c"]).await;
    let expected: [Option<&[u8]>; 5] = [Some(b"3"), None, Some(b"1"), Some(b""), Some(b"3")];
    assert_eq!(found, expected.map(|value| value.map(<[u8]>::to_vec)));
    assert!(values(&*engine, &[]).await.is_empty());
}

async fn a_scan_walks_its_range_in_either_direction(home: &impl Home) {
    let engine = home.open().await;
    engine.commit(puts(&[(b"b", b"2"), (b"d", b"4"), (b"a", b"1"), (b"c", b"3"), (b"ca", b"5")])).await.unwrap();
    let cases: &[(KeyRange, &[&[u8]])] = &[
        (KeyRange::all(), &[b"a", b"b", b"c", b"ca", b"d"]),
        (KeyRange::new(b"b", b"d"), &[b"b", b"c", b"ca"]),
        (KeyRange::new(b"bb", b"cb"), &[b"c", b"ca"]),
        (KeyRange::new(b"c", b"ca"), &[b"c"]),
        (KeyRange::prefix(b"c"), &[b"c", b"ca"]),
        (KeyRange { start: b"c".to_vec(), end: None }, &[b"c", b"ca", b"d"]),
        (KeyRange::new(b"", b"b"), &[b"a"]),
        (KeyRange::new(b"x", b"z"), &[]),
        (KeyRange::new(b"", b"a"), &[]),
    ];
    for (range, expected) in cases {
        let forward = records(&*engine, range, Direction::Forward).await;
        assert_eq!(keys_of(&forward), *expected, "forward in {range:?}");
        let mut backward = records(&*engine, range, Direction::Backward).await;
        backward.reverse();
        assert_eq!(backward, forward, "backward in {range:?}");
    }
}

async fn odd_ranges_hold_what_they_say(home: &impl Home) {
    let engine = home.open().await;
    let high = [0xff, 0xff, 1];
    engine
        .commit(puts(&[(&[0], b"0"), (&[1, 0xff], b"1"), (&[2], b"2"), (&high, b"3"), (&[0xff], b"4")]))
        .await
        .unwrap();
    let long = vec![0xff_u8; KEY_BYTES_MAX + 100];
    let cases: &[(KeyRange, &[&[u8]])] = &[
        (KeyRange::prefix([1, 0xff]), &[&[1, 0xff]]),
        (KeyRange::prefix([0xff]), &[&[0xff], &high]),
        (KeyRange::prefix([0xff, 0xff]), &[&high]),
        (KeyRange::prefix([]), &[&[0], &[1, 0xff], &[2], &[0xff], &high]),
        (KeyRange::new([2], [1]), &[]),
        (KeyRange::new([2], [2]), &[]),
        (KeyRange::new([], []), &[]),
        // The bounds of a range are not keys: any length will do.
        (KeyRange::new([2], long.clone()), &[&[2], &[0xff], &high]),
        (KeyRange::new(long, []), &[]),
    ];
    for (range, expected) in cases {
        let found = records(&*engine, range, Direction::Forward).await;
        assert_eq!(keys_of(&found), *expected, "forward in {range:?}");
        let mut found = records(&*engine, range, Direction::Backward).await;
        found.reverse();
        assert_eq!(keys_of(&found), *expected, "backward in {range:?}");
    }
    for (range, expected) in cases {
        let mut batch = Batch::new();
        batch.delete_range(range.clone());
        engine.commit(batch).await.unwrap();
        assert!(records(&*engine, range, Direction::Forward).await.is_empty(), "deleted {range:?}");
        let mut again = Batch::new();
        expected.iter().for_each(|key| again.put(*key, *key));
        engine.commit(again).await.unwrap();
        assert_eq!(
            records(&*engine, &KeyRange::all(), Direction::Forward).await.len(),
            5,
            "only {range:?} was deleted"
        );
    }
}

async fn a_visitor_that_breaks_ends_the_call(home: &impl Home) {
    let engine = home.open().await;
    let mut batch = puts(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]);
    for key in [b"a", b"b", b"c"] {
        batch.put_body(*key, Bytes::from_static(b"body"));
    }
    engine.commit(batch).await.unwrap();
    for (direction, expected) in [(Direction::Forward, [b"a", b"b"]), (Direction::Backward, [b"c", b"b"])] {
        let mut seen = Vec::new();
        let visit = &mut |key: &[u8], _: &[u8]| {
            seen.push(key.to_vec());
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        engine.scan(&KeyRange::all(), direction, visit).await.unwrap();
        assert_eq!(seen, expected);
    }
    let mut calls = 0;
    let mut once = |_: usize, _: Option<&[u8]>| {
        calls += 1;
        ControlFlow::Break(())
    };
    engine.get(&[b"a".to_vec(), b"b".to_vec()], &mut once).await.unwrap();
    engine.bodies(&[BodyRange::whole(b"a"), BodyRange::whole(b"b")], &mut once).await.unwrap();
    let once = &mut |_: &[u8], _: u64| once(0, None);
    engine.scan_bodies(&KeyRange::all(), once).await.unwrap();
    assert_eq!(calls, 3, "one visit of each call");
}

async fn writes_of_a_batch_apply_in_order(home: &impl Home) {
    let engine = home.open().await;
    let mut batch = puts(&[(b"a1", b"old"), (b"a2", b"old"), (b"b", b"1"), (b"b", b"2"), (b"c", b"1")]);
    batch.delete_range(KeyRange::prefix(b"a"));
    batch.put(b"a2", b"new");
    batch.delete(b"c");
    batch.delete(b"never there");
    engine.commit(batch).await.unwrap();
    let expected = [(b"a2".to_vec(), b"new".to_vec()), (b"b".to_vec(), b"2".to_vec())];
    assert_eq!(records(&*engine, &KeyRange::all(), Direction::Forward).await, expected);

    for length in [10, 50_000] {
        let (first, second) = (content(1, length), content(2, length));
        let mut batch = Batch::new();
        batch.put_body(b"a", Bytes::from(first.clone()));
        batch.delete_body(b"a");
        batch.put_body(b"a", Bytes::from(second.clone()));
        batch.put_body(b"a", Bytes::from(first.clone()));
        batch.put_body(b"b", Bytes::from(first.clone()));
        batch.bodies.push(BodyWrite::DeleteRange(KeyRange::prefix(b"b")));
        engine.commit(batch).await.unwrap();
        assert_eq!(
            pieces(&*engine, &[BodyRange::whole(b"a"), BodyRange::whole(b"b")]).await,
            [Some(second), None],
            "bodies of {length} bytes"
        );
        let mut batch = Batch::new();
        batch.delete_body(b"a");
        engine.commit(batch).await.unwrap();
    }
}

async fn a_refused_batch_writes_nothing(home: &impl Home) {
    let engine = home.open().await;
    engine.commit(puts(&[(b"a", b"1")])).await.unwrap();
    let mut conflict = puts(&[(b"a", b"2"), (b"b", b"2")]);
    conflict.expect(b"a", None);
    conflict.put_body(b"small", Bytes::from_static(b"x"));
    conflict.put_body(b"large", Bytes::from(content(3, 100_000)));
    assert!(matches!(engine.commit(conflict).await, Err(EngineError::Conflict)));
    let mut bad = puts(&[(b"a", b"2"), (b"", b"2")]);
    bad.put_body(b"small", Bytes::from_static(b"x"));
    assert!(matches!(engine.commit(bad).await, Err(EngineError::KeyLength(0))));
    let expected = [(b"a".to_vec(), b"1".to_vec())];
    assert_eq!(records(&*engine, &KeyRange::all(), Direction::Forward).await, expected);
    assert!(body_lengths(&*engine, &KeyRange::all()).await.is_empty());
    assert!(engine.commit(Batch::new()).await.is_ok(), "a batch that changes nothing succeeds");
}

async fn expectations_guard_a_commit(home: &impl Home) {
    let engine = home.open().await;
    engine.commit(puts(&[(b"a", b"1"), (b"empty", b"")])).await.unwrap();
    let cases: &[Expectation] = &[
        (b"a", Some(b"1"), true),
        (b"a", Some(b"2"), false),
        (b"a", Some(b""), false),
        (b"a", None, false),
        (b"empty", Some(b""), true),
        (b"empty", None, false),
        (b"missing", None, true),
        (b"missing", Some(b""), false),
    ];
    for (key, value, holds) in cases {
        let mut batch = Batch::new();
        batch.expect(*key, value.map(<[u8]>::to_vec));
        let answer = engine.commit(batch.clone()).await;
        assert_eq!(answer.is_ok(), *holds, "{key:?} is {value:?}: {answer:?}");
        batch.put(b"x", b"x");
        batch.expect(b"a", Some(b"1".to_vec()));
        let answer = engine.commit(batch).await;
        assert_eq!(answer.is_ok(), *holds, "{key:?} is {value:?}, with a write: {answer:?}");
    }
}

async fn commits_apply_in_the_order_of_calls(home: &impl Home) {
    let engine = home.open().await;
    let mut waiting = Vec::new();
    for number in 0..200_u32 {
        let mut batch = Batch::new();
        // Each but the first holds only if the one before it was applied before it.
        let before = number.checked_sub(1).map(|before| before.to_be_bytes().to_vec());
        batch.expect(b"last", before);
        batch.put(b"last", number.to_be_bytes());
        waiting.push(engine.commit(batch));
    }
    // Waited for from the last to the first: the order of waiting does not matter.
    for commit in waiting.into_iter().rev() {
        commit.await.unwrap();
    }
    assert_eq!(values(&*engine, &[b"last"]).await, [Some(199_u32.to_be_bytes().to_vec())]);
}

async fn threads_that_retry_on_conflict_lose_no_update(home: &impl Home) {
    const THREADS: u64 = 4;
    const INCREMENTS: u64 = 25;
    let engine = home.open().await;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..INCREMENTS).for_each(|_| wait(increment(&*engine))));
        }
    });
    let expected = (THREADS * INCREMENTS).to_be_bytes().to_vec();
    assert_eq!(values(&*engine, &[b"counter"]).await, [Some(expected)]);
}

async fn increment(engine: &dyn Engine) {
    loop {
        let before = values(engine, &[b"counter"]).await.remove(0);
        let count = before.as_deref().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
        let mut batch = Batch::new();
        batch.expect(b"counter", before);
        batch.put(b"counter", (count + 1).to_be_bytes());
        match engine.commit(batch).await {
            Ok(()) => return,
            Err(EngineError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn keys_outside_the_bounds_are_refused(home: &impl Home) {
    let engine = home.open().await;
    let longest = vec![0xff_u8; KEY_BYTES_MAX];
    let mut fits = puts(&[(&longest, b"1")]);
    fits.put_body(longest.clone(), Bytes::from_static(b"1"));
    engine.commit(fits).await.unwrap();
    assert_eq!(values(&*engine, &[&longest]).await, [Some(b"1".to_vec())]);

    for key in [Vec::new(), vec![1; KEY_BYTES_MAX + 1], vec![1; 70_000]] {
        let refused = |answer: Result<(), EngineError>| {
            assert!(matches!(answer, Err(EngineError::KeyLength(length)) if length == key.len()), "{answer:?}");
        };
        let none = Vec::new;
        let batches = [
            Batch { expectations: vec![(key.clone(), None)], ..Batch::new() },
            Batch { records: vec![RecordWrite::Put(key.clone(), none())], ..Batch::new() },
            Batch { records: vec![RecordWrite::Delete(key.clone())], ..Batch::new() },
            Batch { bodies: vec![BodyWrite::Put(key.clone(), Bytes::new())], ..Batch::new() },
            Batch { bodies: vec![BodyWrite::Delete(key.clone())], ..Batch::new() },
        ];
        for batch in batches {
            refused(engine.commit(batch).await);
        }
        let visit = &mut |_: usize, _: Option<&[u8]>| panic!("visited");
        refused(engine.get(std::slice::from_ref(&key), visit).await);
        refused(engine.bodies(&[BodyRange::whole(key.clone())], visit).await);
    }
}

async fn values_of_every_size_come_back(home: &impl Home) {
    let engine = home.open().await;
    let mut batch = Batch::new();
    for (seed, size) in (0_u64..).zip(SIZES) {
        batch.put(size.to_be_bytes(), content(seed, *size));
        batch.put_body(size.to_be_bytes(), Bytes::from(content(seed, *size)));
    }
    engine.commit(batch).await.unwrap();
    for (seed, size) in (0_u64..).zip(SIZES) {
        let expected = [Some(content(seed, *size))];
        assert!(values(&*engine, &[&size.to_be_bytes()]).await == expected, "a record of {size} bytes");
        let found = pieces(&*engine, &[BodyRange::whole(size.to_be_bytes())]).await;
        assert!(found == expected, "a body of {size} bytes");
    }
    let lengths: Vec<u64> = body_lengths(&*engine, &KeyRange::all()).await.iter().map(|(_, length)| *length).collect();
    assert_eq!(lengths, SIZES.iter().map(|size| *size as u64).collect::<Vec<_>>());
    assert_eq!(engine.verify().await.unwrap(), Vec::<String>::new());
}

async fn a_body_keeps_its_first_content(home: &impl Home) {
    let engine = home.open().await;
    for (key, first, second) in [(b"a", 10, 20), (b"b", 10, 50_000), (b"c", 50_000, 10), (b"d", 50_000, 60_000)] {
        for (seed, length) in [(1, first), (2, second)] {
            let mut batch = Batch::new();
            batch.put_body(*key, Bytes::from(content(seed, length)));
            batch.put(*key, length.to_be_bytes());
            engine.commit(batch).await.unwrap();
        }
        assert_eq!(pieces(&*engine, &[BodyRange::whole(*key)]).await, [Some(content(1, first))]);
        let records = values(&*engine, &[key]).await;
        assert_eq!(records, [Some(second.to_be_bytes().to_vec())], "the rest of the batch was applied");
    }
}

async fn pieces_of_bodies_are_cut_at_the_end(home: &impl Home) {
    let engine = home.open().await;
    for length in [0_usize, 1_000, 100_000] {
        let body = content(7, length);
        let key = length.to_be_bytes();
        let mut batch = Batch::new();
        batch.put_body(key, Bytes::from(body.clone()));
        engine.commit(batch).await.unwrap();
        let end = length as u64;
        let wanted = [
            (0, u64::MAX),
            (0, end),
            (0, 0),
            (0, 10),
            (1, u64::MAX),
            (end / 2, 100),
            (end.saturating_sub(5), 100),
            (end, 100),
            (end + 1, 100),
            (u64::MAX, u64::MAX),
            (end / 2, u64::MAX),
        ];
        let mut ranges: Vec<BodyRange> = wanted
            .iter()
            .map(|(offset, length)| BodyRange { key: key.to_vec(), offset: *offset, length: *length })
            .collect();
        ranges.push(BodyRange::whole(b"missing"));
        let found = pieces(&*engine, &ranges).await;
        for ((offset, wanted_length), piece) in wanted.iter().zip(&found) {
            let start = (*offset).min(end) as usize;
            let stop = offset.saturating_add(*wanted_length).min(end).max(start as u64) as usize;
            assert_eq!(piece.as_deref(), body.get(start..stop), "{wanted_length} bytes at {offset} of {length}");
        }
        assert_eq!(found.last(), Some(&None), "a missing body is nothing");
    }
}

async fn bodies_are_deleted_by_key_and_by_range(home: &impl Home) {
    let engine = home.open().await;
    let mut batch = Batch::new();
    for (number, length) in [(1_u8, 10), (2, 50_000), (3, 10), (4, 50_000), (5, 10), (6, 50_000)] {
        batch.put_body([number], Bytes::from(content(number.into(), length)));
    }
    engine.commit(batch).await.unwrap();
    let mut batch = Batch::new();
    batch.delete_body([1]);
    batch.delete_body([2]);
    batch.delete_body([99]);
    batch.bodies.push(BodyWrite::DeleteRange(KeyRange::new([4], [6])));
    engine.commit(batch).await.unwrap();
    assert_eq!(body_lengths(&*engine, &KeyRange::all()).await, [(vec![3], 10), (vec![6], 50_000)]);
    assert_eq!(body_lengths(&*engine, &KeyRange::new([4], [9])).await, [(vec![6], 50_000)]);
    assert_eq!(pieces(&*engine, &[BodyRange::whole([2])]).await, [None]);
    let mut again = Batch::new();
    again.put_body([2], Bytes::from(content(22, 40_000)));
    engine.commit(again).await.unwrap();
    let found = pieces(&*engine, &[BodyRange::whole([2]), BodyRange::whole([6])]).await;
    assert_eq!(found, [Some(content(22, 40_000)), Some(content(6, 50_000))], "a deleted key may be used again");
}

async fn a_body_of_65_megabytes_comes_back_whole(home: &impl Home) {
    const LENGTH: usize = 65_000_000;
    let body = Bytes::from(content(65, LENGTH));
    let engine = home.open().await;
    let mut batch = Batch::new();
    batch.put_body(b"large", body.clone());
    engine.commit(batch).await.unwrap();
    let mut calls = 0;
    let visit = &mut |_: usize, found: Option<&[u8]>| {
        calls += 1;
        assert!(found == Some(&body[..]), "the content is the same");
        ControlFlow::Continue(())
    };
    engine.bodies(&[BodyRange::whole(b"large")], visit).await.unwrap();
    assert_eq!(calls, 1);
    let piece = BodyRange { key: b"large".to_vec(), offset: LENGTH as u64 - 3, length: 64 };
    assert_eq!(pieces(&*engine, &[piece]).await, [Some(body[LENGTH - 3..].to_vec())]);
}

async fn a_snapshot_does_not_change(home: &impl Home) {
    let engine = home.open().await;
    let mut batch = puts(&[(b"a", b"1"), (b"b", b"1")]);
    batch.put_body(b"small", Bytes::from(content(1, 100)));
    batch.put_body(b"large", Bytes::from(content(2, 100_000)));
    engine.commit(batch).await.unwrap();
    let snapshot = engine.snapshot().await.unwrap();
    let before = records(&*snapshot, &KeyRange::all(), Direction::Forward).await;
    let mut batch = puts(&[(b"a", b"2"), (b"c", b"2")]);
    batch.delete(b"b");
    batch.bodies.push(BodyWrite::DeleteRange(KeyRange::all()));
    batch.put_body(b"new", Bytes::from(content(3, 100_000)));
    engine.commit(batch).await.unwrap();
    engine.compact().await.unwrap();
    assert_eq!(records(&*snapshot, &KeyRange::all(), Direction::Backward).await.len(), 2);
    assert_eq!(records(&*snapshot, &KeyRange::all(), Direction::Forward).await, before);
    assert_eq!(values(&*snapshot, &[b"a", b"c"]).await, [Some(b"1".to_vec()), None]);
    let wanted = [b"small".as_slice(), b"large", b"new"].map(BodyRange::whole);
    let expected = [Some(content(1, 100)), Some(content(2, 100_000)), None];
    assert_eq!(pieces(&*snapshot, &wanted).await, expected, "bodies deleted since are still there");
    assert_eq!(body_lengths(&*snapshot, &KeyRange::all()).await.len(), 2);
    drop(snapshot);
    assert_eq!(values(&*engine, &[b"a", b"b", b"c"]).await, [Some(b"2".to_vec()), None, Some(b"2".to_vec())]);
    assert_eq!(body_lengths(&*engine, &KeyRange::all()).await, [(b"new".to_vec(), 100_000)]);
}

async fn an_engine_opened_again_has_everything(home: &impl Home) {
    let mut expected = Vec::new();
    for round in 0..3_u8 {
        let engine = home.open().await;
        assert_eq!(records(&*engine, &KeyRange::all(), Direction::Forward).await, expected);
        for (key, value) in &expected {
            let length = 20_000 * usize::from(value[0]);
            let found = pieces(&*engine, &[BodyRange::whole(key.clone())]).await;
            assert!(found == [Some(content(value[0].into(), length))], "a body of an earlier opening");
        }
        assert_eq!(engine.verify().await.unwrap(), Vec::<String>::new());
        let mut batch = puts(&[(&[round], &[round])]);
        batch.put_body([round], Bytes::from(content(round.into(), 20_000 * usize::from(round))));
        engine.commit(batch).await.unwrap();
        expected.push((vec![round], vec![round]));
    }
}

async fn compaction_changes_no_answer(home: &impl Home) {
    let engine = home.open().await;
    let length = |number: u8| if number.is_multiple_of(5) { 100 } else { 20_000 + 1_000 * usize::from(number) };
    for group in 0..4_u8 {
        let mut batch = Batch::new();
        for number in (group * 10)..(group * 10 + 10) {
            batch.put_body([number], Bytes::from(content(number.into(), length(number))));
        }
        engine.commit(batch).await.unwrap();
    }
    let mut batch = Batch::new();
    (0..40_u8).filter(|number| !number.is_multiple_of(4)).for_each(|number| batch.delete_body([number]));
    engine.commit(batch).await.unwrap();
    for _ in 0..2 {
        engine.compact().await.unwrap();
        for number in 0..40_u8 {
            let expected = number.is_multiple_of(4).then(|| content(number.into(), length(number)));
            assert!(pieces(&*engine, &[BodyRange::whole([number])]).await == [expected], "body {number}");
        }
        assert_eq!(engine.verify().await.unwrap(), Vec::<String>::new());
    }
    drop(engine);
    let engine = home.open().await;
    assert_eq!(body_lengths(&*engine, &KeyRange::all()).await.len(), 10);
    assert_eq!(engine.verify().await.unwrap(), Vec::<String>::new());
    let statistics = engine.statistics().await.unwrap();
    assert_eq!(statistics.oldest_reader_milliseconds, 0, "no snapshot is open");
}
