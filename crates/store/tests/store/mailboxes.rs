//! Mailboxes are made, renamed, removed and subscribed to.

use postrider_store::{MailboxId, SpecialUse, SpecialUses, StoreError, StoreOptions, Transfer, Uid};

use crate::fixture::{NOON, World, refusal, set};

const FIRST: [&str; 6] = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];

#[tokio::test]
async fn an_account_begins_with_its_mailboxes_subscribed_and_their_uses_known() {
    let world = World::new().await;
    assert_eq!(world.names(), FIRST);
    let state = world.account.state();
    assert_eq!(state.subscriptions().collect::<Vec<_>>(), FIRST);
    for (kind, name) in SpecialUse::ALL {
        assert_eq!(state.find_special(kind).unwrap().record.name, name);
    }
    assert!(state.find("INBOX").unwrap().record.special_use.is_empty());
    world.assert_whole().await;
}

#[tokio::test]
async fn superiors_that_are_missing_are_made_too() {
    let world = World::new().await;
    let id = world.create("a/b/c").await;
    world.create("INBOX/work").await;
    let state = world.account.state();
    assert_eq!(state.find("a/b/c").unwrap().id, id);
    assert!(state.has_children("a") && state.has_children("a/b") && !state.has_children("a/b/c"));
    assert!(state.has_children("INBOX") && !state.has_children("Arch"));
    assert!(!state.is_subscribed("a/b/c"), "who creates need not want to see it");
    let uid_validities: std::collections::BTreeSet<_> =
        state.mailboxes().map(|mailbox| mailbox.record.uid_validity).collect();
    assert_eq!(uid_validities.len(), state.mailboxes().count(), "no two are alike");
    world.assert_whole().await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let world = World::new().await;
    let long = "x".repeat(401);
    let deep = vec!["x"; 33].join("/");
    let cases = [
        ("", "empty"),
        ("/", "empty"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("a//b", "empty"),
        ("..", ".."),
        ("a/./b", ".."),
        ("a\0b", "control"),
        ("a\r\nb", "control"),
        ("a\u{7f}", "control"),
        ("a\u{85}", "control"),
        ("a\u{2028}b", "control"),
        ("inbox/a", "capitals"),
        ("Inbox/a/b", "capitals"),
        (long.as_str(), "too long"),
        (deep.as_str(), "too many levels"),
        ("INBOX", "exists already"),
        ("inbox", "exists already"),
        ("Sent", "exists already"),
    ];
    let before = world.account.state().record.clone();
    let sent = world.id("Sent");
    for (name, expected) in cases {
        let answers = [
            refusal(world.account.create_mailbox(name, SpecialUses::NONE).await),
            refusal(world.account.rename_mailbox(sent, name).await),
            refusal(world.account.rename_mailbox(world.id("INBOX"), name).await),
        ];
        assert!(answers.iter().all(|error| error.contains(expected)), "{name:?}: {answers:?}");
    }
    assert_eq!(world.account.state().record, before);
    for name in ["inboxes", "ÄÖÜ/日本", " a ", "...", "a\\b", "*%"] {
        world.create(name).await;
        assert!(world.account.state().find(name).is_some());
    }
    world.create(&"y".repeat(400)).await;
    world.create(&vec!["x"; 32].join("/")).await;
    world.assert_whole().await;
}

#[tokio::test]
async fn there_are_no_more_mailboxes_than_the_bound() {
    let world = World::with(StoreOptions { mailboxes_max: 8, ..StoreOptions::default() }).await;
    world.deliver("INBOX", "x", &[]).await;
    assert!(refusal(world.account.create_mailbox("a/b/c", SpecialUses::NONE).await).contains("too many mailboxes"));
    assert_eq!(world.names(), FIRST, "superiors neither");
    assert!(refusal(world.account.rename_mailbox(world.id("Sent"), "a/b/c/d").await).contains("too many mailboxes"));
    world.create("a/b").await;
    for (mailbox, name) in [("INBOX", "old"), ("INBOX", "a/old"), ("Sent", "new/Sent")] {
        let error = refusal(world.account.rename_mailbox(world.id(mailbox), name).await);
        assert!(error.contains("too many mailboxes"), "{mailbox} to {name}: {error}");
    }
    world.account.rename_mailbox(world.id("Sent"), "a/Sent").await.unwrap();
    world.account.delete_mailbox(world.id("a/b")).await.unwrap();
    world.create("c").await;
    assert_eq!(world.uids("INBOX").await, [1]);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_special_use_belongs_to_one_mailbox() {
    let world = World::new().await;
    let answer = world.account.create_mailbox("Sent too", SpecialUse::Sent.into()).await;
    assert!(matches!(answer, Err(StoreError::SpecialUseTaken)));
    world.account.delete_mailbox(world.id("Sent")).await.unwrap();
    world.account.delete_mailbox(world.id("Junk")).await.unwrap();
    let both = SpecialUses::from(SpecialUse::Sent).with(SpecialUse::Junk);
    let id = world.account.create_mailbox("x/Sent too", both).await.unwrap();
    let state = world.account.state();
    assert_eq!(state.find_special(SpecialUse::Junk).unwrap().id, id);
    assert!(state.find("x").unwrap().record.special_use.is_empty(), "what was made on the way has no use");
    world.account.rename_mailbox(id, "y").await.unwrap();
    assert_eq!(world.account.state().find_special(SpecialUse::Sent).unwrap().record.name, "y");
    world.assert_whole().await;
}

#[tokio::test]
async fn renaming_takes_the_mailboxes_below_along() {
    let world = World::new().await;
    for name in ["a/b/c", "a/bb", "a-b", "ab"] {
        world.create(name).await;
    }
    world.fill("a/b/c", 2).await;
    let (id, before) = (world.id("a/b/c"), world.mailbox("a/b/c").await);
    world.account.rename_mailbox(world.id("a"), "z/y").await.unwrap();
    assert_eq!(world.names()[6..], ["a-b", "ab", "z", "z/y", "z/y/b", "z/y/b/c", "z/y/bb"]);
    let after = world.mailbox("z/y/b/c").await;
    assert_eq!((after.id, after.record.uid_validity), (id, before.record.uid_validity));
    assert_eq!((after.record.uid_next, after.record.counts), (before.record.uid_next, before.record.counts));
    assert_eq!(world.uids("z/y/b/c").await, [1, 2]);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_mailbox_is_not_renamed_onto_or_below_itself_or_over_another() {
    let world = World::new().await;
    world.create("a/b").await;
    world.create("c/b").await;
    let cases =
        [("a", "a", "exists"), ("a", "a/b/c", "below itself"), ("a", "a/x", "below itself"), ("a", "c", "exists")];
    for (from, to, expected) in cases {
        let error = refusal(world.account.rename_mailbox(world.id(from), to).await);
        assert!(error.contains(expected), "{from} to {to}: {error}");
    }
    world.account.delete_mailbox(world.id("c")).await.unwrap();
    let error = refusal(world.account.rename_mailbox(world.id("a"), "c").await);
    assert!(error.contains("exists"), "c/b is there: {error}");
    assert!(matches!(world.account.rename_mailbox(MailboxId(99), "x").await, Err(StoreError::NoMailbox)));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_tree_can_be_renamed_up_into_the_place_above_it() {
    let world = World::new().await;
    for name in ["a/b/b/c", "a/b/c", "a/d"] {
        world.create(name).await;
    }
    world.account.delete_mailbox(world.id("a")).await.unwrap();
    let before = ["a/b", "a/b/b", "a/b/b/c", "a/b/c", "a/d"].map(|name| world.id(name));
    world.account.rename_mailbox(before[0], "a").await.unwrap();
    assert_eq!(["a", "a/b", "a/b/c", "a/c", "a/d"].map(|name| world.id(name)), before);
    assert_eq!(world.names().len(), FIRST.len() + 5);
    world.assert_whole().await;
}

#[tokio::test]
async fn names_that_would_get_too_long_below_stop_the_renaming() {
    let world =
        World::with(StoreOptions { mailbox_name_bytes_max: 20, mailbox_levels_max: 4, ..StoreOptions::default() })
            .await;
    world.create("a/bbbbbbbbbbbbb").await;
    world.create("c/d/e").await;
    for (from, to) in [("a", "aaaaaaaaaa"), ("c", "x/y/z")] {
        assert!(refusal(world.account.rename_mailbox(world.id(from), to).await).starts_with("limit reached"));
    }
    assert!(world.account.state().find("a/bbbbbbbbbbbbb").is_some() && world.account.state().find("x").is_none());
}

#[tokio::test]
async fn renaming_inbox_moves_its_messages_and_leaves_it_empty() {
    let world = World::new().await;
    world.create("INBOX/below").await;
    world.fill("INBOX", 3).await;
    let (inbox, email) = (world.id("INBOX"), world.entry("INBOX", Uid(2)).await.email);
    let since = world.account.state().record.modseq;
    world.account.rename_mailbox(inbox, "old/mail").await.unwrap();
    assert_eq!(world.id("INBOX"), inbox);
    assert!(world.account.state().find("INBOX/below").is_some() && world.account.state().find("old").is_some());
    assert_eq!((world.uids("INBOX").await, world.uids("old/mail").await), (vec![], vec![1, 2, 3]));
    assert_eq!(world.entry("old/mail", Uid(2)).await.email, email);
    assert_eq!(world.account.vanished(&*world.mailbox("INBOX").await, since, None).await.unwrap(), set(&[1, 2, 3]));
    assert_eq!(world.deliver("INBOX", "x", &[]).await, Uid(4));
    world.account.rename_mailbox(inbox, "INBOX/old").await.unwrap();
    assert_eq!(world.uids("INBOX/old").await, [1]);
    world.account.rename_mailbox(inbox, "nothing").await.unwrap();
    assert!(world.uids("nothing").await.is_empty(), "an empty INBOX can be renamed, too");
    world.assert_whole().await;
}

#[tokio::test]
async fn deleting_takes_the_messages_and_leaves_the_mailboxes_below() {
    let world = World::new().await;
    world.create("a/b").await;
    world.fill("a", 3).await;
    world.account.transfer(world.id("a"), set(&[2]), world.id("INBOX"), Transfer::Copy).await.unwrap();
    let id = world.id("a");
    world.account.delete_mailbox(id).await.unwrap();
    let state = world.account.state();
    assert!(
        state.find("a").is_none()
            && state.mailbox(id).is_none()
            && state.find("a/b").is_some()
            && state.has_children("a")
    );
    assert_eq!(world.bodies().await, 1, "the copy's");
    assert!(matches!(world.account.mailbox(id).await, Err(StoreError::NoMailbox)));
    assert!(matches!(world.account.delete_mailbox(id).await, Err(StoreError::NoMailbox)));
    assert!(matches!(world.account.delete_mailbox(world.id("INBOX")).await, Err(StoreError::InboxStays)));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_name_that_comes_back_has_a_larger_uid_validity() {
    let world = World::new().await;
    let mut last = 0;
    // The clock stands still, goes on, goes back, and lies before 1970 and after 2106.
    for now in [NOON, NOON, NOON + 100, NOON - 100, NOON - 100, 0, -1, 1 << 40] {
        world.clock.set(now);
        let id = world.create("again").await;
        let uid_validity = world.mailbox("again").await.record.uid_validity.0;
        assert!(uid_validity > last, "{uid_validity} after {last}, at {now}");
        last = uid_validity;
        world.account.delete_mailbox(id).await.unwrap();
    }
    world.assert_whole().await;
}

#[tokio::test]
async fn a_clock_before_1970_does_not_use_up_the_uid_validities() {
    let world = World::new().await;
    world.clock.set(-1);
    world.create("a").await;
    assert!(world.mailbox("a").await.record.uid_validity.0 < u32::MAX / 2);
}

#[tokio::test]
async fn subscriptions_outlive_mailboxes_and_need_none() {
    let world = World::new().await;
    world.account.subscribe("not/there", true).await.unwrap();
    world.account.subscribe("inbox", false).await.unwrap();
    world.account.delete_mailbox(world.id("Sent")).await.unwrap();
    let state = world.account.state();
    assert!(state.is_subscribed("not/there") && state.is_subscribed("Sent") && !state.is_subscribed("INBOX"));
    world.account.subscribe("iNbOx", true).await.unwrap();
    assert!(world.account.state().is_subscribed("INBOX"));
    let before = world.account.state().record.modseq;
    world.account.subscribe("INBOX", true).await.unwrap();
    world.account.subscribe("never was", false).await.unwrap();
    assert_eq!(world.account.state().record.modseq, before, "nothing changed");
    assert!(refusal(world.account.subscribe("a//b", true).await).contains("empty"));
    world.assert_whole().await;
}

#[tokio::test]
async fn there_are_no_more_subscriptions_than_the_bound() {
    let world = World::with(StoreOptions { mailboxes_max: 6, ..StoreOptions::default() }).await;
    for number in 0..6 {
        world.account.subscribe(&format!("{number}"), true).await.unwrap();
    }
    assert!(refusal(world.account.subscribe("one more", true).await).contains("too many subscriptions"));
    world.account.subscribe("0", true).await.expect("what is subscribed may be so again");
    world.account.subscribe("0", false).await.unwrap();
    world.account.subscribe("one more", true).await.unwrap();
}
