//! What earlier runs noted: which message there is which message here.
//!
//! Notes lie beside the account's mail, under `pull/imap/<remote>/<mailbox>/`, and are written in one batch with the
//! messages they speak of: after a crash there are both or neither. One thing cannot be known beforehand, the UID that a
//! message will get here if others deliver at the same moment. It is foretold, set right after the batch if it was wrong,
//! and if a crash came between, found again by content ([`super::recall`]); [`MailboxNote::certain_before`] tells how
//! far UIDs need no proof.

use std::collections::{BTreeMap, BTreeSet};

use postrider_store::{Account, BlobHash, MailboxId, Note, Uid, UidValidity};

use super::error::ImapError;
use super::flags::FlagSet;

const VERSION: u8 = 1;

/// What is noted of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageNote {
    /// Its UID here.
    pub(crate) local: Uid,
    /// Its size as the server tells it, in octets.
    pub(crate) told_bytes: u64,
    /// Its size, in octets.
    pub(crate) bytes: u64,
    /// INTERNALDATE, seconds since 1970 (UTC).
    pub(crate) received: i64,
    /// The beginning of the hash of its Message-ID; 0 if it has none.
    pub(crate) message_id: u64,
    /// The hash of its content.
    pub(crate) hash: BlobHash,
    /// Its flags there when they were last seen.
    pub(crate) flags: FlagSet,
    /// Whether it vanished there, and stays here until somebody agrees.
    pub(crate) is_gone: bool,
    /// Whether it was here before it was fetched: then it is never removed here.
    pub(crate) was_here: bool,
}

/// What is noted of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailboxNote {
    /// Its name there.
    pub(crate) name: String,
    /// Its UIDVALIDITY there; 0 if it has none.
    pub(crate) uid_validity: u32,
    /// The mod-sequence there up to which everything was followed; 0 if that is not known.
    pub(crate) modseq: u64,
    /// MAILBOXID, or nothing.
    pub(crate) mailbox_id: String,
    /// The mailbox here.
    pub(crate) local: MailboxId,
    /// Its UIDVALIDITY.
    pub(crate) local_validity: UidValidity,
    /// Notes of messages with smaller UIDs here are certain.
    ///
    /// 0 after a restore: then none is.
    pub(crate) certain_before: Uid,
    /// Its name here when both sides had agreed, or nothing; of a sync.
    pub(crate) local_name: String,
    /// The mod-sequence here up to which everything was followed; 0 if that is not known. Of a sync.
    pub(crate) local_modseq: u64,
}

/// Where the notes of one mailbox lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    prefix: Vec<u8>,
}

/// All that is noted of one mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) place: Place,
    pub(crate) mailbox: Option<MailboxNote>,
    /// By UID there.
    pub(crate) messages: BTreeMap<u32, MessageNote>,
    /// Messages that stood there under another UIDVALIDITY and have not been found again, by a number.
    pub(crate) orphans: BTreeMap<u32, MessageNote>,
    /// UIDs of messages here that the server took without telling their UIDs there.
    pub(crate) sent: BTreeSet<u32>,
    /// Whether messages were on their way there when the last run ended.
    pub(crate) is_sending: bool,
    /// Who was subscribed when both sides had agreed.
    pub(crate) subscribed: Option<Subscribed>,
}

/// The beginning of all notes about a user of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteKey(Vec<u8>);

impl RemoteKey {
    /// Of this user of this server.
    pub fn new(host: &str, port: u16, user: &str) -> Self {
        let name = format!("{}\0{port}\0{user}", host.to_ascii_lowercase());
        Self([b"pull/imap/", short_hash(name.as_bytes()).as_bytes(), b"/"].concat())
    }

    /// Where a sync with the same user of the same server notes what it knows. It is apart from what archives and mirrors know:
    /// what was removed from an archive here must not go there because a sync comes after it.
    pub(crate) fn of_sync(&self) -> Self {
        let rest = self.0.strip_prefix(b"pull/imap/").unwrap_or(&self.0);
        Self([b"pull/sync/", rest].concat())
    }

    /// Where notes of a mailbox lie.
    pub(crate) fn place(&self, name: &str) -> Place {
        Place { prefix: [self.0.as_slice(), short_hash(name.as_bytes()).as_bytes(), b"/"].concat() }
    }

    /// The notes of all mailboxes, without those of messages.
    pub(crate) async fn mailboxes(&self, account: &Account) -> Result<Vec<MailboxNote>, ImapError> {
        let mut found = Vec::new();
        let mut bad = None;
        account
            .notes(&self.0, |key, value| {
                if key.last() == Some(&b'm') && key.len() == self.0.len() + HASH_LETTERS + 2 {
                    match MailboxNote::decode(value) {
                        Some(note) => found.push(note),
                        None => bad = Some(String::from_utf8_lossy(key).into_owned()),
                    }
                }
            })
            .await?;
        bad.map_or(Ok(found), |mailbox| Err(ImapError::Memory { mailbox }))
    }
}

/// Letters of a hash in a note's name.
pub(super) const HASH_LETTERS: usize = 32;

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().chars().take(HASH_LETTERS).collect()
}

impl Place {
    fn key(&self, kind: u8, number: Option<u32>) -> Vec<u8> {
        let mut key = self.prefix.clone();
        key.push(kind);
        key.extend(number.into_iter().flat_map(u32::to_be_bytes));
        key
    }

    pub(crate) fn mailbox(&self, note: Option<&MailboxNote>) -> Note {
        Note { key: self.key(b'm', None), value: note.map(MailboxNote::encode) }
    }

    pub(crate) fn message(&self, uid: u32, note: Option<&MessageNote>) -> Note {
        Note { key: self.key(b'u', Some(uid)), value: note.map(MessageNote::encode) }
    }

    /// Whether messages are on their way there.
    pub(crate) fn sending(&self, is_sending: bool) -> Note {
        Note { key: self.key(b'w', None), value: is_sending.then(|| vec![VERSION]) }
    }

    pub(crate) fn subscribed(&self, subscribed: Option<Subscribed>) -> Note {
        Note { key: self.key(b'n', None), value: subscribed.map(Subscribed::encode) }
    }

    pub(crate) fn sent(&self, local: u32, sent: Sent) -> Note {
        Note { key: self.key(b's', Some(local)), value: (sent == Sent::Unpaired).then(|| vec![VERSION]) }
    }

    /// A note with a name of numbers, about the remote as a whole (`labels`).
    pub(crate) fn numbered(&self, numbers: &[u64]) -> Note {
        let mut key = self.key(b'g', None);
        key.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        Note { key, value: None }
    }

    /// A number for the mailbox.
    pub(crate) fn fingerprint(&self) -> u64 {
        blake3::hash(&self.prefix).as_bytes().first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
    }

    pub(crate) fn orphan(&self, number: u32, note: Option<&MessageNote>) -> Note {
        Note { key: self.key(b'o', Some(number)), value: note.map(MessageNote::encode) }
    }
}

/// Who is subscribed to a mailbox; of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) there: bool,
    pub(crate) here: bool,
}

impl Subscribed {
    fn decode(value: &[u8]) -> Option<Self> {
        let &[VERSION, bits] = value else { return None };
        Some(Self { there: bits & 1 != 0, here: bits & 2 != 0 })
    }

    fn encode(self) -> Vec<u8> {
        vec![VERSION, u8::from(self.there) | u8::from(self.here) << 1]
    }
}

/// Whether it is known which message there a message that was sent became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is not.
    Unpaired,
    /// It is, or it does not matter any more.
    Settled,
}

impl Memory {
    /// Of a mailbox that was never seen.
    pub(crate) fn empty() -> Self {
        let place = Place { prefix: Vec::new() };
        let (messages, orphans, sent) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { place, mailbox: None, messages, orphans, sent, is_sending: false, subscribed: None }
    }

    /// Reads what is noted.
    pub(crate) async fn read(account: &Account, place: Place) -> Result<Self, ImapError> {
        let mut memory = Self { place, ..Self::empty() };
        let prefix = memory.place.prefix.clone();
        let mut is_good = true;
        account
            .notes(&prefix, |key, value| {
                is_good &= memory.take(key.get(prefix.len()..).unwrap_or_default(), value).is_some();
            })
            .await?;
        if is_good { Ok(memory) } else { Err(ImapError::Memory { mailbox: String::from_utf8_lossy(&prefix).into() }) }
    }

    /// The mailbox here and who was subscribed, without reading of messages; `None` if the mailbox is not noted.
    pub(crate) async fn read_subscribed(
        account: &Account,
        place: &Place,
    ) -> Result<Option<(MailboxId, Option<Subscribed>)>, ImapError> {
        let (mut local, mut subscribed) = (None, None);
        for kind in [b'm', b'n'] {
            let wanted = place.key(kind, None);
            account
                .notes(&wanted, |key, value| match kind {
                    _ if key != wanted => {}
                    b'm' => local = MailboxNote::decode(value).map(|note| note.local),
                    _ => subscribed = Subscribed::decode(value),
                })
                .await?;
        }
        Ok(local.map(|local| (local, subscribed)))
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (kind, number) = key.split_first()?;
        if *kind == b'm' {
            self.mailbox = Some(MailboxNote::decode(value)?);
            return Some(());
        }
        if *kind == b'n' {
            self.subscribed = Some(Subscribed::decode(value)?);
            return Some(());
        }
        if *kind == b'w' {
            self.is_sending = true;
            return Some(());
        }
        let number = u32::from_be_bytes(number.try_into().ok()?);
        if *kind == b's' {
            self.sent.insert(number);
            return Some(());
        }
        let note = MessageNote::decode(value)?;
        match kind {
            b'u' => self.messages.insert(number, note),
            b'o' => self.orphans.insert(number, note),
            _ => return None,
        };
        Some(())
    }

    /// What removes all of it.
    pub(crate) fn forgetting(&self) -> Vec<Note> {
        let messages = self.messages.keys().map(|&uid| self.place.message(uid, None));
        let orphans = self.orphans.keys().map(|&number| self.place.orphan(number, None));
        let sent = self.sent.iter().map(|&uid| self.place.sent(uid, Sent::Settled));
        let ends = [self.place.sending(false), self.place.subscribed(None), self.place.mailbox(None)];
        messages.chain(orphans).chain(sent).chain(ends).collect()
    }

    /// What writes all of it.
    pub(crate) fn writing(&self) -> Vec<Note> {
        let messages = self.messages.iter().map(|(&uid, note)| self.place.message(uid, Some(note)));
        let orphans = self.orphans.iter().map(|(&number, note)| self.place.orphan(number, Some(note)));
        let sent = self.sent.iter().map(|&uid| self.place.sent(uid, Sent::Unpaired));
        let (sending, subscribed) = (self.place.sending(self.is_sending), self.place.subscribed(self.subscribed));
        let ends = [sending, subscribed, self.place.mailbox(self.mailbox.as_ref())];
        messages.chain(orphans).chain(sent).chain(ends).collect()
    }
}

impl MailboxNote {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.uid_validity.to_be_bytes());
        out.extend(self.modseq.to_be_bytes());
        out.extend(self.local.0.to_be_bytes());
        out.extend(self.local_validity.0.to_be_bytes());
        out.extend(self.certain_before.0.to_be_bytes());
        put_text(&mut out, &self.mailbox_id);
        put_text(&mut out, &self.name);
        put_text(&mut out, &self.local_name);
        out.extend(self.local_modseq.to_be_bytes());
        out
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[VERSION])?;
        Some(Self {
            uid_validity: u32::from_be_bytes(take(&mut rest)?),
            modseq: u64::from_be_bytes(take(&mut rest)?),
            local: MailboxId(u32::from_be_bytes(take(&mut rest)?)),
            local_validity: UidValidity(u32::from_be_bytes(take(&mut rest)?)),
            certain_before: Uid(u32::from_be_bytes(take(&mut rest)?)),
            mailbox_id: take_text(&mut rest)?,
            name: take_text(&mut rest)?,
            // Notes that were written before there was a sync end here.
            local_name: if rest.is_empty() { String::new() } else { take_text(&mut rest)? },
            local_modseq: if rest.is_empty() { 0 } else { u64::from_be_bytes(take(&mut rest)?) },
        })
    }
}

impl MessageNote {
    /// Whether it stands in another mailbox here, where it came first and is to stay.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.local == Uid(0) && self.was_here
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.is_gone) | u8::from(self.was_here) << 1, self.flags.system_bits()];
        out.extend(self.local.0.to_be_bytes());
        out.extend(self.told_bytes.to_be_bytes());
        out.extend(self.bytes.to_be_bytes());
        out.extend(self.received.to_be_bytes());
        out.extend(self.message_id.to_be_bytes());
        out.extend(self.hash.0);
        self.flags.keywords().for_each(|keyword| put_text(&mut out, keyword));
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[VERSION])?;
        let [state, system] = take(&mut rest)?;
        let mut note = Self {
            local: Uid(u32::from_be_bytes(take(&mut rest)?)),
            told_bytes: u64::from_be_bytes(take(&mut rest)?),
            bytes: u64::from_be_bytes(take(&mut rest)?),
            received: i64::from_be_bytes(take(&mut rest)?),
            message_id: u64::from_be_bytes(take(&mut rest)?),
            hash: BlobHash(take(&mut rest)?),
            flags: FlagSet::from_system_bits(system),
            is_gone: state & 1 != 0,
            was_here: state & 2 != 0,
        };
        while !rest.is_empty() {
            note.flags.insert_keyword(take_text(&mut rest)?);
        }
        Some(note)
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Names and keywords are far shorter; what is not is cut where the reader finds the end again.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes().iter().take(length.into()));
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*taken)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    let (text, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::flags::FlagSet;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let mut flags = FlagSet::from_system_bits(0b10101);
        flags.insert_keyword("$Forwarded".into());
        flags.insert_keyword("work".into());
        let note = MessageNote {
            local: Uid(7),
            told_bytes: 12,
            bytes: 13,
            received: -5,
            message_id: 99,
            hash: BlobHash::of(b"x"),
            flags,
            is_gone: true,
            was_here: true,
        };
        assert_eq!(MessageNote::decode(&note.encode()), Some(note.clone()));
        let mailbox = MailboxNote {
            name: "Entwürfe".into(),
            uid_validity: 3,
            modseq: u64::MAX,
            mailbox_id: "F1".into(),
            local: MailboxId(4),
            local_validity: UidValidity(5),
            certain_before: Uid(6),
            local_name: "Drafts".into(),
            local_modseq: 77,
        };
        assert_eq!(MailboxNote::decode(&mailbox.encode()), Some(mailbox.clone()));
        for end in 0..note.encode().len() {
            let _ = MessageNote::decode(&note.encode()[..end]);
        }
        assert_eq!(MailboxNote::decode(&mailbox.encode()[..9]), None);
    }
}
