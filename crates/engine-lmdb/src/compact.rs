//! Wins back the space of deleted bodies: rewrites segments that are mostly dead, and removes those that are empty.
//!
//! Everything goes through the committer, in transactions of bounded size, so a deletion that comes between is
//! seen: a body is moved only if it is still where it was read. A crash at any point leaves either the old location
//! or the new one, and at worst a copy that no key names, which is dead space in a segment or a segment that the
//! next opening removes. A body that fails its checksum is left where it is, and its segment with it: what is
//! damaged is not made to look sound.
//!
//! LMDB's own file does not shrink; its free pages are used again.

use std::sync::mpsc::Sender;

use bytes::Bytes;
use postrider_engine::EngineError;

use crate::{
    Shared,
    apply::Move,
    committer::{Request, Work, submit},
    error::{from_heed, from_io},
    layout::{self, SegmentAccount, StoredBody},
    read::{self, View},
    segment_file::{self, Entry, HEADER_BYTES},
};

/// Compacts every segment that is worth it.
pub(crate) fn compact(shared: &Shared, sender: &Sender<Request>) -> Result<(), EngineError> {
    let txn = shared.environment.read()?;
    let accounts = shared.environment.accounts(&txn)?;
    drop(txn);
    for (segment, account) in accounts {
        if is_worth_it(&account, shared.options.compact_live_percent) {
            Compaction { shared, sender, victim: segment, moves: Vec::new(), bytes: 0 }.run(account)?;
        }
    }
    Ok(())
}

fn is_worth_it(account: &SegmentAccount, live_percent: u8) -> bool {
    let all = u128::from(account.end.saturating_sub(HEADER_BYTES));
    account.live_bodies == 0 || u128::from(account.live_bytes) * 100 < all * u128::from(live_percent)
}

/// The compaction of one segment.
struct Compaction<'a> {
    shared: &'a Shared,
    sender: &'a Sender<Request>,
    victim: u64,
    moves: Vec<Move>,
    bytes: usize,
}

impl Compaction<'_> {
    fn run(mut self, account: SegmentAccount) -> Result<(), EngineError> {
        if account.live_bodies > 0 {
            self.move_all(account.end)?;
            self.flush()?;
        }
        match self.submit(Work::Retire { victim: self.victim }) {
            Ok(()) => tracing::debug!(segment = self.victim, "compacted"),
            // Bodies are still in it: damaged, or put there since. The next compaction looks again.
            Err(EngineError::Conflict) => tracing::warn!(segment = self.victim, "could not be emptied"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn move_all(&mut self, end: u64) -> Result<(), EngineError> {
        let table = self.shared.segments.table();
        let file = match self.shared.segments.file(&table, self.victim) {
            Ok(file) => file,
            // `verify` tells; the other segments can still be compacted.
            Err(EngineError::Damaged(fault)) => return self.give_up(&fault),
            Err(error) => return Err(error),
        };
        let mut position = HEADER_BYTES;
        while position < end {
            self.shared.check_open()?;
            let found = segment_file::entry_at(&file, self.victim, position, end)
                .map_err(|error| from_io(format_args!("segment {}", self.victim), error))?;
            let Some((entry, next)) = found else { return self.give_up("an entry is damaged") };
            self.take(entry)?;
            position = next;
        }
        Ok(())
    }

    fn give_up(&self, fault: &str) -> Result<(), EngineError> {
        tracing::error!(segment = self.victim, fault, "a segment cannot be compacted");
        Ok(())
    }

    /// Reads a body, if a key still names it there, and adds it to those that will be moved.
    fn take(&mut self, entry: Entry) -> Result<(), EngineError> {
        let Entry { key, location } = entry;
        let environment = &self.shared.environment;
        let view = View::open(self.shared, || environment.env.read_txn())?;
        let stored = environment.databases.bodies.get(&view.txn, &key).map_err(from_heed)?;
        let named = stored.map(|stored| StoredBody::parse(&key, stored));
        if !matches!(named, Some(Ok(StoredBody::Segment(named))) if named == location) {
            return Ok(());
        }
        let length = usize::try_from(location.length).unwrap_or(usize::MAX);
        let mut content = vec![0; length];
        read::read_at(self.shared, &view.table, &key, location, 0, &mut content)?;
        drop(view);
        if layout::checksum(&key, &content) != location.checksum {
            tracing::error!(segment = self.victim, key = %key.escape_ascii(), "a body does not match its checksum");
            return Ok(());
        }
        self.bytes += length;
        self.moves.push(Move { key, from: location, content: Bytes::from(content) });
        if self.bytes >= self.shared.options.compact_transaction_bytes
            || self.moves.len() >= self.shared.options.transaction_operations_max
        {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        self.bytes = 0;
        let moves = std::mem::take(&mut self.moves);
        if moves.is_empty() { Ok(()) } else { self.submit(Work::Relocate { victim: self.victim, moves }) }
    }

    fn submit(&self, work: Work) -> Result<(), EngineError> {
        submit(self.sender, work).blocking_recv().unwrap_or(Err(EngineError::Closed))
    }
}
