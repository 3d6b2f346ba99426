//! Multi-line answers as they come: dots unstuffed, and the end found (RFC 1939 §3).
//!
//! A line ends with CRLF, or, unless the caller asks for rigour, with LF alone. Some servers send messages that they keep
//! with bare LF as they are, and end them with a dot on such a line; and readers that go up to LF (fetchmail and Python's
//! poplib among them) are so common that a server whose messages could end early for them would not live long. The
//! other reading, of CRLF only, hangs where the first kind of server ends a message.
//!
//! A dot at a line's start is taken away only before another dot. The standard has it taken away before anything, but
//! a server that stuffs at all sends no other, and one that does not would lose it.
//!
//! One thing cannot be mended: a server that puts the dot right behind a last line without an end. Its answer does not
//! end; a deadline must.

use memchr::memchr;

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnds {
    /// CRLF, or LF alone.
    #[default]
    CrlfOrLf,
    /// CRLF only.
    Crlf,
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All of the input was taken; more is to come.
    More,
    /// The answer has ended with so many octets of the input; what follows is the next reply.
    Ended {
        /// Octets of the input that belong to the answer.
        consumed: usize,
    },
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    /// Behind a dot at a line's start, which is held back.
    Dot,
    /// Behind a dot and a CR, both held back.
    DotCr,
    InLine {
        after_cr: bool,
    },
}

/// Takes the dots out of one multi-line answer, given in pieces of any size.
///
/// The message keeps its line ends as they come, that of its last line included: whether that was the server's addition
/// is not known on this side.
#[derive(Debug, Clone)]
pub struct DotUnstuffer {
    line_ends: LineEnds,
    position: Position,
}

impl DotUnstuffer {
    /// At the beginning of an answer, behind its status line.
    pub fn new(line_ends: LineEnds) -> Self {
        Self { line_ends, position: Position::LineStart }
    }

    /// Appends to `out` what the next piece of the answer says: at most two octets more than it has. After the end,
    /// the unstuffer is at the beginning of another answer.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            match (self.position, octet) {
                (Position::LineStart, b'.') => {
                    self.position = Position::Dot;
                    at += 1;
                }
                (Position::LineStart, _) => self.position = Position::InLine { after_cr: false },
                (Position::Dot, b'\r') => {
                    self.position = Position::DotCr;
                    at += 1;
                }
                (Position::DotCr, b'\n') => return self.end(at + 1),
                (Position::Dot, b'\n') if self.line_ends == LineEnds::CrlfOrLf => return self.end(at + 1),
                // The dot before a dot is the one that was stuffed.
                (Position::Dot, b'.') => self.position = Position::InLine { after_cr: false },
                (Position::Dot, _) => {
                    out.push(b'.');
                    self.position = Position::InLine { after_cr: false };
                }
                (Position::DotCr, _) => {
                    out.extend_from_slice(b".\r");
                    self.position = Position::InLine { after_cr: true };
                }
                (Position::InLine { after_cr }, _) => {
                    at += self.in_line(input.get(at..).unwrap_or_default(), after_cr, out);
                }
            }
        }
        Progress::More
    }

    fn end(&mut self, consumed: usize) -> Progress {
        self.position = Position::LineStart;
        Progress::Ended { consumed }
    }

    /// Appends the present line as far as it is there, and returns its length. The input is not empty.
    fn in_line(&mut self, input: &[u8], after_cr: bool, out: &mut Vec<u8>) -> usize {
        let line_feed = memchr(b'\n', input);
        let line = line_feed.and_then(|end| input.get(..=end)).unwrap_or(input);
        out.extend_from_slice(line);
        let ends_in_crlf = match line {
            [.., b'\r', b'\n'] => true,
            [b'\n'] => after_cr,
            _ => false,
        };
        let is_line_end = line_feed.is_some() && (ends_in_crlf || self.line_ends == LineEnds::CrlfOrLf);
        self.position = match is_line_end {
            true => Position::LineStart,
            false => Position::InLine { after_cr: line.last() == Some(&b'\r') },
        };
        line.len()
    }
}

/// A line of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingLine<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// A line that is longer than allowed; its octets are dropped.
    TooLong,
}

/// Reads the lines of one listing (LIST, UIDL, CAPA, LANG), given in pieces of any size.
#[derive(Debug, Clone)]
pub struct ListingReader {
    unstuffer: DotUnstuffer,
    line_bytes_max: usize,
    line: Vec<u8>,
    unstuffed: Vec<u8>,
    is_too_long: bool,
}

/// How much of the input is unstuffed at a time, in octets.
const PORTION_BYTES: usize = 4096;

impl ListingReader {
    /// At the beginning of a listing, whose lines may have so many octets without their ends. 1024 is twice what RFC
    /// 2449 §4 allows a server.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            unstuffer: DotUnstuffer::new(LineEnds::CrlfOrLf),
            line_bytes_max,
            line: Vec::new(),
            unstuffed: Vec::new(),
            is_too_long: false,
        }
    }

    /// Hands out the lines that the next piece of the answer ends.
    pub fn push(&mut self, input: &[u8], mut each: impl FnMut(ListingLine<'_>)) -> Progress {
        let mut before = 0;
        for portion in input.chunks(PORTION_BYTES) {
            let mut unstuffed = std::mem::take(&mut self.unstuffed);
            unstuffed.clear();
            let progress = self.unstuffer.push(portion, &mut unstuffed);
            self.take_lines(&unstuffed, &mut each);
            self.unstuffed = unstuffed;
            if let Progress::Ended { consumed } = progress {
                return Progress::Ended { consumed: before + consumed };
            }
            before += portion.len();
        }
        Progress::More
    }

    fn take_lines(&mut self, mut rest: &[u8], each: &mut impl FnMut(ListingLine<'_>)) {
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            self.gather(line);
            let whole = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
            match std::mem::take(&mut self.is_too_long) || whole.len() > self.line_bytes_max {
                true => each(ListingLine::TooLong),
                false => each(ListingLine::Line(whole)),
            }
            self.line.clear();
        }
        self.gather(rest);
    }

    /// Keeps a part of a line; one octet more than allowed may be the CR of its end.
    fn gather(&mut self, part: &[u8]) {
        if self.is_too_long || self.line.len() + part.len() > self.line_bytes_max + 1 {
            self.is_too_long = true;
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stuffing::DotStuffer;

    /// A stream, what ends lines, the message and what follows its end.
    type Case<'a> = (&'a str, LineEnds, Option<(&'a str, &'a str)>);

    /// The message, and what follows its end.
    fn unstuffed(stream: &[u8], size: usize, line_ends: LineEnds) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut unstuffer = DotUnstuffer::new(line_ends);
        let mut message = Vec::new();
        let mut before = 0;
        for portion in stream.chunks(size.max(1)) {
            if let Progress::Ended { consumed } = unstuffer.push(portion, &mut message) {
                return Some((message, stream.get(before + consumed..).unwrap().to_vec()));
            }
            before += portion.len();
        }
        None
    }

    #[test]
    fn messages_end_at_a_dot_on_a_line_of_its_own() {
        let cases: [Case; 17] = [
            (".\r\n", LineEnds::CrlfOrLf, Some(("", ""))),
            ("a\r\n.\r\n+OK", LineEnds::CrlfOrLf, Some(("a\r\n", "+OK"))),
            ("a\r\n..\r\n...b\r\n.\r\n", LineEnds::CrlfOrLf, Some(("a\r\n.\r\n..b\r\n", ""))),
            ("a.\r\n.\r\n", LineEnds::CrlfOrLf, Some(("a.\r\n", ""))),
            // bare LF throughout, and only at the end
            ("a\n..b\n.\n+OK", LineEnds::CrlfOrLf, Some(("a\n.b\n", "+OK"))),
            ("a\n.\r\n", LineEnds::CrlfOrLf, Some(("a\n", ""))),
            ("a\r\n.\n", LineEnds::CrlfOrLf, Some(("a\r\n", ""))),
            // a server that does not stuff
            (".b\r\n.\r\n", LineEnds::CrlfOrLf, Some((".b\r\n", ""))),
            (".\rb\r\n.\r\n", LineEnds::CrlfOrLf, Some((".\rb\r\n", ""))),
            (".\r\r\n.\r\n", LineEnds::CrlfOrLf, Some((".\r\r\n", ""))),
            ("a\r.\r\n.\r\n", LineEnds::CrlfOrLf, Some(("a\r.\r\n", ""))),
            ("a\r\n.", LineEnds::CrlfOrLf, None),
            ("a.\r\n", LineEnds::CrlfOrLf, None),
            // with rigour
            ("a\n.\n.\r\nb\r\n.\r\n", LineEnds::Crlf, Some(("a\n.\n.\r\nb\r\n", ""))),
            (".\nb\r\n.\r\n", LineEnds::Crlf, Some((".\nb\r\n", ""))),
            ("..\r\n\r\n.\r\n", LineEnds::Crlf, Some((".\r\n\r\n", ""))),
            ("a\r\n.\n", LineEnds::Crlf, None),
        ];
        for (stream, line_ends, expected) in cases {
            let expected = expected.map(|(message, rest)| (message.as_bytes().to_vec(), rest.as_bytes().to_vec()));
            for size in 1..=stream.len() {
                assert_eq!(unstuffed(stream.as_bytes(), size, line_ends), expected, "{stream:?} by {size}");
            }
        }
    }

    /// Lines, `None` for one that was too long, and octets of the stream that belong to the listing.
    fn lines(stream: &[u8], size: usize, line_bytes_max: usize) -> (Vec<Option<Vec<u8>>>, Option<usize>) {
        let mut reader = ListingReader::new(line_bytes_max);
        let mut found = Vec::new();
        let mut before = 0;
        for portion in stream.chunks(size.max(1)) {
            let progress = reader.push(portion, |line| match line {
                ListingLine::Line(line) => found.push(Some(line.to_vec())),
                ListingLine::TooLong => found.push(None),
            });
            assert!(reader.line.len() <= line_bytes_max + 1);
            if let Progress::Ended { consumed } = progress {
                return (found, Some(before + consumed));
            }
            before += portion.len();
        }
        (found, None)
    }

    #[test]
    fn listings_come_line_by_line() {
        let line = |text: &str| Some(text.as_bytes().to_vec());
        let stream = b"1 120\r\n2 200\n\r\n..x\r\n12345678\r\n123456789\r\ny\r\n.\r\n+OK";
        let expected = vec![line("1 120"), line("2 200"), line(""), line(".x"), line("12345678"), None, line("y")];
        for size in 1..=stream.len() {
            assert_eq!(lines(stream, size, 8), (expected.clone(), Some(stream.len() - 3)), "by {size}");
        }
        let long = [vec![b'x'; 100_000], b"\r\n1 1\r\n.\r\n".to_vec()].concat();
        assert_eq!(lines(&long, long.len(), 1024), (vec![None, line("1 1")], Some(long.len())));
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60)
    }

    proptest! {
        #[test]
        fn what_our_server_sends_comes_back(message in octets(), size in 1usize..70) {
            let mut stream = Vec::new();
            let mut stuffer = DotStuffer::new();
            stuffer.push(&mut stream, &message);
            stuffer.finish(&mut stream);
            let length = stream.len();
            stream.extend_from_slice(b"+OK next");
            let (received, rest) = unstuffed(&stream, size, LineEnds::CrlfOrLf).expect("it ends");
            prop_assert!(received.starts_with(&message));
            let added = received.get(message.len()..).unwrap_or_default();
            prop_assert!(added.is_empty() || added == b"\r\n", "{:?}", added);
            prop_assert_eq!(rest, b"+OK next");
            prop_assert!(length >= received.len());
        }

        #[test]
        fn the_portions_do_not_matter(stream in octets(), size in 1usize..20, rigour in any::<bool>()) {
            let line_ends = if rigour { LineEnds::Crlf } else { LineEnds::CrlfOrLf };
            prop_assert_eq!(unstuffed(&stream, size, line_ends), unstuffed(&stream, 60, line_ends));
            prop_assert_eq!(lines(&stream, size, 5), lines(&stream, 60, 5));
        }
    }
}
