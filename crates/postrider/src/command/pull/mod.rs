//! `postrider pull`: mail from another server into an account.

mod password;
mod show;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use postrider_pull::{Fingerprint, Protocol, Remote};

use self::password::PasswordSource;
use super::{
    Place,
    account::OutputForm,
    block_on, checked_address,
    output::{self, Form},
    progress::Display,
};
use crate::{
    advice::Advise,
    pull::{Comparison, Follow, ImapWish, Pop3Wish, PullAnswer, PullWish, Secret, Stay, TrustWish},
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
  All folders of an IMAP account:
    postrider pull imaps://alice@mail.example.org --into alice@example.com

It was interrupted? Give the same command again: it goes on where it stopped. Nothing comes twice, nothing is lost.

Exit status: 0 all is here, 1 something is missing or was left undone, or the run ended early (run it again), 2 it could not begin.";

/// Fetch mail from another server by POP3 or IMAP into an account
///
/// Remembers what was fetched, so that it can be run as often as you like. Mail is removed on the other server only if you
/// ask for it, and only after it was stored here, read back and compared. Works while the server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Pull {
    /// Where the mail is, as in pop3s://alice@mail.example.org
    url: String,
    /// The address of the account here that gets the mail
    #[arg(long, value_name = "ACCOUNT")]
    into: String,
    /// Say what would be fetched and removed, and why, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Compare afterwards: whether each message there is here, and its size; `--verify=content` fetches all again and compares
    /// every byte
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
    trust: TrustFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyWhat {
    /// Whether each message there is here, and its size
    Listing,
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
    /// Remove mail there once it is surely here
    #[arg(long, conflicts_with = "keep")]
    delete: bool,
    /// Remove mail there so many days after it was first seen
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["keep", "delete"])]
    keep_days: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "IMAP")]
struct ImapFlags {
    /// What becomes of changes there [default: archive]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ImapMode>,
    /// Agree that many messages at once, or whole mailboxes, are removed here because they vanished there
    #[arg(long)]
    yes: bool,
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
        let form = self.form.form();
        // Everything that can be wrong is looked at before anybody is asked for a password.
        let remote: Remote = self.url.parse()?;
        let account = checked_address(&self.into)?;
        match remote.protocol {
            Protocol::Pop3 => self.imap.refuse_for_pop3()?,
            Protocol::Imap => self.pop3.refuse_for_imap()?,
        }
        let wish = PullWish {
            account,
            dry_run: self.dry_run,
            verify: self.verify.map(|what| match what {
                VerifyWhat::Listing => Comparison::Listing,
                VerifyWhat::Content => Comparison::Content,
            }),
            trust: self.trust.wish()?,
            pop3: self.pop3.wish(),
            imap: self.imap.wish(),
            password: Secret::new(self.password.read(&remote)?),
            url: self.url,
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
            (true, _) => Stay::Never,
            (false, Some(days)) => Stay::Days(days),
            (false, None) => Stay::Always,
        };
        Pop3Wish { mailbox: self.mailbox.clone(), stay }
    }

    fn refuse_for_imap(&self) -> Result<()> {
        if self.delete || self.keep_days.is_some() {
            let refused: Result<()> = Err(anyhow!("mail is removed on the other server by POP3 only, not by IMAP"));
            return refused.advise("leave --delete and --keep-days out; a pull by IMAP changes nothing there");
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
        };
        ImapWish { follow, yes: self.yes, include: self.include.clone(), exclude: self.exclude.clone() }
    }

    fn refuse_for_pop3(&self) -> Result<()> {
        if self.mode.is_some() || self.yes || !self.include.is_empty() || !self.exclude.is_empty() {
            let refused: Result<()> = Err(anyhow!("--mode, --yes, --include and --exclude are for IMAP"));
            return refused
                .advise("for POP3 there are --keep, --delete and --keep-days, and --mailbox for the mailbox here");
        }
        Ok(())
    }
}

impl TrustFlags {
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
