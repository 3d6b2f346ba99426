//! Notes of earlier runs in an account that was restored from a backup.
//!
//! A note speaks of a mailbox here by its number, and of messages by their UIDs; a restore may have given others. What is
//! certain is put right, and what is not is marked, so that the next run proves it by content before it relies on it. Notes
//! whose mailbox did not come back do not come back either: their messages are fetched anew, which is a waste, where notes
//! that lie would be a loss.

use postrider_store::{MailboxId, UidValidity};

use crate::imap::{MailboxTranslation, NoteKind, note_kind, translate_location, translate_mailbox};

/// Which mailbox took the place of one that was saved, and its UIDVALIDITY.
pub type MailboxLookup<'a> = &'a dyn Fn(MailboxId) -> Option<(MailboxId, UidValidity)>;

/// Goes through the notes of an account that is restored, in the order of their names: that of a mailbox comes before those of
/// its messages.
#[derive(Debug, Default)]
pub struct NoteTranslation {
    /// The mailbox whose note came last, if it comes back.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    prefix: Vec<u8>,
    are_uids_kept: bool,
}

impl NoteTranslation {
    /// The value that a note is to have; `None` if it is not to come back. Notes of other kinds stay as they are: those of POP3
    /// and of imports name no mailbox.
    pub fn translate(&mut self, key: &[u8], value: &[u8], mailboxes: MailboxLookup<'_>) -> Option<Vec<u8>> {
        let Some((prefix, kind)) = note_kind(key) else { return Some(value.to_vec()) };
        match kind {
            NoteKind::Mailbox(purpose) => {
                self.current = None;
                let MailboxTranslation { value, are_uids_kept } = translate_mailbox(value, purpose, mailboxes)?;
                self.current = Some(Current { prefix: prefix.to_vec(), are_uids_kept });
                Some(value)
            }
            NoteKind::Location => translate_location(value, mailboxes),
            NoteKind::Message => self.current(prefix).map(|_| value.to_vec()),
            NoteKind::Unproved => self.current(prefix).filter(|current| current.are_uids_kept).map(|_| value.to_vec()),
        }
    }

    fn current(&self, prefix: &[u8]) -> Option<&Current> {
        self.current.as_ref().filter(|current| current.prefix == prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_that_name_no_mailbox_stay_as_they_are() {
        let mut translation = NoteTranslation::default();
        for key in ["pull/pop3/00000000000000000000000000000000/u17", "import/abc", "pull/imap/short", "other"] {
            let kept = translation.translate(key.as_bytes(), b"value", &|_| None);
            assert_eq!(kept.as_deref(), Some(b"value".as_slice()), "{key}");
        }
    }
}
