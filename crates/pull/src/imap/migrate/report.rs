//! What a migration did.

use super::journal::JournalError;
use crate::error::PullError;
use crate::imap::report::{Remark, Weight};

/// Why a migration ended early, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// At the server that has the mail.
    #[error("at the old server: {0}")]
    Old(#[source] PullError),
    /// At the server that gets the mail.
    #[error("at the new server: {0}")]
    New(#[source] PullError),
    /// What has to be remembered cannot be.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It was asked to stop.
    #[error("stopped; what was copied so far is there")]
    Stopped,
}

impl MigrationError {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Old(error) | Self::New(error) => error.hint(),
            Self::Stopped => PullError::Stopped.hint(),
            Self::Journal(JournalError::InUse(_)) => Some("wait for the other run to end".to_owned()),
            Self::Journal(JournalError::Foreign { .. }) => Some("give another folder with --state".to_owned()),
            Self::Journal(JournalError::File { .. }) => {
                Some("give a folder with --state that this user can write to, on a disk with room".to_owned())
            }
            Self::Journal(JournalError::Damaged { .. }) => Some(
                "give another folder with --state: what is at the new server already is recognised, and not sent again"
                    .to_owned(),
            ),
        }
    }
}

/// What a migration did.
#[derive(Debug, Default)]
pub struct MigrationReport {
    /// The mailboxes that were worked through, in the order of the work.
    pub mailboxes: Vec<MigratedMailbox>,
    /// What concerns no single one of them.
    pub remarks: Vec<Remark>,
    /// Why the run ended early; `None` if it did not. What was copied until then is there, and the next run goes on behind
    /// it.
    pub ended_early: Option<MigrationError>,
    /// Whether a connection broke in a way that tells more of which message it breaks at.
    pub is_nearer_to_a_break: bool,
}

/// What was done for one mailbox. In a rehearsal, what would be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigratedMailbox {
    /// Its name at the old server.
    pub source: String,
    /// Its name at the new server.
    pub target: String,
    /// Messages that the old server has in it.
    pub messages: u64,
    /// Messages copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Messages that were at the new server already.
    pub recognised: u64,
    /// Messages whose flags were changed at the new server.
    pub flags_changed: u64,
    /// Messages that are at the new server, with their size.
    pub verified: u64,
    /// Messages among them whose content was compared.
    pub contents_verified: u64,
    /// What people should know.
    pub remarks: Vec<Remark>,
}

impl MigrationReport {
    /// Whether everything that was to be copied is at the new server, as far as the run was to see to it.
    pub fn is_complete(&self) -> bool {
        let remarks = self.remarks.iter().chain(self.mailboxes.iter().flat_map(|mailbox| &mailbox.remarks));
        self.ended_early.is_none() && remarks.map(|remark| remark.weight).all(|weight| weight == Weight::Notice)
    }

    /// Messages copied in all mailboxes.
    pub fn copied(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.copied).sum()
    }
}
