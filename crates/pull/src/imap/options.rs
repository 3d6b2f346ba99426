//! What can be chosen of a run.

use std::time::Duration;

/// What becomes of changes on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImapMode {
    /// Mail only ever comes: nothing is removed here, and flags that changed here stay.
    #[default]
    Archive,
    /// An exact copy: flags are as there, and what vanished there goes here, if this account's pull brought it.
    Mirror,
    /// Both sides follow each other.
    Sync,
}

/// What becomes of Gmail's labels; in a sync nothing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GmailLabels {
    /// Each label is a mailbox, as IMAP shows it; All Mail has what stands in no other. A message comes over the wire once.
    #[default]
    Mailboxes,
    /// A message stands in one mailbox, and its labels are its keywords.
    Keywords,
}

/// Whether removals of many messages, and of whole mailboxes, have been agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consent {
    /// Nobody was asked: many removals at once are left undone and reported.
    #[default]
    Unasked,
    /// They are wanted.
    Given,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rehearsal {
    /// The run does what it is for.
    #[default]
    Real,
    /// Nothing is written; the report tells what would be done.
    Dry,
}

/// How the copy is compared with the original after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// Not at all.
    #[default]
    None,
    /// That each message is here, and its size.
    Sizes,
    /// The same, and some messages of each mailbox are fetched again and their hashes compared.
    Sample,
    /// Each message is fetched again and its hash compared.
    Content,
}

/// Which namespaces are fetched (RFC 2342).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Namespaces {
    /// The user's own mailboxes.
    #[default]
    Personal,
    /// Other users' and shared ones, too.
    All,
}

/// What is fetched, and how.
#[derive(Debug, Clone)]
pub struct ImapPullOptions {
    /// What becomes of changes there.
    pub mode: ImapMode,
    /// Whether many removals are agreed to.
    pub consent: Consent,
    /// Whether anything is changed.
    pub rehearsal: Rehearsal,
    /// How the copy is compared afterwards.
    pub verification: Verification,
    /// Whose mailboxes.
    pub namespaces: Namespaces,
    /// Patterns, as of LIST, of the names here that are fetched; none means all.
    pub include: Vec<String>,
    /// Patterns of names here that are not fetched.
    pub exclude: Vec<String>,
    /// Fetch mailboxes, too, that only show messages of others (`\All`, `\Flagged`, `\Important`), as Gmail has them.
    pub virtual_mailboxes: bool,
    /// What becomes of Gmail's labels, where the server has them. `None`: nothing, mailboxes are taken as IMAP shows them.
    pub gmail_labels: Option<GmailLabels>,
    /// The largest message that is fetched, in bytes; larger ones are reported.
    pub message_bytes_max: u64,
    /// How much mail the account may hold, in bytes; what goes beyond it is not fetched, and reported. `None`: no bound.
    pub account_bytes_max: Option<u64>,
    /// Messages that are asked for, and kept, together.
    pub group_messages_max: u32,
    /// Bytes of messages that are asked for, and kept, together; a larger message comes alone.
    pub group_bytes_max: u64,
    /// Groups that are asked for before the first of them has come.
    pub groups_ahead_max: usize,
    /// Commands for messages of one mailbox that the server may refuse before the mailbox is left.
    pub refusals_max: u32,
    /// Messages whose sizes and dates are asked for in one command.
    pub described_messages_max: u32,
    /// Messages that are sent to the server, in a sync, before the first of them is answered for.
    pub uploads_ahead_max: usize,
    /// How long a mailbox there must not have grown after a run was broken off that sent messages to it: until then the server
    /// may still be taking what had been sent.
    pub quiet_time: Duration,
    /// Messages of a mailbox whose content is compared in a sample.
    pub sample_messages_max: u32,
    /// In a mirror or a sync, so many messages of a mailbox are removed without consent, however many it holds.
    pub removals_max: u64,
    /// In a mirror or a sync, so many hundredths of a mailbox's messages are removed without consent.
    pub removals_percent_max: u64,
}

impl Default for ImapPullOptions {
    fn default() -> Self {
        Self {
            mode: ImapMode::default(),
            consent: Consent::default(),
            rehearsal: Rehearsal::default(),
            verification: Verification::default(),
            namespaces: Namespaces::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            virtual_mailboxes: false,
            gmail_labels: Some(GmailLabels::default()),
            message_bytes_max: 50 * 1024 * 1024,
            account_bytes_max: None,
            group_messages_max: 200,
            group_bytes_max: 4 * 1024 * 1024,
            groups_ahead_max: 2,
            refusals_max: 100,
            described_messages_max: 2_000,
            uploads_ahead_max: 32,
            quiet_time: Duration::from_secs(2),
            sample_messages_max: 50,
            removals_max: 20,
            removals_percent_max: 10,
        }
    }
}
