//! Where the rows of a chunk are read when somebody looks at them first.
//!
//! Invariant: a chunk that is not read yet is stored as its mailbox was when the chunk came into memory. Whoever changes a chunk
//! looks at its rows first, and all versions of a mailbox share a chunk that did not change; so every version that has it as
//! it was has its rows in memory before the new ones are committed. What is read later is what the snapshot has.
//!
//! A look at a row waits for nothing and has nobody to tell of an error. So rows are read this way only from an engine
//! that answers at once, as all engines of one machine do, and what goes wrong is kept: a snapshot of which some rows cannot be
//! read says so ([`crate::Snapshot::failure`]), no change of it is written, and whoever answered of it takes that back.

use std::{
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use postrider_engine::{Engine, EngineError};

use crate::{
    error::StoreError,
    identifier::{AccountId, MailboxId, Uid},
    keys::{self, RowKind},
    sealed::SealedRows,
};

/// A mailbox's stored chunks.
pub(crate) struct Source {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    failure: OnceLock<StoreError>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Source").field("account", &self.account).field("mailbox", &self.mailbox).finish()
    }
}

impl Source {
    pub(crate) fn new(engine: Arc<dyn Engine>, account: AccountId, mailbox: MailboxId) -> Self {
        Self { engine, account, mailbox, failure: OnceLock::new() }
    }

    /// Why some chunk could not be read.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failure.get()
    }

    /// Reads a chunk that `fits`; nothing if that fails, which is kept.
    pub(crate) fn read(&self, key: Uid, fits: impl FnOnce(&SealedRows) -> bool) -> Option<SealedRows> {
        match self.try_read(key) {
            Ok(rows) if fits(&rows) => return Some(rows),
            Ok(_) => self.fail(StoreError::Damaged("a chunk is not what the directory tells of it".to_owned())),
            Err(error) => self.fail(error),
        }
        None
    }

    fn try_read(&self, key: Uid) -> Result<SealedRows, StoreError> {
        let wanted = [RowKind::Fixed, RowKind::Flags].map(|kind| keys::row(self.account, self.mailbox, kind, key));
        let mut found: [Option<Bytes>; 2] = [None, None];
        let mut copy = |position, value: Option<&[u8]>| {
            if let Some(slot) = found.get_mut(position) {
                *slot = value.map(Bytes::copy_from_slice);
            }
            ControlFlow::Continue(())
        };
        at_once(self.engine.get(&wanted, &mut copy))
            .ok_or_else(|| EngineError::Io("the engine did not answer at once".to_owned()))??;
        match found {
            [Some(fixed), Some(flags)] => SealedRows::new(fixed, flags),
            _ => Err(StoreError::Damaged("a chunk that the directory tells of is missing".to_owned())),
        }
    }

    fn fail(&self, error: StoreError) {
        tracing::error!(account = self.account.0, mailbox = self.mailbox.0, %error, "rows could not be read");
        let _ = self.failure.set(error);
    }
}

/// What a future gives without waiting.
fn at_once<T>(mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What a future gives, and whether it had to wait.
pub(crate) async fn watched<T>(future: impl Future<Output = T>) -> (T, bool) {
    let mut future = std::pin::pin!(future);
    let mut polls = 0_u32;
    let value = std::future::poll_fn(|context| {
        polls = polls.saturating_add(1);
        future.as_mut().poll(context)
    })
    .await;
    (value, polls > 1)
}
