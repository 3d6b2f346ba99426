//! Whom the safe tells how far it is, and who may stop it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// What is there is looked through.
    Preparing,
    /// Mail is written to the repository.
    Saving,
    /// The repository's files are checked.
    Checking,
    /// Messages are read back and compared.
    ReadingBack,
    /// Messages are put into a store.
    Restoring,
    /// Messages are written to files.
    Extracting,
    /// Space is freed.
    Pruning,
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Messages that are done.
    pub messages: u64,
    /// All messages, where that is known.
    pub messages_total: Option<u64>,
    /// Bytes of messages that were read: of a run those that the last snapshot did not have.
    pub bytes: u64,
}

/// Is told of a run while it goes on. Calls come often, from any thread, and must not take long.
pub trait Observer: Send + Sync {
    /// How far it is.
    fn progress(&self, progress: Progress);

    /// Something that people should know, in one line: what a verification found, what a restore had to leave.
    fn note(&self, note: String);
}

/// An observer that does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: Progress) {}

    fn note(&self, _: String) {}
}

/// Stops work between two messages. Clones stop the same work.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
