//! Messages are stored in chunks, and what is gathered of a chunk stays with it.

use std::{ops::ControlFlow, sync::Arc};

use postrider_engine::{Batch, Direction, Engine, KeyRange, Read};
use postrider_message::HeaderText;
use postrider_store::{
    BlobId, ExpungeOnly, FieldPresence, Flag, FlagMode, SearchDigest, SortDigest, SortText, Store, StoreOptions,
};

use crate::fixture::{ACCOUNT, Clock, World, set};

#[tokio::test]
async fn a_mailbox_that_nobody_looks_at_is_sealed_as_it_grows() {
    let world = World::new().await;
    world.fill("INBOX", 600).await;
    let record = world.account.state().find("INBOX").unwrap().record.clone();
    assert_eq!((record.counts.messages, record.rows_open), (600, 600 - 512));
    assert!(world.account.state().find("INBOX").unwrap().messages().is_none(), "nobody asked");
    world.assert_whole().await;
    assert_eq!(world.uids("INBOX").await, (1..=600).collect::<Vec<u32>>());
    world.fill("INBOX", 200).await;
    world.set_flags("INBOX", &(1..=300).collect::<Vec<u32>>(), FlagMode::Add, &[Flag::Seen]).await;
    world.account.expunge(world.id("INBOX"), Some(set(&[1, 256, 257, 700])), ExpungeOnly::Named).await.unwrap();
    world.assert_whole().await;
    let before = world.mailbox("INBOX").await;
    let store = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let again = store.account(ACCOUNT).await.unwrap();
    let after = again.mailbox(world.id("INBOX")).await.unwrap();
    assert!(before.messages().unwrap().iter().eq(after.messages().unwrap().iter()));
}

async fn digests(world: &World) -> Vec<Arc<SearchDigest>> {
    world.account.search_digests(world.mailbox("INBOX").await.messages().unwrap()).await.unwrap()
}

/// What SORT and SEARCH see of each message.
async fn seen(world: &World) -> Vec<(Vec<u8>, Option<i64>, Option<u64>, FieldPresence)> {
    let mailbox = world.mailbox("INBOX").await;
    let sort: Vec<Arc<SortDigest>> = world.account.sort_digests(mailbox.messages().unwrap()).await.unwrap();
    let search = digests(world).await;
    let places = sort.iter().zip(&search).flat_map(|(sort, search)| {
        assert_eq!(sort.len(), search.len());
        (0..sort.len()).map(move |row| (sort, search, row))
    });
    let all = places.map(|(sort, search, row)| {
        assert!(!sort.is_gone(row) && !search.is_gone(row));
        let (table, place) = sort.place(row).unwrap();
        let table = sort.tables().nth(table.into()).unwrap();
        let subject = table.sort_text(SortText::Subject, place).to_vec();
        (subject, table.sent(place), table.message_id(place), search.header_field(HeaderText::Subject, row))
    });
    all.collect()
}

async fn pages(world: &World) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let all = KeyRange::prefix([ACCOUNT.0.to_be_bytes().as_slice(), &[0x26]].concat());
    let mut note = |key: &[u8], _: &[u8]| {
        pages.push(key[5..].to_vec());
        ControlFlow::Continue(())
    };
    world.memory.scan(&all, Direction::Forward, &mut note).await.unwrap();
    pages
}

#[tokio::test]
async fn pages_of_digests_come_when_they_are_complete_go_with_a_message_and_come_again_when_missed() {
    let key = |kind: u8, page: u8| vec![kind, 0, 0, 0, 0, 0, 0, 0, page];
    let world = World::new().await;
    world.fill("INBOX", 250).await;
    assert_eq!(pages(&world).await, [] as [Vec<u8>; 0]);
    let world = World::new().await;
    world.fill("INBOX", 600).await;
    let both = [key(0, 0), key(0, 1), key(1, 0), key(1, 1)];
    assert_eq!(pages(&world).await, both);
    world.assert_whole().await;
    let before = seen(&world).await;
    assert_eq!(before.len(), 600);

    // Blob 300 lies in the second page.
    world.account.expunge(world.id("INBOX"), Some(set(&[300, 599])), ExpungeOnly::Named).await.unwrap();
    assert_eq!(pages(&world).await, [key(0, 0), key(1, 0)]);
    world.assert_whole().await;
    let left = |row: &usize| ![299, 598].contains(row);
    let expected: Vec<_> = (0..600).filter(left).map(|row| before[row].clone()).collect();
    assert_eq!(seen(&world).await, expected, "without the page");
    while pages(&world).await.len() < both.len() {
        tokio::task::yield_now().await;
    }
    world.assert_whole().await;
    let (memory, clock) = (world.memory.clone(), Clock::new());
    let store = Store::open(memory.clone(), StoreOptions::default(), clock.now()).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    let again = World { memory, clock, store, account };
    assert_eq!(seen(&again).await, expected, "with the page");
}

#[tokio::test]
async fn pages_of_digests_that_are_wrong_are_found_and_made_anew() {
    let world = World::new().await;
    world.fill("INBOX", 600).await;
    let key = [ACCOUNT.0.to_be_bytes().as_slice(), &[0x26, 1, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
    let mut batch = Batch::new();
    batch.put(key, [1, 2, 3]);
    world.memory.commit(batch).await.unwrap();
    let findings = world.store.verify(|_| ()).await.unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("digests of page 1"));
    assert_eq!(seen(&world).await.len(), 600, "what is malformed is passed over");
    let rebuilt = world.store.rebuild(|_| ()).await.unwrap();
    assert!(rebuilt.digests <= 1);
    world.assert_whole().await;
}

#[tokio::test]
async fn digests_cover_all_messages_and_live_as_long_as_their_chunk() {
    let world = World::new().await;
    world.fill("INBOX", 300).await;
    let first = digests(&world).await;
    assert_eq!(first.iter().map(|digest| digest.len()).collect::<Vec<_>>(), [256, 44]);
    assert_eq!(first[0].header_field(HeaderText::Subject, 0), FieldPresence::Here);

    world.set_flags("INBOX", &[3], FlagMode::Add, &[Flag::Seen]).await;
    let flagged = digests(&world).await;
    assert!(first.iter().zip(&flagged).all(|(a, b)| Arc::ptr_eq(a, b)), "flags are nothing to a digest");

    world.fill("INBOX", 1).await;
    let grown = digests(&world).await;
    assert!(Arc::ptr_eq(&first[0], &grown[0]));
    assert_eq!(grown[1].len(), 45);
    world.account.expunge(world.id("INBOX"), Some(set(&[1])), ExpungeOnly::Named).await.unwrap();
    assert_eq!(digests(&world).await[0].len(), 255);
}

#[tokio::test]
async fn without_room_digests_are_made_for_one_use() {
    let world = World::with(StoreOptions { digest_bytes_max: 0, ..StoreOptions::default() }).await;
    world.fill("INBOX", 3).await;
    let (first, second) = (digests(&world).await, digests(&world).await);
    assert!(!Arc::ptr_eq(&first[0], &second[0]));
    assert_eq!(second[0].len(), 3);
}

#[tokio::test]
async fn the_first_message_that_lacks_a_flag_is_found_in_any_chunk() {
    let world = World::new().await;
    world.fill("INBOX", 600).await;
    let unseen =
        async || world.mailbox("INBOX").await.messages().unwrap().first_without(postrider_store::FlagBits::SEEN);
    assert_eq!(unseen().await, Some(1));
    world.set_flags("INBOX", &(1..=520).collect::<Vec<u32>>(), FlagMode::Add, &[Flag::Seen]).await;
    assert_eq!(unseen().await, Some(521));
    world.set_flags("INBOX", &(521..=600).collect::<Vec<u32>>(), FlagMode::Add, &[Flag::Seen]).await;
    assert_eq!(unseen().await, None);
    world.set_flags("INBOX", &[300], FlagMode::Remove, &[Flag::Seen]).await;
    assert_eq!(unseen().await, Some(300));
}

#[tokio::test]
async fn what_lies_beside_messages_is_read_in_their_order_whatever_that_is() {
    let world = World::new().await;
    world.fill("INBOX", 40).await;
    world.account.expunge(world.id("INBOX"), Some(set(&[7, 20, 40])), ExpungeOnly::Named).await.unwrap();
    let blob = |id: &u64| BlobId(*id);
    for wanted in [
        (1..=40).collect::<Vec<u64>>(),
        vec![5, 6, 7, 8],
        vec![38, 39, 40, 41],
        vec![40, 41, 42],
        vec![1, 39],
        vec![3, 2, 1, 4],
        vec![2, 2, 3, 3],
        vec![],
    ] {
        let blobs: Vec<BlobId> = wanted.iter().map(blob).collect();
        let (mut derived, mut headers) = (Vec::new(), Vec::new());
        let mut note = |position: usize, found: Option<&[u8]>| {
            derived.push((position, found.is_some()));
            ControlFlow::Continue(())
        };
        world.account.derived(&blobs, &mut note).await.unwrap();
        let mut note = |position: usize, found: Option<&[u8]>| {
            headers.push((position, found.is_some()));
            if position == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        world.account.headers(&blobs, &mut note).await.unwrap();
        let is_there = |id: &u64| (1..40).contains(id) && ![7, 20].contains(id);
        let expected: Vec<(usize, bool)> = wanted.iter().map(is_there).enumerate().collect();
        assert_eq!(derived, expected, "{wanted:?}");
        assert_eq!(headers, expected[..expected.len().min(4)], "{wanted:?}");
    }
}

/// The pages of the directories of an account's mailboxes.
async fn directories(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pages = Vec::new();
    let all = KeyRange::prefix([ACCOUNT.0.to_be_bytes().as_slice(), &[0x10]].concat());
    let mut note = |key: &[u8], value: &[u8]| {
        if key[9] == 3 {
            pages.push((key.to_vec(), value.to_vec()));
        }
        ControlFlow::Continue(())
    };
    world.memory.scan(&all, Direction::Forward, &mut note).await.unwrap();
    pages
}

#[tokio::test]
async fn a_directory_is_kept_by_whatever_changes_a_mailbox_and_made_where_it_is_missing() {
    let world = World::new().await;
    world.fill("INBOX", 600).await;
    world.set_flags("INBOX", &(1..=300).collect::<Vec<u32>>(), FlagMode::Add, &[Flag::Seen]).await;
    world.account.expunge(world.id("INBOX"), Some(set(&[1, 256, 257])), ExpungeOnly::Named).await.unwrap();
    let kept = directories(&world).await;
    assert_eq!(kept.len(), 1);
    world.assert_whole().await;

    // As format 3 had it: no directory.
    let mut batch = Batch::new();
    batch.put([0, 0, 0, 0, 0xf0], [3]);
    batch.delete(kept[0].0.clone());
    world.memory.commit(batch).await.unwrap();
    world.assert_whole().await;
    let store = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    let mailbox = account.mailbox_outline(world.id("INBOX")).await.unwrap();
    assert!(mailbox.messages().unwrap().iter().eq(world.mailbox("INBOX").await.messages().unwrap().iter()));
    // Another change waits behind that which writes it.
    account.write_notes(Vec::new()).await.unwrap();
    assert_eq!(directories(&world).await, kept);

    // One that is wrong is found, and mended.
    let mut batch = Batch::new();
    let mut wrong = kept[0].1.clone();
    *wrong.last_mut().unwrap() ^= 1;
    batch.put(kept[0].0.clone(), wrong);
    world.memory.commit(batch).await.unwrap();
    let store = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    assert!(store.verify(|_| ()).await.unwrap().findings.iter().any(|finding| finding.contains("directory")));
    assert_eq!(store.rebuild(|_| ()).await.unwrap().mailboxes, 1);
    assert_eq!(directories(&world).await, kept);
    assert_eq!(store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
}
