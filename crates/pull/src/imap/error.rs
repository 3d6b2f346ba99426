//! Why fetching by IMAP ended early.

use std::time::Duration;

use postrider_imap_proto::client::command::EncodeError;
use postrider_imap_proto::client::{FailureKind, ResponseRefusal, StatusResponse};
use postrider_sasl::SaslError;
use postrider_store::StoreError;

use super::report::printable;
use crate::connect::Stopped;
use crate::counted::counted;
use crate::error::PullError;
use crate::oauth::OAuthError;

/// Why fetching ended early. What was fetched before stays, and the next run goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum ImapError {
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server said nothing, or took nothing, for too long.
    #[error("the server did not answer within {}", counted(*.seconds, "second"))]
    Silent {
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// The server ended the connection and said why.
    #[error("the server ended the connection: {text}")]
    Bye {
        /// What it said.
        text: String,
        /// What that means.
        kind: FailureKind,
    },
    /// The first response was no greeting.
    #[error("the server does not speak IMAP: its first line is no greeting")]
    NoGreeting,
    /// The server took us for logged in before the connection was private.
    #[error("the server greeted with PREAUTH on a connection in the clear, which may be an attack")]
    PreAuthInTheClear,
    /// The server refused a command.
    #[error("the server refused {command}: {text}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What the refusal means.
        kind: FailureKind,
        /// What the server said.
        text: String,
    },
    /// The server offers no way to log in that may be used here.
    #[error("the server offers no way to log in that this program can take; it offers: {offered}")]
    NoMechanism {
        /// The mechanisms offered.
        offered: String,
    },
    /// The exchange of a login went wrong on our side.
    #[error("the login failed: {0}")]
    Sasl(#[from] SaslError),
    /// The server takes no access token that is to be had.
    #[error("the server refused the access token: {text}")]
    Token {
        /// What it said.
        text: String,
    },
    /// There is no access token.
    #[error("there is no access token to log in with: {0}")]
    OAuth(#[from] OAuthError),
    /// A command cannot be said.
    #[error("a command cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// Whoever was to get the messages could not take them, and says why itself.
    #[error("messages that came could not be passed on")]
    NotTaken,
    /// The answer to a command is larger than allowed.
    #[error("the server's answer was not taken: {0}")]
    Answer(#[from] ResponseRefusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A note of an earlier run cannot be read.
    #[error("what was noted of mailbox {mailbox:?} cannot be read; remove it to fetch everything anew")]
    Memory {
        /// Its name there, or its key.
        mailbox: String,
    },
}

impl ImapError {
    /// The refusal of `command`.
    pub(crate) fn refused(command: &'static str, status: &StatusResponse) -> Self {
        let kind = status.failure().unwrap_or(FailureKind::Unknown);
        Self::Refused { command, kind, text: printable(&status.text) }
    }

    /// With the name that was sent, where it is credentials that were refused.
    pub(crate) fn of_user(self, user: &str) -> Self {
        match self {
            Self::Refused { command, kind: FailureKind::Credentials, text } => {
                let text = format!("{text} (the user name sent was {})", printable(user));
                Self::Refused { command, kind: FailureKind::Credentials, text }
            }
            error => error,
        }
    }

    /// Whether the connection can still be used: only one command failed.
    pub(crate) fn is_of_one_command(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Encode(_))
    }

    /// Whether the run is to stop.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(self, Self::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<Stopped>()))
    }

    /// Whether the server says that too much was asked.
    pub(crate) fn is_throttling(&self) -> bool {
        matches!(self, Self::Bye { kind, .. } | Self::Refused { kind, .. } if *kind == FailureKind::Throttled)
    }

    /// Whether the connection is over, or not to be relied on any more.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed | Self::Silent { .. } | Self::Bye { .. } | Self::Answer(_))
    }

    /// Whether it may be a message that was asked for that ended the connection: neither was a stop asked for, nor patience.
    pub(crate) fn may_be_of_a_message(&self) -> bool {
        match self {
            Self::Closed | Self::Silent { .. } => true,
            Self::Io(_) => !self.is_stop(),
            Self::Bye { kind, .. } => *kind != FailureKind::Throttled,
            _ => false,
        }
    }
}

impl From<ImapError> for PullError {
    fn from(error: ImapError) -> Self {
        match error {
            ImapError::Io(error) => error.into(),
            ImapError::Closed | ImapError::NotTaken => Self::Closed,
            ImapError::Silent { seconds } => Self::Silence { after: Duration::from_secs(seconds) },
            ImapError::Bye { text, kind } => by_kind(kind, "to go on", text),
            ImapError::Refused { command, kind, text } => by_kind(kind, command, text),
            ImapError::NoGreeting => Self::Protocol { protocol: "IMAP", what: String::from("it does not greet") },
            ImapError::PreAuthInTheClear => Self::Refusal(ImapError::PreAuthInTheClear.to_string()),
            ImapError::NoMechanism { offered } => Self::NoLogin { offered },
            ImapError::Sasl(error) => error.into(),
            ImapError::Token { text } => Self::Token { text },
            ImapError::OAuth(error) => error.into(),
            ImapError::Encode(_) => Self::Unsayable { what: "user name or password" },
            ImapError::Answer(refusal) => Self::TooMuch { what: refusal.to_string() },
            ImapError::Store(error) => error.into(),
            ImapError::Memory { .. } => Self::Memory,
        }
    }
}

fn by_kind(kind: FailureKind, command: &'static str, text: String) -> PullError {
    match kind {
        FailureKind::Credentials => PullError::Credentials { text },
        FailureKind::Throttled => PullError::Throttled { text },
        FailureKind::Temporary => PullError::Temporary { text },
        _ => PullError::Command { command, text },
    }
}
