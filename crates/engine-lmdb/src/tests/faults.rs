//! Failures that tests inject where the system could fail.

use std::sync::{Mutex, PoisonError};

use postrider_engine::EngineError;

/// A place where the committer can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before bodies are written to a segment.
    SegmentWrite,
    /// After bodies are durable, before the transaction is.
    Commit,
}

/// The failure to come, if any.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: Mutex<Option<(Point, EngineError)>>,
}

impl Faults {
    /// Fails once when `point` is next reached. Replaces a failure that has not come yet.
    pub fn set(&self, next: Option<(Point, EngineError)>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Called at each point.
    pub fn at(&self, point: Point) -> Result<(), EngineError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match next.take() {
            Some((at, error)) if at == point => Err(error),
            other => {
                *next = other;
                Ok(())
            }
        }
    }
}
