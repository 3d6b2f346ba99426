//! A whole run: all mailboxes, those that are gone, and the comparison at the end.

use std::collections::{BTreeMap, BTreeSet};

use postrider_store::{Account, INBOX, MailboxId, StoreError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::ImapConnection;
use super::crew::{Board, Crew, Nobody, Reinforce, Work};
use super::error::ImapError;
use super::labels::KnownMessages;
use super::mailboxes::{Directory, RemoteMailbox};
use super::memory::{MailboxNote, Memory, RemoteKey};
use super::options::{Consent, ImapMode, ImapPullOptions, Rehearsal, Verification};
use super::report::{ImapReport, MailboxReport, Remark, printable};
use super::room::Room;
use super::sync::sync_to_end;
use super::tally::Tally;
use super::verify::Verifier;
use super::work::Worker;
use crate::observer::Observer;
use crate::persevere::add;

/// Fetches over a connection that is logged in. Whatever ends the run early stands in the report, beside what was done.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
) -> ImapReport {
    run_reinforced(connection, &Nobody, key, account, options, observer).await
}

/// The same, with further connections where they help. A sync does one thing after the other.
pub(crate) async fn run_reinforced<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    reinforcements: &impl Reinforce<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
) -> ImapReport {
    let mut report = ImapReport::default();
    let mut of_helpers = 0;
    let ended = match options.mode {
        ImapMode::Archive | ImapMode::Mirror => {
            let mut run = Run { key, account, options, observer, report: &mut report };
            let crew = Crew::new(reinforcements, usize::MAX, observer);
            let ended = run.work(connection, &crew).await;
            of_helpers = crew.bytes_received();
            ended
        }
        ImapMode::Sync => sync_to_end(connection, &key.of_sync(), account, options, observer, &mut report).await,
    };
    if let Err(error) = ended {
        report.ended_early = Some(error.into());
    }
    report.is_nearer_to_a_break = connection.suspects.take_narrowed();
    report.bytes_received = connection.bytes_received().saturating_add(of_helpers);
    report
}

/// A run under way.
struct Run<'a> {
    key: &'a RemoteKey,
    account: &'a Account,
    options: &'a ImapPullOptions,
    observer: &'a dyn Observer,
    report: &'a mut ImapReport,
}

impl Run<'_> {
    async fn work<S: AsyncRead + AsyncWrite + Unpin + Send, R: Reinforce<S>>(
        &mut self,
        connection: &mut ImapConnection<S>,
        crew: &Crew<'_, R>,
    ) -> Result<(), ImapError> {
        let directory = connection.directory(self.options).await?;
        for (name, reason) in &directory.passed_over {
            self.report.remarks.push(Remark::notice(format!("{} is not fetched: {reason}", printable(name))));
        }
        let noted = self.key.mailboxes(self.account).await?;
        // A list without INBOX, which every user has, is not whole (RFC 9051 §5.1).
        let is_whole = directory.existing.contains(INBOX);
        if !is_whole {
            let text = "the server's list of mailboxes lacks INBOX, and may lack others";
            self.report.remarks.push(Remark::problem(text));
        }
        let (gone, kept): (Vec<_>, Vec<_>) =
            noted.into_iter().partition(|note| is_whole && !directory.existing.contains(&note.name));
        let taken: BTreeSet<_> = kept.iter().map(|note| note.local).collect();
        let options = crew.share::<S>(self.options);
        let bringing = Bringing {
            directory: &directory,
            account: self.account,
            options: &options,
            key: self.key,
            tally: Tally::new(self.observer),
            claims: tokio::sync::Mutex::new(Claims { gone, taken, known: KnownMessages::default() }),
            room: Room::default(),
        };
        // With labels each mailbox depends on what those before it brought.
        let crew_of_one = Crew::new(&Nobody, 1, self.observer);
        let positions = 0..directory.mailboxes.len();
        let (reports, outcome) = match connection.labels.is_active() {
            true => crew_of_one.work(connection, positions, BTreeMap::new(), &bringing).await,
            false => crew.work(connection, positions, BTreeMap::new(), &bringing).await,
        };
        self.report.mailboxes = reports.into_values().collect();
        outcome?;
        let gone = bringing.claims.into_inner().gone;
        follow_gone(self.account, self.key, self.options, &gone, self.report).await?;
        let (key, account, options) = (self.key, self.account, &options);
        match connection.labels.is_active() {
            true => compare(connection, &crew_of_one, key, account, options, &directory, self.report).await,
            false => compare(connection, crew, key, account, options, &directory, self.report).await,
        }
    }
}

/// Holds the copy against the original, if that was asked for.
pub(crate) async fn compare<S: AsyncRead + AsyncWrite + Unpin + Send, R: Reinforce<S>>(
    connection: &mut ImapConnection<S>,
    crew: &Crew<'_, R>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    directory: &Directory,
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    if options.verification == Verification::None || options.rehearsal == Rehearsal::Dry {
        return Ok(());
    }
    let reports: BTreeMap<usize, MailboxReport> =
        std::mem::take(&mut report.mailboxes).into_iter().enumerate().collect();
    // One that was removed on the way is not there to be compared.
    let found =
        |mailbox: &MailboxReport| directory.mailboxes.iter().find(|remote| printable(&remote.name) == mailbox.remote);
    let remotes: BTreeMap<usize, &RemoteMailbox> =
        reports.iter().filter_map(|(&position, mailbox)| Some((position, found(mailbox)?))).collect();
    let positions: Vec<usize> = remotes.keys().copied().collect();
    let comparing = Comparing { remotes, account, options, key, observer: crew.observer() };
    let (reports, outcome) = crew.work(connection, positions.into_iter(), reports, &comparing).await;
    report.mailboxes = reports.into_values().collect();
    outcome
}

/// Mailboxes are brought up to date.
struct Bringing<'a> {
    directory: &'a Directory,
    account: &'a Account,
    options: &'a ImapPullOptions,
    key: &'a RemoteKey,
    tally: Tally<'a>,
    claims: tokio::sync::Mutex<Claims>,
    room: Room,
}

/// What places here are taken, and what is known over all mailboxes. Who looks for a place of a mailbox holds it all the while.
#[derive(Default)]
struct Claims {
    gone: Vec<MailboxNote>,
    taken: BTreeSet<MailboxId>,
    known: KnownMessages,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Work<S> for Bringing<'_> {
    fn begin(&self, position: usize, _: Option<&MailboxReport>) -> MailboxReport {
        self.directory.mailboxes.get(position).map(report_of).unwrap_or_default()
    }

    async fn work(
        &self,
        connection: &mut ImapConnection<S>,
        position: usize,
        report: &mut MailboxReport,
        board: &Board,
    ) -> Result<(), ImapError> {
        let Some(remote) = self.directory.mailboxes.get(position) else { return Ok(()) };
        let observer = self.tally.of(position);
        observer.note(format!("{} ({} here)", report.remote, report.local));
        let mut memory = Memory::read(self.account, self.key.place(&remote.name)).await?;
        // One that has its place is not waited with until others have found theirs.
        let selected = match &memory.mailbox {
            Some(_) => Some(connection.examine(remote, &memory).await?),
            None => None,
        };
        let is_alone = connection.labels.is_active();
        let mut claims = self.claims.lock().await;
        let Claims { gone, taken, known } = std::mem::take(&mut *claims);
        let (account, options, key, room) = (self.account, self.options, self.key, &self.room);
        let mut worker = Worker { connection, account, options, key, observer: &observer, gone, taken, known, room };
        let opened = worker.open(remote, selected, &mut memory, report).await;
        if !is_alone {
            worker.give_back(&mut claims);
            drop(claims);
            return worker.bring(remote, opened?, memory, report, board).await;
        }
        let outcome = match opened {
            Ok(opened) => worker.bring(remote, opened, memory, report, board).await,
            Err(error) => Err(error),
        };
        worker.give_back(&mut claims);
        outcome
    }

    fn end(&self, mut report: MailboxReport, before: Option<MailboxReport>) -> MailboxReport {
        if let Some(before) = before {
            add(&mut report, before);
        }
        report
    }
}

impl<S> Worker<'_, S> {
    fn give_back(&mut self, claims: &mut Claims) {
        claims.gone = std::mem::take(&mut self.gone);
        claims.taken = std::mem::take(&mut self.taken);
        claims.known = std::mem::take(&mut self.known);
    }
}

/// Mailboxes are compared with what came of them.
struct Comparing<'a> {
    remotes: BTreeMap<usize, &'a RemoteMailbox>,
    account: &'a Account,
    options: &'a ImapPullOptions,
    key: &'a RemoteKey,
    observer: &'a dyn Observer,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Work<S> for Comparing<'_> {
    fn begin(&self, _: usize, before: Option<&MailboxReport>) -> MailboxReport {
        before.cloned().unwrap_or_default()
    }

    async fn work(
        &self,
        connection: &mut ImapConnection<S>,
        position: usize,
        report: &mut MailboxReport,
        board: &Board,
    ) -> Result<(), ImapError> {
        let Some(remote) = self.remotes.get(&position) else { return Ok(()) };
        self.observer.note(format!("comparing {}", report.remote));
        board.expect(report.messages);
        let (account, options, key) = (self.account, self.options, self.key);
        Verifier { connection, account, options, key }.verify(remote, report).await
    }

    fn end(&self, report: MailboxReport, _: Option<MailboxReport>) -> MailboxReport {
        report
    }
}

pub(crate) fn report_of(remote: &RemoteMailbox) -> MailboxReport {
    MailboxReport { remote: printable(&remote.name), local: remote.local.clone(), ..MailboxReport::default() }
}

/// What concerns one mailbox only is no reason to leave the others.
pub(crate) fn pass_over(outcome: Result<(), ImapError>, mailbox: &mut MailboxReport) -> Result<(), ImapError> {
    match outcome {
        Err(
            error @ (ImapError::Refused { .. }
            | ImapError::Encode(_)
            | ImapError::Memory { .. }
            | ImapError::Store(
                StoreError::BadName(_) | StoreError::Limit(_) | StoreError::NoMailbox | StoreError::MailboxExists,
            )),
        ) => {
            mailbox.remarks.push(Remark::problem(error.to_string()));
            Ok(())
        }
        other => other,
    }
}

/// Mailboxes that were fetched and are not there any more.
async fn follow_gone(
    account: &Account,
    key: &RemoteKey,
    options: &ImapPullOptions,
    gone: &[MailboxNote],
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    for note in gone {
        let name = printable(&note.name);
        let memory = Memory::read(account, key.place(&note.name)).await?;
        report.remarks.push(match (options.mode, options.consent) {
            (ImapMode::Archive, _) => Remark::notice(format!("{name} is not there any more; it is kept here")),
            (ImapMode::Mirror | ImapMode::Sync, Consent::Unasked) => Remark::problem(format!(
                "{name} is not there any more; it is kept here until you agree to remove it (--yes)"
            )),
            (ImapMode::Mirror | ImapMode::Sync, Consent::Given) => {
                remove_mailbox(account, &memory, note, options).await?
            }
        });
    }
    Ok(())
}

async fn remove_mailbox(
    account: &Account,
    memory: &Memory,
    note: &MailboxNote,
    options: &ImapPullOptions,
) -> Result<Remark, ImapError> {
    let name = printable(&note.name);
    let noted = memory.messages.values().chain(memory.orphans.values());
    let brought: BTreeSet<_> = noted.filter(|note| !note.was_here).map(|note| note.local).collect();
    let is_ours = match account.mailbox(note.local).await {
        Ok(mailbox) if mailbox.record.uid_validity == note.local_validity => {
            let messages = mailbox.messages().ok_or(StoreError::NoMailbox)?;
            messages.iter().all(|entry| brought.contains(&entry.uid)) && mailbox.record.special_use.is_empty()
        }
        Ok(_) | Err(StoreError::NoMailbox) => {
            account.write_notes(memory.forgetting()).await?;
            return Ok(Remark::notice(format!("{name} is neither there nor here any more")));
        }
        Err(error) => return Err(error.into()),
    };
    if !is_ours {
        return Ok(Remark::notice(format!(
            "{name} is not there any more; it is kept here, as it has a use of its own or mail that did not come from there"
        )));
    }
    if options.rehearsal == Rehearsal::Real {
        account.delete_mailbox(note.local).await?;
        account.write_notes(memory.forgetting()).await?;
    }
    Ok(Remark::notice(format!("{name} is not there any more, and was removed here")))
}
