//! Mail from other servers: the work of `postrider pull`, between the command line and `postrider-pull`.

mod answer;
mod board;
mod credential;
mod source;
mod wish;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Error, Result};
use postrider_accounts::AccountsError;
use postrider_pull::{
    BackoffOptions, Compression, ConnectOptions, Credential, Observer, Pace, Protocol, PullError, Remote, Stop, Trust,
    imap::{self, Consent, ImapPullOptions, Rehearsal},
    pop3,
};
use postrider_store::{Account, MailboxId};
use tokio::sync::{Semaphore, mpsc};

pub use answer::{Compared, ImapOutcome, Left, MailboxOutcome, Outcome, Pop3Outcome, PullAnswer};
pub use board::{Phase, PullBoard, PullStatus, PushState, unix_now};
pub use credential::credential;
pub use wish::{
    Comparison, Follow, GmailLabels, ImapWish, Manners, OAuth2Wish, Pop3Wish, PullWish, RemovalWish, Secret, Stay,
    TrustWish,
};

use crate::{
    advice::{Advise, with_hint},
    backup::Vouching,
    control::{Administration, Progress, Reporter},
};

/// Tells a run's progress and notes on.
struct Teller {
    reporter: Arc<Reporter>,
    notes: mpsc::UnboundedSender<String>,
}

impl Observer for Teller {
    fn progress(&self, messages: u64, messages_total: Option<u64>, bytes: u64) {
        let doing = String::from("fetching");
        self.reporter.progress(|| Progress { doing, messages, messages_total, bytes, bytes_total: None });
    }

    fn note(&self, note: String) {
        // Nobody listens any more only when the run is over.
        let _ = self.notes.send(note);
    }
}

/// What a run works with.
struct Run<'a> {
    remote: &'a Remote,
    credential: &'a Credential,
    connect: &'a ConnectOptions,
    account: &'a Account,
    observer: &'a Teller,
    /// Whom to ask before mail goes there that a backup is to hold.
    backups: &'a Vouching,
}

/// The same mailbox is being fetched into the same account.
#[derive(Debug, Clone, Copy)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this mailbox is being fetched already")
    }
}

impl std::error::Error for Busy {}

/// Fetches what is wished for.
pub async fn pull(administration: &Administration, wish: &PullWish, reporter: &Arc<Reporter>) -> Result<PullAnswer> {
    pull_until(administration, wish, reporter, &Stop::default(), None).await
}

/// The same, but ends early, with what has come, when it is to stop. Each connection beside the first needs one of
/// `further_connections`, where there are such permits.
pub async fn pull_until(
    administration: &Administration,
    wish: &PullWish,
    reporter: &Arc<Reporter>,
    stop: &Stop,
    further_connections: Option<Arc<Semaphore>>,
) -> Result<PullAnswer> {
    let storage = &administration.storage;
    let remote: Remote = wish.url.parse()?;
    let found = storage.accounts.find(&wish.account).await?;
    let entry = found.ok_or_else(|| AccountsError::UnknownAccount(wish.account.clone()))?;
    let account = storage.store.account(entry.id).await?;
    let turn = administration.turns.begin(&account, &format!("pull {}", remote.memory_name())).await?;
    let _turn = turn.ok_or(Busy).advise("wait for the other run; two would fetch everything twice")?;
    let credential = wish.credential();
    let connect = ConnectOptions { further_connections, ..connect_options(&wish.trust, &wish.manners, stop)? };
    let quota = entry.settings.quota_bytes.or(storage.store.options().quota_bytes);
    let message_bytes_max = storage.store.options().message_bytes_max.min(u32::MAX.into());
    let (notes, mut told) = mpsc::unbounded_channel();
    let observer = Teller { reporter: Arc::clone(reporter), notes };
    let backups = Vouching::new(&administration.safe, storage);
    let run = Run {
        remote: &remote,
        credential: &credential,
        connect: &connect,
        account: &account,
        observer: &observer,
        backups: &backups,
    };
    let work = async {
        match remote.protocol {
            Protocol::Pop3 => {
                let limits = pop3::Limits { message_bytes_max, account_bytes_max: quota, ..pop3::Limits::default() };
                run.pop3(wish, limits, storage.store.now()).await
            }
            Protocol::Imap => run.imap(wish, message_bytes_max, quota).await,
        }
    };
    tokio::pin!(work);
    let answer = loop {
        tokio::select! {
            answer = &mut work => break answer,
            Some(note) = told.recv() => reporter.note(note).await,
        }
    };
    while let Ok(note) = told.try_recv() {
        reporter.note(note).await;
    }
    answer
}

impl Run<'_> {
    async fn pop3(&self, wish: &PullWish, limits: pop3::Limits, now: i64) -> Result<PullAnswer> {
        let mode = match wish.pop3.stay {
            Stay::Always => pop3::Mode::Keep,
            Stay::Never => pop3::Mode::Delete,
            Stay::Days(days) => pop3::Mode::KeepDays(days),
        };
        let verify = match wish.verify {
            None => pop3::Verify::Nothing,
            Some(Comparison::Listing) => pop3::Verify::Listing,
            Some(Comparison::Sample) => pop3::Verify::Sample,
            Some(Comparison::Content) => pop3::Verify::Content,
        };
        let action = if wish.dry_run { pop3::Action::DryRun } else { pop3::Action::Perform };
        let removal = match wish.pop3.removal {
            RemovalWish::AtOnce => pop3::Removal::AtOnce,
            RemovalWish::AfterBackup => pop3::Removal::AfterBackup(Arc::new(self.backups.clone())),
        };
        let options = pop3::Options { mode, removal, verify, action, limits };
        let mailbox = self.mailbox(wish.pop3.mailbox.as_deref()).await?;
        let pull = pop3::Pull {
            remote: self.remote,
            credential: self.credential,
            account: self.account,
            mailbox,
            now,
            options: &options,
            observer: self.observer,
        };
        let report = pop3::pull(pull, self.connect).await.map_err(explained)?;
        Ok(PullAnswer::of_pop3(report, wish.dry_run))
    }

    async fn imap(&self, wish: &PullWish, message_bytes_max: u64, quota: Option<u64>) -> Result<PullAnswer> {
        let options = ImapPullOptions {
            account_bytes_max: quota,
            mode: match wish.imap.follow {
                Follow::Archive => imap::ImapMode::Archive,
                Follow::Mirror => imap::ImapMode::Mirror,
                Follow::Sync => imap::ImapMode::Sync,
            },
            consent: if wish.imap.yes { Consent::Given } else { Consent::Unasked },
            rehearsal: if wish.dry_run { Rehearsal::Dry } else { Rehearsal::Real },
            verification: match wish.verify {
                None => imap::Verification::None,
                Some(Comparison::Listing) => imap::Verification::Sizes,
                Some(Comparison::Sample) => imap::Verification::Sample,
                Some(Comparison::Content) => imap::Verification::Content,
            },
            gmail_labels: Some(match wish.imap.gmail_labels {
                None | Some(GmailLabels::Mailboxes) => imap::GmailLabels::Mailboxes,
                Some(GmailLabels::Keywords) => imap::GmailLabels::Keywords,
            }),
            include: wish.imap.include.clone(),
            exclude: wish.imap.exclude.clone(),
            message_bytes_max,
            ..ImapPullOptions::default()
        };
        let (connect, account) = (self.connect, self.account);
        let pulled = imap::pull(self.remote, self.credential, connect, account, &options, self.observer).await;
        Ok(PullAnswer::of_imap(pulled.map_err(explained)?, wish.dry_run))
    }

    /// The mailbox that gets the mail; it is made if it is not there.
    async fn mailbox(&self, name: Option<&str>) -> Result<MailboxId> {
        let name = name.unwrap_or(postrider_store::INBOX);
        if let Some(mailbox) = self.account.state().find(name) {
            return Ok(mailbox.id);
        }
        let made = self.account.create_mailbox(name, postrider_store::SpecialUses::NONE).await;
        made.with_context(|| format!("cannot make the mailbox {name:?}"))
    }
}

/// How connections are made.
pub(crate) fn connect_options(wish: &TrustWish, manners: &Manners, stop: &Stop) -> Result<ConnectOptions> {
    let options = ConnectOptions::default();
    let tries_max = manners.tries_max.unwrap_or(options.backoff.tries_max);
    let silence = manners.silence_seconds_max.map(|seconds| Duration::from_secs(seconds.get()));
    Ok(ConnectOptions {
        silence_time_max: silence.unwrap_or(options.silence_time_max),
        trust: trust(wish)?,
        pace: manners.bytes_per_second_max.map(Pace::new),
        compression: if manners.uncompressed { Compression::Never } else { Compression::WhereOffered },
        stop: stop.clone(),
        backoff: BackoffOptions { tries_max, ..options.backoff },
        connections_max: manners.connections_max.unwrap_or(options.connections_max),
        ..options
    })
}

fn trust(wish: &TrustWish) -> Result<Trust> {
    Ok(match wish {
        TrustWish::System => Trust::System,
        TrustWish::Authorities { path, pem } => {
            Trust::Authorities { path: path.clone(), pem: pem.clone().into_bytes() }
        }
        TrustWish::Pinned(fingerprint) => Trust::Pinned(fingerprint.parse()?),
    })
}

/// An error with what to do about it.
pub(crate) fn explained(error: PullError) -> Error {
    let hint = error.hint();
    let error = Error::from(error);
    match hint {
        Some(hint) => with_hint(error, hint),
        None => error,
    }
}
