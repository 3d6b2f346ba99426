//! Runs that fail or are stopped leave what was there before, and nothing that looks like a snapshot.

use std::path::Path;

use bytes::Bytes as LibraryBytes;
use postrider_engine::{Batch, Engine as _};
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::*;
use crate::{Cancel, VerifyOptions, repository::Site};

/// A storage that fails from its n-th change on.
pub(crate) struct Failing {
    inner: Arc<dyn WriteBackend>,
    left: Arc<AtomicI64>,
}

impl Failing {
    fn may_go_on(&self) -> RusticResult<()> {
        match self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            true => Ok(()),
            false => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(RusticError::with_source(ErrorKind::InputOutput, "the storage fails", full))
            }
        }
    }
}

impl ReadBackend for Failing {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.inner.list_with_size(kind)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<LibraryBytes> {
        self.inner.read_full(kind, id)
    }

    fn read_partial(&self, kind: FileType, id: &Id, cache: bool, from: u32, length: u32) -> RusticResult<LibraryBytes> {
        self.inner.read_partial(kind, id, cache, from, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }
}

impl WriteBackend for Failing {
    fn create(&self) -> RusticResult<()> {
        self.inner.create()
    }

    fn write_bytes(&self, kind: FileType, id: &Id, cache: bool, content: BytesList) -> RusticResult<()> {
        self.may_go_on()?;
        self.inner.write_bytes(kind, id, cache, content)
    }

    fn remove(&self, kind: FileType, id: &Id, cache: bool) -> RusticResult<()> {
        self.may_go_on()?;
        self.inner.remove(kind, id, cache)
    }
}

/// A repository whose storage fails when the number has been counted down, and which is otherwise as any.
pub(crate) fn failing_repository(folder: &Path) -> (Repository, Arc<AtomicI64>) {
    let left = Arc::new(AtomicI64::new(i64::MAX / 2));
    let site = failing_site(folder, &left);
    let repository = repository::init(site, &Credentials::Masterkey(MasterKey::new())).unwrap();
    (repository, left)
}

fn failing_site(folder: &Path, left: &Arc<AtomicI64>) -> Site {
    let counted = Arc::clone(left);
    let site = Site::new(Location::folder(folder));
    let storage = Arc::clone(&site.storage);
    let storage = move || {
        let inner = storage()?;
        Ok(Arc::new(Failing { inner, left: Arc::clone(&counted) }) as Arc<dyn WriteBackend>)
    };
    Site { storage: Arc::new(storage), ..site }
}

#[test]
fn a_repository_that_cannot_be_made_leaves_nothing_and_can_be_made_later() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("safe");
    for was_there in [false, true] {
        // The key is written, the configuration is not.
        let site = failing_site(&folder, &Arc::new(AtomicI64::new(1)));
        let answer = repository::init(site, &Credentials::password("secret"));
        assert!(matches!(answer, Err(BackupError::NoSpace { .. })), "{answer:?}");
        assert_eq!(folder.exists(), was_there);
        assert!(!was_there || std::fs::read_dir(&folder).unwrap().next().is_none());
        std::fs::create_dir_all(&folder).unwrap();
    }
    let (_, left) = failing_repository(&folder);
    left.store(0, Ordering::Relaxed);
    let again = repository::init(failing_site(&folder, &left), &Credentials::Masterkey(MasterKey::new()));
    assert!(matches!(again, Err(BackupError::RepositoryExists { .. })), "{again:?}");
    assert!(folder.join("config").exists());
}

#[test]
fn a_repository_whose_making_was_killed_is_made_by_the_next_try() {
    let place = tempfile::tempdir().unwrap();
    let stale = place.path().join("keys").join("0123456789abcdef".repeat(4));
    for folder in ["data/00", "index", "keys", "snapshots"] {
        std::fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    std::fs::write(&stale, "{}").unwrap();
    let site = || Site::new(Location::folder(place.path()));
    let file = place.path().join("data/00/somebodys");
    std::fs::write(&file, "").unwrap();
    let credentials = Credentials::Masterkey(MasterKey::new());
    let refused = repository::init(site(), &credentials);
    assert!(matches!(refused, Err(BackupError::BadLocation { .. })) && stale.exists(), "{refused:?}");
    std::fs::remove_file(file).unwrap();
    let other = std::fs::File::open(place.path()).unwrap();
    other.lock().unwrap();
    assert!(matches!(repository::init(site(), &credentials), Err(BackupError::Busy { .. })));
    drop(other);
    repository::init(site(), &credentials).unwrap();
    assert!(!stale.exists(), "a key that does not fit is in the way");
    repository::open(site(), &credentials).unwrap();
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_named_and_there_is_no_snapshot() {
    let world = World::new().await;
    let first = world.run().await.snapshot;
    let alice = world.alice().await;
    let (inbox, raw) = (id_of(&alice, "INBOX"), mail("damaged", "x"));
    let uid = append(&alice, inbox, &raw, &[], 1).await;
    let blob = alice.mailbox(inbox).await.unwrap().messages().unwrap().find(uid).unwrap().1.blob;
    let key = [&7_u32.to_be_bytes()[..], &[0x21], &blob.0.to_be_bytes()].concat();
    for damage in [Some(vec![b'x'; raw.len()]), None] {
        let mut batch = Batch::new();
        batch.delete_body(key.clone());
        if let Some(bytes) = damage {
            batch.put_body(key.clone(), Bytes::from(bytes));
        }
        world.engine.commit(batch).await.unwrap();
        let answer = world.try_run(RunOptions::default()).await;
        let Err(BackupError::Source { place, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!((place.mailbox.as_deref(), place.uid), (Some("INBOX"), Some(uid)));
        let left: Vec<_> = world.repository.snapshots().await.unwrap().into_iter().map(|info| info.id).collect();
        assert_eq!(left, std::slice::from_ref(&first));
    }
    let report = world.repository.verify(&[], VerifyOptions::default(), silent()).await.unwrap();
    assert_eq!(report.findings, []);
    alice.expunge(inbox, Some([uid].into_iter().collect()), ExpungeOnly::Named).await.unwrap();
    world.run().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_makes_no_snapshot() {
    let world = World::new().await;
    let cancel = Cancel::default();
    cancel.cancel();
    let answer = world.try_run(RunOptions { cancel, ..RunOptions::default() }).await;
    assert!(matches!(answer, Err(BackupError::Cancelled)), "{answer:?}");
    assert_eq!(world.repository.snapshots().await.unwrap(), []);
}

#[tokio::test]
async fn wherever_the_storage_fails_there_is_no_snapshot_and_the_next_run_succeeds() {
    let mut world = World::new().await;
    let (repository, left) = failing_repository(&world.folder.path().join("failing"));
    world.repository = repository;
    for changes in 0.. {
        left.store(changes, Ordering::Relaxed);
        match world.try_run(RunOptions::default()).await {
            Err(BackupError::NoSpace { .. }) => {
                assert_eq!(world.repository.snapshots().await.unwrap(), [], "after {changes} changes");
            }
            Ok(_) if changes > 2 => break,
            other => panic!("after {changes} changes: {other:?}"),
        }
    }
    left.store(i64::MAX / 2, Ordering::Relaxed);
    let report = world.repository.verify(&[], VerifyOptions::default(), silent()).await.unwrap();
    assert_eq!((report.findings, report.snapshots), (vec![], 1));
}

#[tokio::test]
async fn while_one_writes_another_is_told_so() {
    let world = World::new().await;
    let writing = world.repository.inner.begin_writing().unwrap();
    let answer = world.try_run(RunOptions::default()).await;
    assert!(matches!(answer, Err(BackupError::Busy { .. })), "{answer:?}");
    // Another process has another handle.
    drop(writing);
    let config = std::fs::File::open(world.folder.path().join("safe/config")).unwrap();
    config.lock().unwrap();
    let answer = world.try_run(RunOptions::default()).await;
    assert!(matches!(answer, Err(BackupError::Busy { .. })), "{answer:?}");
    config.unlock().unwrap();
    world.run().await;
}
