//! Looks up an ascending list of keys in LMDB with one cursor.
//!
//! Who asks for many keys at once mostly asks for neighbours: the rows of a mailbox, the bodies of its messages. The
//! next entry is then a step away, where a search goes down the whole tree. Where keys turn out to lie apart, each is
//! searched as if it were alone.

use std::{cmp::Ordering, ops::Bound};

use heed::{RoRange, RoTxn, WithoutTls, types::Bytes};
use postrider_engine::EngineError;

use crate::{environment::Table, error::from_heed};

/// Entries that are stepped over in the hope to come to the key.
const STEPS_MAX: usize = 4;
/// Searches that may have been in vain, beyond those that were not, before walking is given up.
const MISSES_MAX: usize = 8;
/// So few keys are not worth a cursor.
const KEYS_MIN: usize = 4;

/// A walk along the keys of a table.
pub(crate) struct Walk<'t, 'k> {
    table: Table,
    txn: &'t RoTxn<'t, WithoutTls>,
    cursor: Option<RoRange<'t, Bytes, Bytes>>,
    /// The first entry at or behind the key asked for last.
    entry: Option<(&'t [u8], &'t [u8])>,
    asked: &'k [u8],
    /// Misses left.
    patience: usize,
}

impl<'t, 'k> Walk<'t, 'k> {
    /// A walk for so many keys.
    pub fn new(table: Table, txn: &'t RoTxn<'t, WithoutTls>, keys: usize) -> Self {
        let patience = if keys < KEYS_MIN { 0 } else { MISSES_MAX };
        Self { table, txn, cursor: None, entry: None, asked: &[], patience }
    }

    /// What is stored under a key.
    pub fn get(&mut self, key: &'k [u8]) -> Result<Option<&'t [u8]>, EngineError> {
        if self.patience == 0 {
            return self.table.get(self.txn, key).map_err(from_heed);
        }
        let is_ascending = std::mem::replace(&mut self.asked, key) <= key;
        let Some(cursor) = self.cursor.as_mut().filter(|_| is_ascending) else { return self.search(key) };
        for _ in 0..STEPS_MAX {
            // Between the key asked for last and this entry there is none.
            let Some((found, stored)) = self.entry else { return Ok(None) };
            match found.cmp(key) {
                Ordering::Equal => {
                    self.patience = (self.patience + 1).min(MISSES_MAX);
                    return Ok(Some(stored));
                }
                Ordering::Greater => return Ok(None),
                Ordering::Less => self.entry = cursor.next().transpose().map_err(from_heed)?,
            }
        }
        self.search(key)
    }

    fn search(&mut self, key: &[u8]) -> Result<Option<&'t [u8]>, EngineError> {
        self.patience -= usize::from(self.cursor.is_some());
        if self.patience == 0 {
            return self.table.get(self.txn, key).map_err(from_heed);
        }
        let range: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(key), Bound::Unbounded);
        let mut cursor = self.table.range(self.txn, &range).map_err(from_heed)?;
        self.entry = cursor.next().transpose().map_err(from_heed)?;
        self.cursor = Some(cursor);
        Ok(self.entry.filter(|(found, _)| *found == key).map(|(_, stored)| stored))
    }
}
