//! Reads of records: a view, the visitors called with bytes of the map or of the overlay, nothing awaited.
//!
//! An overlay that says nothing of what is asked for costs the look whether it does, once for each call and not for
//! each key. Bodies are read in [`bodies`](crate::bodies).

use std::{
    cmp::Ordering,
    ops::{Bound, ControlFlow},
};

use heed::{RoTxn, WithoutTls};
use postrider_engine::{BoxFuture, Direction, EngineError, KeyRange, RecordVisitor, ValueVisitor};

use crate::{
    Shared,
    environment::Table,
    error::from_heed,
    layer::{self, Found, Layer, Merged, Part},
    layout::{StoredBody, check_key, unseal},
    view::View,
    walk::Walk,
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

/// What some layers say of the keys between the smallest and the largest of a list.
pub(crate) fn concerned<'a, 'k, V: 'a>(
    layers: impl Iterator<Item = &'a Layer<V>>,
    keys: impl Iterator<Item = &'k [u8]> + Clone,
) -> Vec<Part<'a, V>> {
    let mut layers = layers.peekable();
    if layers.peek().is_none() {
        return Vec::new();
    }
    let (Some(first), Some(last)) = (keys.clone().min(), keys.max()) else { return Vec::new() };
    // A key is the only one from itself to itself with a zero byte behind it.
    let range = KeyRange::new(first, [last, &[0]].concat());
    layers.filter_map(|layer| layer.part(&range)).collect()
}

/// Answers `get` from a view.
pub(crate) fn get(
    shared: &Shared,
    view: &View<'_>,
    keys: &[Vec<u8>],
    visit: &mut ValueVisitor<'_>,
) -> Result<(), EngineError> {
    keys.iter().try_for_each(|key| check_key(key))?;
    let parts = concerned(view.state.records(), keys.iter().map(Vec::as_slice));
    let mut walk = Walk::new(shared.environment.databases.records, &view.txn, keys.len());
    for (position, key) in keys.iter().enumerate() {
        let value = match layer::find_in(&parts, key) {
            Found::Value(value) => Some(value.as_ref()),
            Found::Deleted => None,
            Found::Below => walk.get(key)?.map(|stored| unseal("record", key, stored)).transpose()?,
        };
        if visit(position, value).is_break() {
            break;
        }
    }
    Ok(())
}

/// An entry met by a scan.
pub(crate) enum Item<'a, V> {
    /// As LMDB has it.
    Stored(&'a [u8]),
    /// As the overlay has it.
    Fresh(&'a V),
}

/// Calls `visit` with every entry of a range, from LMDB and from the layers over it.
pub(crate) fn scan_merged<'a, V: 'a>(
    table: Table,
    txn: &RoTxn<'_, WithoutTls>,
    layers: impl Iterator<Item = &'a Layer<V>>,
    range: &KeyRange,
    direction: Direction,
    mut visit: impl FnMut(&[u8], Item<'_, V>) -> Result<ControlFlow<()>, EngineError>,
) -> Result<(), EngineError> {
    let Some(bounds) = bounds(range) else { return Ok(()) };
    let mut over = Merged::new(layers, range, direction == Direction::Backward);
    match direction {
        Direction::Forward => {
            let below = table.range(txn, &bounds).map_err(from_heed)?;
            merge(below, &mut over, &mut visit)
        }
        Direction::Backward => {
            let below = table.rev_range(txn, &bounds).map_err(from_heed)?;
            merge(below, &mut over, &mut visit)
        }
    }
}

fn merge<'t, V>(
    mut below: impl Iterator<Item = heed::Result<(&'t [u8], &'t [u8])>>,
    over: &mut Merged<'_, V>,
    visit: &mut impl FnMut(&[u8], Item<'_, V>) -> Result<ControlFlow<()>, EngineError>,
) -> Result<(), EngineError> {
    if over.is_empty() {
        for found in below {
            let (key, stored) = found.map_err(from_heed)?;
            if visit(key, Item::Stored(stored))?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    let mut next_below = below.next().transpose().map_err(from_heed)?;
    let mut next_over = over.next();
    loop {
        let order = match (&next_below, next_over) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some(entry)) => over.compare(key, &entry.key),
        };
        let mut flow = ControlFlow::Continue(());
        if let (Ordering::Less, Some((key, stored))) = (order, next_below)
            && !over.hides(key)
        {
            flow = visit(key, Item::Stored(stored))?;
        }
        if let (Ordering::Greater, Some(entry)) = (order, next_over) {
            if let Some(value) = &entry.value {
                flow = visit(&entry.key, Item::Fresh(value))?;
            }
            next_over = over.next();
        } else {
            // Visited, hidden, or replaced by the overlay's entry, which comes next.
            next_below = below.next().transpose().map_err(from_heed)?;
        }
        if flow.is_break() {
            return Ok(());
        }
    }
}

/// Answers `scan` from a view.
pub(crate) fn scan(
    shared: &Shared,
    view: &View<'_>,
    range: &KeyRange,
    direction: Direction,
    visit: &mut RecordVisitor<'_>,
) -> Result<(), EngineError> {
    let records = shared.environment.databases.records;
    scan_merged(records, &view.txn, view.state.records(), range, direction, |key, item| {
        Ok(match item {
            Item::Stored(stored) => visit(key, unseal("record", key, stored)?),
            Item::Fresh(value) => visit(key, value),
        })
    })
}

/// Answers `scan_bodies` from a view.
pub(crate) fn scan_bodies(
    shared: &Shared,
    view: &View<'_>,
    range: &KeyRange,
    visit: &mut LengthVisitor<'_>,
) -> Result<(), EngineError> {
    let bodies = shared.environment.databases.bodies;
    scan_merged(bodies, &view.txn, view.state.bodies(), range, Direction::Forward, |key, item| {
        Ok(match item {
            Item::Stored(stored) => visit(key, StoredBody::length(key, stored)?),
            Item::Fresh(place) => visit(key, place.length()),
        })
    })
}

/// A future that is ready.
pub(crate) fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}
