//! `postrider pull`: mail from another server into an account.

mod authorize;
pub(super) mod found;
pub(super) mod manners;
pub(super) mod password;
mod show;
mod status;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use postrider_pull::{Fingerprint, Protocol, Remote, Trust};

use self::{manners::MannersFlags, password::PasswordSource};
use super::{
    Place,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::{
    advice::Advise,
    pull::{
        Comparison, Follow, GmailLabels, ImapWish, Manners, Pop3Wish, PullAnswer, PullWish, RemovalWish, Stay,
        TrustWish,
    },
};

const EXAMPLES: &str = "\
The URL:
  pop3s://USER@HOST   POP3 with TLS          imaps://USER@HOST   IMAP with TLS
  pop3://USER@HOST    POP3, TLS by STLS      imap://USER@HOST    IMAP, TLS by STARTTLS
  An @ within the user's name is written as it is or as %40. A port goes behind the host, as in pop3s://alice@example.org:2995.
  Without TLS nothing is fetched, but with ?security=none at the end of a pop3:// or imap:// URL.

Examples:
  Copy a POP3 mailbox; nothing changes there. Asks for the password:
    postrider pull pop3s://alice@mail.example.org --into alice@example.com
  Look first:
    postrider pull pop3s://alice@mail.example.org --into alice@example.com --delete --dry-run
  Get all mail and empty the mailbox there, once everything is proved to be here:
    postrider pull pop3s://alice@mail.example.org --into alice@example.com --delete --verify=content
  Every night, from cron, with the password from a file that only you can read:
    postrider pull pop3s://alice@mail.example.org --into alice@example.com --keep-days 30 --password-file ~/.alice-password
  With OAuth 2.0, set up once with `postrider pull authorize`:
    postrider pull imaps://alice@gmail.com@imap.gmail.com --into alice@example.com --oauth2-file ~/.alice-oauth2
  All folders of an IMAP account:
    postrider pull imaps://alice@mail.example.org --into alice@example.com
  The same, and what changes here goes there, too:
    postrider pull imaps://alice@mail.example.org --into alice@example.com --mode sync

It was interrupted? Give the same command again: it goes on where it stopped. Nothing comes twice, nothing is lost.

Exit status: 0 all is here, 1 something is missing or was left undone, or the run ended early (run it again), 2 it could not begin.";

/// Fetch mail from another server by POP3 or IMAP into an account
///
/// Remembers what was fetched, so that it can be run as often as you like. Mail is removed on the other server only if you
/// ask for it, and only after it was stored here, read back and compared. Works while the server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Pull {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where the mail is, as in pop3s://alice@mail.example.org; or an address, whose server is then looked for
    #[arg(required = true)]
    url: Option<String>,
    /// The address of the account here that gets the mail
    #[arg(long, value_name = "ACCOUNT", required = true)]
    into: Option<String>,
    /// Say what would be fetched and removed, and why, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Compare afterwards: whether each message there is here, and its size; `--verify=sample` fetches some again and compares every
    /// byte, `--verify=content` does so with all
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "listing", value_name = "WHAT")]
    verify: Option<VerifyWhat>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    pop3: Pop3Flags,
    #[command(flatten)]
    imap: ImapFlags,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    find: found::FindFlags,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    manners: MannersFlags,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set up access with OAuth 2.0 and keep it in a file
    Authorize(Box<authorize::Authorize>),
    /// Tell how the [[pull]] entries of the running server are doing
    Status(status::Status),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyWhat {
    /// Whether each message there is here, and its size
    Listing,
    /// The same, and the content of up to 50 messages of each mailbox, which are fetched again
    Sample,
    /// Every byte of every message, which is fetched again
    Content,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "POP3")]
struct Pop3Flags {
    /// The mailbox here that gets the mail; made if it is missing [default: INBOX]
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Leave all mail there (the default)
    #[arg(long)]
    keep: bool,
    /// Remove mail there once it is surely here; `--delete=after-backup` once a verified backup holds it, too
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "now", value_name = "WHEN",
        conflicts_with = "keep")]
    delete: Option<Delete>,
    /// Remove mail there so many days after it was first seen
    #[arg(long, value_name = "DAYS", conflicts_with = "keep")]
    keep_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Delete {
    /// Once it is surely here
    Now,
    /// Once a verified backup holds it, too
    AfterBackup,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "IMAP")]
struct ImapFlags {
    /// What becomes of changes there [default: archive]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ImapMode>,
    /// Agree that many messages at once, or whole mailboxes, are removed on one side because they are gone from the other
    #[arg(long)]
    yes: bool,
    /// What becomes of Gmail's labels; not with `--mode sync` [default: mailboxes]
    #[arg(long, value_enum, value_name = "AS")]
    gmail_labels: Option<Labels>,
    /// Connections at a time, where there is much to fetch; fewer where the server does not bear them. A sync, and Gmail with its
    /// labels, use one [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Fetch only mailboxes of this name; * stands for anything. May be given several times
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out mailboxes of this name; * stands for anything. May be given several times
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImapMode {
    /// Mail only comes: nothing is removed here
    Archive,
    /// An exact copy: flags are as there, and what was removed there goes here, too
    Mirror,
    /// Both sides follow each other: what is new, changed or removed here goes there, too
    Sync,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Labels {
    /// Each label is a mailbox; All Mail has what stands in no other
    Mailboxes,
    /// Each message stands in one mailbox, and its labels are its keywords
    Keywords,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Certificate")]
struct TrustFlags {
    /// Believe certificates of the authorities in this PEM file, and of no others
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    ca_file: Option<PathBuf>,
    /// Believe the one certificate with this SHA-256 fingerprint, and no other
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<Fingerprint>,
}

impl Pull {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let (url, into) = match (self.action, self.url, self.into) {
            (Some(Action::Authorize(authorize)), _, _) => return authorize.run(),
            (Some(Action::Status(status)), _, _) => return status.run(place).map(|()| ExitCode::SUCCESS),
            (None, Some(url), Some(into)) => (url, into),
            (None, _, _) => bail!("a URL and --into are needed"),
        };
        let form = self.form.form();
        // Everything that can be wrong is looked at before anybody is asked for a password.
        let account = checked_address(&into)?;
        let remote: Remote = match found::is_address(&url) {
            true => self.find.remote(&url, self.trust.for_search()?, form)?,
            false => url.parse()?,
        };
        match remote.protocol {
            Protocol::Pop3 => self.imap.refuse_for_pop3().and_then(|()| self.pop3.refuse_contradictions())?,
            Protocol::Imap => self.pop3.refuse_for_imap().and_then(|()| self.imap.refuse_contradictions())?,
        }
        let (password, oauth2) = self.password.credential(&remote)?;
        let wish = PullWish {
            account,
            dry_run: self.dry_run,
            verify: self.verify.map(|what| match what {
                VerifyWhat::Listing => Comparison::Listing,
                VerifyWhat::Sample => Comparison::Sample,
                VerifyWhat::Content => Comparison::Content,
            }),
            trust: self.trust.wish()?,
            pop3: self.pop3.wish(),
            imap: self.imap.wish(),
            password,
            oauth2,
            manners: Manners { connections_max: self.imap.connections.map(usize::from), ..self.manners.wish() },
            url: remote.to_string(),
        };
        let mut display = Display::new(form);
        let answer: PullAnswer = block_on(async {
            let mut control = place.control().await?;
            let work = control.run("/v1/pull", &wish, |event| display.show(event));
            tokio::select! {
                answer = work => answer,
                pressed = tokio::signal::ctrl_c() => {
                    pressed.context("cannot wait for Ctrl-C")?;
                    let stopped: Result<PullAnswer> = Err(anyhow!("stopped; what was fetched so far is here"));
                    stopped.advise("give the same command again: it goes on where this one stopped")
                }
            }
        })?;
        drop(display);
        match form {
            Form::Json => output::json(&answer)?,
            Form::Text => output::text(&show::readable(&answer))?,
        }
        Ok(if answer.complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

impl Pop3Flags {
    fn wish(&self) -> Pop3Wish {
        let stay = match (self.delete, self.keep_days) {
            (_, Some(days)) => Stay::Days(days),
            (Some(_), None) => Stay::Never,
            (None, None) => Stay::Always,
        };
        let removal = match self.delete {
            Some(Delete::AfterBackup) => RemovalWish::AfterBackup,
            Some(Delete::Now) | None => RemovalWish::AtOnce,
        };
        Pop3Wish { mailbox: self.mailbox.clone(), stay, removal }
    }

    fn refuse_contradictions(&self) -> Result<()> {
        if self.delete == Some(Delete::Now) && self.keep_days.is_some() {
            bail!("--delete and --keep-days exclude one another; with --delete=after-backup they go together");
        }
        Ok(())
    }

    fn refuse_for_imap(&self) -> Result<()> {
        if self.delete.is_some() || self.keep_days.is_some() {
            let refused: Result<()> = Err(anyhow!("mail is removed on the other server by POP3 only, not by IMAP"));
            return refused
                .advise("leave --delete and --keep-days out; by IMAP only --mode sync changes anything there");
        }
        if self.mailbox.is_some() {
            bail!("--mailbox is for POP3; by IMAP every mailbox there has its own here");
        }
        Ok(())
    }
}

impl ImapFlags {
    fn wish(&self) -> ImapWish {
        let follow = match self.mode {
            None | Some(ImapMode::Archive) => Follow::Archive,
            Some(ImapMode::Mirror) => Follow::Mirror,
            Some(ImapMode::Sync) => Follow::Sync,
        };
        let gmail_labels = self.gmail_labels.map(|labels| match labels {
            Labels::Mailboxes => GmailLabels::Mailboxes,
            Labels::Keywords => GmailLabels::Keywords,
        });
        let (include, exclude) = (self.include.clone(), self.exclude.clone());
        ImapWish { follow, yes: self.yes, gmail_labels, include, exclude }
    }

    fn refuse_contradictions(&self) -> Result<()> {
        if self.gmail_labels.is_some() && matches!(self.mode, Some(ImapMode::Sync)) {
            bail!("in a sync mailboxes are what IMAP shows; --gmail-labels is for the other modes");
        }
        Ok(())
    }

    fn refuse_for_pop3(&self) -> Result<()> {
        let is_given = self.mode.is_some() || self.yes || self.gmail_labels.is_some() || self.connections.is_some();
        if is_given || !self.include.is_empty() || !self.exclude.is_empty() {
            let refused: Result<()> =
                Err(anyhow!("--mode, --yes, --gmail-labels, --connections, --include and --exclude are for IMAP"));
            return refused
                .advise("for POP3 there are --keep, --delete and --keep-days, and --mailbox for the mailbox here");
        }
        Ok(())
    }
}

/// Whose certificates are believed, if those of a file may be.
pub(super) fn trust_in(ca_file: Option<&Path>) -> Result<Trust> {
    let Some(path) = ca_file else { return Ok(Trust::System) };
    let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Trust::Authorities { path: path.to_owned(), pem })
}

impl TrustFlags {
    /// Whose certificates are believed while a server is looked for; a pinned one is the mail server's.
    fn for_search(&self) -> Result<Trust> {
        trust_in(self.ca_file.as_deref())
    }

    fn wish(&self) -> Result<TrustWish> {
        if let Some(fingerprint) = self.fingerprint {
            return Ok(TrustWish::Pinned(fingerprint.to_string()));
        }
        let Some(path) = self.ca_file.clone() else { return Ok(TrustWish::System) };
        let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
        let pem =
            pem.advise("--ca-file wants certificates in PEM format, which begin with -----BEGIN CERTIFICATE-----")?;
        Ok(TrustWish::Authorities { path, pem })
    }
}
