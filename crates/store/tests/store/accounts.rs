//! Accounts come and go; each has one writer.

use std::sync::Arc;

use postrider_engine::{Batch, Engine, memory::MemoryEngine};
use postrider_store::{Account, AccountId, ExpungeOnly, Store, StoreError, StoreOptions};

use crate::{
    fixture::{ACCOUNT, Clock, World, settle},
    gate::Gate,
};

async fn open(engine: Arc<dyn Engine>, residents: usize) -> Arc<Store> {
    let options = StoreOptions { accounts_resident_max: residents, ..StoreOptions::default() };
    Store::open(engine, options, Clock::new().now()).await.unwrap()
}

async fn append(account: &Account, raw: &'static str) -> Result<u32, StoreError> {
    let inbox = account.state().find("INBOX").unwrap().id;
    let message = account.prepare(raw.into(), Vec::new(), 0).await;
    Ok(account.append(inbox, vec![message]).await?.uids.iter().next().unwrap().0)
}

#[tokio::test]
async fn an_account_is_made_once() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    assert!(matches!(world.store.create_account(ACCOUNT).await, Err(StoreError::AccountExists(ACCOUNT))));
    assert_eq!(world.uids("INBOX").await, [1]);
    assert!(matches!(world.store.account(AccountId(8)).await, Err(StoreError::NoAccount(AccountId(8)))));
    world.assert_whole().await;
}

#[tokio::test]
async fn the_key_range_of_the_system_is_nobodys_account() {
    let world = World::new().await;
    let system = AccountId(0);
    assert!(world.store.create_account(system).await.is_err());
    assert!(world.store.delete_account(system).await.is_err());
    assert!(world.store.account(system).await.is_err());
    assert_eq!(world.store.accounts().await.unwrap(), [ACCOUNT]);
    open(world.memory.clone(), 1).await;
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_and_its_sessions_find_it_closed() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    let neighbours = [AccountId(6), AccountId(8)];
    for id in neighbours {
        world.store.create_account(id).await.unwrap();
        append(&world.store.account(id).await.unwrap(), "x").await.unwrap();
    }
    let bell = world.account.subscribe_changes();
    world.store.delete_account(ACCOUNT).await.unwrap();
    assert!(matches!(append(&world.account, "y").await, Err(StoreError::Closed)));
    let inbox = world.id("INBOX");
    assert!(matches!(world.account.expunge(inbox, None, ExpungeOnly::Named).await, Err(StoreError::Closed)));
    assert!(!bell.has_changed().unwrap());
    assert!(matches!(world.store.account(ACCOUNT).await, Err(StoreError::NoAccount(ACCOUNT))));
    assert_eq!((world.bodies().await, world.store.accounts().await.unwrap()), (0, neighbours.to_vec()));
    for table in 0..=u8::MAX {
        assert_eq!(world.rows(table).await, 0, "table {table:#x}");
    }
    let verification = world.store.verify(|_| ()).await.unwrap();
    assert_eq!((verification.findings, verification.messages), (vec![], 2));
    world.store.delete_account(ACCOUNT).await.expect("what is gone may be deleted again");
}

#[tokio::test]
async fn an_account_made_again_is_open_to_new_sessions_and_closed_to_old_ones() {
    let world = World::new().await;
    world.fill("INBOX", 3).await;
    world.store.delete_account(ACCOUNT).await.unwrap();
    world.store.create_account(ACCOUNT).await.unwrap();
    let account = world.store.account(ACCOUNT).await.unwrap();
    assert_eq!(append(&account, "x").await.unwrap(), 1);
    assert!(matches!(append(&world.account, "y").await, Err(StoreError::Closed)));
    assert_eq!(world.store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_store_opened_again_has_everything() {
    let world = World::new().await;
    world.fill("INBOX", 300).await;
    world.account.subscribe("gone", true).await.unwrap();
    world.create("a/b").await;
    let store = open(world.memory.clone(), 10).await;
    let account = store.account(ACCOUNT).await.unwrap();
    let (before, after) = (world.account.state(), account.state());
    assert_eq!(after.record, before.record);
    assert!(after.subscriptions().eq(before.subscriptions()));
    assert!(
        after
            .mailboxes()
            .map(|mailbox| (mailbox.id, &mailbox.record))
            .eq(before.mailboxes().map(|mailbox| (mailbox.id, &mailbox.record)))
    );
    let mailbox = account.mailbox(world.id("INBOX")).await.unwrap();
    assert!(mailbox.messages().unwrap().iter().eq(world.mailbox("INBOX").await.messages().unwrap().iter()));
}

#[tokio::test]
async fn a_store_of_another_format_is_refused_and_not_touched() {
    let engine = Arc::new(MemoryEngine::new());
    open(engine.clone(), 1).await;
    let mut batch = Batch::new();
    batch.put([0, 0, 0, 0, 0xf0], [9]);
    engine.commit(batch).await.unwrap();
    let batches = engine.statistics().await.unwrap().batches;
    let answer = Store::open(engine.clone(), StoreOptions::default(), Clock::new().now()).await;
    assert!(matches!(answer, Err(StoreError::Format { found: 9, known: 4 })));
    assert_eq!(engine.statistics().await.unwrap().batches, batches);
}

#[tokio::test]
async fn callers_at_the_same_time_get_the_same_account() {
    let world = World::new().await;
    let store = open(world.memory.clone(), 10).await;
    let callers: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.account(ACCOUNT).await.unwrap() }
            })
        })
        .collect();
    let mut accounts = Vec::new();
    for caller in callers {
        accounts.push(caller.await.unwrap());
    }
    assert!(accounts.iter().all(|account| Arc::ptr_eq(account, &accounts[0])));
}

/// An account whose last session left while a change waits before the gate; nobody keeps the account in memory.
async fn abandoned() -> (Arc<Gate>, Arc<Store>) {
    let gate = Gate::new();
    let store = open(gate.clone(), 0).await;
    store.create_account(ACCOUNT).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    gate.close();
    let session = tokio::spawn(async move { append(&account, "left behind").await });
    settle().await;
    assert_eq!(gate.waiting(), 1);
    session.abort();
    assert!(session.await.unwrap_err().is_cancelled());
    (gate, store)
}

#[tokio::test]
async fn a_writer_without_sessions_finishes_before_another_begins() {
    let (gate, store) = abandoned().await;
    let callers: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.account(ACCOUNT).await.unwrap() }
            })
        })
        .collect();
    settle().await;
    assert!(callers.iter().all(|caller| !caller.is_finished()), "the first writer is still at work");
    gate.admit(100);
    let mut accounts = Vec::new();
    for caller in callers {
        accounts.push(caller.await.unwrap());
    }
    assert!(accounts.iter().all(|account| Arc::ptr_eq(account, &accounts[0])));
    assert_eq!(append(&accounts[0], "next").await.unwrap(), 2, "what was handed in took effect");
}

#[tokio::test]
async fn a_caller_that_gives_up_waiting_does_not_let_a_second_writer_in() {
    let (gate, store) = abandoned().await;
    for _ in 0..2 {
        let impatient = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.account(ACCOUNT).await.map(drop) }
        });
        settle().await;
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled(), "it waited for the first writer");
    }
    gate.admit(100);
    let account = store.account(ACCOUNT).await.unwrap();
    assert_eq!(append(&account, "next").await.unwrap(), 2);
}

#[tokio::test]
async fn a_change_whose_caller_left_takes_effect() {
    let gate = Gate::new();
    let store = open(gate.clone(), 10).await;
    store.create_account(ACCOUNT).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    gate.close();
    let session = tokio::spawn({
        let account = Arc::clone(&account);
        async move { append(&account, "left behind").await }
    });
    settle().await;
    session.abort();
    gate.admit(100);
    assert_eq!(append(&account, "next").await.unwrap(), 2);
    assert_eq!(store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn deleting_an_account_does_not_let_a_waiting_change_back_in() {
    let (gate, store) = abandoned().await;
    let deletion = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.delete_account(ACCOUNT).await }
    });
    settle().await;
    gate.admit(100);
    deletion.await.unwrap().unwrap();
    settle().await;
    assert!(store.accounts().await.unwrap().is_empty());
    assert!(matches!(store.account(ACCOUNT).await, Err(StoreError::NoAccount(_))));
}

#[tokio::test]
async fn every_account_is_listed_once_whatever_its_number() {
    let engine = Arc::new(MemoryEngine::new());
    let store = open(engine, 2).await;
    let mut ids: Vec<u32> = (1..200).collect();
    ids.extend([255, 256, 65_535, 65_536, 0x00ff_ffff, 0x0100_0000, 0x7fff_ffff, 0xffff_fffe, u32::MAX]);
    for id in ids.iter().rev() {
        store.create_account(AccountId(*id)).await.unwrap();
    }
    let expected: Vec<AccountId> = ids.iter().copied().map(AccountId).collect();
    assert_eq!(store.accounts().await.unwrap(), expected);
    for id in &expected {
        assert_eq!(append(&store.account(*id).await.unwrap(), "x").await.unwrap(), 1);
    }
    let verification = store.verify(|_| ()).await.unwrap();
    assert_eq!((verification.findings, verification.accounts), (vec![], ids.len() as u64));
    store.delete_account(AccountId(u32::MAX)).await.unwrap();
    store.delete_account(AccountId(100)).await.unwrap();
    assert_eq!(store.accounts().await.unwrap().len(), ids.len() - 2);
}

#[tokio::test]
async fn an_account_that_left_memory_while_in_use_stays_one() {
    let engine = Arc::new(MemoryEngine::new());
    let store = open(engine, 2).await;
    for id in 1..=400 {
        store.create_account(AccountId(id)).await.unwrap();
    }
    let first = store.account(AccountId(1)).await.unwrap();
    for id in 2..=400 {
        append(&store.account(AccountId(id)).await.unwrap(), "x").await.unwrap();
    }
    assert!(Arc::ptr_eq(&first, &store.account(AccountId(1)).await.unwrap()));
    assert_eq!(append(&first, "x").await.unwrap(), 1);
}
