//! Some neighbouring messages of a mailbox: what versions of a snapshot share, and what is stored as one.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{
    digest::{SearchDigest, SortDigest},
    directory::Line,
    flags::FlagBits,
    identifier::Uid,
    sealed::SealedRows,
    snapshot::Entry,
    source::Source,
};

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

/// What the rows of a chunk are made of when first looked at.
#[derive(Debug)]
enum Stored {
    /// Nothing: they are there from the beginning, or since.
    Taken,
    /// Of what was read.
    Here(SealedRows),
    /// Of what is read then.
    There(Arc<Source>),
}

/// Some neighbouring messages, ascending by UID; never none.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) form: Form,
    length: usize,
    first: Uid,
    last: Uid,
    rows: OnceLock<Vec<Entry>>,
    stored: Mutex<Stored>,
    /// The flags that all rows have.
    common: OnceLock<FlagBits>,
    /// What was computed of these very messages; kept for as long as they are together.
    pub(crate) sort_digest: OnceLock<Arc<SortDigest>>,
    pub(crate) search_digest: OnceLock<Arc<SearchDigest>>,
}

impl Clone for Chunk {
    /// Who wants a chunk of its own wants to change rows.
    fn clone(&self) -> Self {
        let (sort_digest, search_digest) = (self.sort_digest.clone(), self.search_digest.clone());
        Self { common: self.common.clone(), sort_digest, search_digest, ..Self::new(self.form, self.rows().to_vec()) }
    }
}

impl Chunk {
    pub(crate) fn new(form: Form, rows: Vec<Entry>) -> Self {
        let mut chunk = Self {
            form,
            length: 0,
            first: Uid(u32::MAX),
            last: Uid(0),
            rows: OnceLock::from(rows),
            stored: Mutex::new(Stored::Taken),
            common: OnceLock::new(),
            sort_digest: OnceLock::new(),
            search_digest: OnceLock::new(),
        };
        chunk.measure();
        chunk
    }

    /// A chunk as it was read: rows are made of it when first looked at.
    pub(crate) fn sealed(key: Uid, stored: SealedRows) -> Self {
        Self {
            form: Form::Sealed(key),
            length: stored.count,
            first: stored.first,
            last: stored.last,
            rows: OnceLock::new(),
            stored: Mutex::new(Stored::Here(stored)),
            common: OnceLock::new(),
            sort_digest: OnceLock::new(),
            search_digest: OnceLock::new(),
        }
    }

    /// A chunk that the directory tells of: it is read when its rows are first looked at.
    pub(crate) fn listed(line: &Line, source: Arc<Source>) -> Self {
        Self {
            form: Form::Sealed(line.key),
            length: line.count,
            first: line.first,
            last: line.last,
            rows: OnceLock::new(),
            stored: Mutex::new(Stored::There(source)),
            common: OnceLock::from(line.common),
            sort_digest: OnceLock::new(),
            search_digest: OnceLock::new(),
        }
    }

    fn measure(&mut self) {
        let rows = self.rows.get().map(Vec::as_slice).unwrap_or_default();
        self.length = rows.len();
        self.first = rows.first().map_or(Uid(u32::MAX), |row| row.uid);
        self.last = rows.last().map_or(Uid(0), |row| row.uid);
    }

    pub(crate) fn rows(&self) -> &[Entry] {
        self.rows.get_or_init(|| {
            let stored = std::mem::replace(&mut *self.stored(), Stored::Taken);
            let stored = match (stored, self.form) {
                (Stored::Here(stored), _) => Some(stored),
                (Stored::There(source), Form::Sealed(key)) => source.read(key, |stored| self.is_of(stored)),
                _ => None,
            };
            stored.map(|stored| stored.decode()).unwrap_or_default()
        })
    }

    /// Whether these are its rows.
    fn is_of(&self, stored: &SealedRows) -> bool {
        (stored.count, stored.first, stored.last) == (self.length, self.first, self.last)
    }

    /// Whether its rows are still to be read.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.rows.get().is_none() && matches!(*self.stored(), Stored::There(_))
    }

    /// Takes what was read for it, if that is still to be read. Answers whether it fits.
    pub(crate) fn put_in(&self, read: SealedRows) -> bool {
        if !self.is_elsewhere() {
            return true;
        }
        let fits = self.is_of(&read);
        if fits {
            *self.stored() = Stored::Here(read);
        }
        fits
    }

    /// The rows, to be changed; what was made of them is forgotten.
    fn rows_mut(&mut self) -> Option<&mut Vec<Entry>> {
        self.rows();
        self.common = OnceLock::new();
        self.rows.get_mut()
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn first_uid(&self) -> u32 {
        self.first.0
    }

    pub(crate) fn last_uid(&self) -> Uid {
        self.last
    }

    /// Whether it has the very messages of the other.
    pub(crate) fn has_messages_of(&self, other: &Self) -> bool {
        let ends = |chunk: &Self| (chunk.length, chunk.first, chunk.last);
        ends(self) == ends(other) && self.rows().iter().zip(other.rows()).all(|(a, b)| a.uid == b.uid)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.form == Form::Open
    }

    /// The flags that all rows have.
    pub(crate) fn common_flags(&self) -> FlagBits {
        let all = FlagBits::from_words([u64::MAX; 2]);
        *self.common.get_or_init(|| {
            // Nobody needs rows for this.
            if let (None, Stored::Here(stored)) = (self.rows.get(), &*self.stored()) {
                return stored.common_flags();
            }
            self.rows().iter().fold(all, |common, row| common.intersection(row.flags))
        })
    }

    /// Adds messages behind those that are here.
    pub(crate) fn extend(&mut self, added: impl IntoIterator<Item = Entry>) {
        if let Some(rows) = self.rows_mut() {
            rows.extend(added);
        }
        self.sort_digest = OnceLock::new();
        self.search_digest = OnceLock::new();
        self.measure();
    }

    /// Replaces rows by their positions; each is still the same message, so only its flags may differ.
    pub(crate) fn replace_at(&mut self, changed: impl IntoIterator<Item = (usize, Entry)>) {
        let Some(rows) = self.rows_mut() else { return };
        for (position, row) in changed {
            if let Some(slot) = rows.get_mut(position) {
                *slot = row;
            }
        }
    }

    /// Replaces the row of the same message; it is still the same message, so only its flags may differ.
    pub(crate) fn replace(&mut self, row: Entry) {
        let Some(rows) = self.rows_mut() else { return };
        if let Ok(position) = rows.binary_search_by_key(&row.uid, |row| row.uid)
            && let Some(slot) = rows.get_mut(position)
        {
            *slot = row;
        }
    }
}
