//! How records, bodies and segment accounts lie in LMDB.
//!
//! LMDB's pages carry no checksums, so every value ends with a CRC-32C of its key and its bytes: a value that was
//! damaged, or turned up under another key, is noticed when it is read. All numbers are big-endian.
//!
//! | database | key | value |
//! |---|---|---|
//! | `records` | the record's key | value, CRC |
//! | `bodies` | the body's key | `0`, content, CRC; or `1`, segment, offset, length, content's CRC, CRC |
//! | `segments` | segment | end, live bytes, live bodies, CRC |
//! | `meta` | `format` | a number, CRC |
//! | `meta` | `applied` | segment, end and number of the last frame that is in LMDB, CRC |
//!
//! A body's content has one checksum, of key and content, wherever it lies; only a read of the whole can check it.

use postrider_engine::{EngineError, KEY_BYTES_MAX};

use crate::{
    checksum::{self, Checksum},
    run::Position,
    segment_file::HEADER_BYTES,
};

/// The version of the store's layout, counted up with every change that an older program would misread.
pub(crate) const FORMAT: u64 = 2;

const CHECKSUM_BYTES: usize = 4;
const TAG_INLINE: u8 = 0;
const TAG_SEGMENT: u8 = 1;
/// The length of a stored [`Location`]: tag, segment, offset, length, and two checksums.
const LOCATION_BYTES: usize = 1 + 8 + 8 + 8 + 4 + CHECKSUM_BYTES;

/// Where a body lies in a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's number.
    pub segment: u64,
    /// Where the content begins in the file, in bytes.
    pub offset: u64,
    /// The content's length, in bytes.
    pub length: u64,
    /// The checksum of key and content.
    pub checksum: u32,
}

/// A body as LMDB has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoredBody<'a> {
    /// The content, not checked yet.
    Inline(&'a [u8]),
    /// Where the content lies; this much is checked.
    Segment(Location),
}

/// What is known of a segment file without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SegmentAccount {
    /// The end of the last frame that has been applied.
    pub end: u64,
    /// Bytes of bodies that a key names. All others are dead: bodies that were deleted, and whatever else frames hold.
    pub live_bytes: u64,
    /// Bodies that a key names.
    pub live_bodies: u64,
}

/// The checksum of a key and what is stored under it.
pub(crate) fn checksum(key: &[u8], value: &[u8]) -> u32 {
    // One piece is summed quicker than two: small ones are put together first.
    let mut joined = [0; JOINED_BYTES];
    let length = key.len() + value.len();
    if let Some(all) = joined.get_mut(..length) {
        let (front, back) = all.split_at_mut(key.len());
        front.copy_from_slice(key);
        back.copy_from_slice(value);
        return checksum::of(all);
    }
    Checksum::new().and(key).and(value).finish()
}

/// Keys and values up to this many bytes together are put together to be summed.
const JOINED_BYTES: usize = 256;

/// Refuses a key outside the bounds of every engine.
pub(crate) fn check_key(key: &[u8]) -> Result<(), EngineError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX { Err(EngineError::KeyLength(key.len())) } else { Ok(()) }
}

/// The error for a value that fails its checksum or structure.
pub(crate) fn damaged(what: &str, key: &[u8]) -> EngineError {
    EngineError::Damaged(format!("the {what} \"{}\" does not match its checksum", key.escape_ascii()))
}

/// Puts `value` and its checksum into `stored`, whatever that held.
pub(crate) fn seal(key: &[u8], value: &[u8], stored: &mut Vec<u8>) {
    stored.clear();
    stored.extend_from_slice(value);
    stored.extend_from_slice(&checksum(key, value).to_be_bytes());
}

/// The value without its checksum, if that is right.
pub(crate) fn unseal<'a>(what: &str, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], EngineError> {
    match stored.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((value, sum)) if u32::from_be_bytes(*sum) == checksum(key, value) => Ok(value),
        _ => Err(damaged(what, key)),
    }
}

/// Puts an inline body into `stored`.
pub(crate) fn seal_inline_body(key: &[u8], content: &[u8], stored: &mut Vec<u8>) {
    stored.clear();
    stored.push(TAG_INLINE);
    stored.extend_from_slice(content);
    stored.extend_from_slice(&checksum(key, content).to_be_bytes());
}

impl Location {
    /// Puts the location into `stored`.
    pub fn seal(&self, key: &[u8], stored: &mut Vec<u8>) {
        stored.clear();
        stored.push(TAG_SEGMENT);
        stored.extend_from_slice(&self.segment.to_be_bytes());
        stored.extend_from_slice(&self.offset.to_be_bytes());
        stored.extend_from_slice(&self.length.to_be_bytes());
        stored.extend_from_slice(&self.checksum.to_be_bytes());
        stored.extend_from_slice(&checksum(key, stored).to_be_bytes());
    }

    fn unseal(key: &[u8], stored: &[u8]) -> Result<Self, EngineError> {
        let mut fields = Fields(unseal("location of the body", key, stored)?);
        let location = (|| {
            fields.number::<1>()?;
            Some(Self {
                segment: fields.number::<8>()?,
                offset: fields.number::<8>()?,
                length: fields.number::<8>()?,
                checksum: u32::try_from(fields.number::<4>()?).ok()?,
            })
        })();
        location.ok_or_else(|| damaged("location of the body", key))
    }
}

impl<'a> StoredBody<'a> {
    /// Tells where a body is.
    pub fn parse(key: &[u8], stored: &'a [u8]) -> Result<Self, EngineError> {
        match stored.split_first() {
            Some((&TAG_INLINE, rest)) => match rest.split_last_chunk::<CHECKSUM_BYTES>() {
                Some((content, _)) => Ok(Self::Inline(content)),
                None => Err(damaged("body", key)),
            },
            Some((&TAG_SEGMENT, _)) => Location::unseal(key, stored).map(Self::Segment),
            _ => Err(damaged("body", key)),
        }
    }

    /// The length of the content, if possible without looking at `stored`: a long value lies on pages of its own, and
    /// a walk over many lengths should not fetch them.
    pub fn length(key: &[u8], stored: &'a [u8]) -> Result<u64, EngineError> {
        if stored.len() > LOCATION_BYTES {
            return Ok((stored.len() - 1 - CHECKSUM_BYTES) as u64);
        }
        Ok(match Self::parse(key, stored)? {
            Self::Inline(content) => content.len() as u64,
            Self::Segment(location) => location.length,
        })
    }
}

/// Whether an inline body matches its checksum.
pub(crate) fn check_inline_body(key: &[u8], stored: &[u8]) -> Result<(), EngineError> {
    let rest = stored.get(1..).unwrap_or_default();
    unseal("body", key, rest).map(drop)
}

impl SegmentAccount {
    /// Stands for an account that cannot be read, as if all were live, so that compaction lets the segment be.
    pub const DAMAGED: Self = Self { end: 0, live_bytes: u64::MAX, live_bodies: u64::MAX };

    /// Bytes that compaction could win back.
    pub fn dead_bytes(&self) -> u64 {
        self.end.saturating_sub(HEADER_BYTES).saturating_sub(self.live_bytes)
    }

    /// Puts the account into `stored`.
    pub fn seal(&self, segment: u64, stored: &mut Vec<u8>) {
        let mut value = [0; 24];
        let (end, live) = value.split_at_mut(8);
        let (bytes, bodies) = live.split_at_mut(8);
        end.copy_from_slice(&self.end.to_be_bytes());
        bytes.copy_from_slice(&self.live_bytes.to_be_bytes());
        bodies.copy_from_slice(&self.live_bodies.to_be_bytes());
        seal(&segment.to_be_bytes(), &value, stored);
    }

    /// Reads an account.
    pub fn unseal(segment: u64, stored: &[u8]) -> Result<Self, EngineError> {
        let key = segment.to_be_bytes();
        let mut fields = Fields(unseal("account of segment", &key, stored)?);
        let account = (|| {
            Some(Self {
                end: fields.number::<8>()?,
                live_bytes: fields.number::<8>()?,
                live_bodies: fields.number::<8>()?,
            })
        })();
        account.ok_or_else(|| damaged("account of segment", &key))
    }
}

impl Position {
    /// Puts the position into `stored`.
    pub fn seal(&self, key: &[u8], stored: &mut Vec<u8>) {
        let value = [self.segment, self.end, self.sequence].map(u64::to_be_bytes).concat();
        seal(key, &value, stored);
    }

    /// Reads a position.
    pub fn unseal(key: &[u8], stored: &[u8]) -> Result<Self, EngineError> {
        let mut fields = Fields(unseal("setting", key, stored)?);
        let position = (|| {
            Some(Self { segment: fields.number::<8>()?, end: fields.number::<8>()?, sequence: fields.number::<8>()? })
        })();
        position.ok_or_else(|| damaged("setting", key))
    }
}

/// Fixed fields, taken from the front.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next number of `N` bytes, at most eight.
    pub fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.bytes(N)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_and_any_flipped_bit_is_noticed() {
        let location = Location { segment: 1, offset: 2, length: 3, checksum: 4 };
        let account = SegmentAccount { end: 5, live_bytes: 6, live_bodies: 7 };
        let mut stored = Vec::new();
        seal(b"k", b"value", &mut stored);
        assert_eq!(unseal("record", b"k", &stored).unwrap(), b"value");
        assert!(unseal("record", b"other", &stored).is_err());
        account.seal(9, &mut stored);
        assert_eq!(SegmentAccount::unseal(9, &stored).unwrap(), account);
        assert!(SegmentAccount::unseal(8, &stored).is_err());
        location.seal(b"k", &mut stored);
        assert_eq!(stored.len(), LOCATION_BYTES);
        assert_eq!(StoredBody::parse(b"k", &stored).unwrap(), StoredBody::Segment(location));
        assert_eq!(StoredBody::length(b"k", &stored).unwrap(), 3);
        for bit in 8..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(StoredBody::parse(b"k", &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_inline_body_of_a_locations_length_is_no_location() {
        let content = [1; LOCATION_BYTES - 1 - CHECKSUM_BYTES];
        let mut stored = Vec::new();
        seal_inline_body(b"k", &content, &mut stored);
        assert_eq!(stored.len(), LOCATION_BYTES);
        assert_eq!(StoredBody::parse(b"k", &stored).unwrap(), StoredBody::Inline(&content));
        assert!(check_inline_body(b"k", &stored).is_ok());
        for stored in [&b""[..], &[TAG_INLINE, 0, 0, 0], &[TAG_SEGMENT], &[7, 0, 0, 0, 0, 0]] {
            assert!(StoredBody::parse(b"k", stored).is_err());
            assert!(check_inline_body(b"k", stored).is_err() || stored.len() == 6);
        }
    }
}
