//! Messages' flags change.

use crate::{
    Flag, FlagBits,
    change::{Change, append::intern},
    draft::Draft,
    error::StoreError,
    identifier::{MailboxId, ModSeq},
    record::ChangeKind,
    uid_set::UidSet,
};

/// How flags change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagMode {
    /// They become just these.
    Replace,
    /// These are added.
    Add,
    /// These are taken away.
    Remove,
}

/// A wish to change flags.
#[derive(Debug, Clone)]
pub struct StoreFlags {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The messages; those that are not there are passed over.
    pub uids: UidSet,
    /// How.
    pub mode: FlagMode,
    /// Which.
    pub flags: Vec<Flag>,
    /// Messages that changed after this are left alone and reported (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredFlags {
    /// Messages whose flags are different now.
    pub changed: UidSet,
    /// Messages that were left alone because they had changed after `unchanged_since`.
    pub conflicting: UidSet,
}

impl Change for StoreFlags {
    type Outcome = StoredFlags;

    async fn apply(&self, draft: &mut Draft) -> Result<StoredFlags, StoreError> {
        draft.messages(self.mailbox).await?;
        let mut keywords = draft.mailbox(self.mailbox)?.record.keywords.clone();
        let wanted = match self.mode {
            // A keyword that the mailbox never saw cannot be on any message.
            FlagMode::Remove => {
                self.flags.iter().filter_map(|flag| keywords.bits(flag)).fold(FlagBits::NONE, FlagBits::union)
            }
            FlagMode::Replace | FlagMode::Add => intern(&mut keywords, &self.flags)?,
        };
        let mut conflicting = UidSet::new();
        let modseq = draft.modseq_to_come();
        let changed = draft.update_flags(self.mailbox, &self.uids, modseq, |entry| {
            if self.unchanged_since.is_some_and(|since| entry.modseq > since) {
                conflicting.push(entry.uid);
                return None;
            }
            let flags = match self.mode {
                FlagMode::Replace => wanted,
                FlagMode::Add => entry.flags.union(wanted),
                FlagMode::Remove => entry.flags.without(wanted),
            };
            (flags != entry.flags).then_some(flags)
        })?;
        if changed.is_empty() {
            return Ok(StoredFlags { changed, conflicting });
        }
        let modseq = draft.next_modseq();
        draft.mailbox_mut(self.mailbox)?.record.keywords = keywords;
        draft.log(modseq, self.mailbox, ChangeKind::Flags, changed.clone());
        Ok(StoredFlags { changed, conflicting })
    }
}
