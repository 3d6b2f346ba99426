//! Expunged messages that were kept for long enough are let go, some at a time.

use crate::{change::Change, draft::Draft, error::StoreError, expunged::Swept};

/// How many messages one change lets go, or a few more: what is kept together goes together.
const MESSAGES_MIN: usize = 1024;

pub(crate) struct Sweep;

impl Change for Sweep {
    type Outcome = Swept;

    async fn apply(&self, draft: &mut Draft) -> Result<Swept, StoreError> {
        let (due, has_more) = draft.expunged_due(MESSAGES_MIN).await?;
        let mut messages = 0;
        for key in &due {
            messages += draft.release_expunged(key).await?;
        }
        Ok(Swept { messages, has_more })
    }
}
