//! How failures of LMDB and of the file system become [`EngineError`]s.

use std::{fmt::Display, io, path::Path};

use heed::MdbError;
use postrider_engine::EngineError;

/// A failure of LMDB.
pub(crate) fn from_heed(error: heed::Error) -> EngineError {
    match error {
        heed::Error::Io(error) => from_io("LMDB", error),
        heed::Error::Mdb(MdbError::MapFull) => {
            EngineError::Full("LMDB's file has reached its map; raise map_bytes_max".to_owned())
        }
        heed::Error::Mdb(MdbError::TxnFull) => EngineError::Full("too many changes for one transaction".to_owned()),
        heed::Error::Mdb(error @ (MdbError::PageNotFound | MdbError::Corrupted | MdbError::Invalid)) => {
            EngineError::Damaged(error.to_string())
        }
        // LMDB could not tell whether its last commit reached the device, and answers nothing else from then on.
        heed::Error::Mdb(MdbError::Panic) => EngineError::Closed,
        other => EngineError::Io(format!("LMDB: {other}")),
    }
}

/// A failure of the file system, at `place`.
pub(crate) fn from_io(place: impl Display, error: io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => EngineError::Full(format!("{place}: {error}")),
        _ => EngineError::Io(format!("{place}: {error}")),
    }
}

/// For `map_err`: a failure at a path.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> EngineError + '_ {
    move |error| from_io(path.display(), error)
}
