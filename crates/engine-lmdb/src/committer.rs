//! The one thread that commits: takes every waiting batch, makes one frame of them, syncs once, answers all.
//!
//! Callers need no runtime and wait for no lock: a request is a message on a channel, in the order of the calls, and
//! the answer comes through a one-shot channel. While one group is being synced the next one gathers; that is all
//! there is to group commit, and no timer is needed. LMDB is written later, by the [`applier`](crate::applier).

use std::sync::{
    Arc,
    atomic::Ordering,
    mpsc::{Receiver, Sender},
};

use postrider_engine::{Batch, BodyWrite, EngineError};
use tokio::sync::oneshot;

use crate::{
    Shared,
    group::{self, Group, Move, Outcome},
    journal::Journal,
    room::Room,
};

/// What the committer is asked to write.
#[derive(Debug)]
pub(crate) enum Work {
    /// A caller's batch, its keys checked.
    Batch(Batch),
    /// Bodies to be moved out of a segment.
    Relocate(Vec<Move>),
    /// To leave a segment, if it is the current one, so that it can be compacted.
    Leave(u64),
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
    journal: Journal,
    /// Taken from the channel, but too much for the last group.
    held: Option<Request>,
}

impl Committer {
    /// A committer; it writes when [`run`](Self::run) is called.
    pub fn new(shared: Arc<Shared>, journal: Journal) -> Self {
        Self { shared, journal, held: None }
    }

    /// Writes until every sender is gone.
    pub fn run(mut self, requests: &Receiver<Request>) {
        while let Some(first) = self.held.take().or_else(|| requests.recv().ok()) {
            let group = self.gather(first, requests);
            self.write(group);
        }
    }

    /// Takes what waits, up to the bounds of a frame.
    fn gather(&mut self, first: Request, requests: &Receiver<Request>) -> Vec<Request> {
        let options = &self.shared.options;
        let (mut bytes, mut operations) = size(&first.work);
        let mut group = vec![first];
        while let Ok(next) = requests.try_recv() {
            let (more_bytes, more_operations) = size(&next.work);
            bytes = bytes.saturating_add(more_bytes);
            operations = operations.saturating_add(more_operations);
            if bytes > options.frame_bytes_max || operations > options.frame_operations_max {
                self.held = Some(next);
                break;
            }
            group.push(next);
        }
        group
    }

    fn write(&mut self, group: Vec<Request>) {
        match self.commit(&group) {
            Ok(outcomes) => {
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    // A caller that no longer waits is no error.
                    let _ = request.answer.send(outcome);
                }
            }
            // One batch may be too large for what is left, and the others not; and what was kept may do for small ones.
            Err(EngineError::Full(_)) if self.shared.room.give(&*self.shared.disk) || group.len() > 1 => {
                for request in group {
                    self.write(vec![request]);
                }
            }
            Err(error) => {
                if self.shared.room.is_full() {
                    // That was told once; a server is asked again and again.
                    tracing::debug!(%error, batches = group.len(), "a group of batches could not be written");
                } else {
                    tracing::error!(%error, batches = group.len(), "a group of batches could not be written");
                }
                for request in group {
                    let _ = request.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Makes a group durable and visible.
    fn commit(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, EngineError> {
        let shared = Arc::clone(&self.shared);
        if shared.room.is_full() && requests.iter().any(|request| has_bodies(&request.work)) {
            shared.room.recover(&*shared.disk);
        }
        shared.overlay.wait_for_room()?;
        let (mut group, mut outcomes) = self.decide_all(&shared, requests)?;
        if group.is_map_full && !shared.overlay.load().is_clean() {
            // Deletions that are not applied yet may make room.
            shared.overlay.flush()?;
            (group, outcomes) = self.decide_all(&shared, requests)?;
        }
        let Group { mut frame, draft, .. } = group;
        // What changes nothing may rest on a failed frame not counting, for instance a body on not being deleted by it.
        if !frame.is_empty() || self.journal.is_in_doubt() {
            let alone = shared.room.alone_if_full();
            let written = self.journal.append(&mut frame)?;
            drop(alone);
            shared.overlay.publish(draft.finish(written.tail, written.contents_offset));
            shared.commits.fetch_add(1, Ordering::Relaxed);
        }
        let written = requests.iter().zip(&outcomes);
        let batches = written.filter(|(request, outcome)| matches!(request.work, Work::Batch(_)) && outcome.is_ok());
        shared.batches.fetch_add(batches.count() as u64, Ordering::Relaxed);
        Ok(outcomes)
    }

    fn decide_all<'a>(
        &mut self,
        shared: &'a Shared,
        requests: &[Request],
    ) -> Result<(Group<'a>, Vec<Outcome>), EngineError> {
        let mut group = Group::new(shared)?;
        let outcomes = requests.iter().map(|request| self.decide(&request.work, &mut group)).collect();
        Ok((group, outcomes))
    }

    fn decide(&mut self, work: &Work, group: &mut Group<'_>) -> Outcome {
        match work {
            work if has_bodies(work) && self.shared.room.is_full() => Err(Room::refusal()),
            Work::Batch(batch) => group.batch(batch),
            Work::Relocate(moves) => group.relocate(moves),
            Work::Leave(segment) => {
                if self.journal.current() == Some(*segment) {
                    self.journal.close();
                }
                Ok(())
            }
        }
    }
}

/// Whether a request takes room for bodies.
fn has_bodies(work: &Work) -> bool {
    match work {
        Work::Batch(batch) => batch.bodies.iter().any(|write| matches!(write, BodyWrite::Put(..))),
        Work::Relocate(_) => true,
        Work::Leave(_) => false,
    }
}

/// Bytes and changes of a request.
fn size(work: &Work) -> (usize, usize) {
    match work {
        Work::Batch(batch) => group::size(batch),
        Work::Relocate(moves) => (moves.iter().map(|body| body.key.len() + body.content.len()).sum(), moves.len()),
        Work::Leave(_) => (0, 0),
    }
}
