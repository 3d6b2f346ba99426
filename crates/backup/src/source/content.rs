//! What is in a file, read when the library asks for it.

use std::{
    io::{self, Read},
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
};

use postrider_store::{AccountId, BlobHash, BlobId, Uid};
use rustic_core::{ReadSourceOpen, RusticResult};

use super::Shared;
use crate::{
    error::{BackupError, Place},
    manifest::{self, Head, NoteLine},
};

/// How much of a message is in memory at a time, in bytes, on each thread that reads.
const PIECE_BYTES: u64 = 1 << 20;

/// What is in a file.
pub(crate) enum Content {
    /// It was made here.
    Bytes(Vec<u8>),
    /// A message.
    Body(Body),
    /// An account's notes.
    Notes(Notes),
}

impl ReadSourceOpen for Content {
    type Reader = Reader;

    fn open(self) -> RusticResult<Reader> {
        Ok(match self {
            Self::Bytes(bytes) => Reader::Bytes(io::Cursor::new(bytes)),
            Self::Body(body) => {
                body.shared.counters.bodies_read.fetch_add(1, Ordering::Relaxed);
                let (piece, hasher) = (io::Cursor::default(), blake3::Hasher::new());
                Reader::Body(Box::new(BodyReader { body, offset: 0, piece, hasher }))
            }
            Self::Notes(notes) => {
                let piece = io::Cursor::new(notes_head());
                Reader::Notes(NotesReader { notes, last: None, given: piece.get_ref().len() as u64, piece })
            }
        })
    }
}

/// A message's bytes and what they should be.
pub(crate) struct Body {
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: AccountId,
    pub(crate) address: Arc<str>,
    pub(crate) mailbox: Arc<str>,
    pub(crate) uid: Uid,
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    pub(crate) hash: BlobHash,
}

impl Body {
    fn fail(&self, reason: String) -> io::Error {
        let place = Box::new(Place::message(&self.address, &self.mailbox, self.uid));
        self.shared.ledger.fail(BackupError::Source { place, reason: reason.clone() });
        io::Error::other(reason)
    }

    fn piece(&self, offset: u64) -> io::Result<Vec<u8>> {
        if self.shared.is_over() {
            return Err(io::Error::other("the run has ended"));
        }
        let length = (self.size - offset).min(PIECE_BYTES);
        let mut piece = None;
        let wanted = [(self.blob, offset, length)];
        let mut visit = |_: usize, bytes: Option<&[u8]>| {
            piece = bytes.map(<[u8]>::to_vec);
            ControlFlow::Continue(())
        };
        let read = self.shared.handle.block_on(self.shared.moment.pieces(self.account, &wanted, &mut visit));
        read.map_err(|error| self.fail(error.to_string()))?;
        let piece = piece.ok_or_else(|| self.fail(String::from("the message's content is not in the store")))?;
        match piece.len() as u64 == length {
            true => Ok(piece),
            false => Err(self.fail(format!("the message is shorter than the {} bytes it should have", self.size))),
        }
    }
}

/// Reads a file's content.
pub(crate) enum Reader {
    Bytes(io::Cursor<Vec<u8>>),
    /// Boxed, because the state of a hash is large.
    Body(Box<BodyReader>),
    Notes(NotesReader),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Notes(notes) => notes.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
            Self::Body(body) => body.read(buffer),
        }
    }
}

/// Reads a message and holds it against its name: what the store has lost is not saved as if it were whole.
pub(crate) struct BodyReader {
    body: Body,
    offset: u64,
    piece: io::Cursor<Vec<u8>>,
    hasher: blake3::Hasher,
}

impl BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        if self.offset == self.body.size {
            // A message without bytes is proven here; others were with their last piece.
            return self.prove().map(|()| 0);
        }
        let piece = self.body.piece(self.offset)?;
        self.hasher.update(&piece);
        self.offset += piece.len() as u64;
        self.body.shared.counters.bytes_read.fetch_add(piece.len() as u64, Ordering::Relaxed);
        // Who knows the size does not ask for the end: before the last bytes are handed out all of them are proven.
        if self.offset == self.body.size {
            self.prove()?;
        }
        self.piece = io::Cursor::new(piece);
        self.piece.read(buffer)
    }

    fn prove(&self) -> io::Result<()> {
        match *self.hasher.finalize().as_bytes() == self.body.hash.0 {
            true => Ok(()),
            false => Err(self.body.fail(String::from("the message is not what its BLAKE3 hash says"))),
        }
    }
}

/// An account's notes, and how long their file is.
pub(crate) struct Notes {
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: AccountId,
    pub(crate) address: Arc<str>,
    pub(crate) size: u64,
}

impl Notes {
    fn fail(&self, reason: &str) -> io::Error {
        let place = Box::new(Place::account(&self.address));
        self.shared.ledger.fail(BackupError::Source { place, reason: reason.to_owned() });
        io::Error::other(reason.to_owned())
    }
}

/// Reads the file of an account's notes, some at a time: there may be one for each message that a POP3 server ever had.
pub(crate) struct NotesReader {
    notes: Notes,
    /// The key of the last note in `piece`.
    last: Option<Vec<u8>>,
    /// Bytes of the file up to the end of `piece`.
    given: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl NotesReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let Notes { shared, account, size, .. } = &self.notes;
        let read = shared.handle.block_on(shared.moment.notes_after(*account, self.last.as_deref()));
        let notes = read.map_err(|error| self.notes.fail(&error.to_string()))?;
        let lines: Vec<u8> = notes.iter().flat_map(|(key, value)| note_line(key, value)).collect();
        self.given += lines.len() as u64;
        if self.given > *size || (notes.is_empty() && self.given < *size) {
            return Err(self.notes.fail("the account's notes are not as many as they were"));
        }
        self.last = notes.into_iter().next_back().map(|(key, _)| key).or(self.last.take());
        self.piece = io::Cursor::new(lines);
        self.piece.read(buffer)
    }
}

/// The size and hash of the file of an account's notes; nothing if it has none.
pub(crate) fn measure_notes(
    shared: &Shared,
    account: AccountId,
    address: &str,
) -> Result<Option<(u64, [u8; 32])>, BackupError> {
    let mut hasher = blake3::Hasher::new();
    let (mut size, mut count) = (0, 0_u64);
    let mut add = |bytes: &[u8]| {
        hasher.update(bytes);
        size += bytes.len() as u64;
    };
    add(&notes_head());
    let read = shared.moment.notes(account, |key, value| {
        count += 1;
        add(&note_line(key, value));
    });
    let read = shared.handle.block_on(read);
    read.map_err(|error| BackupError::Source { place: Box::new(Place::account(address)), reason: error.to_string() })?;
    Ok((count > 0).then(|| (size, *hasher.finalize().as_bytes())))
}

fn notes_head() -> Vec<u8> {
    json_line(&Head::new(manifest::NOTES_FORMAT))
}

fn note_line(key: &[u8], value: &[u8]) -> Vec<u8> {
    json_line(&NoteLine::new(key, value))
}

/// Texts and numbers always have their JSON; were it otherwise, the missing line would be noticed by whoever counts.
fn json_line<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut line = Vec::new();
    let _ = manifest::push_line(&mut line, value);
    line
}
