//! Rehearsals beside the store that was saved, which lives on.

use std::collections::BTreeMap;

use postrider_store::{FlagMode, StoreFlags, UidSet};

use super::*;
use crate::{
    AccountRestore, Living, LivingReport, Rehearsal, RehearsalReport, RestoreOptions, RestorePlace, RestoreSelection,
    SnapshotId,
};

fn living(store: &Arc<Store>, accounts: &[(&str, u32)]) -> Living {
    let accounts = accounts.iter().map(|(address, id)| ((*address).to_owned(), AccountId(*id)));
    Living { store: Arc::clone(store), accounts: accounts.collect::<BTreeMap<_, _>>() }
}

async fn rehearse(world: &World, snapshot: &SnapshotId, living: Living) -> RehearsalReport {
    let (stage, _) = empty_store(&world.clock).await;
    let rehearsal = Rehearsal { living: Some(living), ..Rehearsal::default() };
    world.repository.rehearse(snapshot, stage, rehearsal, silent()).await.unwrap()
}

async fn flag(account: &Arc<Account>, mailbox: MailboxId, uid: u32, flags: &[Flag]) {
    let uids = UidSet::from_ranges(vec![(uid, uid)]);
    let wish = StoreFlags { mailbox, uids, mode: FlagMode::Add, flags: flags.to_vec(), unchanged_since: None };
    account.store_flags(wish).await.unwrap();
}

#[tokio::test]
async fn what_was_restored_is_held_against_the_living_store_and_what_changed_there_is_counted() {
    let world = World::new().await;
    let snapshot = world.run().await.snapshot;
    let both = [(ALICE, 7), (BOB, 9)];
    let report = rehearse(&world, &snapshot, living(&world.store, &both)).await;
    let same = LivingReport { accounts: 2, messages: 160, ..LivingReport::default() };
    assert!(report.is_faithful(), "{report:?}");
    assert_eq!(report.living.as_ref(), Some(&same));

    let alice = world.alice().await;
    let (inbox, lists) = (id_of(&alice, "INBOX"), id_of(&alice, "Lists"));
    append(&alice, inbox, b"new", &[], 1).await;
    flag(&alice, lists, 1, &[Flag::Seen]).await;
    flag(&alice, lists, 21, &[Flag::Deleted]).await;
    flag(&alice, lists, 41, &[Flag::Deleted]).await;
    alice.expunge(lists, None, ExpungeOnly::Deleted).await.unwrap();
    alice.rename_mailbox(lists, "Elsewhere").await.unwrap();
    alice.delete_mailbox(id_of(&alice, "%2Emailbox.json")).await.unwrap();
    let made = alice.create_mailbox("Made", SpecialUses::NONE).await.unwrap();
    append(&alice, made, b"newer", &[], 1).await;
    let report = rehearse(&world, &snapshot, living(&world.store, &both[..1])).await;
    assert!(report.is_faithful(), "{:?}", report.differences);
    let changed = LivingReport {
        accounts: 1,
        accounts_gone: vec![String::from(BOB)],
        messages: 157,
        came: 2,
        gone: 3,
        flags_changed: 1,
        mailboxes_came: 1,
        mailboxes_gone: 1,
        // Those below it bear its name, too.
        mailboxes_renamed: 3,
    };
    assert_eq!(report.living, Some(changed));
    let report = rehearse(&world, &snapshot, living(&world.store, &[])).await;
    assert!(report.is_faithful() && report.living.is_none());
}

#[tokio::test]
async fn what_differs_from_the_living_store_without_a_change_is_a_fault_and_named() {
    let (saved, other) = (World::new().await, World::new().await);
    for (world, body, flags) in [(&saved, "a", vec![]), (&other, "b", vec![Flag::Flagged])] {
        let alice = world.alice().await;
        let inbox = id_of(&alice, "INBOX");
        append(&alice, inbox, &mail("x", body), &[], 5).await;
        append(&alice, inbox, &mail("y", "same"), &flags, 5).await;
    }
    // As many changes here as there, but others.
    let alice = saved.alice().await;
    append(&alice, id_of(&alice, "Lists"), &mail("only in the backup", ""), &[], 5).await;
    let alice = other.alice().await;
    append(&alice, id_of(&alice, "INBOX"), &mail("only in the store", ""), &[], 5).await;
    let snapshot = saved.run().await.snapshot;
    let report = rehearse(&saved, &snapshot, living(&other.store, &[(ALICE, 7)])).await;
    let told: Vec<String> = report.differences.iter().map(|(place, what)| format!("{place}: {what}")).collect();
    let expected = [
        "INBOX, UID 7: the living store has another content",
        "INBOX, UID 8: the living store has another flags, which nobody changed since",
        "INBOX, UID 9: it lived when the backup was made, and is not in it",
        "Lists, UID 2982: the living store lacks it and did not remove it",
    ];
    assert_eq!(told, expected.map(|text| format!("account {ALICE}, mailbox {text}")));
    assert!(!report.is_faithful());
}

#[tokio::test]
async fn a_store_that_was_restored_since_counts_from_elsewhere_and_is_no_fault() {
    let world = World::new().await;
    let first = world.run().await.snapshot;
    let alice = world.alice().await;
    let inbox = id_of(&alice, "INBOX");
    flag(&alice, inbox, 1, &[Flag::Flagged]).await;
    append(&alice, inbox, b"later", &[], 1).await;
    let second = world.run().await.snapshot;
    let (fresh, _) = empty_store(&world.clock).await;
    // Under the same number, too: that alone does not make it the same account.
    for into in [7, 3] {
        fresh.create_account(AccountId(into)).await.unwrap();
        let (selection, place) = (RestoreSelection::Account, RestorePlace::Same);
        let wish = AccountRestore { address: ALICE.to_owned(), into: AccountId(into), selection, place };
        let options = RestoreOptions::default();
        world.repository.restore(&second, vec![wish], Arc::clone(&fresh), options, silent()).await.unwrap();
        for (snapshot, messages, came, flags_changed) in [(&first, 160, 1, 1), (&second, 161, 0, 0)] {
            let report = rehearse(&world, snapshot, living(&fresh, &[(ALICE, into)])).await;
            assert!(report.is_faithful(), "{:?}", report.differences);
            let accounts_gone = vec![String::from(BOB)];
            let mut told =
                LivingReport { accounts: 1, accounts_gone, messages, came, flags_changed, ..Default::default() };
            // One of the folders that a new account begins with had another name in the saved one.
            told.mailboxes_came = 1;
            assert_eq!(report.living, Some(told));
        }
    }
}
