//! Why the safe could not do what was asked.

use std::{error::Error, fmt, io, path::PathBuf};

use postrider_store::{StoreError, Uid};
use rustic_core::RusticError;

/// Where in an account something is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The account's address.
    pub address: String,
    /// The mailbox's name, if it is about one.
    pub mailbox: Option<String>,
    /// The message's UID, if it is about one.
    pub uid: Option<Uid>,
}

impl Place {
    /// An account.
    pub fn account(address: &str) -> Self {
        Self { address: address.to_owned(), ..Self::default() }
    }

    /// A mailbox.
    pub fn mailbox(address: &str, mailbox: &str) -> Self {
        Self { mailbox: Some(mailbox.to_owned()), ..Self::account(address) }
    }

    /// A message.
    pub fn message(address: &str, mailbox: &str, uid: Uid) -> Self {
        Self { uid: Some(uid), ..Self::mailbox(address, mailbox) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}", self.address)?;
        if let Some(mailbox) = &self.mailbox {
            write!(f, ", mailbox {mailbox}")?;
        }
        match self.uid {
            Some(uid) => write!(f, ", UID {uid}"),
            None => Ok(()),
        }
    }
}

/// Why the safe could not do what was asked. Whatever it is, snapshots that were there before are there still.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The location is none that this program can use.
    #[error("{location} is no place for a backup repository: {reason}")]
    BadLocation {
        /// As it was given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no repository.
    #[error("there is no backup repository at {location}: create one first, or correct the location")]
    NoRepository {
        /// Where it was looked for.
        location: String,
    },
    /// There is a repository already.
    #[error("there is a backup repository at {location} already: use it, or choose another location")]
    RepositoryExists {
        /// Where.
        location: String,
    },
    /// No key of the repository opens with the passphrase.
    #[error("the passphrase does not open the backup repository at {location}")]
    WrongPassphrase {
        /// Which repository.
        location: String,
    },
    /// The location cannot be written to, or not be read.
    #[error(
        "{location} refuses access: {reason}; give the user that postrider runs as the right to read and write there"
    )]
    NotWritable {
        /// Where.
        location: String,
        /// What the system said.
        reason: String,
    },
    /// The location is full.
    #[error("there is no space left at {location}: make room, or prune old snapshots, and run again")]
    NoSpace {
        /// Where.
        location: String,
    },
    /// Somebody else is writing to the repository.
    #[error("another run is writing to the backup repository at {location}: wait until it has ended")]
    Busy {
        /// Which repository.
        location: String,
    },
    /// The repository does not hold what it should.
    #[error("the backup repository at {location} is damaged: {what}; run `postrider backup verify`")]
    Damaged {
        /// Which repository.
        location: String,
        /// What is wrong.
        what: String,
    },
    /// The repository's storage failed.
    #[error("the backup repository at {location} could not be used: {reason}")]
    Storage {
        /// Which repository.
        location: String,
        /// What happened.
        reason: String,
    },
    /// There is no such snapshot.
    #[error("there is no snapshot `{wished}`: `postrider backup list` shows those that there are")]
    NoSnapshot {
        /// What was asked for.
        wished: String,
    },
    /// There is nothing of that name in the snapshot.
    #[error("snapshot {snapshot} holds no {path}")]
    NoPath {
        /// The snapshot.
        snapshot: String,
        /// What was asked for.
        path: String,
    },
    /// The snapshot was not written by postrider, or by one that knew a later layout.
    #[error("{path} has the layout {found}; this program reads {known}: use a newer postrider, or `restic restore`")]
    Layout {
        /// The file that says so.
        path: String,
        /// What it says.
        found: String,
        /// What this program knows.
        known: String,
    },
    /// A message or record of the living store could not be read, so there is no snapshot of it.
    #[error("{place}: {reason}; no snapshot was made. Run `postrider check`")]
    Source {
        /// Which one.
        place: Box<Place>,
        /// What is the matter.
        reason: String,
    },
    /// It was asked to stop.
    #[error("stopped as asked; earlier snapshots are whole, and the next run goes on from what was written")]
    Cancelled,
    /// A file outside the repository could not be written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The store refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Work on another thread ended without an answer.
    #[error("the work ended unexpectedly: {0}")]
    Ended(String),
}

impl BackupError {
    /// What `error` of the library underneath means for people.
    pub(crate) fn of_library(location: &str, error: &RusticError) -> Self {
        let location = location.to_owned();
        if error.is_incorrect_password() {
            return Self::WrongPassphrase { location };
        }
        match find_io_error(error).map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::NoSpace { location },
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                Self::NotWritable { location, reason: one_line(error) }
            }
            _ if is_damage(error) => Self::Damaged { location, what: one_line(error) },
            _ => Self::Storage { location, reason: one_line(error) },
        }
    }
}

fn find_io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The library's kinds of errors are not public, but its words are; a wrong guess costs the better sentence only.
fn is_damage(error: &RusticError) -> bool {
    let words = error.display_log().to_ascii_lowercase();
    ["cryptograph", "decrypt", "not found in index", "deserializ", "data length", "mac"]
        .iter()
        .any(|word| words.contains(word))
}

/// The library's message in one line, without its invitation to report bugs.
pub(crate) fn one_line(error: &RusticError) -> String {
    let words = error.display_log();
    let first = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let mut cause = error.source();
    let mut text = without_details(first.trim_start_matches("Error: ")).to_owned();
    while let Some(inner) = cause {
        let inner_text = inner.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let inner_text = without_details(&inner_text);
        if !text.contains(inner_text) && inner_text.len() < 300 {
            text.push_str(": ");
            text.push_str(inner_text);
        }
        cause = inner.source();
    }
    text
}

/// What of the library's words is for people: where they end, references to its own pages, its values and its call stack begin.
fn without_details(words: &str) -> &str {
    let ends = ["For more information, see:", "Some additional details", "Backtrace:"].map(|end| words.find(end));
    let end = ends.into_iter().flatten().min().unwrap_or(words.len());
    words.get(..end).unwrap_or(words).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_call_stack_is_not_for_people() {
        let words =
            "the MAC check failed. For more information, see: https://x Some additional details ... Backtrace: 0: a::b";
        assert_eq!(without_details(words), "the MAC check failed.");
        assert_eq!(without_details("short"), "short");
        assert_eq!(without_details("Backtrace: 0: a::b"), "");
    }
}
