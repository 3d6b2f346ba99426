//! Mailboxes and messages keep what names them, where that cannot be taken for something else.

use postrider_store::{
    Appended, CreatedMailbox, ExpungeOnly, Floors, INBOX, MailboxOrigin, ModSeq, SpecialUse, SpecialUses, StoreError,
    Uid, UidValidity, UidValidityWish, own_unique_id,
};

use crate::fixture::{ACCOUNT, NOON, World, letter, refusal, set};

impl World {
    async fn create_from(&self, name: &str, wish: UidValidityWish, floor: Option<u32>) -> CreatedMailbox {
        let origin = MailboxOrigin { uid_validity: Some(wish), uid_floor: floor.map(Uid) };
        self.account.create_mailbox_from(name, SpecialUses::NONE, origin).await.unwrap()
    }

    /// Appends messages that wish for UIDs and unique-ids.
    async fn bring(&self, name: &str, wishes: &[(Option<u32>, Option<&str>)]) -> Appended {
        let mut messages = Vec::new();
        for (number, (uid, unique_id)) in wishes.iter().enumerate() {
            let raw = letter(&format!("{number} of {}", wishes.len()), "text");
            let mut message = self.account.prepare(raw.into(), Vec::new(), NOON).await;
            message.uid = uid.map(Uid);
            message.unique_id = unique_id.map(str::to_owned);
            messages.push(message);
        }
        self.account.append(self.id(name), messages).await.unwrap()
    }

    async fn unique_ids(&self, name: &str) -> Vec<(u32, String)> {
        let found = self.account.unique_ids(&*self.mailbox(name).await).await.unwrap();
        found.into_iter().map(|(uid, unique_id)| (uid.0, unique_id)).collect()
    }
}

#[tokio::test]
async fn a_uidvalidity_is_kept_if_no_mailbox_ever_had_it() {
    let world = World::new().await;
    let last = world.account.state().record.uid_validity_last;
    let old = UidValidity(1_234);
    let created = world.create_from("old", UidValidityWish::Elsewhere(old), None).await;
    assert_eq!((created.uid_validity, created.uid_validity_kept), (old, true));
    let late = UidValidity(last + 1_000);
    assert!(world.create_from("late", UidValidityWish::Elsewhere(late), None).await.uid_validity_kept);
    world.create("next").await;
    assert_eq!(world.mailbox("next").await.record.uid_validity, UidValidity(last + 1_001), "none is given out twice");
    for taken in [old, late, UidValidity(last), UidValidity(0), UidValidity(u32::MAX)] {
        for wish in [UidValidityWish::Elsewhere(taken), UidValidityWish::Returning(taken)] {
            let name = format!("{wish:?}");
            let created = world.create_from(&name, wish, None).await;
            assert!(!created.uid_validity_kept && created.uid_validity != taken, "{taken}");
        }
    }
    world.assert_whole().await;
}

#[tokio::test]
async fn a_mailbox_that_is_gone_comes_back_with_its_uidvalidity_and_gives_out_no_uid_again() {
    let world = World::new().await;
    world.create("a").await;
    world.fill("a", 3).await;
    let uid_validity = world.mailbox("a").await.record.uid_validity;
    world.account.delete_mailbox(world.id("a")).await.unwrap();
    let stranger = world.create_from("b", UidValidityWish::Elsewhere(uid_validity), None).await;
    assert!(!stranger.uid_validity_kept, "another server's mailbox of this number is another one");
    let created = world.create_from("a", UidValidityWish::Returning(uid_validity), Some(2)).await;
    assert!(created.uid_validity_kept);
    // The messages of the backup have UIDs of their own; what comes meanwhile gets new ones, and ends that.
    assert_eq!(world.bring("a", &[(Some(1), None), (Some(2), None)]).await.uids, set(&[1, 2]));
    assert_eq!(world.deliver("a", &letter("new", "x"), &[]).await, Uid(4));
    let appended = world.bring("a", &[(Some(3), None)]).await;
    assert_eq!((appended.uids, appended.uids_kept), (set(&[5]), 0));
    world.assert_whole().await;
    world.account.delete_mailbox(world.id("a")).await.unwrap();
    world.create_from("a", UidValidityWish::Returning(uid_validity), None).await;
    assert_eq!(world.deliver("a", &letter("new", "x"), &[]).await, Uid(6));
    world.assert_whole().await;
}

#[tokio::test]
async fn an_empty_mailbox_gives_way_and_another_one_does_not() {
    let world = World::new().await;
    world.fill("INBOX", 1).await;
    let origin = MailboxOrigin { uid_validity: Some(UidValidityWish::Returning(UidValidity(77))), uid_floor: None };
    let refused = world.account.create_mailbox_from(INBOX, SpecialUses::NONE, origin).await;
    assert_eq!(refusal(refused), StoreError::MailboxExists.to_string());
    world.account.expunge(world.id(INBOX), None, ExpungeOnly::Named).await.unwrap();
    let before = world.mailbox(INBOX).await;
    let created = world.account.create_mailbox_from("inbox", SpecialUses::NONE, origin).await.unwrap();
    assert_eq!((created.id, created.uid_validity), (world.id(INBOX), UidValidity(77)));
    assert_ne!(created.id, before.id);
    let own = MailboxOrigin {
        uid_validity: Some(UidValidityWish::Returning(before.record.uid_validity)),
        uid_floor: Some(Uid(9)),
    };
    let created = world.account.create_mailbox_from(INBOX, SpecialUses::NONE, own).await.unwrap();
    assert!(created.uid_validity_kept, "its own of before");
    assert_eq!(world.deliver(INBOX, &letter("new", "x"), &[]).await, Uid(9));
    let trash = world.create_from("Trash", UidValidityWish::Elsewhere(UidValidity(78)), None).await;
    assert_eq!(world.account.state().find_special(SpecialUse::Trash).unwrap().id, trash.id, "it is for the same use");
    assert!(world.account.state().is_subscribed("Trash"));
    let same = world.create_from("Trash", UidValidityWish::Returning(UidValidity(78)), Some(5)).await;
    assert!(same.uid_validity_kept);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_mailbox_keeps_its_uidvalidity_beside_missing_superiors() {
    let world = World::new().await;
    let wished = UidValidity(world.account.state().record.uid_validity_last + 1);
    let created = world.create_from("a/b/c", UidValidityWish::Elsewhere(wished), None).await;
    assert_eq!(created.uid_validity, wished);
    world.assert_whole().await;
}

#[tokio::test]
async fn uids_are_kept_where_they_ascend() {
    let world = World::new().await;
    type Case<'a> = (&'a [Option<u32>], &'a [u32], u32);
    let cases: [Case<'_>; 6] = [
        (&[Some(5), Some(9)], &[5, 9], 2),
        (&[Some(9), Some(4), None, Some(20)], &[10, 11, 12, 20], 1),
        (&[None, Some(22)], &[21, 22], 1),
        (&[Some(30), Some(30)], &[30, 31], 1),
        (&[Some(0), Some(u32::MAX)], &[32, 33], 0),
        (&[Some(u32::MAX - 1), None], &[34, 35], 0),
    ];
    for (wishes, expected, kept) in cases {
        let wishes: Vec<_> = wishes.iter().map(|uid| (*uid, None)).collect();
        let appended = world.bring(INBOX, &wishes).await;
        assert_eq!((appended.uids, appended.uids_kept), (set(expected), kept), "{wishes:?}");
    }
    assert_eq!(world.mailbox(INBOX).await.record.uid_next, Uid(36));
    world.assert_whole().await;
}

#[tokio::test]
async fn the_date_saved_is_kept() {
    let world = World::new().await;
    let mut message = world.account.prepare(letter("x", "x").into(), Vec::new(), NOON).await;
    message.saved = Some(NOON - 1_000);
    world.account.append(world.id(INBOX), vec![message]).await.unwrap();
    assert_eq!(world.entry(INBOX, Uid(1)).await.saved, NOON - 1_000);
}

#[tokio::test]
async fn unique_ids_are_kept_once_each_and_go_with_their_messages() {
    let world = World::new().await;
    let uid_validity = world.mailbox(INBOX).await.record.uid_validity;
    let ours = own_unique_id(ACCOUNT, uid_validity, Uid(2));
    let wishes = [Some("a1"), None, Some("a1"), Some(""), Some("b c"), Some(ours.as_str()), Some("b2")];
    let appended = world.bring(INBOX, &wishes.map(|unique_id| (None, unique_id))).await;
    assert_eq!(appended.unique_ids_kept, 2);
    assert_eq!(world.unique_ids(INBOX).await, [(1, "a1".to_owned()), (7, "b2".to_owned())]);
    world.assert_whole().await;
    assert_eq!(world.bring(INBOX, &[(None, Some("b2")), (None, Some("c3"))]).await.unique_ids_kept, 1);
    world.account.expunge(world.id(INBOX), Some(set(&[1, 2, 9])), ExpungeOnly::Named).await.unwrap();
    assert_eq!(world.unique_ids(INBOX).await, [(7, "b2".to_owned())]);
    assert_eq!(world.bring(INBOX, &[(None, Some("a1"))]).await.unique_ids_kept, 1, "it is free again");
    world.assert_whole().await;
    world.account.rename_mailbox(world.id(INBOX), "kept").await.unwrap();
    assert!(world.unique_ids(INBOX).await.is_empty() && world.unique_ids("kept").await.is_empty());
    assert_eq!(world.rows(0x11).await, 0);
    world.assert_whole().await;
}

#[tokio::test]
async fn raised_counters_give_out_only_what_is_larger() {
    let world = World::new().await;
    world.fill(INBOX, 2).await;
    let inbox = world.id(INBOX);
    let floors = Floors {
        modseq: ModSeq(1_000),
        email_next: 500,
        mailbox_next: 50,
        uid_validity_last: UidValidity(2_000_000_000),
        uid_next: vec![(inbox, Uid(100))],
    };
    world.account.raise(floors.clone()).await.unwrap();
    assert_eq!(world.mailbox(INBOX).await.record.uid_next, Uid(100));
    assert_eq!(world.mailbox(INBOX).await.recent_count(), 2);
    assert_eq!(world.deliver(INBOX, &letter("new", "x"), &[]).await, Uid(100));
    let entry = world.entry(INBOX, Uid(100)).await;
    assert_eq!((entry.modseq, entry.email.0), (ModSeq(1_001), 500));
    let created = world.create("new").await;
    assert_eq!((created.0, world.mailbox("new").await.record.uid_validity.0), (50, 2_000_000_001));
    // Who knew the account at a mod-sequence that was skipped is told everything.
    let inbox = world.mailbox(INBOX).await;
    let gone = world.account.vanished(&inbox, ModSeq(900), Some(&set(&[1, 50, 99]))).await.unwrap();
    assert_eq!(gone, set(&[50, 99]));
    let before = world.account.state().record.clone();
    world.account.raise(floors).await.unwrap();
    world.account.raise(Floors::default()).await.unwrap();
    assert_eq!(world.account.state().record, before, "nothing ever goes down");
    let far = Floors { modseq: ModSeq(u64::MAX), ..Floors::default() };
    assert_eq!(refusal(world.account.raise(far).await), "limit reached: a counter cannot be raised that far");
    world.assert_whole().await;
}

#[tokio::test]
async fn raised_counters_survive_a_restart_though_nothing_else_was_written() {
    let world = World::new().await;
    world.account.raise(Floors { modseq: ModSeq(5_000), ..Floors::default() }).await.unwrap();
    let moment = world.store.moment().await.unwrap();
    assert_eq!(moment.account(ACCOUNT).await.unwrap().record.modseq, ModSeq(5_000));
}
