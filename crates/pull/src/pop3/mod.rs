//! Everything in a POP3 mailbox, into a mailbox here.
//!
//! A run has four steps: see what is there (LIST, UIDL), fetch what is unknown, verify if asked to, remove there what may be
//! removed. Messages are stored in groups, each with the notes of what it holds in one batch; so an interrupted run is
//! continued by the next one, and asks for nothing twice.
//!
//! A message is known by its unique id. A server that changes its unique ids, or has none, is met by the second line: a
//! message whose very content was fetched in an earlier run, is still here, and whose former id is not on the server any more,
//! is the same message.
//!
//! Nothing is removed there before it was read back here, its hash is right, and it is as large as the server had said, by any way of
//! counting (`shortfall`); what may be cut off is asked for again in a later session. And nothing counts as removed before
//! the server has answered QUIT with `+OK`, which is when it removes (RFC 1939 §6).

mod breaks;
mod client;
mod fetch;
mod login;
mod login_delay;
mod login_token;
mod maildrop;
mod memory;
mod remove;
mod retrieve;
mod run;
mod shortfall;
mod verify;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use postrider_store::{Account, MailboxId};

use self::login_delay::LoginDelay;
use crate::{
    backup::Backups,
    connect::{ConnectOptions, connect},
    error::PullError,
    observer::Observer,
    persevere::persevere,
    remote::{Credential, Remote},
    report::Report,
};

/// What happens to messages there once they are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// They stay.
    #[default]
    Keep,
    /// They are removed there.
    Delete,
    /// They are removed there so many days after they were first seen.
    KeepDays(u32),
}

/// When a message that is due may be removed there.
#[derive(Debug, Clone, Default)]
pub enum Removal {
    /// As soon as it is surely here.
    #[default]
    AtOnce,
    /// When it is surely here and a backup holds it, too. Until then it stays, and every run asks again.
    AfterBackup(Arc<dyn Backups>),
}

/// What is compared after fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Nothing.
    #[default]
    Nothing,
    /// Every message listed there is looked for here and read back; sizes are compared.
    Listing,
    /// That, and some messages are fetched again and their hashes compared.
    Sample,
    /// That, and every message is fetched again and its hash compared.
    Content,
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// It is done.
    #[default]
    Perform,
    /// It is only said what would be done.
    DryRun,
}

/// What a run is to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What happens to messages there.
    pub mode: Mode,
    /// When those that are due there may be removed.
    pub removal: Removal,
    /// What is compared.
    pub verify: Verify,
    /// Whether anything is done.
    pub action: Action,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of a run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest message that is fetched, in bytes: the store's bound.
    pub message_bytes_max: u64,
    /// What the account's mail may take altogether, in bytes; `None` is no bound.
    pub account_bytes_max: Option<u64>,
    /// Messages that are stored together.
    pub group_messages_max: usize,
    /// Bytes of messages that are stored together. A larger message is stored alone.
    pub group_bytes_max: u64,
    /// How long a message that has come may wait for others before it is stored.
    pub group_time_max: Duration,
    /// Messages that are asked for ahead, where the server announces PIPELINING.
    pub window_messages_max: usize,
    /// Bytes of messages that are asked for ahead. A larger message is asked for alone.
    pub window_bytes_max: u64,
    /// Messages that a mailbox may have.
    pub messages_max: u32,
    /// The longest line of a reply or listing, in bytes.
    pub line_bytes_max: usize,
    /// Lines that a listing may have.
    pub listing_lines_max: usize,
    /// Messages whose content is compared in a sample.
    pub sample_messages_max: usize,
    /// How long it is remembered that a message was fetched after it is gone there, in seconds.
    pub memory_seconds_max: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 50 * 1024 * 1024,
            account_bytes_max: None,
            group_messages_max: 200,
            group_bytes_max: 8 * 1024 * 1024,
            group_time_max: Duration::from_secs(5),
            window_messages_max: 32,
            window_bytes_max: 8 * 1024 * 1024,
            messages_max: 2_000_000,
            line_bytes_max: 8 * 1024,
            listing_lines_max: 2_000_000,
            sample_messages_max: 50,
            memory_seconds_max: 90 * 24 * 3600,
        }
    }
}

/// A run to be done.
#[derive(Clone, Copy)]
pub struct Pull<'a> {
    /// From where.
    pub remote: &'a Remote,
    /// What proves who asks.
    pub credential: &'a Credential,
    /// Into which account.
    pub account: &'a Account,
    /// Into which of its mailboxes.
    pub mailbox: MailboxId,
    /// The present time, seconds since 1970 (UTC).
    pub now: i64,
    /// What to do.
    pub options: &'a Options,
    /// Whom to tell.
    pub observer: &'a dyn Observer,
}

/// Does a run. The caller sees to it that no other run does the same, and that one given up has left nothing undone.
///
/// # Errors
/// When it could not begin: no connection, no login. What ends a run later stands in [`Report::ended_early`].
pub async fn pull(pull: Pull<'_>, options: &ConnectOptions) -> Result<Report, PullError> {
    let (breaks, delay) = (Arc::<breaks::Breaks>::default(), LoginDelay::default());
    persevere(options.backoff, &options.stop, pull.observer, || pull_once(pull, options, Arc::clone(&breaks), &delay))
        .await
}

/// The same over one connection.
async fn pull_once(
    pull: Pull<'_>,
    options: &ConnectOptions,
    breaks: Arc<breaks::Breaks>,
    delay: &LoginDelay,
) -> Result<Report, PullError> {
    delay.passed(&options.stop, pull.observer).await?;
    let connection = connect(pull.remote, options).await?;
    let mut client = login::log_in(connection, pull, options).await?;
    delay.logged_in(client.login_delay());
    client.breaks = breaks;
    run::run(client, pull).await
}
