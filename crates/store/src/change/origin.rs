//! A mailbox comes from elsewhere: from a backup, or from another server.
//!
//! A mail program knows a message by mailbox name, UIDVALIDITY and UID for ever (RFC 9051 §2.3.1.1). If the three are kept it
//! need not download again what it has. They can be kept if no message that was ever here could be meant by them too.
//! As mailboxes can be renamed into one another, that is judged by UIDVALIDITY alone: every value that was given out in an account
//! belongs to one mailbox of it, and what mailboxes that are gone had is remembered.

use crate::{
    change::{
        Change,
        append::KEPT_MAX,
        mailbox::{check_name, create, create_with, missing_superiors},
    },
    draft::Draft,
    error::StoreError,
    identifier::{MailboxId, Uid, UidValidity},
    record::ChangeKind,
    special_use::SpecialUses,
    uid_set::UidSet,
};

/// A UIDVALIDITY that a mailbox is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UidValidityWish {
    /// It had it on another server. It is kept if no mailbox of the account ever had it.
    Elsewhere(UidValidity),
    /// It is a mailbox of this very account, that comes back out of a backup. It is kept if no mailbox of the account ever had
    /// it, or one had it that is gone; then no message that brings no UID gets one that was given out before.
    Returning(UidValidity),
}

/// What a mailbox had before it came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailboxOrigin {
    /// Its UIDVALIDITY.
    pub uid_validity: Option<UidValidityWish>,
    /// Its UIDNEXT: messages that bring no UID get none below it. Those that do can be appended all the same.
    pub uid_floor: Option<Uid>,
}

/// A mailbox that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedMailbox {
    /// Which it is.
    pub id: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Whether that is the one wished for. If not, UIDs that messages keep mean nothing to anybody.
    pub uid_validity_kept: bool,
}

/// Makes a mailbox, in the place of an empty one if there is one of its name.
pub(crate) struct CreateMailboxFrom {
    pub(crate) name: String,
    pub(crate) special_use: SpecialUses,
    pub(crate) origin: MailboxOrigin,
}

impl Change for CreateMailboxFrom {
    type Outcome = CreatedMailbox;

    async fn apply(&self, draft: &mut Draft) -> Result<CreatedMailbox, StoreError> {
        check_name(&self.name, &draft.options)?;
        let replaced = draft.state.find(&self.name).map(|mailbox| mailbox.id);
        let record = replaced.and_then(|id| draft.state.mailbox(id)).map(|mailbox| mailbox.record.clone());
        if record.as_ref().is_some_and(|record| record.counts.messages > 0) {
            return Err(StoreError::MailboxExists);
        }
        let is_other = |id: MailboxId| Some(id) != replaced;
        let overlaps = |taken: SpecialUses| taken.overlaps(self.special_use);
        if draft.state.mailboxes().any(|mailbox| is_other(mailbox.id) && overlaps(mailbox.record.special_use)) {
            return Err(StoreError::SpecialUseTaken);
        }
        let missing = missing_superiors(draft, &self.name, usize::from(replaced.is_none()))?;
        let kept = self.judge(draft).await?;

        let (mut name, mut special_use) = (self.name.as_str(), self.special_use);
        if let (Some(id), Some(record)) = (replaced, &record) {
            // The letters of INBOX are its own (RFC 9051 §5.1).
            name = &record.name;
            special_use = if special_use == SpecialUses::NONE { record.special_use } else { special_use };
            draft.remove_mailbox(id);
            let modseq = draft.next_modseq();
            draft.log(modseq, id, ChangeKind::MailboxRemoved, UidSet::new());
        }
        let id = match kept {
            Some((uid_validity, _)) => create_with(draft, name, uid_validity),
            None => create(draft, name),
        };
        if let Some((uid_validity, _)) = kept {
            draft.mailbox_returned(uid_validity);
        }
        // Only now, lest one of them is given the UIDVALIDITY that is wished for.
        for superior in missing {
            create(draft, &superior);
        }
        let floor = self.origin.uid_floor.unwrap_or(Uid(1)).max(kept.map_or(Uid(1), |(_, floor)| floor));
        let record = &mut draft.mailbox_mut(id)?.record;
        record.special_use = special_use;
        record.uid_floor = Uid(floor.0.clamp(1, KEPT_MAX));
        Ok(CreatedMailbox { id, uid_validity: record.uid_validity, uid_validity_kept: kept.is_some() })
    }
}

impl CreateMailboxFrom {
    /// The UIDVALIDITY that is wished for, if it can be kept, and the UIDs below which are given out.
    async fn judge(&self, draft: &mut Draft) -> Result<Option<(UidValidity, Uid)>, StoreError> {
        let (wished, returns) = match self.origin.uid_validity {
            Some(UidValidityWish::Elsewhere(wished)) => (wished, false),
            Some(UidValidityWish::Returning(wished)) => (wished, true),
            None => return Ok(None),
        };
        if wished.0 == 0 || wished.0 > KEPT_MAX {
            return Ok(None);
        }
        // The empty mailbox that is replaced may have it: then it goes, as it is, and returns at once.
        let has_it = draft.state.mailboxes().find(|mailbox| mailbox.record.uid_validity == wished);
        if let Some(mailbox) = has_it {
            let is_replaced = returns && draft.state.find(&self.name).is_some_and(|found| found.id == mailbox.id);
            return Ok(is_replaced.then_some((wished, mailbox.record.uid_next.max(mailbox.record.uid_floor))));
        }
        Ok(match draft.gone_mailbox(wished).await? {
            None => Some((wished, Uid(1))),
            Some(gone) if returns => Some((wished, gone.uid_next)),
            Some(_) => None,
        })
    }
}
