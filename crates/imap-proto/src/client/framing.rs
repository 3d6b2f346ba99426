//! Cuts whole responses, their literals included, from the front of a buffer, and hands out large contents in pieces.
//!
//! As in [`crate::framing`], a line that ends with a literal's announcement goes on behind the literal. Responses differ
//! from commands in two ways. Their texts for people are free, so `* OK we moved to {5}` announces nothing: in a status
//! response only the code between the brackets can hold literals. And a FETCH may hold a message of any size. A content
//! longer than [`ResponseLimits::content_inline_bytes_max`] is not gathered: it is announced with what the response
//! told so far, handed out as it comes, and left out of the response, where [`ResponseFrame`] remembers its place.
//!
//! What exceeds a limit is dropped as it comes and reported where it ends; what follows is the next response. The
//! result never depends on how the stream was cut into portions, but for the size of the pieces of a content.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use postrider_wire::literal::ANNOUNCEMENT_BYTES_MAX;
use postrider_wire::{LiteralAnnouncement, announced_literal};

use super::parse::{PartialFetch, parse_partial_fetch};
use crate::parse::is_tag;

/// Bounds on responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseLimits {
    /// Octets of a response outside its literals, line ends not counted. A SEARCH of a large mailbox is one line.
    pub line_bytes_max: usize,
    /// Octets of one literal that is no content of a message.
    pub literal_bytes_max: u64,
    /// Octets of a content (`BODY[…]`, `BINARY[…]`, `RFC822…`) that is held in the response; a longer one is handed out
    /// in pieces.
    pub content_inline_bytes_max: u64,
    /// Octets of one content that is handed out in pieces.
    pub content_bytes_max: u64,
    /// Octets of a whole response, without contents that are handed out in pieces.
    pub response_bytes_max: u64,
    /// Literals in one response.
    pub literals_max: usize,
    /// Contents of one response that are handed out in pieces.
    pub streamed_contents_max: usize,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: 16 * 1024 * 1024,
            literal_bytes_max: 1024 * 1024,
            content_inline_bytes_max: 64 * 1024,
            content_bytes_max: 4 * 1024 * 1024 * 1024,
            response_bytes_max: 32 * 1024 * 1024,
            literals_max: 1000,
            streamed_contents_max: 64,
        }
    }
}

impl ResponseLimits {
    /// For a server that has not proved itself yet: enough for a greeting, capabilities and a SASL exchange.
    pub fn before_login() -> Self {
        Self {
            line_bytes_max: 64 * 1024,
            literal_bytes_max: 4 * 1024,
            content_bytes_max: 4 * 1024,
            content_inline_bytes_max: 4 * 1024,
            response_bytes_max: 128 * 1024,
            literals_max: 16,
            streamed_contents_max: 0,
        }
    }
}

/// Which limit a response exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseRefusal {
    /// [`ResponseLimits::line_bytes_max`]
    #[error("a response has too long a line")]
    LineTooLong,
    /// [`ResponseLimits::literal_bytes_max`] or [`ResponseLimits::content_bytes_max`]
    #[error("a response holds a literal of {bytes} octets")]
    LiteralTooLarge {
        /// The literal's size, in octets.
        bytes: u64,
    },
    /// [`ResponseLimits::response_bytes_max`]
    #[error("a response is too large")]
    ResponseTooLarge,
    /// [`ResponseLimits::literals_max`] or [`ResponseLimits::streamed_contents_max`]
    #[error("a response has too many literals")]
    TooManyLiterals,
}

/// A content whose octets were handed out in pieces and stand not in the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamedContent {
    /// Where in the response the content would begin: just behind its announcement's line end.
    pub(crate) position: usize,
    /// Its length, in octets.
    pub(crate) length: u64,
}

/// A whole response, without the last line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFrame {
    bytes: Bytes,
    streamed: Vec<StreamedContent>,
}

impl ResponseFrame {
    /// A response that is whole: its literals are in place.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, streamed: Vec::new() }
    }

    /// The octets; a content that was handed out in pieces is left out behind its announcement.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The length of the content that is left out at a position.
    pub(crate) fn streamed_at(&self, position: usize) -> Option<u64> {
        self.streamed.iter().find(|streamed| streamed.position == position).map(|streamed| streamed.length)
    }
}

/// What [`ResponseFramer::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseEvent {
    /// Nothing whole yet: read more.
    Incomplete,
    /// A large content of a FETCH begins; pieces follow, then its end.
    ContentBegin(Box<PartialFetch>),
    /// The next octets of the content, never none.
    ContentPiece(Bytes),
    /// All octets of the content were handed out. The rest of the response follows.
    ContentEnd,
    /// A response, complete.
    Response(ResponseFrame),
    /// A response that exceeds a limit; it is gone, and what follows is the next one. Contents that were begun before it
    /// went too far have come to their end.
    Refused {
        /// Its tag, if it had one: then a command has come to its end, in a way that is not known.
        tag: Option<String>,
        /// The first limit exceeded.
        refusal: ResponseRefusal,
    },
}

/// Cuts responses from the front of a buffer.
///
/// Between two calls the buffer may grow at its end only, unless [`ResponseFramer::is_between_responses`].
#[derive(Debug, Clone)]
pub struct ResponseFramer {
    limits: ResponseLimits,
    state: State,
    progress: Progress,
    /// The beginning of the present response, taken from the buffer because a content was handed out behind it.
    held: BytesMut,
}

/// How far the present response has come. Positions count from the buffer's front.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Where the present line begins, behind the last literal.
    line_start: usize,
    /// Up to where no line end was found.
    scanned: usize,
    /// Octets of the response outside literals, up to the present line.
    line_bytes: usize,
    literal_bytes: u64,
    literals: usize,
    streamed: Vec<StreamedContent>,
}

#[derive(Debug, Clone)]
enum State {
    /// In a line of a response that may still be taken.
    Line,
    /// In a literal that is held and ends at this position.
    Literal { end: usize },
    /// In a content that is handed out, with so many octets to come.
    Content { remaining: u64 },
    /// In a line of a response that will be refused; all but the line's last octets are dropped.
    RefusedLine(Refused),
    /// In a literal of such a response, with so many octets to come.
    RefusedLiteral(Refused, u64),
}

#[derive(Debug, Clone)]
struct Refused {
    tag: Option<String>,
    refusal: ResponseRefusal,
    kind: Kind,
}

/// Where literals may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anywhere: untagged data.
    Data,
    /// Between the brackets of the code only: `OK`, `NO`, `BAD`, `BYE` and `PREAUTH`.
    Status,
    /// Nowhere: a continuation request, or a line that is no response.
    Text,
}

impl ResponseFramer {
    /// A framer at the beginning of a stream.
    pub fn new(limits: ResponseLimits) -> Self {
        Self { limits, state: State::Line, progress: Progress::default(), held: BytesMut::new() }
    }

    /// The limits, to be changed after login; they hold from the next line or literal on.
    pub fn limits_mut(&mut self) -> &mut ResponseLimits {
        &mut self.limits
    }

    /// Whether no response has been begun, as far as calls of [`ResponseFramer::next`] have seen.
    pub fn is_between_responses(&self) -> bool {
        matches!(self.state, State::Line)
            && self.held.is_empty()
            && self.progress.line_start == 0
            && self.progress.scanned == 0
    }

    /// Octets of a literal that is being dropped and have not come yet: a reason to close the connection rather than
    /// to take them all.
    pub fn dropping(&self) -> Option<u64> {
        match self.state {
            State::RefusedLiteral(_, remaining) => Some(remaining),
            _ => None,
        }
    }

    /// Forgets what was begun, for use with a new stream. After STARTTLS the buffer must be emptied as well: what came
    /// before TLS must not be taken for what came under it (RFC 9051 §6.2.1).
    pub fn reset(&mut self) {
        self.state = State::Line;
        self.progress = Progress::default();
        self.held.clear();
    }

    /// Takes the next step through `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> ResponseEvent {
        loop {
            let event = match std::mem::replace(&mut self.state, State::Line) {
                State::Line => self.in_line(input),
                State::Literal { end } => self.in_literal(input, end),
                State::Content { remaining } => Some(self.in_content(input, remaining)),
                State::RefusedLine(refused) => self.in_refused_line(input, refused),
                State::RefusedLiteral(refused, remaining) => self.in_refused_literal(input, refused, remaining),
            };
            if let Some(event) = event {
                return event;
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

    fn in_line(&mut self, input: &mut BytesMut) -> Option<ResponseEvent> {
        let end = self.find_line_end(input);
        let line = input.get(self.progress.line_start..end.unwrap_or(input.len())).unwrap_or_default();
        // Without the line's end a CR may still belong to it.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line_bytes = self.progress.line_bytes + line.len();
        if line_bytes > self.limits.line_bytes_max {
            self.refuse(input, ResponseRefusal::LineTooLong);
            return None;
        }
        let Some(end) = end else { return Some(ResponseEvent::Incomplete) };
        let text_end = self.progress.line_start + line.len();
        let announced = announced_literal(line).filter(|_| self.may_announce(input, text_end));
        let Some(announced) = announced else {
            return Some(self.take_response(input, text_end, end + 1));
        };
        self.progress.line_bytes = line_bytes;
        self.begin_literal(input, &announced, end + 1)
    }

    /// Whether a literal can be announced at the end of the response so far.
    fn may_announce(&self, input: &BytesMut, text_end: usize) -> bool {
        let text = input.get(..text_end).unwrap_or_default();
        let start = if self.held.is_empty() { text } else { &self.held };
        match kind_of(start) {
            Kind::Data => true,
            // Only FETCH is ever held, so the text is all there is.
            Kind::Status => code_is_open(text),
            Kind::Text => false,
        }
    }

    fn begin_literal(
        &mut self,
        input: &mut BytesMut,
        announced: &LiteralAnnouncement,
        line_end: usize,
    ) -> Option<ResponseEvent> {
        let partial = (announced.length > self.limits.content_inline_bytes_max)
            .then(|| self.partial_fetch(input, announced, line_end))
            .flatten();
        if let Some(refusal) = self.refusal(announced, partial.is_some()) {
            self.refuse(input, refusal);
            return None;
        }
        self.progress.literals += 1;
        let Some(partial) = partial else {
            self.progress.literal_bytes = self.progress.literal_bytes.saturating_add(announced.length);
            let end = usize::try_from(announced.length).unwrap_or(usize::MAX).saturating_add(line_end);
            self.state = State::Literal { end };
            return None;
        };
        self.hold(input, line_end);
        self.progress.streamed.push(StreamedContent { position: self.held.len(), length: announced.length });
        self.state = State::Content { remaining: announced.length };
        Some(ResponseEvent::ContentBegin(Box::new(partial)))
    }

    /// What a FETCH has told up to a content that begins at `line_end`; `None` where it is no such thing.
    fn partial_fetch(
        &self,
        input: &BytesMut,
        announced: &LiteralAnnouncement,
        line_end: usize,
    ) -> Option<PartialFetch> {
        let start = if self.held.is_empty() { input } else { &self.held };
        if !is_fetch(start) {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(self.held.len() + line_end);
        bytes.extend_from_slice(&self.held);
        bytes.extend_from_slice(input.get(..line_end)?);
        let mut streamed = self.progress.streamed.clone();
        streamed.push(StreamedContent { position: bytes.len(), length: announced.length });
        parse_partial_fetch(&ResponseFrame { bytes: bytes.freeze(), streamed })
    }

    fn refusal(&self, announced: &LiteralAnnouncement, is_streamed: bool) -> Option<ResponseRefusal> {
        let limits = &self.limits;
        let so_far = self.progress.literal_bytes.saturating_add(self.progress.line_bytes as u64);
        // A content that is held and is no longer than allowed is let pass, whatever the bound on other literals.
        let literal_bytes_max = match is_streamed {
            true => limits.content_bytes_max,
            false => limits.literal_bytes_max.max(limits.content_inline_bytes_max),
        };
        if announced.length > literal_bytes_max {
            Some(ResponseRefusal::LiteralTooLarge { bytes: announced.length })
        } else if !is_streamed && so_far.saturating_add(announced.length) > limits.response_bytes_max {
            Some(ResponseRefusal::ResponseTooLarge)
        } else if self.progress.literals >= limits.literals_max
            || (is_streamed && self.progress.streamed.len() >= limits.streamed_contents_max)
        {
            Some(ResponseRefusal::TooManyLiterals)
        } else {
            None
        }
    }

    fn in_literal(&mut self, input: &BytesMut, end: usize) -> Option<ResponseEvent> {
        if input.len() < end {
            self.state = State::Literal { end };
            return Some(ResponseEvent::Incomplete);
        }
        self.progress.line_start = end;
        self.progress.scanned = end;
        None
    }

    fn in_content(&mut self, input: &mut BytesMut, remaining: u64) -> ResponseEvent {
        if remaining == 0 {
            return ResponseEvent::ContentEnd;
        }
        let available = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
        self.state = State::Content { remaining: remaining - available as u64 };
        if available == 0 {
            return ResponseEvent::Incomplete;
        }
        ResponseEvent::ContentPiece(input.split_to(available).freeze())
    }

    /// Takes the response so far from the buffer.
    fn hold(&mut self, input: &mut BytesMut, end: usize) {
        let taken = input.split_to(end);
        if self.held.is_empty() {
            self.held = taken;
        } else {
            self.held.extend_from_slice(&taken);
        }
        self.progress.line_start = 0;
        self.progress.scanned = 0;
    }

    fn take_response(&mut self, input: &mut BytesMut, end: usize, line_end: usize) -> ResponseEvent {
        let dropped = line_end - end;
        self.hold(input, line_end);
        let mut bytes = std::mem::take(&mut self.held);
        bytes.truncate(bytes.len() - dropped);
        let streamed = std::mem::take(&mut self.progress).streamed;
        ResponseEvent::Response(ResponseFrame { bytes: bytes.freeze(), streamed })
    }

    /// From here on the response's octets are dropped; the present line stays, its end not yet looked at.
    fn refuse(&mut self, input: &mut BytesMut, refusal: ResponseRefusal) {
        let start = if self.held.is_empty() { &*input } else { &self.held };
        // So much has come in any case: more would depend on the portions.
        let start = start.get(..START_BYTES_MAX.min(self.limits.line_bytes_max)).unwrap_or(start);
        let refused = Refused { tag: tag_of(start), refusal, kind: kind_of(start) };
        self.held.clear();
        let line_start = self.progress.line_start.min(input.len());
        input.advance(line_start);
        self.progress = Progress { scanned: self.progress.scanned.saturating_sub(line_start), ..Progress::default() };
        self.state = State::RefusedLine(refused);
    }

    fn in_refused_line(&mut self, input: &mut BytesMut, refused: Refused) -> Option<ResponseEvent> {
        let Some(end) = self.find_line_end(input) else {
            // The line's last octets tell whether a literal follows.
            let dropped = input.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX + 1);
            input.advance(dropped);
            self.progress.scanned = input.len();
            self.state = State::RefusedLine(refused);
            return Some(ResponseEvent::Incomplete);
        };
        let line = input.split_to(end + 1);
        self.progress = Progress::default();
        let line = line.get(..end).unwrap_or_default();
        let announced = announced_literal(line.strip_suffix(b"\r").unwrap_or(line));
        match announced.filter(|_| refused.kind == Kind::Data) {
            Some(announced) => {
                self.state = State::RefusedLiteral(refused, announced.length);
                None
            }
            None => Some(ResponseEvent::Refused { tag: refused.tag, refusal: refused.refusal }),
        }
    }

    fn in_refused_literal(&mut self, input: &mut BytesMut, refused: Refused, remaining: u64) -> Option<ResponseEvent> {
        let dropped = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
        input.advance(dropped);
        let remaining = remaining - dropped as u64;
        if remaining > 0 {
            self.state = State::RefusedLiteral(refused, remaining);
            return Some(ResponseEvent::Incomplete);
        }
        self.state = State::RefusedLine(refused);
        None
    }
}

/// The most octets of a response's beginning that are looked at when it is refused.
const START_BYTES_MAX: usize = 128;

/// The tag at the beginning of a response.
fn tag_of(start: &[u8]) -> Option<String> {
    let tag = start.get(..start.iter().position(|&octet| octet == b' ')?)?;
    (tag != b"*" && is_tag(tag)).then(|| String::from_utf8_lossy(tag).into_owned())
}

/// What the first two words say of literals.
fn kind_of(start: &[u8]) -> Kind {
    let mut words = start.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_status =
        [b"OK".as_slice(), b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|status| second.eq_ignore_ascii_case(status));
    match first {
        b"+" => Kind::Text,
        _ if is_status => Kind::Status,
        b"*" => Kind::Data,
        _ => Kind::Text,
    }
}

/// Whether the code of a status response has been opened and not closed.
fn code_is_open(text: &[u8]) -> bool {
    let mut rest = text;
    for _ in 0..2 {
        rest = rest.trim_ascii_start();
        let word = rest.iter().position(|&octet| octet == b' ').unwrap_or(rest.len());
        rest = rest.get(word..).unwrap_or_default();
    }
    let Some(code) = rest.trim_ascii_start().strip_prefix(b"[") else { return false };
    let mut quoted = false;
    let mut escaped = false;
    for &octet in code {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return false,
            _ => {}
        }
    }
    true
}

/// Whether a response begins `* n FETCH`.
fn is_fetch(start: &[u8]) -> bool {
    let mut words = start.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
    words.next() == Some(b"*")
        && words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit))
        && words.next().and_then(|word| word.get(..5)).is_some_and(|word| word.eq_ignore_ascii_case(b"FETCH"))
}

#[cfg(test)]
#[path = "tests/framing.rs"]
mod tests;
