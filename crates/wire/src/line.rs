//! Lines of bounded length, cut from the front of a buffer.
//!
//! A line that is too long is not kept: its octets are dropped as they come, up to its end, and it is then reported
//! once. So the answer to it stands at the right place among the answers to pipelined commands, memory stays bounded,
//! and the connection can go on. To report it at once, before its end, was refused: what follows would depend on how
//! the network cut the stream.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// Only CR LF; a lone LF or CR is part of the line. For SMTP, where leniency lets messages be smuggled.
    Crlf,
    /// CR LF, or LF alone. A CR that is not before the LF is part of the line.
    CrlfOrLf,
}

/// What [`LineReader::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// No line end yet: read more.
    Incomplete,
    /// A line, without its end.
    Complete(Bytes),
    /// A line that was longer than allowed; it is gone up to and including its end.
    TooLong,
}

/// Cuts lines from the front of a buffer.
///
/// The reader remembers how far it has looked, so between two calls the buffer may only grow at its end, unless the
/// last call returned something other than [`Line::Incomplete`]: then the buffer is the caller's to do with as it
/// likes.
#[derive(Debug, Clone)]
pub struct LineReader {
    line_bytes_max: usize,
    line_end: LineEnd,
    scanned: usize,
    discarding: bool,
}

impl LineReader {
    /// A reader of lines of at most `line_bytes_max` octets, the line's end not counted.
    pub fn new(line_bytes_max: usize, line_end: LineEnd) -> Self {
        Self { line_bytes_max, line_end, scanned: 0, discarding: false }
    }

    /// Changes the bound, in octets without the line's end, from the present line on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.line_bytes_max = line_bytes_max;
    }

    /// Forgets a line begun, for use with a new stream (after STARTTLS).
    pub fn reset(&mut self) {
        self.scanned = 0;
        self.discarding = false;
    }

    /// Takes the next line off the front of `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Line {
        match self.find_end(input) {
            Some(position) => self.take(input, position),
            None => {
                self.bound_memory(input);
                Line::Incomplete
            }
        }
    }

    /// The position of the LF that ends the line.
    fn find_end(&mut self, input: &BytesMut) -> Option<usize> {
        let mut from = self.scanned.min(input.len());
        while let Some(offset) = input.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let position = from + offset;
            let after_cr = position > 0 && input.get(position - 1) == Some(&b'\r');
            if after_cr || self.line_end == LineEnd::CrlfOrLf {
                return Some(position);
            }
            from = position + 1;
        }
        self.scanned = input.len();
        None
    }

    fn take(&mut self, input: &mut BytesMut, position: usize) -> Line {
        let mut line = input.split_to(position + 1);
        self.scanned = 0;
        line.truncate(position);
        if line.last() == Some(&b'\r') {
            line.truncate(position - 1);
        }
        if std::mem::take(&mut self.discarding) || line.len() > self.line_bytes_max {
            return Line::TooLong;
        }
        Line::Complete(line.freeze())
    }

    /// Drops what has come of a line that is too long already. A CR at the very end stays: it may belong to the end.
    fn bound_memory(&mut self, input: &mut BytesMut) {
        let pending_cr = usize::from(input.last() == Some(&b'\r'));
        let length = input.len() - pending_cr;
        if self.discarding || length > self.line_bytes_max {
            self.discarding = true;
            input.advance(length);
            self.scanned = pending_cr;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `stream` in portions of `size` octets and collects what comes out.
    fn lines(stream: &[u8], size: usize, line_bytes_max: usize, line_end: LineEnd) -> Vec<Line> {
        let mut reader = LineReader::new(line_bytes_max, line_end);
        let mut input = BytesMut::new();
        let mut found = Vec::new();
        for portion in stream.chunks(size) {
            input.extend_from_slice(portion);
            loop {
                match reader.next(&mut input) {
                    Line::Incomplete => break,
                    line => found.push(line),
                }
            }
            assert!(input.len() <= line_bytes_max + 1, "memory is bounded");
        }
        found
    }

    fn complete(text: &'static str) -> Line {
        Line::Complete(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_end_where_the_protocol_says() {
        let cases: [(&str, LineEnd, Vec<Line>); 7] = [
            ("one\r\ntwo\r\nth", LineEnd::Crlf, vec![complete("one"), complete("two")]),
            ("one\ntwo\r\n", LineEnd::Crlf, vec![complete("one\ntwo")]),
            ("one\ntwo\r\n\n", LineEnd::CrlfOrLf, vec![complete("one"), complete("two"), complete("")]),
            ("a\rb\r\r\n", LineEnd::Crlf, vec![complete("a\rb\r")]),
            ("12345678\r\n", LineEnd::Crlf, vec![complete("12345678")]),
            ("123456789\r\nx\r\n", LineEnd::Crlf, vec![Line::TooLong, complete("x")]),
            ("1234567890abcdef\nxyz\r\r\nx\r\n", LineEnd::Crlf, vec![Line::TooLong, complete("x")]),
        ];
        for (stream, line_end, expected) in cases {
            for size in 1..=stream.len() {
                assert_eq!(lines(stream.as_bytes(), size, 8, line_end), expected, "{stream:?} by {size}");
            }
        }
    }

    #[test]
    fn a_long_line_by_single_octets_is_not_scanned_again_and_again() {
        let mut stream = vec![b'x'; 2_000_000];
        stream.extend_from_slice(b"\r\n");
        let found = lines(&stream, 1, 4_000_000, LineEnd::CrlfOrLf);
        assert!(matches!(found.as_slice(), [Line::Complete(line)] if line.len() == 2_000_000));
    }

    proptest! {
        #[test]
        fn the_portions_do_not_matter(
            stream in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..80),
            size in 1usize..20,
            strict in any::<bool>(),
        ) {
            let line_end = if strict { LineEnd::Crlf } else { LineEnd::CrlfOrLf };
            // A bound on memory between portions holds only for portions that are taken at once.
            let whole = lines_at_once(&stream, 6, line_end);
            prop_assert_eq!(lines(&stream, size, 6, line_end), whole);
        }
    }

    fn lines_at_once(stream: &[u8], line_bytes_max: usize, line_end: LineEnd) -> Vec<Line> {
        let mut reader = LineReader::new(line_bytes_max, line_end);
        let mut input = BytesMut::from(stream);
        std::iter::from_fn(|| Some(reader.next(&mut input)).filter(|line| *line != Line::Incomplete)).collect()
    }
}
