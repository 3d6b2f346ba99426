//! What was fetched before: a note for each message, kept beside the account's mail.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postrider_store::{Account, BlobHash, Note};

use super::maildrop::Listed;
use crate::{error::PullError, remote::Remote};

/// Unique ids longer than this are noted by their hash, in bytes.
const UNIQUE_ID_BYTES_MAX: usize = 200;
/// Notes that are written at once.
const NOTES_AT_ONCE: usize = 1000;
/// The first byte of a note of a message that came whole. It is followed by those of doubtful ones.
const VERSION: u8 = 1;
/// How a size that was not told is noted.
const NOT_TOLD: u64 = u64::MAX;
/// The length of a note.
const NOTE_BYTES: usize = 1 + 32 + 8 + 8 + 8 + 8;

/// What is remembered of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The hash of its bytes.
    pub(super) hash: BlobHash,
    /// How many bytes it has.
    pub(super) size: u64,
    /// The size that the server told when it was fetched.
    pub(super) listed: Option<u64>,
    /// When it was fetched first, seconds since 1970 (UTC).
    pub(super) first_seen: i64,
    /// When it was first found to be gone there; 0 if it is there.
    pub(super) gone_since: i64,
    /// Whether it came whole.
    pub(super) doubt: Doubt,
}

/// Whether what came is surely the whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doubt {
    /// It is, as far as can be told.
    #[default]
    None,
    /// It may be cut off: a later session asks again.
    Fresh,
    /// It may be, but a later session brought the same.
    Confirmed,
}

/// The name of a message in the memory: by unique id, or by content and count.
pub(super) type Key = Vec<u8>;

/// All that was fetched from one mailbox.
#[derive(Debug)]
pub(super) struct Memory {
    prefix: Vec<u8>,
    entries: BTreeMap<Key, Remembered>,
    /// Entries that no listed message has claimed, by their content.
    unclaimed: HashMap<BlobHash, BTreeSet<Key>>,
}

/// The key of a message with a unique id.
pub(super) fn key_of_unique_id(id: &[u8]) -> Key {
    match id.len() {
        0..=UNIQUE_ID_BYTES_MAX => [b"u", id].concat(),
        _ => [b"l".as_slice(), blake3::hash(id).as_bytes()].concat(),
    }
}

/// The key of a message without one: its content, and how many of the same came before it.
pub(super) fn key_of_content(hash: BlobHash, before: u32) -> Key {
    [b"c".as_slice(), &hash.0, &before.to_be_bytes()].concat()
}

impl Remembered {
    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(NOTE_BYTES);
        value.push(VERSION + self.doubt as u8);
        value.extend_from_slice(&self.hash.0);
        for number in [self.size, self.listed.unwrap_or(NOT_TOLD)] {
            value.extend_from_slice(&number.to_be_bytes());
        }
        for moment in [self.first_seen, self.gone_since] {
            value.extend_from_slice(&moment.to_be_bytes());
        }
        value
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (version, rest) = value.split_first()?;
        let doubt = [Doubt::None, Doubt::Fresh, Doubt::Confirmed]
            .into_iter()
            .find(|doubt| VERSION + *doubt as u8 == *version)?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let &[size, listed, first_seen, gone_since] = numbers else { return None };
        let listed = Some(u64::from_be_bytes(listed)).filter(|listed| *listed != NOT_TOLD);
        let (first_seen, gone_since) = (i64::from_be_bytes(first_seen), i64::from_be_bytes(gone_since));
        Some(Self { hash: BlobHash(*hash), size: u64::from_be_bytes(size), listed, first_seen, gone_since, doubt })
    }
}

impl Memory {
    /// Reads what was noted; `listed` is what is there now.
    pub(super) async fn of(account: &Account, remote: &Remote, listed: &[Listed]) -> Result<Self, PullError> {
        let prefix = format!("pull/pop3/{}/", remote.memory_name()).into_bytes();
        let (mut entries, mut is_readable) = (BTreeMap::new(), true);
        account
            .notes(&prefix, |key, value| match (key.strip_prefix(prefix.as_slice()), Remembered::decode(value)) {
                (Some(key), Some(remembered)) => {
                    entries.insert(key.to_vec(), remembered);
                }
                _ => is_readable = false,
            })
            .await?;
        if !is_readable {
            return Err(PullError::Memory);
        }
        let claimed: BTreeSet<Key> =
            listed.iter().filter_map(|message| message.unique_id.as_deref()).map(key_of_unique_id).collect();
        let mut unclaimed: HashMap<BlobHash, BTreeSet<Key>> = HashMap::new();
        for (key, remembered) in entries.iter().filter(|(key, _)| !claimed.contains(*key)) {
            unclaimed.entry(remembered.hash).or_default().insert(key.clone());
        }
        Ok(Self { prefix, entries, unclaimed })
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Remembered> {
        self.entries.get(key)
    }

    /// An entry with this content that belongs to no message listed now.
    pub(super) fn unclaimed(&self, hash: BlobHash) -> Option<Key> {
        self.unclaimed.get(&hash)?.first().cloned()
    }

    /// Takes over what is, or is being, noted of a message that is there.
    pub(super) fn claim(&mut self, key: Key, remembered: Remembered) {
        self.forget_unclaimed(&key, remembered.hash);
        self.entries.insert(key, remembered);
    }

    /// Lets go of an entry whose message has another key now.
    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(remembered) = self.entries.remove(key) {
            self.forget_unclaimed(key, remembered.hash);
        }
    }

    fn forget_unclaimed(&mut self, key: &Key, hash: BlobHash) {
        if let Some(keys) = self.unclaimed.get_mut(&hash) {
            keys.remove(key);
        }
    }

    /// The note that says it, or takes it back.
    pub(super) fn note(&self, key: &Key, remembered: Option<&Remembered>) -> Note {
        let key = [self.prefix.as_slice(), key].concat();
        Note { key, value: remembered.map(Remembered::encode) }
    }

    /// Notes which messages are gone there since now, and forgets those that are for long. To be called when all messages that
    /// are there have been claimed.
    pub(super) async fn note_the_gone(
        &mut self,
        account: &Account,
        now: i64,
        seconds_max: i64,
    ) -> Result<(), PullError> {
        let unclaimed: BTreeSet<Key> = self.unclaimed.values().flatten().cloned().collect();
        let mut notes = Vec::new();
        for (key, remembered) in &self.entries {
            let since = remembered.gone_since;
            let changed = match unclaimed.contains(key) {
                true if since == 0 => Some(Some(Remembered { gone_since: now, ..*remembered })),
                true if since.saturating_add(seconds_max) < now => Some(None),
                false if since != 0 => Some(Some(Remembered { gone_since: 0, ..*remembered })),
                _ => None,
            };
            if let Some(value) = changed {
                notes.push(self.note(key, value.as_ref()));
            }
        }
        for notes in notes.chunks(NOTES_AT_ONCE) {
            account.write_notes(notes.to_vec()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn notes_are_read_as_they_were_written(
            hash in any::<[u8; 32]>(), size in any::<u64>(), listed in prop::option::of(0..u64::MAX),
            first_seen in any::<i64>(), gone_since in any::<i64>(),
            doubt in prop::sample::select(vec![Doubt::None, Doubt::Fresh, Doubt::Confirmed]),
        ) {
            let remembered = Remembered { hash: BlobHash(hash), size, listed, first_seen, gone_since, doubt };
            prop_assert_eq!(Remembered::decode(&remembered.encode()), Some(remembered));
        }

        #[test]
        fn any_note_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Remembered::decode(&value);
        }
    }

    #[test]
    fn keys_are_short_and_do_not_meet() {
        let hash = BlobHash([7; 32]);
        let long = vec![b'x'; 5000];
        let keys = [
            key_of_unique_id(b"1"),
            key_of_unique_id(&long),
            key_of_unique_id(&long[..4999]),
            key_of_content(hash, 0),
            key_of_content(hash, 1),
        ];
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|key| key.len() <= 250));
    }
}
