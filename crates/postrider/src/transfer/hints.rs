//! What people may do about files that cannot be read or written.
//!
//! The files are touched by the process that holds the mail: with a server running, that is the server, under its
//! user and in its view of the file system, and not the person at the command line.

use std::io::ErrorKind;

use postrider_archive::ArchiveError;
use postrider_engine::EngineError;
use postrider_store::StoreError;

use crate::advice::{hint, with_hint};

/// Who reads and writes the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The running server.
    Server,
    /// The command itself.
    Command,
}

impl Who {
    pub fn of(server: Option<&std::sync::Arc<crate::control::ServerHandle>>) -> Self {
        if server.is_some() { Self::Server } else { Self::Command }
    }
}

/// What may be done about a disk without room.
const NO_ROOM: &str = "make room and give the same command again: it goes on where it stopped";

/// An error of the store with what may be done about it, where nothing better is said yet.
pub(super) fn explain_store(error: anyhow::Error) -> anyhow::Error {
    let is_full = error.chain().any(|cause| {
        let engine = cause.downcast_ref::<EngineError>();
        let store = cause.downcast_ref::<StoreError>();
        matches!(engine, Some(EngineError::Full(_))) || matches!(store, Some(StoreError::Engine(EngineError::Full(_))))
    });
    if is_full && hint(&error).is_none() { with_hint(error, NO_ROOM) } else { error }
}

/// The error with what may be done about it.
pub(super) fn explain(error: ArchiveError, who: Who) -> anyhow::Error {
    let kind = match &error {
        ArchiveError::Io { source, .. } => Some(source.kind()),
        _ => None,
    };
    let advice = match (&error, kind, who) {
        (_, Some(ErrorKind::PermissionDenied), Who::Server) => {
            "it is the running server that reads and writes here, as its own user. Let that user in (setfacl -R -m \
             u:USER:rwX PATH, and x on the folders above), or use a folder that is its own"
        }
        (_, Some(ErrorKind::PermissionDenied), Who::Command) => {
            "give this user the right, or give the command as a user who has it and may open the data folder"
        }
        (_, Some(ErrorKind::NotFound), Who::Server) => {
            "it is the running server that looks, and a service may have a view of its own: systemd's ProtectHome= hides \
             /home, PrivateTmp= hides /tmp. Use a folder that it sees, or stop it for the time and run the command as its user"
        }
        (_, Some(ErrorKind::StorageFull), _) => NO_ROOM,
        (ArchiveError::Unrecognised { .. }, ..) => {
            "docs/import-export.md lists what is read; if the files are one of that, name it with --format"
        }
        (ArchiveError::TargetExists { .. }, ..) => "choose another path, or replace what is there with --replace",
        (ArchiveError::UnknownPosition { .. }, ..) => {
            "the files have changed since the import was broken off; --again begins anew and passes over what is there"
        }
        _ => return error.into(),
    };
    with_hint(error.into(), advice)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};

    use super::*;
    use crate::advice;

    #[test]
    fn a_store_without_room_says_how_to_go_on_and_other_errors_are_left_alone() {
        let full = || EngineError::Full("segment 2".to_owned());
        for error in [anyhow::Error::from(full()), StoreError::Engine(full()).into()] {
            let layered: Result<()> = Err(error).context("cannot make the mailbox a");
            let told = explain_store(layered.unwrap_err());
            assert_eq!(advice::hint(&told), Some(NO_ROOM));
            assert_eq!(advice::one_line(&told), "cannot make the mailbox a: no room left: segment 2");
        }
        let advised = with_hint(full().into(), "look");
        assert_eq!(advice::hint(&explain_store(advised)), Some("look"));
        assert_eq!(advice::hint(&explain_store(EngineError::Closed.into())), None);
    }
}
