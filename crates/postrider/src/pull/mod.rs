//! Mail from other servers: the work of `postrider pull`, between the command line and `postrider-pull`.

mod answer;
mod wish;

use std::sync::Arc;

use anyhow::{Context, Error, Result, anyhow};
use postrider_accounts::AccountsError;
use postrider_pull::{
    ConnectOptions, Credential, Observer, Protocol, PullError, Remote, Trust,
    imap::{self, Consent, ImapPullOptions, Rehearsal},
    pop3,
};
use postrider_sasl::Password;
use postrider_store::{Account, MailboxId};
use tokio::sync::mpsc;

pub use answer::{Compared, ImapOutcome, Left, MailboxOutcome, Outcome, Pop3Outcome, PullAnswer};
pub use wish::{Comparison, Follow, ImapWish, Pop3Wish, PullWish, Secret, Stay, TrustWish};

use crate::{
    advice::{Advise, with_hint},
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
}

/// Fetches what is wished for.
pub async fn pull(administration: &Administration, wish: &PullWish, reporter: &Arc<Reporter>) -> Result<PullAnswer> {
    let storage = &administration.storage;
    let remote: Remote = wish.url.parse()?;
    let found = storage.accounts.find(&wish.account).await?;
    let entry = found.ok_or_else(|| AccountsError::UnknownAccount(wish.account.clone()))?;
    let account = storage.store.account(entry.id).await?;
    let turn = administration.turns.begin(&account, &format!("pull {}", remote.memory_name())).await?;
    let _turn = turn
        .ok_or_else(|| anyhow!("this mailbox is being fetched already"))
        .advise("wait for the other run; two would fetch everything twice")?;
    let credential = Credential::Password(Password::new(wish.password.expose()));
    let connect = ConnectOptions { trust: trust(&wish.trust)?, ..ConnectOptions::default() };
    let quota = entry.settings.quota_bytes.or(storage.store.options().quota_bytes);
    let message_bytes_max = storage.store.options().message_bytes_max.min(u32::MAX.into());
    let (notes, mut told) = mpsc::unbounded_channel();
    let observer = Teller { reporter: Arc::clone(reporter), notes };
    let run =
        Run { remote: &remote, credential: &credential, connect: &connect, account: &account, observer: &observer };
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
            Some(Comparison::Content) => pop3::Verify::Content,
        };
        let action = if wish.dry_run { pop3::Action::DryRun } else { pop3::Action::Perform };
        let options = pop3::Options { mode, verify, action, limits };
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
            },
            consent: if wish.imap.yes { Consent::Given } else { Consent::Unasked },
            rehearsal: if wish.dry_run { Rehearsal::Dry } else { Rehearsal::Real },
            verification: match wish.verify {
                None => imap::Verification::None,
                Some(Comparison::Listing) => imap::Verification::Sizes,
                Some(Comparison::Content) => imap::Verification::Content,
            },
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
