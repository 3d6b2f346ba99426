//! Restores into a store that is in use.

use std::collections::BTreeSet;

use postrider_store::{BlobHash, StoreFlags, UidSet};

use super::*;
use crate::{
    AccountRestore, MailboxIds, NoteTranslation, RestoreOptions, RestorePlace, RestoreReport, RestoreSelection,
    SnapshotId, Work,
};

fn all_of(into: u32) -> AccountRestore {
    AccountRestore {
        address: ALICE.to_owned(),
        into: AccountId(into),
        selection: RestoreSelection::Account,
        place: RestorePlace::Same,
    }
}

async fn restore(world: &World, snapshot: &SnapshotId, wish: AccountRestore) -> RestoreReport {
    let options = RestoreOptions::default();
    let store = Arc::clone(&world.store);
    let report = world.repository.restore(snapshot, vec![wish], store, options, silent()).await.unwrap();
    assert_eq!(report.problems, []);
    report
}

async fn contents(account: &Arc<Account>, name: &str) -> Vec<(Uid, BlobHash)> {
    let mailbox = account.mailbox(id_of(account, name)).await.unwrap();
    let entries: Vec<_> = mailbox.messages().unwrap().iter().copied().collect();
    let hashes = account.hashes(&entries.iter().map(|entry| entry.blob).collect::<Vec<_>>()).await.unwrap();
    entries.iter().zip(hashes).map(|(entry, hash)| (entry.uid, hash.unwrap())).collect()
}

#[tokio::test]
async fn a_restore_of_what_is_there_changes_nothing() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let report = restore(&world, &snapshot, all_of(7)).await;
    assert_eq!((report.messages, report.messages_there, report.mailboxes_made), (0, 160, 0));
}

#[tokio::test]
async fn a_mailbox_that_is_gone_comes_back_with_its_uids_and_new_mail_gets_later_ones() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let alice = world.alice().await;
    let before = contents(&alice, "Lists").await;
    let validity = alice.state().find("Lists").unwrap().record.uid_validity;
    alice.delete_mailbox(id_of(&alice, "Lists")).await.unwrap();
    let selection = RestoreSelection::Mailboxes(vec![String::from("Lists")]);
    let report = restore(&world, &snapshot, AccountRestore { selection, ..all_of(7) }).await;
    assert_eq!((report.messages, report.uids_kept, report.uid_validities_kept), (150, 150, 1));
    assert_eq!(contents(&alice, "Lists").await, before);
    assert_eq!(alice.state().find("Lists").unwrap().record.uid_validity, validity);
    let ids = alice.unique_ids(&alice.mailbox(id_of(&alice, "Lists")).await.unwrap()).await.unwrap();
    assert_eq!(ids.get(&Uid(61)).map(String::as_str), Some("from-elsewhere"));
    let uid = append(&alice, id_of(&alice, "Lists"), b"new", &[], 1).await;
    assert!(uid.0 >= 2982 + 10_000, "{uid}");
}

#[tokio::test]
async fn an_account_that_is_lost_comes_back_under_another_number_and_is_not_fetched_again() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let modseq = world.alice().await.state().record.modseq;
    world.store.delete_account(AccountId(7)).await.unwrap();
    world.tick(100_000);
    world.store.create_account(AccountId(12)).await.unwrap();
    let report = restore(&world, &snapshot, all_of(12)).await;
    assert_eq!((report.messages, report.uids_kept, report.notes), (160, 160, 2));
    let alice = world.store.account(AccountId(12)).await.unwrap();
    assert!(alice.state().record.modseq.0 > modseq.0 + 900_000);
    assert_eq!(alice.state().find_special(SpecialUse::Trash).unwrap().record.name, "Papierkorb");
    assert!(alice.state().find("Trash").is_none(), "the fresh account's folder made way");
    assert!(alice.state().is_subscribed("Gone/mailbox"));
    let inbox = alice.mailbox(id_of(&alice, "INBOX")).await.unwrap();
    let ids = alice.unique_ids(&inbox).await.unwrap();
    let own = format!("7.{}.1", inbox.record.uid_validity);
    assert_eq!(ids.get(&Uid(1)), Some(&own), "POP3 programs know the messages by the old account's number");
    let again = restore(&world, &snapshot, all_of(12)).await;
    assert_eq!((again.messages, again.messages_there, again.notes), (0, 160, 0));
}

#[tokio::test]
async fn expunged_messages_come_back_with_new_uids_once() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let alice = world.alice().await;
    let inbox = id_of(&alice, "INBOX");
    // One of two equal mails goes, and the other stays.
    let gone: UidSet = [Uid(1), Uid(3)].into_iter().collect();
    alice.expunge(inbox, Some(gone), ExpungeOnly::Named).await.unwrap();
    let report = restore(&world, &snapshot, all_of(7)).await;
    assert_eq!((report.messages, report.messages_there), (2, 158));
    let now = contents(&alice, "INBOX").await;
    let uids: Vec<u32> = now.iter().map(|(uid, _)| uid.0).collect();
    assert_eq!(uids, [4, 5, 6, 7, 8]);
    assert_eq!((now[3].1, now[4].1), (BlobHash::of(&mail("first", "hello")), BlobHash::of(&mail("copy", "same"))));
    assert_eq!(restore(&world, &snapshot, all_of(7)).await.messages, 0);
}

#[tokio::test]
async fn single_messages_can_be_laid_into_a_folder_or_another_account() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let uids: UidSet = [Uid(4), Uid(5)].into_iter().collect();
    let selection = RestoreSelection::Messages { mailbox: String::from("INBOX"), uids };
    let below = RestorePlace::Below(String::from("Restored"));
    let wish = AccountRestore { selection: selection.clone(), place: below, ..all_of(7) };
    assert_eq!(restore(&world, &snapshot, wish.clone()).await.messages, 2);
    assert_eq!(restore(&world, &snapshot, wish).await.messages, 0);
    let alice = world.alice().await;
    let laid = contents(&alice, "Restored/INBOX").await;
    assert_eq!(
        laid.iter().map(|(_, hash)| *hash).collect::<Vec<_>>(),
        [BlobHash::of(&mail("copy", "same")), BlobHash::of(b"")]
    );
    let wish = AccountRestore { selection, place: RestorePlace::OtherAccount, ..all_of(9) };
    assert_eq!(restore(&world, &snapshot, wish).await.messages, 2);
    let bob = world.store.account(AccountId(9)).await.unwrap();
    assert_eq!(contents(&bob, "INBOX").await.len(), 2);
}

#[tokio::test]
async fn what_would_be_done_is_told_and_not_done() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let alice = world.alice().await;
    alice.delete_mailbox(id_of(&alice, "Lists")).await.unwrap();
    let modseq = alice.state().record.modseq;
    let options = RestoreOptions { work: Work::Tell, ..RestoreOptions::default() };
    let store = Arc::clone(&world.store);
    let told = world.repository.restore(&snapshot, vec![all_of(7)], store, options, silent()).await.unwrap();
    assert_eq!((told.messages, told.uids_kept, told.mailboxes_made), (150, 150, 1));
    assert_eq!(alice.state().record.modseq, modseq);
    assert!(alice.state().find("Lists").is_none());
}

#[tokio::test]
async fn a_restore_that_was_broken_off_goes_on_with_the_same_uids() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let alice = world.alice().await;
    let before = contents(&alice, "Lists").await;
    alice.delete_mailbox(id_of(&alice, "Lists")).await.unwrap();
    for commits in [3, 5, 8] {
        let options = RestoreOptions { batch_messages_max: 30, ..RestoreOptions::default() };
        let stopper = Arc::new(Stopping { cancel: options.cancel.clone(), left: AtomicI64::new(commits - 2) });
        let wish = vec![all_of(7)];
        let _ = world.repository.restore(&snapshot, wish, Arc::clone(&world.store), options, stopper).await;
    }
    restore(&world, &snapshot, all_of(7)).await;
    assert_eq!(contents(&alice, "Lists").await, before);
}

/// Stops the work after some reports.
struct Stopping {
    cancel: crate::Cancel,
    left: AtomicI64,
}

impl Observer for Stopping {
    fn progress(&self, _: Progress) {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            self.cancel.cancel();
        }
    }

    fn note(&self, _: String) {}
}

#[tokio::test]
async fn flags_of_what_is_there_stay_and_notes_can_be_translated() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let alice = world.alice().await;
    let inbox = id_of(&alice, "INBOX");
    let wish = StoreFlags {
        mailbox: inbox,
        uids: [Uid(1)].into_iter().collect(),
        mode: postrider_store::FlagMode::Replace,
        flags: vec![Flag::Draft],
        unchanged_since: None,
    };
    alice.store_flags(wish).await.unwrap();
    alice.write_notes(vec![Note { key: b"pull/2".to_vec(), value: None }]).await.unwrap();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let told = Arc::clone(&seen);
    let translate: NoteTranslation = Arc::new(move |key: &[u8], _: &[u8], ids: &MailboxIds| {
        told.lock().unwrap().insert((key.to_vec(), ids.get(inbox).map(|(id, _)| id)));
        Some(b"translated".to_vec())
    });
    let options = RestoreOptions { notes: Some(translate), ..RestoreOptions::default() };
    let store = Arc::clone(&world.store);
    world.repository.restore(&snapshot, vec![all_of(7)], store, options, silent()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([(b"pull/2".to_vec(), Some(inbox))]));
    let mut values = Vec::new();
    alice.notes(b"pull/2", |_, value| values.push(value.to_vec())).await.unwrap();
    assert_eq!(values, [b"translated".to_vec()]);
    let mailbox = alice.mailbox(inbox).await.unwrap();
    let entry = mailbox.messages().unwrap().get(1).unwrap();
    assert_eq!(mailbox.record.keywords.flags(entry.flags), [Flag::Draft]);
}
