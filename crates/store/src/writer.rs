//! The one writer of an account.
//!
//! A task takes every change that waits, runs them in order on one draft, commits the draft as one batch, publishes the
//! new state and answers all callers. While a commit is on its way to the disk the next group gathers. Nothing is
//! published before it is durable, so no session ever shows what a crash could take back.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use postrider_engine::{Engine, EngineError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    change::Change, draft::Draft, error::StoreError, load::load_account, options::StoreOptions, state::AccountState,
    store::Now,
};

/// How many changes one group takes at most.
const GROUP_MAX: usize = 256;

/// How many changes may wait for the writer; further callers wait in line.
const WAITING_MAX: usize = 1024;

/// How often a group is run again after another writer was faster.
const CONFLICT_RETRIES_MAX: usize = 8;

/// A change with somebody who waits for its outcome.
trait Request: Send {
    fn apply<'a>(&'a mut self, draft: &'a mut Draft) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Waiting<C: Change> {
    change: C,
    outcome: Option<Result<C::Outcome, StoreError>>,
    reply: oneshot::Sender<Result<C::Outcome, StoreError>>,
}

impl<C: Change> Request for Waiting<C> {
    fn apply<'a>(&'a mut self, draft: &'a mut Draft) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move { self.outcome = Some(self.change.apply(draft).await) })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            // A change that was refused stays refused for its own reason.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(outcome)), Ok(())) => Ok(outcome),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Nobody may wait any more: a session that ended. The change stands all the same.
        let _ = self.reply.send(outcome);
    }
}

/// Where changes are handed in.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    requests: mpsc::Sender<Box<dyn Request>>,
}

impl WriterHandle {
    /// Hands in a change and waits until it is durable and published.
    pub(crate) async fn submit<C: Change>(&self, change: C) -> Result<C::Outcome, StoreError> {
        let (reply, outcome) = oneshot::channel();
        let request = Box::new(Waiting { change, outcome: None, reply });
        self.requests.send(request).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

/// The writer's own side.
pub(crate) struct Writer {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) options: Arc<StoreOptions>,
    pub(crate) now: Now,
    pub(crate) published: Weak<Published>,
    pub(crate) state: AccountState,
}

/// What the writer publishes and sessions read.
pub(crate) struct Published {
    pub(crate) state: ArcSwap<AccountState>,
    /// The mod-sequence of the published state: a bell for sessions that wait.
    pub(crate) modseq: watch::Sender<u64>,
}

impl Writer {
    /// Starts the writer's task. It ends when the last handle is gone and all that was handed in is done.
    pub(crate) fn start(self) -> (WriterHandle, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (WriterHandle { requests: sender }, tokio::spawn(self.run(receiver)))
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Box<dyn Request>>) {
        let mut group: Vec<Box<dyn Request>> = Vec::new();
        while requests.recv_many(&mut group, GROUP_MAX).await > 0 {
            let committed = self.commit(&mut group).await;
            for request in group.drain(..) {
                request.answer(committed.clone());
            }
        }
    }

    async fn commit(&mut self, group: &mut [Box<dyn Request>]) -> Result<(), StoreError> {
        for _ in 0..CONFLICT_RETRIES_MAX {
            let previous = self.state.record.encode();
            let now = (self.now)();
            let mut draft = Draft::new(
                Arc::clone(&self.engine),
                Arc::clone(&self.options),
                self.state.clone(),
                Some(previous),
                now,
            );
            for request in group.iter_mut() {
                request.apply(&mut draft).await;
            }
            let (state, batch) = draft.finish().await?;
            let result = if batch.is_empty() { Ok(()) } else { self.engine.commit(batch).await };
            match result {
                Ok(()) => {
                    self.publish(state);
                    return Ok(());
                }
                Err(EngineError::Conflict) => {
                    let mut state = load_account(&*self.engine, self.state.id).await?;
                    state.share_recent(&self.state);
                    self.publish(state);
                }
                Err(error) => {
                    match &error {
                        // The engine has said so once; all that comes until there is room would say it again.
                        EngineError::Full(_) => {
                            tracing::debug!(account = self.state.id.0, %error, "changes were refused");
                        }
                        _ => tracing::error!(account = self.state.id.0, %error, "changes could not be committed"),
                    }
                    return Err(error.into());
                }
            }
        }
        Err(EngineError::Conflict.into())
    }

    fn publish(&mut self, state: AccountState) {
        self.state = state;
        if let Some(published) = self.published.upgrade() {
            published.state.store(Arc::new(self.state.clone()));
            let modseq = self.state.record.modseq.0;
            // Messages that were only read into memory are nothing to wake anybody for.
            published.modseq.send_if_modified(|known| std::mem::replace(known, modseq) != modseq);
        }
    }
}
