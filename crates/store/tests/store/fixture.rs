//! A store in memory with one account and a clock that tests set.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use postrider_engine::{Direction, Engine, KeyRange, Read, memory::MemoryEngine};
use postrider_store::{
    Account, AccountId, BlobId, Counts, EmailId, Entry, Flag, FlagBits, FlagMode, Mailbox, MailboxId, Now, SpecialUses,
    Store, StoreError, StoreFlags, StoreOptions, StoredFlags, Uid, UidSet,
};

/// The account of the tests.
pub const ACCOUNT: AccountId = AccountId(7);

/// Where the clock stands at first.
pub const NOON: i64 = 1_700_000_000;

/// Bodies and records of an account's blobs (`keys.rs` has the layout).
pub const BLOB: u8 = 0x21;
/// The index of hashes.
pub const BLOB_BY_HASH: u8 = 0x22;
/// Derived answers.
pub const DERIVED: u8 = 0x23;

pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOON)))
    }

    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }

    pub fn now(&self) -> Now {
        let hand = Arc::clone(&self.0);
        Arc::new(move || hand.load(Ordering::Relaxed))
    }
}

pub struct World {
    pub memory: Arc<MemoryEngine>,
    pub clock: Clock,
    pub store: Arc<Store>,
    pub account: Arc<Account>,
}

impl World {
    /// One that lets expunged messages go at once.
    pub async fn new() -> Self {
        Self::with(StoreOptions { expunged_kept_seconds: 0, ..StoreOptions::default() }).await
    }

    pub async fn with(options: StoreOptions) -> Self {
        let (memory, clock) = (Arc::new(MemoryEngine::new()), Clock::new());
        let store = Store::open(memory.clone(), options, clock.now()).await.unwrap();
        store.create_account(ACCOUNT).await.unwrap();
        let account = store.account(ACCOUNT).await.unwrap();
        Self { memory, clock, store, account }
    }

    /// The id of a mailbox.
    pub fn id(&self, name: &str) -> MailboxId {
        self.account.state().find(name).unwrap_or_else(|| panic!("{name} is there")).id
    }

    /// A mailbox with its messages.
    pub async fn mailbox(&self, name: &str) -> Arc<Mailbox> {
        self.account.mailbox(self.id(name)).await.unwrap()
    }

    pub async fn create(&self, name: &str) -> MailboxId {
        self.account.create_mailbox(name, SpecialUses::NONE).await.unwrap()
    }

    /// Appends one message; answers its UID.
    pub async fn deliver(&self, name: &str, raw: &str, flags: &[Flag]) -> Uid {
        let message = self.account.prepare(Bytes::from(raw.to_owned()), flags.to_vec(), NOON).await;
        let appended = self.account.append(self.id(name), vec![message]).await.unwrap();
        appended.uids.iter().next().unwrap()
    }

    /// Appends `count` messages that all differ.
    pub async fn fill(&self, name: &str, count: u32) {
        for number in 0..count {
            self.deliver(name, &letter(&format!("{name} {number}"), "text"), &[]).await;
        }
    }

    pub async fn entry(&self, name: &str, uid: Uid) -> Entry {
        *self.mailbox(name).await.messages().unwrap().find(uid).unwrap().1
    }

    /// The flags of every message, in order.
    pub async fn flags(&self, name: &str) -> Vec<Vec<Flag>> {
        let mailbox = self.mailbox(name).await;
        mailbox.messages().unwrap().iter().map(|entry| mailbox.record.keywords.flags(entry.flags)).collect()
    }

    pub async fn uids(&self, name: &str) -> Vec<u32> {
        self.mailbox(name).await.messages().unwrap().iter().map(|entry| entry.uid.0).collect()
    }

    pub fn names(&self) -> Vec<String> {
        self.account.state().mailboxes().map(|mailbox| mailbox.record.name.clone()).collect()
    }

    pub async fn set_flags(&self, name: &str, uids: &[u32], mode: FlagMode, flags: &[Flag]) -> StoredFlags {
        let wish = self.wish(name, uids, mode, flags);
        self.account.store_flags(wish).await.unwrap()
    }

    pub fn wish(&self, name: &str, uids: &[u32], mode: FlagMode, flags: &[Flag]) -> StoreFlags {
        StoreFlags { mailbox: self.id(name), uids: set(uids), mode, flags: flags.to_vec(), unchanged_since: None }
    }

    pub async fn emails(&self, ids: &[EmailId]) -> Vec<Option<postrider_store::EmailRecord>> {
        self.account.emails(ids).await.unwrap()
    }

    /// How many records of a table the account has.
    pub async fn rows(&self, table: u8) -> usize {
        rows(&*self.memory, ACCOUNT, table).await.len()
    }

    /// How many bodies the account has.
    pub async fn bodies(&self) -> usize {
        let mut count = 0;
        let everything = KeyRange::prefix(ACCOUNT.0.to_be_bytes());
        self.memory
            .scan_bodies(&everything, &mut |_, _| {
                count += 1;
                ControlFlow::Continue(())
            })
            .await
            .unwrap();
        count
    }

    pub async fn has_derived(&self, blob: BlobId) -> bool {
        let mut has = false;
        self.account
            .derived(&[blob], &mut |_, value| {
                has = value.is_some();
                ControlFlow::Continue(())
            })
            .await
            .unwrap();
        has
    }

    /// Batches that the engine has taken so far.
    pub async fn batches(&self) -> u64 {
        self.memory.statistics().await.unwrap().batches
    }

    /// What every test may end with: counters are what a recount says, and every record agrees with every other.
    pub async fn assert_whole(&self) {
        assert_counted(&self.account).await;
        assert_eq!(self.store.verify(|_| ()).await.unwrap().findings, Vec::<String>::new());
    }
}

/// Every mailbox counts its messages rightly, loaded or not.
pub async fn assert_counted(account: &Account) {
    let ids: Vec<MailboxId> = account.state().mailboxes().map(|mailbox| mailbox.id).collect();
    for id in ids {
        let mailbox = account.mailbox(id).await.unwrap();
        let mut counts = Counts::default();
        for entry in mailbox.messages().unwrap().iter() {
            counts.messages += 1;
            counts.unseen += u32::from(!entry.flags.contains(FlagBits::SEEN));
            counts.deleted += u32::from(entry.flags.contains(FlagBits::DELETED));
            counts.bytes += u64::from(entry.size);
        }
        assert_eq!(mailbox.record.counts, counts, "{}", mailbox.record.name);
        assert_eq!(mailbox.messages().unwrap().len(), counts.messages, "{}", mailbox.record.name);
    }
}

/// The records of one table of an account.
pub async fn rows(engine: &dyn Engine, account: AccountId, table: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut prefix = account.0.to_be_bytes().to_vec();
    prefix.push(table);
    let mut found = Vec::new();
    engine
        .scan(&KeyRange::prefix(prefix), Direction::Forward, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    found
}

pub fn set(uids: &[u32]) -> UidSet {
    uids.iter().copied().map(Uid).collect()
}

pub fn keyword(name: &str) -> Flag {
    Flag::Keyword(name.to_owned())
}

/// A message whose Message-ID is made of its subject.
pub fn letter(subject: &str, text: &str) -> String {
    let id = subject.replace(' ', ".");
    format!("From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{id}@example.org>\r\n\r\n{text}\r\n")
}

/// Lets every other task run until it waits for something.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The error of an answer that must be one.
pub fn refusal<T>(answer: Result<T, StoreError>) -> String {
    match answer {
        Ok(_) => panic!("it should have been refused"),
        Err(error) => error.to_string(),
    }
}
