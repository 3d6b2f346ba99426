//! Two sides that follow each other: a remote account and an account here.
//!
//! A run first makes the lists of mailboxes agree (`pairing`), then goes through all pairs and exchanges what is new and
//! what changed (`exchange`, `flags`, `uploading`), and only when all of that is done removes what was removed on the
//! other side (`removing`): so a message that was moved has come to its new place before it leaves the old one. What is to
//! be done for a message that both sides had is decided by a pure function (`merge`) of what both had when they last
//! agreed, which lies in the notes, and what they have now.
//!
//! Nothing is stored twice: before a message goes there, all that is new there is looked at, and what has the same
//! likeness or content as a message here is taken for that message. This is how two sides that were filled by other means
//! find together, and how an APPEND whose answer got lost is known to have been done.

mod exchange;
mod flags;
mod matching;
mod merge;
mod pairing;
mod removing;
mod subscriptions;
mod uploading;

use std::collections::BTreeSet;

use postrider_store::Account;
use tokio::io::{AsyncRead, AsyncWrite};

use self::removing::Removals;
use super::connection::ImapConnection;
use super::crew::{Crew, Nobody};
use super::error::ImapError;
use super::labels::KnownMessages;
use super::mailboxes::RemoteMailbox;
use super::memory::{MailboxNote, RemoteKey};
use super::options::{ImapPullOptions, Rehearsal};
use super::report::{ImapReport, Remark, Weight};
use super::room::Room;
use super::run::{compare, pass_over, report_of};
use super::work::Worker;
use crate::observer::Observer;

/// A sync under way.
struct Syncer<'a, S> {
    worker: Worker<'a, S>,
    /// What is to be removed once all else is done.
    removals: Vec<Removals>,
    /// Mailboxes there whose counterpart here was removed.
    removed_here: Vec<(RemoteMailbox, MailboxNote)>,
}

/// Syncs over a connection that is logged in. `key` is that of syncs.
pub(super) async fn sync_to_end<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
    key: &RemoteKey,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
    report: &mut ImapReport,
) -> Result<(), ImapError> {
    let room = Room::default();
    let worker = Worker {
        connection,
        account,
        options,
        key,
        observer,
        gone: Vec::new(),
        taken: BTreeSet::new(),
        known: KnownMessages::default(),
        room: &room,
    };
    let mut syncer = Syncer { worker, removals: Vec::new(), removed_here: Vec::new() };
    let mut directory = syncer.worker.connection.directory(options).await?;
    for (name, reason) in &directory.passed_over {
        let name = super::report::printable(name);
        report.remarks.push(Remark::notice(format!("{name} takes no part: {reason}")));
    }
    if syncer.follow_renames_here(&mut directory, report).await? {
        directory = syncer.worker.connection.directory(options).await?;
    }
    syncer.learn_what_is_gone(&directory, report).await?;
    for remote in &directory.mailboxes {
        syncer.work(remote, report).await?;
    }
    let only_here = syncer.only_here(&directory, report).await?;
    if syncer.make_there(&only_here, &directory, report).await? {
        directory = syncer.worker.connection.directory(options).await?;
        for name in &only_here {
            match directory.mailboxes.iter().find(|remote| remote.local == *name) {
                Some(remote) => syncer.work(remote, report).await?,
                // It only stands above others, which some servers have no mailbox for.
                None if syncer.is_empty_here(name) => {}
                None => report.remarks.push(Remark::problem(format!(
                    "{name} was made there, but the server does not list it: its messages did not go there"
                ))),
            }
        }
    }
    syncer.follow_subscriptions(&directory).await?;
    syncer.follow_removals(report).await?;
    syncer.remove_mailboxes_here(report).await?;
    syncer.remove_mailboxes_there(report).await?;
    let alone = Crew::new(&Nobody, 1, observer);
    compare(syncer.worker.connection, &alone, key, account, options, &directory, report).await
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Syncer<'_, S> {
    fn is_real(&self) -> bool {
        self.worker.options.rehearsal == Rehearsal::Real
    }

    fn is_empty_here(&self, name: &str) -> bool {
        self.worker.account.state().find(name).is_none_or(|mailbox| mailbox.record.counts.messages == 0)
    }

    /// Exchanges one pair; what concerns only it is no reason to leave the others.
    async fn work(&mut self, remote: &RemoteMailbox, report: &mut ImapReport) -> Result<(), ImapError> {
        let mut mailbox = report_of(remote);
        self.worker.observer.note(format!("{} ({} here)", mailbox.remote, mailbox.local));
        let outcome = self.exchange(remote, &mut mailbox).await;
        let outcome = pass_over(outcome, &mut mailbox);
        report.mailboxes.push(mailbox);
        outcome
    }
}

/// Whether anything so far went otherwise than it should have, and may go right another time.
fn has_problems(report: &ImapReport) -> bool {
    let is_problem = |remark: &&Remark| remark.weight == Weight::Problem;
    report.remarks.iter().any(|remark| is_problem(&remark))
        || report
            .mailboxes
            .iter()
            .any(|mailbox| mailbox.remarks.iter().filter(is_problem).count() > mailbox.lasting_problems)
}
