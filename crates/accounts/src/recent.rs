//! A map that never grows past a bound: what has not been used for longest is forgotten first, roughly.
//!
//! Two generations: when the young one is full it becomes the old one, and the old one is dropped whole; use brings
//! an entry back among the young. This costs no more than a map, and is all the precision that throttling and caching
//! need; a list threaded through the map would buy exactness that nobody asked for.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, mem};

/// A bounded map of recently used entries.
#[derive(Debug)]
pub(crate) struct RecentMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation_max: usize,
}

impl<K: Hash + Eq, V> RecentMap<K, V> {
    /// A map of at most `entries_max` entries (two at the least).
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max: (entries_max / 2).max(1) }
    }

    /// The entry of a key, which counts as use.
    pub(crate) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Sets the entry of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.make_room(&key);
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// The entry of a key, made if need be; this counts as use.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let old = self.old.remove(&key);
        self.make_room(&key);
        self.young.entry(key).or_insert_with(|| old.unwrap_or_else(make))
    }

    /// Removes the entry of a key.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn make_room(&mut self, key: &K) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(key) {
            self.old = mem::take(&mut self.young);
        }
    }

    /// The number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_stays_within_its_bound_and_keeps_what_is_used() {
        let mut map = RecentMap::new(10);
        map.insert(0, "kept");
        for key in 1..1000 {
            map.insert(key, "passing");
            assert!(map.len() <= 10);
            assert_eq!(map.get_mut(&0), Some(&mut "kept"));
        }
        assert_eq!(map.get_mut(&1), None);
        map.remove(&0);
        assert_eq!(map.get_mut(&0), None);
    }

    #[test]
    fn the_newest_value_of_a_key_wins() {
        let mut map = RecentMap::new(2);
        map.insert(1, "first");
        map.insert(2, "other");
        map.insert(1, "second");
        assert_eq!(map.get_mut(&1), Some(&mut "second"));
        assert_eq!(map.get_or_insert_with(1, || "third"), &"second");
        assert_eq!(map.get_or_insert_with(3, || "third"), &"third");
    }
}
