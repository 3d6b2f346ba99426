//! Applies requests inside one write transaction, and keeps the accounts of the segments they touch.
//!
//! Two kinds of failure are told apart: a request that is refused (an expectation does not hold) has written nothing
//! and leaves the others alone; a failure of LMDB or of a segment spoils the transaction.

use std::collections::HashMap;

use heed::{Database, RwTxn, types::Bytes as HeedBytes};
use postrider_engine::{Batch, BodyWrite, EngineError, KeyRange, RecordWrite};

use crate::{
    Shared,
    append::Appender,
    error::from_heed,
    layout::{self, Location, SegmentAccount, StoredBody},
    read::bounds,
    segment_file,
};

/// Bodies of a range that are looked at before they are deleted, at one time.
const RANGE_STEP: usize = 10_000;

/// A body to be moved out of a segment.
#[derive(Debug)]
pub(crate) struct Move {
    /// The body's key.
    pub key: Vec<u8>,
    /// Where it was seen.
    pub from: Location,
    /// What was read there, checked.
    pub content: bytes::Bytes,
}

/// The answer to one request of a group.
pub(crate) type Outcome = Result<(), EngineError>;

/// One write transaction under construction.
pub(crate) struct Apply<'t, 'e> {
    shared: &'t Shared,
    txn: &'t mut RwTxn<'e>,
    appender: &'t mut Appender,
    /// Accounts that were read or changed; `None` for a segment without one.
    accounts: HashMap<u64, Option<SegmentAccount>>,
    first_segment: u64,
    has_changed: bool,
    /// Reused for every value.
    stored: Vec<u8>,
}

impl<'t, 'e> Apply<'t, 'e> {
    /// Begins.
    pub fn new(shared: &'t Shared, txn: &'t mut RwTxn<'e>, appender: &'t mut Appender) -> Self {
        let first_segment = appender.next_number();
        Self { shared, txn, appender, accounts: HashMap::new(), first_segment, has_changed: false, stored: Vec::new() }
    }

    /// Applies a batch whose keys have been checked.
    pub fn batch(&mut self, batch: &Batch) -> Result<Outcome, EngineError> {
        for (key, expected) in &batch.expectations {
            let found = self.shared.environment.databases.records.get(self.txn, key).map_err(from_heed)?;
            let found = found.map(|stored| layout::unseal("record", key, stored)).transpose();
            match found {
                Ok(found) if found == expected.as_deref() => {}
                Ok(_) => return Ok(Err(EngineError::Conflict)),
                Err(damage) => return Ok(Err(damage)),
            }
        }
        self.has_changed |= !batch.is_empty();
        for write in &batch.records {
            self.record(write)?;
        }
        for write in &batch.bodies {
            match write {
                BodyWrite::Put(key, content) => self.put_body(key, content)?,
                BodyWrite::Delete(key) => self.delete_body(key)?,
                BodyWrite::DeleteRange(range) => self.delete_bodies(range)?,
            }
        }
        Ok(Ok(()))
    }

    fn record(&mut self, write: &RecordWrite) -> Result<(), EngineError> {
        let records = self.shared.environment.databases.records;
        match write {
            RecordWrite::Put(key, value) => {
                layout::seal(key, value, &mut self.stored);
                records.put(self.txn, key, &self.stored)
            }
            RecordWrite::Delete(key) => records.delete(self.txn, key).map(drop),
            RecordWrite::DeleteRange(range) => match bounds(range) {
                Some(bounds) => delete_range(records, self.txn, &bounds),
                None => Ok(()),
            },
        }
        .map_err(from_heed)
    }

    fn put_body(&mut self, key: &[u8], content: &bytes::Bytes) -> Result<(), EngineError> {
        let bodies = self.shared.environment.databases.bodies;
        if bodies.get(self.txn, key).map_err(from_heed)?.is_some() {
            return Ok(());
        }
        if content.len() <= self.shared.options.inline_body_bytes_max {
            layout::seal_inline_body(key, content, &mut self.stored);
            return bodies.put(self.txn, key, &self.stored).map_err(from_heed);
        }
        self.put_in_segment(key, content)
    }

    fn put_in_segment(&mut self, key: &[u8], content: &bytes::Bytes) -> Result<(), EngineError> {
        let (location, end) = self.appender.append(key, content)?;
        let account = self.account(location.segment)?.get_or_insert_default();
        account.end = end;
        account.live_bytes += segment_file::entry_bytes(key, location.length);
        account.live_bodies += 1;
        location.seal(key, &mut self.stored);
        self.shared.environment.databases.bodies.put(self.txn, key, &self.stored).map_err(from_heed)
    }

    fn delete_body(&mut self, key: &[u8]) -> Result<(), EngineError> {
        let bodies = self.shared.environment.databases.bodies;
        let Some(stored) = bodies.get(self.txn, key).map_err(from_heed)? else { return Ok(()) };
        // A damaged location must not keep a body from being deleted; only the account is then off, and `verify`
        // says so.
        if let Ok(StoredBody::Segment(location)) = StoredBody::parse(key, stored) {
            self.release(key, location);
        }
        bodies.delete(self.txn, key).map(drop).map_err(from_heed)
    }

    fn delete_bodies(&mut self, range: &KeyRange) -> Result<(), EngineError> {
        let Some(bounds) = bounds(range) else { return Ok(()) };
        let bodies = self.shared.environment.databases.bodies;
        loop {
            let mut keys = Vec::new();
            for found in bodies.range(self.txn, &bounds).map_err(from_heed)?.take(RANGE_STEP) {
                keys.push(found.map_err(from_heed)?.0.to_vec());
            }
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.delete_body(&key)?;
            }
        }
    }

    /// Takes a body that is no longer named at `location` out of its segment's account.
    fn release(&mut self, key: &[u8], location: Location) {
        // Nor must a damaged account.
        if let Ok(Some(account)) = self.account(location.segment) {
            account.live_bytes = account.live_bytes.saturating_sub(segment_file::entry_bytes(key, location.length));
            account.live_bodies = account.live_bodies.saturating_sub(1);
        }
    }

    fn account(&mut self, segment: u64) -> Result<&mut Option<SegmentAccount>, EngineError> {
        if !self.accounts.contains_key(&segment) {
            let key = segment.to_be_bytes();
            let stored = self.shared.environment.databases.segments.get(self.txn, &key).map_err(from_heed)?;
            let account = stored.map(|stored| SegmentAccount::unseal(segment, stored)).transpose()?;
            self.accounts.insert(segment, account);
        }
        Ok(self.accounts.entry(segment).or_default())
    }

    /// Moves bodies out of a segment, those that are still where they were seen.
    pub fn relocate(&mut self, victim: u64, moves: &[Move]) -> Result<Outcome, EngineError> {
        self.appender.close(victim);
        let bodies = self.shared.environment.databases.bodies;
        for body in moves {
            let stored = bodies.get(self.txn, &body.key).map_err(from_heed)?;
            let found = stored.map(|stored| StoredBody::parse(&body.key, stored));
            // Deleted since it was read, or deleted and put again: then it has no more business in the victim.
            if matches!(found, Some(Ok(StoredBody::Segment(location))) if location == body.from) {
                self.release(&body.key, body.from);
                self.put_in_segment(&body.key, &body.content)?;
                self.has_changed = true;
            }
        }
        Ok(Ok(()))
    }

    /// Forgets a segment that no body is in. Refused as a conflict if there is one.
    pub fn retire(&mut self, victim: u64) -> Result<Outcome, EngineError> {
        self.appender.close(victim);
        if self.account(victim)?.as_ref().is_none_or(|account| account.live_bodies > 0) {
            return Ok(Err(EngineError::Conflict));
        }
        self.accounts.insert(victim, None);
        self.has_changed = true;
        let segments = self.shared.environment.databases.segments;
        segments.delete(self.txn, &victim.to_be_bytes()).map(drop).map_err(from_heed)?;
        Ok(Ok(()))
    }

    /// Writes the accounts. Answers whether there is anything to commit.
    pub fn finish(mut self) -> Result<bool, EngineError> {
        for (segment, account) in &self.accounts {
            if let Some(account) = account {
                account.seal(*segment, &mut self.stored);
                let segments = self.shared.environment.databases.segments;
                segments.put(self.txn, &segment.to_be_bytes(), &self.stored).map_err(from_heed)?;
            }
        }
        if self.appender.next_number() != self.first_segment {
            self.shared.environment.put_next_segment(self.txn, self.appender.next_number())?;
        }
        Ok(self.has_changed)
    }
}

/// Deletes a range of records.
fn delete_range(
    records: Database<'static, HeedBytes, HeedBytes>,
    txn: &mut RwTxn<'_>,
    bounds: &crate::read::Bounds<'_>,
) -> heed::Result<()> {
    loop {
        let mut keys = Vec::new();
        for found in records.range(txn, bounds)?.take(RANGE_STEP) {
            keys.push(found?.0.to_vec());
        }
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            records.delete(txn, &key)?;
        }
    }
}
