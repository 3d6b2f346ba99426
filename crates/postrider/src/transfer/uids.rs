//! Whether the messages of a folder keep the UIDs that they had.
//!
//! A mail program knows a message by mailbox name, UIDVALIDITY and UID (RFC 9051 §2.3.1.1), so all that it knows stays true if,
//! and only if, a UID that the source gave out is that very message here, or nothing. A folder's UIDs are therefore kept only
//! where its mailbox is new or empty, and what cannot keep its UID gets one beyond all that the source gave out.
//!
//! It is decided once and noted before a mailbox is made: an import that is broken off and given again goes on with what it
//! decided, and does not take for its own what others made in between.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result};
use postrider_archive::Folder;
use postrider_store::{Account, AccountState, MailboxOrigin, NewMessage, Note, Uid, UidValidity, UidValidityWish};
use serde::{Deserialize, Serialize};

/// The largest UID and UIDVALIDITY that are kept; there is room to go on from there.
const KEPT_MAX: u32 = u32::MAX - (1 << 24);

/// Why messages get new UIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewUids {
    /// It was asked for.
    AskedFor,
    /// The files do not tell UIDs and UIDVALIDITY.
    Untold,
    /// The mailbox had messages already.
    HasMessages,
    /// The UIDVALIDITY is, or was, that of another mailbox of the account.
    UidValidityTaken,
    /// Several folders go to the mailbox.
    SeveralFolders,
    /// The files cannot be read in the order of UIDs.
    Unsorted,
    /// The UIDs are near the end of their range.
    OutOfRange,
    /// The files have another UIDVALIDITY than when the import began.
    SourceChanged,
    /// The folder, or the knowledge of its UIDs, is younger than the import.
    BegunBefore,
}

impl fmt::Display for NewUids {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AskedFor => "--new-uids asks for it",
            Self::Untold => "the source does not tell any",
            Self::HasMessages => "there were messages already",
            Self::UidValidityTaken => "the UIDVALIDITY is or was that of another mailbox of the account",
            Self::SeveralFolders => "several folders of the source go to one mailbox",
            Self::Unsorted => "a compressed tar is not read in the order of UIDs; unpack it first",
            Self::OutOfRange => "the source's are near the end of their range",
            Self::SourceChanged => "the source has another UIDVALIDITY than when the import began",
            Self::BegunBefore => "the import was begun before the source told of them",
        })
    }
}

/// The UIDs that a folder gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbering {
    pub uid_validity: u32,
    /// Its UIDNEXT: all that it gave out lie below.
    pub uid_next: u32,
}

/// What is decided for a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Uids {
    Kept(Numbering),
    New(NewUids),
}

impl Uids {
    pub fn kept(self) -> Option<Numbering> {
        match self {
            Self::Kept(numbering) => Some(numbering),
            Self::New(_) => None,
        }
    }

    pub fn new_because(self) -> Option<NewUids> {
        match self {
            Self::Kept(_) => None,
            Self::New(reason) => Some(reason),
        }
    }
}

/// Which run this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Nothing was imported yet.
    First,
    /// It goes on with one that was broken off.
    Resumed,
    /// It begins anew, after one that was finished or broken off.
    Again,
}

/// What is decided for each mailbox, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Decisions {
    by_mailbox: BTreeMap<String, Uids>,
}

impl Decisions {
    pub fn get(&self, mailbox: &str) -> Option<Uids> {
        self.by_mailbox.get(mailbox).copied()
    }

    pub fn set(&mut self, mailbox: &str, uids: Uids) {
        self.by_mailbox.insert(mailbox.to_owned(), uids);
    }

    /// What an earlier run of the import with this note decided.
    pub async fn read(account: &Account, key: &str) -> Result<Self> {
        let (key, mut found) = (Self::key(key), None);
        let mut keep = |name: &[u8], value: &[u8]| {
            if name == key.as_bytes() {
                found = Some(value.to_vec());
            }
        };
        account.notes(key.as_bytes(), &mut keep).await?;
        let Some(value) = found else { return Ok(Self::default()) };
        serde_json::from_slice(&value).context("the note of an earlier import cannot be read")
    }

    pub fn note(&self, key: &str) -> Result<Note> {
        Ok(Note { key: Self::key(key).into_bytes(), value: Some(serde_json::to_vec(self)?) })
    }

    fn key(key: &str) -> String {
        format!("{key}/uids")
    }
}

/// Decides whether a folder of the source keeps its UIDs in the mailbox of this name. `earlier` is what another run decided.
pub(super) fn decide(folder: &Folder, mailbox: &str, state: &AccountState, earlier: Option<Uids>, run: Run) -> Uids {
    let (Some(uid_validity), Some(uid_next)) = (folder.uid_validity, folder.uid_next) else {
        return Uids::New(NewUids::Untold);
    };
    let told = Numbering { uid_validity, uid_next };
    if uid_validity > KEPT_MAX || uid_next > KEPT_MAX {
        return Uids::New(NewUids::OutOfRange);
    }
    let found = state.find(mailbox);
    let is_ours = found.is_some_and(|found| found.record.uid_validity.0 == uid_validity);
    match (earlier, run) {
        (Some(Uids::Kept(begun)), Run::Resumed) if begun.uid_validity != uid_validity => {
            return Uids::New(NewUids::SourceChanged);
        }
        // Also a mailbox that is not made yet.
        (Some(earlier), Run::Resumed) => return earlier,
        (None, Run::Resumed) => return Uids::New(NewUids::BegunBefore),
        (Some(Uids::Kept(begun)), Run::Again) if begun.uid_validity == uid_validity && is_ours => {
            return Uids::Kept(Numbering { uid_next: uid_next.max(begun.uid_next), ..told });
        }
        (_, Run::First | Run::Again) => {}
    }
    if found.is_some_and(|found| found.record.counts.messages > 0) {
        Uids::New(NewUids::HasMessages)
    } else if state.mailboxes().any(|other| other.record.uid_validity.0 == uid_validity) {
        Uids::New(NewUids::UidValidityTaken)
    } else {
        Uids::Kept(told)
    }
}

impl Numbering {
    /// What a mailbox that keeps these UIDs is made of.
    pub fn origin(self) -> MailboxOrigin {
        MailboxOrigin {
            uid_validity: Some(UidValidityWish::Elsewhere(UidValidity(self.uid_validity))),
            uid_floor: Some(Uid(self.uid_next)),
        }
    }

    /// Takes away wishes that cannot come true, in a mailbox with this UIDNEXT. Answers how many messages come before the first
    /// that gets a new UID.
    pub fn admit(self, mut next: u32, messages: &mut [NewMessage]) -> usize {
        let mut first_new = messages.len();
        for (at, message) in messages.iter_mut().enumerate() {
            message.uid = message.uid.filter(|uid| uid.0 >= next && uid.0 < self.uid_next);
            match message.uid {
                Some(uid) => next = uid.0.saturating_add(1),
                None => {
                    first_new = first_new.min(at);
                    // Beyond all that the source gave out.
                    next = next.max(self.uid_next).saturating_add(1);
                }
            }
        }
        first_new
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]
mod tests {
    use bytes::Bytes;
    use postrider_message::MimeLimits;

    use super::*;

    #[tokio::test]
    async fn only_uids_that_ascend_and_were_given_out_are_kept() {
        let numbering = Numbering { uid_validity: 1, uid_next: 10 };
        for (next, wished, kept, before) in [
            (1, vec![Some(2), Some(5), Some(9)], vec![Some(2), Some(5), Some(9)], 3),
            (5, vec![Some(2), Some(5)], vec![None, None], 0),
            (1, vec![Some(3), Some(3), Some(4)], vec![Some(3), None, None], 1),
            (1, vec![Some(3), Some(12), None], vec![Some(3), None, None], 1),
            (1, vec![None, Some(3)], vec![None, None], 0),
            (1, vec![], vec![], 0),
        ] {
            let mut messages = Vec::new();
            for uid in &wished {
                let raw = Bytes::from_static(b"Subject: x\r\n\r\n");
                let mut message = NewMessage::prepare(raw, Vec::new(), 0, &MimeLimits::default()).await;
                message.uid = uid.map(Uid);
                messages.push(message);
            }
            assert_eq!(numbering.admit(next, &mut messages), before, "{wished:?}");
            let got: Vec<_> = messages.iter().map(|message| message.uid.map(|uid| uid.0)).collect();
            assert_eq!(got, kept, "{wished:?}");
        }
    }

    #[test]
    fn decisions_are_a_note_and_back() {
        let mut decisions = Decisions::default();
        decisions.set("INBOX", Uids::Kept(Numbering { uid_validity: 7, uid_next: 9 }));
        decisions.set("Sent", Uids::New(NewUids::HasMessages));
        let note = decisions.note("import/x").unwrap();
        assert_eq!(note.key, b"import/x/uids");
        assert_eq!(serde_json::from_slice::<Decisions>(&note.value.unwrap()).unwrap(), decisions);
    }
}
