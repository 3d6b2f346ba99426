//! `postrider migrate`: all mail of one IMAP account into another, from server to server.
//!
//! Unlike other work it does not go through the control socket: it touches no account here, and must run where no server
//! does.

mod password;
mod show;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use postrider_pull::{
    ConnectOptions, Fingerprint, Observer, Protocol, Remote, Stop, StopTrigger, Trust,
    imap::{
        Rehearsal,
        migrate::{
            Journal, MigrationAccount, MigrationError, MigrationOptions, MigrationReport, MigrationVerification,
            migrate,
        },
    },
};
use tokio::sync::mpsc;

use self::password::PasswordSource;
use super::{
    Place,
    account::OutputForm,
    block_on,
    output::{self, Form},
    progress::Display,
    pull::manners::MannersFlags,
};
use crate::{
    advice::{Advise, with_hint},
    control::{Event, Progress},
    pull::{self, TrustWish},
};

const EXAMPLES: &str = "\
The URLs are those of `postrider pull`: imaps://USER@HOST with TLS, imap://USER@HOST with TLS by STARTTLS.

Examples:
  Look first:
    postrider migrate imaps://alice@old.example.org imaps://alice@new.example.org --dry-run
  Copy everything; asks for both passwords:
    postrider migrate imaps://alice@old.example.org imaps://alice@new.example.org
  From a provider that wants OAuth 2.0, set up once with `postrider pull authorize`:
    postrider migrate imaps://alice@gmail.com@imap.gmail.com imaps://alice@new.example.org --from-oauth2-file ~/.alice-oauth2
  Once more on the day of the move, and compare every byte:
    postrider migrate imaps://alice@old.example.org imaps://alice@new.example.org --verify=content

It was interrupted? Give the same command again: it goes on where it stopped. Nothing comes twice, nothing is lost, and
nothing is removed on either server.

Exit status: 0 all is at the new server, 1 something is missing or differs, or the run ended early (run it again), 2 it could not begin.";

/// How often progress is told at most.
const PROGRESS_STEP: Duration = Duration::from_millis(200);

/// Copy all mail of an IMAP account into another one, from server to server
///
/// Mailboxes, messages, flags, dates, special uses and subscriptions. Needs no account here. Remembers what was copied, so
/// that it can be run again: then only what is new or changed at the old server is copied.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Migrate {
    /// Where the mail is, as in imaps://alice@old.example.org
    from: String,
    /// Where it goes, as in imaps://alice@new.example.org
    to: String,
    /// Say what would be copied, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Compare afterwards: whether each message is there, its size, and the content of some; `--verify=content` compares every
    /// byte
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "sample", value_name = "WHAT")]
    verify: Option<VerifyWhat>,
    /// Migrate only mailboxes of this name, with / between levels; * stands for anything. May be given several times
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out mailboxes of this name; * stands for anything. May be given several times
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// From Gmail: the mailbox of the new server for mail that has no label, which stands in All Mail only
    /// (`--exclude "[Gmail]/All Mail"` leaves it out) [default: the one for archived mail, else Archive]
    #[arg(long, value_name = "NAME")]
    gmail_archive: Option<String>,
    /// The folder in which is remembered what was copied [default: a folder of its own below migrations/ in the data folder]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    passwords: PasswordSource,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    manners: MannersFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyWhat {
    /// Whether each message is there, its size, and the content of some
    Sample,
    /// Every byte of every message, which is fetched again from both
    Content,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Certificates")]
struct TrustFlags {
    /// Old server: believe certificates of the authorities in this PEM file, and of no others
    #[arg(long, value_name = "FILE", conflicts_with = "from_fingerprint")]
    from_ca_file: Option<PathBuf>,
    /// Old server: believe the one certificate with this SHA-256 fingerprint, and no other
    #[arg(long, value_name = "SHA256")]
    from_fingerprint: Option<Fingerprint>,
    /// New server: believe certificates of the authorities in this PEM file, and of no others
    #[arg(long, value_name = "FILE", conflicts_with = "to_fingerprint")]
    to_ca_file: Option<PathBuf>,
    /// New server: believe the one certificate with this SHA-256 fingerprint, and no other
    #[arg(long, value_name = "SHA256")]
    to_fingerprint: Option<Fingerprint>,
}

/// What a run tells of itself.
enum Told {
    Progress(Progress),
    Note(String),
}

/// Hands on what a run tells.
struct Teller {
    told: mpsc::UnboundedSender<Told>,
    last: Mutex<Option<Instant>>,
}

impl Observer for Teller {
    fn progress(&self, messages: u64, messages_total: Option<u64>, bytes: u64) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < PROGRESS_STEP) {
            return;
        }
        *last = Some(Instant::now());
        let doing = String::from("copying");
        // Nobody listens any more only when the run is over.
        let _ = self.told.send(Told::Progress(Progress { doing, messages, messages_total, bytes, bytes_total: None }));
    }

    fn note(&self, note: String) {
        let _ = self.told.send(Told::Note(note));
    }
}

impl Migrate {
    pub fn run(self, place: &Place) -> Result<ExitCode> {
        let form = self.form.form();
        // Everything that can be wrong is looked at before anybody is asked for a password.
        let (from, to) = (imap_remote(&self.from)?, imap_remote(&self.to)?);
        if (&from.host, from.port, &from.user) == (&to.host, to.port, &to.user) {
            bail!("both URLs are of the same account");
        }
        let (trigger, stop) = StopTrigger::new();
        let connect_from =
            self.connect_options(self.trust.from_ca_file.as_deref(), self.trust.from_fingerprint, &stop)?;
        let connect_to = self.connect_options(self.trust.to_ca_file.as_deref(), self.trust.to_fingerprint, &stop)?;
        let folder = self.folder(place, &from, &to)?;
        let credential_from = self.passwords.of_old_server(&from)?;
        let credential_to = self.passwords.of_new_server(&to)?;
        let names = (account_name(&from), account_name(&to));
        let mut journal = Journal::open(&folder, &names.0, &names.1).map_err(|error| explained(error.into()))?;
        let options = self.options();
        let account_from = MigrationAccount { remote: &from, credential: &credential_from, connect: &connect_from };
        let account_to = MigrationAccount { remote: &to, credential: &credential_to, connect: &connect_to };
        let mut display = Display::new(form);
        let report = block_on(work(account_from, account_to, &mut journal, &options, &mut display, &trigger))?;
        drop(display);
        let answer = show::Answer::of(report, self.dry_run);
        match form {
            Form::Json => output::json(&answer)?,
            Form::Text => output::text(&answer.readable())?,
        }
        Ok(if answer.complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    /// Where this migration remembers what it did.
    fn folder(&self, place: &Place, from: &Remote, to: &Remote) -> Result<PathBuf> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let base = match place.configuration() {
            Ok(config) => config.data().to_path_buf(),
            // Whoever migrates need not run a server.
            Err(error) if place.config.is_some() || place.data.is_some() => return Err(error),
            Err(_) => state_home()?,
        };
        Ok(base.join("migrations").join(format!("{}-{}", from.memory_name(), to.memory_name())))
    }

    /// How connections to one of the servers are made.
    fn connect_options(
        &self,
        ca_file: Option<&Path>,
        fingerprint: Option<Fingerprint>,
        stop: &Stop,
    ) -> Result<ConnectOptions> {
        let options = pull::connect_options(&TrustWish::System, &self.manners.wish(), stop)?;
        Ok(ConnectOptions { trust: trust(ca_file, fingerprint)?, ..options })
    }

    fn options(&self) -> MigrationOptions {
        MigrationOptions {
            rehearsal: if self.dry_run { Rehearsal::Dry } else { Rehearsal::Real },
            verification: match self.verify {
                None => MigrationVerification::None,
                Some(VerifyWhat::Sample) => MigrationVerification::Sample,
                Some(VerifyWhat::Content) => MigrationVerification::Content,
            },
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            gmail_archive: self.gmail_archive.clone(),
            ..MigrationOptions::default()
        }
    }
}

/// Copies, and shows how far it is. Ctrl-C ends it as a broken connection would, with what was copied remembered; pressed again,
/// at once, between two moments of its memory.
async fn work(
    from: MigrationAccount<'_>,
    to: MigrationAccount<'_>,
    journal: &mut Journal,
    options: &MigrationOptions,
    display: &mut Display,
    trigger: &StopTrigger,
) -> Result<MigrationReport> {
    let (told, mut events) = mpsc::unbounded_channel();
    let observer = Teller { told, last: Mutex::default() };
    let show = |display: &mut Display, told: Told| match told {
        Told::Progress(progress) => display.show(&Event::<()>::Progress(progress)),
        Told::Note(note) => display.show(&Event::<()>::Note(note)),
    };
    let work = migrate(from, to, journal, options, &observer);
    tokio::pin!(work);
    let mut is_stopping = false;
    let report = loop {
        tokio::select! {
            report = &mut work => break report,
            Some(event) = events.recv() => show(display, event),
            pressed = tokio::signal::ctrl_c() => {
                pressed.context("cannot wait for Ctrl-C")?;
                if !is_stopping {
                    is_stopping = true;
                    trigger.request();
                    continue;
                }
                let stopped: Result<MigrationReport> = Err(anyhow!("stopped; what was copied so far is there"));
                return stopped.advise("give the same command again: it goes on where this one stopped");
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        show(display, event);
    }
    report.map_err(explained)
}

/// The account that a URL names, however it is protected.
fn account_name(remote: &Remote) -> String {
    format!("{}@{}:{}", remote.user, remote.host.to_ascii_lowercase(), remote.port)
}

fn imap_remote(url: &str) -> Result<Remote> {
    let remote: Remote = url.parse()?;
    if remote.protocol != Protocol::Imap {
        let refused: Result<Remote> = Err(anyhow!("{url} is not of an IMAP server"));
        return refused.advise("write imaps:// or imap://; mail of a POP3 server comes by `postrider pull`");
    }
    Ok(remote)
}

fn trust(ca_file: Option<&Path>, fingerprint: Option<Fingerprint>) -> Result<Trust> {
    Ok(match (fingerprint, ca_file) {
        (Some(fingerprint), _) => Trust::Pinned(fingerprint),
        (None, Some(path)) => {
            let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()));
            let pem =
                pem.advise("it should hold certificates in PEM format, which begin with -----BEGIN CERTIFICATE-----")?;
            Trust::Authorities { path: path.to_path_buf(), pem }
        }
        (None, None) => Trust::System,
    })
}

/// Where programs of this user keep what they must remember.
fn state_home() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    let home = home.ok_or_else(|| anyhow!("there is no place to remember in what was copied"));
    Ok(home.advise("name a folder with --state")?.join("postrider"))
}

/// An error with what to do about it.
fn explained(error: MigrationError) -> Error {
    let hint = error.hint();
    let error = Error::from(error);
    match hint {
        Some(hint) => with_hint(error, hint),
        None => error,
    }
}
