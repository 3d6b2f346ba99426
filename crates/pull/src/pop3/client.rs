//! The wire: commands out, replies in. It knows no states and no order of commands.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use postrider_pop3_proto::{
    Command,
    client::{
        DotUnstuffer, FailureKind, InitialResponseSupport, LineEnds, ListingLine, ListingReader, Progress, Reply,
        ServerCapabilities, StatusLine, encode_command, parse_reply,
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Limits, breaks::Breaks, login_delay::believed};
use crate::{connect::Connection, error::PullError};

/// What is asked of the connection at once, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// How much room is made for a message at a server's word, in bytes.
const EXPECTED_BYTES_MAX: usize = 1024 * 1024;

/// How much of a server's text is shown, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// A connection to a POP3 server.
pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) capabilities: ServerCapabilities,
    pub(super) limits: Limits,
    /// Messages at which connections to this server broke, in this run.
    pub(super) breaks: Arc<Breaks>,
    input: BytesMut,
}

/// A message as it was received.
pub(super) struct Content {
    /// Its bytes; `None` if they were too many.
    pub(super) bytes: Option<Vec<u8>>,
    /// How many there were.
    pub(super) octets: u64,
}

impl Client {
    pub(super) fn new(connection: Connection, limits: Limits) -> Self {
        Self {
            connection,
            capabilities: ServerCapabilities::new(),
            limits,
            breaks: Arc::default(),
            input: BytesMut::new(),
        }
    }

    /// The connection alone, and whether the server has said more than was asked.
    pub(super) fn into_connection(self) -> (Connection, bool) {
        (self.connection, !self.input.is_empty())
    }

    /// Sends octets as they are.
    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), PullError> {
        self.connection.write_all(octets).await?;
        Ok(self.connection.flush().await?)
    }

    /// Sends a command that has no secret in it, and reads the status line of its answer.
    pub(super) async fn command(&mut self, command: &Command) -> Result<Reply, PullError> {
        let line = line_of(command)?;
        self.send(&line).await?;
        self.reply().await
    }

    /// Reads a status line.
    pub(super) async fn reply(&mut self) -> Result<Reply, PullError> {
        Ok(parse_reply(&self.line().await?))
    }

    /// Reads a line; its end is left out.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, PullError> {
        let mut looked_at = 0;
        loop {
            let unseen = self.input.get(looked_at..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|octet| *octet == b'\n') {
                let line = self.input.split_to(looked_at + at + 1);
                return Ok(line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(&line).to_vec());
            }
            looked_at = self.input.len();
            if looked_at > self.limits.line_bytes_max {
                return Err(PullError::TooMuch { what: format!("a line of more than {looked_at} bytes") });
            }
            self.fill().await?;
        }
    }

    /// Reads a listing behind its status line.
    pub(super) async fn listing(&mut self, mut each: impl FnMut(ListingLine<'_>)) -> Result<(), PullError> {
        let mut reader = ListingReader::new(self.limits.line_bytes_max);
        let (mut lines, lines_max) = (0usize, self.limits.listing_lines_max);
        loop {
            let progress = reader.push(&self.input, |line| {
                lines += 1;
                if lines <= lines_max {
                    each(line);
                }
            });
            if lines > lines_max {
                return Err(PullError::TooMuch { what: format!("a listing of more than {lines_max} lines") });
            }
            match progress {
                Progress::Ended { consumed } => {
                    self.input.advance(consumed.min(self.input.len()));
                    return Ok(());
                }
                Progress::More => self.input.clear(),
            }
            self.fill().await?;
        }
    }

    /// Reads a message behind its status line. One that is too large is read to its end, but not kept.
    pub(super) async fn content(&mut self, octets_expected: u64) -> Result<Content, PullError> {
        let bytes_max = self.limits.message_bytes_max;
        let mut unstuffer = DotUnstuffer::new(LineEnds::CrlfOrLf);
        let expected = usize::try_from(octets_expected).unwrap_or(EXPECTED_BYTES_MAX);
        let mut bytes = Vec::with_capacity(expected.min(EXPECTED_BYTES_MAX));
        // Octets that were let go because they are too many.
        let mut dropped = 0u64;
        loop {
            let progress = unstuffer.push(&self.input, &mut bytes);
            if dropped > 0 || bytes.len() as u64 > bytes_max {
                dropped += bytes.len() as u64;
                bytes = Vec::new();
            }
            if dropped > bytes_max.saturating_mul(4) {
                return Err(PullError::TooMuch { what: format!("a message of more than {dropped} bytes") });
            }
            match progress {
                Progress::Ended { consumed } => {
                    self.input.advance(consumed.min(self.input.len()));
                    let octets = dropped + bytes.len() as u64;
                    return Ok(Content { bytes: (dropped == 0).then_some(bytes), octets });
                }
                Progress::More => self.input.clear(),
            }
            self.fill().await?;
        }
    }

    /// Asks what the server can do.
    pub(super) async fn learn_capabilities(&mut self) -> Result<(), PullError> {
        let mut capabilities = ServerCapabilities::new();
        // RFC 2449 §5: a server that does not know CAPA answers `-ERR`, and can what RFC 1939 says.
        if let Reply::Ok(_) = self.command(&Command::Capa).await? {
            self.listing(|line| {
                if let ListingLine::Line(line) = line {
                    capabilities.push_line(line);
                }
            })
            .await?;
        }
        self.capabilities = capabilities;
        Ok(())
    }

    /// How long the server wants between two logins.
    pub(super) fn login_delay(&self) -> Option<Duration> {
        self.capabilities.login_delay().map(|delay| believed(delay.seconds))
    }

    async fn fill(&mut self) -> Result<(), PullError> {
        self.input.reserve(READ_BYTES);
        match self.connection.read_buf(&mut self.input).await? {
            0 => Err(PullError::Closed),
            _ => Ok(()),
        }
    }
}

/// A command that has no text of the user's in it, as it is sent.
pub(super) fn line_of(command: &Command) -> Result<Vec<u8>, PullError> {
    let lines = encode_command(command, InitialResponseSupport::AfterContinuation);
    Ok(lines.map_err(|_| PullError::Unsayable { what: "user name" })?.line)
}

/// What it means that a server did not say `+OK`.
pub(super) fn failure(command: &'static str, reply: Reply) -> PullError {
    let status = match reply {
        Reply::Err(status) => status,
        Reply::Ok(_) | Reply::Continuation(_) => {
            let what = format!("its answer to {command} is out of order");
            return PullError::Protocol { protocol: "POP3", what };
        }
        Reply::Unrecognised(line) => {
            let what = format!("it says {:?} in answer to {command}", printable(&String::from_utf8_lossy(&line)));
            return PullError::Protocol { protocol: "POP3", what };
        }
    };
    let text = words(&status);
    match status.failure() {
        FailureKind::InUse => PullError::InUse { text },
        FailureKind::Throttled => PullError::Throttled { text },
        FailureKind::Temporary => PullError::Temporary { text },
        FailureKind::Credentials => PullError::Credentials { text },
        FailureKind::Permanent | FailureKind::Unknown => PullError::Command { command, text },
    }
}

/// What a server said of its failure.
pub(super) fn words(status: &StatusLine) -> String {
    if status.text.is_empty() { String::from("(it gave no reason)") } else { printable(&status.text) }
}

/// A server's text as it may be shown: of bounded length, and without what a terminal would take for orders.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
