//! `[smtp]`: time limits, bounds and policies of SMTP, submission and LMTP sessions.

use std::time::Duration;

use postrider_smtp_server::{BareLineEndPolicy, DetailFolders, SenderPolicy, SmtpOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Receiving mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// The largest message that is taken, in bytes. `store.message_bytes_max` bounds it, too.
    pub message_bytes_max: u64,
    /// Recipients of one message.
    pub recipients_max: usize,
    /// Whether people may send with any sender address. Otherwise only with those whose mail comes to them.
    pub any_sender: bool,
    /// Whether mail for `alice+shop@example.org` goes to alice's mailbox `shop`, if there is one. Otherwise it goes to the inbox.
    pub detail_folders: bool,
    /// The account that gets mail for `postmaster`, where there is no account or alias of that name.
    pub postmaster: Option<String>,
    /// Whether messages with stray CR or LF characters are taken. They are forbidden, and used to smuggle mail past checks.
    pub bare_line_ends_kept: bool,
    /// Whether messages may contain binary parts (`BINARYMIME`). A POP3 client that reads by lines may harm them.
    pub binarymime: bool,
    /// Seconds a client may stay silent between commands. The standard asks for 300.
    pub command_seconds_max: u64,
    /// Seconds a client may stay silent within a message. The standard asks for 180.
    pub content_seconds_max: u64,
    /// Bytes of a command line.
    pub line_bytes_max: usize,
    /// Bytes of messages that all sessions together hold in memory; who comes when they are used up is asked to come again.
    pub content_bytes_in_flight_max: u64,
    /// Bytes of a refused message that are read to its end before the connection is closed instead.
    pub discarded_bytes_max: u64,
    /// Refused commands, since the last message that was taken, after which the connection is closed.
    pub errors_max: u32,
    /// Failed logins after which the connection is closed.
    pub login_failures_max: u32,
    /// `Received` fields from which on a message counts as going in circles.
    pub received_fields_max: usize,
    /// Accounts that one message is written to at the same time.
    pub deliveries_at_once_max: usize,
}

impl Default for Smtp {
    fn default() -> Self {
        let options = SmtpOptions::default();
        Self {
            message_bytes_max: options.message_bytes_max,
            recipients_max: options.recipients_max,
            any_sender: options.senders == SenderPolicy::Any,
            detail_folders: options.detail_folders == DetailFolders::IfExists,
            postmaster: options.postmaster,
            bare_line_ends_kept: options.bare_line_ends == BareLineEndPolicy::Keep,
            binarymime: options.binarymime,
            command_seconds_max: options.command_timeout.as_secs(),
            content_seconds_max: options.content_timeout.as_secs(),
            line_bytes_max: options.line_bytes_max,
            content_bytes_in_flight_max: options.content_bytes_in_flight_max,
            discarded_bytes_max: options.discarded_bytes_max,
            errors_max: options.errors_max,
            login_failures_max: options.login_failures_max,
            received_fields_max: options.received_fields_max,
            deliveries_at_once_max: options.deliveries_at_once_max,
        }
    }
}

impl Smtp {
    /// The server's own options.
    pub fn options(&self, host_name: String) -> SmtpOptions {
        SmtpOptions {
            host_name,
            command_timeout: Duration::from_secs(self.command_seconds_max),
            content_timeout: Duration::from_secs(self.content_seconds_max),
            line_bytes_max: self.line_bytes_max,
            message_bytes_max: self.message_bytes_max,
            discarded_bytes_max: self.discarded_bytes_max,
            content_bytes_in_flight_max: self.content_bytes_in_flight_max,
            recipients_max: self.recipients_max,
            errors_max: self.errors_max,
            login_failures_max: self.login_failures_max,
            received_fields_max: self.received_fields_max,
            deliveries_at_once_max: self.deliveries_at_once_max,
            bare_line_ends: if self.bare_line_ends_kept { BareLineEndPolicy::Keep } else { BareLineEndPolicy::Refuse },
            detail_folders: if self.detail_folders { DetailFolders::IfExists } else { DetailFolders::Ignore },
            senders: if self.any_sender { SenderPolicy::Any } else { SenderPolicy::OwnAddresses },
            postmaster: self.postmaster.clone(),
            binarymime: self.binarymime,
        }
    }
}
