//! Writes a run to LMDB inside one transaction, and keeps the accounts of the segments whose bodies it touches.
//!
//! A run says of each key what it has in the end, in the order of the keys: what changed often is written once, and
//! LMDB's pages are met in their order.

use std::collections::BTreeMap;

use heed::RwTxn;
use postrider_engine::{EngineError, KeyRange};

use crate::{
    environment::{Databases, Table},
    error::from_heed,
    layout::{self, Location, SegmentAccount, StoredBody},
    read::bounds,
    run::{BodyPlace, Run},
};

/// Keys of a range that are looked at before they are deleted, at one time.
const RANGE_STEP: usize = 10_000;

/// The accounts of all segments.
pub(crate) type Accounts = BTreeMap<u64, SegmentAccount>;

/// One write transaction under construction.
pub(crate) struct Apply<'t, 'e> {
    databases: Databases,
    txn: &'t mut RwTxn<'e>,
    accounts: &'t Accounts,
    /// Accounts that differ from those in `accounts`; `None` for a segment that is forgotten.
    changed: BTreeMap<u64, Option<SegmentAccount>>,
    /// Reused for every value.
    stored: Vec<u8>,
}

impl<'t, 'e> Apply<'t, 'e> {
    /// Begins.
    pub fn new(databases: Databases, txn: &'t mut RwTxn<'e>, accounts: &'t Accounts) -> Self {
        Self { databases, txn, accounts, changed: BTreeMap::new(), stored: Vec::new() }
    }

    /// Writes a run.
    pub fn run(&mut self, run: &Run) -> Result<(), EngineError> {
        for (segment, end) in &run.ends {
            let account = self.account(*segment).unwrap_or_default();
            self.changed.insert(*segment, Some(SegmentAccount { end: account.end.max(*end), ..account }));
        }
        run.records.cleared().iter().try_for_each(|range| self.delete_records(range))?;
        for entry in run.records.entries() {
            let records = self.databases.records;
            match &entry.value {
                Some(value) => {
                    layout::seal(&entry.key, value, &mut self.stored);
                    records.put(self.txn, &entry.key, &self.stored)
                }
                None => records.delete(self.txn, &entry.key).map(drop),
            }
            .map_err(from_heed)?;
        }
        run.bodies.cleared().iter().try_for_each(|range| self.delete_bodies(range))?;
        run.bodies.entries().iter().try_for_each(|entry| self.body(&entry.key, entry.value.as_ref()))
    }

    fn delete_records(&mut self, range: &KeyRange) -> Result<(), EngineError> {
        loop {
            let keys = self.keys(self.databases.records, range)?;
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.databases.records.delete(self.txn, &key).map_err(from_heed)?;
            }
        }
    }

    fn delete_bodies(&mut self, range: &KeyRange) -> Result<(), EngineError> {
        loop {
            let keys = self.keys(self.databases.bodies, range)?;
            if keys.is_empty() {
                return Ok(());
            }
            keys.iter().try_for_each(|key| self.body(key, None))?;
        }
    }

    /// Some keys of a range, until there are none.
    fn keys(&self, table: Table, range: &KeyRange) -> Result<Vec<Vec<u8>>, EngineError> {
        let Some(bounds) = bounds(range) else { return Ok(Vec::new()) };
        let found = table.range(self.txn, &bounds).map_err(from_heed)?.take(RANGE_STEP);
        found.map(|found| found.map(|(key, _)| key.to_vec()).map_err(from_heed)).collect()
    }

    fn body(&mut self, key: &[u8], place: Option<&BodyPlace>) -> Result<(), EngineError> {
        let bodies = self.databases.bodies;
        let before = bodies.get(self.txn, key).map_err(from_heed)?;
        // A damaged location must not keep a body from being deleted; only the account is then off, and `verify`
        // says so.
        if let Some(Ok(StoredBody::Segment(location))) = before.map(|stored| StoredBody::parse(key, stored)) {
            self.count(location, Counting::Out);
        } else if before.is_none() && place.is_none() {
            return Ok(());
        }
        match place {
            Some(BodyPlace::Segment(location)) => {
                self.count(*location, Counting::In);
                location.seal(key, &mut self.stored);
            }
            Some(BodyPlace::Inline(content)) => layout::seal_inline_body(key, content, &mut self.stored),
            None => return bodies.delete(self.txn, key).map(drop).map_err(from_heed),
        }
        bodies.put(self.txn, key, &self.stored).map_err(from_heed)
    }

    fn account(&self, segment: u64) -> Option<SegmentAccount> {
        self.changed.get(&segment).copied().unwrap_or_else(|| self.accounts.get(&segment).copied())
    }

    fn count(&mut self, location: Location, counting: Counting) {
        let account = self.account(location.segment);
        let Some(mut account) = account.filter(|account| account.live_bodies != u64::MAX) else { return };
        (account.live_bytes, account.live_bodies) = match counting {
            Counting::In => (account.live_bytes + location.length, account.live_bodies + 1),
            Counting::Out => {
                (account.live_bytes.saturating_sub(location.length), account.live_bodies.saturating_sub(1))
            }
        };
        self.changed.insert(location.segment, Some(account));
    }

    /// Forgets the segments that nothing is left in and that `is_settled` says will get nothing more. Answers which.
    pub fn retire(&mut self, is_settled: impl Fn(u64) -> bool) -> Vec<u64> {
        let numbers =
            self.accounts.keys().chain(self.changed.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        let is_dead = |number: &u64| self.account(*number).is_some_and(|account| account.live_bodies == 0);
        let dead: Vec<u64> = numbers.into_iter().filter(is_dead).filter(|number| is_settled(*number)).collect();
        self.changed.extend(dead.iter().map(|number| (*number, None)));
        dead
    }

    /// Writes the accounts. Answers what has changed in them.
    pub fn finish(mut self) -> Result<BTreeMap<u64, Option<SegmentAccount>>, EngineError> {
        for (segment, account) in &self.changed {
            let key = segment.to_be_bytes();
            match account {
                Some(account) => {
                    account.seal(*segment, &mut self.stored);
                    self.databases.segments.put(self.txn, &key, &self.stored)
                }
                None => self.databases.segments.delete(self.txn, &key).map(drop),
            }
            .map_err(from_heed)?;
        }
        Ok(self.changed)
    }
}

/// Whether a body comes or goes.
#[derive(Debug, Clone, Copy)]
enum Counting {
    In,
    Out,
}
