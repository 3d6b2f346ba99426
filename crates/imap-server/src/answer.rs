//! How a command ends: the tagged response, or the end of the connection.

use std::io;

use postrider_imap_proto::encode::{Code, Status};
use postrider_store::StoreError;

/// A tagged response to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) code: Option<Code>,
    pub(crate) text: String,
}

impl Answer {
    /// The command did what it was asked.
    pub(crate) fn ok(text: impl Into<String>) -> Self {
        Self { status: Status::Ok, code: None, text: text.into() }
    }

    /// The same, with a response code.
    pub(crate) fn ok_with(code: Code, text: impl Into<String>) -> Self {
        Self { status: Status::Ok, code: Some(code), text: text.into() }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// `NO`: it could not be done.
    No(Option<Code>, String),
    /// `BAD`: it made no sense.
    Bad(Option<Code>, String),
    /// The connection cannot go on; `BYE` with this text.
    Bye(String),
    /// The connection is gone.
    Connection(io::Error),
}

impl Failure {
    pub(crate) fn no(code: Code, text: impl Into<String>) -> Self {
        Self::No(Some(code), text.into())
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::Bad(None, text.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

/// Which code tells a client most about a failure of the store (RFC 5530).
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::NoMailbox => Self::no(Code::NonExistent, text),
            StoreError::MailboxExists => Self::no(Code::AlreadyExists, text),
            StoreError::BadName(_) | StoreError::InboxStays => Self::no(Code::Cannot, text),
            StoreError::SpecialUseTaken => Self::no(Code::UseAttr, text),
            StoreError::Limit(_) => Self::no(Code::Limit, text),
            StoreError::TooLarge { .. } => Self::no(Code::TooBig, text),
            StoreError::NoAccount(_) | StoreError::Closed => {
                Self::Bye("This account is not available any more".to_owned())
            }
            StoreError::Damaged(_) | StoreError::Format { .. } => Self::no(Code::Corruption, text),
            StoreError::AccountExists(_) => Self::no(Code::ServerBug, text),
            StoreError::Engine(postrider_store::EngineError::Full(_)) => {
                Self::no(Code::OverQuota, "There is no room left on the server")
            }
            // What failed below is for the log, not for the client.
            StoreError::Engine(_) => Self::no(Code::Unavailable, "The store failed; try again later"),
        }
    }
}
