//! Reads: a transaction, the visitors called with bytes of the map, nothing awaited.
//!
//! A read that names bodies takes the table of segments that belongs to its transaction ([`View::open`] says how);
//! one that does not, goes without. Large bodies are read from their files with positioned reads, of the pieces
//! asked for.

use std::{
    io,
    ops::{Bound, ControlFlow},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use heed::{RoTxn, WithoutTls};
use postrider_engine::{BodyRange, BoxFuture, Direction, EngineError, KeyRange, Read, RecordVisitor, ValueVisitor};

use crate::{
    Shared,
    error::{from_heed, from_io},
    layout::{self, Location, StoredBody, check_key, unseal},
    segments::SegmentTable,
};

/// The two bounds of a range, as heed takes them.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Called with the key and length of a body.
pub(crate) type LengthVisitor<'a> = dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send + 'a;

/// The range as heed takes it; nothing for a range that holds no key. LMDB does not search for an empty key.
pub(crate) fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let start = match range.start.as_slice() {
        [] => Bound::Unbounded,
        start => Bound::Included(start),
    };
    match &range.end {
        Some(end) if *end <= range.start => None,
        Some(end) => Some((start, Bound::Excluded(end))),
        None => Some((start, Bound::Unbounded)),
    }
}

/// Answers `get` from a transaction.
pub(crate) fn get(
    shared: &Shared,
    txn: &RoTxn<'_, WithoutTls>,
    keys: &[Vec<u8>],
    visit: &mut ValueVisitor<'_>,
) -> Result<(), EngineError> {
    keys.iter().try_for_each(|key| check_key(key))?;
    for (position, key) in keys.iter().enumerate() {
        let stored = shared.environment.databases.records.get(txn, key).map_err(from_heed)?;
        let value = stored.map(|stored| unseal("record", key, stored)).transpose()?;
        if visit(position, value).is_break() {
            break;
        }
    }
    Ok(())
}

/// Answers `scan` from a transaction.
pub(crate) fn scan(
    shared: &Shared,
    txn: &RoTxn<'_, WithoutTls>,
    range: &KeyRange,
    direction: Direction,
    visit: &mut RecordVisitor<'_>,
) -> Result<(), EngineError> {
    let Some(bounds) = bounds(range) else { return Ok(()) };
    let records = shared.environment.databases.records;
    let mut visit = |found: heed::Result<(&[u8], &[u8])>| {
        let (key, stored) = found.map_err(from_heed)?;
        Ok::<_, EngineError>(visit(key, unseal("record", key, stored)?))
    };
    match direction {
        Direction::Forward => {
            for found in records.range(txn, &bounds).map_err(from_heed)? {
                if visit(found)?.is_break() {
                    break;
                }
            }
        }
        Direction::Backward => {
            for found in records.rev_range(txn, &bounds).map_err(from_heed)? {
                if visit(found)?.is_break() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Answers `scan_bodies` from a transaction.
pub(crate) fn scan_bodies(
    shared: &Shared,
    txn: &RoTxn<'_, WithoutTls>,
    range: &KeyRange,
    visit: &mut LengthVisitor<'_>,
) -> Result<(), EngineError> {
    let Some(bounds) = bounds(range) else { return Ok(()) };
    for found in shared.environment.databases.bodies.range(txn, &bounds).map_err(from_heed)? {
        let (key, stored) = found.map_err(from_heed)?;
        if visit(key, StoredBody::length(key, stored)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// Answers `bodies` from a transaction and its table of segments.
pub(crate) fn bodies(
    shared: &Shared,
    txn: &RoTxn<'_, WithoutTls>,
    table: &SegmentTable,
    wanted: &[BodyRange],
    visit: &mut ValueVisitor<'_>,
) -> Result<(), EngineError> {
    wanted.iter().try_for_each(|piece| check_key(&piece.key))?;
    let mut buffer = Vec::new();
    for (position, piece) in wanted.iter().enumerate() {
        let stored = shared.environment.databases.bodies.get(txn, &piece.key).map_err(from_heed)?;
        let found = match stored {
            None => None,
            Some(stored) => match StoredBody::parse(&piece.key, stored)? {
                StoredBody::Inline(content) => {
                    let (start, length) = cut(piece, content.len() as u64);
                    if length == content.len() {
                        layout::check_inline_body(&piece.key, stored)?;
                    }
                    content.get(usize::try_from(start).unwrap_or(usize::MAX)..).and_then(|rest| rest.get(..length))
                }
                StoredBody::Segment(location) => {
                    read_piece(shared, table, piece, location, &mut buffer)?;
                    Some(buffer.as_slice())
                }
            },
        };
        if visit(position, found).is_break() {
            break;
        }
    }
    Ok(())
}

/// Where the wanted piece begins in a body of `length` bytes, and how long it is.
fn cut(piece: &BodyRange, length: u64) -> (u64, usize) {
    let start = piece.offset.min(length);
    (start, usize::try_from(piece.length.min(length - start)).unwrap_or(usize::MAX))
}

/// Reads a piece of a body that lies in a segment; the whole is checked.
fn read_piece(
    shared: &Shared,
    table: &SegmentTable,
    piece: &BodyRange,
    location: Location,
    buffer: &mut Vec<u8>,
) -> Result<(), EngineError> {
    let (start, length) = cut(piece, location.length);
    buffer.resize(length, 0);
    read_at(shared, table, &piece.key, location, start, buffer)?;
    if length as u64 == location.length && layout::checksum(&piece.key, buffer) != location.checksum {
        return Err(layout::damaged("body", &piece.key));
    }
    Ok(())
}

/// Fills `buffer` from the body at `location`, `start` bytes into it.
pub(crate) fn read_at(
    shared: &Shared,
    table: &SegmentTable,
    key: &[u8],
    location: Location,
    start: u64,
    buffer: &mut [u8],
) -> Result<(), EngineError> {
    let file = shared.segments.file(table, location.segment)?;
    file.read_exact_at(buffer, location.offset.saturating_add(start)).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => EngineError::Damaged(format!(
            "segment {} ends within the body \"{}\"",
            location.segment,
            key.escape_ascii()
        )),
        _ => from_io(format_args!("segment {}", location.segment), error),
    })
}

/// A read transaction with the table of segments that it can name.
pub(crate) struct View<'e> {
    /// The transaction.
    pub txn: RoTxn<'e, WithoutTls>,
    /// Its segments.
    pub table: Arc<SegmentTable>,
}

impl<'e> View<'e> {
    /// Opens a transaction, by `begin`, and takes its table.
    ///
    /// A segment is entered before the commit that first names it and taken out after the commit that last did.
    /// So if the table is the same one before and after the transaction began, it has all that this can name.
    pub fn open(shared: &Shared, begin: impl Fn() -> heed::Result<RoTxn<'e, WithoutTls>>) -> Result<Self, EngineError> {
        loop {
            let table = shared.segments.table();
            let txn = begin().map_err(from_heed)?;
            if Arc::ptr_eq(&table, &shared.segments.table()) {
                return Ok(Self { txn, table });
            }
        }
    }
}

/// One committed state, held open.
pub(crate) struct Snapshot {
    /// LMDB lets one thread at a time use a transaction.
    view: Mutex<View<'static>>,
    shared: Arc<Shared>,
    /// Its place among the open snapshots.
    number: u64,
}

impl Snapshot {
    /// Opens one.
    pub fn open(shared: &Arc<Shared>) -> Result<Self, EngineError> {
        let view = View::open(shared, || shared.environment.env.clone().static_read_txn())?;
        let mut readers = shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = readers.last_key_value().map_or(0, |(last, _)| last + 1);
        readers.insert(number, Instant::now());
        drop(readers);
        Ok(Self { view: Mutex::new(view), shared: Arc::clone(shared), number })
    }

    fn with<T>(&self, read: impl FnOnce(&Shared, &View<'static>) -> T) -> T {
        // A visitor that panicked has changed nothing here.
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        read(&self.shared, &view)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A future that is ready.
pub(crate) fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Read for Snapshot {
    fn get<'a>(
        &'a self,
        keys: &'a [Vec<u8>],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| get(shared, &view.txn, keys, visit)))
    }

    fn scan<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        visit: &'a mut RecordVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| scan(shared, &view.txn, range, direction, visit)))
    }

    fn bodies<'a>(
        &'a self,
        wanted: &'a [BodyRange],
        visit: &'a mut ValueVisitor<'_>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| bodies(shared, &view.txn, &view.table, wanted, visit)))
    }

    fn scan_bodies<'a>(
        &'a self,
        range: &'a KeyRange,
        visit: &'a mut (dyn FnMut(&[u8], u64) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        ready(self.with(|shared, view| scan_bodies(shared, &view.txn, range, visit)))
    }
}
