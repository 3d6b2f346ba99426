//! Byte-stuffing of messages on their way to a client (RFC 1939 §3).
//!
//! A message is sent as it is stored, byte for byte; what is added is a dot before each line that begins with one,
//! a line end if the message lacks it, and the line of one dot that ends the answer. So the size a client was told is the
//! stored size, plus two where the last line is not ended ([`octets_sent`]).
//!
//! A bare LF counts as a line's end when it comes to stuffing. RFC 1939 knows lines that end in CRLF only, but most
//! clients read up to LF and drop a CR before it. To them an unstuffed dot after a bare LF could end the message
//! early and turn the rest into forged answers; to a strict client the stuffed one is a dot too many in a message that no
//! standard allows. The second harm is the smaller.

use memchr::memchr_iter;

/// The number of octets that RETR sends for a message, without stuffing: what STAT and LIST report.
///
/// A message whose last line has no end gets one.
pub fn octets_sent(size: u64, last_line: LastLine) -> u64 {
    if size == 0 || last_line == LastLine::Ended { size } else { size.saturating_add(2) }
}

/// Whether a message's last line ends as lines do, with CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLine {
    /// It does.
    Ended,
    /// It does not.
    Unended,
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Nothing was sent yet, or a CRLF just before.
    LineStart,
    /// A bare LF just before: stuffed like a line's start, but not an end that POP3 knows.
    AfterBareLf,
    /// A CR just before.
    AfterCr,
    /// Anything else.
    InLine,
}

/// Writes the lines of one message, given in chunks of any size.
#[derive(Debug, Clone)]
pub struct DotStuffer {
    position: Position,
}

impl Default for DotStuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl DotStuffer {
    /// At the beginning of a message.
    pub fn new() -> Self {
        Self { position: Position::LineStart }
    }

    /// Appends the next chunk of the message.
    pub fn push(&mut self, out: &mut Vec<u8>, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        out.reserve(chunk.len() + 16);
        let mut written = 0;
        let at_start = matches!(self.position, Position::LineStart | Position::AfterBareLf);
        if at_start && chunk.first() == Some(&b'.') {
            out.push(b'.');
        }
        for line_feed in memchr_iter(b'\n', chunk) {
            if chunk.get(line_feed + 1) == Some(&b'.') {
                out.extend_from_slice(chunk.get(written..=line_feed).unwrap_or_default());
                out.push(b'.');
                written = line_feed + 1;
            }
        }
        out.extend_from_slice(chunk.get(written..).unwrap_or_default());
        self.position = match chunk {
            [.., b'\r', b'\n'] => Position::LineStart,
            [b'\n'] if self.position == Position::AfterCr => Position::LineStart,
            [.., b'\n'] => Position::AfterBareLf,
            [.., b'\r'] => Position::AfterCr,
            _ => Position::InLine,
        };
    }

    /// Ends the last line if need be, and the answer.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.position != Position::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut stuffer = DotStuffer::new();
        for chunk in chunks {
            stuffer.push(&mut out, chunk);
        }
        stuffer.finish(&mut out);
        out
    }

    /// What a client does that reads lines up to LF.
    fn unstuffed(mut bytes: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let end = memchr::memchr(b'\n', bytes).expect("the answer has an end") + 1;
            let (line, rest) = bytes.split_at(end);
            if line == b".\r\n" {
                assert!(rest.is_empty(), "nothing may follow the end");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            bytes = rest;
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        for (message, expected) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\n..b.\r\n", "a\r\n...b.\r\n.\r\n"),
            ("a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n"),
            ("a\n.\nb\n", "a\n..\nb\n\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n"),
            ("a\r.b", "a\r.b\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(&[message.as_bytes()]), expected.as_bytes(), "{message:?}");
        }
    }

    #[test]
    fn sizes_count_the_line_end_that_is_added() {
        for (message, expected) in [("", 0), ("a\r\n", 3), ("a", 3), ("a\n", 4), ("a\r", 4), ("\n", 3)] {
            assert_eq!(octets_sent(message.len() as u64, last_line(message.as_bytes())), expected, "{message:?}");
        }
    }

    fn last_line(message: &[u8]) -> LastLine {
        if message.ends_with(b"\r\n") { LastLine::Ended } else { LastLine::Unended }
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60)
    }

    proptest! {
        #[test]
        fn splitting_a_message_changes_nothing(message in message(), at in 0usize..60, again in 0usize..60) {
            let (first, rest) = message.split_at(at.min(message.len()));
            let (second, third) = rest.split_at(again.min(rest.len()));
            prop_assert_eq!(stuffed(&[first, second, third]), stuffed(&[&message]));
        }

        #[test]
        fn a_client_gets_back_what_is_stored_in_the_size_it_was_told(message in message()) {
            let received = unstuffed(&stuffed(&[&message]));
            prop_assert!(received.starts_with(&message));
            prop_assert_eq!(received.len() as u64, octets_sent(message.len() as u64, last_line(&message)));
        }
    }
}
