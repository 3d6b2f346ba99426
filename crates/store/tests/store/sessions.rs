//! What sessions learn: what went, what is recent, that something changed.

use postrider_store::{
    ExpungeOnly, Flag, FlagMode, ModSeq, StoreOptions, Transfer, Uid, difference, merge_without_expunges,
};

use crate::fixture::{World, set};

#[tokio::test]
async fn what_vanished_is_told_by_the_log() {
    let world = World::new().await;
    world.fill("INBOX", 10).await;
    let inbox = world.id("INBOX");
    let start = world.account.state().record.modseq;
    world.account.expunge(inbox, Some(set(&[2, 3])), ExpungeOnly::Named).await.unwrap();
    let middle = world.account.state().record.modseq;
    world.fill("Archive", 3).await;
    world.account.expunge(world.id("Archive"), None, ExpungeOnly::Named).await.unwrap();
    world.account.transfer(inbox, set(&[9]), world.id("Archive"), Transfer::Move).await.unwrap();
    world.set_flags("INBOX", &[5], FlagMode::Add, &[Flag::Seen]).await;
    let mailbox = world.mailbox("INBOX").await;
    let cases = [
        (start, None, set(&[2, 3, 9])),
        (middle, None, set(&[9])),
        (mailbox.record.highest_modseq, None, set(&[])),
        (ModSeq(u64::MAX), None, set(&[])),
        (start, Some(set(&[1, 2, 9, 50])), set(&[2, 9])),
        (start, Some(set(&[1])), set(&[])),
        (ModSeq(1), None, set(&[2, 3, 9])),
        // Before the log began: all that could have been known and is not there.
        (ModSeq(0), Some(set(&[1, 2])), set(&[2])),
    ];
    for (since, known, expected) in cases {
        let vanished = world.account.vanished(&mailbox, since, known.as_ref()).await.unwrap();
        assert_eq!(vanished, expected, "since {since}, known {known:?}");
    }
}

#[tokio::test]
async fn an_older_version_of_a_mailbox_has_not_lost_what_went_later() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let before = world.mailbox("INBOX").await;
    world.account.expunge(before.id, Some(set(&[2])), ExpungeOnly::Named).await.unwrap();
    assert!(world.account.vanished(&before, ModSeq(1), None).await.unwrap().is_empty());
    let after = world.mailbox("INBOX").await;
    assert_eq!(difference(before.messages().unwrap(), after.messages().unwrap()).expunged, [(2, Uid(2))]);
    let merged = merge_without_expunges(before.messages().unwrap(), after.messages().unwrap());
    assert_eq!(merged.uids(), set(&[1, 2, 3]));
}

#[tokio::test]
async fn a_trimmed_log_tells_more_but_nothing_wrong() {
    let world = World::with(StoreOptions { changes_kept_max: 8, ..StoreOptions::default() }).await;
    world.fill("INBOX", 4).await;
    world.account.expunge(world.id("INBOX"), Some(set(&[1])), ExpungeOnly::Named).await.unwrap();
    let since = world.account.state().record.modseq;
    world.account.expunge(world.id("INBOX"), Some(set(&[3])), ExpungeOnly::Named).await.unwrap();
    for number in 0..30 {
        let mode = if number % 2 == 0 { FlagMode::Add } else { FlagMode::Remove };
        world.set_flags("INBOX", &[2], mode, &[Flag::Seen]).await;
        let record = world.account.state().record.clone();
        assert!(record.modseq.0 - record.changes_trimmed.0 <= 9, "{record:?}");
        assert!(world.rows(0x30).await <= 9);
    }
    let mailbox = world.mailbox("INBOX").await;
    assert!(world.account.state().record.changes_trimmed > since);
    assert_eq!(world.account.vanished(&mailbox, since, None).await.unwrap(), set(&[1, 3]));
    assert_eq!(world.account.vanished(&mailbox, since, Some(&set(&[2, 3, 4]))).await.unwrap(), set(&[3]));
    let newest = mailbox.record.highest_modseq;
    assert!(world.account.vanished(&mailbox, newest, None).await.unwrap().is_empty());
    world.assert_whole().await;
}

#[tokio::test]
async fn a_group_of_more_changes_than_the_log_keeps_leaves_a_clean_log() {
    let world = World::with(StoreOptions { changes_kept_max: 4, ..StoreOptions::default() }).await;
    let name: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    world.create(&name.join("/")).await;
    assert!(world.rows(0x30).await <= 4);
    world.assert_whole().await;
}

#[tokio::test]
async fn one_session_claims_what_is_recent() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let mailbox = world.mailbox("INBOX").await;
    assert_eq!((mailbox.recent_count(), mailbox.recent_from()), (3, Uid(1)));
    assert_eq!(mailbox.claim_recent(), Uid(1));
    assert_eq!(mailbox.claim_recent(), Uid(4), "the next finds none");
    assert_eq!(world.mailbox("INBOX").await.recent_count(), 0, "whatever version it looks at");
    world.fill("INBOX", 2).await;
    let newer = world.mailbox("INBOX").await;
    assert_eq!(
        (newer.recent_count(), mailbox.claim_recent()),
        (2, Uid(4)),
        "an old version claims no more than it has"
    );
    assert_eq!(newer.claim_recent(), Uid(4));
    assert_eq!(mailbox.claim_recent(), Uid(6), "and cannot claim less");
}

#[tokio::test]
async fn recent_messages_are_counted_before_they_are_loaded_and_remembered_with_the_next_change() {
    let world = World::new().await;
    world.fill("Sent", 3).await;
    world.mailbox("Sent").await.claim_recent();
    world.fill("Sent", 2).await;
    let other =
        postrider_store::Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let account = other.account(crate::fixture::ACCOUNT).await.unwrap();
    let state = account.state();
    let mailbox = state.find("Sent").unwrap();
    assert!(mailbox.messages().is_none());
    assert_eq!((mailbox.recent_count(), mailbox.recent_from()), (2, Uid(4)));
    assert_eq!(account.mailbox(mailbox.id).await.unwrap().recent_count(), 2);
}

#[tokio::test]
async fn every_change_rings_the_bell_after_it_can_be_seen() {
    let world = World::new().await;
    let mut bell = world.account.subscribe_changes();
    assert!(!bell.has_changed().unwrap());
    world.deliver("INBOX", "x", &[]).await;
    assert!(bell.has_changed().unwrap());
    assert_eq!(*bell.borrow_and_update(), world.account.state().record.modseq.0);
    world.account.subscribe("x", true).await.unwrap();
    world.create("y").await;
    assert!(bell.has_changed().unwrap());
    assert_eq!(*bell.borrow_and_update(), world.account.state().record.modseq.0);
}

#[tokio::test]
async fn looking_does_not_ring_the_bell() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    world.set_flags("INBOX", &[1], FlagMode::Add, &[Flag::Seen]).await;
    let store =
        postrider_store::Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let account = store.account(crate::fixture::ACCOUNT).await.unwrap();
    let bell = account.subscribe_changes();
    account.mailbox(world.id("INBOX")).await.unwrap();
    assert!(!bell.has_changed().unwrap(), "messages were read into memory, nothing else");
}
