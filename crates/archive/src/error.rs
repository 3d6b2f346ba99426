//! What can go wrong with files of mail. Every error names the path.

use std::{io, path::PathBuf};

/// Why a file or folder of mail cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is no mail in it that we know how to read.
    #[error("{}: no mail found: {reason}", path.display())]
    Unrecognised {
        /// Which file or folder.
        path: PathBuf,
        /// What was seen instead.
        reason: String,
    },
    /// Mail in a form that only its own program should read.
    #[error("{}: this is {what}, which is not read from files; {instead}", path.display())]
    NotReadHere {
        /// Which file or folder.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// An archive whose index cannot be read, or our own metadata in a state that cannot be trusted.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A bound was reached that protects against hostile archives.
    #[error("{}: beyond the limit {limit} of {value}", path.display())]
    Limit {
        /// Which file.
        path: PathBuf,
        /// The field of [`crate::ReadLimits`].
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// A position that does not lie in these files (any more).
    #[error("{}: nothing is at the position {position:?}", path.display())]
    UnknownPosition {
        /// What was opened.
        path: PathBuf,
        /// The position that was asked for.
        position: String,
    },
    /// Writing would overwrite something.
    #[error("{}: exists already", path.display())]
    TargetExists {
        /// Where was to be written.
        path: PathBuf,
    },
    /// A call that the format or the order of calls does not allow.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// Where was to be written.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
}

impl ArchiveError {
    /// For `map_err`: an error of the operating system at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Damaged { path: path.into(), reason: reason.to_string() }
    }
}
