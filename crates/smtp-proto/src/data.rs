//! Message content: where it ends, and what is taken out of it.
//!
//! Only CRLF, dot, CRLF ends the content of DATA (RFC 5321 §4.1.1.4), and only a CRLF begins a line. A bare CR or a
//! bare LF begins nothing and ends nothing: a server that took `LF . LF` for the end, behind a relay that did not,
//! could be handed a second message that the relay never saw ("SMTP smuggling"). RFC 5321 §2.3.8 forbids bare CR
//! and LF to senders; they are therefore noted as content passes, and the session refuses the message or, where its
//! operator prefers, keeps it as it came.

use memchr::{memchr2, memmem};

/// What came just before the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing, or a CRLF.
    LineStart,
    /// A dot at the start of a line; it is not content.
    Dot,
    /// A dot at the start of a line, and a CR which may become the end, or content.
    DotCr,
    /// A CR inside a line, not yet written.
    Cr,
    /// Anything else.
    InLine,
    /// The end.
    Done,
}

/// Reads the content of one DATA command out of the stream, removing stuffed dots.
///
/// Input comes in portions of any size; the result is the same for every partition. Content beyond the
/// bound is read to its end, so that the session stays in step with its client, but not kept.
#[derive(Debug, Clone)]
pub struct DataReader {
    state: State,
    bytes: u64,
    bytes_max: u64,
    bare_line_ends: bool,
}

impl DataReader {
    /// At the beginning of content of which at most `bytes_max` bytes are kept.
    pub fn new(bytes_max: u64) -> Self {
        Self { state: State::LineStart, bytes: 0, bytes_max, bare_line_ends: false }
    }

    /// Whether the end has come.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The size of the content so far in octets, without stuffing and without the end (RFC 1870 §5), kept or not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there was more content than may be kept.
    pub fn is_too_large(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Whether there was a CR without LF, or a LF without CR.
    pub fn has_bare_line_ends(&self) -> bool {
        self.bare_line_ends
    }

    /// Reads on, appends content to `out`, and answers how many bytes of `input` were used: all of them, unless the end
    /// has come. What follows the end belongs to the next command.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while self.state != State::Done {
            let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) else { break };
            used += self.step(rest, out);
        }
        used
    }

    /// Goes on by a byte or a run of text; answers by how many bytes, which may be none if only the state changed.
    fn step(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let first = rest.first().copied().unwrap_or_default();
        match (self.state, first) {
            (State::Done, _) => 0,
            (State::LineStart, b'.') => self.go(State::Dot, 1),
            (State::Dot, b'\r') => self.go(State::DotCr, 1),
            (State::DotCr, b'\n') => self.go(State::Done, 1),
            (State::Cr, b'\n') => {
                self.keep(b"\r\n", out);
                self.go(State::LineStart, 1)
            }
            // The CR was a bare one, and so part of the text.
            (State::DotCr | State::Cr, _) => {
                self.keep(b"\r", out);
                self.bare_line_ends = true;
                self.go(State::InLine, 0)
            }
            (State::LineStart | State::Dot, _) => self.go(State::InLine, 0),
            (State::InLine, b'\r') => self.go(State::Cr, 1),
            (State::InLine, b'\n') => {
                self.keep(b"\n", out);
                self.bare_line_ends = true;
                1
            }
            (State::InLine, _) => {
                let lines = plain_lines(rest);
                self.keep(lines, out);
                lines.len()
            }
        }
    }

    fn go(&mut self, state: State, used: usize) -> usize {
        self.state = state;
        used
    }

    fn keep(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let room = usize::try_from(self.bytes_max.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        out.extend_from_slice(content.get(..room).unwrap_or(content));
    }
}

/// How much of what comes is looked at for plain lines at once, in bytes.
const WINDOW_BYTES: usize = 1024;

/// The beginning of `rest`, which begins inside a line, that is content as it stands: as many lines as can be taken at once
/// where every CR is followed by LF, every LF follows CR and no dot begins a line; else the rest of the line. Most content is
/// plain throughout, and looking at all of a window for each of these is faster than going from line end to line end.
fn plain_lines(rest: &[u8]) -> &[u8] {
    let window = rest.get(..WINDOW_BYTES).unwrap_or(rest);
    // What follows a line end at the end decides what it is.
    let window = window.strip_suffix(b"\r\n").or(window.strip_suffix(b"\r")).unwrap_or(window);
    let pairs = window.iter().zip(window.iter().skip(1));
    // No early exit, so that many pairs are looked at in one instruction.
    let paired = pairs.fold(true, |paired, (first, second)| paired & ((*first == b'\r') == (*second == b'\n')));
    let complete = !matches!(window.last(), Some(b'\r' | b'\n'));
    if paired && complete && memmem::find(window, b"\n.").is_none() {
        return window;
    }
    let line = memchr2(b'\r', b'\n', window).unwrap_or(window.len());
    window.get(..line).unwrap_or(window)
}

/// Looks for bare CR and LF in content that is not framed by lines: the chunks of BDAT.
#[derive(Debug, Clone, Default)]
pub struct BareLineEnds {
    after_cr: bool,
    found: bool,
}

impl BareLineEnds {
    /// Looks at the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&first, tail)) = rest.split_first() {
            match (self.after_cr, first) {
                (true, b'\n') => self.after_cr = false,
                (true, byte) => {
                    self.found = true;
                    self.after_cr = byte == b'\r';
                }
                (false, b'\r') => self.after_cr = true,
                (false, b'\n') => self.found = true,
                (false, _) => {
                    let next = memchr2(b'\r', b'\n', tail).unwrap_or(tail.len());
                    rest = tail.get(next..).unwrap_or_default();
                    continue;
                }
            }
            rest = tail;
        }
    }

    /// Whether there was one, the content being at its end.
    pub fn finish(self) -> bool {
        self.found || self.after_cr
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Outcome {
        content: Vec<u8>,
        rest: Option<Vec<u8>>,
        bytes: u64,
        bare: bool,
        too_large: bool,
    }

    fn read(portions: &[&[u8]], bytes_max: u64) -> Outcome {
        let mut reader = DataReader::new(bytes_max);
        let mut content = Vec::new();
        let mut rest = None;
        for portion in portions {
            let used = reader.push(portion, &mut content);
            assert!(used == portion.len() || reader.is_done());
            if reader.is_done() {
                rest.get_or_insert_with(Vec::new).extend_from_slice(&portion[used..]);
            }
        }
        Outcome {
            content,
            rest,
            bytes: reader.bytes(),
            bare: reader.has_bare_line_ends(),
            too_large: reader.is_too_large(),
        }
    }

    #[test]
    fn content_ends_at_a_dot_alone_and_loses_stuffing() {
        for (input, content, rest) in [
            (".\r\n", "", ""),
            ("a\r\n.\r\n", "a\r\n", ""),
            ("a\r\n.\r\nMAIL", "a\r\n", "MAIL"),
            ("\r\n.\r\n.\r\n", "\r\n", ".\r\n"),
            ("..\r\n.\r\n", ".\r\n", ""),
            ("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", ""),
            (".a\r\n.\r\n", "a\r\n", ""),
            ("a.\r\n.\r\n", "a.\r\n", ""),
            ("a\r\nb.c\r\n.\r\n", "a\r\nb.c\r\n", ""),
        ] {
            let outcome = read(&[input.as_bytes()], 1000);
            assert_eq!(outcome.content, content.as_bytes(), "{input:?}");
            assert_eq!(outcome.rest.as_deref(), Some(rest.as_bytes()), "{input:?}");
            assert_eq!((outcome.bytes, outcome.bare), (content.len() as u64, false), "{input:?}");
        }
    }

    #[test]
    fn no_look_alike_ends_the_content() {
        // Every mixture of bare CR and LF around a dot which is not CRLF . CRLF: published variants of SMTP
        // smuggling, and the ones that nobody has published yet.
        let ends =
            ["\n", "\r", "\r\n", "\n\r", "\r\r", "\n\n", "\r\r\n", "\r\n\r", "\n\r\n", "\r\0\n", "\0\r\n", "\u{85}"];
        for before in ends {
            for after in ends {
                let attempt = format!("text{before}.{after}MAIL FROM:<evil@example.com>\r\n.\r\n");
                let standard = before.ends_with("\r\n") && after.starts_with("\r\n");
                let outcome = read(&[attempt.as_bytes()], 1000);
                let rest = outcome.rest.expect("the real end is there");
                assert_eq!(rest.is_empty(), !standard, "{attempt:?}");
                if !standard && !attempt.contains(['\0', '\u{85}']) {
                    assert!(outcome.bare, "{attempt:?} must be noted");
                }
            }
        }
    }

    #[test]
    fn stuffing_is_not_removed_after_a_bare_line_feed() {
        let outcome = read(&[b"a\n..b\r..c\r\n..d\r\n.\r\n"], 1000);
        assert_eq!(outcome.content, b"a\n..b\r..c\r\n.d\r\n");
        assert!(outcome.bare);
    }

    #[test]
    fn a_dot_before_a_bare_line_end_is_stuffing() {
        let outcome = read(&[b".\n.\r.\r\n.\rx\r\n.\r\n"], 1000);
        assert_eq!(outcome.content, b"\n.\r.\r\n\rx\r\n");
        assert!(outcome.bare);
    }

    #[test]
    fn content_beyond_the_bound_is_read_to_its_end_but_not_kept() {
        let outcome = read(&[b"0123456789\r\nmore and more\r\n.\r\nNOOP"], 12);
        assert_eq!(outcome.content, b"0123456789\r\n");
        assert_eq!((outcome.bytes, outcome.too_large), (27, true));
        assert_eq!(outcome.rest.as_deref(), Some(b"NOOP".as_slice()));
        assert!(!read(&[b"0123456789\r\n.\r\n"], 12).too_large);
    }

    #[test]
    fn chunks_are_searched_for_bare_line_ends() {
        for (chunks, expected) in [
            (vec!["a\r\nb\r\n"], false),
            (vec!["a\r", "\nb"], false),
            (vec!["a\n"], true),
            (vec!["a\r"], true),
            (vec!["a\r", "b"], true),
            (vec!["a\r\r\n"], true),
            (vec!["\r\n", "\n"], true),
            (vec![""], false),
        ] {
            let mut finder = BareLineEnds::default();
            chunks.iter().for_each(|chunk| finder.push(chunk.as_bytes()));
            assert_eq!(finder.finish(), expected, "{chunks:?}");
        }
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![Just("."), Just("\r"), Just("\n"), Just("\r\n"), Just("a"), Just("\r\n.\r\n")];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn every_partition_of_the_input_gives_the_same(stream in stream(), size in 1usize..6, bytes_max in 0u64..40) {
            let portions: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(read(&portions, bytes_max), read(&[&stream], bytes_max));
        }

        #[test]
        fn long_lines_and_many_make_no_difference(stream in stream(), before in 0usize..2100, line in 1usize..90) {
            let text: Vec<u8> = std::iter::repeat_n(b'a', line).chain(*b"\r\n").cycle().take(before).collect();
            let stream = [text.as_slice(), &stream].concat();
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(read(&bytes, u64::MAX), read(&[&stream], u64::MAX));
        }

        #[test]
        fn the_end_is_the_first_dot_alone_between_line_ends(stream in stream()) {
            let framed = [b"\r\n".as_slice(), &stream].concat();
            let end = framed.windows(5).position(|window| window == b"\r\n.\r\n");
            let rest = read(&[&stream], u64::MAX).rest;
            prop_assert_eq!(rest, end.map(|end| framed[end + 5..].to_vec()));
        }

        #[test]
        fn content_without_bare_line_ends_survives_stuffing(
            lines in proptest::collection::vec("[a.]{0,4}", 0..8),
        ) {
            let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed: String =
                lines.iter().map(|line| format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" })).collect();
            let outcome = read(&[stuffed.as_bytes(), b".\r\n"], u64::MAX);
            prop_assert_eq!(outcome.content, content.into_bytes());
            prop_assert!(!outcome.bare);
        }

        #[test]
        fn both_searches_for_bare_line_ends_agree(stream in stream()) {
            let mut finder = BareLineEnds::default();
            finder.push(&stream);
            // No dots, so that nothing is stuffing and nothing is the end.
            let plain: Vec<u8> = stream.iter().copied().filter(|byte| *byte != b'.').collect();
            let mut finder_of_plain = BareLineEnds::default();
            finder_of_plain.push(&plain);
            let outcome = read(&[&plain, b"x"], u64::MAX);
            prop_assert_eq!(outcome.bare, finder_of_plain.finish());
        }
    }
}
