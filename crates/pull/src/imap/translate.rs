//! What notes of IMAP mailboxes have to say after a restore.

use postrider_store::{Uid, UidValidity};

use super::labels::Location;
use super::memory::{HASH_LETTERS, MailboxNote};
use crate::notes::MailboxLookup;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// A mailbox.
    Mailbox(Purpose),
    /// A message there, whose UID here will be proved; or the mailbox as a whole.
    Message,
    /// Where a message of a Gmail account is here.
    Location,
    /// A message here that is named by its UID and will not be proved: one that was sent there, or one that was there under
    /// another UIDVALIDITY.
    Unproved,
}

/// For what a mailbox is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Mail only comes.
    Fetching,
    /// Both sides follow each other.
    Sync,
}

/// The note of a mailbox that came back.
#[derive(Debug)]
pub(crate) struct MailboxTranslation {
    pub(crate) value: Vec<u8>,
    /// Whether its UIDVALIDITY is the same, and so UIDs are.
    pub(crate) are_uids_kept: bool,
}

/// The beginning that all notes of one mailbox have, and what this one is about; `None` if it is not of this module.
pub(crate) fn note_kind(key: &[u8]) -> Option<(&[u8], NoteKind)> {
    let (purpose, rest) = match (key.strip_prefix(b"pull/imap/"), key.strip_prefix(b"pull/sync/")) {
        (Some(rest), _) => (Purpose::Fetching, rest),
        (None, Some(rest)) => (Purpose::Sync, rest),
        (None, None) => return None,
    };
    let ([.., b'/'], name) = rest.split_at_checked(2 * (HASH_LETTERS + 1))? else { return None };
    let kind = match name.first()? {
        b'm' => NoteKind::Mailbox(purpose),
        b'g' => NoteKind::Location,
        b's' | b'o' => NoteKind::Unproved,
        _ => NoteKind::Message,
    };
    Some((key.get(..key.len() - name.len())?, kind))
}

/// Where a message is, if UIDs are the same. What is found there is proved by its content.
pub(crate) fn translate_location(value: &[u8], mailboxes: MailboxLookup<'_>) -> Option<Vec<u8>> {
    let location = Location::decode(value)?;
    let (mailbox, uid_validity) = mailboxes(location.mailbox)?;
    (uid_validity == location.uid_validity).then(|| Location { mailbox, ..location }.encode())
}

/// The note of a mailbox, for the mailbox that has taken its place.
pub(crate) fn translate_mailbox(
    value: &[u8],
    purpose: Purpose,
    mailboxes: MailboxLookup<'_>,
) -> Option<MailboxTranslation> {
    let note = MailboxNote::decode(value)?;
    let (local, uid_validity) = mailboxes(note.local)?;
    let are_uids_kept = uid_validity == note.local_validity;
    let note = match purpose {
        // No UID is certain: every message is found again by its content.
        Purpose::Fetching => {
            MailboxNote { local, local_validity: uid_validity, certain_before: Uid(0), local_modseq: 0, ..note }
        }
        // What is not found again is not to be taken for removed here, and removed there: to a sync it is another mailbox, of
        // which it learns by content what it has.
        Purpose::Sync => MailboxNote { local, local_validity: UidValidity(0), local_modseq: 0, ..note },
    };
    Some(MailboxTranslation { value: note.encode(), are_uids_kept })
}

#[cfg(test)]
mod tests {
    use postrider_store::{BlobHash, MailboxId, Note};

    use super::*;
    use crate::imap::RemoteKey;
    use crate::imap::flags::FlagSet;
    use crate::imap::memory::{Memory, MessageNote, Sent, Subscribed};
    use crate::notes::NoteTranslation;

    const FOUND: MailboxId = MailboxId(4);

    fn mailbox_note(name: &str, local: MailboxId) -> MailboxNote {
        MailboxNote {
            name: name.into(),
            uid_validity: 3,
            modseq: 9,
            mailbox_id: "F1".into(),
            local,
            local_validity: UidValidity(5),
            certain_before: Uid(6),
            local_name: "Drafts".into(),
            local_modseq: 77,
        }
    }

    /// One note of each kind, as they are written.
    fn notes(key: &RemoteKey, name: &str, local: MailboxId) -> Vec<Note> {
        let message = MessageNote {
            local: Uid(2),
            told_bytes: 1,
            bytes: 1,
            received: 0,
            message_id: 0,
            hash: BlobHash::of(b"x"),
            flags: FlagSet::default(),
            is_gone: false,
            was_here: false,
        };
        let mut memory = Memory { place: key.place(name), ..Memory::empty() };
        memory.mailbox = Some(mailbox_note(name, local));
        memory.messages.insert(1, message.clone());
        memory.orphans.insert(1, message);
        memory.sent.insert(7);
        memory.is_sending = true;
        memory.subscribed = Some(Subscribed { there: true, here: true });
        assert_eq!(memory.place.sent(7, Sent::Unpaired).key.len(), memory.place.mailbox(None).key.len() + 4);
        let mut notes = memory.writing();
        notes.sort_by(|a, b| a.key.cmp(&b.key));
        notes
    }

    fn translated(notes: &[Note], uid_validity: u32) -> Vec<(u8, Option<Vec<u8>>)> {
        let mut translation = NoteTranslation::default();
        let lookup = |id: MailboxId| (id == FOUND).then_some((MailboxId(40), UidValidity(uid_validity)));
        notes
            .iter()
            .map(|note| {
                let (_, kind) = note.key.split_at(b"pull/imap/".len() + 2 * (HASH_LETTERS + 1));
                (kind[0], translation.translate(&note.key, note.value.as_deref().unwrap(), &lookup))
            })
            .collect()
    }

    #[test]
    fn every_kind_of_note_comes_back_with_its_mailbox_and_none_without() {
        let key = RemoteKey::new("example.org", 993, "alice");
        for key in [key.of_sync(), key] {
            let there = notes(&key, "A", FOUND);
            let came: Vec<u8> = translated(&there, 5).iter().filter(|(_, v)| v.is_some()).map(|(k, _)| *k).collect();
            assert_eq!(came, b"mnosuw", "with the same UIDs");
            let came: Vec<u8> = translated(&there, 6).iter().filter(|(_, v)| v.is_some()).map(|(k, _)| *k).collect();
            assert_eq!(came, b"mnuw", "with other UIDs");
            let gone = notes(&key, "B", MailboxId(9));
            assert!(translated(&gone, 5).iter().all(|(_, value)| value.is_none()));
            // What is left of a mailbox whose note was damaged is as good as nothing.
            let rest: Vec<Note> = there.into_iter().skip(1).collect();
            assert!(translated(&rest, 5).iter().all(|(_, value)| value.is_none()));
        }
    }

    #[test]
    fn places_of_gmails_messages_come_back_where_uids_are_the_same() {
        let key = RemoteKey::new("example.org", 993, "alice").place("x").numbered(&[1, 2]).key;
        let (mailbox, uid_validity, uid) = (FOUND, UidValidity(5), Uid(2));
        let value = Location { mailbox, uid_validity, uid, bytes: 1, hash: BlobHash::of(b"x") }.encode();
        let come_back = |validity| {
            let lookup = |_| Some((MailboxId(40), UidValidity(validity)));
            let value = NoteTranslation::default().translate(&key, &value, &lookup)?;
            Location::decode(&value).map(|location| location.mailbox)
        };
        assert_eq!((come_back(5), come_back(6)), (Some(MailboxId(40)), None));
    }

    #[test]
    fn a_mailbox_is_proved_by_content_before_its_uids_are_relied_on() {
        let saved = mailbox_note("A", FOUND);
        let lookup = |_| Some((MailboxId(40), UidValidity(5)));
        let note = |purpose| {
            MailboxNote::decode(&translate_mailbox(&saved.encode(), purpose, &lookup).unwrap().value).unwrap()
        };
        let fetching = note(Purpose::Fetching);
        assert_eq!((fetching.local, fetching.local_validity.0, fetching.certain_before.0), (MailboxId(40), 5, 0));
        assert_eq!((fetching.name.as_str(), fetching.uid_validity, fetching.modseq), ("A", 3, 9));
        let sync = note(Purpose::Sync);
        assert_eq!((sync.local, sync.local_validity.0, sync.local_modseq), (MailboxId(40), 0, 0));
        assert_eq!(sync.local_name, "Drafts");
    }
}
