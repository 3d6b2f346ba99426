//! Some neighbouring messages of a mailbox: what versions of a snapshot share, and what is stored as one.

use std::sync::{Arc, OnceLock};

use crate::{digest::Digest, flags::FlagBits, identifier::Uid, snapshot::Entry};

/// Rows in a full chunk. A single flag change copies one chunk, so it must be small; the list of chunks is
/// copied too, so it must not be tiny.
pub(crate) const CHUNK_ROWS: usize = 256;

/// How the rows of a chunk are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each row by itself: the youngest messages, whose number still grows.
    Open,
    /// As columns, under the UID that the chunk's first message had when it was sealed.
    Sealed(Uid),
}

/// Some neighbouring messages, ascending by UID; never none.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) form: Form,
    rows: Vec<Entry>,
    /// The flags that all rows have.
    common: OnceLock<FlagBits>,
    digest: OnceLock<Arc<Digest>>,
}

impl Chunk {
    pub(crate) fn new(form: Form, rows: Vec<Entry>) -> Self {
        Self { form, rows, common: OnceLock::new(), digest: OnceLock::new() }
    }

    pub(crate) fn rows(&self) -> &[Entry] {
        &self.rows
    }

    pub(crate) fn first_uid(&self) -> u32 {
        self.rows.first().map_or(u32::MAX, |row| row.uid.0)
    }

    pub(crate) fn last_uid(&self) -> Uid {
        self.rows.last().map_or(Uid(0), |row| row.uid)
    }

    /// Whether it has the very messages of the other.
    pub(crate) fn has_messages_of(&self, other: &Self) -> bool {
        self.rows.len() == other.rows.len() && self.rows.iter().zip(&other.rows).all(|(a, b)| a.uid == b.uid)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.form == Form::Open
    }

    /// The flags that all rows have.
    pub(crate) fn common_flags(&self) -> FlagBits {
        let all = FlagBits::from_words([u64::MAX; 2]);
        *self.common.get_or_init(|| self.rows.iter().fold(all, |common, row| common.intersection(row.flags)))
    }

    /// What was computed of these very messages, if it was and is kept.
    pub(crate) fn digest(&self) -> Option<&Arc<Digest>> {
        self.digest.get()
    }

    /// Keeps what was computed of these messages for as long as they are together.
    pub(crate) fn keep_digest(&self, digest: Arc<Digest>) {
        let _ = self.digest.set(digest);
    }

    /// Adds messages behind those that are here.
    pub(crate) fn extend(&mut self, rows: impl IntoIterator<Item = Entry>) {
        self.rows.extend(rows);
        self.common = OnceLock::new();
        self.digest = OnceLock::new();
    }

    /// Replaces rows by their positions; each is still the same message, so only its flags may differ.
    pub(crate) fn replace_at(&mut self, rows: impl IntoIterator<Item = (usize, Entry)>) {
        for (position, row) in rows {
            if let Some(slot) = self.rows.get_mut(position) {
                *slot = row;
            }
        }
        self.common = OnceLock::new();
    }

    /// Replaces the row of the same message; it is still the same message, so only its flags may differ.
    pub(crate) fn replace(&mut self, row: Entry) {
        if let Ok(position) = self.rows.binary_search_by_key(&row.uid, |row| row.uid)
            && let Some(slot) = self.rows.get_mut(position)
        {
            *slot = row;
            self.common = OnceLock::new();
        }
    }
}
