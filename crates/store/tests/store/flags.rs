//! Flags change.

use postrider_store::{Flag, FlagMode, KEYWORDS_MAX, StoreError, StoreFlags};

use crate::fixture::{World, keyword, refusal, set};

#[tokio::test]
async fn flags_are_replaced_added_and_removed() {
    let world = World::new().await;
    world.deliver("INBOX", "x", &[Flag::Answered, keyword("a")]).await;
    let cases: [(FlagMode, &[Flag], &[Flag]); 6] = [
        (FlagMode::Add, &[Flag::Seen, keyword("b")], &[Flag::Answered, Flag::Seen, keyword("a"), keyword("b")]),
        (FlagMode::Remove, &[Flag::Answered, keyword("A"), keyword("never")], &[Flag::Seen, keyword("b")]),
        (FlagMode::Replace, &[Flag::Draft, keyword("c")], &[Flag::Draft, keyword("c")]),
        (FlagMode::Replace, &[Flag::Deleted], &[Flag::Deleted]),
        (FlagMode::Add, &[keyword("B")], &[Flag::Deleted, keyword("b")]),
        (FlagMode::Replace, &[], &[]),
    ];
    for (mode, flags, expected) in cases {
        let before = world.account.state().record.modseq;
        let stored = world.set_flags("INBOX", &[1], mode, flags).await;
        assert_eq!((stored.changed, stored.conflicting), (set(&[1]), set(&[])));
        assert_eq!(world.flags("INBOX").await, [expected], "{mode:?} {flags:?}");
        let mailbox = world.mailbox("INBOX").await;
        assert_eq!(mailbox.messages().unwrap().get(1).unwrap().modseq.0, before.0 + 1);
        assert_eq!(mailbox.record.highest_modseq.0, before.0 + 1);
        world.assert_whole().await;
    }
    assert_eq!(world.mailbox("INBOX").await.record.keywords.names(), ["a", "b", "c"], "“never” was not added");
}

#[tokio::test]
async fn flags_that_are_as_wished_are_no_change() {
    let world = World::new().await;
    world.deliver("INBOX", "x", &[Flag::Seen]).await;
    world.deliver("INBOX", "y", &[]).await;
    let before = world.account.state().record.modseq;
    let cases: [(&[u32], FlagMode, &[Flag]); 5] = [
        (&[1], FlagMode::Add, &[Flag::Seen]),
        (&[1], FlagMode::Replace, &[Flag::Seen]),
        (&[2], FlagMode::Remove, &[Flag::Seen]),
        (&[77], FlagMode::Add, &[Flag::Deleted, keyword("new")]),
        (&[], FlagMode::Add, &[Flag::Deleted]),
    ];
    for (uids, mode, flags) in cases {
        assert!(world.set_flags("INBOX", uids, mode, flags).await.changed.is_empty());
    }
    assert_eq!(world.account.state().record.modseq, before);
    let stored = world.set_flags("INBOX", &[1, 2], FlagMode::Add, &[Flag::Seen]).await;
    assert_eq!(stored.changed, set(&[2]), "the first had it");
    world.assert_whole().await;
}

#[tokio::test]
async fn messages_that_changed_after_unchanged_since_are_left_alone_and_told() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let known = world.mailbox("INBOX").await.record.highest_modseq;
    world.set_flags("INBOX", &[2], FlagMode::Add, &[Flag::Flagged]).await;
    let wish =
        StoreFlags { unchanged_since: Some(known), ..world.wish("INBOX", &[1, 2, 3, 9], FlagMode::Add, &[Flag::Seen]) };
    let stored = world.account.store_flags(wish.clone()).await.unwrap();
    assert_eq!((stored.changed, stored.conflicting), (set(&[1, 3]), set(&[2])));
    let stored = world.account.store_flags(wish).await.unwrap();
    assert_eq!((stored.changed, stored.conflicting), (set(&[]), set(&[1, 2, 3])), "by now all have changed");
    world.assert_whole().await;
}

#[tokio::test]
async fn the_second_of_two_conditional_changes_in_one_group_conflicts() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    let known = world.mailbox("INBOX").await.record.highest_modseq;
    let wish =
        |flag| StoreFlags { unchanged_since: Some(known), ..world.wish("INBOX", &[1], FlagMode::Replace, &[flag]) };
    let batches = world.batches().await;
    let (first, second) =
        tokio::join!(world.account.store_flags(wish(Flag::Seen)), world.account.store_flags(wish(Flag::Draft)));
    assert_eq!(first.unwrap().changed, set(&[1]));
    assert_eq!(second.unwrap().conflicting, set(&[1]));
    assert_eq!(world.batches().await, batches + 1);
    assert_eq!(world.flags("INBOX").await, [[Flag::Seen]]);
}

#[tokio::test]
async fn keywords_beyond_the_bound_are_refused_and_nothing_changes() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    let all: Vec<Flag> = (0..KEYWORDS_MAX).map(|number| keyword(&format!("k{number}"))).collect();
    world.set_flags("INBOX", &[1], FlagMode::Replace, &all).await;
    let before = world.account.state().record.modseq;
    for flags in [vec![keyword("one.more")], vec![Flag::Seen, keyword(&"k".repeat(256))]] {
        let error = refusal(world.account.store_flags(world.wish("INBOX", &[1], FlagMode::Add, &flags)).await);
        assert!(error.starts_with("limit reached"), "{error}");
    }
    assert_eq!(world.account.state().record.modseq, before);
    assert_eq!(world.flags("INBOX").await, [all]);
    world.assert_whole().await;
}

#[tokio::test]
async fn flags_of_a_mailbox_that_is_not_there_are_refused() {
    let world = World::new().await;
    let wish = StoreFlags {
        mailbox: postrider_store::MailboxId(99),
        ..world.wish("INBOX", &[1], FlagMode::Add, &[Flag::Seen])
    };
    assert!(matches!(world.account.store_flags(wish).await, Err(StoreError::NoMailbox)));
}
