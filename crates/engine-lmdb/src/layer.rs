//! A layer: changes of one ordered map that lie over an older state of it.
//!
//! A layer first clears ranges of what is below it and then puts its entries on top, of which some say "deleted".
//! Layers are immutable; two of them that follow each other can be merged into one that does the same. Putting a layer
//! on a state that has its changes already changes nothing: that is what lets a reader combine an overlay with a
//! database into which part of the overlay has been written meanwhile.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::Arc,
};

use postrider_engine::KeyRange;

/// A key and what it has now; nothing if it was deleted.
#[derive(Debug)]
pub(crate) struct Entry<V> {
    /// The key.
    pub key: Box<[u8]>,
    /// The value, if the key has one.
    pub value: Option<V>,
}

/// Entries in order of their keys.
type Entries<'a, V> = &'a [Arc<Entry<V>>];

/// What a layer, or several, say of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a, V> {
    /// It has this value.
    Value(&'a V),
    /// It has none.
    Deleted,
    /// Nothing: what is below counts.
    Below,
}

/// Ranges, in order, that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cleared(Vec<KeyRange>);

impl Cleared {
    /// Adds a range to the set.
    pub fn add(&mut self, range: &KeyRange) {
        if is_empty(range) {
            return;
        }
        let first = self.0.partition_point(|known| known.end.as_ref().is_some_and(|end| *end < range.start));
        let last = self.0.partition_point(|known| range.end.as_ref().is_none_or(|end| known.start <= *end));
        let mut whole = range.clone();
        for known in self.0.drain(first..last.max(first)) {
            whole.start = whole.start.min(known.start);
            whole.end = whole.end.zip(known.end).map(|(one, other)| one.max(other));
        }
        self.0.insert(first, whole);
    }

    /// Whether a key is in one of the ranges.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after = self.0.partition_point(|known| known.start.as_slice() <= key);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|known| known.contains(key))
    }

    /// Whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyRange> {
        self.0.iter()
    }
}

fn is_empty(range: &KeyRange) -> bool {
    range.end.as_ref().is_some_and(|end| *end <= range.start)
}

/// The first bytes of a key, which sort as keys do where they differ. Most keys of one account differ in these, so a search
/// stays in one piece of memory and looks at a key or two.
fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    bytes.iter_mut().zip(key).for_each(|(byte, of_key)| *byte = *of_key);
    u128::from_be_bytes(bytes)
}

/// How many entries have keys before this one.
fn count_before<V>(prefixes: &[u128], entries: Entries<'_, V>, key: &[u8]) -> usize {
    let wanted = prefix(key);
    let start = prefixes.partition_point(|known| *known < wanted);
    if prefixes.get(start) != Some(&wanted) {
        return start;
    }
    let same = prefixes.get(start..).unwrap_or_default().partition_point(|known| *known == wanted);
    let same = entries.get(start..start + same).unwrap_or_default();
    start + same.partition_point(|entry| entry.key.as_ref() < key)
}

/// Changes that will not change any more.
#[derive(Debug)]
pub(crate) struct Layer<V> {
    entries: Vec<Arc<Entry<V>>>,
    /// Of the keys of the entries.
    prefixes: Vec<u128>,
    cleared: Cleared,
}

impl<V> Layer<V> {
    fn new(entries: Vec<Arc<Entry<V>>>, cleared: Cleared) -> Self {
        let prefixes = entries.iter().map(|entry| prefix(&entry.key)).collect();
        Self { entries, prefixes, cleared }
    }

    /// The entries in order of their keys.
    pub fn entries(&self) -> Entries<'_, V> {
        &self.entries
    }

    /// The ranges that are cleared before the entries are put.
    pub fn cleared(&self) -> &Cleared {
        &self.cleared
    }

    /// What the layer says of a key.
    pub fn find(&self, key: &[u8]) -> Found<'_, V> {
        Part { entries: &self.entries, prefixes: &self.prefixes, cleared: &self.cleared }.find(key)
    }

    /// What the layer says of the keys of a range; nothing if it does not say anything.
    pub fn part(&self, range: &KeyRange) -> Option<Part<'_, V>> {
        let places = self.places(range);
        let entries = self.entries.get(places.clone()).unwrap_or_default();
        let prefixes = self.prefixes.get(places).unwrap_or_default();
        let says = !entries.is_empty() || !self.cleared.is_empty();
        says.then_some(Part { entries, prefixes, cleared: &self.cleared })
    }

    /// The entries of a range.
    pub fn slice(&self, range: &KeyRange) -> Entries<'_, V> {
        self.entries.get(self.places(range)).unwrap_or_default()
    }

    fn places(&self, range: &KeyRange) -> Range<usize> {
        let count_before = |key: &[u8]| count_before(&self.prefixes, &self.entries, key);
        let start = count_before(&range.start);
        let end = range.end.as_deref().map_or(self.entries.len(), count_before);
        start..end.max(start)
    }

    /// One layer that does what `older` and then `newer` do.
    pub fn merge(older: &Self, newer: &Self) -> Self {
        let length_max = older.entries.len() + newer.entries.len();
        let (mut entries, mut prefixes) = (Vec::with_capacity(length_max), Vec::with_capacity(length_max));
        let mut push = |(entry, prefix): (&Arc<Entry<V>>, &u128)| {
            entries.push(Arc::clone(entry));
            prefixes.push(*prefix);
        };
        let mut over = newer.entries.iter().zip(&newer.prefixes).peekable();
        for (entry, prefix) in older.entries.iter().zip(&older.prefixes) {
            let mut is_replaced = false;
            let goes_first = |next: &(&Arc<Entry<V>>, &u128)| (next.1, &next.0.key) <= (prefix, &entry.key);
            while let Some(next) = over.next_if(goes_first) {
                is_replaced = next.1 == prefix && next.0.key == entry.key;
                push(next);
            }
            if !is_replaced && !newer.cleared.contains(&entry.key) {
                push((entry, prefix));
            }
        }
        over.for_each(push);
        let mut cleared = older.cleared.clone();
        newer.cleared.iter().for_each(|range| cleared.add(range));
        Self { entries, prefixes, cleared }
    }
}

/// A part of a layer, with which to look up keys of one range.
#[derive(Debug)]
pub(crate) struct Part<'a, V> {
    entries: Entries<'a, V>,
    prefixes: &'a [u128],
    cleared: &'a Cleared,
}

impl<'a, V> Part<'a, V> {
    /// What the layer says of a key of the range.
    pub fn find(&self, key: &[u8]) -> Found<'a, V> {
        let entry = self.entries.get(count_before(self.prefixes, self.entries, key));
        match entry.filter(|entry| entry.key.as_ref() == key).map(|entry| &entry.value) {
            Some(Some(value)) => Found::Value(value),
            Some(None) => Found::Deleted,
            None if self.cleared.contains(key) => Found::Deleted,
            None => Found::Below,
        }
    }
}

/// What parts of layers, the newest first, say of a key.
pub(crate) fn find_in<'a, V>(parts: &[Part<'a, V>], key: &[u8]) -> Found<'a, V> {
    parts.iter().map(|part| part.find(key)).find(|found| !matches!(found, Found::Below)).unwrap_or(Found::Below)
}

/// A layer under construction.
#[derive(Debug)]
pub(crate) struct DraftLayer<D> {
    entries: BTreeMap<Box<[u8]>, Option<D>>,
    cleared: Cleared,
}

impl<D> Default for DraftLayer<D> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), cleared: Cleared::default() }
    }
}

impl<D> DraftLayer<D> {
    /// Sets or deletes a key.
    pub fn set(&mut self, key: &[u8], value: Option<D>) {
        match self.entries.get_mut(key) {
            Some(entry) => *entry = value,
            None => drop(self.entries.insert(key.into(), value)),
        }
    }

    /// Deletes every key of a range, here and below.
    pub fn clear(&mut self, range: &KeyRange) {
        if is_empty(range) {
            return;
        }
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let inside = self.entries.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        let keys: Vec<Box<[u8]>> = inside.map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| drop(self.entries.remove(key)));
        self.cleared.add(range);
    }

    /// What the draft says of a key so far.
    pub fn find(&self, key: &[u8]) -> Found<'_, D> {
        match self.entries.get(key) {
            Some(Some(value)) => Found::Value(value),
            Some(None) => Found::Deleted,
            None if self.cleared.contains(key) => Found::Deleted,
            None => Found::Below,
        }
    }

    /// The finished layer, its values turned into what they become.
    pub fn finish<V>(self, mut value: impl FnMut(D) -> V) -> Layer<V> {
        let entries =
            self.entries.into_iter().map(|(key, draft)| Arc::new(Entry { key, value: draft.map(&mut value) }));
        Layer::new(entries.collect(), self.cleared)
    }
}

/// The entries of several layers over one range, as one list in the order of a walk.
#[derive(Debug)]
pub(crate) struct Merged<'a, V> {
    /// The newest layer first, with those of its entries that have not been passed.
    layers: Vec<(&'a Layer<V>, Entries<'a, V>)>,
    is_backward: bool,
}

impl<'a, V> Merged<'a, V> {
    /// A walk over what `layers`, the newest first, say of a range.
    pub fn new(layers: impl Iterator<Item = &'a Layer<V>>, range: &KeyRange, is_backward: bool) -> Self {
        let layers = layers.map(|layer| (layer, layer.slice(range)));
        let layers = layers.filter(|(layer, entries)| !entries.is_empty() || !layer.cleared.is_empty());
        Self { layers: layers.collect(), is_backward }
    }

    /// Whether the layers say nothing of the range.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Whether a range that was cleared hides what lies below under this key.
    pub fn hides(&self, key: &[u8]) -> bool {
        self.layers.iter().any(|(layer, _)| layer.cleared.contains(key))
    }

    /// The order of two keys in this walk.
    pub fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        if self.is_backward { other.cmp(one) } else { one.cmp(other) }
    }

    fn head(&self, entries: Entries<'a, V>) -> Option<&'a Entry<V>> {
        if self.is_backward { entries.last() } else { entries.first() }.map(AsRef::as_ref)
    }
}

impl<'a, V> Iterator for Merged<'a, V> {
    type Item = &'a Entry<V>;

    fn next(&mut self) -> Option<&'a Entry<V>> {
        loop {
            let mut best: Option<(usize, &'a Entry<V>)> = None;
            for (place, (_, entries)) in self.layers.iter().enumerate() {
                let Some(head) = self.head(entries) else { continue };
                // Of equal keys the newest counts, which comes first.
                if best.is_none_or(|(_, known)| self.compare(&head.key, &known.key).is_lt()) {
                    best = Some((place, head));
                }
            }
            let (place, entry) = best?;
            for (_, entries) in &mut self.layers {
                let rest = if self.is_backward {
                    entries.split_last().filter(|(last, _)| last.key == entry.key).map(|(_, rest)| rest)
                } else {
                    entries.split_first().filter(|(first, _)| first.key == entry.key).map(|(_, rest)| rest)
                };
                *entries = rest.unwrap_or(entries);
            }
            let is_hidden = self.layers.iter().take(place).any(|(newer, _)| newer.cleared.contains(&entry.key));
            if !is_hidden {
                return Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Debug, Clone)]
    enum Change {
        Set(u8, u8),
        Delete(u8),
        Clear(u8, Option<u8>),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            3 => (0..20_u8, any::<u8>()).prop_map(|(key, value)| Change::Set(key, value)),
            2 => (0..20_u8).prop_map(Change::Delete),
            1 => (0..20_u8, proptest::option::of(0..20_u8)).prop_map(|(start, end)| Change::Clear(start, end)),
        ]
    }

    /// Keys of all lengths, some alike in more bytes than are compared at once, in the order of their numbers.
    fn key(number: u8) -> Vec<u8> {
        let common = [7_u8; 20];
        match number {
            0..5 => common[..usize::from(number) + 14].to_vec(),
            5..15 => [&common[..], &[number]].concat(),
            _ => vec![number],
        }
    }

    fn apply(draft: &mut DraftLayer<u8>, model: &mut BTreeMap<Vec<u8>, u8>, change: &Change) {
        match *change {
            Change::Set(key, value) => {
                draft.set(&self::key(key), Some(value));
                model.insert(self::key(key), value);
            }
            Change::Delete(key) => {
                draft.set(&self::key(key), None);
                model.remove(&self::key(key));
            }
            Change::Clear(start, end) => {
                let range = KeyRange { start: key(start), end: end.map(key) };
                draft.clear(&range);
                model.retain(|key, _| !range.contains(key));
            }
        }
    }

    fn walk(layers: &[&Layer<u8>], below: &BTreeMap<Vec<u8>, u8>, range: &KeyRange) -> BTreeMap<Vec<u8>, u8> {
        let mut merged = Merged::new(layers.iter().rev().copied(), range, false);
        let mut state = below.clone();
        state.retain(|key, _| range.contains(key) && !merged.hides(key));
        for entry in &mut merged {
            match entry.value {
                Some(value) => drop(state.insert(entry.key.to_vec(), value)),
                None => drop(state.remove(entry.key.as_ref())),
            }
        }
        state
    }

    proptest! {
        #[test]
        fn layers_merged_or_not_say_what_their_changes_did(
            below in proptest::collection::btree_map((0..20_u8).prop_map(key), any::<u8>(), 0..20),
            groups in vec(vec(change(), 0..8), 1..5),
            bounds in (0..20_u8, 0..22_u8),
        ) {
            let mut model = below.clone();
            let mut layers = Vec::new();
            for group in &groups {
                let mut draft = DraftLayer::default();
                group.iter().for_each(|change| apply(&mut draft, &mut model, change));
                layers.push(draft.finish(|value| value));
            }
            let range = KeyRange::new(key(bounds.0), key(bounds.1));
            let mut expected = model.clone();
            expected.retain(|key, _| range.contains(key));
            let all: Vec<&Layer<u8>> = layers.iter().collect();
            prop_assert_eq!(&walk(&all, &below, &range), &expected);
            let mut backward: Vec<&[u8]> = Merged::new(all.iter().rev().copied(), &range, true).map(|entry| &*entry.key).collect();
            backward.reverse();
            let forward: Vec<&[u8]> = Merged::new(all.iter().rev().copied(), &range, false).map(|entry| &*entry.key).collect();
            prop_assert_eq!(backward, forward);
            let mut layers = layers.into_iter();
            let first = layers.next().unwrap();
            let merged = layers.fold(first, |older, newer| Layer::merge(&older, &newer));
            prop_assert_eq!(&walk(&[&merged], &below, &range), &expected);
            // Once more on top of a state that has it all already, as a reader may meet it.
            prop_assert_eq!(&walk(&[&merged], &model, &range), &expected);
            for key in (0..20_u8).map(key) {
                let found = match merged.find(&key) {
                    Found::Value(value) => Some(*value),
                    Found::Deleted => None,
                    Found::Below => below.get(&key).copied(),
                };
                prop_assert_eq!(found, model.get(&key).copied());
            }
        }
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut cleared = Cleared::default();
        for (start, end) in [(5, 7), (1, 2), (9, 12), (2, 3), (6, 9)] {
            cleared.add(&KeyRange::new([start], [end]));
        }
        cleared.add(&KeyRange::new([4], [4]));
        assert_eq!(cleared.0, [KeyRange::new([1], [3]), KeyRange::new([5], [12])]);
        cleared.add(&KeyRange { start: vec![2], end: None });
        assert_eq!(cleared.0, [KeyRange { start: vec![1], end: None }]);
    }
}
