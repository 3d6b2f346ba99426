//! A stream cut into lines, in a buffer that holds a line or as much ahead as was asked for.

use std::io::{self, Read};

use memchr::memchr;

/// Lines longer than this come in pieces.
const PIECE_BYTES: usize = 64 * 1024;
/// Beyond this, an empty buffer is given back.
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Source<R> {
    inner: R,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// Where in the stream the buffer's unread part begins.
    offset: u64,
    ended: bool,
    at_line_start: bool,
}

/// A line, or a piece of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub bytes: usize,
    pub begins_line: bool,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R, offset: u64) -> Self {
        Self { inner, buffer: Vec::new(), begin: 0, end: 0, offset, ended: false, at_line_start: true }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// What is buffered and not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    /// Buffers at least `bytes`, or all there is.
    pub fn fill(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.buffered().len() < bytes && !self.ended {
            self.make_room(bytes);
            let count = loop {
                match self.inner.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            }?;
            self.end = self.buffer.len().min(self.end + count);
            self.ended = count == 0;
        }
        Ok(self.buffered())
    }

    /// Makes the buffer large enough to hold some more, if possible by moving what is unread to the front.
    fn make_room(&mut self, bytes: usize) {
        let unread = self.end - self.begin;
        if self.begin >= unread {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, unread);
            if self.buffer.len() > BUFFER_KEPT_BYTES && bytes.max(unread) < BUFFER_KEPT_BYTES / 2 {
                self.buffer.truncate(BUFFER_KEPT_BYTES / 2);
                self.buffer.shrink_to_fit();
            }
        }
        if self.buffer.len() < self.end + PIECE_BYTES {
            // What a Content-Length points at is only made room for as it arrives.
            let more = bytes.saturating_sub(unread).clamp(PIECE_BYTES, 1024 * 1024);
            self.buffer.resize(self.end + more, 0);
        }
    }

    /// The next line with its end; nothing at the end of the stream. It stays buffered.
    pub fn peek_piece(&mut self) -> io::Result<Option<Piece>> {
        let mut wanted = 1;
        loop {
            let begins_line = self.at_line_start;
            let ended_before = self.ended;
            let buffered = self.fill(wanted)?;
            if let Some(end) = memchr(b'\n', buffered.get(..buffered.len().min(PIECE_BYTES)).unwrap_or_default()) {
                return Ok(Some(Piece { bytes: end + 1, begins_line }));
            }
            let length = buffered.len();
            if length >= PIECE_BYTES {
                return Ok(Some(Piece { bytes: PIECE_BYTES, begins_line }));
            }
            if length < wanted || ended_before {
                return Ok((length > 0).then_some(Piece { bytes: length, begins_line }));
            }
            wanted = length + 1;
        }
    }

    /// The piece's bytes.
    pub fn bytes(&self, piece: Piece) -> &[u8] {
        self.buffered().get(..piece.bytes).unwrap_or_default()
    }

    /// Goes on behind `bytes` that are buffered.
    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffered().len());
        if let Some(last) = bytes.checked_sub(1).and_then(|at| self.buffered().get(at)) {
            self.at_line_start = *last == b'\n';
        }
        self.begin += bytes;
        self.offset += u64::try_from(bytes).unwrap_or(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a failed expectation is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_long_ones_in_pieces() {
        let long = vec![b'x'; PIECE_BYTES + 10];
        let text = [b"a\n\r\n".as_slice(), &long, b"\nlast"].concat();
        let mut source = Source::new(&*text, 5);
        let mut seen = Vec::new();
        while let Some(piece) = source.peek_piece().unwrap() {
            seen.push((piece.bytes, piece.begins_line));
            source.consume(piece.bytes);
        }
        assert_eq!(seen, [(2, true), (2, true), (PIECE_BYTES, true), (11, false), (4, true)]);
        assert_eq!(source.offset(), 5 + text.len() as u64);
    }
}
