//! Every kind of damage is found, and what is derived is mended.
//!
//! Records are altered behind the store's back, by the layout that `keys.rs` describes.

use std::{
    future::Future,
    task::{Context, Waker},
};

use bytes::Bytes;
use postrider_engine::{Batch, Engine};
use postrider_store::{AccountId, Flag, Store, StoreOptions, Transfer};

use crate::fixture::{ACCOUNT, BLOB, BLOB_BY_HASH, Clock, DERIVED, World, letter, rows, set};

const RECORD: u8 = 0x01;
const MAILBOX: u8 = 0x02;
const ENTRY: u8 = 0x10;
const EMAIL: u8 = 0x20;
const THREAD: u8 = 0x24;
const CHANGE: u8 = 0x30;

fn key(table: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = ACCOUNT.0.to_be_bytes().to_vec();
    key.push(table);
    key.extend_from_slice(rest);
    key
}

/// A store with five messages of four contents: one is in two mailboxes.
async fn filled() -> World {
    let world = World::new().await;
    world.deliver("INBOX", &letter("one", "1"), &[Flag::Seen]).await;
    world.deliver("INBOX", &letter("two", "2"), &[Flag::Deleted]).await;
    world.deliver("INBOX", &letter("three", "3"), &[]).await;
    world.deliver("Archive", &letter("one", "1"), &[]).await;
    world.deliver("Archive", &letter("four", "4"), &[]).await;
    world.account.transfer(world.id("INBOX"), set(&[3]), world.id("Sent"), Transfer::Copy).await.unwrap();
    world.assert_whole().await;
    world
}

/// The n-th record of a table.
async fn row(world: &World, table: u8, position: usize) -> (Vec<u8>, Vec<u8>) {
    rows(&*world.memory, ACCOUNT, table).await.swap_remove(position)
}

async fn commit(world: &World, change: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    change(&mut batch);
    world.memory.commit(batch).await.unwrap();
}

async fn delete(world: &World, table: u8, position: usize) {
    let (key, _) = row(world, table, position).await;
    commit(world, |batch| batch.delete(key)).await;
}

/// Alters the byte of a record at `place`.
async fn alter(world: &World, table: u8, position: usize, place: usize) {
    let (key, mut value) = row(world, table, position).await;
    value[place] ^= 0x40;
    commit(world, |batch| batch.put(key, value)).await;
}

async fn copy(world: &World, from: (u8, usize), to: Vec<u8>) {
    let (_, value) = row(world, from.0, from.1).await;
    commit(world, |batch| batch.put(to, value)).await;
}

async fn findings(world: &World) -> String {
    world.store.verify(|_| ()).await.unwrap().findings.join("\n")
}

async fn assert_found(world: &World, expected: &[&str]) {
    let found = findings(world).await;
    for sentence in expected {
        assert!(found.contains(sentence), "“{sentence}” is not in\n{found}");
    }
    assert!(found.lines().all(|line| line.starts_with("account 7: ")), "{found}");
}

#[tokio::test]
async fn a_whole_store_is_counted() {
    let world = filled().await;
    let mut told = 0;
    let verification = world.store.verify(|messages| told = messages).await.unwrap();
    assert_eq!((verification.accounts, verification.messages, told), (1, 6, 6));
    let bytes: usize = ["one", "two", "three", "four"].iter().map(|subject| letter(subject, "1").len()).sum();
    assert_eq!(verification.bytes, bytes as u64, "equal contents are read once");
}

#[tokio::test]
async fn a_record_that_is_gone_is_missed() {
    let cases: [(u8, &[&str]); 7] = [
        (RECORD, &["has records, but not its own"]),
        (MAILBOX, &["in a mailbox that does not exist"]),
        (ENTRY, &["INBOX: the counters are wrong", "claims a place that it does not have"]),
        (EMAIL, &["INBOX: UID 1 does not agree with its email", "counts its emails wrongly"]),
        (
            BLOB,
            &[
                "INBOX: UID 1 does not agree with its blob",
                "names blob 1, which does not exist",
                "body belongs to no blob",
            ],
        ),
        (BLOB_BY_HASH, &["is not in the index of hashes"]),
        (DERIVED, &["blob 1: the derived answers are not what the message says"]),
    ];
    for (table, expected) in cases {
        let world = filled().await;
        delete(&world, table, 0).await;
        assert_found(&world, expected).await;
    }
    let world = filled().await;
    delete(&world, THREAD, 0).await;
    assert_found(&world, &["missing from the index of threads"]).await;
}

#[tokio::test]
async fn a_record_that_is_one_too_many_is_found() {
    let (nine, far) = (9_u64.to_be_bytes(), 999_u64.to_be_bytes());
    let cases = [
        (ENTRY, key(ENTRY, &[0, 0, 0, 1, 2, 0, 0, 0, 9]), "UID 9 was not given out yet"),
        (ENTRY, key(ENTRY, &[0, 0, 0, 99, 2, 0, 0, 0, 1]), "mailbox 99: UID 1 lies in a mailbox that does not exist"),
        (EMAIL, key(EMAIL, &far), "an id that was not given out yet"),
        (BLOB, key(BLOB, &nine), "counts its emails wrongly"),
        (BLOB, key(BLOB, &nine), "a blob has an id that was not given out yet"),
        (BLOB_BY_HASH, key(BLOB_BY_HASH, &[7; 32]), "the index of hashes names blob"),
        (DERIVED, key(DERIVED, &far), "derived answers belong to blob 999, which does not exist"),
        (CHANGE, key(CHANGE, &far), "1 rows outside its bounds"),
        (CHANGE, key(CHANGE, &1_u64.to_be_bytes()), "1 rows outside its bounds"),
        (ENTRY, key(ENTRY, &[1, 2, 3]), "malformed key"),
    ];
    for (table, to, expected) in cases {
        let world = filled().await;
        copy(&world, (table, 0), to).await;
        assert_found(&world, &[expected]).await;
    }
}

#[tokio::test]
async fn a_record_that_says_something_else_is_found() {
    // Table, which byte of its first record, what is found. For entries from the size towards the date received.
    let cases: [(u8, usize, &str); 15] = [
        (ENTRY, 4, "does not agree with its blob"),
        (ENTRY, 12, "has a keyword without a name"),
        (ENTRY, 28, "has a mod-sequence above the mailbox's highest"),
        (ENTRY, 36, "does not agree with its email"),
        (ENTRY, 44, "does not agree with its blob"),
        (ENTRY, 52, "does not agree with its email"),
        (MAILBOX, 25, "INBOX: its mod-sequence is above the account's"),
        (MAILBOX, 42, "INBOX: the counters are wrong"),
        (MAILBOX, 50, "INBOX: the counters are wrong"),
        (EMAIL, 36, "claims a place that it does not have"),
        (BLOB, 20, "the index of hashes names blob 1 wrongly"),
        (BLOB, 36, "the content is not what its hash says"),
        (BLOB, 40, "counts its emails wrongly"),
        (DERIVED, 30, "the derived answers are not what the message says"),
        (THREAD, 5, "not given out yet"),
    ];
    for (table, place, expected) in cases {
        let world = filled().await;
        alter(&world, table, 0, place).await;
        assert_found(&world, &[expected]).await;
    }
    let world = filled().await;
    let (key, value) = row(&world, ENTRY, 0).await;
    commit(&world, |batch| batch.put(key, &value[..30])).await;
    assert_found(&world, &["a record (entry) is cut short or malformed"]).await;
}

#[tokio::test]
async fn two_mailboxes_of_one_name_and_an_account_without_inbox_are_found() {
    let world = filled().await;
    let mut number = Vec::new();
    number.extend_from_slice(&2_u32.to_be_bytes());
    copy(&world, (MAILBOX, 0), key(MAILBOX, &number)).await;
    assert_found(&world, &["INBOX: more than one mailbox has this name"]).await;

    let world = World::new().await;
    delete(&world, MAILBOX, 0).await;
    assert_found(&world, &["there is no INBOX"]).await;
}

#[tokio::test]
async fn bodies_are_held_against_their_hashes() {
    let first = key(BLOB, &1_u64.to_be_bytes());
    let world = filled().await;
    commit(&world, |batch| batch.delete_body(first.clone())).await;
    assert_found(&world, &["blob 1 has no content"]).await;
    commit(&world, |batch| batch.put_body(first.clone(), Bytes::from_static(b"something else"))).await;
    assert_found(&world, &["blob 1: the content is not what its hash says"]).await;

    let world = filled().await;
    commit(&world, |batch| batch.put_body(key(BLOB, &99_u64.to_be_bytes()), Bytes::from_static(b"x"))).await;
    commit(&world, |batch| batch.put_body(key(BLOB, b"?"), Bytes::from_static(b"x"))).await;
    let found = findings(&world).await;
    assert_eq!(found.matches("a body belongs to no blob").count(), 2, "{found}");
}

#[tokio::test]
async fn damage_of_one_account_does_not_hide_that_of_another() {
    let world = filled().await;
    for id in [3, 9] {
        world.store.create_account(AccountId(id)).await.unwrap();
    }
    let (first, _) = rows(&*world.memory, AccountId(3), MAILBOX).await.remove(1);
    commit(&world, |batch| batch.put(first, [9, 9])).await;
    let (last, _) = rows(&*world.memory, AccountId(9), RECORD).await.remove(0);
    commit(&world, |batch| batch.delete(last)).await;
    delete(&world, DERIVED, 0).await;
    let found = findings(&world).await;
    let lines: Vec<&str> = found.lines().collect();
    let [damaged, stale, headless] = lines.as_slice() else { panic!("{found}") };
    assert!(damaged.starts_with("account 3: the store is damaged: a record (mailbox) has format 9"));
    assert!(stale.starts_with("account 7: blob 1"));
    assert!(headless.starts_with("account 9: "));
}

#[tokio::test]
async fn a_rebuild_mends_answers_and_counters() {
    let world = filled().await;
    delete(&world, DERIVED, 0).await;
    alter(&world, DERIVED, 0, 30).await;
    copy(&world, (DERIVED, 0), key(DERIVED, &4_u64.to_be_bytes())).await;
    alter(&world, MAILBOX, 0, 50).await;
    alter(&world, MAILBOX, 1, 41).await;
    assert_found(&world, &["derived answers", "counters"]).await;
    // A store that has the counters in memory would write those.
    let store = Store::open(world.memory.clone(), StoreOptions::default(), Clock::new().now()).await.unwrap();
    let mut told = 0;
    let rebuilt = store.rebuild(|looked_at| told = looked_at).await.unwrap();
    assert_eq!((rebuilt.messages, rebuilt.mailboxes, told), (3, 2, 4));
    assert_eq!(store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
    let again = store.rebuild(|_| ()).await.unwrap();
    assert_eq!((again.messages, again.mailboxes), (0, 0), "nothing is left to do");
}

#[tokio::test]
async fn a_rebuild_beside_sessions_leaves_no_answers_of_messages_that_went() {
    let world = filled().await;
    for _ in 0..4 {
        delete(&world, DERIVED, 0).await;
    }
    let (inbox, archive) = (world.id("INBOX"), world.id("Archive"));
    let named = postrider_store::ExpungeOnly::Named;
    let mut expunges = [inbox, archive].map(|mailbox| Box::pin(world.account.expunge(mailbox, None, named)));
    // The rebuild has read a message: what is handed in now comes before its own change.
    let poll = |_| {
        let mut context = Context::from_waker(Waker::noop());
        expunges.iter_mut().for_each(|expunge| assert!(expunge.as_mut().poll(&mut context).is_pending()));
    };
    world.store.rebuild(poll).await.unwrap();
    for expunge in expunges {
        assert!(!expunge.await.unwrap().is_empty());
    }
    world.assert_whole().await;
    assert_eq!((world.rows(DERIVED).await, world.rows(BLOB).await), (1, 1), "of the copy in Sent");
}

#[tokio::test]
async fn a_rebuild_of_a_damaged_account_ends_with_an_error_and_changes_nothing() {
    let world = filled().await;
    let (key, _) = row(&world, MAILBOX, 0).await;
    commit(&world, |batch| batch.put(key, [9])).await;
    let store = Store::open(world.memory.clone(), StoreOptions::default(), Clock::new().now()).await.unwrap();
    let batches = world.batches().await;
    assert!(store.rebuild(|_| ()).await.is_err());
    assert_eq!(world.batches().await, batches);
}
