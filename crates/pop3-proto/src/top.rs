//! What TOP sends of a message: the header, the empty line, and some lines of the body (RFC 1939 §7).

use memchr::memchr;

/// Where in the message the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// At the start of a header line: an empty one ends the header.
    HeaderLineStart,
    /// After a CR at the start of a header line.
    HeaderLineCr,
    /// Inside a header line.
    HeaderLine,
    /// In the body, with so many line ends still to send.
    Body(u64),
}

/// Cuts one message, given in chunks of any size. A line ends with its LF, with or without a CR before it.
#[derive(Debug, Clone)]
pub struct TopCutter {
    position: Position,
    lines: u64,
}

impl TopCutter {
    /// At the beginning of a message of whose body `lines` lines are wanted.
    pub fn new(lines: u64) -> Self {
        Self { position: Position::HeaderLineStart, lines }
    }

    /// Whether nothing more of the message is wanted, so that the rest need not be read.
    pub fn is_done(&self) -> bool {
        self.position == Position::Body(0)
    }

    /// The part of the next chunk that is to be sent: always its beginning, and nothing once it [is done](Self::is_done).
    pub fn push<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let mut used = 0;
        while !self.is_done() {
            let rest = chunk.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            used += self.step(rest);
        }
        chunk.get(..used).unwrap_or(chunk)
    }

    /// Goes on by one byte or one line, and answers by how many bytes.
    fn step(&mut self, rest: &[u8]) -> usize {
        match (self.position, rest.first()) {
            (Position::HeaderLineStart | Position::HeaderLineCr, Some(b'\n')) => {
                self.position = Position::Body(self.lines);
                1
            }
            (Position::HeaderLineStart, Some(b'\r')) => {
                self.position = Position::HeaderLineCr;
                1
            }
            (Position::Body(lines), _) => match memchr(b'\n', rest) {
                Some(at) => {
                    self.position = Position::Body(lines.saturating_sub(1));
                    at + 1
                }
                None => rest.len(),
            },
            _ => match memchr(b'\n', rest) {
                Some(at) => {
                    self.position = Position::HeaderLineStart;
                    at + 1
                }
                None => {
                    self.position = Position::HeaderLine;
                    rest.len()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(lines: u64, chunks: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut cutter = TopCutter::new(lines);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(cutter.push(chunk));
        }
        (out, cutter.is_done())
    }

    #[test]
    fn header_and_lines_are_kept() {
        let message = "A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
        for (lines, expected, done) in [
            (0, "A: 1\r\nB: 2\r\n\r\n", true),
            (1, "A: 1\r\nB: 2\r\n\r\none\r\n", true),
            (2, "A: 1\r\nB: 2\r\n\r\none\r\n\r\n", true),
            (3, message, true),
            (4, message, false),
            (u64::MAX, message, false),
        ] {
            assert_eq!(cut(lines, &[message.as_bytes()]), (expected.as_bytes().to_vec(), done), "{lines}");
        }
    }

    #[test]
    fn odd_messages_are_cut_without_loss() {
        for (message, expected) in [
            ("", ""),
            ("A: 1\r\n", "A: 1\r\n"),
            ("A: 1", "A: 1"),
            ("\r\nbody\r\nmore\r\n", "\r\nbody\r\n"),
            ("A: 1\n\nbody\nmore\n", "A: 1\n\nbody\n"),
            ("A: 1\r\n\rB: 2\r\n\r\nbody\r\nmore", "A: 1\r\n\rB: 2\r\n\r\nbody\r\n"),
            ("A: 1\r\n\r\nunended", "A: 1\r\n\r\nunended"),
        ] {
            assert_eq!(cut(1, &[message.as_bytes()]).0, expected.as_bytes(), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn splitting_a_message_changes_nothing(
            message in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40),
            lines in 0u64..4, at in 0usize..40,
        ) {
            let (first, rest) = message.split_at(at.min(message.len()));
            let bytes: Vec<&[u8]> = message.chunks(1).collect();
            let whole = cut(lines, &[&message]);
            prop_assert_eq!(cut(lines, &[first, rest]), whole.clone());
            prop_assert_eq!(cut(lines, &bytes), whole);
        }
    }
}
