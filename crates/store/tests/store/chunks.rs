//! Messages are stored in chunks, and what is gathered of a chunk stays with it.

use std::{ops::ControlFlow, sync::Arc};

use postrider_message::HeaderText;
use postrider_store::{BlobId, Digest, ExpungeOnly, FieldPresence, Flag, FlagMode, Store, StoreOptions};

use crate::fixture::{ACCOUNT, World, set};

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

async fn digests(world: &World) -> Vec<Arc<Digest>> {
    world.account.digests(world.mailbox("INBOX").await.messages().unwrap()).await.unwrap()
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
