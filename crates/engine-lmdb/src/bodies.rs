//! Reads of bodies: small ones from LMDB, the others from their segments, neighbours together.
//!
//! Bodies lie in the order in which they were committed, which is mostly the order in which they are asked for: a
//! mailbox that is fetched or searched as a whole is one run through a few segments. So of those asked for, as many as
//! lie close behind each other are read with one call into one buffer. The first reading of a call is small and each
//! next one may be twice as large, so that little is read in vain if the visitor ends the call.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use postrider_engine::{BodyRange, EngineError, ValueVisitor};

use crate::{
    Shared,
    error::from_io,
    layer::{self, Found, Part},
    layout::{self, Location, StoredBody, check_key},
    read,
    run::BodyPlace,
    segments::SegmentTable,
    view::{Named, View},
    walk::Walk,
};

/// The most that the first reading of a call takes together, in bytes.
const FIRST_READ_BYTES: u64 = 64 << 10;
/// Pieces that are looked up before the first of them is read.
const LOOKED_UP_MAX: usize = 256;

/// A piece that was asked for, looked up.
enum Piece<'a> {
    /// There is no such body.
    Missing,
    /// It is at hand.
    Ready(&'a [u8]),
    /// It is to be read.
    Placed(Span),
}

/// A piece of a body in a segment.
#[derive(Debug, Clone, Copy)]
struct Span {
    location: Location,
    /// Where the piece begins in the file.
    offset: u64,
    length: u64,
}

impl Span {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Answers `bodies` from a view.
pub(crate) fn bodies(
    shared: &Shared,
    view: &View<'_>,
    wanted: &[BodyRange],
    visit: &mut ValueVisitor<'_>,
) -> Result<(), EngineError> {
    wanted.iter().try_for_each(|piece| check_key(&piece.key))?;
    let parts = read::concerned(view.state.bodies(), wanted.iter().map(|piece| piece.key.as_slice()));
    let mut walk = Walk::new(shared.environment.databases.bodies, &view.txn, wanted.len());
    let mut reader = Reader::new(shared, &view.state.table);
    for (chunk, pieces) in wanted.chunks(LOOKED_UP_MAX).enumerate() {
        let mut found = Vec::with_capacity(pieces.len());
        for piece in pieces {
            found.push(look_up(&parts, &mut walk, piece));
        }
        for (place, (piece, outcome)) in pieces.iter().zip(&found).enumerate() {
            let content = match outcome {
                Ok(Piece::Missing) => None,
                Ok(Piece::Ready(content)) => Some(*content),
                Ok(Piece::Placed(span)) => {
                    let behind = found.get(place + 1..).unwrap_or_default();
                    Some(reader.piece(&piece.key, *span, behind)?)
                }
                Err(error) => return Err(error.clone()),
            };
            if visit(chunk * LOOKED_UP_MAX + place, content).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn look_up<'a, 'k>(
    parts: &[Part<'a, BodyPlace>],
    walk: &mut Walk<'a, 'k>,
    piece: &'k BodyRange,
) -> Result<Piece<'a>, EngineError> {
    let named = match layer::find_in(parts, &piece.key) {
        Found::Value(place) => Named::Fresh(place),
        Found::Deleted => return Ok(Piece::Missing),
        Found::Below => match walk.get(&piece.key)? {
            Some(stored) => Named::Stored(stored),
            None => return Ok(Piece::Missing),
        },
    };
    let location = match named {
        Named::Fresh(BodyPlace::Inline(content)) => return Ok(Piece::Ready(inline(piece, content))),
        Named::Fresh(BodyPlace::Segment(location)) => *location,
        Named::Stored(stored) => match StoredBody::parse(&piece.key, stored)? {
            StoredBody::Inline(content) => {
                let wanted = inline(piece, content);
                if wanted.len() == content.len() {
                    layout::check_inline_body(&piece.key, stored)?;
                }
                return Ok(Piece::Ready(wanted));
            }
            StoredBody::Segment(location) => location,
        },
    };
    let (start, length) = cut(piece, location.length);
    Ok(Piece::Placed(Span { location, offset: location.offset.saturating_add(start), length }))
}

fn inline<'a>(piece: &BodyRange, content: &'a [u8]) -> &'a [u8] {
    let (start, length) = cut(piece, content.len() as u64);
    let rest = content.get(usize::try_from(start).unwrap_or(usize::MAX)..).unwrap_or_default();
    rest.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or_default()
}

/// Where the wanted piece begins in a body of `length` bytes, and how long it is.
fn cut(piece: &BodyRange, length: u64) -> (u64, u64) {
    let start = piece.offset.min(length);
    (start, piece.length.min(length - start))
}

/// Reads pieces, and keeps what it read beyond.
struct Reader<'a> {
    shared: &'a Shared,
    table: &'a SegmentTable,
    file: Option<(u64, Arc<File>)>,
    /// As long as the largest reading so far, or longer.
    buffer: Vec<u8>,
    /// The segment that the front of the buffer was read from, and the part of it.
    buffered: Option<(u64, std::ops::Range<u64>)>,
    read_bytes: u64,
}

impl<'a> Reader<'a> {
    fn new(shared: &'a Shared, table: &'a SegmentTable) -> Self {
        let buffer = shared.segments.take_buffer();
        Self { shared, table, file: None, buffer, buffered: None, read_bytes: FIRST_READ_BYTES }
    }

    /// A piece; the whole of a body is checked.
    fn piece(
        &mut self,
        key: &[u8],
        span: Span,
        behind: &[Result<Piece<'_>, EngineError>],
    ) -> Result<&[u8], EngineError> {
        let start = match self.buffered_at(&span) {
            Some(start) => start,
            None => {
                self.read(key, span, behind)?;
                0
            }
        };
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        let content = self.buffer.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default();
        let is_whole = span.length == span.location.length;
        if is_whole && layout::checksum(key, content) != span.location.checksum {
            return Err(layout::damaged("body", key));
        }
        Ok(content)
    }

    fn buffered_at(&self, span: &Span) -> Option<usize> {
        let (_, part) = self.buffered.as_ref().filter(|(segment, _)| *segment == span.location.segment)?;
        let is_inside = span.offset >= part.start && span.end() <= part.end;
        is_inside.then(|| usize::try_from(span.offset - part.start).ok()).flatten()
    }

    /// Reads a piece and those behind it that lie near.
    fn read(&mut self, key: &[u8], span: Span, behind: &[Result<Piece<'_>, EngineError>]) -> Result<(), EngineError> {
        let options = &self.shared.options;
        let mut end = span.end();
        for piece in behind {
            let next = match piece {
                Ok(Piece::Placed(next)) => next,
                Ok(Piece::Missing | Piece::Ready(_)) => continue,
                Err(_) => break,
            };
            let is_near = next.location.segment == span.location.segment
                && next.offset >= span.offset
                && next.offset <= end.saturating_add(options.body_read_gap_bytes_max)
                && next.end() - span.offset <= self.read_bytes;
            if !is_near {
                break;
            }
            end = end.max(next.end());
        }
        self.read_bytes = (self.read_bytes * 2).min(options.body_read_bytes_max);
        self.buffered = None;
        let number = span.location.segment;
        let file = match &self.file {
            Some((open, file)) if *open == number => Arc::clone(file),
            _ => self.shared.segments.file(self.table, number)?,
        };
        let read = match self.fill(&file, span.offset, end) {
            // The file may end within a body behind, which is not this one's fault.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && end > span.end() => {
                end = span.end();
                self.fill(&file, span.offset, end)
            }
            outcome => outcome,
        };
        read.map_err(|error| unreadable(number, key, error))?;
        self.file = Some((number, file));
        self.buffered = Some((number, span.offset..end));
        Ok(())
    }

    fn fill(&mut self, file: &File, start: u64, end: u64) -> io::Result<()> {
        let length = usize::try_from(end - start).unwrap_or(usize::MAX);
        if self.buffer.len() < length {
            // Zeroed anew: what is in it is of no use, and need not be moved.
            self.buffer = vec![0; length];
        }
        file.read_exact_at(self.buffer.get_mut(..length).unwrap_or_default(), start)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.shared.segments.give_buffer(std::mem::take(&mut self.buffer));
    }
}

/// Fills `buffer` from the body at `location`, `start` bytes into it.
pub(crate) fn read_at(
    shared: &Shared,
    table: &SegmentTable,
    key: &[u8],
    location: Location,
    start: u64,
    buffer: &mut [u8],
) -> Result<(), EngineError> {
    let file = shared.segments.file(table, location.segment)?;
    file.read_exact_at(buffer, location.offset.saturating_add(start))
        .map_err(|error| unreadable(location.segment, key, error))
}

fn unreadable(segment: u64, key: &[u8], error: io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            EngineError::Damaged(format!("segment {segment} ends within the body \"{}\"", key.escape_ascii()))
        }
        _ => from_io(format_args!("segment {segment}"), error),
    }
}
