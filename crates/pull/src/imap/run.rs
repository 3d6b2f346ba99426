//! A whole run: all mailboxes, those that are gone, and the comparison at the end.

use std::collections::BTreeSet;

use postrider_store::{Account, INBOX, StoreError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::ImapConnection;
use super::error::ImapError;
use super::labels::KnownMessages;
use super::mailboxes::{Directory, RemoteMailbox};
use super::memory::{MailboxNote, Memory, RemoteKey};
use super::options::{Consent, ImapMode, ImapPullOptions, Rehearsal, Verification};
use super::report::{ImapReport, MailboxReport, Remark, printable};
use super::sync::sync_to_end;
use super::verify::Verifier;
use super::work::Worker;
use crate::observer::Observer;

/// Fetches over a connection that is logged in. Whatever ends the run early stands in the report, beside what was done.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
) -> ImapReport {
    let mut report = ImapReport::default();
    let ended = match options.mode {
        ImapMode::Archive | ImapMode::Mirror => {
            run_to_end(connection, key, account, options, observer, &mut report).await
        }
        ImapMode::Sync => sync_to_end(connection, &key.of_sync(), account, options, observer, &mut report).await,
    };
    if let Err(error) = ended {
        report.ended_early = Some(error.into());
    }
    report.is_nearer_to_a_break = connection.suspects.take_narrowed();
    report.bytes_received = connection.bytes_received();
    report
}

async fn run_to_end<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    let directory = connection.directory(options).await?;
    for (name, reason) in &directory.passed_over {
        report.remarks.push(Remark::notice(format!("{} is not fetched: {reason}", printable(name))));
    }
    let noted = key.mailboxes(account).await?;
    // A list without INBOX, which every user has, is not whole (RFC 9051 §5.1).
    let is_whole = directory.existing.contains(INBOX);
    if !is_whole {
        report.remarks.push(Remark::problem("the server's list of mailboxes lacks INBOX, and may lack others"));
    }
    let (gone, kept): (Vec<_>, Vec<_>) =
        noted.into_iter().partition(|note| is_whole && !directory.existing.contains(&note.name));
    let taken: BTreeSet<_> = kept.iter().map(|note| note.local).collect();
    let mut worker =
        Worker { connection, account, options, key, observer, gone, taken, known: KnownMessages::default() };
    work_through(&mut worker, &directory, report).await?;
    let gone = std::mem::take(&mut worker.gone);
    follow_gone(account, key, options, &gone, report).await?;
    compare(connection, key, account, options, observer, &directory, report).await
}

/// Holds the copy against the original, if that was asked for.
pub(crate) async fn compare<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
    directory: &Directory,
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    if options.verification != Verification::None && options.rehearsal == Rehearsal::Real {
        let mut verifier = Verifier { connection, account, options, key };
        for mailbox in &mut report.mailboxes {
            // One that was removed on the way is not there to be compared.
            let found = directory.mailboxes.iter().find(|remote| printable(&remote.name) == mailbox.remote);
            let Some(remote) = found else { continue };
            observer.note(format!("comparing {}", mailbox.remote));
            let outcome = verifier.verify(remote, mailbox).await;
            pass_over(outcome, mailbox)?;
        }
    }
    Ok(())
}

async fn work_through<S: AsyncRead + AsyncWrite + Unpin + Send>(
    worker: &mut Worker<'_, S>,
    directory: &Directory,
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    for remote in &directory.mailboxes {
        let mut mailbox = report_of(remote);
        worker.observer.note(format!("{} ({} here)", mailbox.remote, mailbox.local));
        let outcome = worker.work(remote, &mut mailbox).await;
        let outcome = pass_over(outcome, &mut mailbox);
        report.mailboxes.push(mailbox);
        outcome?;
    }
    Ok(())
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
