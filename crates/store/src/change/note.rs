//! Somebody notes something beside an account's mail.

use crate::{change::Change, draft::Draft, error::StoreError};

/// The longest key of a note, in bytes.
pub const NOTE_KEY_BYTES_MAX: usize = 400;

/// A record beside an account's mail, such as what was fetched from another server already. The store does not look into
/// it; it goes with the account. Written together with messages it is there if, and only if, they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name, of at most [`NOTE_KEY_BYTES_MAX`] bytes; who writes notes begins all names with a word of its own.
    pub key: Vec<u8>,
    /// What is noted; `None` removes the note.
    pub value: Option<Vec<u8>>,
}

pub(crate) struct WriteNotes {
    pub(crate) notes: Vec<Note>,
}

impl Change for WriteNotes {
    type Outcome = ();

    async fn apply(&self, draft: &mut Draft) -> Result<(), StoreError> {
        check(&self.notes)?;
        draft.write_notes(&self.notes);
        Ok(())
    }
}

/// Refuses a note that cannot be stored.
pub(crate) fn check(notes: &[Note]) -> Result<(), StoreError> {
    match notes.iter().any(|note| note.key.is_empty() || note.key.len() > NOTE_KEY_BYTES_MAX) {
        true => Err(StoreError::Limit("the name of a note is empty or too long")),
        false => Ok(()),
    }
}
