//! Expunged messages come back.
//!
//! They get new UIDs, as UIDs must ascend (RFC 9051 §2.3.1.1), and are what they were otherwise: the same email, the same bytes,
//! the same flags but for `\Deleted`.

use std::collections::BTreeMap;

use crate::{
    change::{
        Change,
        append::{intern, uids_for},
        copy::{Translation, used_keywords},
        mailbox::{check_name, create, missing_superiors},
    },
    draft::Draft,
    error::StoreError,
    expunged::{ExpungedKey, ExpungedSelection, UndeleteInto, Undeleted},
    flags::{FlagBits, KeywordTable},
    identifier::{MailboxId, Uid},
    record::ChangeKind,
    snapshot::Entry,
    uid_set::UidSet,
};

pub(crate) struct Undelete {
    pub(crate) selection: ExpungedSelection,
    pub(crate) into: UndeleteInto,
}

/// Messages of one key, and the name of the mailbox that they come back to.
struct Returning {
    key: ExpungedKey,
    rows: Vec<Entry>,
    keywords: KeywordTable,
    name: String,
}

impl Change for Undelete {
    type Outcome = Vec<Undeleted>;

    async fn apply(&self, draft: &mut Draft) -> Result<Vec<Undeleted>, StoreError> {
        let returning = self.plan(draft).await?;
        check_room(draft, &returning)?;
        let mut done = Vec::with_capacity(returning.len());
        for messages in returning {
            let to = mailbox_of(draft, &messages.name)?;
            done.push(bring_back(draft, messages, to).await?);
        }
        Ok(done)
    }
}

impl Undelete {
    /// What comes back where. What is not kept any more is passed over.
    async fn plan(&self, draft: &mut Draft) -> Result<Vec<Returning>, StoreError> {
        if let UndeleteInto::Named(name) = &self.into {
            check_name(name, &draft.options)?;
        }
        let mut selected: BTreeMap<ExpungedKey, UidSet> = BTreeMap::new();
        for (key, uids) in &self.selection {
            let known = selected.entry(*key).or_default();
            *known = UidSet::from_ranges([known.ranges(), uids.ranges()].concat());
        }
        let keys: Vec<ExpungedKey> = selected.keys().copied().collect();
        draft.read_expunged(&keys).await?;
        let mut returning = Vec::new();
        for (key, uids) in selected {
            let Some(record) = draft.expunged(&key) else { continue };
            let rows: Vec<Entry> = record.rows.iter().filter(|row| uids.contains(row.uid)).copied().collect();
            let name = match &self.into {
                UndeleteInto::Named(name) => name.clone(),
                UndeleteInto::Original => {
                    let mailbox = draft.state.mailbox(key.mailbox);
                    mailbox.map_or_else(|| record.name.clone(), |mailbox| mailbox.record.name.clone())
                }
            };
            if !rows.is_empty() {
                returning.push(Returning { key, rows, keywords: record.keywords.clone(), name });
            }
        }
        Ok(returning)
    }
}

/// Nothing may fail any more when the first message is back.
fn check_room(draft: &Draft, returning: &[Returning]) -> Result<(), StoreError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for messages in returning {
        *counts.entry(&messages.name).or_default() += messages.rows.len();
    }
    let mut added = 0;
    for (name, count) in counts {
        match draft.state.find(name) {
            Some(mailbox) => drop(uids_for(&mailbox.record, count)?),
            None => added += missing_superiors(draft, name, 1 + added)?.len() + 1,
        }
    }
    Ok(())
}

/// The mailbox of a name, made if it is not there.
fn mailbox_of(draft: &mut Draft, name: &str) -> Result<MailboxId, StoreError> {
    if let Some(mailbox) = draft.state.find(name) {
        return Ok(mailbox.id);
    }
    for superior in missing_superiors(draft, name, 1)? {
        create(draft, &superior);
    }
    Ok(create(draft, name))
}

async fn bring_back(draft: &mut Draft, messages: Returning, to: MailboxId) -> Result<Undeleted, StoreError> {
    let record = &draft.mailbox(to)?.record;
    let (uid_validity, name) = (record.uid_validity, record.name.clone());
    let first = uids_for(record, messages.rows.len())?;
    let mut keywords = record.keywords.clone();
    let mut translation = Translation::default();
    for position in used_keywords(&messages.rows) {
        let flags = messages.keywords.flags(FlagBits::keyword(position));
        // A mailbox that has no room for another keyword gets the message without it.
        translation.add(position, intern(&mut keywords, &flags).unwrap_or(FlagBits::NONE));
    }
    let modseq = draft.next_modseq();
    let saved = draft.now;
    let entries: Vec<Entry> = messages
        .rows
        .iter()
        .zip(first.0..)
        .map(|(row, uid)| {
            let flags = translation.of(row.flags.without(FlagBits::DELETED));
            Entry { uid: Uid(uid), flags, modseq, saved, ..*row }
        })
        .collect();
    draft.move_expunged(&messages.key, &messages.rows, to, &entries).await?;
    draft.mailbox_mut(to)?.record.keywords = keywords;
    draft.add_entries(to, &entries)?;
    let source: UidSet = messages.rows.iter().map(|row| row.uid).collect();
    let uids: UidSet = entries.iter().map(|entry| entry.uid).collect();
    draft.log(modseq, to, ChangeKind::Added, uids.clone());
    Ok(Undeleted { key: messages.key, source, mailbox: to, name, uid_validity, uids })
}
