//! Changes become durable in groups, and are shown only then.

use std::sync::Arc;

use postrider_store::{
    EngineError, ExpungeOnly, Flag, FlagMode, SpecialUses, Store, StoreError, StoreOptions, Transfer, Uid,
};

use crate::{
    fixture::{ACCOUNT, BLOB, Clock, World, assert_counted, letter, set, settle},
    gate::Gate,
};

#[tokio::test]
async fn nothing_is_shown_before_it_is_durable() {
    let gate = Gate::new();
    let store = Store::open(gate.clone(), StoreOptions::default(), Clock::new().now()).await.unwrap();
    store.create_account(ACCOUNT).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    let inbox = account.state().find("INBOX").unwrap().id;
    let (before, bell) = (account.state().record.clone(), account.subscribe_changes());
    gate.close();
    let session = tokio::spawn({
        let account = Arc::clone(&account);
        async move {
            let message = account.prepare("x".into(), Vec::new(), 0).await;
            account.append(inbox, vec![message]).await
        }
    });
    settle().await;
    assert_eq!(gate.waiting(), 1);
    assert!(!session.is_finished() && !bell.has_changed().unwrap());
    assert_eq!(account.state().record, before);
    assert_eq!(account.state().find("INBOX").unwrap().record.counts.messages, 0);
    gate.admit(1);
    session.await.unwrap().unwrap();
    assert!(bell.has_changed().unwrap());
    assert_eq!(account.state().find("INBOX").unwrap().record.counts.messages, 1);
}

#[tokio::test]
async fn changes_that_come_during_a_commit_are_the_next_group() {
    let gate = Gate::new();
    let store = Store::open(gate.clone(), StoreOptions::default(), Clock::new().now()).await.unwrap();
    store.create_account(ACCOUNT).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    gate.close();
    let batches = postrider_engine::Engine::statistics(&*gate.memory).await.unwrap().batches;
    let mut sessions = Vec::new();
    for number in 0..100 {
        let account = Arc::clone(&account);
        sessions
            .push(tokio::spawn(async move { account.create_mailbox(&format!("m{number}"), SpecialUses::NONE).await }));
        if number == 0 {
            settle().await;
        }
    }
    settle().await;
    assert_eq!(gate.waiting(), 1);
    gate.admit(2);
    for session in sessions {
        session.await.unwrap().unwrap();
    }
    assert_eq!(postrider_engine::Engine::statistics(&*gate.memory).await.unwrap().batches, batches + 2);
    assert_eq!(account.state().mailboxes().count(), 106);
}

#[tokio::test]
async fn many_appends_at_once_take_few_commits_and_lose_nothing() {
    let world = World::new().await;
    let inbox = world.id("INBOX");
    let batches = world.batches().await;
    let sessions: Vec<_> = (0..1_000)
        .map(|number| {
            let account = Arc::clone(&world.account);
            tokio::spawn(async move {
                let message = account.prepare(letter(&format!("{}", number % 100), "").into(), Vec::new(), 0).await;
                account.append(inbox, vec![message]).await.unwrap().uids.iter().next().unwrap()
            })
        })
        .collect();
    let mut uids = std::collections::BTreeSet::new();
    for session in sessions {
        uids.insert(session.await.unwrap().0);
    }
    assert_eq!(uids, (1..=1_000).collect());
    let commits = world.batches().await - batches;
    assert!(commits <= 20, "{commits} commits");
    assert_eq!(world.rows(BLOB).await, 100);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_refused_change_does_not_spoil_the_group_it_is_in() {
    let world = World::new().await;
    let batches = world.batches().await;
    let (first, refused, second) = tokio::join!(
        world.account.create_mailbox("a", SpecialUses::NONE),
        world.account.create_mailbox("a", SpecialUses::NONE),
        world.account.create_mailbox("b", SpecialUses::NONE),
    );
    assert!(matches!(refused, Err(StoreError::MailboxExists)));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.batches().await, batches + 1);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_failed_commit_leaves_everything_as_it_was_and_the_next_works() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let (inbox, archive) = (world.id("INBOX"), world.id("Archive"));
    let before = world.mailbox("INBOX").await;
    let state = world.account.state();
    let bell = world.account.subscribe_changes();
    let message = world.account.prepare("new".into(), vec![Flag::Seen], 0).await;
    let failed =
        |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Engine(EngineError::Io(_)))), "{error:?}");

    world.memory.fail_commits(7);
    failed(world.account.append(inbox, vec![message.clone()]).await.err());
    failed(world.account.store_flags(world.wish("INBOX", &[1], FlagMode::Add, &[Flag::Seen])).await.err());
    failed(world.account.transfer(inbox, set(&[1, 2]), archive, Transfer::Move).await.err());
    failed(world.account.expunge(inbox, None, ExpungeOnly::Named).await.err());
    failed(world.account.delete_mailbox(archive).await.err());
    failed(world.account.rename_mailbox(inbox, "x").await.err());
    failed(world.account.subscribe("x", true).await.err());

    let now = world.mailbox("INBOX").await;
    assert_eq!(world.account.state().record, state.record);
    assert_eq!(now.record, before.record);
    assert!(now.messages().unwrap().iter().eq(before.messages().unwrap().iter()));
    assert!(!bell.has_changed().unwrap() && !world.account.state().is_subscribed("x"));
    world.assert_whole().await;

    let appended = world.account.append(inbox, vec![message]).await.unwrap();
    assert_eq!(appended.uids, set(&[4]));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_refused_change_in_a_failed_group_keeps_its_own_reason() {
    let world = World::new().await;
    world.memory.fail_commits(1);
    let (fails, refused) = tokio::join!(
        world.account.create_mailbox("a", SpecialUses::NONE),
        world.account.create_mailbox("Sent", SpecialUses::NONE),
    );
    assert!(matches!(fails, Err(StoreError::Engine(EngineError::Io(_)))));
    assert!(matches!(refused, Err(StoreError::MailboxExists)));
}

#[tokio::test]
async fn two_stores_over_one_engine_lose_no_change() {
    let world = World::new().await;
    let other = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let theirs = other.account(ACCOUNT).await.unwrap();
    let inbox = world.id("INBOX");
    theirs.mailbox(inbox).await.unwrap();
    for number in 0..20 {
        let account = if number % 3 == 0 { &theirs } else { &world.account };
        let message = account.prepare(letter(&number.to_string(), "").into(), Vec::new(), 0).await;
        let appended = account.append(inbox, vec![message]).await.unwrap();
        assert_eq!(appended.uids, set(&[number + 1]));
    }
    world.account.expunge(inbox, Some(set(&[4])), ExpungeOnly::Named).await.unwrap();
    let wish = world.wish("INBOX", &[4, 5], FlagMode::Add, &[Flag::Seen]);
    assert_eq!(
        theirs.store_flags(wish).await.unwrap().changed,
        set(&[5]),
        "4 is gone, which the other learns by the conflict"
    );
    assert!(matches!(theirs.create_mailbox("Sent", SpecialUses::NONE).await, Err(StoreError::MailboxExists)));
    world.create("new").await;
    let uids: Vec<u32> = (1..=20).filter(|uid| *uid != 4).collect();
    assert_eq!(world.uids("INBOX").await, uids);
    assert_eq!(world.flags("INBOX").await[3], [Flag::Seen]);
    assert!(world.account.state().find("new").is_some());
    world.assert_whole().await;
    theirs.subscribe("x", true).await.unwrap();
    assert!(theirs.state().find("new").is_some());
    assert_counted(&theirs).await;
}

#[tokio::test]
async fn groups_of_two_stores_at_once_all_take_effect() {
    let world = World::new().await;
    let other = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let theirs = other.account(ACCOUNT).await.unwrap();
    let inbox = world.id("INBOX");
    let sessions: Vec<_> = (0..200)
        .map(|number| {
            let account = Arc::clone(if number % 2 == 0 { &theirs } else { &world.account });
            tokio::spawn(async move {
                let message = account.prepare(format!("{number}").into(), Vec::new(), 0).await;
                account.append(inbox, vec![message]).await.unwrap().uids.iter().next().unwrap().0
            })
        })
        .collect();
    let mut uids = std::collections::BTreeSet::new();
    for session in sessions {
        uids.insert(session.await.unwrap());
    }
    assert_eq!(uids, (1..=200).collect());
    assert_eq!(other.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn claims_of_recent_messages_outlive_a_conflict() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let other = Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let theirs = other.account(ACCOUNT).await.unwrap();
    let held = world.mailbox("INBOX").await;
    assert_eq!(held.claim_recent(), Uid(1));
    theirs.subscribe("x", true).await.unwrap();
    world.account.subscribe("y", true).await.unwrap();
    let reloaded = world.mailbox("INBOX").await;
    assert!(world.account.state().is_subscribed("x"), "there was a conflict");
    assert_eq!(reloaded.recent_count(), 0);
    world.fill("INBOX", 1).await;
    assert_eq!(world.mailbox("INBOX").await.claim_recent(), Uid(4));
    assert_eq!(held.recent_from(), Uid(5), "versions from before the conflict share the claim");
}
