//! Pages of digests: written when the last blob of one has come, removed when one goes.

use std::collections::BTreeMap;

use postrider_engine::Batch;

use super::{Draft, write};
use crate::{
    error::StoreError,
    keys,
    pages::{KINDS, make_page, pages_complete, pages_touched, read_page},
};

impl Draft {
    /// Writes the pages of digests that became complete, and removes those that are not true any more.
    pub(super) async fn write_pages(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let account = self.state.id;
        let complete = pages_complete(self.state.record.blob_next);
        let (completed, stale) = pages_touched(self.pages_complete, complete, &self.derived);
        let mut pages = std::mem::take(&mut self.pages);
        pages.extend(stale.into_iter().map(|page| (page, None)));
        for page in completed {
            pages.insert(page, make_page(&*self.engine, account, page, &self.derived).await?);
        }
        for (page, records) in pages {
            let records = records.map_or([const { None }; KINDS.len()], |records| records.map(Some));
            for (kind, record) in KINDS.into_iter().zip(records) {
                write(batch, keys::digest(account, kind, page), record);
            }
        }
        Ok(())
    }

    /// Makes a complete page of digests, if it is not stored as it should be. Answers whether it was not.
    pub(crate) async fn write_digests(&mut self, page: u64) -> Result<bool, StoreError> {
        if page >= self.pages_complete {
            return Ok(false);
        }
        let account = self.state.id;
        // What this group has done so far and what it will still do makes it stale, whatever is stored now.
        let made = make_page(&*self.engine, account, page, &BTreeMap::new()).await;
        let made = self.spoil_on_error(made)?;
        let stored = read_page(&*self.engine, account, page).await;
        let stored = self.spoil_on_error(stored)?;
        let expected = made.as_ref().map_or([const { None }; KINDS.len()], |made| made.each_ref().map(Some));
        let differs = stored.each_ref().map(Option::as_ref) != expected;
        if differs {
            self.pages.insert(page, made);
        }
        Ok(differs)
    }
}
