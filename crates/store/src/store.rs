//! All accounts' mail over one engine.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use postrider_engine::{Batch, Direction, Engine, EngineError, KeyRange, Read};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    account::Account,
    change::{Change, mailbox::CreateMailbox},
    digest::DigestBudget,
    draft::{Draft, due_through},
    error::StoreError,
    identifier::AccountId,
    keys,
    load::load_account,
    options::StoreOptions,
    read::Records,
    record::AccountRecord,
    special_use::{SpecialUse, SpecialUses},
    state::{AccountState, INBOX},
    text_order::TextOrders,
    writer::{Published, Writer},
};

/// The format of the store that this program writes.
const FORMAT: u8 = 4;

/// The format before that: mailboxes had no directories. They get one each when they are used ([`crate::directory`]); only the
/// programs of that time must not write to the store any more.
const FORMAT_WITHOUT_DIRECTORIES: u8 = 3;

/// Whose key range is the system's own, and nobody's account.
const SYSTEM: AccountId = AccountId(0);

/// Tells the wall-clock time, seconds since 1970 (UTC).
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of the machine.
pub fn system_now() -> Now {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64))
}

/// All accounts' mail. There is one per engine.
pub struct Store {
    engine: Arc<dyn Engine>,
    options: Arc<StoreOptions>,
    now: Now,
    slots: Mutex<HashMap<AccountId, Arc<Slot>>>,
    resident: Mutex<VecDeque<Arc<Account>>>,
    digests: Arc<DigestBudget>,
}

/// Sees to it that an account has one writer at a time.
#[derive(Default)]
struct Slot {
    current: tokio::sync::Mutex<Current>,
}

#[derive(Default)]
struct Current {
    account: Weak<Account>,
    /// The writer's task, which may still be at work after the last session left.
    writer: Option<JoinHandle<()>>,
}

/// Whether an account that is read from the engine stays in memory when it is not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Residence {
    /// For a while.
    Kept,
    /// No: it makes no other account leave.
    Brief,
}

impl Store {
    /// Opens the store that lies in `engine`; an empty engine becomes a store without accounts.
    ///
    /// # Errors
    /// [`StoreError::Format`] if another version of this program wrote it.
    pub async fn open(engine: Arc<dyn Engine>, options: StoreOptions, now: Now) -> Result<Arc<Self>, StoreError> {
        let mut found = None;
        engine
            .get(&[keys::format()], &mut |_, value| {
                found = value.and_then(|value| value.first().copied());
                std::ops::ControlFlow::Continue(())
            })
            .await?;
        match found {
            Some(FORMAT) => {}
            Some(FORMAT_WITHOUT_DIRECTORIES) | None => {
                let mut batch = Batch::new();
                batch.put(keys::format(), [FORMAT]);
                engine.commit(batch).await?;
            }
            Some(found) => return Err(StoreError::Format { found, known: FORMAT }),
        }
        let (slots, resident) = (Mutex::default(), Mutex::default());
        let digests = DigestBudget::new(options.digest_bytes_max);
        Ok(Arc::new(Self { engine, options: Arc::new(options), now, slots, resident, digests }))
    }

    /// The store's bounds.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// The engine below.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The present time by the store's clock, seconds since 1970 (UTC).
    pub fn now(&self) -> i64 {
        (self.now)()
    }

    /// Makes room for an account's mail: INBOX, and folders for drafts, sent, thrown-away, unwanted and archived messages.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`] if it has mail here already.
    pub async fn create_account(&self, id: AccountId) -> Result<(), StoreError> {
        if id == SYSTEM {
            return Err(StoreError::AccountExists(id));
        }
        let state = AccountState::new(id, AccountRecord::new());
        let mut draft = Draft::new(Arc::clone(&self.engine), Arc::clone(&self.options), state, None, self.now());
        let first = [
            (INBOX, SpecialUses::NONE),
            ("Archive", SpecialUse::Archive.into()),
            ("Drafts", SpecialUse::Drafts.into()),
            ("Junk", SpecialUse::Junk.into()),
            ("Sent", SpecialUse::Sent.into()),
            ("Trash", SpecialUse::Trash.into()),
        ];
        for (name, special_use) in first {
            CreateMailbox { name: name.to_owned(), special_use, subscribe: true }.apply(&mut draft).await?;
        }
        let (_, batch) = draft.finish().await?;
        match self.engine.commit(batch).await {
            Err(EngineError::Conflict) => Err(StoreError::AccountExists(id)),
            other => Ok(other?),
        }
    }

    /// Removes an account's mail, all of it, for good. Sessions that are still in it find it closed.
    pub async fn delete_account(&self, id: AccountId) -> Result<(), StoreError> {
        if id == SYSTEM {
            return Err(StoreError::NoAccount(id));
        }
        let slot = self.slot(id);
        let mut current = slot.current.lock().await;
        lock(&self.resident).retain(|account| account.id != id);
        current.account = Weak::new();
        if let Some(writer) = &current.writer {
            writer.abort();
        }
        current.writer_ended().await;
        let mut batch = Batch::new();
        batch.delete_range(keys::account_range(id));
        batch.bodies.push(postrider_engine::BodyWrite::DeleteRange(keys::account_range(id)));
        self.engine.commit(batch).await?;
        Ok(())
    }

    /// The account, its writer started if nobody used it just now.
    pub async fn account(&self, id: AccountId) -> Result<Arc<Account>, StoreError> {
        self.use_account(id, Residence::Kept).await
    }

    /// Lets go what was expunged and kept for long enough, in all accounts, in use or not; in steps, so that others have their
    /// turn. Answers how many messages that were.
    pub async fn sweep_expunged(&self) -> Result<u64, StoreError> {
        let mut messages = 0;
        for id in self.accounts().await? {
            match self.sweep_account(id).await {
                Ok(swept) => messages += swept,
                // It was removed meanwhile.
                Err(StoreError::NoAccount(_) | StoreError::Closed) => {}
                Err(error) => tracing::warn!(account = id.0, %error, "expunged messages could not be let go"),
            }
            tokio::task::yield_now().await;
        }
        Ok(messages)
    }

    async fn sweep_account(&self, id: AccountId) -> Result<u64, StoreError> {
        let through = due_through(self.now(), self.options.expunged_kept_seconds);
        let records = Records { read: &*self.engine, account: id };
        if !records.has_expunged_through(through).await? {
            return Ok(0);
        }
        let account = self.use_account(id, Residence::Brief).await?;
        let mut messages = 0;
        loop {
            let swept = account.sweep_expunged().await?;
            messages += swept.messages;
            if !swept.has_more {
                return Ok(messages);
            }
        }
    }

    async fn use_account(&self, id: AccountId, residence: Residence) -> Result<Arc<Account>, StoreError> {
        let slot = self.slot(id);
        let mut current = slot.current.lock().await;
        // A writer that ended although there are sessions has failed; who comes now gets a fresh one.
        let failed = current.writer.as_ref().is_some_and(JoinHandle::is_finished);
        if let Some(account) = current.account.upgrade().filter(|_| !failed) {
            return Ok(account);
        }
        // A writer that has lost its last session still finishes what it was given; two at a time there must never be.
        current.writer_ended().await;
        let state = load_account(&*self.engine, id).await?;
        let published = Arc::new(Published {
            modseq: watch::Sender::new(state.record.modseq.0),
            state: ArcSwap::from_pointee(state.clone()),
        });
        let writer = Writer {
            engine: Arc::clone(&self.engine),
            options: Arc::clone(&self.options),
            now: Arc::clone(&self.now),
            published: Arc::downgrade(&published),
            state,
        };
        let (writer, task) = writer.start();
        let (engine, options) = (Arc::clone(&self.engine), Arc::clone(&self.options));
        let digests = Arc::clone(&self.digests);
        let account =
            Arc::new(Account { id, engine, options, published, writer, digests, orders: TextOrders::default() });
        current.account = Arc::downgrade(&account);
        current.writer = Some(task);
        if residence == Residence::Kept {
            self.keep_resident(&account);
        }
        Ok(account)
    }

    /// Every account that has mail here.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, StoreError> {
        let ranges = account_ranges(&*self.engine).await?;
        Ok(ranges.into_iter().filter(|(_, has_record)| *has_record).map(|(id, _)| id).collect())
    }

    fn slot(&self, id: AccountId) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        // Slots nobody uses are cleared away now and then, so that a million accounts seen once leave nothing behind.
        if slots.len() > self.options.accounts_resident_max.saturating_mul(4).max(64) {
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.current.try_lock().is_ok_and(|current| current.in_use())
            });
        }
        Arc::clone(slots.entry(id).or_default())
    }

    /// Keeps the latest accounts in memory for a while after their last session.
    fn keep_resident(&self, account: &Arc<Account>) {
        let mut resident = lock(&self.resident);
        resident.push_back(Arc::clone(account));
        while resident.len() > self.options.accounts_resident_max {
            resident.pop_front();
        }
    }
}

impl Current {
    /// Waits until there is no writer. It stays here meanwhile: a caller that gives up waiting must not take it along.
    async fn writer_ended(&mut self) {
        if let Some(writer) = &mut self.writer {
            let _ = writer.await;
        }
        self.writer = None;
    }

    fn in_use(&self) -> bool {
        self.account.strong_count() > 0 || self.writer.as_ref().is_some_and(|writer| !writer.is_finished())
    }
}

/// Every account of which there are records, and whether its own record, the first of its range, is among them.
pub(crate) async fn account_ranges<R: Read + ?Sized>(read: &R) -> Result<Vec<(AccountId, bool)>, StoreError> {
    let mut accounts = Vec::new();
    let mut from = AccountId(SYSTEM.0 + 1);
    loop {
        // One look per account: from the beginning of each one's range on.
        let mut next = None;
        let range = KeyRange { start: from.0.to_be_bytes().to_vec(), end: None };
        read.scan(&range, Direction::Forward, &mut |key, _| {
            let id = key.first_chunk::<4>().map(|id| AccountId(u32::from_be_bytes(*id)));
            next = id.map(|id| (id, keys::is_account(key).is_some()));
            std::ops::ControlFlow::Break(())
        })
        .await?;
        accounts.extend(next);
        match next.and_then(|(id, _)| id.0.checked_add(1)) {
            Some(following) => from = AccountId(following),
            None => return Ok(accounts),
        }
    }
}

/// The maps behind these locks are whole at every moment, also after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
