//! The format of a segment file: a header, then [frames](crate::frame) end to end, then whatever.
//!
//! | bytes | header |
//! |---|---|
//! | 8 | `postseg\n` |
//! | 4 | version |
//! | 8 | the segment's number |
//! | 8 | the number of its first frame |
//! | 8 | salt of the checksums of its frames |
//! | 4 | CRC-32C of these |
//!
//! Behind the last frame come zeros laid out ahead, or what was left of a write that failed. The number of the first
//! frame tells where the segment before ends: frames there with this number or a higher one were written, but never
//! acknowledged.

use std::{
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    os::unix::fs::FileExt as _,
};

use crate::{checksum, layout::Fields};

const MAGIC: &[u8; 8] = b"postseg\n";
const VERSION: u64 = 2;

/// The length of the file header.
pub(crate) const HEADER_BYTES: u64 = 8 + 4 + 8 + 8 + 8 + 4;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Its number.
    pub number: u64,
    /// The number of its first frame.
    pub first_sequence: u64,
    /// Goes into the checksums of its frames.
    pub salt: u64,
}

impl SegmentHeader {
    /// The header of a new segment.
    pub fn new(number: u64, first_sequence: u64) -> Self {
        // The keys of the standard library's hash maps come from the system's source of randomness.
        Self { number, first_sequence, salt: RandomState::new().build_hasher().finish() }
    }

    /// The header as it is written.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&u32::try_from(VERSION).unwrap_or_default().to_be_bytes());
        for number in [self.number, self.first_sequence, self.salt] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&checksum::of(&bytes).to_be_bytes());
        bytes
    }

    /// The header of a file, if it has one.
    pub fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_BYTES as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (summed, _) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields(bytes);
        if fields.bytes(MAGIC.len())? != MAGIC || fields.number::<4>()? != VERSION {
            return None;
        }
        let header =
            Self { number: fields.number::<8>()?, first_sequence: fields.number::<8>()?, salt: fields.number::<8>()? };
        (fields.number::<4>()? == u64::from(checksum::of(summed))).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_noticed() {
        let header = SegmentHeader::new(7, 9);
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(SegmentHeader::parse(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::parse(&flipped), None, "bit {bit}");
        }
        assert_ne!(SegmentHeader::new(7, 9).salt, header.salt);
    }
}
