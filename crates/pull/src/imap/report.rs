//! What a run did.

use std::fmt;

use crate::error::PullError;

/// What a run did.
#[derive(Debug, Default)]
pub struct ImapReport {
    /// The mailboxes that were worked through, in the order of the work.
    pub mailboxes: Vec<MailboxReport>,
    /// What concerns no single mailbox that was worked through.
    pub remarks: Vec<Remark>,
    /// Why the run ended early; `None` if it did not. What was fetched until then stays, and the next run goes on there.
    pub ended_early: Option<PullError>,
    /// Whether the connection broke in a way that tells more of which message it breaks at.
    pub is_nearer_to_a_break: bool,
    /// Octets received from the server.
    pub bytes_received: u64,
}

impl ImapReport {
    /// Whether everything there is here, as far as the run was to see to it: nothing failed, nothing was left out, nothing
    /// differs.
    pub fn is_complete(&self) -> bool {
        let remarks = self.remarks.iter().chain(self.mailboxes.iter().flat_map(|mailbox| &mailbox.remarks));
        self.ended_early.is_none() && remarks.map(|remark| remark.weight).all(|weight| weight == Weight::Notice)
    }

    /// Messages fetched in all mailboxes.
    pub fn fetched(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.fetched).sum()
    }

    /// Messages sent to the server, of all mailboxes.
    pub fn uploaded(&self) -> u64 {
        self.mailboxes.iter().map(|mailbox| mailbox.uploaded).sum()
    }
}

/// What was done for one mailbox. In a rehearsal, what would be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxReport {
    /// Its name there.
    pub remote: String,
    /// Its name here.
    pub local: String,
    /// Messages that the server has in it.
    pub messages: u64,
    /// Messages fetched.
    pub fetched: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Messages that were here already and were recognised by size, date and Message-ID, or by content.
    pub recognised: u64,
    /// Messages whose flags were changed here.
    pub flags_changed: u64,
    /// Messages that vanished there.
    pub vanished: u64,
    /// Messages removed here.
    pub removed: u64,
    /// Messages sent to the server.
    pub uploaded: u64,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// Messages whose flags were changed there.
    pub flags_changed_there: u64,
    /// Messages removed there.
    pub removed_there: u64,
    /// Messages that were compared with the original, and found equal.
    pub verified: u64,
    /// What people should know.
    pub remarks: Vec<Remark>,
    /// Problems among the remarks that are of one message and that no later run will mend: they keep nothing else back.
    pub lasting_problems: usize,
}

/// Whether a remark is a reason to worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Notice,
    /// Something is missing, differs, or was left undone.
    Problem,
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether it is a reason to worry.
    pub weight: Weight,
    /// What it is, in words.
    pub text: String,
}

impl Remark {
    pub(crate) fn notice(text: impl Into<String>) -> Self {
        Self { weight: Weight::Notice, text: text.into() }
    }

    pub(crate) fn problem(text: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, text: text.into() }
    }
}

/// A text from elsewhere as it may be shown: without characters that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
