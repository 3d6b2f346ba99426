//! `[imap]`: time limits and bounds of IMAP sessions.

use std::time::Duration;

use postrider_imap_server::ImapOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Store;

/// Reading mail by IMAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Imap {
    /// Seconds a client that is not logged in may stay silent.
    pub login_seconds_max: u64,
    /// Seconds a client that is logged in may stay silent, also while it waits for news with IDLE. The standard asks for 1800 at least.
    pub idle_seconds_max: u64,
    /// Seconds after which a client in IDLE gets a line although nothing happened, so that no router forgets the connection.
    pub keepalive_seconds: u64,
    /// Malformed or refused commands after which the connection is closed.
    pub errors_max: u32,
    /// Bytes of a command without its literals.
    pub line_bytes_max: usize,
    /// Bytes of one literal, other than a message.
    pub literal_bytes_max: u64,
    /// Literals of one command.
    pub literals_max: usize,
    /// Bytes of a whole command without messages.
    pub command_bytes_max: u64,
    /// Bytes of all messages that one command uploads. A single one is bounded by `store.message_bytes_max`.
    pub append_command_bytes_max: u64,
    /// Levels of nested search conditions.
    pub search_depth_max: usize,
    /// Search conditions of one command.
    pub search_keys_max: usize,
    /// Tasks among which a search that reads many messages is divided. Left out, as many as there are processors.
    pub search_tasks_max: Option<usize>,
    /// Elements of any list in a command.
    pub list_elements_max: usize,
    /// Ranges of one set of message numbers.
    pub set_ranges_max: usize,
    /// Bytes of an answer that are gathered before they are sent on.
    pub output_bytes: usize,
}

impl Default for Imap {
    fn default() -> Self {
        let options = ImapOptions::default();
        Self {
            login_seconds_max: options.login_timeout.as_secs(),
            idle_seconds_max: options.idle_timeout.as_secs(),
            keepalive_seconds: options.keepalive.as_secs(),
            errors_max: options.errors_max,
            line_bytes_max: options.frames.line_bytes_max,
            literal_bytes_max: options.frames.literal_bytes_max,
            literals_max: options.frames.literals_max,
            command_bytes_max: options.frames.command_bytes_max,
            append_command_bytes_max: options.frames.append_command_bytes_max,
            search_depth_max: options.parse.search_depth_max,
            search_keys_max: options.parse.search_keys_max,
            search_tasks_max: None,
            list_elements_max: options.parse.list_elements_max,
            set_ranges_max: options.parse.set_ranges_max,
            output_bytes: options.output_bytes,
        }
    }
}

impl Imap {
    /// The server's own options. What holds before login is the crate's matter: it is small and nobody's wish.
    pub fn options(&self, store: &Store) -> ImapOptions {
        let defaults = ImapOptions::default();
        let mut options = ImapOptions {
            login_timeout: Duration::from_secs(self.login_seconds_max),
            idle_timeout: Duration::from_secs(self.idle_seconds_max),
            keepalive: Duration::from_secs(self.keepalive_seconds),
            errors_max: self.errors_max,
            append_bytes_max: store.message_bytes_max,
            search_tasks_max: self.search_tasks_max.unwrap_or(defaults.search_tasks_max),
            output_bytes: self.output_bytes,
            ..defaults
        };
        options.frames.line_bytes_max = self.line_bytes_max;
        options.frames.literal_bytes_max = self.literal_bytes_max;
        options.frames.literals_max = self.literals_max;
        options.frames.command_bytes_max = self.command_bytes_max;
        options.frames.append_bytes_max = store.message_bytes_max;
        options.frames.append_command_bytes_max = self.append_command_bytes_max.max(store.message_bytes_max);
        options.parse.search_depth_max = self.search_depth_max;
        options.parse.search_keys_max = self.search_keys_max;
        options.parse.list_elements_max = self.list_elements_max;
        options.parse.set_ranges_max = self.set_ranges_max;
        options
    }
}
