//! Counters go up, so that nothing is given out a second time that somebody may have seen.
//!
//! A restored account begins where its backup ends; but its clients knew it for longer. What it gave out in between must not
//! come again with another meaning.

use crate::{
    change::{Change, append::KEPT_MAX},
    draft::Draft,
    error::StoreError,
    identifier::{MailboxId, ModSeq, Uid, UidValidity},
};

/// The largest mod-sequence or email id that is taken over. RFC 7162 §3.1 allows 63 bits; room is left to go on from there.
const COUNTER_MAX: u64 = 1 << 62;

/// The largest mailbox id that is taken over.
const MAILBOX_ID_MAX: u32 = 1 << 31;

/// What an account may have given out elsewhere: here it gives out only what is larger. Zeros, and what is passed already, change
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Floors {
    /// The last mod-sequence.
    pub modseq: ModSeq,
    /// The next email's id (RFC 8474's EMAILID and THREADID).
    pub email_next: u64,
    /// The next mailbox's id (RFC 8474's MAILBOXID).
    pub mailbox_next: u32,
    /// The last UIDVALIDITY that was given to a new mailbox.
    pub uid_validity_last: UidValidity,
    /// Mailboxes and their UIDNEXT. From now on they take over no UID below it.
    pub uid_next: Vec<(MailboxId, Uid)>,
}

pub(crate) struct Raise {
    pub(crate) floors: Floors,
}

impl Change for Raise {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        let floors = &self.floors;
        let fits = floors.modseq.0 <= COUNTER_MAX
            && floors.email_next <= COUNTER_MAX
            && floors.mailbox_next <= MAILBOX_ID_MAX
            && floors.uid_validity_last.0 <= KEPT_MAX
            && floors.uid_next.iter().all(|(_, uid)| uid.0 <= KEPT_MAX);
        if !fits {
            return Err(StoreError::Limit("a counter cannot be raised that far"));
        }
        for (id, _) in &floors.uid_next {
            draft.mailbox(*id)?;
        }
        draft.raise_modseq(floors.modseq);
        let record = &mut draft.state.record;
        record.email_next = record.email_next.max(floors.email_next);
        record.mailbox_next = record.mailbox_next.max(floors.mailbox_next);
        record.uid_validity_last = record.uid_validity_last.max(floors.uid_validity_last.0);
        for (id, floor) in &floors.uid_next {
            let mailbox = draft.mailbox_mut(*id)?;
            if *floor > mailbox.record.uid_next {
                mailbox.raise_uid_next(*floor);
            }
        }
        draft.counters_changed();
        Ok(())
    }
}
