//! Several connections that work through the mailboxes of one server side by side.
//!
//! A mailbox is worked on by one connection at a time, from its beginning to its end, so what is noted of it is written as over one
//! connection. Further connections are opened only where there is much to do, one after the other, and the work never depends on
//! them: a server that refuses one, or asks for patience, is worked on with those that there are; a mailbox whose connection breaks
//! goes to another one. Only where nobody is left to take it over does the break end the run, as that of a single connection does.
//!
//! All of it runs in one task: connections wait for the server nearly all of the time, and nothing has to be locked against another
//! processor.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, OwnedSemaphorePermit},
};

use super::{
    connection::ImapConnection, error::ImapError, options::ImapPullOptions, report::MailboxReport, run::pass_over,
};
use crate::{error::PullError, observer::Observer};

/// Messages to be fetched from which on it pays to open further connections.
const MESSAGES_MIN: u64 = 100;
/// Mailboxes that wait from which on it does.
const MAILBOXES_MIN: usize = 32;

/// The least that one connection may hold of what one run may, in bytes, so that it still has something to work with.
const GROUP_BYTES_MIN: u64 = 1024 * 1024;

/// Opens further connections to a run's server.
pub(crate) trait Reinforce<S>: Sync {
    /// How many connections there may be at a time, the run's first one counted.
    fn connections_max(&self) -> usize;

    /// Another connection, logged in; `None` where others have taken all that there may be.
    fn open(&self) -> impl Future<Output = Result<Option<Helper<S>>, PullError>> + Send;

    /// The server does not bear so many as there are: until the end of the run there are no more than these.
    fn lower(&self, connections_max: usize);
}

/// A further connection.
pub(crate) struct Helper<S> {
    pub(crate) connection: ImapConnection<S>,
    /// What lets there be this connection, where there is a common bound.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Nobody who helps.
pub(crate) struct Nobody;

impl<S: Send> Reinforce<S> for Nobody {
    fn connections_max(&self) -> usize {
        1
    }

    async fn open(&self) -> Result<Option<Helper<S>>, PullError> {
        Ok(None)
    }

    fn lower(&self, _: usize) {}
}

/// What is done with each mailbox.
pub(crate) trait Work<S>: Sync {
    /// The report with which a mailbox begins; `before` is what an earlier try, or earlier work, left.
    fn begin(&self, position: usize, before: Option<&MailboxReport>) -> MailboxReport;

    /// Works on one mailbox.
    fn work(
        &self,
        connection: &mut ImapConnection<S>,
        position: usize,
        report: &mut MailboxReport,
        board: &Board,
    ) -> impl Future<Output = Result<(), ImapError>> + Send;

    /// The report of all tries.
    fn end(&self, report: MailboxReport, before: Option<MailboxReport>) -> MailboxReport;
}

/// Which mailboxes wait, and what came of the others.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<usize>,
    reports: BTreeMap<usize, MailboxReport>,
    /// Members that are at a mailbox.
    at_work: usize,
    /// Connections that are open.
    members: usize,
    /// Messages that are to be fetched, as far as is known.
    expected: u64,
    /// Helpers that are to go, as the server asked for patience.
    leaving: usize,
    /// Whether no more helpers are to be opened.
    is_closed: bool,
    /// Why the work ended.
    failure: Option<ImapError>,
}

impl Board {
    fn new(positions: impl Iterator<Item = usize>, reports: BTreeMap<usize, MailboxReport>) -> Self {
        let state = State { waiting: positions.collect(), reports, members: 1, ..State::default() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// So many messages are to be fetched from one of the mailboxes.
    pub(crate) fn expect(&self, messages: u64) {
        self.change(|state| state.expected = state.expected.saturating_add(messages));
    }

    /// The next mailbox to be worked on; `None` when all are done. Waits while others are at work: what they cannot finish has to be
    /// taken over.
    async fn next(&self) -> Option<usize> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if state.failure.is_some() {
                    return None;
                }
                if let Some(position) = state.waiting.pop_front() {
                    state.at_work += 1;
                    return Some(position);
                }
                if state.at_work == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Whether another connection pays now. Waits until it does, or never will.
    async fn is_helper_wanted(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if state.is_closed || state.failure.is_some() || state.waiting.is_empty() && state.at_work == 0 {
                    return false;
                }
                let is_much = state.expected >= MESSAGES_MIN || state.waiting.len() >= MAILBOXES_MIN;
                if is_much && !state.waiting.is_empty() {
                    return true;
                }
            }
            changed.await;
        }
    }

    /// Returns when there is nothing left to do.
    async fn finished(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if state.failure.is_some() || state.waiting.is_empty() && state.at_work == 0 {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Whether this helper is to go.
    fn is_to_leave(&self) -> bool {
        let mut state = self.lock();
        let is_to_leave = state.leaving > 0 && state.members > 1;
        if is_to_leave {
            state.leaving -= 1;
            state.members -= 1;
        }
        is_to_leave
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_waiters();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a member may be sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    First,
    Helper,
}

/// The connections of a run: the first one, and those that help it.
pub(crate) struct Crew<'a, R> {
    reinforcements: &'a R,
    observer: &'a dyn Observer,
    connections_max: usize,
    /// What helpers received.
    bytes_received: Mutex<u64>,
}

impl<'a, R> Crew<'a, R> {
    /// A crew of one, for now. `connections_max` bounds it beside what the server bears.
    pub(crate) fn new(reinforcements: &'a R, connections_max: usize, observer: &'a dyn Observer) -> Self {
        Self { reinforcements, observer, connections_max, bytes_received: Mutex::default() }
    }

    /// Who is told of the run.
    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// What one connection may hold of what one run may.
    pub(crate) fn share<S>(&self, options: &ImapPullOptions) -> ImapPullOptions
    where
        R: Reinforce<S>,
    {
        let connections = self.connections_max.min(self.reinforcements.connections_max()).max(1) as u64;
        let group_bytes_max = (options.group_bytes_max / connections).max(options.group_bytes_max.min(GROUP_BYTES_MIN));
        ImapPullOptions { group_bytes_max, ..options.clone() }
    }

    /// Octets that helpers received.
    pub(crate) fn bytes_received(&self) -> u64 {
        *self.bytes_received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on all mailboxes. Answers their reports, and why not all could be worked on.
    pub(crate) async fn work<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        first: &mut ImapConnection<S>,
        positions: impl Iterator<Item = usize>,
        reports: BTreeMap<usize, MailboxReport>,
        work: &impl Work<S>,
    ) -> (BTreeMap<usize, MailboxReport>, Result<(), ImapError>)
    where
        R: Reinforce<S>,
    {
        let board = Board::new(positions, reports);
        let opening = tokio::sync::Mutex::new(());
        {
            let (board, opening) = (&board, &opening);
            let mut members: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
            members.push(Box::pin(async move {
                self.member(first, Role::First, work, board).await;
            }));
            for _ in 1..self.connections_max.min(self.reinforcements.connections_max()) {
                members.push(Box::pin(self.helper(work, board, opening)));
            }
            all(members).await;
        }
        let mut state = board.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !state.waiting.is_empty() {
            state.failure.get_or_insert(ImapError::Closed);
        }
        (state.reports, state.failure.map_or(Ok(()), Err))
    }

    /// Opens a connection when it pays, and works on it.
    async fn helper<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        work: &impl Work<S>,
        board: &Board,
        opening: &tokio::sync::Mutex<()>,
    ) where
        R: Reinforce<S>,
    {
        let opened = {
            // One after the other: where one is refused, the next is not asked for.
            let _turn = opening.lock().await;
            if !board.is_helper_wanted().await {
                return;
            }
            let opened = tokio::select! {
                opened = self.reinforcements.open() => opened,
                () = board.finished() => return,
            };
            self.learn(&opened, board);
            opened
        };
        let Ok(Some(mut helper)) = opened else { return };
        let is_of_use = self.member(&mut helper.connection, Role::Helper, work, board).await;
        *self.bytes_received.lock().unwrap_or_else(PoisonError::into_inner) += helper.connection.bytes_received();
        if is_of_use {
            helper.connection.log_out().await;
        }
        drop(helper.permit);
    }

    /// Where a connection was refused, no more are asked for.
    fn learn<S>(&self, opened: &Result<Option<Helper<S>>, PullError>, board: &Board)
    where
        R: Reinforce<S>,
    {
        let members = board.change(|state| {
            match opened {
                Ok(Some(_)) => state.members += 1,
                Ok(None) | Err(_) => state.is_closed = true,
            }
            state.members
        });
        if let Err(error) = opened
            && !matches!(error, PullError::Stopped)
        {
            self.reinforcements.lower(members);
            let rest = if members > 1 { format!("the {members} that there are") } else { String::from("the one") };
            self.observer.note(format!("no further connection came about ({error}); going on with {rest}"));
        }
    }

    /// Works on one mailbox after the other. Answers whether the connection can still be used.
    async fn member<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        connection: &mut ImapConnection<S>,
        role: Role,
        work: &impl Work<S>,
        board: &Board,
    ) -> bool
    where
        R: Reinforce<S>,
    {
        loop {
            if role == Role::Helper && board.is_to_leave() {
                return true;
            }
            let Some(position) = board.next().await else { return true };
            let before = board.lock().reports.remove(&position);
            let mut report = work.begin(position, before.as_ref());
            let outcome = work.work(connection, position, &mut report, board).await;
            let outcome = pass_over(outcome, &mut report);
            let report = work.end(report, before);
            let was_throttled = connection.take_throttled() || outcome.as_ref().is_err_and(ImapError::is_throttling);
            let is_of_use = outcome.is_ok();
            let members = board.change(|state| state.settle(position, report, outcome, was_throttled));
            if was_throttled {
                self.reinforcements.lower(members.max(1));
            }
            if !is_of_use {
                return false;
            }
        }
    }
}

impl State {
    /// A member is done with a mailbox. Answers how many members there are to be from here on.
    fn settle(
        &mut self,
        position: usize,
        report: MailboxReport,
        outcome: Result<(), ImapError>,
        was_throttled: bool,
    ) -> usize {
        self.reports.insert(position, report);
        self.at_work = self.at_work.saturating_sub(1);
        self.is_closed |= was_throttled;
        match outcome {
            Ok(()) => self.leaving += usize::from(was_throttled && self.members > 1 + self.leaving),
            Err(error) => {
                self.members = self.members.saturating_sub(1);
                match error.is_of_connection() && !error.is_stop() && self.members > 0 {
                    true => self.waiting.push_front(position),
                    false => drop(self.failure.get_or_insert(error)),
                }
            }
        }
        self.members.saturating_sub(self.leaving)
    }
}

/// Returns when all have.
async fn all(mut members: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>>) {
    poll_fn(|context| {
        members.retain_mut(|member| member.as_mut().poll(context).is_pending());
        if members.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests;
