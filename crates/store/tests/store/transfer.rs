//! Messages are copied and moved.

use postrider_store::{Flag, FlagMode, KEYWORDS_MAX, MailboxId, StoreError, Transfer, Uid};

use crate::fixture::{NOON, World, keyword, letter, refusal, set};

#[tokio::test]
async fn a_copy_shares_the_email_and_has_flags_of_its_own() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    world.deliver("Archive", "x", &[]).await;
    world.clock.set(NOON + 60);
    let copied =
        world.account.transfer(world.id("INBOX"), set(&[1, 3, 9]), world.id("Archive"), Transfer::Copy).await.unwrap();
    assert_eq!((copied.source, copied.destination), (set(&[1, 3]), set(&[2, 3])));
    assert_eq!(copied.uid_validity, world.mailbox("Archive").await.record.uid_validity);
    let (original, copy) = (world.entry("INBOX", Uid(3)).await, world.entry("Archive", Uid(3)).await);
    assert_eq!((copy.email, copy.blob, copy.received), (original.email, original.blob, original.received));
    assert_eq!((original.saved, copy.saved), (NOON, NOON + 60));
    let email = world.emails(&[copy.email]).await.remove(0).unwrap();
    assert_eq!(email.places, [(world.id("INBOX"), Uid(3)), (world.id("Archive"), Uid(3))]);
    world.set_flags("Archive", &[3], FlagMode::Add, &[Flag::Seen]).await;
    assert_eq!(world.flags("INBOX").await, [[], [], []]);
    world.assert_whole().await;
}

#[tokio::test]
async fn keywords_are_translated_to_the_destinations_numbers() {
    let world = World::new().await;
    world.deliver("Archive", "x", &[keyword("c"), keyword("b"), keyword("z")]).await;
    world.deliver("INBOX", "1", &[Flag::Seen, keyword("a"), keyword("B")]).await;
    world.deliver("INBOX", "2", &[keyword("c")]).await;
    world.deliver("INBOX", "3", &[Flag::Deleted]).await;
    world.deliver("INBOX", "4", &[keyword("unused")]).await;
    world.account.transfer(world.id("INBOX"), set(&[1, 2, 3]), world.id("Archive"), Transfer::Copy).await.unwrap();
    let expected = [
        vec![keyword("c"), keyword("b"), keyword("z")],
        vec![Flag::Seen, keyword("b"), keyword("a")],
        vec![keyword("c")],
        vec![Flag::Deleted],
    ];
    assert_eq!(world.flags("Archive").await, expected);
    assert_eq!(world.mailbox("Archive").await.record.keywords.names(), ["c", "b", "z", "a"]);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_move_leaves_nothing_behind_and_is_one_change() {
    let world = World::new().await;
    world.fill("INBOX", 4).await;
    let (email, before) = (world.entry("INBOX", Uid(2)).await.email, world.account.state().record.modseq);
    let moved =
        world.account.transfer(world.id("INBOX"), set(&[2, 3]), world.id("Trash"), Transfer::Move).await.unwrap();
    assert_eq!((moved.source, moved.destination), (set(&[2, 3]), set(&[1, 2])));
    assert_eq!(world.uids("INBOX").await, [1, 4]);
    assert_eq!(world.entry("Trash", Uid(1)).await.email, email);
    let (inbox, trash) = (world.mailbox("INBOX").await, world.mailbox("Trash").await);
    assert_eq!(inbox.record.highest_modseq.0, before.0 + 1);
    assert_eq!(trash.record.highest_modseq.0, before.0 + 1);
    assert_eq!(world.emails(&[email]).await.remove(0).unwrap().places, [(trash.id, Uid(1))]);
    assert_eq!(world.account.vanished(&inbox, before, None).await.unwrap(), set(&[2, 3]));
    world.assert_whole().await;
}

#[tokio::test]
async fn messages_can_be_copied_and_moved_into_the_same_mailbox() {
    let world = World::new().await;
    world.deliver("INBOX", "x", &[keyword("a"), Flag::Seen]).await;
    let inbox = world.id("INBOX");
    let email = world.entry("INBOX", Uid(1)).await.email;
    let copied = world.account.transfer(inbox, set(&[1]), inbox, Transfer::Copy).await.unwrap();
    assert_eq!(copied.destination, set(&[2]));
    world.assert_whole().await;
    let moved = world.account.transfer(inbox, set(&[1, 2]), inbox, Transfer::Move).await.unwrap();
    assert_eq!((moved.source, moved.destination), (set(&[1, 2]), set(&[3, 4])));
    assert_eq!(world.uids("INBOX").await, [3, 4]);
    assert_eq!(world.entry("INBOX", Uid(4)).await.email, email);
    assert_eq!(world.flags("INBOX").await, [[Flag::Seen, keyword("a")], [Flag::Seen, keyword("a")]]);
    assert_eq!(world.emails(&[email]).await.remove(0).unwrap().places, [(inbox, Uid(3)), (inbox, Uid(4))]);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_transfer_of_nothing_changes_nothing() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    let before = world.account.state().record.modseq;
    for transfer in [Transfer::Copy, Transfer::Move] {
        let copied = world.account.transfer(world.id("INBOX"), set(&[5]), world.id("Sent"), transfer).await.unwrap();
        assert!(copied.source.is_empty() && copied.destination.is_empty());
    }
    assert_eq!(world.account.state().record.modseq, before);
}

#[tokio::test]
async fn a_transfer_that_cannot_be_done_as_a_whole_is_not_done() {
    let world = World::new().await;
    let all: Vec<Flag> = (0..KEYWORDS_MAX).map(|number| keyword(&format!("k{number}"))).collect();
    world.deliver("Archive", "x", &all).await;
    world.deliver("INBOX", &letter("1", ""), &[]).await;
    world.deliver("INBOX", &letter("2", ""), &[keyword("another")]).await;
    let before = world.account.state().record.modseq;
    for transfer in [Transfer::Copy, Transfer::Move] {
        let error =
            refusal(world.account.transfer(world.id("INBOX"), set(&[1, 2]), world.id("Archive"), transfer).await);
        assert!(error.starts_with("limit reached"), "{error}");
    }
    let missing = MailboxId(99);
    for (from, to) in [(missing, world.id("INBOX")), (world.id("INBOX"), missing)] {
        let answer = world.account.transfer(from, set(&[1]), to, Transfer::Copy).await;
        assert!(matches!(answer, Err(StoreError::NoMailbox)));
    }
    assert_eq!(world.account.state().record.modseq, before);
    assert_eq!(world.uids("INBOX").await, [1, 2]);
    world.assert_whole().await;
}
