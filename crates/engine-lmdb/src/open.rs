//! Opening: LMDB first, then what the journal has behind it, then the folder is made to hold nothing else.
//!
//! None of it needs room on the device. What LMDB has no room for stays in the overlay, as it would have without the
//! opening.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

use postrider_engine::EngineError;

use crate::{
    LmdbOptions,
    apply::Accounts,
    disk::Disk,
    environment::Environment,
    error::{at, from_io},
    overlay::Overlay,
    replay::{self, Replayed},
    run::Position,
    segments::{SegmentTable, Segments},
    shared::Shared,
};

/// A store with everything in LMDB, or in the overlay if the device is full, and no thread yet.
pub(crate) struct Opened {
    /// What will be shared.
    pub shared: Arc<Shared>,
    /// The segments' accounts.
    pub accounts: Accounts,
    /// The end of the last frame.
    pub tail: Position,
    /// The number of the next segment.
    pub next_segment: u64,
}

/// Opens the store in a folder.
pub(crate) fn open(folder: &Path, options: LmdbOptions, disk: Arc<dyn Disk>) -> Result<Opened, EngineError> {
    let environment = Environment::open(folder, &options)?;
    let segments = Segments::new(&environment.segment_folder, options.segment_files_max);
    let txn = environment.read()?;
    let applied = environment.applied(&txn)?;
    let mut accounts: Accounts = environment.accounts(&txn)?.into_iter().collect();
    drop(txn);
    let overlay = Overlay::new(&options, SegmentTable::new(), [applied; 2], Vec::new(), 0);
    let mut shared = Shared::new(environment, segments, overlay, disk, options);
    let Replayed { tail, put_off } = replay::replay(&shared, applied, &mut accounts)?;
    let found = shared.segments.found()?;
    // Where the frames end, of each segment that has something.
    let mut ends: BTreeMap<u64, u64> = accounts.iter().map(|(number, account)| (*number, account.end)).collect();
    ends.extend(put_off.iter().flat_map(|run| run.ends.iter().map(|(number, end)| (*number, *end))));
    clean(&shared, &found, applied, &ends)?;
    let txn = shared.environment.read()?;
    let used = shared.environment.map_used(&txn)?;
    let applied = shared.environment.applied(&txn)?;
    drop(txn);
    let table = shared.segments.table(ends.keys().copied());
    shared.overlay = Overlay::new(&shared.options, table, [applied, tail], put_off, used);
    shared.keep_room();
    let last = found.last().copied().max(accounts.keys().next_back().copied()).unwrap_or_default();
    let next_segment = last.max(tail.segment) + 1;
    Ok(Opened { shared: Arc::new(shared), accounts, tail, next_segment })
}

/// Removes segments that hold nothing, and cuts off what follows the last frame of those that were being written.
fn clean(shared: &Shared, found: &[u64], applied: Position, ends: &BTreeMap<u64, u64>) -> Result<(), EngineError> {
    for number in found {
        let Some(end) = ends.get(number).copied() else {
            shared.segments.remove(*number)?;
            continue;
        };
        // A damaged account does not tell where the last frame ends.
        if *number < applied.segment || end == 0 {
            continue;
        }
        let path = shared.segments.path(*number);
        let file = File::options().write(true).open(&path).map_err(at(&path))?;
        let failed = |error| from_io(path.display(), error);
        if file.metadata().map_err(failed)?.len() > end {
            file.set_len(end).map_err(failed)?;
        }
    }
    Ok(())
}
