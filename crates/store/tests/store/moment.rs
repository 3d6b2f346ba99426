//! A moment stays as it was, whatever happens to the store.

use postrider_engine::Engine;
use postrider_engine_lmdb::{LmdbEngine, LmdbOptions};
use postrider_store::{AccountId, ExpungeOnly, INBOX, Moment, Note, SpecialUses, Store, StoreError, StoreOptions};

use crate::fixture::{ACCOUNT, Clock, NOON, World, letter};

/// All that a backup reads of an account, as text.
async fn describe(moment: &Moment, id: AccountId) -> String {
    use std::fmt::Write;
    let state = moment.account(id).await.unwrap();
    let mut text = format!("{:?} {:?}\n", state.record, state.subscriptions().collect::<Vec<_>>());
    for mailbox in state.mailboxes() {
        writeln!(text, "{:?}", mailbox.record).unwrap();
        for entry in moment.messages(id, mailbox.id).await.unwrap().iter() {
            let email = moment.emails(id, &[entry.email]).await.unwrap();
            let hash = moment.hashes(id, &[entry.blob]).await.unwrap();
            let body = moment.body(id, entry.blob).await.unwrap();
            writeln!(text, "  {entry:?} {email:?} {hash:?} {body:?}").unwrap();
        }
    }
    let visit = |key: &[u8], value: &[u8]| writeln!(text, "{key:?} {value:?}").unwrap();
    moment.notes(id, visit).await.unwrap();
    text
}

#[tokio::test]
async fn a_moment_does_not_change_while_the_store_does() {
    let folder = tempfile::tempdir().unwrap();
    let options = LmdbOptions { map_bytes_max: 1 << 28, inline_body_bytes_max: 100, ..LmdbOptions::default() };
    let engine = LmdbEngine::open(folder.path(), options).unwrap();
    let options = StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() };
    let store = Store::open(engine.clone(), options, Clock::new().now()).await.unwrap();
    store.create_account(ACCOUNT).await.unwrap();
    store.create_account(AccountId(8)).await.unwrap();
    let account = store.account(ACCOUNT).await.unwrap();
    let inbox = account.state().find(INBOX).unwrap().id;
    for number in 0..300 {
        let raw = letter(&number.to_string(), &"text ".repeat(number));
        let message = account.prepare(raw.into(), Vec::new(), NOON).await;
        account.append(inbox, vec![message]).await.unwrap();
    }
    account.write_notes(vec![Note { key: b"a".to_vec(), value: Some(b"1".to_vec()) }]).await.unwrap();

    let moment = store.moment().await.unwrap();
    let before = describe(&moment, ACCOUNT).await;
    account.expunge(inbox, None, ExpungeOnly::Named).await.unwrap();
    account.create_mailbox("later", SpecialUses::NONE).await.unwrap();
    account.write_notes(vec![Note { key: b"a".to_vec(), value: None }]).await.unwrap();
    store.delete_account(AccountId(8)).await.unwrap();
    store.create_account(AccountId(9)).await.unwrap();
    engine.compact().await.unwrap();
    let message = account.prepare(letter("x", "later").into(), Vec::new(), NOON).await;
    account.append(inbox, vec![message]).await.unwrap();
    engine.compact().await.unwrap();

    assert_eq!(describe(&moment, ACCOUNT).await, before, "bodies are there too, though nothing names them any more");
    assert_eq!(moment.accounts().await.unwrap(), [ACCOUNT, AccountId(8)]);
    assert!(matches!(moment.account(AccountId(9)).await, Err(StoreError::NoAccount(_))));
    let newest = store.moment().await.unwrap();
    assert_eq!(newest.accounts().await.unwrap(), [ACCOUNT, AccountId(9)]);
    assert_eq!(newest.account(ACCOUNT).await.unwrap().find(INBOX).unwrap().record.counts.messages, 1);
}

#[tokio::test]
async fn a_moment_says_nothing_of_what_is_not_there() {
    let world = World::new().await;
    let moment = world.store.moment().await.unwrap();
    assert_eq!(moment.taken(), NOON);
    assert!(moment.messages(ACCOUNT, postrider_store::MailboxId(99)).await.unwrap().is_empty());
    assert_eq!(moment.body(ACCOUNT, postrider_store::BlobId(99)).await.unwrap(), None);
    assert_eq!(moment.hashes(ACCOUNT, &[postrider_store::BlobId(99)]).await.unwrap(), [None]);
    assert_eq!(moment.emails(ACCOUNT, &[postrider_store::EmailId(99)]).await.unwrap(), [None]);
}
