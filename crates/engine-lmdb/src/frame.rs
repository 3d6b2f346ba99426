//! The format of a frame: one group of batches, as it lies in a segment file.
//!
//! | bytes | head | | bytes | operation |
//! |---|---|---|---|---|
//! | 4 | `pfrm` | | 1 | what is done |
//! | 8 | the segment's number | | 2 | length of the key |
//! | 8 | the frame's number | | n | key |
//! | 8 | length of the operations | | 8 | length of the value |
//! | 8 | length of the bodies | | n | value, or for a body in the frame 4 bytes of checksum |
//! | 4 | CRC-32C of the segment's salt, the head so far, and the operations | | | |
//!
//! A range has no key but two values: its start; and a byte that tells whether there is an end, followed by the end.
//! After the operations come the contents of the bodies in the order of their operations. They are covered by the
//! checksums in their operations and so by no other: each byte is summed once. A frame counts only if all of these
//! sums are right.
//!
//! The salt is chosen at random for each segment. Without it a mail could carry bytes that look like a frame, and what
//! a file held in an earlier life might, too.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use bytes::Bytes;
use postrider_engine::KeyRange;

use crate::{
    checksum::Checksum,
    layout::{self, Fields},
    segment_file::SegmentHeader,
};

const MAGIC: &[u8; 4] = b"pfrm";
/// The length of a frame's head.
pub(crate) const HEAD_BYTES: usize = 4 + 8 + 8 + 8 + 8 + 4;
/// The part of the head that its checksum covers.
const SUMMED_BYTES: usize = HEAD_BYTES - 4;
/// Bytes of a body that are read at one time when a frame is checked.
const READ_BYTES: u64 = 1 << 20;

const PUT_RECORD: u8 = 1;
const DELETE_RECORD: u8 = 2;
const CLEAR_RECORDS: u8 = 3;
const PUT_INLINE_BODY: u8 = 4;
const PUT_BODY: u8 = 5;
const DELETE_BODY: u8 = 6;
const CLEAR_BODIES: u8 = 7;

/// One change. Nothing in it depends on the state it meets: expectations have been checked, and a body is in it only
/// if it was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Sets a record.
    PutRecord(&'a [u8], &'a [u8]),
    /// Removes a record.
    DeleteRecord(&'a [u8]),
    /// Removes a range of records.
    ClearRecords(KeyRange),
    /// Sets a body that is kept in LMDB.
    PutInlineBody(&'a [u8], &'a [u8]),
    /// Sets a body whose content is in the frame.
    PutBody(&'a [u8], FrameBody),
    /// Removes a body.
    DeleteBody(&'a [u8]),
    /// Removes a range of bodies.
    ClearBodies(KeyRange),
}

/// A body in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameBody {
    /// Where its content begins, counted from the first body's content.
    pub offset: u64,
    /// The content's length.
    pub length: u64,
    /// The checksum of key and content.
    pub checksum: u32,
}

/// A frame under construction.
#[derive(Debug)]
pub(crate) struct FrameBuilder {
    /// Head and operations.
    bytes: Vec<u8>,
    contents: Vec<Bytes>,
    contents_length: u64,
}

impl FrameBuilder {
    /// An empty frame.
    pub fn new() -> Self {
        Self { bytes: vec![0; HEAD_BYTES], contents: Vec::new(), contents_length: 0 }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEAD_BYTES
    }

    /// The length of the whole frame.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64 + self.contents_length
    }

    /// The length of head and operations, after which the contents of bodies begin.
    pub fn contents_offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a change other than that of a body with its content in the frame.
    pub fn push(&mut self, operation: &Operation<'_>) {
        match operation {
            Operation::PutRecord(key, value) => self.write(PUT_RECORD, key, value),
            Operation::DeleteRecord(key) => self.write(DELETE_RECORD, key, &[]),
            Operation::ClearRecords(range) => self.write_range(CLEAR_RECORDS, range),
            Operation::PutInlineBody(key, content) => self.write(PUT_INLINE_BODY, key, content),
            Operation::PutBody(key, body) => {
                self.head(PUT_BODY, key, body.length);
                self.bytes.extend_from_slice(&body.checksum.to_be_bytes());
            }
            Operation::DeleteBody(key) => self.write(DELETE_BODY, key, &[]),
            Operation::ClearBodies(range) => self.write_range(CLEAR_BODIES, range),
        }
    }

    /// Adds a body with its content.
    pub fn push_body(&mut self, key: &[u8], content: &Bytes) -> FrameBody {
        let length = content.len() as u64;
        let body = FrameBody { offset: self.contents_length, length, checksum: layout::checksum(key, content) };
        self.push(&Operation::PutBody(key, body));
        self.contents_length += length;
        self.contents.push(content.clone());
        body
    }

    fn write_range(&mut self, tag: u8, range: &KeyRange) {
        let end = range.end.as_deref();
        // The bounds of a range may be longer than any key, so both have long lengths.
        let mut value = vec![u8::from(end.is_some())];
        value.extend_from_slice(end.unwrap_or_default());
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&0_u16.to_be_bytes());
        let start = &range.start;
        self.bytes.extend_from_slice(&(start.len() as u64).to_be_bytes());
        self.bytes.extend_from_slice(start);
        self.bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        self.bytes.extend_from_slice(&value);
    }

    fn write(&mut self, tag: u8, key: &[u8], value: &[u8]) {
        self.head(tag, key, value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    fn head(&mut self, tag: u8, key: &[u8], length: u64) {
        self.bytes.push(tag);
        // Keys are bounded by `KEY_BYTES_MAX`, far below.
        self.bytes.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&length.to_be_bytes());
    }

    /// Completes the head. The pieces, written one after the other, are the frame.
    pub fn seal(&mut self, header: &SegmentHeader, sequence: u64) -> Vec<&[u8]> {
        let operations_length = (self.bytes.len() - HEAD_BYTES) as u64;
        let mut head = MAGIC.to_vec();
        for number in [header.number, sequence, operations_length, self.contents_length] {
            head.extend_from_slice(&number.to_be_bytes());
        }
        let operations = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        let sum = sum(header, &head, operations);
        head.extend_from_slice(&sum.to_be_bytes());
        if let Some(place) = self.bytes.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&head);
        }
        std::iter::once(self.bytes.as_slice()).chain(self.contents.iter().map(AsRef::as_ref)).collect()
    }
}

fn sum(header: &SegmentHeader, head: &[u8], operations: &[u8]) -> u32 {
    Checksum::new().and(&header.salt.to_be_bytes()).and(head).and(operations).finish()
}

/// A frame found in a file; the contents of its bodies are not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its number.
    pub sequence: u64,
    /// Where the contents of its bodies begin in the file.
    pub contents_offset: u64,
    /// Where the next frame begins.
    pub end: u64,
    operations: Vec<u8>,
}

impl Frame {
    /// The frame at `offset`, if there is a sound one that ends at or before `end`.
    pub fn read(file: &File, header: &SegmentHeader, offset: u64, end: u64) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD_BYTES];
        if !read_exact(file, &mut head, offset)? {
            return Ok(None);
        }
        let Some((sequence, operations_length, contents_length, expected)) = parse_head(&head, header.number) else {
            return Ok(None);
        };
        let operations_offset = offset + HEAD_BYTES as u64;
        let contents_offset = operations_offset.checked_add(operations_length);
        let frame_end = contents_offset.and_then(|start| start.checked_add(contents_length));
        let (Some(contents_offset), Some(frame_end)) = (contents_offset, frame_end.filter(|at| *at <= end)) else {
            return Ok(None);
        };
        // Bounded by the length of the file.
        let mut operations = vec![0; usize::try_from(operations_length).unwrap_or(usize::MAX)];
        let is_sound = read_exact(file, &mut operations, operations_offset)?
            && sum(header, head.get(..SUMMED_BYTES).unwrap_or_default(), &operations) == expected;
        Ok(is_sound.then_some(Self { sequence, contents_offset, end: frame_end, operations }))
    }

    /// Its operations in order.
    pub fn operations(&self) -> Operations<'_> {
        Operations { fields: Fields(&self.operations), contents_length: 0 }
    }

    /// Whether all bodies match their checksums.
    pub fn has_sound_bodies(&self, file: &File) -> io::Result<bool> {
        let mut buffer = Vec::new();
        for operation in self.operations() {
            let Operation::PutBody(key, body) = operation else { continue };
            let mut sum = Checksum::new().and(key);
            let mut done = 0;
            while done < body.length {
                let length = READ_BYTES.min(body.length - done);
                buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
                if !read_exact(file, &mut buffer, self.contents_offset + body.offset + done)? {
                    return Ok(false);
                }
                sum.update(&buffer);
                done += length;
            }
            if sum.finish() != body.checksum {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Fills the buffer; false if the file ends before.
fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse_head(head: &[u8], segment: u64) -> Option<(u64, u64, u64, u32)> {
    let mut fields = Fields(head);
    if fields.bytes(MAGIC.len())? != MAGIC || fields.number::<8>()? != segment {
        return None;
    }
    let (sequence, operations, contents) = (fields.number::<8>()?, fields.number::<8>()?, fields.number::<8>()?);
    Some((sequence, operations, contents, u32::try_from(fields.number::<4>()?).ok()?))
}

/// A walk over the operations of a frame. It ends at the first that cannot be read, which in a frame that matches its
/// checksum is the end.
#[derive(Debug)]
pub(crate) struct Operations<'a> {
    fields: Fields<'a>,
    contents_length: u64,
}

impl<'a> Operations<'a> {
    fn parse(&mut self) -> Option<Operation<'a>> {
        let tag = self.fields.number::<1>()?;
        let key_length = usize::try_from(self.fields.number::<2>()?).ok()?;
        let key = self.fields.bytes(key_length)?;
        let length = self.fields.number::<8>()?;
        let mut value = |length: u64| self.fields.bytes(usize::try_from(length).ok()?);
        Some(match u8::try_from(tag).ok()? {
            PUT_RECORD => Operation::PutRecord(key, value(length)?),
            DELETE_RECORD => Operation::DeleteRecord(key),
            CLEAR_RECORDS => Operation::ClearRecords(self.range(length)?),
            PUT_INLINE_BODY => Operation::PutInlineBody(key, value(length)?),
            PUT_BODY => {
                let checksum = u32::try_from(self.fields.number::<4>()?).ok()?;
                let offset = self.contents_length;
                self.contents_length = offset.checked_add(length)?;
                Operation::PutBody(key, FrameBody { offset, length, checksum })
            }
            DELETE_BODY => Operation::DeleteBody(key),
            CLEAR_BODIES => Operation::ClearBodies(self.range(length)?),
            _ => return None,
        })
    }

    fn range(&mut self, start_length: u64) -> Option<KeyRange> {
        let start = self.fields.bytes(usize::try_from(start_length).ok()?)?.to_vec();
        let length = usize::try_from(self.fields.number::<8>()?).ok()?;
        let (has_end, end) = self.fields.bytes(length)?.split_first()?;
        Some(KeyRange { start, end: (*has_end != 0).then(|| end.to_vec()) })
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Operation<'a>;

    fn next(&mut self) -> Option<Operation<'a>> {
        self.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn operations() -> Vec<Operation<'static>> {
        vec![
            Operation::PutRecord(b"record", b"value"),
            Operation::PutRecord(&[0xff; 500], b""),
            Operation::DeleteRecord(b"gone"),
            Operation::ClearRecords(KeyRange::new(*b"a", *b"b")),
            Operation::ClearRecords(KeyRange { start: Vec::new(), end: None }),
            Operation::ClearRecords(KeyRange::new(vec![7; 700], vec![8; 70_000])),
            Operation::PutInlineBody(b"small", b"content"),
            Operation::DeleteBody(b"old"),
            Operation::ClearBodies(KeyRange { start: vec![0], end: Some(Vec::new()) }),
        ]
    }

    /// A file with a frame of everything in its middle, and where that begins and ends.
    fn file(header: &SegmentHeader) -> (tempfile::NamedTempFile, u64, u64) {
        let mut builder = FrameBuilder::new();
        operations().iter().for_each(|operation| builder.push(operation));
        let first = builder.push_body(b"one", &Bytes::from_static(b"the first body"));
        let second = builder.push_body(b"two", &Bytes::from_static(b"another"));
        assert_eq!((first.offset, second.offset), (0, 14));
        let length = builder.length();
        let bytes = builder.seal(header, 9).concat();
        assert_eq!(bytes.len() as u64, length);
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(&bytes, 100).unwrap();
        file.as_file().write_all_at(&[0; 50], 100 + length).unwrap();
        (file, 100, 100 + length)
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let header = SegmentHeader::new(3, 1);
        let (file, start, end) = file(&header);
        let frame = Frame::read(file.as_file(), &header, start, end + 50).unwrap().unwrap();
        assert_eq!((frame.sequence, frame.end), (9, end));
        let found: Vec<Operation<'_>> = frame.operations().collect();
        let mut expected = operations();
        for (key, offset, content) in [(&b"one"[..], 0, &b"the first body"[..]), (b"two", 14, b"another")] {
            let (length, checksum) = (content.len() as u64, layout::checksum(key, content));
            expected.push(Operation::PutBody(key, FrameBody { offset, length, checksum }));
        }
        assert_eq!(found, expected);
        assert!(frame.has_sound_bodies(file.as_file()).unwrap());
    }

    #[test]
    fn a_frame_is_nothing_elsewhere_or_with_another_salt_or_with_any_byte_changed() {
        let header = SegmentHeader::new(3, 1);
        let (file, start, end) = file(&header);
        let is_sound = |header: &SegmentHeader, start, end| {
            let frame = Frame::read(file.as_file(), header, start, end).unwrap();
            frame.is_some_and(|frame| frame.has_sound_bodies(file.as_file()).unwrap())
        };
        assert!(is_sound(&header, start, end));
        assert!(!is_sound(&header, start, end - 1));
        assert!(!is_sound(&header, start + 1, end));
        assert!(!is_sound(&header, end, end + 50));
        assert!(!is_sound(&SegmentHeader { salt: header.salt ^ 1, ..header }, start, end));
        assert!(!is_sound(&SegmentHeader { number: 4, ..header }, start, end));
        for place in (start..end).filter(|place| place - start < 1_500 || end - place < 1_500) {
            let mut byte = [0];
            file.as_file().read_exact_at(&mut byte, place).unwrap();
            file.as_file().write_all_at(&[byte[0] ^ 0x10], place).unwrap();
            assert!(!is_sound(&header, start, end), "byte {}", place - start);
            file.as_file().write_all_at(&byte, place).unwrap();
        }
    }

    proptest! {
        #[test]
        fn operations_of_any_bytes_end_without_a_panic(operations in vec(0..9_u8, 0..300)) {
            let frame = Frame { sequence: 1, contents_offset: 0, end: 0, operations };
            prop_assert!(frame.operations().count() <= 300);
        }
    }
}
