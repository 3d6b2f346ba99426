//! Pages of digests are written: those that are missed, or all of them anew.
//!
//! They are made by the writer, of what it sees: so no page is ever written that holds what is gone.

use crate::{change::Change, draft::Draft, error::StoreError};

pub(crate) struct WriteDigests {
    pub(crate) pages: Vec<u64>,
}

impl Change for WriteDigests {
    /// How many were not as they should be.
    type Outcome = u64;

    async fn apply(&self, draft: &mut Draft) -> Result<u64, StoreError> {
        let mut written = 0;
        for page in &self.pages {
            written += u64::from(draft.write_digests(*page).await?);
        }
        Ok(written)
    }
}
