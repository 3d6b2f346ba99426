//! What is saved comes back.

use std::sync::Arc;

use postrider_store::{BlobHash, Flag, FlagMode, StoreFlags, Uid, UidSet};
use serde_json::json;

use super::*;
use crate::{Cancel, Depth, Phase, Rehearsal, Scope, SnapshotId, VerifyOptions};

#[tokio::test]
async fn a_store_comes_back_as_it_was_and_a_second_run_reads_no_mail() {
    let world = World::new().await;
    let observer = Arc::new(Remembering::default());
    let moment = Arc::new(world.store.moment().await.unwrap());
    let options = RunOptions { host: String::from("mx"), tags: vec![String::from("nightly")], ..RunOptions::default() };
    let first = world.repository.run(moment, world.infos(), options, Arc::clone(&observer) as _).await.unwrap();
    assert_eq!((first.accounts, first.messages), (2, 160));
    assert_eq!(first.messages_read, 160);
    let last = *observer.0.lock().unwrap().last().unwrap();
    assert_eq!((last.phase, last.messages, last.messages_total), (Phase::Saving, 160, Some(160)));

    world.tick(3600);
    let second = world.run().await;
    assert_eq!((second.messages, second.messages_read, second.bytes_read), (160, 0, 0));
    assert_eq!((second.blobs_new, second.bytes_added), (0, 0));
    assert!(second.bytes_written < 2000, "{second:?}");

    let listed = world.repository.snapshots().await.unwrap();
    assert_eq!(listed.iter().map(|info| &info.id).collect::<Vec<_>>(), [&first.snapshot, &second.snapshot]);
    assert_eq!((listed[0].host.as_str(), listed[0].tags.clone()), ("mx", vec![String::from("nightly")]));
    assert_eq!(listed[0].description, "2 accounts, 160 messages");
    assert_eq!(world.repository.find_snapshot("latest").await.unwrap().id, second.snapshot);

    let options = VerifyOptions { depth: Depth::Everything, ..VerifyOptions::default() };
    let report = world.repository.verify(&[], options, silent()).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.snapshots, report.messages, report.verified.len()), (2, 320, 2));
    assert!(report.messages_read < 90, "equal contents are read once: {}", report.messages_read);

    let clock = Arc::new(AtomicI64::new(1_700_000_000));
    let (stage, _) = empty_store(&clock).await;
    let report = world.repository.rehearse(&second.snapshot, stage, Rehearsal::default(), silent()).await.unwrap();
    assert_eq!((report.differences.clone(), report.restored.problems.clone()), (vec![], vec![]));
    assert!(report.is_faithful());
    assert_eq!((report.compared, report.restored.uids_kept), (160, 160));
}

#[tokio::test]
async fn a_flag_costs_one_range_and_a_mail_is_all_that_is_read() {
    let world = World::new().await;
    world.run().await;
    let alice = world.alice().await;
    let list = id_of(&alice, "Lists");
    let uids: UidSet = [Uid(1)].into_iter().collect();
    let wish = StoreFlags { mailbox: list, uids, mode: FlagMode::Add, flags: vec![Flag::Seen], unchanged_since: None };
    alice.store_flags(wish).await.unwrap();
    append(&alice, list, &mail("new", "x"), &[], 1).await;
    let report = world.run().await;
    assert_eq!(report.messages_read, 1);
    assert!(report.bytes_written < 80_000, "{report:?}");
    let lines = world.repository.saved_messages(&report.snapshot, ALICE, "Lists", None).await.unwrap();
    assert_eq!((lines.len(), lines[0].flags()), (151, vec![Flag::Seen]));
    assert_eq!(lines[3].pop3.as_deref(), Some("from-elsewhere"));
}

#[tokio::test]
async fn another_content_behind_the_same_name_is_read() {
    let world = World::new().await;
    world.run().await;
    let alice = world.alice().await;
    let before = id_of(&alice, "Parent/Child");
    alice.delete_mailbox(before).await.unwrap();
    let id = alice.create_mailbox("Parent/Child", SpecialUses::NONE).await.unwrap();
    append(&alice, id, &mail("one", "1"), &[], 1).await;
    world.run().await;
    alice.delete_mailbox(id).await.unwrap();
    let id = alice.create_mailbox("Parent/Child", SpecialUses::NONE).await.unwrap();
    // UID, size and date are those of the other one.
    append(&alice, id, &mail("one", "2"), &[], 1).await;
    let report = world.run().await;
    assert_eq!(report.messages_read, 1);
    let read = world.repository.extract_message(&report.snapshot, ALICE, "Parent/Child", Uid(1)).await.unwrap();
    assert_eq!(read, mail("one", "2"));
}

#[tokio::test]
async fn a_snapshot_tells_what_is_in_it() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let accounts = world.repository.saved_accounts(&snapshot).await.unwrap();
    assert_eq!(accounts.iter().map(|account| account.address.as_str()).collect::<Vec<_>>(), [ALICE, BOB]);
    assert_eq!(accounts[0].info["quota"], json!(5));
    assert_eq!(accounts[0].credentials, Some(json!({"password": "$argon2id$..."})));
    assert_eq!(accounts[1].credentials, None);
    assert!(accounts[0].subscriptions.contains(&String::from("Gone/mailbox")));
    let saved = world.repository.saved_mailboxes(&snapshot, ALICE).await.unwrap();
    let mut names: Vec<_> = saved.iter().map(|mailbox| mailbox.file.name.clone()).collect();
    let alice = world.alice().await;
    let mut living: Vec<_> = alice.state().mailboxes().map(|mailbox| mailbox.record.name.clone()).collect();
    names.sort();
    living.sort();
    assert_eq!(names, living);
    assert!(!names.contains(&String::from("Parent")) && names.contains(&String::from("Parent/Child")));
    let bin = saved.iter().find(|mailbox| mailbox.file.name == "Papierkorb").unwrap();
    assert_eq!(bin.file.special_use, ["Trash"]);
    for (address, mailbox) in [("nobody@example.org", "INBOX"), (ALICE, "Nowhere")] {
        let answer = world.repository.saved_messages(&snapshot, address, mailbox, None).await;
        assert!(matches!(answer, Err(BackupError::NoPath { .. })), "{answer:?}");
    }
    let answer = world.repository.saved_accounts(&SnapshotId(String::from("ffff"))).await;
    assert!(matches!(answer, Err(BackupError::NoSnapshot { .. })));
}

#[tokio::test]
async fn files_come_out_with_the_bytes_of_the_store() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let to = world.folder.path().join("out");
    let path = format!("{ALICE}/INBOX");
    let done = world.repository.extract(&snapshot, &path, to.clone(), Cancel::default(), silent()).await.unwrap();
    assert_eq!((done.messages, done.files), (5, 7));
    let lines = world.repository.saved_messages(&snapshot, ALICE, "INBOX", None).await.unwrap();
    for line in &lines {
        let file = to.join(format!("INBOX/0000000000.messages/{}.eml", line.uid));
        assert_eq!(BlobHash::of(&std::fs::read(file).unwrap()), line.blake3);
    }
    let again = world.repository.extract(&snapshot, &path, to, Cancel::default(), silent()).await;
    assert!(matches!(again, Err(BackupError::File { .. })), "nothing is overwritten: {again:?}");
}

#[tokio::test]
async fn a_run_of_some_accounts_does_not_stand_in_for_all() {
    let world = World::new().await;
    let whole = world.run().await;
    let moment = Arc::new(world.store.moment().await.unwrap());
    let some = vec![world.infos().remove(1)];
    let options = RunOptions { scope: Scope::Some, ..RunOptions::default() };
    let partial = world.repository.run(moment, some, options, silent()).await.unwrap();
    assert_eq!(world.repository.find_snapshot("latest").await.unwrap().id, whole.snapshot);
    assert!(world.repository.find_snapshot(&partial.snapshot.0).await.unwrap().is_partial);
    assert_eq!(world.run().await.messages_read, 0, "what the whole one has is still known");
}

#[tokio::test]
async fn a_verified_snapshot_vouches_for_what_it_holds() {
    let world = World::new().await;
    let first = world.run().await.snapshot;
    let shallow = VerifyOptions { depth: Depth::Structure, ..VerifyOptions::default() };
    let shallow = world.repository.verify(std::slice::from_ref(&first), shallow, silent()).await.unwrap();
    assert_eq!((shallow.messages_read, shallow.verified.len()), (0, 1));
    let answer = world.repository.holdings(&shallow.verified[0]).await;
    assert!(matches!(answer, Err(BackupError::NoSnapshot { .. })), "that was no proof");
    let alice = world.alice().await;
    append(&alice, id_of(&alice, "INBOX"), &mail("later", "x"), &[], 1).await;
    world.run().await;
    let report =
        world.repository.verify(std::slice::from_ref(&first), VerifyOptions::default(), silent()).await.unwrap();
    let kept = serde_json::to_string(&report.verified[0]).unwrap();
    let holdings = world.repository.holdings(&serde_json::from_str(&kept).unwrap()).await.unwrap();
    assert_eq!(holdings.verified().snapshot, first);
    let is_held = |address, raw: &[u8]| holdings.holds(address, &BlobHash::of(raw));
    assert!(is_held(ALICE, &mail("copy", "same")) && is_held(ALICE, b""));
    assert!(!is_held(BOB, b"") && !is_held(ALICE, &mail("later", "x")));
}
