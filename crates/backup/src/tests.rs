//! A small store, saved and brought back. Keys are made without a passphrase but where it is about passphrases: deriving one
//! takes a good part of a second by design.

mod damage;
mod interruption;
mod pruning;
mod rehearsing;
mod restoring;
mod round_trip;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use postrider_engine::memory::MemoryEngine;
use postrider_store::{
    Account, AccountId, ExpungeOnly, Flag, MailboxId, NewMessage, Note, SpecialUse, SpecialUses, Store, StoreOptions,
    Uid,
};
use rustic_core::{Credentials, repofile::MasterKey};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    AccountInfo, BackupError, Location, Observer, Progress, Repository, RunOptions, RunReport, Silent, repository,
};

/// A store with two accounts and a repository to save it in.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) folder: TempDir,
    pub(crate) repository: Repository,
}

pub(crate) const ALICE: &str = "alice@example.org";
pub(crate) const BOB: &str = "bob+list@example.org";

pub(crate) fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

pub(crate) async fn empty_store(clock: &Arc<AtomicI64>) -> (Arc<Store>, Arc<MemoryEngine>) {
    let engine = Arc::new(MemoryEngine::new());
    let clock = Arc::clone(clock);
    let now = Arc::new(move || clock.load(Ordering::Relaxed));
    let options = StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() };
    let store = Store::open(Arc::clone(&engine) as _, options, now).await.unwrap();
    (store, engine)
}

/// A repository in a fresh folder, with a key that no passphrase opens.
pub(crate) fn new_repository() -> (TempDir, Repository) {
    let folder = tempfile::tempdir().unwrap();
    let site = repository::Site::new(Location::folder(folder.path().join("safe")));
    let repository = repository::init(site, &Credentials::Masterkey(MasterKey::new())).unwrap();
    (folder, repository)
}

pub(crate) fn mail(subject: &str, body: &str) -> Vec<u8> {
    let id = blake3::hash(subject.as_bytes()).to_hex();
    format!("From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{id}@x>\r\n\r\n{body}\r\n").into_bytes()
}

pub(crate) async fn append(
    account: &Arc<Account>,
    mailbox: MailboxId,
    raw: &[u8],
    flags: &[Flag],
    received: i64,
) -> Uid {
    let message = account.prepare(Bytes::copy_from_slice(raw), flags.to_vec(), received).await;
    add(account, mailbox, message).await
}

pub(crate) async fn add(account: &Arc<Account>, mailbox: MailboxId, message: NewMessage) -> Uid {
    account.append(mailbox, vec![message]).await.unwrap().uids.iter().next().unwrap()
}

pub(crate) fn id_of(account: &Account, name: &str) -> MailboxId {
    account.state().find(name).unwrap().id
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(1_700_000_000));
        let (store, engine) = empty_store(&clock).await;
        let (folder, repository) = new_repository();
        let world = Self { store, engine, clock, folder, repository };
        world.fill_alice().await;
        world.store.create_account(AccountId(9)).await.unwrap();
        world.tick(1000);
        world
    }

    pub(crate) fn tick(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn alice(&self) -> Arc<Account> {
        self.store.account(AccountId(7)).await.unwrap()
    }

    /// Ordinary mail and all that is odd: copies, nothing, NULs, gaps, names that file systems do not like.
    async fn fill_alice(&self) {
        self.store.create_account(AccountId(7)).await.unwrap();
        let alice = self.alice().await;
        let inbox = id_of(&alice, "INBOX");
        let keyword = Flag::Keyword(String::from("$Forwarded"));
        append(&alice, inbox, &mail("first", "hello"), &[Flag::Seen, keyword], 1_600_000_000).await;
        append(&alice, inbox, &mail("gone", "bye"), &[Flag::Deleted], 1_600_000_001).await;
        append(&alice, inbox, &mail("copy", "same"), &[], 1_600_000_002).await;
        append(&alice, inbox, &mail("copy", "same"), &[Flag::Flagged], 1_600_000_002).await;
        append(&alice, inbox, b"", &[], -5).await;
        append(&alice, inbox, b"\0\0binary\0\r\nno end", &[Flag::Answered], i64::MAX / 2).await;
        alice.expunge(inbox, None, ExpungeOnly::Deleted).await.unwrap();
        for (name, uses) in [
            (".hidden/1.eml", SpecialUses::NONE),
            ("Grüße: \"50%\" \\ <x>", SpecialUses::NONE),
            ("Lists/rust/0000000000.messages", SpecialUses::NONE),
            ("%2Emailbox.json", SpecialUses::NONE),
            (&"lang ".repeat(60), SpecialUses::NONE),
        ] {
            let id = alice.create_mailbox(name, uses).await.unwrap();
            append(&alice, id, &mail(name, "odd name"), &[Flag::Seen], 1_650_000_000).await;
        }
        alice.create_mailbox("Parent/Child", SpecialUses::NONE).await.unwrap();
        alice.delete_mailbox(id_of(&alice, "Parent")).await.unwrap();
        let bin = id_of(&alice, "Trash");
        alice.rename_mailbox(bin, "Papierkorb").await.unwrap();
        alice.subscribe("Gone/mailbox", true).await.unwrap();
        let list = id_of(&alice, "Lists");
        let mut messages = Vec::new();
        for number in 0..150 {
            let raw = mail(&format!("list {}", number % 70), "x");
            let mut message = alice.prepare(Bytes::from(raw), vec![], 1_660_000_000 + number).await;
            message.uid = Some(Uid(u32::try_from(number).unwrap() * 20 + 1));
            message.unique_id = (number == 3).then(|| String::from("from-elsewhere"));
            messages.push(message);
        }
        alice.append(list, messages).await.unwrap();
        let note = |key: &[u8], value: &[u8]| Note { key: key.to_vec(), value: Some(value.to_vec()) };
        alice.write_notes(vec![note(b"pull/\x00\xff", b"1\n2"), note(b"pull/2", b"")]).await.unwrap();
        assert!(alice.state().find_special(SpecialUse::Trash).is_some());
    }

    pub(crate) fn infos(&self) -> Vec<AccountInfo> {
        let credentials = Some(json!({"password": "$argon2id$..."}));
        let info = json!({"aliases": ["a@example.org"], "quota": 5});
        vec![
            AccountInfo { id: AccountId(7), address: ALICE.to_owned(), info, credentials },
            AccountInfo { id: AccountId(9), address: BOB.to_owned(), info: json!(null), credentials: None },
        ]
    }

    pub(crate) async fn try_run(&self, options: RunOptions) -> Result<RunReport, BackupError> {
        let moment = Arc::new(self.store.moment().await.unwrap());
        self.tick(60);
        self.repository.run(moment, self.infos(), options, silent()).await
    }

    pub(crate) async fn run(&self) -> RunReport {
        self.try_run(RunOptions::default()).await.unwrap()
    }

    /// All files of the repository, in order.
    pub(crate) fn files(&self) -> Vec<std::path::PathBuf> {
        let mut waiting = vec![self.folder.path().join("safe")];
        let mut files = Vec::new();
        while let Some(path) = waiting.pop() {
            for entry in std::fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true => waiting.push(entry.path()),
                    false => files.push(entry.path()),
                }
            }
        }
        files.sort();
        files
    }
}

/// Remembers what it is told.
#[derive(Default)]
pub(crate) struct Remembering(pub(crate) Mutex<Vec<Progress>>);

impl Observer for Remembering {
    fn progress(&self, progress: Progress) {
        self.0.lock().unwrap().push(progress);
    }

    fn note(&self, _: String) {}
}
