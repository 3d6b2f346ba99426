//! The key-value engine's contract: what the mail store asks of a database, and nothing of mail.
//!
//! An engine keeps two ordered maps from byte keys to bytes: *records*, which are small and many, and
//! *bodies*, which are large, written once and never changed. How and where it keeps them is its own
//! matter. The contract is asynchronous and hands borrowed bytes to visitors, so that a memory-mapped
//! engine answers at once and copies nothing, while a networked engine awaits once for a whole list
//! of keys. It is object-safe: everything above works with `Arc<dyn Engine>` and is generic over nothing.
//!
//! What it deliberately leaves out: transactions that span calls. A writer reads, decides, and commits one
//! [`Batch`]; where another node may write the same keys, the batch carries [`Batch::expect`]ations and the
//! loser retries. This maps to one statement pipeline on a networked database and to one LMDB
//! transaction here, and nobody can hold a transaction open across a slow client.
//!
//! [`memory`] is the model every engine is compared with, [`conformance`] the suite that all must pass.

pub mod conformance;
pub mod memory;

use std::{future::Future, ops::ControlFlow, pin::Pin};

use bytes::Bytes;

/// A boxed future, as an object-safe asynchronous trait needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The longest key, in bytes, that every engine accepts.
pub const KEY_BYTES_MAX: usize = 500;

/// Called with the position of a key in the list that was asked for, and its value if there is one.
pub type ValueVisitor<'a> = dyn FnMut(usize, Option<&[u8]>) -> ControlFlow<()> + Send + 'a;

/// Called with each key and value of a range, in order.
pub type RecordVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + Send + 'a;

/// A half-open range of keys, `start` inside and `end` outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be inside.
    pub start: Vec<u8>,
    /// The first key beyond; `None` is the end of the map.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// All keys from `start` up to, not including, `end`.
    pub fn new(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return Self { start, end: Some(end) };
            }
        }
        Self { start, end: None }
    }

    /// Every key there is.
    pub fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// Whether `key` lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }
}

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// A wanted piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyRange {
    /// The body's key.
    pub key: Vec<u8>,
    /// Where the piece begins, in bytes; at or past the end of the body the piece is empty.
    pub offset: u64,
    /// The length wanted, in bytes; cut at the end of the body.
    pub length: u64,
}

impl BodyRange {
    /// The whole body.
    pub fn whole(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), offset: 0, length: u64::MAX }
    }
}

/// Why an engine could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// An expectation of the batch did not hold; nothing of it was written. Read again and retry.
    #[error("another writer changed the same records first")]
    Conflict,
    /// A key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a key of {0} bytes is outside the engine's bounds")]
    KeyLength(usize),
    /// What is stored does not match its checksum or its own structure.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// No room is left on the device or in the map; what was acknowledged before stands.
    #[error("no room left: {0}")]
    Full(String),
    /// Another process has the store open.
    #[error("{0}")]
    InUse(String),
    /// The engine was closed, or its writer ended after an earlier failure.
    #[error("the engine is closed")]
    Closed,
    /// The system below failed.
    #[error("the storage below failed: {0}")]
    Io(String),
}

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordWrite {
    /// Sets the value of a key.
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key; a key that is not there is no error.
    Delete(Vec<u8>),
    /// Removes every key of a range.
    DeleteRange(KeyRange),
}

/// One change of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyWrite {
    /// Stores a body. A key that holds one already keeps its first content: bodies never change.
    Put(Vec<u8>, Bytes),
    /// Removes a body; a key that is not there is no error.
    Delete(Vec<u8>),
    /// Removes every body of a range.
    DeleteRange(KeyRange),
}

/// Changes that become durable together or not at all. Records and bodies are applied each in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys with the values they must have before the batch is applied (`None`: must not exist).
    pub expectations: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Changes of records.
    pub records: Vec<RecordWrite>,
    /// Changes of bodies.
    pub bodies: Vec<BodyWrite>,
}

impl Batch {
    /// A batch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.bodies.is_empty()
    }

    /// Makes the commit fail with [`EngineError::Conflict`] unless `key` has this value.
    pub fn expect(&mut self, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) {
        self.expectations.push((key.into(), value));
    }

    /// Sets a record.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.records.push(RecordWrite::Put(key.into(), value.into()));
    }

    /// Removes a record.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.records.push(RecordWrite::Delete(key.into()));
    }

    /// Removes a range of records.
    pub fn delete_range(&mut self, range: KeyRange) {
        self.records.push(RecordWrite::DeleteRange(range));
    }

    /// Stores a body.
    pub fn put_body(&mut self, key: impl Into<Vec<u8>>, body: Bytes) {
        self.bodies.push(BodyWrite::Put(key.into(), body));
    }

    /// Removes a body.
    pub fn delete_body(&mut self, key: impl Into<Vec<u8>>) {
        self.bodies.push(BodyWrite::Delete(key.into()));
    }
}

/// Reading, from the newest committed state or from a snapshot.
///
/// Every call sees one committed state; two calls on an [`Engine`] may see two. Visitors run inside the
/// engine's read transaction: they copy out what they need, never wait, and never call the engine. A visitor
/// that returns [`ControlFlow::Break`] ends the call, which then is a success.
pub trait Read: Send + Sync {
    /// Looks up many records in one go; `visit` is called once for each key, in the order of `keys`.
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Walks the records of a range.
    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Reads pieces of bodies; `visit` is called once for each, in order. A whole body that was asked for is
    /// checked against its checksum and reported as [`EngineError::Damaged`] if it fails.
    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Walks the keys and lengths of the bodies of a range, without reading them.
    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>>;
}

/// Figures for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineStatistics {
    /// Bytes on the device, all files together.
    pub bytes_on_disk: u64,
    /// Bytes of bodies that no key names any more and that compaction may win back.
    pub bytes_dead: u64,
    /// How long the oldest read snapshot has been open, in milliseconds; old ones make files grow.
    pub oldest_reader_milliseconds: u64,
    /// Commits so far; several batches share one.
    pub commits: u64,
    /// Batches so far.
    pub batches: u64,
}

/// A store of records and bodies.
///
/// # Durability
/// When [`Engine::commit`] answers `Ok`, the batch is on stable storage: it survives `kill -9` and loss of
/// power. A batch that was not acknowledged may be there or not after a crash, but never in part. Batches of
/// concurrent callers share one sync.
pub trait Engine: Read {
    /// What the engine is called in messages to people.
    fn name(&self) -> &'static str;

    /// Writes a batch durably. Batches are applied in the order in which `commit` was called.
    /// On any error nothing of the batch was written.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), EngineError>>;

    /// One committed state, kept until it is dropped. For short work: an old snapshot keeps space from being reused.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Read>, EngineError>>;

    /// Checks the engine's own structure and every checksum, records and bodies; one line for each fault found.
    fn verify(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>>;

    /// Wins back dead space; safe while the engine is in use, and safe to interrupt.
    fn compact(&self) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Figures for operators.
    fn statistics(&self) -> BoxFuture<'_, Result<EngineStatistics, EngineError>>;
}
