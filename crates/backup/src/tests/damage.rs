//! What is damaged is found and named.

use std::{collections::BTreeSet, fs};

use super::*;
use crate::{Depth, Passphrase, VerifyOptions};

/// A few messages: every file of the repository is damaged in turn.
async fn small_world() -> World {
    let clock = Arc::new(AtomicI64::new(1_700_000_000));
    let (store, engine) = empty_store(&clock).await;
    let (folder, repository) = new_repository();
    let world = World { store, engine, clock, folder, repository };
    for id in [7, 9] {
        world.store.create_account(AccountId(id)).await.unwrap();
    }
    let alice = world.alice().await;
    for number in 0..3 {
        append(&alice, id_of(&alice, "INBOX"), &mail(&format!("mail {number}"), "x"), &[], number).await;
    }
    world
}

#[tokio::test]
async fn a_flipped_byte_in_any_file_is_found_and_the_file_named() {
    let world = small_world().await;
    world.run().await;
    world.tick(60);
    world.run().await;
    let everything = VerifyOptions { depth: Depth::Everything, ..VerifyOptions::default() };
    let root = world.folder.path().join("safe");
    let files = world.files();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&file, &damaged).unwrap();
            let report = world.repository.verify(&[], everything.clone(), silent()).await.unwrap();
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
            let is_named = report.findings.iter().any(|finding| finding.file.as_deref() == Some(name));
            assert!(is_named, "{name} at {at}: {:?}", report.findings);
            assert!(report.verified.is_empty());
        }
        fs::write(&file, whole).unwrap();
    }
    let report = world.repository.verify(&[], everything, silent()).await.unwrap();
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn messages_in_a_damaged_or_missing_pack_are_named() {
    let world = small_world().await;
    let snapshot = world.run().await.snapshot;
    let packs: Vec<_> = world.files().into_iter().filter(|path| path.to_str().unwrap().contains("/data/")).collect();
    let mut named = BTreeSet::new();
    for pack in packs {
        let whole = fs::read(&pack).unwrap();
        for at in (0..whole.len()).step_by(90) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&pack, damaged).unwrap();
            let report = world
                .repository
                .verify(std::slice::from_ref(&snapshot), VerifyOptions::default(), silent())
                .await
                .unwrap();
            let places = report.findings.into_iter().filter_map(|finding| Some((finding.place?.uid?, finding.file)));
            named.extend(places);
        }
        fs::remove_file(&pack).unwrap();
        let report =
            world.repository.verify(std::slice::from_ref(&snapshot), VerifyOptions::default(), silent()).await.unwrap();
        assert!(!report.findings.is_empty(), "{}", pack.display());
        fs::write(&pack, whole).unwrap();
    }
    let uids: Vec<Uid> = named.iter().map(|(uid, _)| *uid).collect();
    assert_eq!(uids, [Uid(1), Uid(2), Uid(3)]);
    assert!(named.iter().all(|(_, file)| file.as_ref().is_some_and(|file| file.starts_with("data/"))));
}

#[tokio::test]
async fn a_passphrase_opens_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = || Location::folder(folder.path().join("safe"));
    let (right, second) = (Passphrase::new(String::from("right")), Passphrase::new(String::from("second")));
    let answer = Repository::open(place(), &right).await;
    assert!(matches!(answer, Err(BackupError::NoRepository { .. })), "{answer:?}");
    let repository = Repository::init(place(), &right).await.unwrap();
    let answer = Repository::open(place(), &second).await;
    assert!(matches!(answer, Err(BackupError::WrongPassphrase { .. })), "{answer:?}");
    repository.add_passphrase(&second).await.unwrap();
    assert!(Repository::open(place(), &second).await.unwrap().snapshots().await.unwrap().is_empty());
    let answer = Repository::init(place(), &right).await;
    assert!(matches!(answer, Err(BackupError::RepositoryExists { .. })), "{answer:?}");
    let others = folder.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("letter.txt"), "mine").unwrap();
    let answer = Repository::init(Location::folder(others), &right).await;
    assert!(matches!(answer, Err(BackupError::BadLocation { .. })), "{answer:?}");
}
