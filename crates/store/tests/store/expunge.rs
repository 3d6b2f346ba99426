//! Messages go, and what nobody else holds goes with them.

use postrider_store::{ExpungeOnly, Flag, FlagMode, StoreError, Transfer, Uid};

use crate::fixture::{BLOB, BLOB_BY_HASH, DERIVED, World, letter, set};

#[tokio::test]
async fn only_deleted_messages_are_expunged_and_only_those_named() {
    let world = World::new().await;
    world.fill("INBOX", 6).await;
    world.set_flags("INBOX", &[1, 3, 5], FlagMode::Add, &[Flag::Deleted]).await;
    let inbox = world.id("INBOX");
    let gone = world.account.expunge(inbox, Some(set(&[1, 2, 3, 99])), ExpungeOnly::Deleted).await.unwrap();
    assert_eq!(gone, set(&[1, 3]));
    assert_eq!(world.uids("INBOX").await, [2, 4, 5, 6]);
    let gone = world.account.expunge(inbox, None, ExpungeOnly::Deleted).await.unwrap();
    assert_eq!(gone, set(&[5]));
    let gone = world.account.expunge(inbox, Some(set(&[2])), ExpungeOnly::Named).await.unwrap();
    assert_eq!(gone, set(&[2]), "POP3 needs no flag");
    assert_eq!(world.uids("INBOX").await, [4, 6]);
    world.assert_whole().await;
}

#[tokio::test]
async fn an_expunge_of_nothing_changes_nothing() {
    let world = World::new().await;
    world.fill("INBOX", 2).await;
    let (before, batches) = (world.account.state(), world.batches().await);
    let inbox = world.id("INBOX");
    for (uids, only) in [(None, ExpungeOnly::Deleted), (Some(set(&[77])), ExpungeOnly::Named)] {
        assert!(world.account.expunge(inbox, uids, only).await.unwrap().is_empty());
    }
    assert_eq!(world.account.state().record, before.record);
    assert_eq!(world.batches().await, batches);
}

#[tokio::test]
async fn a_uid_is_never_given_out_again() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    world.account.expunge(world.id("INBOX"), None, ExpungeOnly::Named).await.unwrap();
    assert_eq!(world.deliver("INBOX", "x", &[]).await, Uid(4));
}

#[tokio::test]
async fn the_body_stays_until_the_last_message_with_its_bytes_goes() {
    let world = World::new().await;
    let raw = letter("same", "text");
    world.deliver("INBOX", &raw, &[]).await;
    world.deliver("Archive", &raw, &[]).await;
    let blob = world.entry("Archive", Uid(1)).await.blob;
    world.account.expunge(world.id("INBOX"), None, ExpungeOnly::Named).await.unwrap();
    assert_eq!(world.account.body(blob).await.unwrap().as_deref(), Some(raw.as_bytes()));
    assert!(world.has_derived(blob).await);
    world.assert_whole().await;

    world.account.expunge(world.id("Archive"), None, ExpungeOnly::Named).await.unwrap();
    assert_eq!(world.account.body(blob).await.unwrap(), None);
    for table in [BLOB, BLOB_BY_HASH, DERIVED, 0x20, 0x10] {
        assert_eq!(world.rows(table).await, 0, "table {table:#x}");
    }
    assert_eq!(world.bodies().await, 0);

    world.deliver("INBOX", &raw, &[]).await;
    let again = world.entry("INBOX", Uid(2)).await.blob;
    assert_ne!(again, blob, "ids are never used again");
    assert_eq!(world.account.body(again).await.unwrap().as_deref(), Some(raw.as_bytes()));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_copy_keeps_the_email_and_its_body() {
    let world = World::new().await;
    world.deliver("INBOX", &letter("one", ""), &[]).await;
    world.account.transfer(world.id("INBOX"), set(&[1]), world.id("Archive"), Transfer::Copy).await.unwrap();
    let entry = world.entry("Archive", Uid(1)).await;
    world.account.expunge(world.id("INBOX"), None, ExpungeOnly::Named).await.unwrap();
    let email = world.emails(&[entry.email]).await.remove(0).unwrap();
    assert_eq!(email.places, [(world.id("Archive"), Uid(1))]);
    assert!(world.account.body(entry.blob).await.unwrap().is_some());
    world.account.expunge(world.id("Archive"), None, ExpungeOnly::Named).await.unwrap();
    assert_eq!(world.emails(&[entry.email]).await, [None]);
    assert_eq!(world.bodies().await, 0);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_message_that_comes_and_goes_and_comes_in_one_group_is_there() {
    let world = World::new().await;
    let raw = letter("same", "text");
    world.deliver("INBOX", &raw, &[]).await;
    let message = world.account.prepare(raw.clone().into(), Vec::new(), 0).await;
    let inbox = world.id("INBOX");
    let batches = world.batches().await;
    // Joined futures hand all in before the writer gets its turn.
    let (gone, came, gone_again, came_again) = tokio::join!(
        world.account.expunge(inbox, None, ExpungeOnly::Named),
        world.account.append(inbox, vec![message.clone()]),
        world.account.expunge(inbox, None, ExpungeOnly::Named),
        world.account.append(inbox, vec![message]),
    );
    assert_eq!((gone.unwrap(), gone_again.unwrap()), (set(&[1]), set(&[2])));
    assert_eq!((came.unwrap().uids, came_again.unwrap().uids), (set(&[2]), set(&[3])));
    assert_eq!(world.batches().await, batches + 1, "they were one group");
    let entry = world.entry("INBOX", Uid(3)).await;
    assert_eq!(world.account.body(entry.blob).await.unwrap().as_deref(), Some(raw.as_bytes()));
    assert_eq!((world.bodies().await, world.rows(BLOB).await), (1, 1));
    world.assert_whole().await;
}

#[tokio::test]
async fn an_expunge_in_a_mailbox_that_is_not_there_is_refused() {
    let world = World::new().await;
    let answer = world.account.expunge(postrider_store::MailboxId(99), None, ExpungeOnly::Named).await;
    assert!(matches!(answer, Err(StoreError::NoMailbox)));
}
