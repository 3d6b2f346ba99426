//! Messages go from a mailbox: for good, or, if the store is set so, to where they can be brought back from for a while.

use crate::{
    FlagBits, change::Change, draft::Draft, error::StoreError, identifier::MailboxId, record::ChangeKind,
    snapshot::Entry, uid_set::UidSet,
};

/// Which of the named messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpungeOnly {
    /// Those with `\Deleted`, as IMAP has it.
    Deleted,
    /// All, as POP3 has it.
    Named,
}

pub(crate) struct Expunge {
    pub(crate) mailbox: MailboxId,
    /// `None`: every message.
    pub(crate) uids: Option<UidSet>,
    pub(crate) only: ExpungeOnly,
}

impl Change for Expunge {
    type Outcome = UidSet;

    async fn apply(&self, draft: &mut Draft) -> Result<UidSet, StoreError> {
        let counts = draft.mailbox(self.mailbox)?.record.counts;
        if self.only == ExpungeOnly::Deleted && counts.deleted == 0 {
            return Ok(UidSet::new());
        }
        let messages = draft.messages(self.mailbox).await?;
        let goes = |entry: &&Entry| self.only == ExpungeOnly::Named || entry.flags.contains(FlagBits::DELETED);
        let rows: Vec<Entry> = match &self.uids {
            Some(uids) => messages.select(uids).map(|(_, entry)| entry).filter(goes).copied().collect(),
            None => messages.iter().filter(goes).copied().collect(),
        };
        if rows.is_empty() {
            return Ok(UidSet::new());
        }
        let modseq = draft.next_modseq();
        draft.expunge_entries(self.mailbox, &rows, modseq).await?;
        let uids: UidSet = rows.iter().map(|row| row.uid).collect();
        draft.log(modseq, self.mailbox, ChangeKind::Expunged, uids.clone());
        Ok(uids)
    }
}
