//! The walk that finds parts: one pass over the message, with a stack of the boundaries that are open.
//!
//! A boundary line of an outer multipart ends everything inside it, so missing end boundaries, parts without blank
//! line and multiparts without parts all fall out of one rule. Only lines that begin with `--` are looked at closely,
//! and each is compared with at most `nesting_depth_max` boundaries.

use std::ops::Range;

use memchr::{memchr_iter, memmem};

use crate::charset::guess_text;
use crate::header::{Field, Fields, is_blank_line, line_end, slice, unfold};
use crate::parameter::{Parameter, parse_media_type, parse_parameters, parse_token};
use crate::structure::{Disposition, MimeLimits, Part, PartKind};

/// A boundary line of one of the open multiparts, or the end of the message.
#[derive(Clone, Copy)]
struct Delimiter {
    /// Which open boundary it is, outermost 0; nothing at the end of the message.
    level: Option<usize>,
    /// True for the end boundary.
    is_close: bool,
    /// Where its line begins.
    start: usize,
    /// Where the next line begins.
    end: usize,
}

/// Where a part without Content-Type stands decides what it is.
#[derive(Clone, Copy, PartialEq)]
enum DefaultType {
    Text,
    /// RFC 2046 §5.1.5: in multipart/digest.
    Message,
}

/// Walks over one message.
pub(crate) struct Walker<'a> {
    raw: &'a [u8],
    limits: &'a MimeLimits,
    position: usize,
    boundaries: Vec<Vec<u8>>,
    parts_left: usize,
    line_start: memmem::Finder<'static>,
}

impl<'a> Walker<'a> {
    /// Starts at the beginning of `raw`.
    pub(crate) fn new(raw: &'a [u8], limits: &'a MimeLimits) -> Self {
        let parts_left = limits.parts_max.saturating_sub(1);
        Self { raw, limits, position: 0, boundaries: Vec::new(), parts_left, line_start: memmem::Finder::new(b"\n--") }
    }

    /// The whole message.
    pub(crate) fn message(mut self) -> Part {
        self.part(0, DefaultType::Text).0
    }

    /// One part, from its header to the boundary line that ends it.
    fn part(&mut self, depth: usize, default: DefaultType) -> (Part, Delimiter) {
        let (header, stop) = self.header();
        let body_start = header.end;
        let block = slice(self.raw, header.clone());
        let block = slice(block, 0..block.len().min(self.limits.header_bytes_max));
        let mut part = Part::plain(header, body_start..body_start);
        let boundary = read_fields(block, self.limits, default, &mut part);
        let stop = match stop {
            Some(stop) => stop,
            None => self.content(&mut part, boundary, depth),
        };
        // A header that a boundary cut off was closed as a leaf and must not keep a composite type.
        if part.kind == PartKind::Leaf {
            demote(&mut part);
        }
        // A header that a boundary follows at once keeps its last line end, and so does all that encloses it.
        let content_end = part.children().last().map_or(body_start, |child| child.body.end);
        part.body.end = self.body_end(body_start, stop).max(content_end);
        if part.media_type == "text" || matches!(part.kind, PartKind::Message(_)) {
            part.lines = count_lines(slice(self.raw, part.body.clone()));
        }
        (part, stop)
    }

    /// Reads over the body of a part and fills in what it contains.
    fn content(&mut self, part: &mut Part, boundary: Option<Vec<u8>>, depth: usize) -> Delimiter {
        let depth_max = self.limits.nesting_depth_max.min(MimeLimits::NESTING_DEPTH_CEILING);
        let may_open = depth < depth_max && self.parts_left > 0;
        match (part.media_type.as_str(), boundary) {
            ("multipart", Some(boundary)) if may_open => {
                let default = if part.subtype == "digest" { DefaultType::Message } else { DefaultType::Text };
                let (children, stop) = self.multipart(boundary, depth, default);
                part.kind = PartKind::Multipart(children);
                stop
            }
            ("multipart", None) => {
                // RFC 2045 §5.2: what is no valid type is plain text.
                part.media_type = "text".to_owned();
                part.subtype = "plain".to_owned();
                self.skip_to_delimiter()
            }
            // RFC 2046 §5.2.1: an enclosed message may not be encoded, so one that is stays closed.
            ("message", _) if may_open && is_message(part) && part.transfer_encoding().is_identity() => {
                self.parts_left -= 1;
                let (message, stop) = self.part(depth + 1, DefaultType::Text);
                part.kind = PartKind::Message(Box::new(message));
                stop
            }
            _ => self.skip_to_delimiter(),
        }
    }

    fn multipart(&mut self, boundary: Vec<u8>, depth: usize, default: DefaultType) -> (Vec<Part>, Delimiter) {
        let own = self.boundaries.len();
        self.boundaries.push(boundary);
        let mut children = Vec::new();
        let mut stop = self.skip_to_delimiter();
        while stop.level == Some(own) && !stop.is_close && self.parts_left > 0 {
            self.parts_left -= 1;
            let (child, next) = self.part(depth + 1, default);
            children.push(child);
            stop = next;
        }
        self.boundaries.truncate(own);
        // The epilogue, or what is beyond the number of parts: all up to a boundary further out.
        if stop.level == Some(own) {
            stop = self.skip_to_delimiter();
        }
        (children, stop)
    }

    /// The header block from here; it may be cut off by a boundary line.
    fn header(&mut self) -> (Range<usize>, Option<Delimiter>) {
        let start = self.position;
        while self.position < self.raw.len() {
            if let Some(delimiter) = self.delimiter_at(self.position) {
                self.position = delimiter.end;
                return (start..delimiter.start, Some(delimiter));
            }
            let line = self.position..line_end(self.raw, self.position);
            self.position = line.end;
            if is_blank_line(slice(self.raw, line)) {
                break;
            }
        }
        (start..self.position, None)
    }

    /// Moves past the next boundary line of any open multipart.
    fn skip_to_delimiter(&mut self) -> Delimiter {
        if self.boundaries.is_empty() {
            return self.end_of_message();
        }
        let mut candidate = self.position;
        loop {
            if let Some(delimiter) = self.delimiter_at(candidate) {
                self.position = delimiter.end;
                return delimiter;
            }
            match self.line_start.find(slice(self.raw, candidate..self.raw.len())) {
                Some(at) => candidate += at + 1,
                None => return self.end_of_message(),
            }
        }
    }

    fn end_of_message(&mut self) -> Delimiter {
        self.position = self.raw.len();
        Delimiter { level: None, is_close: true, start: self.position, end: self.position }
    }

    /// `delimiter := "--" boundary`, with white space up to the line end (RFC 2046 §5.1.1); the innermost one wins.
    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        slice(self.raw, start..self.raw.len()).strip_prefix(b"--").filter(|_| !self.boundaries.is_empty())?;
        let end = line_end(self.raw, start);
        let line = slice(self.raw, start + 2..end).trim_ascii_end();
        let found = |is_close: bool, name: &[u8]| {
            let level = self.boundaries.iter().rposition(|boundary| boundary == name)?;
            Some(Delimiter { level: Some(level), is_close, start, end })
        };
        found(false, line).or_else(|| found(true, line.strip_suffix(b"--")?.trim_ascii_end()))
    }

    /// RFC 2046 §5.1.1: the line end before a boundary belongs to the boundary.
    fn body_end(&self, body_start: usize, stop: Delimiter) -> usize {
        if stop.level.is_none() {
            return stop.start.max(body_start);
        }
        let before = slice(self.raw, body_start..stop.start.max(body_start));
        let trimmed = before.strip_suffix(b"\n").map_or(before, |line| line.strip_suffix(b"\r").unwrap_or(line));
        body_start + trimmed.len()
    }
}

fn count_lines(body: &[u8]) -> u64 {
    let unfinished = body.last().is_some_and(|&last| last != b'\n');
    memchr_iter(b'\n', body).count() as u64 + u64::from(unfinished)
}

fn is_message(part: &Part) -> bool {
    part.media_type == "message" && matches!(part.subtype.as_str(), "rfc822" | "global")
}

/// RFC 9051 §9: `multipart` and `message/rfc822` have forms of their own in BODYSTRUCTURE, which a part that was not
/// opened cannot have.
fn demote(part: &mut Part) {
    if part.media_type == "multipart" || is_message(part) {
        part.media_type = "application".to_owned();
        part.subtype = "octet-stream".to_owned();
    }
}

/// Reads the MIME fields of a header block into `part`; returns the boundary. The first field of each name counts.
fn read_fields(block: &[u8], limits: &MimeLimits, default: DefaultType, part: &mut Part) -> Option<Vec<u8>> {
    let mut boundary = None;
    let mut typed = false;
    let mut encoded = false;
    for field in Fields::new(block) {
        // Few fields matter here; all of them begin with "Content-".
        let Some(name) = content_field(&field) else { continue };
        let value = unfold(field.value);
        match name.as_slice() {
            b"type" if !typed => {
                typed = true;
                boundary = read_type(&value, limits, default, part);
            }
            b"transfer-encoding" if !encoded => {
                encoded = true;
                part.encoding = parse_token(&value).0;
            }
            b"disposition" if part.disposition.is_none() => part.disposition = read_disposition(&value, limits),
            b"language" if part.languages.is_empty() => part.languages = read_languages(&value, limits),
            b"id" => keep_first(&mut part.id, &value),
            b"description" => keep_first(&mut part.description, &value),
            b"md5" => keep_first(&mut part.md5, &value),
            b"location" => keep_first(&mut part.location, &value),
            _ => {}
        }
    }
    if !typed {
        set_default_type(default, part);
    }
    if part.encoding.is_empty() {
        part.encoding = "7bit".to_owned();
    }
    boundary
}

fn content_field(field: &Field<'_>) -> Option<Vec<u8>> {
    let (prefix, name) = field.name.split_at_checked(8)?;
    prefix.eq_ignore_ascii_case(b"content-").then(|| name.to_ascii_lowercase())
}

fn keep_first(kept: &mut Option<String>, value: &[u8]) {
    if kept.is_none() {
        *kept = Some(guess_text(value));
    }
}

fn set_default_type(default: DefaultType, part: &mut Part) {
    let (media_type, subtype) = match default {
        DefaultType::Text => ("text", "plain"),
        DefaultType::Message => ("message", "rfc822"),
    };
    part.media_type = media_type.to_owned();
    part.subtype = subtype.to_owned();
    if default == DefaultType::Text {
        part.parameters = vec![Parameter { name: "charset".to_owned(), value: "us-ascii".to_owned() }];
    }
}

fn read_type(value: &[u8], limits: &MimeLimits, default: DefaultType, part: &mut Part) -> Option<Vec<u8>> {
    let Some((media_type, subtype, rest)) = parse_media_type(value) else {
        set_default_type(default, part);
        return None;
    };
    part.media_type = media_type;
    part.subtype = subtype;
    part.parameters = parse_parameters(rest, limits.parameters_max);
    let boundary = part.parameters.iter().find(|parameter| parameter.name.trim_end_matches('*') == "boundary")?;
    let boundary = boundary.value.trim_ascii_end().as_bytes();
    (1..=limits.boundary_bytes_max).contains(&boundary.len()).then(|| boundary.to_vec())
}

fn read_disposition(value: &[u8], limits: &MimeLimits) -> Option<Disposition> {
    let (kind, rest) = parse_token(value);
    let parameters = parse_parameters(rest, limits.parameters_max);
    (!kind.is_empty()).then_some(Disposition { kind, parameters })
}

fn read_languages(value: &[u8], limits: &MimeLimits) -> Vec<String> {
    let tags = value.split(|&byte| byte == b',').map(|tag| parse_token(tag).0);
    tags.filter(|tag| !tag.is_empty()).take(limits.parameters_max).collect()
}
