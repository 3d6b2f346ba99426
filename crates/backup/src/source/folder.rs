//! Mailboxes as folders, messages as ranges.

use std::{collections::BTreeMap, sync::Arc};

use postrider_store::{AccountState, Mailbox, Snapshot};

use crate::layout;

/// A folder: a mailbox, or only the way to some, or both.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// The mailbox; none if only others below it are there.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    /// The folders below, by name.
    pub(crate) below: BTreeMap<String, Folder>,
}

impl Folder {
    /// The folders of all of an account's mailboxes.
    pub(crate) fn tree(state: &AccountState) -> BTreeMap<String, Self> {
        let mut top = Self::default();
        for mailbox in state.mailboxes() {
            let mut folder = &mut top;
            for name in layout::mailbox_folders(&mailbox.record.name) {
                folder = folder.below.entry(name).or_default();
            }
            folder.mailbox = Some(Arc::clone(mailbox));
        }
        top.below
    }
}

/// The ranges of a mailbox that hold messages: the first UID of each, and the sequence numbers of its first and last message.
pub(crate) fn ranges(messages: &Snapshot) -> Vec<(u32, (u32, u32))> {
    let mut ranges: Vec<(u32, (u32, u32))> = Vec::new();
    for (sequence, entry) in (1..).zip(messages.iter()) {
        let first = layout::range_of(entry.uid);
        match ranges.last_mut() {
            Some((known, (_, high))) if *known == first => *high = sequence,
            _ => ranges.push((first, (sequence, sequence))),
        }
    }
    ranges
}
