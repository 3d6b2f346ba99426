//! Expunged messages in a draft: kept aside, brought back, let go.

use std::ops::ControlFlow;

use postrider_engine::Direction;

use super::{Draft, Slot, unknown};
use crate::{
    chunk::CHUNK_ROWS,
    error::StoreError,
    expunged::{ExpungedKey, ExpungedRecord},
    identifier::{MailboxId, ModSeq, Uid},
    keys,
    snapshot::Entry,
};

impl Draft {
    /// Removes rows of a mailbox, whose messages must have been asked for; they can be brought back for the time set.
    pub(crate) async fn expunge_entries(
        &mut self,
        id: MailboxId,
        removed: &[Entry],
        modseq: ModSeq,
    ) -> Result<(), StoreError> {
        if self.options.expunged_kept_seconds == 0 {
            return self.remove_entries(id, removed).await;
        }
        self.take_rows(id, removed).await?;
        let record = &self.mailbox(id)?.record;
        let (name, uid_validity, keywords) = (record.name.clone(), record.uid_validity, record.keywords.clone());
        for rows in removed.chunks(CHUNK_ROWS) {
            let Some(first) = rows.first() else { continue };
            let key = ExpungedKey { when: self.now, modseq, mailbox: id, first: first.uid };
            let (name, keywords, rows) = (name.clone(), keywords.clone(), rows.to_vec());
            let record = ExpungedRecord { name, uid_validity, keywords, rows };
            self.expunged.insert(key, Slot::set(Some(record)));
        }
        Ok(())
    }

    /// The keys of what was kept for long enough, the oldest first, of at least `messages_min` messages if there are so many;
    /// and whether there are more.
    pub(crate) async fn expunged_due(&mut self, messages_min: usize) -> Result<(Vec<ExpungedKey>, bool), StoreError> {
        let range = keys::expunged_through(self.state.id, due_through(self.now, self.options.expunged_kept_seconds));
        let (mut found, mut messages, mut has_more) = (Vec::new(), 0, false);
        let visit = &mut |key: &[u8], value: &[u8]| {
            if messages >= messages_min {
                has_more = true;
                return ControlFlow::Break(());
            }
            // What cannot be read stays: `Store::verify` tells of it, and the others do not wait for it.
            if let (Some(key), Ok(record)) = (keys::split_expunged(key), ExpungedRecord::decode(value)) {
                messages += record.rows.len();
                found.push((key, record));
            }
            ControlFlow::Continue(())
        };
        self.engine.scan(&range, Direction::Forward, visit).await?;
        let keys = found.iter().map(|(key, _)| *key).collect();
        for (key, record) in found {
            // What the group brought back already stays so.
            self.expunged.entry(key).or_insert_with(|| Slot::read(Some(record)));
        }
        Ok((keys, has_more))
    }

    /// What is kept under keys, as it is now in the draft.
    pub(crate) async fn read_expunged(&mut self, wanted: &[ExpungedKey]) -> Result<(), StoreError> {
        let account = self.state.id;
        let ids = unknown(&self.expunged, wanted.iter().copied());
        let found = self.read(&ids, |key| keys::expunged(account, key), ExpungedRecord::decode).await?;
        self.expunged.extend(ids.into_iter().zip(found.into_iter().map(Slot::read)));
        Ok(())
    }

    /// What is kept under a key that was read.
    pub(crate) fn expunged(&self, key: &ExpungedKey) -> Option<&ExpungedRecord> {
        self.expunged.get(key)?.value.as_ref()
    }

    /// Lets go what is kept under a key that was read. Answers how many messages that were.
    pub(crate) async fn release_expunged(&mut self, key: &ExpungedKey) -> Result<u64, StoreError> {
        let Some(record) = self.expunged.get_mut(key).and_then(|slot| slot.value.take()) else { return Ok(0) };
        self.expunged.insert(*key, Slot::set(None));
        self.release(key.mailbox, &record.rows).await?;
        Ok(record.rows.len() as u64)
    }

    /// Takes `taken` out of what is kept under a key; their emails get other places instead, one each, with `uids` in the
    /// mailbox `to`.
    pub(crate) async fn move_expunged(
        &mut self,
        key: &ExpungedKey,
        taken: &[Entry],
        to: MailboxId,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        self.add_places(to, entries).await?;
        for entry in taken {
            if let Some(slot) = self.emails.get_mut(&entry.email)
                && let Some(email) = &mut slot.value
            {
                email.places.retain(|place| *place != (key.mailbox, entry.uid));
                slot.changed = true;
            }
        }
        if let Some(Slot { value, changed }) = self.expunged.get_mut(key)
            && let Some(record) = value
        {
            let is_taken = |uid: Uid| taken.binary_search_by_key(&uid, |entry| entry.uid).is_ok();
            record.rows.retain(|row| !is_taken(row.uid));
            *changed = true;
            if record.rows.is_empty() {
                *value = None;
            }
        }
        Ok(())
    }
}

/// What was expunged at this time or before has been kept for long enough.
pub(crate) fn due_through(now: i64, kept_seconds: u64) -> i64 {
    now.saturating_sub(i64::try_from(kept_seconds).unwrap_or(i64::MAX))
}
