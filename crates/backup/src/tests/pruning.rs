//! Old snapshots go, and nothing else.

use std::time::Duration;

use super::{interruption::failing_repository, *};
use crate::{Depth, KeepRules, PruneOptions, VerifyOptions, Work};

fn last(count: u32) -> PruneOptions {
    let keep = KeepRules { last: Some(count), ..KeepRules::default() };
    PruneOptions { keep, marked_kept: Duration::ZERO, ..PruneOptions::default() }
}

/// Snapshots of a small account, with mail that comes and goes.
async fn snapshots(world: &World, count: i64) {
    let alice = world.alice().await;
    let inbox = id_of(&alice, "INBOX");
    for number in 0..count {
        alice.expunge(inbox, None, ExpungeOnly::Named).await.unwrap();
        for copy in 0..3 {
            append(&alice, inbox, &mail(&format!("{number} {copy}"), &"text ".repeat(100)), &[], number).await;
        }
        world.tick(24 * 3600);
        world.run().await;
    }
}

async fn small_world(name: &str) -> (World, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(1_700_000_000));
    let (store, engine) = empty_store(&clock).await;
    let folder = tempfile::tempdir().unwrap();
    let (repository, left) = failing_repository(&folder.path().join(name));
    for id in [7, 9] {
        store.create_account(AccountId(id)).await.unwrap();
    }
    (World { store, engine, clock, folder, repository }, left)
}

async fn bytes_in(world: &World) -> u64 {
    world.files().iter().map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn what_no_rule_wants_goes_and_space_comes_back_with_the_second_prune() {
    let (world, _) = small_world("safe").await;
    snapshots(&world, 3).await;
    let before = world.repository.snapshots().await.unwrap();
    let told = world.repository.prune(PruneOptions { work: Work::Tell, ..last(1) }, silent()).await.unwrap();
    assert_eq!((told.kept.len(), told.removed.len()), (1, 2));
    assert_eq!(world.repository.snapshots().await.unwrap(), before, "it was only told");
    let protect = vec![before[0].id.clone()];
    let done = world.repository.prune(PruneOptions { protect, ..last(1) }, silent()).await.unwrap();
    let kept: Vec<_> = done.kept.iter().map(|(info, reasons)| (&info.id, reasons.join(","))).collect();
    assert_eq!(kept, [(&before[0].id, String::from("protected")), (&before[2].id, String::from("last,latest"))]);
    assert!(done.bytes_marked > 0 && done.bytes_freed == 0, "{done:?}");
    let full = bytes_in(&world).await;
    let freed = world.repository.prune(last(1), silent()).await.unwrap();
    assert!(freed.bytes_freed > 0 && bytes_in(&world).await < full, "{freed:?}");
    let everything = VerifyOptions { depth: Depth::Everything, ..VerifyOptions::default() };
    let report = world.repository.verify(&[], everything, silent()).await.unwrap();
    assert_eq!((report.findings, report.snapshots), (vec![], 1));
}

#[tokio::test]
async fn snapshots_of_one_second_stay_in_the_order_in_which_they_were_made() {
    let (world, _) = small_world("safe").await;
    let mut made = Vec::new();
    for _ in 0..6 {
        world.clock.store(1_700_000_000, Ordering::Relaxed);
        made.push(world.run().await.snapshot);
        assert_eq!(Some(&world.repository.find_snapshot("latest").await.unwrap().id), made.last());
    }
    let listed = world.repository.snapshots().await.unwrap();
    assert!(listed.iter().all(|snapshot| snapshot.taken == listed[0].taken));
    assert_eq!(listed.into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), made);
    let report = world.repository.prune(last(1), silent()).await.unwrap();
    assert_eq!((report.kept.len(), report.removed.len()), (1, 5));
    assert_eq!(Some(&report.kept[0].0.id), made.last());
}

#[tokio::test]
async fn without_rules_all_stay() {
    let (world, _) = small_world("safe").await;
    snapshots(&world, 3).await;
    let report = world.repository.prune(PruneOptions::default(), silent()).await.unwrap();
    assert_eq!((report.kept.len(), report.removed.len()), (3, 0));
}

#[tokio::test]
async fn wherever_a_prune_is_broken_off_the_snapshots_that_stay_are_whole() {
    for changes in 0.. {
        let (world, left) = small_world("safe").await;
        snapshots(&world, 2).await;
        let newest = world.repository.snapshots().await.unwrap().pop().unwrap().id;
        left.store(changes, Ordering::Relaxed);
        let mut failed = world.repository.prune(last(1), silent()).await.is_err();
        failed |= world.repository.prune(last(1), silent()).await.is_err();
        left.store(i64::MAX / 2, Ordering::Relaxed);
        let options = VerifyOptions::default();
        let report = world.repository.verify(std::slice::from_ref(&newest), options.clone(), silent()).await.unwrap();
        assert_eq!(report.findings, [], "after {changes} changes");
        world.repository.prune(last(1), silent()).await.unwrap();
        let report = world.repository.verify(&[], options, silent()).await.unwrap();
        assert_eq!((report.findings, report.snapshots), (vec![], 1), "after {changes} changes and another prune");
        if !failed {
            assert!(changes > 3);
            break;
        }
    }
}
