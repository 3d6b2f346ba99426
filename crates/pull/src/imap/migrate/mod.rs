//! All mail of one IMAP account copied into another, from server to server through this program.
//!
//! Nothing is ever removed on either side, and the old one is not changed at all. What was copied is remembered in a
//! [`Journal`] of its own, so no account here is needed. A message is fetched, sent and forgotten: what is held at any time
//! is a few megabytes, or one large message.
//!
//! A run whose connection breaks, on whichever side, connects both anew and goes on. One that is killed anywhere is run again: what the journal knows is not looked at twice, and what the new server has
//! beyond that is compared with what is still to be copied, by size, date and Message-ID, else by content (`matching`),
//! before anything is sent.

mod copying;
mod journal;
mod mailbox;
mod matching;
mod options;
mod places;
mod report;
mod verify;

use postrider_imap_proto::command::CommandBody;
use postrider_store::INBOX;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc};

pub use self::journal::{Journal, JournalError};
pub use self::options::{MigrationOptions, MigrationVerification};
pub use self::report::{MigratedMailbox, MigrationError, MigrationReport};

use self::places::{Destination, destinations, plain_name};
use super::connection::ImapConnection;
use super::error::ImapError;
use super::mailboxes::{Directory, RemoteMailbox, subscriptions};
use super::memory::{Place, RemoteKey};
use super::options::Rehearsal;
use super::report::{Remark, printable};
use super::suspects::Suspects;
use super::tally::Tally;
use crate::connect::{ConnectOptions, Connection};
use crate::error::PullError;
use crate::observer::Observer;
use crate::persevere::persevere;
use crate::remote::{Credential, Remote};

/// A way to one of the accounts.
#[derive(Debug, Clone, Copy)]
pub struct MigrationAccount<'a> {
    /// Where it is.
    pub remote: &'a Remote,
    /// What proves who asks.
    pub credential: &'a Credential,
    /// How connections are made.
    pub connect: &'a ConnectOptions,
}

/// Connects to both, copies, and says goodbye. Over connections that break, and servers that ask for patience, it goes on as the
/// old server's [`ConnectOptions`] say; a stop is heard by either side.
///
/// # Errors
/// When it does not come to copying: what happens later stands in the report, beside what was done until then.
pub async fn migrate(
    from: MigrationAccount<'_>,
    to: MigrationAccount<'_>,
    journal: &mut Journal,
    options: &MigrationOptions,
    observer: &dyn Observer,
) -> Result<MigrationReport, MigrationError> {
    let (journal, suspects) = (Mutex::new(journal), BothSuspects::default());
    persevere(from.connect.backoff, &from.connect.stop, observer, || async {
        let mut journal = journal.lock().await;
        migrate_once(from, to, &mut journal, options, observer, &suspects).await
    })
    .await
}

/// What is suspected of messages, on either side.
#[derive(Debug, Default)]
struct BothSuspects {
    old: Arc<Suspects>,
    new: Arc<Suspects>,
}

/// The same over one connection to each.
async fn migrate_once(
    from: MigrationAccount<'_>,
    to: MigrationAccount<'_>,
    journal: &mut Journal,
    options: &MigrationOptions,
    observer: &dyn Observer,
    suspects: &BothSuspects,
) -> Result<MigrationReport, MigrationError> {
    let old = super::log_in(from.remote, from.credential, from.connect).await;
    let mut old = old.map_err(|error| stopped_or(error, MigrationError::Old))?;
    let new = super::log_in(to.remote, to.credential, to.connect).await;
    let mut new = new.map_err(|error| stopped_or(error, MigrationError::New))?;
    (old.suspects, new.suspects) = (Arc::clone(&suspects.old), Arc::clone(&suspects.new));
    let (mut of_old, mut of_new) = (old.tell(), new.tell());
    let report = run_telling(&mut old, &mut new, journal, options, observer, (&mut of_old, &mut of_new)).await;
    if report.ended_early.is_none() {
        old.log_out().await;
        new.log_out().await;
    }
    Ok(report)
}

/// What a connection tells of itself.
type Notes = mpsc::UnboundedReceiver<String>;

async fn run_telling(
    old: &mut ImapConnection<Connection>,
    new: &mut ImapConnection<Connection>,
    journal: &mut Journal,
    options: &MigrationOptions,
    observer: &dyn Observer,
    (of_old, of_new): (&mut Notes, &mut Notes),
) -> MigrationReport {
    let work = run_migration(old, new, journal, options, observer);
    tokio::pin!(work);
    loop {
        tokio::select! {
            report = &mut work => return report,
            Some(note) = of_old.recv() => observer.note(format!("the old server: {note}")),
            Some(note) = of_new.recv() => observer.note(format!("the new server: {note}")),
        }
    }
}

/// That it was to stop is of neither side.
fn stopped_or(error: PullError, side: impl FnOnce(PullError) -> MigrationError) -> MigrationError {
    match error {
        PullError::Stopped => MigrationError::Stopped,
        error => side(error),
    }
}

/// Copies over two connections that are logged in.
pub async fn run_migration<S, T>(
    old: &mut ImapConnection<S>,
    new: &mut ImapConnection<T>,
    journal: &mut Journal,
    options: &MigrationOptions,
    observer: &dyn Observer,
) -> MigrationReport
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut report = MigrationReport::default();
    let tally = Tally::new(observer);
    let mut migration = Migration { old, new, journal, options, observer, tally: &tally, position: 0 };
    if let Err(failure) = migration.run(&mut report).await {
        report.ended_early = Some(failure.into());
    }
    // What was copied is known, whatever ended the run.
    if let Err(error) = migration.journal.flush()
        && report.ended_early.is_none()
    {
        report.ended_early = Some(error.into());
    }
    let narrowed = [migration.old.suspects.take_narrowed(), migration.new.suspects.take_narrowed()];
    report.is_nearer_to_a_break = narrowed.contains(&true);
    report
}

/// A migration under way.
struct Migration<'a, S, T> {
    old: &'a mut ImapConnection<S>,
    new: &'a mut ImapConnection<T>,
    journal: &'a mut Journal,
    options: &'a MigrationOptions,
    observer: &'a dyn Observer,
    /// Who is told how much of all mailboxes is done.
    tally: &'a Tally<'a>,
    /// Which of the mailboxes is being worked on.
    position: usize,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the old server: {0}")]
    Old(#[source] ImapError),
    #[error("the new server: {0}")]
    New(#[source] ImapError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Failure> for MigrationError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Old(error) => stopped_or(error.into(), Self::Old),
            Failure::New(error) => stopped_or(error.into(), Self::New),
            Failure::Journal(error) => Self::Journal(error),
        }
    }
}

impl Failure {
    /// Whether both connections can still be used: one command failed.
    fn is_of_one_command(&self) -> bool {
        match self {
            Self::Old(error) | Self::New(error) => error.is_of_one_command(),
            Self::Journal(_) => false,
        }
    }
}

impl<S, T> Migration<'_, S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn run(&mut self, report: &mut MigrationReport) -> Result<(), Failure> {
        let mut directory = self.old.directory(&self.options.of_source()).await.map_err(Failure::Old)?;
        self.place_all_mail(&mut directory);
        for (name, reason) in &directory.passed_over {
            let name = printable(name);
            report.remarks.push(Remark::notice(format!("{name} is not migrated: {reason}")));
        }
        if !directory.existing.contains(INBOX) {
            report.remarks.push(Remark::problem("the old server's list of mailboxes lacks INBOX, and may lack others"));
        }
        let there = self.new.directory(&self.options.of_target()).await.map_err(Failure::New)?;
        let subscribed = subscriptions(self.old).await.map_err(Failure::Old)?.unwrap_or_default();
        for destination in destinations(&directory, &there, self.journal) {
            let mut mailbox = MigratedMailbox {
                source: printable(&destination.source.name),
                target: printable(&destination.target),
                ..MigratedMailbox::default()
            };
            self.observer.note(format!("{} -> {}", mailbox.source, mailbox.target));
            self.position += 1;
            let outcome = self.mailbox(destination, &there, &subscribed, &mut mailbox).await;
            let outcome = pass_over(outcome, &mut mailbox);
            report.mailboxes.push(mailbox);
            outcome?;
        }
        Ok(())
    }

    /// Mail of Gmail that has no label goes to an archive.
    fn place_all_mail(&self, directory: &mut Directory) {
        let is_all = |mailbox: &&mut RemoteMailbox| self.old.labels.all_mail() == Some(mailbox.name.as_str());
        if let Some(all) = directory.mailboxes.iter_mut().find(is_all) {
            match &self.options.gmail_archive {
                None => "Archive".clone_into(&mut all.local),
                Some(name) => {
                    all.local.clone_from(name);
                    all.special_use = None;
                }
            }
        }
    }

    async fn mailbox(
        &mut self,
        mut destination: Destination,
        there: &Directory,
        subscribed: &BTreeSet<String>,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        if destination.existing.is_none() && self.is_real() {
            self.make(&mut destination, there, report).await?;
        }
        if subscribed.contains(&destination.source.name) && self.is_real() {
            let mailbox = self.new.argument(&destination.target).to_argument();
            match self.new.command("SUBSCRIBE", CommandBody::Subscribe(mailbox), drop).await {
                Err(error) if !error.is_of_one_command() => return Err(Failure::New(error)),
                _ => {}
            }
        }
        self.copy(&destination, report).await?;
        if self.is_real() && self.options.verification != MigrationVerification::None {
            self.observer.note(format!("comparing {}", report.source));
            self.verify(&destination, report).await?;
        }
        Ok(())
    }

    fn is_real(&self) -> bool {
        self.options.rehearsal == Rehearsal::Real
    }

    /// Makes a mailbox; under a plainer name if the server does not take the right one.
    async fn make(
        &mut self,
        destination: &mut Destination,
        there: &Directory,
        report: &mut MigratedMailbox,
    ) -> Result<(), Failure> {
        use postrider_imap_proto::client::FailureKind::AlreadyExists;
        let made = self.new.create_mailbox(&destination.target, destination.special_use).await;
        match made {
            // Killed between making it and remembering it, or a name that only stood above others.
            Ok(()) | Err(ImapError::Refused { kind: AlreadyExists, .. }) => {}
            Err(error) if error.is_of_one_command() => {
                let plain = plain_name(&destination.target, there.separator);
                let is_taken = plain == destination.target || there.existing.contains(&plain);
                if is_taken {
                    return Err(Failure::New(error));
                }
                match self.new.create_mailbox(&plain, destination.special_use).await {
                    Ok(()) | Err(ImapError::Refused { kind: AlreadyExists, .. }) => {}
                    Err(_) => return Err(Failure::New(error)),
                }
                report.remarks.push(Remark::notice(format!(
                    "the new server does not take the name {:?}; it is called {plain:?} there",
                    report.target
                )));
                report.target = printable(&plain);
                destination.target = plain;
            }
            Err(error) => return Err(Failure::New(error)),
        }
        if let Some(kind) = destination.special_use.filter(|_| !self.new.capabilities.has("CREATE-SPECIAL-USE")) {
            report.remarks.push(Remark::notice(format!(
                "the new server cannot be told that this mailbox is for \\{}",
                kind.name()
            )));
        }
        Ok(())
    }
}

/// By what suspects are told apart: messages of one mailbox of the old server.
fn place_of_source(name: &str) -> Place {
    RemoteKey::new("old", 0, "").place(name)
}

/// The same of the new server, for messages that are there.
fn place_of_target(name: &str) -> Place {
    RemoteKey::new("new", 0, "").place(name)
}

/// What concerns one mailbox only is no reason to leave the others.
fn pass_over(outcome: Result<(), Failure>, mailbox: &mut MigratedMailbox) -> Result<(), Failure> {
    match outcome {
        Err(failure) if failure.is_of_one_command() => {
            mailbox.remarks.push(Remark::problem(failure.to_string()));
            Ok(())
        }
        other => other,
    }
}
