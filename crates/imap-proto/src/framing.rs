//! Cuts whole commands, their literals included, from the front of a buffer (RFC 9051 §2.2.1 and §4.3, RFC 7888).
//!
//! A command's end is known without understanding it: a line goes on behind a literal if it ends with a literal's
//! announcement, and ends the command otherwise; a quoted string cannot hide a line end. So framing needs no grammar
//! but one glance at the first words, since APPEND alone may be large.
//!
//! What exceeds a limit is dropped as it comes, so memory stays bounded, and the command is refused where it ends, or
//! at once if the client waits for leave to send a literal: then it will not send it (RFC 7888 §4). In both cases what
//! follows is the next command and the connection goes on. The result never depends on how the stream was cut into
//! portions, and no octet is looked at twice.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use postrider_wire::literal::ANNOUNCEMENT_BYTES_MAX;
use postrider_wire::{Line, LineEnd, LineReader, LiteralAnnouncement, Synchronisation, announced_literal};

/// Bounds on commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Octets of a command outside its literals, line ends not counted.
    pub line_bytes_max: usize,
    /// Octets of one literal, other than a message to be appended.
    pub literal_bytes_max: u64,
    /// Octets of one message to be appended.
    pub append_bytes_max: u64,
    /// Octets of a whole command that is not APPEND, literals included.
    pub command_bytes_max: u64,
    /// Octets of a whole APPEND, all its messages included.
    pub append_command_bytes_max: u64,
    /// Literals in one command.
    pub literals_max: usize,
}

impl Default for FrameLimits {
    /// For a client that is logged in.
    fn default() -> Self {
        Self {
            line_bytes_max: 64 * 1024,
            literal_bytes_max: 64 * 1024,
            append_bytes_max: 64 * 1024 * 1024,
            command_bytes_max: 256 * 1024,
            append_command_bytes_max: 128 * 1024 * 1024,
            literals_max: 1000,
        }
    }
}

impl FrameLimits {
    /// For a client that is not logged in yet: enough for credentials (Kerberos tickets and tokens are the largest).
    pub fn before_login() -> Self {
        Self {
            line_bytes_max: 16 * 1024,
            literal_bytes_max: 4 * 1024,
            append_bytes_max: 4 * 1024,
            command_bytes_max: 32 * 1024,
            append_command_bytes_max: 32 * 1024,
            literals_max: 16,
        }
    }
}

/// Which limit a command exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// [`FrameLimits::line_bytes_max`]
    LineTooLong,
    /// [`FrameLimits::literal_bytes_max`] or [`FrameLimits::append_bytes_max`]
    LiteralTooLarge {
        /// The literal's size, in octets.
        bytes: u64,
    },
    /// [`FrameLimits::command_bytes_max`] or [`FrameLimits::append_command_bytes_max`]
    CommandTooLarge,
    /// [`FrameLimits::literals_max`]
    TooManyLiterals,
}

/// What [`Framer::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Nothing whole yet: read more.
    Incomplete,
    /// The client waits for a continuation request before it sends a literal: send one, then call again.
    Continuation,
    /// A command with its literals in place, without the last line end.
    Command(Bytes),
    /// A command that exceeds a limit; it is gone, and what follows is the next one.
    Refused {
        /// Its tag, if it had one.
        tag: Option<String>,
        /// The first limit exceeded.
        refusal: Refusal,
    },
}

/// Cuts commands from the front of a buffer.
///
/// Between two calls the buffer may grow at its end only, unless [`Framer::is_between_commands`].
#[derive(Debug, Clone)]
pub struct Framer {
    limits: FrameLimits,
    state: State,
    lines: LineReader,
    progress: Progress,
}

/// How far the present command has come. Positions count from the buffer's front.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Where the present line begins, behind the last literal.
    line_start: usize,
    /// Up to where no line end was found.
    scanned: usize,
    /// Octets of the command outside literals, up to the present line.
    line_bytes: usize,
    literal_bytes: u64,
    literals: usize,
    is_append: bool,
}

#[derive(Debug, Clone)]
enum State {
    /// In a line of a command that may still be taken.
    Line,
    /// In a literal that ends at this position.
    Literal { end: usize },
    /// In a line of a command that will be refused; all but the line's last octets are dropped.
    RefusedLine { tag: Option<String>, refusal: Refusal },
    /// In a literal of such a command, with so many octets to come.
    RefusedLiteral { tag: Option<String>, refusal: Refusal, remaining: u64 },
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            state: State::Line,
            lines: LineReader::new(limits.line_bytes_max, LineEnd::CrlfOrLf),
            progress: Progress::default(),
        }
    }

    /// The limits, which hold from the next line or literal on.
    pub fn limits(&self) -> &FrameLimits {
        &self.limits
    }

    /// The limits, to be changed after login.
    pub fn limits_mut(&mut self) -> &mut FrameLimits {
        &mut self.limits
    }

    /// Whether no command has been begun, as far as calls of [`Framer::next`] have seen.
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Line) && self.progress.line_start == 0 && self.progress.scanned == 0
    }

    /// Octets of a literal that is being dropped and have not come yet. RFC 7888 §4 allows to close the connection
    /// rather than to take them all.
    pub fn dropping(&self) -> Option<u64> {
        match self.state {
            State::RefusedLiteral { remaining, .. } => Some(remaining),
            _ => None,
        }
    }

    /// Octets of an accepted literal that have not come yet: how much the buffer will have to grow.
    pub fn literal_bytes_missing(&self, input: &BytesMut) -> usize {
        match self.state {
            State::Literal { end } => end.saturating_sub(input.len()),
            _ => 0,
        }
    }

    /// Forgets what was begun. After STARTTLS the buffer must be emptied as well (RFC 9051 §6.2.1).
    pub fn reset(&mut self) {
        self.state = State::Line;
        self.progress = Progress::default();
        self.lines.reset();
    }

    /// Takes a single line, not a command: an answer to a SASL challenge, or the end of IDLE.
    ///
    /// Only between commands, and to be called until it returns a whole line.
    pub fn next_line(&mut self, input: &mut BytesMut) -> Line {
        self.lines.set_line_bytes_max(self.limits.line_bytes_max);
        // The line may have been looked at as the beginning of a command.
        self.progress = Progress::default();
        self.lines.next(input)
    }

    /// Takes the next step through `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Frame {
        loop {
            let frame = match std::mem::replace(&mut self.state, State::Line) {
                State::Line => self.in_line(input),
                State::Literal { end } => self.in_literal(input, end),
                State::RefusedLine { tag, refusal } => self.in_refused_line(input, tag, refusal),
                State::RefusedLiteral { tag, refusal, remaining } => {
                    self.in_refused_literal(input, tag, refusal, remaining)
                }
            };
            if let Some(frame) = frame {
                return frame;
            }
        }
    }

    /// The position of the LF that ends the present line.
    fn find_line_end(&mut self, input: &BytesMut) -> Option<usize> {
        let from = self.progress.scanned.min(input.len());
        let found = input.get(from..).and_then(|rest| memchr(b'\n', rest));
        self.progress.scanned = found.map_or(input.len(), |offset| from + offset);
        found.map(|offset| from + offset)
    }

    fn in_line(&mut self, input: &mut BytesMut) -> Option<Frame> {
        let end = self.find_line_end(input);
        let line = input.get(self.progress.line_start..end.unwrap_or(input.len())).unwrap_or_default();
        // Without the line's end a CR may still belong to it.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line_bytes = self.progress.line_bytes + line.len();
        if line_bytes > self.limits.line_bytes_max {
            self.refuse(input, Refusal::LineTooLong);
            return None;
        }
        let Some(end) = end else { return Some(Frame::Incomplete) };
        let Some(announced) = announced_literal(line) else {
            let line_end = self.progress.line_start + line.len();
            return Some(self.take_command(input, line_end, end + 1));
        };
        let is_append_mailbox = self.look_at_first_words(line, &announced);
        self.progress.line_bytes = line_bytes;
        if let Some(refusal) = self.refusal(&announced, is_append_mailbox) {
            self.refuse(input, refusal);
            return None;
        }
        self.progress.literals += 1;
        self.progress.literal_bytes = self.progress.literal_bytes.saturating_add(announced.length);
        let literal_end = usize::try_from(announced.length).unwrap_or(usize::MAX).saturating_add(end + 1);
        self.state = State::Literal { end: literal_end };
        (announced.synchronisation == Synchronisation::Synchronising).then_some(Frame::Continuation)
    }

    /// Sees whether the command is APPEND, and returns whether the literal is its mailbox name.
    fn look_at_first_words(&mut self, line: &[u8], announced: &LiteralAnnouncement) -> bool {
        if self.progress.literals > 0 {
            return false;
        }
        let text = line.get(..line.len() - announced.announcement_bytes).unwrap_or_default();
        let mut words = text.splitn(3, |&octet| octet == b' ');
        self.progress.is_append = words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case(b"APPEND"));
        words.next().is_some_and(<[u8]>::is_empty)
    }

    fn refusal(&self, announced: &LiteralAnnouncement, is_append_mailbox: bool) -> Option<Refusal> {
        let limits = &self.limits;
        let (literal_bytes_max, command_bytes_max) = match self.progress.is_append {
            true if is_append_mailbox => (limits.literal_bytes_max, limits.append_command_bytes_max),
            true => (limits.append_bytes_max, limits.append_command_bytes_max),
            false => (limits.literal_bytes_max, limits.command_bytes_max),
        };
        let so_far = self.progress.literal_bytes.saturating_add(self.progress.line_bytes as u64);
        if announced.length > literal_bytes_max {
            Some(Refusal::LiteralTooLarge { bytes: announced.length })
        } else if so_far.saturating_add(announced.length) > command_bytes_max {
            Some(Refusal::CommandTooLarge)
        } else if self.progress.literals >= limits.literals_max {
            Some(Refusal::TooManyLiterals)
        } else {
            None
        }
    }

    fn in_literal(&mut self, input: &BytesMut, end: usize) -> Option<Frame> {
        if input.len() < end {
            self.state = State::Literal { end };
            return Some(Frame::Incomplete);
        }
        self.progress.line_start = end;
        self.progress.scanned = end;
        None
    }

    fn take_command(&mut self, input: &mut BytesMut, end: usize, line_end: usize) -> Frame {
        let mut command = input.split_to(line_end);
        command.truncate(end);
        self.progress = Progress::default();
        Frame::Command(command.freeze())
    }

    /// From here on the command's octets are dropped; the present line stays, its end not yet looked at.
    fn refuse(&mut self, input: &mut BytesMut, refusal: Refusal) {
        // So much has come in any case: more would depend on the portions.
        let tag = tag_of(input.get(..TAG_BYTES_MAX.min(self.limits.line_bytes_max)).unwrap_or(input));
        let line_start = self.progress.line_start.min(input.len());
        input.advance(line_start);
        self.progress = Progress { scanned: self.progress.scanned.saturating_sub(line_start), ..Progress::default() };
        self.state = State::RefusedLine { tag, refusal };
    }

    fn in_refused_line(&mut self, input: &mut BytesMut, tag: Option<String>, refusal: Refusal) -> Option<Frame> {
        let Some(end) = self.find_line_end(input) else {
            // The line's last octets tell whether a literal follows.
            let dropped = input.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX + 1);
            input.advance(dropped);
            self.progress.scanned = input.len();
            self.state = State::RefusedLine { tag, refusal };
            return Some(Frame::Incomplete);
        };
        let line = input.split_to(end + 1);
        self.progress = Progress::default();
        let line = line.get(..end).unwrap_or_default();
        match announced_literal(line.strip_suffix(b"\r").unwrap_or(line)) {
            Some(LiteralAnnouncement { synchronisation: Synchronisation::NonSynchronising, length, .. }) => {
                self.state = State::RefusedLiteral { tag, refusal, remaining: length };
                None
            }
            // The end, or a client that waits and, refused, will not go on.
            _ => Some(Frame::Refused { tag, refusal }),
        }
    }

    fn in_refused_literal(
        &mut self,
        input: &mut BytesMut,
        tag: Option<String>,
        refusal: Refusal,
        remaining: u64,
    ) -> Option<Frame> {
        let dropped = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
        input.advance(dropped);
        let remaining = remaining - dropped as u64;
        if remaining > 0 {
            self.state = State::RefusedLiteral { tag, refusal, remaining };
            return Some(Frame::Incomplete);
        }
        self.state = State::RefusedLine { tag, refusal };
        None
    }
}

/// The most octets of a tag that are looked at in a command that is refused.
const TAG_BYTES_MAX: usize = 128;

/// The tag at the beginning of a command.
fn tag_of(start: &[u8]) -> Option<String> {
    let tag = start.get(..start.iter().position(|&octet| octet == b' ')?)?;
    crate::parse::is_tag(tag).then(|| String::from_utf8_lossy(tag).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> FrameLimits {
        FrameLimits {
            line_bytes_max: 40,
            literal_bytes_max: 8,
            append_bytes_max: 20,
            command_bytes_max: 50,
            append_command_bytes_max: 60,
            literals_max: 3,
        }
    }

    fn frames(stream: &[u8], size: usize, limits: FrameLimits) -> Vec<Frame> {
        let mut framer = Framer::new(limits);
        let mut input = BytesMut::new();
        let mut found = Vec::new();
        for portion in stream.chunks(size.max(1)) {
            input.extend_from_slice(portion);
            loop {
                match framer.next(&mut input) {
                    Frame::Incomplete => break,
                    frame => found.push(frame),
                }
            }
        }
        found
    }

    fn command(text: &'static str) -> Frame {
        Frame::Command(Bytes::from_static(text.as_bytes()))
    }

    fn refused(tag: &str, refusal: Refusal) -> Frame {
        Frame::Refused { tag: Some(tag.to_owned()), refusal }
    }

    #[test]
    fn commands_are_cut_with_their_literals() {
        use Frame::Continuation;
        let cases: Vec<(&str, Vec<Frame>)> = vec![
            ("a NOOP\r\nb NOOP\n", vec![command("a NOOP"), command("b NOOP")]),
            ("a LOGIN {3}\r\njoe {2+}\r\npw\r\n", vec![Continuation, command("a LOGIN {3}\r\njoe {2+}\r\npw")]),
            ("a LOGIN \"{5}\"\r\n", vec![command("a LOGIN \"{5}\"")]),
            (
                "a APPEND x {4+}\r\n\r\n\r\n\r\nb NOOP\r\n",
                vec![command("a APPEND x {4+}\r\n\r\n\r\n"), command("b NOOP")],
            ),
            ("a X {0+}\r\n\r\n", vec![command("a X {0+}\r\n")]),
            ("\r\na NOOP\r\n", vec![command(""), command("a NOOP")]),
        ];
        for (stream, expected) in cases {
            for size in 1..=stream.len() {
                assert_eq!(frames(stream.as_bytes(), size, limits()), expected, "{stream:?} by {size}");
            }
        }
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_and_the_connection_goes_on() {
        let long = "a NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        let cases: Vec<(String, Vec<Frame>)> = vec![
            (format!("{long}\r\nb NOOP\r\n"), vec![refused("a", Refusal::LineTooLong), command("b NOOP")]),
            (format!("{long} {{3}}\r\nb NOOP\r\n"), vec![refused("a", Refusal::LineTooLong), command("b NOOP")]),
            (
                format!("{long} {{3+}}\r\nx\r\n {{2+}}\r\n\r\n\r\nb NOOP\r\n"),
                vec![refused("a", Refusal::LineTooLong), command("b NOOP")],
            ),
            (
                "a LOGIN {9}\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::LiteralTooLarge { bytes: 9 }), command("b NOOP")],
            ),
            (
                "a LOGIN {9+}\r\n1234567\r\n {9}\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::LiteralTooLarge { bytes: 9 }), command("b NOOP")],
            ),
            (
                "a append {9}\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::LiteralTooLarge { bytes: 9 }), command("b NOOP")],
            ),
            (
                "a append x {20+}\r\n12345678901234567890\r\n".into(),
                vec![command("a append x {20+}\r\n12345678901234567890")],
            ),
            (
                "a append x {21+}\r\n123456789012345678901\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::LiteralTooLarge { bytes: 21 }), command("b NOOP")],
            ),
            (
                "a X {8+}\r\n12345678 {8+}\r\n12345678 {8+}\r\n12345678 {8+}\r\n12345678\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::CommandTooLarge), command("b NOOP")],
            ),
            (
                "a X {1+}\r\n1 {1+}\r\n2 {1+}\r\n3 {1+}\r\n4\r\nb NOOP\r\n".into(),
                vec![refused("a", Refusal::TooManyLiterals), command("b NOOP")],
            ),
            (
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx NOOP\r\n".into(),
                vec![Frame::Refused { tag: None, refusal: Refusal::LineTooLong }],
            ),
            ("( X {9}\r\n".into(), vec![Frame::Refused { tag: None, refusal: Refusal::LiteralTooLarge { bytes: 9 } }]),
        ];
        for (stream, expected) in cases {
            for size in 1..=stream.len() {
                assert_eq!(frames(stream.as_bytes(), size, limits()), expected, "{stream:?} by {size}");
            }
        }
    }

    #[test]
    fn a_huge_literal_that_is_refused_takes_no_memory() {
        let mut framer = Framer::new(limits());
        let mut input = BytesMut::from(&b"a LOGIN {1000000+}\r\n"[..]);
        for _ in 0..1000 {
            assert_eq!(framer.next(&mut input), Frame::Incomplete);
            assert!(input.is_empty());
            assert!(framer.dropping().is_some());
            input.extend_from_slice(&[b'x'; 1000]);
        }
        input.extend_from_slice(b"\r\n");
        assert_eq!(framer.next(&mut input), refused("a", Refusal::LiteralTooLarge { bytes: 1_000_000 }));
        assert!(framer.is_between_commands());
    }

    #[test]
    fn single_lines_are_taken_between_commands() {
        let mut framer = Framer::new(limits());
        let mut input = BytesMut::from(&b"a IDLE\r\nDONE\r\nb NOOP\r\n"[..]);
        assert_eq!(framer.next(&mut input), command("a IDLE"));
        assert_eq!(framer.next_line(&mut input), Line::Complete(Bytes::from_static(b"DONE")));
        assert_eq!(framer.next(&mut input), command("b NOOP"));
    }

    proptest! {
        #[test]
        fn the_portions_do_not_matter(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("a "), Just("APPEND"), Just(" "), Just("\r\n"), Just("\r"), Just("\n"), Just("{3}\r\n"),
                    Just("{3+}\r\n"), Just("~{30+}\r\n"), Just("{9}"), Just("{99999999999999999999}\n"), Just("xyz"),
                    Just("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), Just("\""), Just("{0+}\r\n"),
                ],
                0..30,
            ),
            size in 1usize..40,
        ) {
            let stream = pieces.concat();
            let whole = frames(stream.as_bytes(), stream.len(), limits());
            prop_assert_eq!(frames(stream.as_bytes(), size, limits()), whole);
        }

        #[test]
        fn arbitrary_octets_never_panic(stream in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
            let whole = frames(&stream, stream.len(), limits());
            prop_assert_eq!(frames(&stream, size, limits()), whole);
        }
    }
}
