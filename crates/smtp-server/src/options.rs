//! What can be set of the SMTP server.

use std::time::Duration;

/// What becomes of a message with a bare CR or LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareLineEndPolicy {
    /// It is refused: RFC 5321 §2.3.8 forbids them, and they are the stuff that SMTP smuggling is made of.
    Refuse,
    /// `quirk_bare_line_ends`: it is kept as it is, for old programs inside one's own walls. It still cannot end early.
    Keep,
}

/// What the detail of a recipient (`user+detail@…`, RFC 5233) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailFolders {
    /// Nothing: the message goes to INBOX.
    Ignore,
    /// It names the mailbox to deliver to, if there is one of that name.
    IfExists,
}

/// Which addresses may stand in MAIL of somebody who has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderPolicy {
    /// Those whose mail comes to them: the account's own and aliases that lead to it (RFC 6409 §6.1).
    OwnAddresses,
    /// Any.
    Any,
}

/// Bounds and habits of SMTP sessions.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// The server's own name: in greetings, trace fields and message ids that it makes.
    pub host_name: String,
    /// How long a client may stay silent between commands; RFC 5321 §4.5.3.2.7 asks for 5 minutes.
    pub command_timeout: Duration,
    /// How long a client may stay silent within content; RFC 5321 §4.5.3.2.5 asks for 3 minutes.
    pub content_timeout: Duration,
    /// The longest line of a client, in bytes without its end; RFC 4954 §4 asks for 12288 where there is AUTH.
    pub line_bytes_max: usize,
    /// The largest message, in bytes.
    pub message_bytes_max: u64,
    /// Content that is refused is read to its end up to this many bytes; then the connection is closed.
    pub discarded_bytes_max: u64,
    /// Bytes of content that all sessions together hold at a time; who comes when they are used up is asked to
    /// come again (452 4.3.1).
    pub content_bytes_in_flight_max: u64,
    /// The most recipients of a message; RFC 5321 §4.5.3.1.8 asks for 100.
    pub recipients_max: usize,
    /// Refused commands, since the last message that was taken, after which the connection is closed.
    pub errors_max: u32,
    /// Failed logins after which the connection is closed.
    pub login_failures_max: u32,
    /// Received fields from which on a message counts as going in circles; RFC 5321 §6.3 asks for 100.
    pub received_fields_max: usize,
    /// How many accounts a message is written to at the same time.
    pub deliveries_at_once_max: usize,
    /// What becomes of a message with a bare CR or LF.
    pub bare_line_ends: BareLineEndPolicy,
    /// What the detail of a recipient does.
    pub detail_folders: DetailFolders,
    /// Which senders a submitting client may name.
    pub senders: SenderPolicy,
    /// Who gets mail for postmaster where no account or alias of that name exists (RFC 5321 §4.5.1).
    pub postmaster: Option<String>,
    /// Whether BINARYMIME is offered (RFC 3030). A POP3 client that reads by lines may harm such content.
    pub binarymime: bool,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            host_name: "localhost".to_owned(),
            command_timeout: Duration::from_secs(5 * 60),
            content_timeout: Duration::from_secs(3 * 60),
            line_bytes_max: 12_288,
            message_bytes_max: 50 * 1024 * 1024,
            discarded_bytes_max: 1024 * 1024 * 1024,
            content_bytes_in_flight_max: 1024 * 1024 * 1024,
            recipients_max: 1000,
            errors_max: 20,
            login_failures_max: 3,
            received_fields_max: 100,
            deliveries_at_once_max: 8,
            bare_line_ends: BareLineEndPolicy::Refuse,
            detail_folders: DetailFolders::Ignore,
            senders: SenderPolicy::OwnAddresses,
            postmaster: None,
            binarymime: true,
        }
    }
}
