//! What can be set of the POP3 server.

use std::time::Duration;

use postrider_pop3_proto::Expiry;

use crate::language::Language;

/// What a client that did not switch to UTF-8 mode gets when it asks for a message whose header is not ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8ForAscii {
    /// `-ERR [UTF8]`, as RFC 6856 §2.1 has it.
    Refuse,
    /// `quirk_utf8_for_ascii`: the message as it is stored, as servers without RFC 6856 send it. Hardly any POP3
    /// client knows the UTF8 command, and many give up at the first message that is refused, so that one careless
    /// sender would lock them out of their maildrop.
    Send,
}

/// Bounds and habits of POP3 sessions.
#[derive(Debug, Clone)]
pub struct Pop3Options {
    /// How long a client that is not logged in may stay silent.
    pub login_timeout: Duration,
    /// How long a client that is logged in may stay silent; RFC 1939 §3 asks for 10 minutes at least.
    pub idle_timeout: Duration,
    /// The longest line of a client, in bytes without its end. RFC 2449 §4 asks for 255; lines of SASL are longer.
    pub line_bytes_max: usize,
    /// Malformed or refused commands after which the connection is closed.
    pub errors_max: u32,
    /// Failed logins after which the connection is closed.
    pub login_failures_max: u32,
    /// Output is sent on when this much has gathered, in bytes; a session holds little more.
    pub output_bytes: usize,
    /// Messages are read from the store in pieces of this many bytes. A message that is one piece is checked against
    /// its checksum on the way.
    pub piece_bytes: u64,
    /// The least time between two logins to an account that has no setting of its own, in seconds; 0: none.
    pub login_delay_seconds: u32,
    /// How long messages stay, as CAPA tells it; who removes them is somebody else.
    pub expire: Expiry,
    /// The language before a client chooses another.
    pub language: Language,
    /// What clients without UTF-8 mode get.
    pub utf8_for_ascii: Utf8ForAscii,
    /// What CAPA says the server is; `None`: nothing.
    pub implementation: Option<String>,
}

impl Default for Pop3Options {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(10 * 60),
            line_bytes_max: 8 * 1024,
            errors_max: 20,
            login_failures_max: 5,
            output_bytes: 64 * 1024,
            piece_bytes: 256 * 1024,
            login_delay_seconds: 0,
            expire: Expiry::Never,
            language: Language::English,
            utf8_for_ascii: Utf8ForAscii::Send,
            implementation: Some("postrider".to_owned()),
        }
    }
}
