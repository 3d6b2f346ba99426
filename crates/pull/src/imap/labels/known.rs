//! Messages of a Gmail account that are here already, by the number that Gmail gives each of them (`X-GM-MSGID`).
//!
//! What stands in several mailboxes, or moves from one to another, comes over the wire once: its content is read from the store.
//! Notes tell where it is, and are no more than that: the content is proved by its hash, and what is not found is fetched.

use std::collections::BTreeMap;

use bytes::Bytes;
use postrider_store::{Account, BlobHash, MailboxId, Note, StoreError, Uid, UidValidity};

use super::Labels;
use crate::imap::bodies::{Arrived, Take as _};
use crate::imap::body::Body;
use crate::imap::error::ImapError;
use crate::imap::keeping::Keeping;
use crate::imap::listing::Described;
use crate::imap::memory::{Memory, Place, RemoteKey};
use crate::imap::options::{GmailLabels, ImapMode, ImapPullOptions, Rehearsal};

/// Under this name, which no mailbox has, lie the notes.
const NAME: &str = "\0gmail";
const VERSION: u8 = 1;

/// Groups of messages whose contents are kept in memory while they may be on the way from one mailbox to another.
const MOVING_GROUPS_MAX: u64 = 8;

/// A message here: the number at Gmail, and the mailbox there.
type Key = (u64, u64);

/// Where a message is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) mailbox: MailboxId,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid: Uid,
    pub(crate) bytes: u64,
    pub(crate) hash: BlobHash,
}

/// Messages that are here. Read when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct KnownMessages {
    place: Option<Place>,
    locations: BTreeMap<Key, Location>,
    /// Contents of messages that are gone from a mailbox in this run, and may come in another.
    moving: BTreeMap<u64, Bytes>,
    moving_bytes: u64,
}

impl Location {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.mailbox.0.to_be_bytes());
        out.extend(self.uid_validity.0.to_be_bytes());
        out.extend(self.uid.0.to_be_bytes());
        out.extend(self.bytes.to_be_bytes());
        out.extend(self.hash.0);
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (mailbox, rest) = value.strip_prefix(&[VERSION])?.split_first_chunk::<4>()?;
        let (uid_validity, rest) = rest.split_first_chunk::<4>()?;
        let (uid, rest) = rest.split_first_chunk::<4>()?;
        let (bytes, hash) = rest.split_first_chunk::<8>()?;
        Some(Self {
            mailbox: MailboxId(u32::from_be_bytes(*mailbox)),
            uid_validity: UidValidity(u32::from_be_bytes(*uid_validity)),
            uid: Uid(u32::from_be_bytes(*uid)),
            bytes: u64::from_be_bytes(*bytes),
            hash: BlobHash(hash.try_into().ok()?),
        })
    }
}

impl KnownMessages {
    /// Takes those messages that are here, without asking for them. Answers the others that are to come with this mailbox.
    pub(crate) async fn take_known(
        &mut self,
        labels: &Labels,
        key: &RemoteKey,
        wanted: Vec<Described>,
        keeping: &mut Keeping<'_>,
        options: &ImapPullOptions,
    ) -> Result<Vec<Described>, ImapError> {
        if !labels.is_active() {
            return Ok(wanted);
        }
        self.read(keeping.account, key).await?;
        let (mut others, mut group, mut group_bytes) = (Vec::new(), Vec::new(), 0u64);
        for described in wanted.into_iter().filter(|described| !labels.left_out.contains(&described.uid)) {
            let found = match labels.ids.get(&described.uid) {
                Some(&id) => self.content(keeping.account, id).await?,
                None => None,
            };
            let Some((octets, stands)) = found else {
                others.push(described);
                continue;
            };
            let is_elsewhere = stands.is_some_and(|mailbox| mailbox != keeping.mailbox);
            // An archive lets a message stand where it first came.
            if is_elsewhere && labels.choice == Some(GmailLabels::Keywords) && options.mode == ImapMode::Archive {
                keeping.note_elsewhere(&Arrived { described, body: Body::Whole(octets) }).await?;
                continue;
            }
            group_bytes = group_bytes.saturating_add(octets.len() as u64);
            group.push(Arrived { described, body: Body::Whole(octets) });
            if group_bytes >= options.group_bytes_max {
                keeping.take(std::mem::take(&mut group)).await?;
                group_bytes = 0;
            }
        }
        if !group.is_empty() {
            keeping.take(group).await?;
        }
        Ok(others)
    }

    /// Notes where messages of a mailbox are, that have come.
    pub(crate) async fn remember(
        &mut self,
        labels: &Labels,
        account: &Account,
        key: &RemoteKey,
        memory: &Memory,
        uids: &[u32],
    ) -> Result<(), ImapError> {
        let Some(mailbox) = memory.mailbox.as_ref().filter(|_| labels.is_active()) else { return Ok(()) };
        self.read(account, key).await?;
        let there = memory.place.fingerprint();
        let mut notes = Vec::new();
        for uid in uids {
            let (Some(&id), Some(note)) = (labels.ids.get(uid), memory.messages.get(uid)) else { continue };
            let location = Location {
                mailbox: mailbox.local,
                uid_validity: mailbox.local_validity,
                uid: note.local,
                bytes: note.bytes,
                hash: note.hash,
            };
            if note.local != Uid(0) && self.locations.insert((id, there), location) != Some(location) {
                notes.extend(self.note((id, there), Some(&location)));
            }
        }
        if !notes.is_empty() {
            account.write_notes(notes).await?;
        }
        Ok(())
    }

    /// Messages of a mailbox are gone there, and will be removed here: their contents are held for the rest of the run, as far as
    /// there is room.
    pub(crate) async fn hold(
        &mut self,
        labels: &Labels,
        account: &Account,
        key: &RemoteKey,
        memory: &Memory,
        gone: &[u32],
        options: &ImapPullOptions,
    ) -> Result<(), ImapError> {
        let is_removed = options.mode == ImapMode::Mirror && options.rehearsal == Rehearsal::Real;
        if !labels.is_active() || !is_removed || gone.is_empty() {
            return Ok(());
        }
        self.read(account, key).await?;
        let there = memory.place.fingerprint();
        let leaving: std::collections::BTreeSet<Uid> =
            gone.iter().filter_map(|uid| memory.messages.get(uid)).map(|note| note.local).collect();
        let keys: Vec<Key> = self
            .locations
            .iter()
            .filter(|((_, mailbox), location)| *mailbox == there && leaving.contains(&location.uid))
            .map(|(key, _)| *key)
            .collect();
        let bytes_max = options.group_bytes_max.saturating_mul(MOVING_GROUPS_MAX);
        let mut notes = Vec::new();
        for key in keys {
            let Some(location) = self.locations.get(&key).copied() else { continue };
            if self.moving_bytes.saturating_add(location.bytes) <= bytes_max
                && let Some(octets) = read_at(account, &location).await?
            {
                self.moving_bytes += location.bytes;
                self.moving.insert(key.0, octets);
            }
            self.locations.remove(&key);
            notes.extend(self.note(key, None));
        }
        if !notes.is_empty() {
            account.write_notes(notes).await?;
        }
        Ok(())
    }

    /// A message's content, and the mailbox here in which it stands.
    async fn content(&self, account: &Account, id: u64) -> Result<Option<(Bytes, Option<MailboxId>)>, ImapError> {
        for location in self.locations.range((id, 0)..=(id, u64::MAX)).map(|(_, location)| location) {
            if let Some(octets) = read_at(account, location).await? {
                return Ok(Some((octets, Some(location.mailbox))));
            }
        }
        Ok(self.moving.get(&id).map(|octets| (octets.clone(), None)))
    }

    async fn read(&mut self, account: &Account, key: &RemoteKey) -> Result<(), ImapError> {
        if self.place.is_some() {
            return Ok(());
        }
        let place = key.place(NAME);
        let prefix = place.numbered(&[]).key;
        let locations = &mut self.locations;
        account
            .notes(&prefix, |key, value| {
                let numbers = key.get(prefix.len()..).unwrap_or_default().as_chunks::<8>();
                // What cannot be read costs no more than a message that comes once more over the wire.
                if let ([id, there], []) = numbers
                    && let Some(location) = Location::decode(value)
                {
                    locations.insert((u64::from_be_bytes(*id), u64::from_be_bytes(*there)), location);
                }
            })
            .await?;
        self.place = Some(place);
        Ok(())
    }

    fn note(&self, (id, there): Key, location: Option<&Location>) -> Option<Note> {
        let key = self.place.as_ref()?.numbered(&[id, there]).key;
        Some(Note { key, value: location.map(Location::encode) })
    }
}

/// The message at a place, if it is still there.
async fn read_at(account: &Account, location: &Location) -> Result<Option<Bytes>, ImapError> {
    let mailbox = match account.mailbox(location.mailbox).await {
        Ok(mailbox) if mailbox.record.uid_validity == location.uid_validity => mailbox,
        Ok(_) | Err(StoreError::NoMailbox) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(messages) = mailbox.messages() else { return Ok(None) };
    let Some((_, entry)) = messages.find(location.uid) else { return Ok(None) };
    if u64::from(entry.size) != location.bytes {
        return Ok(None);
    }
    let body = account.body(entry.blob).await?;
    Ok(body.filter(|octets| BlobHash::of(octets) == location.hash).map(Bytes::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let location = Location {
            mailbox: MailboxId(3),
            uid_validity: UidValidity(4),
            uid: Uid(5),
            bytes: 6,
            hash: BlobHash::of(b"x"),
        };
        let value = location.encode();
        assert_eq!(Location::decode(&value), Some(location));
        for end in 0..value.len() {
            assert_eq!(Location::decode(&value[..end]), None);
        }
    }
}
