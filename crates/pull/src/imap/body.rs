//! What is kept of a message's octets as they come in.

use bytes::{Bytes, BytesMut};
use postrider_imap_proto::client::{Content, ContentName, Fetch};
use postrider_imap_proto::command::SectionText;
use postrider_store::BlobHash;

use super::recall::text_hash;

/// The most octets for which room is made before any of them has come, so that a false announcement costs nothing.
const ROOM_BYTES_MAX: u64 = 1024 * 1024;

/// What is to be kept of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All octets, of contents up to this size.
    Whole {
        /// The largest content that is kept, in octets.
        bytes_max: u64,
    },
    /// Size and hash only.
    Hash,
    /// Size, and the hash without carriage returns, which servers add where a line ends without.
    TextHash,
}

/// A content as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Its octets.
    Whole(Bytes),
    /// What identifies it.
    Hashed {
        /// Its hash.
        hash: BlobHash,
        /// Its size, in octets.
        bytes: u64,
    },
    /// It was larger than allowed, and dropped.
    TooLarge {
        /// Its size, in octets.
        bytes: u64,
    },
    /// The server has none (`NIL`).
    Nil,
}

/// Takes the pieces of one response's contents.
#[derive(Debug)]
pub(crate) struct Contents {
    keep: Keep,
    present: Option<Present>,
    done: Vec<Body>,
}

#[derive(Debug)]
enum Present {
    Whole(BytesMut),
    Hashing(Box<blake3::Hasher>, u64),
    HashingText(Box<blake3::Hasher>, u64),
    Dropped(u64),
}

impl Contents {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, present: None, done: Vec::new() }
    }

    pub(crate) fn begin(&mut self, length: u64) {
        self.present = Some(match self.keep {
            Keep::Whole { bytes_max } if length > bytes_max => Present::Dropped(length),
            Keep::Whole { .. } => {
                Present::Whole(BytesMut::with_capacity(usize::try_from(length.min(ROOM_BYTES_MAX)).unwrap_or(0)))
            }
            Keep::Hash => Present::Hashing(Box::default(), 0),
            Keep::TextHash => Present::HashingText(Box::default(), 0),
        });
    }

    /// `length` is what was announced: once that much really comes, room is made for all of it at once, so that a
    /// large message is not copied over and over.
    pub(crate) fn piece(&mut self, piece: &[u8], length: u64) {
        match &mut self.present {
            Some(Present::Whole(whole)) => {
                if whole.len() + piece.len() > whole.capacity() {
                    let rest = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(whole.len());
                    whole.reserve(rest.max(piece.len()));
                }
                whole.extend_from_slice(piece);
            }
            Some(Present::Hashing(hasher, bytes)) => {
                hasher.update(piece);
                *bytes += piece.len() as u64;
            }
            Some(Present::HashingText(hasher, bytes)) => {
                for part in piece.split(|&octet| octet == b'\r') {
                    hasher.update(part);
                }
                *bytes += piece.len() as u64;
            }
            Some(Present::Dropped(_)) | None => {}
        }
    }

    pub(crate) fn end(&mut self) {
        let Some(present) = self.present.take() else { return };
        self.done.push(match present {
            Present::Whole(whole) => Body::Whole(whole.freeze()),
            Present::Hashing(hasher, bytes) | Present::HashingText(hasher, bytes) => {
                Body::Hashed { hash: BlobHash(*hasher.finalize().as_bytes()), bytes }
            }
            Present::Dropped(bytes) => Body::TooLarge { bytes },
        });
    }

    /// The whole message in a FETCH response, wherever its octets went. `None` where the response has no message.
    pub(crate) fn message(self, fetch: &Fetch) -> Option<Body> {
        let mut streamed = self.done.into_iter();
        for (name, _, content) in fetch.contents() {
            let body = match content {
                Content::Streamed { .. } => streamed.next()?,
                Content::Inline(octets) => keep_inline(self.keep, octets),
                Content::Nil => Body::Nil,
            };
            let is_whole = match name {
                ContentName::Body(section) => section.part.is_empty() && section.text == SectionText::All,
                ContentName::Rfc822 => true,
                _ => false,
            };
            if is_whole {
                return Some(body);
            }
        }
        None
    }
}

fn keep_inline(keep: Keep, octets: &Bytes) -> Body {
    let bytes = octets.len() as u64;
    match keep {
        Keep::Whole { bytes_max } if bytes > bytes_max => Body::TooLarge { bytes },
        // A slice would keep the whole response alive, which is little more than the message.
        Keep::Whole { .. } => Body::Whole(octets.clone()),
        Keep::Hash => Body::Hashed { hash: BlobHash::of(octets), bytes },
        Keep::TextHash => Body::Hashed { hash: text_hash(octets), bytes },
    }
}
