//! Messages asked for, ahead where the server allows it, and received in order.

use postrider_pop3_proto::{Command, client::Reply};

use super::{
    client::{Client, Content, failure, line_of, words},
    maildrop::Listed,
};
use crate::error::PullError;

/// What came for one message.
pub(super) enum Retrieved {
    /// The message.
    Content(Content),
    /// The server's words why not.
    Refused(String),
}

/// Messages that are to come, and those that were asked for.
pub(super) struct Retriever<'a> {
    wanted: &'a [Listed],
    asked: usize,
    received: usize,
    /// Octets that were asked for and have not come.
    octets_waiting: u64,
    is_pipelining: bool,
}

impl<'a> Retriever<'a> {
    pub(super) fn new(client: &Client, wanted: &'a [Listed]) -> Self {
        // RFC 2449 §6.6: only who announces it takes commands before answering the ones before.
        let is_pipelining = client.capabilities.has("PIPELINING");
        Self { wanted, asked: 0, received: 0, octets_waiting: 0, is_pipelining }
    }

    /// The message that is waited for.
    pub(super) fn waited_for(&self) -> Option<&'a Listed> {
        self.wanted.get(self.received).filter(|_| self.asked > self.received)
    }

    /// The next message; `None` behind the last one.
    pub(super) async fn next(&mut self, client: &mut Client) -> Result<Option<(&'a Listed, Retrieved)>, PullError> {
        self.ask(client).await?;
        let Some(message) = self.wanted.get(self.received) else { return Ok(None) };
        let expected = message.octets.unwrap_or(0);
        let retrieved = match client.reply().await? {
            Reply::Ok(_) => Retrieved::Content(client.content(expected).await?),
            Reply::Err(status) => Retrieved::Refused(words(&status)),
            other => return Err(failure("RETR", other)),
        };
        self.received += 1;
        self.octets_waiting = self.octets_waiting.saturating_sub(expected);
        Ok(Some((message, retrieved)))
    }

    /// Asks for as many messages as may be under way.
    async fn ask(&mut self, client: &mut Client) -> Result<(), PullError> {
        // Half of a window at a time, so that one packet asks for many.
        let waiting = self.asked - self.received;
        if waiting > client.limits.window_messages_max / 2 {
            return Ok(());
        }
        let mut lines = Vec::new();
        while let Some(message) = self.wanted.get(self.asked) {
            let octets = message.octets.unwrap_or(0);
            let window = &client.limits;
            let has_room = self.is_pipelining
                && self.asked - self.received < window.window_messages_max
                && self.octets_waiting.saturating_add(octets) <= window.window_bytes_max;
            if self.asked > self.received && !has_room {
                break;
            }
            lines.extend_from_slice(&line_of(&Command::Retr(message.number))?);
            self.asked += 1;
            self.octets_waiting = self.octets_waiting.saturating_add(octets);
        }
        if lines.is_empty() { Ok(()) } else { client.send(&lines).await }
    }
}
