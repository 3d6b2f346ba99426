//! Protocol conversations as text.
//!
//! A transcript is a list of lines; each is one of
//!
//! | line | meaning |
//! |---|---|
//! | `C: text` | the client sends the text and CRLF |
//! | `C- text` | the client sends the text without CRLF (the end of a literal, half a line) |
//! | `C closes` | the client closes its sending side |
//! | `S: pattern` | the server's next line, without its CRLF |
//! | `S…` | any number of lines (also none), up to the first that matches the `S:` line that follows |
//! | `S closes` | the server closes the connection without saying more |
//! | `# text` | a comment; empty lines are skipped too |
//!
//! In a pattern `…` stands for any bytes, also none; everything else stands for itself. There is no `*` wildcard,
//! because IMAP's untagged responses begin with one. Indentation before `C` and `S` is ignored, so that transcripts
//! can stand indented in a test. `C: ` with nothing behind it is an empty line, and so is `S: `.
//!
//! A server literal needs no syntax of its own: its lines are lines.
//!
//! The client's bytes are written while the server's are read, so a long pipeline cannot deadlock on a short
//! `tokio::io::duplex` buffer. A failure panics with the whole conversation so far.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// How long the server may take for one line before the transcript fails.
const ANSWER_SECONDS_MAX: u64 = 20;

/// Replays a transcript; the client's bytes go out in one write per run of `C` lines.
///
/// Pass `&mut stream` to go on with another transcript on the same connection. At the end, bytes that have already
/// arrived and that no line expected are a failure.
///
/// # Panics
/// When the server says anything else than the transcript, falls silent or closes too early.
pub async fn transcript<S: AsyncRead + AsyncWrite + Unpin>(stream: S, text: &str) {
    transcript_in_pieces(stream, text, usize::MAX).await;
}

/// Replays a transcript; the client's bytes go out in pieces of at most `piece_bytes`, and the server gets a turn
/// after each. With 1, every command is split at every byte: the answers must be the same.
///
/// # Panics
/// As [`transcript`].
pub async fn transcript_in_pieces<S: AsyncRead + AsyncWrite + Unpin>(stream: S, text: &str, piece_bytes: usize) {
    let steps = parse_steps(text);
    let (reading, writing) = tokio::io::split(stream);
    let mut replay = Replay { reading, writing, arrived: Vec::new(), closed: false, log: String::new() };
    let mut index = 0;
    while let Some((line_number, step)) = steps.get(index) {
        index += 1;
        replay.line_number(*line_number);
        match step {
            Step::Send(first) => {
                let mut bytes = first.clone();
                while let Some((_, Step::Send(more))) = steps.get(index) {
                    bytes.extend_from_slice(more);
                    index += 1;
                }
                replay.send(&bytes, piece_bytes).await;
            }
            Step::CloseSending => replay.close_sending().await,
            Step::Expect(pattern) => replay.expect(pattern).await,
            Step::SkipTo(pattern) => replay.skip_to(pattern).await,
            Step::ExpectClose => replay.expect_close().await,
        }
    }
    if !replay.arrived.is_empty() {
        let rest = String::from_utf8_lossy(&replay.arrived).into_owned();
        replay.fail(&format!("the transcript is over, but the server said more:\n{rest}"));
    }
}

/// Tells whether `line` is what `pattern` describes: `…` stands for any bytes, also none.
#[must_use]
pub fn matches(pattern: &str, line: &[u8]) -> bool {
    let mut pieces = pattern.split('…').map(str::as_bytes);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(mut piece) = pieces.next() else { return rest.is_empty() };
    for next in pieces {
        let Some(at) = position(rest, piece) else { return false };
        rest = &rest[at + piece.len()..];
        piece = next;
    }
    rest.ends_with(piece)
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[derive(Debug)]
enum Step {
    Send(Vec<u8>),
    CloseSending,
    Expect(String),
    SkipTo(String),
    ExpectClose,
}

fn parse_steps(text: &str) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    let mut skip = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim_start();
        let step = if line.is_empty() || line.starts_with('#') {
            continue;
        } else if let Some(sent) = content(line, "C:") {
            Step::Send(format!("{sent}\r\n").into_bytes())
        } else if let Some(sent) = content(line, "C-") {
            Step::Send(sent.as_bytes().to_vec())
        } else if line == "C closes" {
            Step::CloseSending
        } else if line == "S closes" {
            Step::ExpectClose
        } else if line == "S…" {
            skip = true;
            continue;
        } else if let Some(pattern) = content(line, "S:") {
            if std::mem::take(&mut skip) { Step::SkipTo(pattern.to_owned()) } else { Step::Expect(pattern.to_owned()) }
        } else {
            panic!("transcript line {number} is none of `C:`, `C-`, `C closes`, `S:`, `S…`, `S closes`, `#`: {line}");
        };
        assert!(!skip, "transcript line {number}: `S…` must be followed by an `S:` line");
        steps.push((number, step));
    }
    assert!(!skip, "the transcript ends with `S…`, which must be followed by an `S:` line");
    steps
}

/// What stands behind the mark and one space; an editor may have cut the space of an empty line.
fn content<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(mark)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

struct Replay<S> {
    reading: ReadHalf<S>,
    writing: WriteHalf<S>,
    arrived: Vec<u8>,
    closed: bool,
    log: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Replay<S> {
    async fn send(&mut self, bytes: &[u8], piece_bytes: usize) {
        for line in String::from_utf8_lossy(bytes).lines() {
            writeln!(self.log, "  C: {line}").unwrap();
        }
        for piece in bytes.chunks(piece_bytes.max(1)) {
            self.send_piece(piece).await;
            tokio::task::yield_now().await;
        }
    }

    async fn send_piece(&mut self, mut piece: &[u8]) {
        let mut buffer = [0_u8; 8192];
        while !piece.is_empty() {
            tokio::select! {
                biased;
                written = self.writing.write(piece) => match written {
                    Ok(0) => self.fail("the server takes no more bytes"),
                    Ok(count) => piece = &piece[count..],
                    Err(error) => self.fail(&format!("cannot send: {error}")),
                },
                read = self.reading.read(&mut buffer), if !self.closed => match read {
                    Ok(0) => self.closed = true,
                    Ok(count) => self.arrived.extend_from_slice(&buffer[..count]),
                    Err(error) => self.fail(&format!("cannot read: {error}")),
                },
            }
        }
        if let Err(error) = self.writing.flush().await {
            self.fail(&format!("cannot flush: {error}"));
        }
    }

    async fn close_sending(&mut self) {
        self.log.push_str("  C closes\n");
        if let Err(error) = self.writing.shutdown().await {
            self.fail(&format!("cannot close: {error}"));
        }
    }

    async fn expect(&mut self, pattern: &str) {
        match self.next_line().await {
            Some(line) if matches(pattern, &line) => {}
            Some(line) => self.fail(&format!(
                "not the expected line\n  expected: {pattern}\n  received: {}",
                String::from_utf8_lossy(&line)
            )),
            None => self.fail(&format!("the server closed the connection\n  expected: {pattern}")),
        }
    }

    async fn skip_to(&mut self, pattern: &str) {
        loop {
            match self.next_line().await {
                Some(line) if matches(pattern, &line) => return,
                Some(_) => {}
                None => self.fail(&format!("the server closed the connection\n  expected, after others: {pattern}")),
            }
        }
    }

    async fn expect_close(&mut self) {
        if let Some(line) = self.next_line().await {
            self.fail(&format!(
                "the server should have closed the connection\n  received: {}",
                String::from_utf8_lossy(&line)
            ));
        }
        self.log.push_str("  S closes\n");
    }

    /// The next line without its line end; `None` when the server has closed.
    async fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = position(&self.arrived, b"\n") {
                let mut line: Vec<u8> = self.arrived.drain(..=end).collect();
                line.pop();
                if line.pop() != Some(b'\r') {
                    self.fail(&format!("a line that ends without CR: {}", String::from_utf8_lossy(&line)));
                }
                writeln!(self.log, "  S: {}", String::from_utf8_lossy(&line)).unwrap();
                return Some(line);
            }
            if self.closed {
                if !self.arrived.is_empty() {
                    let rest = String::from_utf8_lossy(&self.arrived).into_owned();
                    self.fail(&format!("the server closed the connection within a line: {rest}"));
                }
                return None;
            }
            self.read_more().await;
        }
    }

    async fn read_more(&mut self) {
        let mut buffer = [0_u8; 8192];
        let time = Duration::from_secs(ANSWER_SECONDS_MAX);
        match tokio::time::timeout(time, self.reading.read(&mut buffer)).await {
            Ok(Ok(0)) => self.closed = true,
            Ok(Ok(count)) => self.arrived.extend_from_slice(&buffer[..count]),
            // A reset is how a closed socket with unread bytes looks from here.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => self.closed = true,
            Ok(Err(error)) => self.fail(&format!("cannot read: {error}")),
            Err(_) => {
                let rest = String::from_utf8_lossy(&self.arrived).into_owned();
                self.fail(&format!("no line from the server in {ANSWER_SECONDS_MAX} s; unfinished: {rest:?}"));
            }
        }
    }
}

impl<S> Replay<S> {
    fn line_number(&mut self, number: usize) {
        writeln!(self.log, "{number:>4}").unwrap();
    }

    fn fail(&self, why: &str) -> ! {
        panic!("transcript failed: {why}\n\nthe conversation so far (numbers are transcript lines):\n{}", self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Echoes each line in capitals; `QUIT` closes.
    async fn capitals<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
        stream.write_all(b"* hello 42\r\n").await.unwrap();
        let mut line = Vec::new();
        loop {
            match stream.read_u8().await {
                Ok(b'\n') => {
                    line.push(b'\n');
                    stream.write_all(&line.to_ascii_uppercase()).await.unwrap();
                    if line.eq_ignore_ascii_case(b"quit\r\n") {
                        return;
                    }
                    line.clear();
                }
                Ok(byte) => line.push(byte),
                Err(_) => return,
            }
        }
    }

    async fn replay(text: &str, piece_bytes: usize, buffer_bytes: usize) {
        let (client, server) = tokio::io::duplex(buffer_bytes);
        let server = tokio::spawn(capitals(server));
        transcript_in_pieces(client, text, piece_bytes).await;
        server.await.unwrap();
    }

    const CONVERSATION: &str = "
        S: * hello …
        C: one
        C: two
        # three comes in two pieces
        C- thr
        C- ee
        C:
        S: ONE
        S…
        S: TH…E
        C: quit
        S: QUIT
        S closes
    ";

    #[tokio::test]
    async fn a_conversation_is_the_same_in_one_piece_and_in_single_bytes() {
        replay(CONVERSATION, usize::MAX, 1024).await;
        replay(CONVERSATION, 1, 1024).await;
    }

    #[tokio::test]
    async fn a_long_pipeline_passes_through_a_buffer_of_a_few_bytes() {
        replay(CONVERSATION, usize::MAX, 3).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not the expected line")]
    async fn another_answer_fails() {
        replay("S: * goodbye", usize::MAX, 64).await;
    }

    #[tokio::test]
    #[should_panic(expected = "the server said more")]
    async fn an_unexpected_answer_at_the_end_fails() {
        let (client, mut server) = tokio::io::duplex(64);
        server.write_all(b"* one\r\n* two\r\n").await.unwrap();
        transcript(client, "S: * one").await;
    }

    #[test]
    fn an_ellipsis_stands_for_any_bytes() {
        for (pattern, line, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "ab", false),
            ("…", "", true),
            ("a…", "a", true),
            ("a…c", "abbc", true),
            ("a…c", "abcd", false),
            ("…b…", "abc", true),
            ("a…b…c", "a-b-b-c", true),
            ("a…a", "a", false),
            ("* OK [UIDVALIDITY …] …", "* OK [UIDVALIDITY 17] UIDs valid", true),
        ] {
            assert_eq!(matches(pattern, line.as_bytes()), expected, "{pattern} {line}");
        }
    }
}
