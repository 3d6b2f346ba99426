//! A connection that waits for news: IDLE (RFC 2177), of all mailboxes where the server has NOTIFY (RFC 5465).
//!
//! It tells that something changed, not what: the run that follows finds out by the same way as any other, so an answer that is
//! missed or misread here can delay mail, never lose it. INBOX is opened for reading first and stays open, so that what
//! comes between a run's look and the next IDLE is told at once when that begins.

use std::time::Duration;

use postrider_imap_proto::client::command::{EventGroup, IDLE_DONE, MailboxFilter, Notify, NotifyEvent, NotifyStatus};
use postrider_imap_proto::client::{ClientCommand, Response};
use postrider_imap_proto::command::{CommandBody, RawMailbox, Select};
use postrider_store::INBOX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use super::body::Keep;
use super::connection::ImapConnection;
use super::error::ImapError;
use crate::connect::{ConnectOptions, Connection};
use crate::error::PullError;
use crate::remote::{Credential, Remote};

/// Bounds of waiting for news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushOptions {
    /// How long one IDLE lasts before another is begun, so that the server does not take us for gone (RFC 2177 asks for less
    /// than 29 minutes) and a connection that is dead is noticed.
    pub renew_after: Duration,
    /// How long the server may take to answer the end of an IDLE.
    pub answer_time_max: Duration,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { renew_after: Duration::from_secs(28 * 60), answer_time_max: Duration::from_secs(60) }
    }
}

/// What a server tells unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushChannel {
    /// News of INBOX.
    Inbox,
    /// News of all of the user's mailboxes.
    AllMailboxes,
}

/// A connection that waits for news.
pub struct PushListener<S = Connection> {
    connection: ImapConnection<S>,
    channel: PushChannel,
    options: PushOptions,
}

impl PushListener {
    /// Connects, logs in and opens INBOX; `None` where the server has no IDLE.
    ///
    /// # Errors
    /// When the connection, the login or opening INBOX fails.
    pub async fn open(
        remote: &Remote,
        credential: &Credential,
        connect: &ConnectOptions,
        options: PushOptions,
    ) -> Result<Option<Self>, PullError> {
        let mut connection = super::log_in(remote, credential, connect).await?;
        if !connection.capabilities.has("IDLE") {
            connection.log_out().await;
            return Ok(None);
        }
        connection.set_stream_silence_max(options.renew_after.saturating_add(options.answer_time_max));
        Ok(Some(Self::over(connection, options).await?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> PushListener<S> {
    /// Goes on with a connection that is logged in.
    async fn over(mut connection: ImapConnection<S>, options: PushOptions) -> Result<Self, ImapError> {
        let mailbox = RawMailbox(INBOX.as_bytes().to_vec());
        let select = Select { mailbox, condstore: false, qresync: None };
        connection.command("EXAMINE", CommandBody::Examine(select), drop).await?;
        // A longer silence is as it should be.
        connection.options.silence_max = options.renew_after.saturating_add(options.answer_time_max);
        let mut channel = PushChannel::Inbox;
        if connection.capabilities.has("NOTIFY") {
            match connection.command("NOTIFY", ClientCommand::Notify(everything()), drop).await {
                Ok(_) => channel = PushChannel::AllMailboxes,
                Err(error) if error.is_of_one_command() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { connection, channel, options })
    }

    /// Of what news is told.
    pub fn channel(&self) -> PushChannel {
        self.channel
    }

    /// Returns when something has changed there. News that comes between two calls is told by the next one.
    ///
    /// # Errors
    /// When the connection fails, or the server does not let us wait.
    pub async fn news(&mut self) -> Result<(), PullError> {
        while !self.idle().await? {}
        Ok(())
    }

    /// One IDLE; answers whether there was news.
    async fn idle(&mut self) -> Result<bool, ImapError> {
        let tag = self.connection.send(&ClientCommand::Plain(CommandBody::Idle)).await?;
        let end = Instant::now() + self.options.renew_after;
        let mut has_news = false;
        let mut is_ended = false;
        while !is_ended && !has_news {
            let received = tokio::select! {
                received = self.connection.receive(Keep::Hash) => received?,
                () = sleep_until(end) => break,
            };
            match received.response {
                // Some end an IDLE by themselves.
                Response::Tagged { tag: theirs, status } if theirs == tag => {
                    if status.failure().is_some() {
                        return Err(ImapError::refused("IDLE", &status));
                    }
                    is_ended = true;
                }
                response => has_news = is_news(&response),
            }
        }
        if !is_ended {
            has_news |= self.leave(&tag).await?;
        }
        Ok(has_news)
    }

    /// Ends an IDLE; answers whether there was more news.
    async fn leave(&mut self, tag: &str) -> Result<bool, ImapError> {
        self.connection.write(IDLE_DONE).await?;
        let mut has_news = false;
        let answer = timeout(self.options.answer_time_max, async {
            loop {
                match self.connection.receive(Keep::Hash).await?.response {
                    Response::Tagged { tag: theirs, .. } if theirs == tag => return Ok(()),
                    response => has_news |= is_news(&response),
                }
            }
        });
        let seconds = self.options.answer_time_max.as_secs();
        answer.await.unwrap_or(Err(ImapError::Silent { seconds }))?;
        Ok(has_news)
    }
}

/// All that can happen to the user's own mailboxes.
fn everything() -> Notify {
    let group = |mailboxes, events: &[NotifyEvent]| EventGroup { mailboxes, events: events.to_vec() };
    let of_messages = [NotifyEvent::MessageNew(Vec::new()), NotifyEvent::MessageExpunge, NotifyEvent::FlagChange];
    let of_names = [of_messages.as_slice(), &[NotifyEvent::MailboxName]].concat();
    Notify::Set {
        status: NotifyStatus::Unwanted,
        groups: vec![group(MailboxFilter::Selected, &of_messages), group(MailboxFilter::Personal, &of_names)],
    }
}

/// Whether a response, heard while nothing was asked, says that a run would find something.
fn is_news(response: &Response) -> bool {
    matches!(
        response,
        Response::Exists(_)
            | Response::Expunge(_)
            | Response::Vanished { .. }
            | Response::Fetch(_)
            | Response::MailboxStatus(_)
            | Response::List(_)
    )
}

#[cfg(test)]
#[path = "tests/push.rs"]
mod tests;
