//! What was expunged is kept aside for a while, comes back as it was, and is let go in the end.

use postrider_engine::{Batch, Engine};
use postrider_store::{
    ExpungeOnly, ExpungedMessages, ExpungedSelection, Flag, FlagMode, SpecialUses, Store, StoreOptions, Transfer, Uid,
    UidSet, UndeleteInto, Undeleted,
};

use crate::fixture::{ACCOUNT, BLOB, NOON, World, keyword, letter, refusal, rows, set};

const EMAIL: u8 = 0x20;
const EXPUNGED: u8 = 0x31;
const KEPT_SECONDS: i64 = 1_000;

async fn keeping() -> World {
    let expunged_kept_seconds = KEPT_SECONDS.unsigned_abs();
    World::with(StoreOptions { expunged_kept_seconds, ..StoreOptions::default() }).await
}

impl World {
    async fn expunge(&self, name: &str) -> UidSet {
        self.account.expunge(self.id(name), None, ExpungeOnly::Named).await.unwrap()
    }

    async fn expunged(&self) -> Vec<ExpungedMessages> {
        self.account.expunged(None, usize::MAX).await.unwrap()
    }

    async fn undelete_all(&self, into: UndeleteInto) -> Vec<Undeleted> {
        self.account.undelete(all(&self.expunged().await), into).await.unwrap()
    }
}

fn all(kept: &[ExpungedMessages]) -> ExpungedSelection {
    kept.iter().map(|kept| (kept.key, kept.messages.iter().map(|entry| entry.uid).collect())).collect()
}

#[tokio::test]
async fn messages_come_back_as_they_were_under_new_uids() {
    let world = keeping().await;
    world.deliver("INBOX", &letter("one", "1"), &[Flag::Seen, keyword("work")]).await;
    world.deliver("INBOX", &letter("two", "2"), &[Flag::Deleted, Flag::Flagged]).await;
    world.deliver("INBOX", &letter("three", "3"), &[]).await;
    let mut entries = Vec::new();
    for uid in 1..=3 {
        entries.push(world.entry("INBOX", Uid(uid)).await);
    }
    let inbox = world.mailbox("INBOX").await;
    world.clock.set(NOON + 5);
    assert_eq!(world.expunge("INBOX").await, set(&[1, 2, 3]));
    let [kept] = world.expunged().await.try_into().unwrap();
    assert_eq!((kept.expunged_at, kept.mailbox, kept.name.as_str()), (NOON + 5, inbox.id, "INBOX"));
    assert_eq!((kept.uid_validity, &kept.messages), (inbox.record.uid_validity, &entries));
    assert_eq!(kept.keywords.flags(kept.messages[0].flags), [Flag::Seen, keyword("work")]);
    assert_eq!(world.account.state().bytes_used(), 0, "what is kept counts against no quota");
    world.assert_whole().await;

    let [undeleted] = world.undelete_all(UndeleteInto::Original).await.try_into().unwrap();
    assert_eq!((undeleted.source, undeleted.uids), (set(&[1, 2, 3]), set(&[4, 5, 6])));
    assert_eq!((undeleted.mailbox, undeleted.name.as_str()), (inbox.id, "INBOX"));
    let expected = [vec![Flag::Seen, keyword("work")], vec![Flag::Flagged], vec![]];
    assert_eq!(world.flags("INBOX").await, expected, "without \\Deleted, lest they go at once");
    for (old, uid) in entries.iter().zip(4..) {
        let entry = world.entry("INBOX", Uid(uid)).await;
        assert_eq!((entry.email, entry.blob, entry.received), (old.email, old.blob, old.received));
        assert_eq!(entry.saved, NOON + 5);
    }
    assert!(world.expunged().await.is_empty());
    assert_eq!((world.rows(EXPUNGED).await, world.rows(BLOB).await), (0, 3));
    world.assert_whole().await;
    assert!(world.undelete_all(UndeleteInto::Original).await.is_empty());
}

#[tokio::test]
async fn a_selection_takes_what_it_names_and_leaves_the_rest() {
    let world = keeping().await;
    world.fill("INBOX", 5).await;
    world.expunge("INBOX").await;
    let key = world.expunged().await[0].key;
    let selection = vec![(key, set(&[2])), (key, set(&[2, 4, 9]))];
    let [undeleted] =
        world.account.undelete(selection.clone(), UndeleteInto::Original).await.unwrap().try_into().unwrap();
    assert_eq!((undeleted.source, undeleted.uids), (set(&[2, 4]), set(&[6, 7])));
    let left: Vec<u32> = world.expunged().await[0].messages.iter().map(|entry| entry.uid.0).collect();
    assert_eq!(left, [1, 3, 5]);
    assert_eq!(world.expunged().await[0].key, key, "the name of the rest stays");
    assert!(world.account.undelete(selection, UndeleteInto::Original).await.unwrap().is_empty(), "they are back");
    world.assert_whole().await;
}

#[tokio::test]
async fn messages_of_a_mailbox_that_is_gone_come_back_into_a_new_one() {
    let world = keeping().await;
    let id = world.create("a/b").await;
    world.fill("a/b", 3).await;
    let uid_validity = world.mailbox("a/b").await.record.uid_validity;
    world.account.delete_mailbox(id).await.unwrap();
    world.account.delete_mailbox(world.id("a")).await.unwrap();
    world.assert_whole().await;
    let [undeleted] = world.undelete_all(UndeleteInto::Original).await.try_into().unwrap();
    assert_eq!((undeleted.name.as_str(), undeleted.mailbox), ("a/b", world.id("a/b")));
    assert!(undeleted.uid_validity > uid_validity, "it is another mailbox");
    assert_eq!(world.uids("a/b").await, [1, 2, 3]);
    assert!(world.names().contains(&"a".to_owned()));
    world.assert_whole().await;
}

#[tokio::test]
async fn the_mailbox_of_old_is_found_by_whatever_name_and_another_one_can_be_named() {
    let world = keeping().await;
    let old = world.create("old").await;
    world.fill("old", 2).await;
    world.expunge("old").await;
    world.account.rename_mailbox(old, "new").await.unwrap();
    world.create("old").await;
    let selection = all(&world.expunged().await);
    let first = vec![(selection[0].0, set(&[1]))];
    let undeleted = world.account.undelete(first, UndeleteInto::Original).await.unwrap();
    assert_eq!(undeleted[0].name, "new", "a mailbox is its id and not its name");
    let undeleted = world.undelete_all(UndeleteInto::Named("inbox".to_owned())).await;
    assert_eq!(undeleted[0].name, "INBOX");
    let refused = world.account.undelete(selection, UndeleteInto::Named("a//b".to_owned())).await;
    assert_eq!(refusal(refused), "not a possible mailbox name: a level of the name is empty");
    world.assert_whole().await;
}

#[tokio::test]
async fn a_copy_in_another_mailbox_and_an_equal_message_share_what_is_kept() {
    let world = keeping().await;
    world.deliver("INBOX", &letter("one", "1"), &[]).await;
    world.account.transfer(world.id("INBOX"), set(&[1]), world.id("Archive"), Transfer::Copy).await.unwrap();
    world.expunge("INBOX").await;
    world.expunge("Archive").await;
    world.assert_whole().await;
    world.deliver("INBOX", &letter("one", "1"), &[]).await;
    assert_eq!((world.rows(EMAIL).await, world.rows(BLOB).await), (2, 1), "another email of the same bytes");
    world.clock.set(NOON + KEPT_SECONDS);
    assert_eq!(world.account.sweep_expunged().await.unwrap().messages, 2);
    assert_eq!((world.rows(EMAIL).await, world.rows(BLOB).await), (1, 1));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_move_keeps_nothing_aside() {
    let world = keeping().await;
    world.fill("INBOX", 3).await;
    let (inbox, trash) = (world.id("INBOX"), world.id("Trash"));
    world.account.transfer(inbox, set(&[1, 2]), trash, Transfer::Move).await.unwrap();
    assert!(world.expunged().await.is_empty());
    world.assert_whole().await;
}

#[tokio::test]
async fn a_sweep_lets_go_what_is_old_enough_and_no_more() {
    let world = keeping().await;
    world.fill("INBOX", 600).await;
    world.fill("Archive", 700).await;
    world.expunge("INBOX").await;
    world.clock.set(NOON + 1);
    world.expunge("Archive").await;
    assert_eq!((world.rows(EXPUNGED).await, world.bodies().await), (6, 1300), "a record for a chunk of them");
    world.clock.set(NOON + KEPT_SECONDS - 1);
    let batches = world.batches().await;
    assert_eq!(world.store.sweep_expunged().await.unwrap(), 0);
    assert_eq!(world.batches().await, batches, "nothing is written for nothing");
    world.clock.set(NOON + KEPT_SECONDS);
    assert_eq!(world.store.sweep_expunged().await.unwrap(), 600);
    assert_eq!((world.rows(EXPUNGED).await, world.bodies().await), (3, 700));
    world.assert_whole().await;
    world.clock.set(NOON + KEPT_SECONDS + 1);
    assert_eq!(world.account.sweep_expunged().await.unwrap().messages, 700);
    assert_eq!((world.rows(EXPUNGED).await, world.bodies().await, world.rows(EMAIL).await), (0, 0, 0));
    world.assert_whole().await;
}

#[tokio::test]
async fn much_is_let_go_in_steps() {
    let world = keeping().await;
    world.fill("INBOX", 1500).await;
    world.expunge("INBOX").await;
    world.clock.set(NOON + KEPT_SECONDS);
    let swept = world.account.sweep_expunged().await.unwrap();
    assert_eq!((swept.messages, swept.has_more), (1024, true));
    world.assert_whole().await;
    let swept = world.account.sweep_expunged().await.unwrap();
    assert_eq!((swept.messages, swept.has_more), (476, false));
}

#[tokio::test]
async fn accounts_that_nobody_uses_are_swept_too_and_with_keeping_off_everything_goes() {
    let world = keeping().await;
    world.fill("INBOX", 3).await;
    world.expunge("INBOX").await;
    let options = StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() };
    let World { memory, clock, store, account } = world;
    drop((store, account));
    let store = Store::open(memory.clone(), options, clock.now()).await.unwrap();
    assert_eq!(store.sweep_expunged().await.unwrap(), 3);
    assert_eq!(rows(&*memory, ACCOUNT, BLOB).await.len(), 0);
    assert_eq!(store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
}

#[tokio::test]
async fn what_can_be_brought_back_is_read_in_pages() {
    let world = keeping().await;
    for round in 0..5 {
        world.clock.set(NOON + round);
        world.deliver("INBOX", &letter(&round.to_string(), "text"), &[]).await;
        world.expunge("INBOX").await;
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = world.account.expunged(after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        found.extend(page);
    }
    assert_eq!(found.iter().map(|kept| kept.expunged_at - NOON).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(found, world.expunged().await);
}

#[tokio::test]
async fn keywords_find_their_places_in_another_mailbox() {
    let world = keeping().await;
    world.deliver("Archive", &letter("x", "x"), &[keyword("red"), keyword("blue")]).await;
    world.deliver("INBOX", &letter("one", "1"), &[keyword("blue"), keyword("green")]).await;
    world.expunge("INBOX").await;
    world.undelete_all(UndeleteInto::Named("Archive".to_owned())).await;
    let mut flags = world.flags("Archive").await.remove(1);
    flags.sort();
    assert_eq!(flags, [keyword("blue"), keyword("green")]);
    world.set_flags("Archive", &[2], FlagMode::Remove, &[keyword("green")]).await;
    world.assert_whole().await;
}

#[tokio::test]
async fn a_full_account_makes_no_mailbox_and_changes_nothing() {
    let world = World::with(StoreOptions { mailboxes_max: 7, ..StoreOptions::default() }).await;
    world.fill("INBOX", 1).await;
    world.expunge("INBOX").await;
    let kept = world.expunged().await;
    let named = UndeleteInto::Named("a/b".to_owned());
    let before = world.batches().await;
    assert_eq!(refusal(world.account.undelete(all(&kept), named).await), "limit reached: too many mailboxes");
    assert_eq!((world.batches().await, world.expunged().await), (before, kept));
    world.account.create_mailbox("a", SpecialUses::NONE).await.unwrap();
    world.assert_whole().await;
}

#[tokio::test]
async fn damage_of_what_is_kept_is_found_and_hides_nothing_else() {
    let cases: [(usize, &str); 4] = [
        (0, "a record (expunged messages) has format 65"),
        (8, "INBOX: the expunged UID 1 does not agree with its email"),
        (30, "claims a place that it does not have"),
        (200, "cut short or malformed"),
    ];
    for (case, (place, expected)) in cases.into_iter().enumerate() {
        let world = keeping().await;
        world.fill("INBOX", 2).await;
        world.expunge("INBOX").await;
        let (key, mut value) = rows(&*world.memory, ACCOUNT, EXPUNGED).await.remove(0);
        match case {
            0 => value[place] ^= 0x40,
            1 => {
                let (email, _) = rows(&*world.memory, ACCOUNT, EMAIL).await.remove(0);
                let mut batch = Batch::new();
                batch.delete(email);
                world.memory.commit(batch).await.unwrap();
            }
            2 => {
                let mut batch = Batch::new();
                batch.delete(key.clone());
                world.memory.commit(batch).await.unwrap();
            }
            _ => drop(value.pop()),
        }
        if case != 2 {
            let mut batch = Batch::new();
            batch.put(key, value);
            world.memory.commit(batch).await.unwrap();
        }
        let found = world.store.verify(|_| ()).await.unwrap().findings.join("\n");
        assert!(found.contains(expected), "“{expected}” is not in\n{found}");
        if case == 0 {
            // The others are let go all the same.
            world.fill("Archive", 1).await;
            world.expunge("Archive").await;
            world.clock.set(NOON + KEPT_SECONDS);
            assert_eq!(world.store.sweep_expunged().await.unwrap(), 1);
        }
    }
}
