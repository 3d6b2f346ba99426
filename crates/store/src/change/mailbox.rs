//! Mailboxes are made, renamed and removed.

use crate::{
    change::{
        Change,
        copy::{Transfer, copy_rows},
    },
    draft::Draft,
    error::StoreError,
    flags::KeywordTable,
    identifier::{MailboxId, Uid, UidValidity},
    options::StoreOptions,
    record::{ChangeKind, Counts, MailboxRecord},
    snapshot::{Entry, Snapshot},
    special_use::SpecialUses,
    state::{INBOX, Mailbox, SEPARATOR},
    uid_set::UidSet,
};

pub(crate) struct CreateMailbox {
    pub(crate) name: String,
    pub(crate) special_use: SpecialUses,
    /// Subscribe it too, as is done for those that an account begins with.
    pub(crate) subscribe: bool,
}

impl Change for CreateMailbox {
    type Outcome = MailboxId;

    async fn apply(&self, draft: &mut Draft) -> Result<MailboxId, StoreError> {
        check_name(&self.name, &draft.options)?;
        check_free(draft, &self.name)?;
        if draft.state.mailboxes().any(|mailbox| mailbox.record.special_use.overlaps(self.special_use)) {
            return Err(StoreError::SpecialUseTaken);
        }
        for superior in missing_superiors(draft, &self.name, 1)? {
            create(draft, &superior);
        }
        let id = create(draft, &self.name);
        draft.mailbox_mut(id)?.record.special_use = self.special_use;
        if self.subscribe {
            draft.subscribe(&self.name, true);
        }
        Ok(id)
    }
}

pub(crate) struct DeleteMailbox {
    pub(crate) mailbox: MailboxId,
}

impl Change for DeleteMailbox {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        if draft.mailbox(self.mailbox)?.record.name == INBOX {
            return Err(StoreError::InboxStays);
        }
        let messages = draft.messages(self.mailbox).await?;
        let rows: Vec<Entry> = messages.iter().copied().collect();
        let modseq = draft.next_modseq();
        draft.expunge_entries(self.mailbox, &rows, modseq).await?;
        draft.remove_mailbox(self.mailbox);
        let uids: UidSet = rows.iter().map(|row| row.uid).collect();
        draft.log(modseq, self.mailbox, ChangeKind::MailboxRemoved, uids);
        Ok(())
    }
}

pub(crate) struct RenameMailbox {
    pub(crate) mailbox: MailboxId,
    pub(crate) name: String,
}

impl Change for RenameMailbox {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        let before = draft.mailbox(self.mailbox)?.record.name.clone();
        check_name(&self.name, &draft.options)?;
        check_free(draft, &self.name)?;
        if before == INBOX {
            return rename_inbox(draft, self.mailbox, &self.name).await;
        }
        let below = format!("{before}{SEPARATOR}");
        if self.name.starts_with(&below) {
            return Err(StoreError::BadName("a mailbox cannot be moved below itself"));
        }
        let mut moved: Vec<(MailboxId, String)> = draft
            .state
            .mailboxes()
            .filter_map(|mailbox| {
                let rest = mailbox.record.name.strip_prefix(&before)?;
                let is_inside = rest.is_empty() || rest.starts_with(SEPARATOR);
                is_inside.then(|| (mailbox.id, format!("{}{rest}", self.name)))
            })
            .collect();
        for (_, name) in &moved {
            check_name(name, &draft.options)?;
            let taken = draft.state.find(name).is_some_and(|other| moved.iter().all(|(id, _)| *id != other.id));
            if taken {
                return Err(StoreError::MailboxExists);
            }
        }
        let missing = missing_superiors(draft, &self.name, 0)?;
        // What moves up takes names that others of the tree leave: the shorter names, which leave first, first.
        moved.sort_by_key(|(_, name)| name.len());
        let modseq = draft.next_modseq();
        for (id, name) in moved {
            draft.state.rename(id, &name);
            draft.log(modseq, id, ChangeKind::Mailbox, UidSet::new());
        }
        for superior in missing {
            create(draft, &superior);
        }
        Ok(())
    }
}

/// RFC 9051 §6.3.6: renaming INBOX moves its messages into a new mailbox and leaves it empty; mailboxes below it stay.
async fn rename_inbox(draft: &mut Draft, inbox: MailboxId, name: &str) -> Result<(), StoreError> {
    let missing = missing_superiors(draft, name, 1)?;
    let messages = draft.messages(inbox).await?;
    let rows: Vec<Entry> = messages.iter().copied().collect();
    for superior in missing {
        create(draft, &superior);
    }
    let to = create(draft, name);
    copy_rows(draft, inbox, &rows, to, Transfer::Move).await.map(drop)
}

/// Makes a mailbox, which has to be possible.
pub(crate) fn create(draft: &mut Draft, name: &str) -> MailboxId {
    // RFC 9051 §2.3.1.1: a name that comes back must come back with a larger value; the clock alone may stand still.
    // A clock that is beyond all years of 32 bits is not asked.
    let clock = u32::try_from(draft.now).unwrap_or(0);
    let uid_validity = clock.max(draft.state.record.uid_validity_last.saturating_add(1)).max(1);
    create_with(draft, name, UidValidity(uid_validity))
}

/// Makes a mailbox with a UIDVALIDITY, which has to be possible.
pub(crate) fn create_with(draft: &mut Draft, name: &str, uid_validity: UidValidity) -> MailboxId {
    let id = MailboxId(draft.state.record.mailbox_next);
    draft.state.record.mailbox_next += 1;
    draft.state.record.uid_validity_last = draft.state.record.uid_validity_last.max(uid_validity.0);
    let modseq = draft.next_modseq();
    let mut mailbox = Mailbox::new(
        id,
        MailboxRecord {
            name: name.to_owned(),
            uid_validity,
            uid_next: Uid(1),
            highest_modseq: modseq,
            recent_from: Uid(1),
            special_use: SpecialUses::NONE,
            counts: Counts::default(),
            rows_open: 0,
            uid_floor: Uid(1),
            unique_ids: 0,
            keywords: KeywordTable::default(),
        },
    );
    mailbox.messages = Some(Snapshot::empty());
    draft.state.insert(mailbox);
    draft.log(modseq, id, ChangeKind::Mailbox, UidSet::new());
    id
}

/// Names above `name` that no mailbox has, the topmost first (RFC 9051 §6.3.4 has them made too). There must be room for
/// mailboxes of these names and for `others` more.
pub(crate) fn missing_superiors(draft: &Draft, name: &str, others: usize) -> Result<Vec<String>, StoreError> {
    let missing: Vec<String> = name
        .match_indices(SEPARATOR)
        .filter_map(|(end, _)| name.get(..end))
        .filter(|superior| draft.state.find(superior).is_none())
        .map(str::to_owned)
        .collect();
    let added = missing.len() + others;
    if added > 0 && draft.state.mailboxes.len() + added > draft.options.mailboxes_max {
        return Err(StoreError::Limit("too many mailboxes"));
    }
    Ok(missing)
}

fn check_free(draft: &Draft, name: &str) -> Result<(), StoreError> {
    match draft.state.find(name) {
        Some(_) => Err(StoreError::MailboxExists),
        None => Ok(()),
    }
}

/// Names are UTF-8 without control characters (RFC 9051 §5.1), neither empty as a whole nor at any level.
pub(crate) fn check_name(name: &str, options: &StoreOptions) -> Result<(), StoreError> {
    if name.len() > options.mailbox_name_bytes_max {
        return Err(StoreError::Limit("the mailbox name is too long"));
    }
    if name.split(SEPARATOR).any(str::is_empty) {
        return Err(StoreError::BadName("a level of the name is empty"));
    }
    if name.split(SEPARATOR).count() > options.mailbox_levels_max {
        return Err(StoreError::Limit("the mailbox name has too many levels"));
    }
    if name.split(SEPARATOR).any(|level| level == "." || level == "..") {
        return Err(StoreError::BadName(
            "a level of the name is . or .., which mail programs take for a folder of the file system",
        ));
    }
    // U+2028 and U+2029 are forbidden by the Net-Unicode profile that RFC 9051 §5.1 points to.
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(StoreError::BadName("it holds a control character"));
    }
    let first = name.split(SEPARATOR).next().unwrap_or_default();
    if first != INBOX && first.eq_ignore_ascii_case(INBOX) && name.len() > INBOX.len() {
        return Err(StoreError::BadName("write INBOX in capitals"));
    }
    Ok(())
}
