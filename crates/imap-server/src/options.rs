//! What can be set of the IMAP server.

use std::time::Duration;

use postrider_imap_proto::{FrameLimits, ParseLimits};

/// Bounds and habits of IMAP sessions.
#[derive(Debug, Clone)]
pub struct ImapOptions {
    /// How long a client that is not logged in may stay silent.
    pub login_timeout: Duration,
    /// How long a client that is logged in may stay silent, in IDLE too; RFC 9051 §5.4 asks for 30 minutes at least.
    pub idle_timeout: Duration,
    /// How often an idling client gets a line although nothing happened, so that no router forgets the connection.
    pub keepalive: Duration,
    /// Malformed or refused commands after which the connection is closed.
    pub errors_max: u32,
    /// Bounds of commands before login.
    pub frames_before_login: FrameLimits,
    /// Bounds of commands after login.
    pub frames: FrameLimits,
    /// Bounds of what a command may hold.
    pub parse: ParseLimits,
    /// The largest message that APPEND takes, in bytes (RFC 7889).
    pub append_bytes_max: u64,
    /// Tasks among which a search that reads many messages is divided.
    pub search_tasks_max: usize,
    /// Output is sent on when this much has gathered, in bytes; a session holds little more.
    pub output_bytes: usize,
}

impl Default for ImapOptions {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30 * 60),
            keepalive: Duration::from_secs(2 * 60),
            errors_max: 20,
            frames_before_login: FrameLimits::before_login(),
            frames: FrameLimits::default(),
            parse: ParseLimits::default(),
            append_bytes_max: 50 * 1024 * 1024,
            search_tasks_max: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            output_bytes: 64 * 1024,
        }
    }
}
