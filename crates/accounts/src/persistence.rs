//! Reading the records, and changing them durably, memory following.
//!
//! A change is computed from the records it read, and its batch expects them unchanged: where another node was
//! faster, it is computed again. Commit and update of memory run in a task of their own, so that a caller who
//! goes away in between cannot leave memory behind what is stored.

use std::{
    ops::ControlFlow,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use postrider_engine::{Batch, Direction, Engine, EngineError, KeyRange};
use tokio::sync::Mutex;

use crate::{
    AccountId, AccountsError,
    directory::{Change, Directory},
    keys,
    record::{self, AccountRecord, AliasRecord, IdRecord, SecretRecord, VERSION},
};

/// How often a change is computed again when another writer is faster.
const TRIES_MAX: usize = 16;

/// The records and the directory that mirrors them.
pub(crate) struct Records {
    engine: Arc<dyn Engine>,
    directory: Arc<RwLock<Directory>>,
    /// Held while something is changed, so that this node's changes come one after another.
    changing: Arc<Mutex<()>>,
}

/// The values of the keys that a change was to be computed from, in their order.
pub(crate) type Values = Vec<Option<Vec<u8>>>;

impl Records {
    /// Reads everything.
    pub(crate) async fn open(engine: Arc<dyn Engine>) -> Result<Self, AccountsError> {
        let mut directory = Directory::default();
        for (key, value) in scan(&*engine, &keys::accounts()).await? {
            let what = "an account";
            let id: [u8; 4] = keys::suffix(&key)
                .try_into()
                .map_err(|_| AccountsError::Damaged { what: what.into(), reason: "the length of its key".into() })?;
            let record: AccountRecord = record::decode(what, &value)?;
            directory.apply(Change::PutAccount(AccountId(u32::from_be_bytes(id)), record));
        }
        for (key, value) in scan(&*engine, &keys::aliases()).await? {
            let alias = String::from_utf8_lossy(keys::suffix(&key)).into_owned();
            let record: AliasRecord = record::decode(&alias, &value)?;
            directory.apply(Change::PutAlias(alias, record.targets));
        }
        Ok(Self { engine, directory: Arc::new(RwLock::new(directory)), changing: Arc::default() })
    }

    /// The directory, for a short look: never held across an await.
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        // A panic cannot leave the directory half changed in a way that matters more than serving it.
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret of this store, made at first use.
    pub(crate) async fn secret(&self) -> Result<[u8; 32], AccountsError> {
        let what = "the secret";
        for _ in 0..TRIES_MAX {
            if let Some(value) = get(&*self.engine, &[keys::secret()]).await?.into_iter().flatten().next() {
                return Ok(record::decode::<SecretRecord>(what, &value)?.secret);
            }
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|error| AccountsError::Random(error.to_string()))?;
            let mut batch = Batch::new();
            batch.expect(keys::secret(), None);
            batch.put(keys::secret(), record::encode(what, &SecretRecord { version: VERSION, secret })?);
            match self.engine.commit(batch).await {
                Ok(()) | Err(EngineError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Conflict.into())
    }

    /// Changes records. `keys` makes the keys that the change depends on, `plan` the changes and the answer from
    /// their values; both may be called several times.
    pub(crate) async fn change<T>(
        &self,
        keys: impl Fn(&Directory) -> Result<Vec<Vec<u8>>, AccountsError>,
        plan: impl Fn(&Directory, &Values) -> Result<(Vec<Change>, T), AccountsError>,
    ) -> Result<T, AccountsError> {
        let mut changing = Arc::clone(&self.changing).lock_owned().await;
        for _ in 0..TRIES_MAX {
            let keys = keys(&self.directory())?;
            let values = get(&*self.engine, &keys).await?;
            let (changes, answer) = plan(&self.directory(), &values)?;
            let mut batch = Batch::new();
            keys.into_iter().zip(values).for_each(|(key, value)| batch.expect(key, value));
            changes.iter().try_for_each(|change| write(&mut batch, change))?;
            let (engine, directory) = (Arc::clone(&self.engine), Arc::clone(&self.directory));
            let committed = tokio::spawn(async move {
                let result = engine.commit(batch).await;
                if result.is_ok() {
                    let mut directory = directory.write().unwrap_or_else(PoisonError::into_inner);
                    changes.into_iter().for_each(|change| directory.apply(change));
                }
                (changing, result)
            });
            let (returned, result) = committed.await.map_err(|_| AccountsError::Interrupted)?;
            match result {
                Ok(()) => return Ok(answer),
                Err(EngineError::Conflict) => changing = returned,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Conflict.into())
    }
}

/// Adds a change's records to a batch.
fn write(batch: &mut Batch, change: &Change) -> Result<(), AccountsError> {
    match change {
        Change::Counter(next) => {
            batch.put(keys::counter(), record::encode("the counter", &IdRecord { version: VERSION, id: next.0 })?);
        }
        Change::PutAccount(id, account) => {
            let address = IdRecord { version: VERSION, id: id.0 };
            batch.put(keys::address(&account.address), record::encode(&account.address, &address)?);
            batch.put(keys::account(*id), record::encode(&account.address, account)?);
        }
        Change::RemoveAccount(id, address) => {
            batch.delete(keys::address(address));
            batch.delete(keys::account(*id));
        }
        Change::PutAlias(alias, targets) => {
            let record = AliasRecord { version: VERSION, targets: targets.clone() };
            batch.put(keys::alias(alias), record::encode(alias, &record)?);
        }
        Change::RemoveAlias(alias) => batch.delete(keys::alias(alias)),
    }
    Ok(())
}

async fn get(engine: &dyn Engine, keys: &[Vec<u8>]) -> Result<Values, EngineError> {
    let mut values = Vec::with_capacity(keys.len());
    let mut visit = |_: usize, value: Option<&[u8]>| {
        values.push(value.map(<[u8]>::to_vec));
        ControlFlow::Continue(())
    };
    engine.get(keys, &mut visit).await?;
    Ok(values)
}

async fn scan(engine: &dyn Engine, range: &KeyRange) -> Result<Vec<(Vec<u8>, Vec<u8>)>, EngineError> {
    let mut records = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        records.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.scan(range, Direction::Forward, &mut visit).await?;
    Ok(records)
}
