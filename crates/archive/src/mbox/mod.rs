//! mbox: messages one after the other in one file, in all four variants.
//!
//! A message begins with a line `From address date`. What keeps such a line in a text from being taken for one differs,
//! and files do not say which way they go, so the reader finds out:
//!
//! - Content-Length is believed where a From line or the file's end follows at that place, and nowhere else. It is
//!   often stale, and then only lines count.
//! - After an empty line, `From ` begins a message if a date with a time follows, or if the next line is a header
//!   field. Without an empty line before it both are needed, and the message before is told to lack that line.
//! - `>From ` loses its `>`. In mboxo only that is quoted, in mboxrd `>>From ` is, too. Only a `>>From ` tells them apart,
//!   and mboxrd is right for it far more often. In a file where a believed Content-Length spans a line that begins with
//!   `From ` (mboxcl2), nothing is quoted.
//!
//! Memory: one message, and as much of the file ahead as a Content-Length points, at most `message_bytes_max`.

mod fields;
mod from_line;
mod source;

use std::io::{self, Read};

use postrider_message::{Fields, header_block_bytes};

pub(crate) use fields::{AddedFields, Marks, imap_base, is_internal_data, is_uidl, remove_added_fields};

use crate::{
    date::format_asctime,
    finding::Finding,
    line_end::{LineEnds, append_wire},
    options::{MboxVariant, ReadLimits},
};
use source::{Piece, Source};

/// How much of a file is looked at to tell its variant.
pub(crate) const PROBE_BYTES: usize = 1024 * 1024;

/// How much of the line behind a From line is looked at.
const NEXT_LINE_BYTES: usize = 256;

/// A message of an mbox file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MboxMessage {
    /// Where its From line begins, in bytes from the beginning of the file.
    pub offset: u64,
    /// Where the next one begins.
    pub next_offset: u64,
    /// The date of the From line.
    pub date: Option<i64>,
    /// The message with CRLF line ends, nothing else changed but the quoting of From lines; empty if it is too large.
    pub raw: Vec<u8>,
    /// Its size when it is too large to be handed out.
    pub too_large_bytes: Option<u64>,
    /// What is odd about how it lies in the file.
    pub findings: Vec<Finding>,
}

/// What was seen that tells variants apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Evidence {
    lengths_right: u64,
    from_lines_spanned: u64,
}

/// Reads an mbox file from any stream.
pub struct MboxReader<R> {
    source: Source<R>,
    variant: MboxVariant,
    limits: ReadLimits,
    evidence: Evidence,
}

impl<R: Read> MboxReader<R> {
    /// Reads `inner` from its beginning. [`MboxVariant::Detect`] looks at the first mebibyte.
    pub fn new(inner: R, variant: MboxVariant, limits: &ReadLimits) -> io::Result<Self> {
        let mut source = Source::new(inner, 0);
        let variant = match variant {
            MboxVariant::Detect => detect(source.fill(PROBE_BYTES)?, limits)?,
            known => known,
        };
        Ok(Self { source, variant, limits: limits.clone(), evidence: Evidence::default() })
    }

    /// Goes on in `inner`, which stands at `offset`: the end of a message that was read.
    pub fn resume(inner: R, offset: u64, variant: MboxVariant, limits: &ReadLimits) -> Self {
        let source = Source::new(inner, offset);
        Self { source, variant, limits: limits.clone(), evidence: Evidence::default() }
    }

    /// The variant it is read as.
    pub fn variant(&self) -> MboxVariant {
        self.variant
    }

    /// The stream.
    pub fn inner_mut(&mut self) -> &mut R {
        self.source.inner_mut()
    }

    /// The next message; nothing at the end.
    pub fn read_message(&mut self) -> io::Result<Option<MboxMessage>> {
        let piece = loop {
            let Some(piece) = self.source.peek_piece()? else { return Ok(None) };
            if !is_empty_line(self.source.bytes(piece)) {
                break piece;
            }
            self.source.consume(piece.bytes);
        };
        let mut message = MboxMessage { offset: self.source.offset(), ..MboxMessage::default() };
        let line = self.source.bytes(piece);
        if from_line::likeness(line) == from_line::Likeness::None {
            message.findings.push(Finding::OddFromLine);
        } else {
            message.date = from_line::date(line);
            if message.date.is_none() {
                message.findings.push(Finding::OddFromLine);
            }
            self.source.consume(piece.bytes);
        }
        let mut building = Building::new(message, self.limits.message_bytes_max);
        self.read_lines(&mut building)?;
        Ok(Some(building.finish(self.source.offset())))
    }

    /// Reads up to the next message.
    fn read_lines(&mut self, building: &mut Building) -> io::Result<()> {
        let mut in_header = true;
        while let Some(piece) = self.source.peek_piece()? {
            if piece.begins_line && !building.is_new() && self.source.bytes(piece).starts_with(b"From ") {
                if self.begins_message(piece, building.empty_line_waits())? {
                    if !building.empty_line_waits() {
                        building.find(Finding::NoEmptyLineBefore);
                    }
                    building.drop_empty_line();
                    return Ok(());
                }
                building.find(Finding::FromLineInText);
            }
            let line = self.source.bytes(piece);
            if piece.begins_line && is_empty_line(line) {
                building.push_empty_line(line);
                self.source.consume(piece.bytes);
                if in_header && self.read_counted_body(building)? {
                    return Ok(());
                }
                in_header = false;
                continue;
            }
            let text = if piece.begins_line { unquoted(line, self.variant) } else { line };
            building.push(text);
            self.source.consume(piece.bytes);
        }
        building.drop_empty_line();
        Ok(())
    }

    fn begins_message(&mut self, piece: Piece, after_empty_line: bool) -> io::Result<bool> {
        self.source.fill(piece.bytes + NEXT_LINE_BYTES)?;
        let (line, next) = self.source.buffered().split_at_checked(piece.bytes).unwrap_or_default();
        Ok(from_line::begins_message(line, after_empty_line, next))
    }

    /// Reads a body by Content-Length, if there is one that can be believed.
    fn read_counted_body(&mut self, building: &mut Building) -> io::Result<bool> {
        if matches!(self.variant, MboxVariant::Mboxo | MboxVariant::Mboxrd) {
            return Ok(false);
        }
        let length = building.content_length(self.limits.header_bytes_max);
        let Some(bytes) = length.filter(|bytes| *bytes <= self.limits.message_bytes_max) else { return Ok(false) };
        let Ok(bytes) = usize::try_from(bytes) else { return Ok(false) };
        let buffered = self.source.fill(bytes.saturating_add(2 * NEXT_LINE_BYTES))?;
        let Some((body, rest)) = buffered.split_at_checked(bytes) else {
            building.find(Finding::WrongContentLength);
            return Ok(false);
        };
        let Some(gap) = gap_before_message(body, rest) else {
            building.find(Finding::WrongContentLength);
            return Ok(false);
        };
        self.evidence.lengths_right += 1;
        let spans_from_line = body.starts_with(b"From ") || memchr::memmem::find(body, b"\nFrom ").is_some();
        if spans_from_line {
            self.evidence.from_lines_spanned += 1;
            self.variant = MboxVariant::Mboxcl2;
        }
        building.keep_empty_line();
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            building.push(unquoted(line, self.variant));
        }
        self.source.consume(bytes + gap);
        Ok(true)
    }
}

/// How many bytes of empty lines lie behind a body before the next message or the file's end; nothing if something
/// else follows, so that the body does not end there.
fn gap_before_message(body: &[u8], rest: &[u8]) -> Option<usize> {
    let mut gap = 0;
    let mut after_line = body.is_empty() || body.ends_with(b"\n");
    for _ in 0..3 {
        let left = rest.get(gap..).unwrap_or_default();
        if left.is_empty() {
            return Some(gap);
        }
        let end = left.iter().position(|byte| *byte == b'\n').map_or(left.len(), |at| at + 1);
        let (line, next) = left.split_at_checked(end)?;
        if after_line && from_line::begins_message(line, true, next) {
            return Some(gap);
        }
        if !is_empty_line(line) {
            return None;
        }
        after_line = true;
        gap += end;
    }
    None
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// The line without what was put before `From `.
fn unquoted(line: &[u8], variant: MboxVariant) -> &[u8] {
    let Some(rest) = line.strip_prefix(b">") else { return line };
    let quotes = match variant {
        MboxVariant::Mboxcl2 => return line,
        MboxVariant::Mboxo => 0,
        MboxVariant::Detect | MboxVariant::Mboxrd | MboxVariant::Mboxcl => {
            rest.iter().take_while(|byte| **byte == b'>').count()
        }
    };
    match rest.get(quotes..).is_some_and(|text| text.starts_with(b"From ")) {
        true => rest,
        false => line,
    }
}

/// Finds out the variant from a file's beginning.
fn detect(beginning: &[u8], limits: &ReadLimits) -> io::Result<MboxVariant> {
    let mut probe = MboxReader::resume(beginning, 0, MboxVariant::Detect, limits);
    while probe.read_message()?.is_some() {}
    Ok(match probe.evidence {
        Evidence { from_lines_spanned: 1.., .. } => MboxVariant::Mboxcl2,
        Evidence { lengths_right: 1.., .. } => MboxVariant::Mboxcl,
        _ => MboxVariant::Detect,
    })
}

/// A message that is being put together.
struct Building {
    message: MboxMessage,
    ends: Option<LineEnds>,
    /// An empty line that belongs to the message only if another line of it follows.
    empty_line: Option<&'static [u8]>,
    bytes: u64,
    bytes_max: u64,
    is_new: bool,
}

impl Building {
    fn new(message: MboxMessage, bytes_max: u64) -> Self {
        Self { message, ends: None, empty_line: None, bytes: 0, bytes_max, is_new: true }
    }

    /// Whether nothing was read yet. A From line right behind a From line is the first line of a message, if anything.
    fn is_new(&self) -> bool {
        self.is_new && self.empty_line.is_none()
    }

    fn find(&mut self, finding: Finding) {
        if !self.message.findings.contains(&finding) {
            self.message.findings.push(finding);
        }
    }

    fn empty_line_waits(&self) -> bool {
        self.empty_line.is_some()
    }

    fn drop_empty_line(&mut self) {
        self.empty_line = None;
    }

    fn keep_empty_line(&mut self) {
        if let Some(line) = self.empty_line.take() {
            self.push_text(line);
        }
    }

    fn push_empty_line(&mut self, line: &[u8]) {
        self.keep_empty_line();
        self.empty_line = Some(if line.len() == 2 { b"\r\n" } else { b"\n" });
    }

    fn push(&mut self, text: &[u8]) {
        self.keep_empty_line();
        self.push_text(text);
    }

    fn push_text(&mut self, text: &[u8]) {
        self.is_new = false;
        // A piece of a long first line does not show how that ends.
        let ends = self.ends.unwrap_or_else(|| LineEnds::of(text));
        if text.ends_with(b"\n") {
            self.ends.get_or_insert(ends);
        }
        self.bytes += u64::try_from(text.len()).unwrap_or(0);
        if self.bytes > self.bytes_max {
            self.message.raw = Vec::new();
        } else {
            append_wire(&mut self.message.raw, text, ends);
        }
    }

    fn content_length(&self, header_bytes_max: usize) -> Option<u64> {
        let raw = &self.message.raw;
        let header = raw.get(..raw.len().min(header_bytes_max)).unwrap_or(raw);
        let field = Fields::new(header).find(|field| field.is(b"content-length"))?;
        std::str::from_utf8(field.value).ok()?.trim().parse().ok()
    }

    fn finish(self, next_offset: u64) -> MboxMessage {
        let too_large_bytes = (self.bytes > self.bytes_max).then_some(self.bytes);
        MboxMessage { next_offset, too_large_bytes, ..self.message }
    }
}

/// The header of a message, no more than `bytes_max` of it.
pub(crate) fn header_of(raw: &[u8], bytes_max: usize) -> &[u8] {
    let start = raw.get(..raw.len().min(bytes_max)).unwrap_or(raw);
    start.get(..header_block_bytes(start)).unwrap_or(start)
}

/// The line before a message.
pub(crate) fn write_from_line(out: &mut Vec<u8>, sender: &str, received: i64) {
    let sender: String = sender.chars().filter(|c| c.is_ascii_graphic()).collect();
    let sender = if sender.is_empty() { "MAILER-DAEMON" } else { &sender };
    out.extend_from_slice(format!("From {sender} {}\n", format_asctime(received)).as_bytes());
}

/// Appends the text as mboxrd quotes it.
pub(crate) fn append_quoted(out: &mut Vec<u8>, text: &[u8]) {
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        if line.get(quotes..).is_some_and(|text| text.starts_with(b"From ")) {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests;
