//! Opening: LMDB first, then what the journal has behind it, then the folder is made to hold nothing else.

use std::{fs::File, path::Path, sync::Arc};

use postrider_engine::EngineError;

use crate::{
    LmdbOptions,
    apply::Accounts,
    disk::Disk,
    environment::Environment,
    error::{at, from_io},
    overlay::Overlay,
    replay,
    run::Position,
    segments::{SegmentTable, Segments},
    shared::Shared,
};

/// A store with everything in LMDB, and no thread yet.
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
    let overlay = Overlay::new(&options, SegmentTable::new(), applied, 0);
    let mut shared = Shared::new(environment, segments, overlay, disk, options);
    let tail = replay::replay(&shared, applied, &mut accounts)?;
    let found = shared.segments.found()?;
    clean(&shared, &found, applied, &accounts)?;
    let txn = shared.environment.read()?;
    let used = shared.environment.map_used(&txn)?;
    drop(txn);
    let table = shared.segments.table(accounts.keys().copied());
    shared.overlay = Overlay::new(&shared.options, table, tail, used);
    let last = found.last().copied().max(accounts.keys().next_back().copied()).unwrap_or_default();
    let next_segment = last.max(tail.segment) + 1;
    Ok(Opened { shared: Arc::new(shared), accounts, tail, next_segment })
}

/// Removes segments that hold nothing, and cuts off what follows the last frame of those that were being written.
fn clean(shared: &Shared, found: &[u64], applied: Position, accounts: &Accounts) -> Result<(), EngineError> {
    for number in found {
        let Some(account) = accounts.get(number) else {
            shared.segments.remove(*number)?;
            continue;
        };
        // A damaged account does not tell where the last frame ends.
        if *number < applied.segment || account.end == 0 {
            continue;
        }
        let path = shared.segments.path(*number);
        let file = File::options().write(true).open(&path).map_err(at(&path))?;
        let failed = |error| from_io(path.display(), error);
        if file.metadata().map_err(failed)?.len() > account.end {
            file.set_len(account.end).map_err(failed)?;
        }
    }
    Ok(())
}
