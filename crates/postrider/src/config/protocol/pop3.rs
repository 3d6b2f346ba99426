//! `[pop3]`: time limits and bounds of POP3 sessions.

use std::time::Duration;

use postrider_pop3_server::{Language, Pop3Options, Utf8ForAscii};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reading mail by POP3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pop3 {
    /// Seconds a client that is not logged in may stay silent.
    pub login_seconds_max: u64,
    /// Seconds a client that is logged in may stay silent. The standard asks for 600 at least.
    pub idle_seconds_max: u64,
    /// Seconds that have to pass between two logins to one account (`LOGIN-DELAY`), where the account has no setting of its own; 0 for none.
    pub login_delay_seconds: u32,
    /// Failed logins after which the connection is closed.
    pub login_failures_max: u32,
    /// Malformed or refused commands after which the connection is closed.
    pub errors_max: u32,
    /// Bytes of a command line.
    pub line_bytes_max: usize,
    /// Whether a message whose header is not ASCII is refused to programs that did not ask for UTF-8, as RFC 6856 has it. Most
    /// programs never ask, and would be locked out by one such message.
    pub utf8_refused_without_request: bool,
    /// The language of messages to people before a program chooses one: `en` or `de`.
    pub language: String,
    /// Whether the server says what it is (`IMPLEMENTATION`).
    pub implementation_told: bool,
    /// Bytes of an answer that are gathered before they are sent on.
    pub output_bytes: usize,
    /// Bytes of a message that are read at a time.
    pub piece_bytes: u64,
}

impl Default for Pop3 {
    fn default() -> Self {
        let options = Pop3Options::default();
        Self {
            login_seconds_max: options.login_timeout.as_secs(),
            idle_seconds_max: options.idle_timeout.as_secs(),
            login_delay_seconds: options.login_delay_seconds,
            login_failures_max: options.login_failures_max,
            errors_max: options.errors_max,
            line_bytes_max: options.line_bytes_max,
            utf8_refused_without_request: options.utf8_for_ascii == Utf8ForAscii::Refuse,
            language: options.language.tag().to_owned(),
            implementation_told: options.implementation.is_some(),
            output_bytes: options.output_bytes,
            piece_bytes: options.piece_bytes,
        }
    }
}

impl Pop3 {
    /// The server's own options. EXPIRE stays at its `NEVER`: nothing here removes mail by its age, so nothing else would be true.
    pub fn options(&self) -> Pop3Options {
        let defaults = Pop3Options::default();
        let utf8_for_ascii = if self.utf8_refused_without_request { Utf8ForAscii::Refuse } else { Utf8ForAscii::Send };
        Pop3Options {
            login_timeout: Duration::from_secs(self.login_seconds_max),
            idle_timeout: Duration::from_secs(self.idle_seconds_max),
            line_bytes_max: self.line_bytes_max,
            errors_max: self.errors_max,
            login_failures_max: self.login_failures_max,
            output_bytes: self.output_bytes,
            piece_bytes: self.piece_bytes,
            login_delay_seconds: self.login_delay_seconds,
            utf8_for_ascii,
            language: Language::find(&self.language).unwrap_or(defaults.language),
            implementation: defaults.implementation.clone().filter(|_| self.implementation_told),
            ..defaults
        }
    }

    /// One line for each value that cannot be meant.
    pub fn problems(&self) -> Vec<String> {
        let known = Language::ALL.map(Language::tag);
        if known.contains(&self.language.as_str()) {
            return Vec::new();
        }
        vec![format!("pop3.language: {:?} is none of {}", self.language, known.join(", "))]
    }
}
