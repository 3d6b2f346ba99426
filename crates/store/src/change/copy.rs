//! Messages get a second place, or another one.

use crate::{
    FlagBits,
    change::{
        Change,
        append::{intern, uids_for},
    },
    draft::Draft,
    error::StoreError,
    identifier::{MailboxId, Uid, UidValidity},
    record::ChangeKind,
    snapshot::Entry,
    uid_set::UidSet,
};

/// Whether messages stay where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// They stay (COPY).
    Copy,
    /// They leave (MOVE), in the same instant.
    Move,
}

/// Where messages went. The n-th UID of one set became the n-th of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The destination's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDs in the source, ascending.
    pub source: UidSet,
    /// UIDs in the destination, ascending.
    pub destination: UidSet,
}

pub(crate) struct CopyMessages {
    pub(crate) from: MailboxId,
    pub(crate) uids: UidSet,
    pub(crate) to: MailboxId,
    pub(crate) transfer: Transfer,
}

impl Change for CopyMessages {
    type Outcome = Copied;

    async fn apply(&self, draft: &mut Draft) -> Result<Copied, StoreError> {
        let messages = draft.messages(self.from).await?;
        let rows: Vec<Entry> = messages.select(&self.uids).map(|(_, entry)| *entry).collect();
        copy_rows(draft, self.from, &rows, self.to, self.transfer).await
    }
}

/// Copies or moves `rows` of one mailbox into another, which may be the same.
pub(crate) async fn copy_rows(
    draft: &mut Draft,
    from: MailboxId,
    rows: &[Entry],
    to: MailboxId,
    transfer: Transfer,
) -> Result<Copied, StoreError> {
    let source_keywords = draft.mailbox(from)?.record.keywords.clone();
    let destination = &draft.mailbox(to)?.record;
    let uid_validity = destination.uid_validity;
    let first = uids_for(destination, rows.len())?;
    if rows.is_empty() {
        return Ok(Copied { uid_validity, source: UidSet::new(), destination: UidSet::new() });
    }
    let mut keywords = destination.keywords.clone();
    let mut translation = Translation::default();
    for position in used_keywords(rows) {
        translation.add(position, intern(&mut keywords, &source_keywords.flags(FlagBits::keyword(position)))?);
    }
    let modseq = draft.next_modseq();
    let saved = draft.now;
    let copies: Vec<Entry> = rows
        .iter()
        .zip(first.0..)
        .map(|(row, uid)| {
            let flags = translation.of(row.flags);
            Entry { uid: Uid(uid), flags, modseq, saved, ..*row }
        })
        .collect();
    // First the new places, then the old ones go: so no email is ever without a place in between.
    draft.add_places(to, &copies).await?;
    draft.mailbox_mut(to)?.record.keywords = keywords;
    draft.add_entries(to, &copies)?;
    if transfer == Transfer::Move {
        draft.remove_entries(from, rows).await?;
    }
    let source: UidSet = rows.iter().map(|row| row.uid).collect();
    let destination: UidSet = copies.iter().map(|copy| copy.uid).collect();
    if transfer == Transfer::Move {
        draft.log(modseq, from, ChangeKind::Expunged, source.clone());
    }
    draft.log(modseq, to, ChangeKind::Added, destination.clone());
    Ok(Copied { uid_validity, source, destination })
}

/// The positions of the keywords that messages have.
pub(crate) fn used_keywords(rows: &[Entry]) -> impl Iterator<Item = usize> {
    rows.iter().fold(FlagBits::NONE, |bits, row| bits.union(row.flags)).keyword_positions()
}

/// From one mailbox's keywords to another's: each numbers them in its own way.
#[derive(Debug, Default)]
pub(crate) struct Translation(Vec<(FlagBits, FlagBits)>);

impl Translation {
    /// The keyword at `position` is `bits` there.
    pub(crate) fn add(&mut self, position: usize, bits: FlagBits) {
        self.0.push((FlagBits::keyword(position), bits));
    }

    /// The same flags in the other mailbox.
    pub(crate) fn of(&self, flags: FlagBits) -> FlagBits {
        let translated = self.0.iter().filter(|(old, _)| flags.contains(*old));
        let without = self.0.iter().fold(flags, |flags, (old, _)| flags.without(*old));
        translated.fold(without, |flags, (_, new)| flags.union(*new))
    }
}
