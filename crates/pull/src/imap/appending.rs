//! Messages sent to a server: several APPENDs on the way before the first is answered.
//!
//! A message is held only while it is written; what waits for its answer is a tag and what the caller wants back with it.
//! Where the server has LITERAL+ nothing waits but the window; else each message waits for the server's consent, and only the
//! answers are left to run behind.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_imap_proto::client::command::{AppendForm, AppendUpload, EncodeError, Step, encode_client_command};
use postrider_imap_proto::client::{ClientCommand, Response, ResponseCode, StatusResponse};
use postrider_imap_proto::command::{CommandBody, DateTime, RawMailbox};
use postrider_imap_proto::encode::Code;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Keep;
use super::connection::ImapConnection;
use super::error::ImapError;
use super::flags::FlagSet;

/// Octets that are written at a time, so that a slow server is not taken for a silent one.
const PIECE_BYTES: usize = 64 * 1024;

/// How often it is looked whether a mailbox grows.
const QUIET_STEP: Duration = Duration::from_millis(250);

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub(crate) mailbox: &'a RawMailbox,
    pub(crate) flags: &'a FlagSet,
    /// INTERNALDATE, seconds since 1970 (UTC).
    pub(crate) received: i64,
    pub(crate) octets: &'a [u8],
}

/// Messages that were sent and are not answered for, with what the caller knows of them.
pub(crate) struct Appends<T> {
    waiting: VecDeque<(String, T)>,
    ahead_max: usize,
}

/// A message that was answered for.
#[derive(Debug)]
pub(crate) struct Settled<T> {
    pub(crate) of: T,
    pub(crate) status: StatusResponse,
}

impl<T> Settled<T> {
    /// UIDVALIDITY and UID that the message got, where the server told (RFC 4315 §3).
    pub(crate) fn append_uid(&self) -> Option<(u32, u32)> {
        match &self.status.code {
            Some(ResponseCode::Known(Code::AppendUid { uid_validity, uids })) => match uids.as_slice() {
                [(first, last)] if first == last => Some((*uid_validity, *first)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<T> Appends<T> {
    pub(crate) fn new(ahead_max: usize) -> Self {
        Self { waiting: VecDeque::new(), ahead_max: ahead_max.max(1) }
    }

    /// Whether an answer must be waited for before more is sent.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.ahead_max
    }

    /// What is not answered for yet, in the order in which it was sent.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|(_, of)| of)
    }

    /// Sends one. An error of encoding leaves the connection as it was.
    pub(crate) async fn send<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &mut self,
        connection: &mut ImapConnection<S>,
        upload: Upload<'_>,
        of: T,
    ) -> Result<(), ImapError> {
        let tag = connection.send_message(upload).await?;
        self.waiting.push_back((tag, of));
        Ok(())
    }

    /// Waits for the next answer; `None` if there is none to wait for.
    pub(crate) async fn settle<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &mut self,
        connection: &mut ImapConnection<S>,
    ) -> Result<Option<Settled<T>>, ImapError> {
        while !self.waiting.is_empty() {
            let Response::Tagged { tag, status } = connection.receive(Keep::Hash).await?.response else { continue };
            let position = self.waiting.iter().position(|(waiting, _)| *waiting == tag);
            if let Some((_, of)) = position.and_then(|position| self.waiting.remove(position)) {
                return Ok(Some(Settled { of, status }));
            }
        }
        Ok(None)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Sends APPEND with its message; the answer is to be received. Answers the tag.
    async fn send_message(&mut self, upload: Upload<'_>) -> Result<String, ImapError> {
        let message = AppendUpload {
            flags: upload.flags.to_wire(),
            internal_date: Some(DateTime { unix_seconds: upload.received, zone_minutes: 0 }),
            form: self.append_form(upload.octets)?,
            length: upload.octets.len() as u64,
        };
        let command = ClientCommand::Append { mailbox: upload.mailbox.clone(), messages: vec![message] };
        let tag = self.next_tag();
        for step in encode_client_command(&tag, &command, &self.dialect)? {
            match step {
                Step::Write(octets) => self.write(&octets).await?,
                Step::AwaitContinuation => {
                    if !self.await_continuation(&tag).await? {
                        break;
                    }
                }
                Step::Message { .. } => {
                    for piece in upload.octets.chunks(PIECE_BYTES) {
                        self.write(piece).await?;
                    }
                }
            }
        }
        Ok(tag)
    }

    /// Waits until the mailbox that is selected has not grown for a while. A server goes on with what it has received of a
    /// connection that is gone; whoever looks for messages that may have been sent on it must not look too early.
    pub(crate) async fn wait_until_quiet(&mut self, quiet_time: Duration) -> Result<(), ImapError> {
        let mut before = self.search_all().await?.last().copied();
        let mut quiet = Duration::ZERO;
        while quiet < quiet_time {
            let step = QUIET_STEP.min(quiet_time);
            tokio::time::sleep(step).await;
            self.command("NOOP", CommandBody::Noop, drop).await?;
            let now = self.search_all().await?.last().copied();
            quiet = if now == before { quiet + step } else { Duration::ZERO };
            before = now;
        }
        Ok(())
    }

    /// A literal holds no NUL (RFC 9051 §9, `CHAR8`), and a header in UTF-8 has to be announced where that can be said (RFC
    /// 9755 §4).
    fn append_form(&self, octets: &[u8]) -> Result<AppendForm, EncodeError> {
        if octets.contains(&0) {
            return if self.capabilities.has("BINARY") { Ok(AppendForm::Binary) } else { Err(EncodeError::Nul) };
        }
        if self.has_enabled("UTF8=ACCEPT") && !header_of(octets).is_ascii() {
            return Ok(AppendForm::Utf8);
        }
        Ok(AppendForm::Plain)
    }
}

fn header_of(octets: &[u8]) -> &[u8] {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(octets.len());
    octets.get(..end).unwrap_or(octets)
}

/// The message with lines that end in CRLF, as IMAP has them; `None` if they do already.
pub(crate) fn with_line_ends(octets: &[u8]) -> Option<Vec<u8>> {
    let is_bare = |(position, octet): (usize, &u8)| match octet {
        b'\n' => position == 0 || octets.get(position - 1) != Some(&b'\r'),
        _ => false,
    };
    let bare = octets.iter().enumerate().filter(|found| is_bare(*found)).count();
    if bare == 0 {
        return None;
    }
    let mut out = Vec::with_capacity(octets.len() + bare);
    for (position, octet) in octets.iter().enumerate() {
        if is_bare((position, octet)) {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_completed_and_else_left_alone() {
        for (before, after) in [
            (&b"a\r\nb\r\n"[..], None),
            (b"a\nb\r\n", Some(&b"a\r\nb\r\n"[..])),
            (b"\n\n", Some(b"\r\n\r\n")),
            (b"a\rb", None),
            (b"", None),
        ] {
            assert_eq!(with_line_ends(before).as_deref(), after);
        }
        assert_eq!(header_of(b"A: b\r\n\r\n\xff"), b"A: b");
    }
}
