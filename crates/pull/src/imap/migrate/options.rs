//! What can be chosen of a migration.

use crate::imap::options::{GmailLabels, ImapPullOptions, Rehearsal};

/// How the copy is compared with the original afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigrationVerification {
    /// Not at all.
    #[default]
    None,
    /// Counts and sizes of all messages, and the content of some.
    Sample,
    /// The content of all.
    Content,
}

/// What is migrated, and how.
#[derive(Debug, Clone)]
pub struct MigrationOptions {
    /// Whether anything is changed.
    pub rehearsal: Rehearsal,
    /// How the copy is compared afterwards.
    pub verification: MigrationVerification,
    /// Patterns, as of LIST, of mailboxes that are migrated, with `/` between levels; none means all.
    pub include: Vec<String>,
    /// Patterns of mailboxes that are not migrated.
    pub exclude: Vec<String>,
    /// From Gmail: the name at the new server, with `/` between levels, of the mailbox that gets mail which has no label and so
    /// stands in All Mail only. `None`: the one of the use `\Archive`, else `Archive`.
    pub gmail_archive: Option<String>,
    /// The largest message that is copied, in bytes; larger ones are reported.
    pub message_bytes_max: u64,
    /// Messages that are sent before the first of them is answered for.
    pub uploads_ahead_max: usize,
    /// Messages of a mailbox whose content is compared in a sample.
    pub sample_messages_max: usize,
    /// Bounds on fetching.
    pub fetching: ImapPullOptions,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self {
            rehearsal: Rehearsal::default(),
            verification: MigrationVerification::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            gmail_archive: None,
            message_bytes_max: 512 * 1024 * 1024,
            uploads_ahead_max: 32,
            sample_messages_max: 50,
            fetching: ImapPullOptions::default(),
        }
    }
}

impl MigrationOptions {
    /// What fetching is told.
    pub(crate) fn of_source(&self) -> ImapPullOptions {
        ImapPullOptions {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            message_bytes_max: self.message_bytes_max,
            // Each label is a mailbox, as IMAP shows it, and what has none comes with All Mail.
            gmail_labels: Some(GmailLabels::Mailboxes),
            ..self.fetching.clone()
        }
    }

    /// The new server's mailboxes are looked at whatever is migrated.
    pub(crate) fn of_target(&self) -> ImapPullOptions {
        ImapPullOptions { virtual_mailboxes: true, ..self.fetching.clone() }
    }
}
