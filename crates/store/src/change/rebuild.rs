//! Derived data is made anew from the messages themselves.

use crate::{
    change::Change,
    draft::Draft,
    error::StoreError,
    identifier::{BlobId, MailboxId},
    message::DerivedValues,
    record::Counts,
};

/// Sets the derived answers of blobs.
pub(crate) struct ReplaceDerived {
    pub(crate) derived: Vec<(BlobId, DerivedValues)>,
}

impl Change for ReplaceDerived {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        draft.replace_derived(&self.derived).await
    }
}

/// Counts a mailbox's messages again, and holds the directory against them.
pub(crate) struct Recount {
    pub(crate) mailbox: MailboxId,
}

impl Change for Recount {
    type Outcome = bool;

    async fn apply(&self, draft: &mut Draft) -> Result<bool, StoreError> {
        let rewritten = draft.write_directory(self.mailbox).await?;
        let messages = draft.messages(self.mailbox).await?;
        let mut counts = Counts::default();
        messages.iter().for_each(|entry| counts.add(entry));
        let rows_open = messages.open_rows() as u32;
        let record = &draft.mailbox(self.mailbox)?.record;
        let wrong = record.counts != counts || record.rows_open != rows_open;
        if wrong {
            let record = &mut draft.mailbox_mut(self.mailbox)?.record;
            (record.counts, record.rows_open) = (counts, rows_open);
        }
        Ok(wrong || rewritten)
    }
}

/// Writes the directory of a mailbox that has none.
pub(crate) struct WriteDirectory {
    pub(crate) mailbox: MailboxId,
}

impl Change for WriteDirectory {
    type Outcome = bool;

    async fn apply(&self, draft: &mut Draft) -> Result<bool, StoreError> {
        draft.write_directory(self.mailbox).await
    }
}
