//! What people may do about files that cannot be read or written.
//!
//! The files are touched by the process that holds the mail: with a server running, that is the server, under its
//! user and in its view of the file system, and not the person at the command line.

use std::io::ErrorKind;

use postrider_archive::ArchiveError;

use crate::advice::with_hint;

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

/// The error with what may be done about it.
pub(super) fn explain(error: ArchiveError, who: Who) -> anyhow::Error {
    let kind = match &error {
        ArchiveError::Io { source, .. } => Some(source.kind()),
        _ => None,
    };
    let hint = match (&error, kind, who) {
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
        (_, Some(ErrorKind::StorageFull), _) => {
            "make room and give the same command again: it goes on where it stopped"
        }
        (ArchiveError::Unrecognised { .. }, ..) => {
            "docs/import-export.md lists what is read; if the files are one of that, name it with --format"
        }
        (ArchiveError::TargetExists { .. }, ..) => "choose another path, or replace what is there with --replace",
        (ArchiveError::UnknownPosition { .. }, ..) => {
            "the files have changed since the import was broken off; --again begins anew and passes over what is there"
        }
        _ => return error.into(),
    };
    with_hint(error.into(), hint)
}
