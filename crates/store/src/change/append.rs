//! Messages come into a mailbox.

use crate::{
    Flag,
    change::{
        Change,
        note::{self, Note},
    },
    draft::Draft,
    error::StoreError,
    flags::KEYWORD_BYTES_MAX,
    identifier::{MailboxId, Uid, UidValidity},
    message::NewMessage,
    record::{ChangeKind, MailboxRecord},
    snapshot::Entry,
    uid_set::UidSet,
};

/// Where messages went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The messages' UIDs: the n-th message has the n-th of them.
    pub uids: UidSet,
    /// How many messages got the UID that they wished for.
    pub uids_kept: u32,
    /// How many messages kept the unique-id that they brought.
    pub unique_ids_kept: u32,
}

/// The largest UID or UIDVALIDITY that is taken over from elsewhere: enough are left to go on from there.
pub(crate) const KEPT_MAX: u32 = u32::MAX - (1 << 24);

pub(crate) struct Append {
    pub(crate) mailbox: MailboxId,
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) notes: Vec<Note>,
}

impl Change for Append {
    type Outcome = Appended;

    async fn apply(&self, draft: &mut Draft) -> Result<Appended, StoreError> {
        note::check(&self.notes)?;
        let bytes_max = draft.options.message_bytes_max.min(u32::MAX.into());
        if self.messages.iter().any(|message| message.raw.len() as u64 > bytes_max) {
            return Err(StoreError::TooLarge { bytes_max });
        }
        let record = &draft.mailbox(self.mailbox)?.record;
        let uid_validity = record.uid_validity;
        let uids = choose_uids(record, &self.messages)?;
        let mut keywords = record.keywords.clone();
        let flags =
            self.messages.iter().map(|message| intern(&mut keywords, &message.flags)).collect::<Result<Vec<_>, _>>()?;
        draft.read_for_adding(&self.messages).await?;
        draft.read_for_unique_ids(self.mailbox, &self.messages).await?;

        let modseq = draft.next_modseq();
        let (mut uids_kept, mut unique_ids_kept) = (0, 0);
        let mut rows = Vec::with_capacity(self.messages.len());
        for ((message, flags), uid) in self.messages.iter().zip(flags).zip(uids) {
            let saved = message.saved.unwrap_or(draft.now);
            uids_kept += u32::from(message.uid == Some(uid));
            if let Some(unique_id) = &message.unique_id {
                unique_ids_kept += u32::from(draft.set_unique_id(self.mailbox, uid, unique_id)?);
            }
            let (email, blob) = draft.add_email(message, self.mailbox, uid);
            let (size, received) = (message.raw.len() as u32, message.received);
            let ends_with_crlf = message.raw.ends_with(b"\r\n");
            rows.push(Entry { uid, size, flags, modseq, email, blob, received, saved, ends_with_crlf });
        }
        draft.mailbox_mut(self.mailbox)?.record.keywords = keywords;
        draft.add_entries(self.mailbox, &rows)?;
        let uids: UidSet = rows.iter().map(|row| row.uid).collect();
        draft.log(modseq, self.mailbox, ChangeKind::Added, uids.clone());
        draft.write_notes(&self.notes);
        Ok(Appended { uid_validity, uids, uids_kept, unique_ids_kept })
    }
}

/// The UIDs of new messages, ascending: those that they wish for where that is possible.
fn choose_uids(record: &MailboxRecord, messages: &[NewMessage]) -> Result<Vec<Uid>, StoreError> {
    let mut next = record.uid_next;
    let mut uids = Vec::with_capacity(messages.len());
    for message in messages {
        let wished = message.uid.filter(|wished| *wished >= next && wished.0 <= KEPT_MAX);
        let uid = wished.unwrap_or(next.max(record.uid_floor));
        next = Uid(uid.0.checked_add(1).ok_or(NO_UIDS_LEFT)?);
        uids.push(uid);
    }
    Ok(uids)
}

/// The first of `count` new UIDs in a row; they may not run over the end of 32 bits.
pub(crate) fn uids_for(record: &MailboxRecord, count: usize) -> Result<Uid, StoreError> {
    let next = record.uid_next.max(record.uid_floor);
    let fits = u32::try_from(count).ok().and_then(|count| next.0.checked_add(count)).is_some();
    if fits { Ok(next) } else { Err(NO_UIDS_LEFT) }
}

const NO_UIDS_LEFT: StoreError = StoreError::Limit("the mailbox has no UIDs left; move its messages to a new one");

/// The bits of flags in a mailbox's table of keywords, new ones being added.
pub(crate) fn intern(keywords: &mut crate::KeywordTable, flags: &[Flag]) -> Result<crate::FlagBits, StoreError> {
    let too_long = |flag: &Flag| matches!(flag, Flag::Keyword(name) if name.len() > KEYWORD_BYTES_MAX);
    if flags.iter().any(too_long) {
        return Err(StoreError::Limit("a keyword is too long"));
    }
    keywords.intern(flags).ok_or(StoreError::Limit("a mailbox holds at most 123 different keywords"))
}
