//! Reads everything and checks it: records, bodies wherever they are, and the accounts of the segments.
//!
//! The walk renews its read transaction every so many records, so that a verification of hours does not keep LMDB
//! from reusing pages. What changes meanwhile is checked in the state in which the walk meets it. The accounts can be
//! compared with what was counted only if nothing was applied during the walk over the bodies.
//!
//! It walks LMDB alone, after having had applied what was committed before.

use std::{collections::BTreeMap, ops::Bound};

use postrider_engine::EngineError;

use crate::{
    Shared, bodies,
    checksum::Checksum,
    environment::Table,
    error::from_heed,
    layout::{self, Fields, Location, SegmentAccount, StoredBody},
    segment_file::HEADER_BYTES,
    view::View,
};

/// Bytes of a body that are read at one time.
const READ_BYTES: usize = 1 << 20;

/// Walks everything; one line for each fault.
pub(crate) fn verify(shared: &Shared) -> Result<Vec<String>, EngineError> {
    shared.overlay.flush()?;
    let mut verification = Verification { shared, faults: Vec::new(), counted: BTreeMap::new(), buffer: Vec::new() };
    let databases = shared.environment.databases;
    verification.walk(databases.records, |_, _, key, stored| layout::unseal("record", key, stored).map(drop))?;
    let before = shared.environment.env.info().last_txn_id;
    verification.walk(databases.bodies, Verification::body)?;
    let is_quiet = shared.environment.env.info().last_txn_id == before;
    verification.accounts(is_quiet)?;
    if verification.is_full() {
        verification.faults.push("there are more faults; verification was given up".to_owned());
    }
    Ok(verification.faults)
}

struct Verification<'a> {
    shared: &'a Shared,
    faults: Vec<String>,
    /// Live bytes and bodies by segment.
    counted: BTreeMap<u64, SegmentAccount>,
    buffer: Vec<u8>,
}

impl<'a> Verification<'a> {
    fn is_full(&self) -> bool {
        self.faults.len() >= self.shared.options.verify_faults_max
    }

    /// Notes a fault of the store; passes on failures that say nothing about the store.
    fn note(&mut self, checked: Result<(), EngineError>) -> Result<(), EngineError> {
        match checked {
            Err(EngineError::Damaged(fault)) => self.faults.push(fault),
            other => other?,
        }
        Ok(())
    }

    /// Calls `check` with every key and value, in read transactions of bounded size.
    fn walk(
        &mut self,
        table: Table,
        mut check: impl FnMut(&mut Self, &View<'a>, &[u8], &[u8]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            self.shared.check_open()?;
            let view = View::now(self.shared)?;
            let start = last.take().map_or(Bound::Unbounded, Bound::Excluded);
            let range = (start.as_ref().map(Vec::as_slice), Bound::Unbounded);
            let step = self.shared.options.verify_transaction_records.max(1);
            for found in table.range(&view.txn, &range).map_err(from_heed)?.take(step) {
                let (key, stored) = found.map_err(from_heed)?;
                let checked = check(self, &view, key, stored);
                self.note(checked)?;
                if self.is_full() {
                    return Ok(());
                }
                last = Some(key.to_vec());
            }
            if last.is_none() {
                return Ok(());
            }
        }
    }

    fn body(&mut self, view: &View<'_>, key: &[u8], stored: &[u8]) -> Result<(), EngineError> {
        match StoredBody::parse(key, stored)? {
            StoredBody::Inline(_) => layout::check_inline_body(key, stored),
            StoredBody::Segment(location) => {
                let account = self.counted.entry(location.segment).or_default();
                account.live_bytes += location.length;
                account.live_bodies += 1;
                account.end = account.end.max(location.offset.saturating_add(location.length));
                self.body_in_segment(view, key, location)
            }
        }
    }

    fn body_in_segment(&mut self, view: &View<'_>, key: &[u8], location: Location) -> Result<(), EngineError> {
        self.shared.check_open()?;
        let mut sum = Checksum::new().and(key);
        let mut start = 0;
        while start < location.length {
            let length = (READ_BYTES as u64).min(location.length - start);
            self.buffer.resize(usize::try_from(length).unwrap_or(READ_BYTES), 0);
            bodies::read_at(self.shared, &view.state.table, key, location, start, &mut self.buffer)?;
            sum.update(&self.buffer);
            start += length;
        }
        if sum.finish() == location.checksum { Ok(()) } else { Err(layout::damaged("body", key)) }
    }

    /// Compares the accounts with what was counted.
    fn accounts(&mut self, is_quiet: bool) -> Result<(), EngineError> {
        let mut counted = std::mem::take(&mut self.counted);
        let shared = self.shared;
        self.walk(shared.environment.databases.segments, |verification, view, key, stored| {
            let segment = Fields(key).number::<8>().ok_or_else(|| layout::damaged("account of segment", key))?;
            let found = counted.remove(&segment).unwrap_or_default();
            let account = SegmentAccount::unseal(segment, stored)?;
            verification.shared.segments.file(&view.state.table, segment)?;
            let agrees = (account.live_bytes, account.live_bodies) == (found.live_bytes, found.live_bodies)
                && account.end >= found.end.max(HEADER_BYTES);
            if is_quiet && !agrees {
                return Err(EngineError::Damaged(format!(
                    "the account of segment {segment} is {account:?}, but {found:?} was counted"
                )));
            }
            Ok(())
        })?;
        if is_quiet && !self.is_full() {
            let without = counted.keys().map(|segment| format!("segment {segment} has bodies but no account"));
            self.faults.extend(without);
        }
        Ok(())
    }
}
