//! Messages come in.

use bytes::Bytes;
use postrider_store::{BlobHash, Flag, FlagBits, MailboxId, StoreError, StoreOptions, Uid};

use crate::fixture::{BLOB, BLOB_BY_HASH, DERIVED, NOON, World, keyword, letter, refusal, set};

#[tokio::test]
async fn an_appended_message_is_there_with_all_that_was_said_of_it() {
    let world = World::new().await;
    world.clock.set(NOON + 60);
    let raw = letter("one", "text");
    let uid = world.deliver("INBOX", &raw, &[Flag::Seen, keyword("$Work")]).await;
    let mailbox = world.mailbox("inbox").await;
    let entry = world.entry("INBOX", uid).await;
    assert_eq!((entry.uid, entry.size as usize), (Uid(1), raw.len()));
    assert_eq!((entry.received, entry.saved), (NOON, NOON + 60));
    assert_eq!(entry.modseq, mailbox.record.highest_modseq);
    assert_eq!(mailbox.record.highest_modseq, world.account.state().record.modseq);
    assert_eq!(world.flags("INBOX").await, [[Flag::Seen, keyword("$Work")]]);
    assert_eq!(world.account.body(entry.blob).await.unwrap().unwrap(), raw.as_bytes());
    assert!(world.has_derived(entry.blob).await);
    world.assert_whole().await;
}

#[tokio::test]
async fn messages_of_one_append_get_uids_in_their_order_and_one_mod_sequence() {
    let world = World::new().await;
    world.deliver("INBOX", &letter("zero", ""), &[]).await;
    let mut messages = Vec::new();
    for number in 0..300 {
        messages.push(world.account.prepare(Bytes::from(letter(&format!("{number}"), "")), Vec::new(), number).await);
    }
    let before = world.account.state().record.modseq;
    let appended = world.account.append(world.id("INBOX"), messages).await.unwrap();
    assert_eq!(appended.uids.ranges(), [(2, 301)]);
    let mailbox = world.mailbox("INBOX").await;
    assert_eq!(appended.uid_validity, mailbox.record.uid_validity);
    let entries = mailbox.messages().unwrap();
    assert!(entries.range(2, 301).all(|(_, entry)| entry.modseq.0 == before.0 + 1));
    assert!(entries.range(2, 301).all(|(sequence, entry)| entry.received == i64::from(sequence) - 2));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_multi_append_with_one_bad_message_stores_none() {
    let world = World::with(StoreOptions { message_bytes_max: 200, ..StoreOptions::default() }).await;
    let good = world.account.prepare(Bytes::from_static(b"Subject: x\r\n\r\n"), Vec::new(), 0).await;
    let large = world.account.prepare(Bytes::from(vec![b'x'; 201]), Vec::new(), 0).await;
    let long = world.account.prepare(Bytes::from_static(b"y"), vec![keyword(&"k".repeat(256))], 0).await;
    let crowd: Vec<Flag> = (0..124).map(|number| keyword(&format!("k{number}"))).collect();
    let crowded = world.account.prepare(Bytes::from_static(b"z"), crowd, 0).await;
    let before = world.account.state();
    for (bad, expected) in [(large, "200 bytes"), (long, "too long"), (crowded, "123")] {
        let answer = world.account.append(world.id("INBOX"), vec![good.clone(), bad]).await;
        let error = refusal(answer);
        assert!(error.contains(expected), "{error}");
    }
    let state = world.account.state();
    assert_eq!(state.record, before.record);
    assert_eq!(state.find("INBOX").unwrap().record, before.find("INBOX").unwrap().record);
    assert_eq!((world.bodies().await, world.rows(BLOB).await), (0, 0));
    world.assert_whole().await;
}

#[tokio::test]
async fn an_append_to_a_mailbox_that_is_not_there_is_refused() {
    let world = World::new().await;
    let message = world.account.prepare(Bytes::from_static(b"x"), Vec::new(), 0).await;
    let answer = world.account.append(MailboxId(99), vec![message]).await;
    assert!(matches!(answer, Err(StoreError::NoMailbox)));
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_however_they_come() {
    let world = World::new().await;
    let raw = letter("same", "text");
    let twice = world.account.prepare(Bytes::from(raw.clone()), Vec::new(), 5).await;
    world.account.append(world.id("INBOX"), vec![twice.clone(), twice]).await.unwrap();
    world.deliver("Archive", &raw, &[]).await;
    let entries =
        [world.entry("INBOX", Uid(1)).await, world.entry("INBOX", Uid(2)).await, world.entry("Archive", Uid(1)).await];
    assert!(entries.iter().all(|entry| entry.blob == entries[0].blob));
    assert!(entries[0].email != entries[1].email && entries[1].email != entries[2].email, "each has its own EMAILID");
    assert_eq!((world.bodies().await, world.rows(BLOB).await), (1, 1));
    assert_eq!((world.rows(BLOB_BY_HASH).await, world.rows(DERIVED).await), (1, 1));
    world.assert_whole().await;
}

#[tokio::test]
async fn accounts_do_not_share_bodies() {
    let world = World::new().await;
    let other = postrider_store::AccountId(8);
    world.store.create_account(other).await.unwrap();
    let theirs = world.store.account(other).await.unwrap();
    let raw = Bytes::from(letter("same", ""));
    let message = theirs.prepare(raw.clone(), Vec::new(), 0).await;
    let inbox = theirs.state().find("INBOX").unwrap().id;
    theirs.append(inbox, vec![message]).await.unwrap();
    assert_eq!(world.bodies().await, 0);
    world.deliver("INBOX", std::str::from_utf8(&raw).unwrap(), &[]).await;
    world.store.delete_account(other).await.unwrap();
    let blob = world.entry("INBOX", Uid(1)).await.blob;
    assert_eq!(world.account.body(blob).await.unwrap().map(|body| BlobHash::of(&body)), Some(BlobHash::of(&raw)));
    world.assert_whole().await;
}

#[tokio::test]
async fn empty_and_strange_messages_are_kept_as_they_are() {
    let world = World::new().await;
    let large = vec![b'\n'; 300 * 1024];
    let contents: [&[u8]; 5] = [b"", b"\0", b"no header at all", &[0xff, 0xfe, b'\r'], &large];
    for content in contents {
        let message = world.account.prepare(Bytes::copy_from_slice(content), Vec::new(), 0).await;
        let uids = world.account.append(world.id("INBOX"), vec![message]).await.unwrap().uids;
        let entry = world.entry("INBOX", uids.iter().next().unwrap()).await;
        assert_eq!(world.account.body(entry.blob).await.unwrap().unwrap(), content);
    }
    world.assert_whole().await;
}

#[tokio::test]
async fn pieces_of_several_bodies_come_in_one_call() {
    let world = World::new().await;
    let first = world.deliver("INBOX", "0123456789", &[]).await;
    let second = world.deliver("INBOX", "abcdef", &[]).await;
    let (first, second) = (world.entry("INBOX", first).await.blob, world.entry("INBOX", second).await.blob);
    let wanted = [(second, 1, 2), (first, 8, 100), (postrider_store::BlobId(99), 0, 1), (first, 50, 1)];
    let mut found = Vec::new();
    world
        .account
        .pieces(&wanted, &mut |_, piece| {
            found.push(piece.map(<[u8]>::to_vec));
            std::ops::ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(found, [Some(b"bc".to_vec()), Some(b"89".to_vec()), None, Some(Vec::new())]);
}

#[tokio::test]
async fn a_mailbox_without_uids_left_refuses_messages_and_keeps_those_it_has() {
    // Nobody can append four thousand million messages here: the counter is written into the record.
    let world = World::new().await;
    world.deliver("INBOX", "x", &[]).await;
    let (key, mut record) = crate::fixture::rows(&*world.memory, crate::fixture::ACCOUNT, 0x02).await.remove(0);
    let place = 1 + 4 + "INBOX".len() + 4;
    assert_eq!(record[place..place + 4], [0, 0, 0, 2], "the next UID stands after name and UIDVALIDITY");
    record[place..place + 4].copy_from_slice(&(u32::MAX - 1).to_be_bytes());
    let mut batch = postrider_engine::Batch::new();
    batch.put(key, record);
    postrider_engine::Engine::commit(&*world.memory, batch).await.unwrap();
    let store =
        postrider_store::Store::open(world.memory.clone(), StoreOptions::default(), world.clock.now()).await.unwrap();
    let account = store.account(crate::fixture::ACCOUNT).await.unwrap();
    let inbox = account.state().find("INBOX").unwrap().id;
    let message = account.prepare(Bytes::from_static(b"y"), Vec::new(), 0).await;
    let uids = account.append(inbox, vec![message.clone()]).await.unwrap().uids;
    assert_eq!(uids, set(&[u32::MAX - 1]));
    assert!(refusal(account.append(inbox, vec![message]).await).contains("no UIDs left"));
    let mailbox = account.mailbox(inbox).await.unwrap();
    let entries = mailbox.messages().unwrap();
    assert_eq!(entries.uids(), set(&[1, u32::MAX - 1]));
    assert_eq!(entries.find(Uid(u32::MAX - 1)).unwrap().1.flags, FlagBits::NONE);
}
