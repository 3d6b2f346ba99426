//! The one thread that writes: takes every waiting batch, makes one transaction of them, syncs once, answers all.
//!
//! Callers need no runtime and wait for no lock: a request is a message on a channel, in the order of the calls, and
//! the answer comes through a one-shot channel. While one group is being synced the next one gathers; that is all
//! there is to group commit, and no timer is needed.

use std::sync::{
    Arc,
    atomic::Ordering,
    mpsc::{Receiver, Sender},
};

use postrider_engine::{Batch, BodyWrite, EngineError, RecordWrite};
use tokio::sync::oneshot;

use crate::{
    Shared,
    append::Appender,
    apply::{Apply, Move, Outcome},
    error::from_heed,
};

/// What the committer is asked to write.
#[derive(Debug)]
pub(crate) enum Work {
    /// A caller's batch, its keys checked.
    Batch(Batch),
    /// Bodies to be moved out of a segment.
    Relocate {
        /// The segment they are in.
        victim: u64,
        /// The bodies.
        moves: Vec<Move>,
    },
    /// A segment to be forgotten.
    Retire {
        /// The segment.
        victim: u64,
    },
}

/// Work and where to answer.
#[derive(Debug)]
pub(crate) struct Request {
    work: Work,
    answer: oneshot::Sender<Outcome>,
}

/// Hands work to the committer. The work is queued when this returns, whether or not the answer is waited for.
pub(crate) fn submit(sender: &Sender<Request>, work: Work) -> oneshot::Receiver<Outcome> {
    let (answer, outcome) = oneshot::channel();
    // If the committer is gone the request is dropped with its sender, and the receiver learns that.
    let _ = sender.send(Request { work, answer });
    outcome
}

/// The committer's state.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    appender: Appender,
    /// Taken from the channel, but too much for the last group.
    held: Option<Request>,
}

impl Committer {
    /// A committer; it writes when [`run`](Self::run) is called.
    pub fn new(shared: Arc<Shared>, next_segment: u64) -> Self {
        Self { appender: Appender::new(Arc::clone(&shared), next_segment), shared, held: None }
    }

    /// Writes until every sender is gone.
    pub fn run(mut self, requests: &Receiver<Request>) {
        while let Some(first) = self.held.take().or_else(|| requests.recv().ok()) {
            let group = self.gather(first, requests);
            self.write(group);
        }
    }

    /// Takes what waits, up to the bounds of a transaction.
    fn gather(&mut self, first: Request, requests: &Receiver<Request>) -> Vec<Request> {
        let options = &self.shared.options;
        let (mut bytes, mut operations) = cost(&first.work);
        let mut group = vec![first];
        while let Ok(next) = requests.try_recv() {
            let (more_bytes, more_operations) = cost(&next.work);
            bytes = bytes.saturating_add(more_bytes);
            operations = operations.saturating_add(more_operations);
            if bytes > options.transaction_bytes_max || operations > options.transaction_operations_max {
                self.held = Some(next);
                break;
            }
            group.push(next);
        }
        group
    }

    fn write(&mut self, group: Vec<Request>) {
        let outcomes = match self.transact(&group) {
            Err(EngineError::Full(_)) if group.len() == 1 => self.advance().and_then(|()| self.transact(&group)),
            outcomes => outcomes,
        };
        match outcomes {
            Ok(outcomes) => {
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    // A caller that no longer waits is no error.
                    let _ = request.answer.send(outcome);
                }
            }
            // One batch may be too large for what is left, and the others not.
            Err(EngineError::Full(_)) if group.len() > 1 => {
                for request in group {
                    self.write(vec![request]);
                }
            }
            Err(error) => {
                tracing::error!(%error, batches = group.len(), "a transaction failed");
                for request in group {
                    let _ = request.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Commits next to nothing. LMDB uses the pages that a transaction freed only from the next but one on, so in a
    /// full map a large batch after a large deletion would fail for ever if nothing small came between.
    fn advance(&self) -> Result<(), EngineError> {
        let environment = &self.shared.environment;
        let mut txn = environment.env.write_txn().map_err(from_heed)?;
        environment.put_next_segment(&mut txn, self.appender.next_number())?;
        txn.commit().map_err(from_heed)
    }

    fn transact(&mut self, group: &[Request]) -> Result<Vec<Outcome>, EngineError> {
        let outcomes = self.transact_or_fail(group);
        match &outcomes {
            Ok(outcomes) => {
                self.appender.committed();
                self.after_commit(group, outcomes);
            }
            Err(_) => self.appender.abandon(),
        }
        outcomes.map_err(|error| match error {
            // LMDB tells of a write that was cut short, as the last one before a full device is, as any other failure.
            EngineError::Io(failure) if self.shared.environment.is_device_full() => EngineError::Full(failure),
            error => error,
        })
    }

    fn transact_or_fail(&mut self, group: &[Request]) -> Result<Vec<Outcome>, EngineError> {
        let mut txn = self.shared.environment.env.write_txn().map_err(from_heed)?;
        let mut apply = Apply::new(&self.shared, &mut txn, &mut self.appender);
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            outcomes.push(match &request.work {
                Work::Batch(batch) => apply.batch(batch)?,
                Work::Relocate { victim, moves } => apply.relocate(*victim, moves)?,
                Work::Retire { victim } => apply.retire(*victim)?,
            });
        }
        if !apply.finish()? {
            return Ok(outcomes);
        }
        self.appender.sync()?;
        #[cfg(test)]
        self.shared.faults.at(crate::tests::faults::Point::Commit)?;
        txn.commit().map_err(from_heed)?;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        Ok(outcomes)
    }

    fn after_commit(&self, group: &[Request], outcomes: &[Outcome]) {
        for (request, outcome) in group.iter().zip(outcomes) {
            match (&request.work, outcome) {
                (Work::Batch(_), Ok(())) => drop(self.shared.batches.fetch_add(1, Ordering::Relaxed)),
                (Work::Retire { victim }, Ok(())) => self.shared.segments.retire(*victim),
                _ => {}
            }
        }
    }
}

/// Bytes and changes of a request.
fn cost(work: &Work) -> (usize, usize) {
    let batch = match work {
        Work::Batch(batch) => batch,
        Work::Relocate { moves, .. } => {
            return (moves.iter().map(|body| body.key.len() + body.content.len()).sum(), moves.len());
        }
        Work::Retire { .. } => return (0, 1),
    };
    let records = batch.records.iter().map(|write| match write {
        RecordWrite::Put(key, value) => key.len() + value.len(),
        RecordWrite::Delete(key) => key.len(),
        RecordWrite::DeleteRange(_) => 0,
    });
    let bodies = batch.bodies.iter().map(|write| match write {
        BodyWrite::Put(key, content) => key.len() + content.len(),
        BodyWrite::Delete(key) => key.len(),
        BodyWrite::DeleteRange(_) => 0,
    });
    (records.chain(bodies).sum(), batch.records.len() + batch.bodies.len())
}
