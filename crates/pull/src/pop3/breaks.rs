//! Messages at which the connection broke, of one run over all of its connections.
//!
//! Answers come in the order of the commands (RFC 1939 §3), so it is the first message waited for. One that did so twice is left out of
//! the run, so that those behind it come. It may be the line after all: nothing is noted, and the next run asks again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::maildrop::Listed;

/// Times that the connection breaks at a message before it is left out.
const BREAKS_MAX: u32 = 2;
/// Messages that are left out before finding more of them no longer counts as progress: then it is rather the server that is
/// broken.
const LEFT_OUT_MAX: u32 = 20;

/// Messages at which the connection broke. Those without a unique id are not known again, and take no part.
#[derive(Debug, Default)]
pub(super) struct Breaks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_unique_id: BTreeMap<Vec<u8>, u32>,
    left_out: u32,
    is_news: bool,
}

impl Breaks {
    /// The connection broke when this message was waited for.
    pub(super) fn broke(&self, message: &Listed) {
        let Some(id) = &message.unique_id else { return };
        let mut state = self.lock();
        let count = state.by_unique_id.entry(id.clone()).or_default();
        *count += 1;
        let is_left_out = *count == BREAKS_MAX;
        state.left_out += u32::from(is_left_out);
        state.is_news = state.left_out <= LEFT_OUT_MAX;
    }

    /// Whether a message is not asked for any more in this run.
    pub(super) fn is_left_out(&self, message: &Listed) -> bool {
        let state = self.lock();
        message.unique_id.as_ref().and_then(|id| state.by_unique_id.get(id)).is_some_and(|count| *count >= BREAKS_MAX)
    }

    /// Whether a break has told something since this was last asked.
    pub(super) fn take_news(&self) -> bool {
        std::mem::take(&mut self.lock().is_news)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
