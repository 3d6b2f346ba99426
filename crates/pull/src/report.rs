//! What a run did, and what it did not.

use std::time::Duration;

use crate::error::PullError;

/// The outcome of a run that got as far as the other mailbox.
#[derive(Debug, Default)]
pub struct Report {
    /// Messages in the other mailbox, or mailboxes, when the run began.
    pub there: u64,
    /// Messages that were stored here.
    pub fetched: u64,
    /// Messages that were here already.
    pub known: u64,
    /// Octets of messages that were received, those included that turned out to be known.
    pub bytes: u64,
    /// Messages that were removed there.
    pub removed_there: u64,
    /// Messages that are here and due to be removed there, and stay until a backup holds them.
    pub waiting_for_backup: u64,
    /// Messages that should have been removed there and were not, each with the reason.
    pub not_removed: Vec<NotFetched>,
    /// Messages that are there and were not fetched.
    pub not_fetched: Vec<NotFetched>,
    /// Whether what is here equals what is there; `None` if nobody asked or the run ended before.
    pub verified: Option<Verification>,
    /// What ended the run before it was done. What was stored until then stays, and the next run goes on from there.
    pub ended_early: Option<PullError>,
    /// Whether the connection broke at a message, which is known now.
    pub is_nearer_to_a_break: bool,
    /// How long the server wants between two logins, where it says so: the next run must not begin before.
    pub login_delay: Option<Duration>,
    /// What a run would do, one line for each message; only of a dry run.
    pub plan: Vec<String>,
}

/// A message that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    /// Which one, in words of the protocol: `message 3 (UIDL x)`.
    pub message: String,
    /// Why.
    pub reason: NotFetchedReason,
}

/// Why a message was left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFetchedReason {
    /// It is larger than the store takes.
    #[error("it is larger than {bytes_max} bytes, the most that a message may have here")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The other server did not give it.
    #[error("the server said: {0}")]
    Refused(String),
    /// The account may not take more.
    #[error("the account's quota of {bytes_max} bytes leaves no room for it")]
    Quota {
        /// The bound.
        bytes_max: u64,
    },
    /// It breaks the connection.
    #[error("the connection broke each time it was asked for; the next run asks again")]
    Breaks,
    /// No message came, but what ended like one.
    #[error("LIST tells of {told} octets, but {came} came, and no header among them; the next run asks again")]
    Nothing {
        /// The size that was told, in octets.
        told: u64,
        /// How much came, in octets.
        came: u64,
    },
    /// It may have come in part only.
    #[error(
        "LIST tells of {told} octets, but {came} came, which no way of counting line ends explains: it may be cut off here, \
         and stays there"
    )]
    Short {
        /// The size that was told, in octets.
        told: u64,
        /// How much came, in octets.
        came: u64,
    },
    /// It has no header.
    #[error("what came of it, {came} octets, has no header: it may not be all of it, and stays there")]
    NoHeader {
        /// How much came, in octets.
        came: u64,
    },
    /// It was fetched once, but it is not in the account any more.
    #[error("it was fetched before, but is not in the account any more, or is damaged here (`postrider check` tells)")]
    NotHere,
    /// What was read back from the store is not what was received.
    #[error("what was read back from the store differs from what was received; run `postrider check`")]
    Damaged,
    /// The other server did not remove it.
    #[error("the server did not remove it: {0}")]
    NotRemoved(String),
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Messages there that were looked for here.
    pub compared: u64,
    /// Messages whose content was fetched again and compared.
    pub contents_compared: u64,
    /// What is not as it should be; empty if all is well.
    pub missing: Vec<Difference>,
    /// What differs without being wrong, such as a size that the other server told falsely.
    pub remarks: Vec<Difference>,
}

/// A message that is not here as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which one, in words of the protocol.
    pub message: String,
    /// What is the matter with it.
    pub difference: String,
}

impl Report {
    /// Whether everything that was to be done was done, and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.ended_early.is_none()
            && self.not_fetched.is_empty()
            && self.not_removed.is_empty()
            && self.verified.as_ref().is_none_or(|verified| verified.missing.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_left_something_is_not_complete() {
        assert!(Report::default().is_complete());
        let left = || vec![NotFetched { message: String::from("message 1"), reason: NotFetchedReason::NotHere }];
        assert!(!Report { not_fetched: left(), ..Report::default() }.is_complete());
        assert!(!Report { not_removed: left(), ..Report::default() }.is_complete());
        assert!(!Report { ended_early: Some(PullError::Closed), ..Report::default() }.is_complete());
        let missing = vec![Difference { message: String::from("message 1"), difference: String::from("it is gone") }];
        let verified = Some(Verification { missing: missing.clone(), ..Verification::default() });
        assert!(!Report { verified, ..Report::default() }.is_complete());
        let verified = Some(Verification { remarks: missing, ..Verification::default() });
        assert!(Report { verified, ..Report::default() }.is_complete());
    }
}
