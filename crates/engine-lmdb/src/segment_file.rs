//! The format of a segment file: a header, then entries end to end.
//!
//! | bytes | header | | bytes | entry |
//! |---|---|---|---|---|
//! | 8 | `postseg\n` | | 4 | `body` |
//! | 4 | version | | 2 | length of the key |
//! | 8 | the segment's number | | 8 | length of the content |
//! | 4 | CRC-32C of these | | 4 | CRC-32C of key and content |
//! | | | | | key |
//! | | | | 4 | CRC-32C of the entry so far |
//! | | | | | content |
//!
//! LMDB knows where each content lies, and reads go straight there. The entries' own heads are for compaction, which
//! walks a file from end to end instead of searching all bodies for those in it, and for rescue by hand.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use postrider_engine::KEY_BYTES_MAX;

use crate::layout::{Fields, Location};

const MAGIC: &[u8; 8] = b"postseg\n";
const VERSION: u32 = 1;
const ENTRY_MAGIC: &[u8; 4] = b"body";
const ENTRY_FIXED_BYTES: usize = 4 + 2 + 8 + 4;

/// The length of the file header.
pub(crate) const HEADER_BYTES: u64 = 24;

/// The header of a segment.
pub(crate) fn header(segment: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&segment.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

/// Whether the file begins with the header of this segment.
pub(crate) fn has_header(file: &File, segment: u64) -> io::Result<bool> {
    let expected = header(segment);
    let mut found = vec![0; expected.len()];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) => Ok(found == expected),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The length of what stands before the content of an entry.
fn entry_head_bytes(key: &[u8]) -> u64 {
    (ENTRY_FIXED_BYTES + key.len() + 4) as u64
}

/// The length of a whole entry.
pub(crate) fn entry_bytes(key: &[u8], content_length: u64) -> u64 {
    entry_head_bytes(key).saturating_add(content_length)
}

/// What stands before the content of an entry.
pub(crate) fn entry_head(key: &[u8], content_length: u64, checksum: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_FIXED_BYTES + key.len() + 4);
    bytes.extend_from_slice(ENTRY_MAGIC);
    // Keys are bounded by `KEY_BYTES_MAX`, far below.
    bytes.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(&content_length.to_be_bytes());
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

/// An entry found by walking.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The body's key.
    pub key: Vec<u8>,
    /// Where its content is.
    pub location: Location,
}

/// The entry at `position`, and where the next one begins; nothing if there is no sound entry that ends at or before
/// `end`.
pub(crate) fn entry_at(file: &File, segment: u64, position: u64, end: u64) -> io::Result<Option<(Entry, u64)>> {
    let mut buffer = [0; ENTRY_FIXED_BYTES + KEY_BYTES_MAX + 4];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let head = buffer.get(..filled).unwrap_or_default();
    Ok(parse_entry(head, segment, position).filter(|(_, next)| *next <= end))
}

fn parse_entry(head: &[u8], segment: u64, position: u64) -> Option<(Entry, u64)> {
    let mut fields = Fields(head);
    if fields.bytes(4)? != ENTRY_MAGIC {
        return None;
    }
    let key_length = usize::try_from(fields.number::<2>()?).ok()?;
    let length = fields.number::<8>()?;
    let checksum = u32::try_from(fields.number::<4>()?).ok()?;
    let key = fields.bytes(key_length)?.to_vec();
    let sum = fields.number::<4>()?;
    if sum != u64::from(crc32c::crc32c(head.get(..ENTRY_FIXED_BYTES + key_length)?)) {
        return None;
    }
    let offset = position.checked_add(entry_head_bytes(&key))?;
    let next = offset.checked_add(length)?;
    Some((Entry { key, location: Location { segment, offset, length, checksum } }, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_walked_from_end_to_end_and_damage_stops_the_walk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let mut bytes = header(7);
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        for (key, content) in [(&b"a"[..], &b"first"[..]), (&[0xff; KEY_BYTES_MAX], b""), (b"c", b"third")] {
            bytes.extend_from_slice(&entry_head(key, content.len() as u64, 1));
            bytes.extend_from_slice(content);
        }
        std::fs::write(&path, &bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        assert!(has_header(&file, 7).unwrap());
        assert!(!has_header(&file, 8).unwrap());
        let walk = |end: u64| {
            let (mut position, mut lengths) = (HEADER_BYTES, Vec::new());
            while let Some((entry, next)) = entry_at(&file, 7, position, end).unwrap() {
                assert_eq!(next, position + entry_bytes(&entry.key, entry.location.length));
                lengths.push(entry.location.length);
                position = next;
            }
            lengths
        };
        let end = bytes.len() as u64;
        assert_eq!(walk(end), [5, 0, 5]);
        assert_eq!(walk(end - 1), [5, 0], "an entry past the end is not there");
        file.write_all_at(b"x", HEADER_BYTES + 10).unwrap();
        assert_eq!(walk(end), [0_u64; 0]);
    }
}
