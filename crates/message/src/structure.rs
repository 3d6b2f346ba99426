//! The tree of a message's MIME parts with their exact places, and how IMAP numbers them.
//!
//! The tree holds offsets and decoded field values, never content; it is made by the walker at delivery and again
//! from its compact form at each fetch of a section.

use std::ops::Range;

use crate::decode::TransferEncoding;
use crate::parameter::{Parameter, find_parameter};
use crate::walker::Walker;

/// How much of a message's MIME structure is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimeLimits {
    /// Levels of multiparts and enclosed messages that are opened; deeper ones are opaque leaves.
    /// At most [`MimeLimits::NESTING_DEPTH_CEILING`].
    pub nesting_depth_max: usize,
    /// Number of parts in the whole message; what comes after is not split any more.
    pub parts_max: usize,
    /// Octets of one header block that are searched for fields.
    pub header_bytes_max: usize,
    /// Number of parameters that are read in one field.
    pub parameters_max: usize,
    /// Octets of a boundary; a longer one (RFC 2046 §5.1.1 allows 70) counts as missing.
    pub boundary_bytes_max: usize,
    /// Number of message ids kept from References, the newest ones.
    pub references_max: usize,
    /// Octets of a message's header block that is kept with the derived answers; at most 65,535.
    pub header_copy_bytes_max: usize,
    /// Octets of all texts together that are kept for searches of Subject and addresses.
    pub search_text_bytes_max: usize,
}

impl MimeLimits {
    /// No configuration makes the tree deeper than this, so that walks over it may recurse.
    pub const NESTING_DEPTH_CEILING: usize = 100;
}

impl Default for MimeLimits {
    fn default() -> Self {
        Self {
            nesting_depth_max: 64,
            parts_max: 10_000,
            header_bytes_max: 1 << 20,
            parameters_max: 200,
            boundary_bytes_max: 256,
            references_max: 1000,
            header_copy_bytes_max: 32 * 1024,
            search_text_bytes_max: 16 * 1024,
        }
    }
}

/// What a part contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// Content that is not opened.
    Leaf,
    /// multipart/*: the parts between the boundaries; there may be none.
    Multipart(Vec<Part>),
    /// message/rfc822 or message/global: the enclosed message.
    Message(Box<Part>),
}

/// Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` and so on, in lower case.
    pub kind: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// One MIME part. Fields that are missing are `None`; what they default to is already filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The header block with its blank line.
    pub header: Range<usize>,
    /// The body, still encoded, without the line end that belongs to the boundary after it.
    pub body: Range<usize>,
    /// What is inside.
    pub kind: PartKind,
    /// Media type in lower case, as it was understood: a multipart without boundary is `text/plain`, one beyond the
    /// limits is `application/octet-stream`.
    pub media_type: String,
    /// Media subtype in lower case.
    pub subtype: String,
    /// Parameters of Content-Type; `charset=us-ascii` where no type was given (RFC 2045 §5.2).
    pub parameters: Vec<Parameter>,
    /// Content-Transfer-Encoding in lower case, `7bit` by default.
    pub encoding: String,
    /// Content-ID
    pub id: Option<String>,
    /// Content-Description, encoded words left as they are.
    pub description: Option<String>,
    /// Content-MD5
    pub md5: Option<String>,
    /// Content-Disposition
    pub disposition: Option<Disposition>,
    /// Content-Language, one tag each.
    pub languages: Vec<String>,
    /// Content-Location
    pub location: Option<String>,
    /// Lines of the encoded body, a last one without line end included; 0 for types that are not counted.
    pub lines: u64,
}

impl Part {
    /// A `text/plain` leaf without any fields at that place.
    pub(crate) fn plain(header: Range<usize>, body: Range<usize>) -> Self {
        Self {
            header,
            body,
            kind: PartKind::Leaf,
            media_type: "text".to_owned(),
            subtype: "plain".to_owned(),
            parameters: Vec::new(),
            encoding: "7bit".to_owned(),
            id: None,
            description: None,
            md5: None,
            disposition: None,
            languages: Vec::new(),
            location: None,
            lines: 0,
        }
    }

    /// Size of the encoded body in octets.
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// True for that media type, given in lower case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type == media_type && self.subtype == subtype
    }

    /// A parameter of Content-Type, decoded for use; the name in lower case.
    pub fn parameter(&self, name: &str) -> Option<String> {
        find_parameter(&self.parameters, name)
    }

    /// The file name which the part asks for, decoded.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.disposition.as_ref();
        disposition
            .and_then(|disposition| find_parameter(&disposition.parameters, "filename"))
            .or_else(|| self.parameter("name"))
    }

    /// True when the part is marked as an attachment.
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_ref().is_some_and(|disposition| disposition.kind == "attachment")
    }

    /// The transfer encoding by its meaning.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        TransferEncoding::find(self.encoding.as_bytes())
    }

    /// The parts directly inside: those of a multipart, or the enclosed message itself.
    pub fn children(&self) -> &[Part] {
        match &self.kind {
            PartKind::Leaf => &[],
            PartKind::Multipart(children) => children,
            PartKind::Message(message) => std::slice::from_ref(message),
        }
    }

    /// RFC 9051 §6.4.5.1: the part numbered `number` within this one.
    fn numbered(&self, number: u32) -> Option<&Part> {
        match &self.kind {
            PartKind::Leaf => None,
            PartKind::Multipart(children) => children.get(usize::try_from(number).ok()?.checked_sub(1)?),
            PartKind::Message(message) => message.numbered_as_message(number),
        }
    }

    /// A message that is no multipart has the one part 1, which is its own body.
    fn numbered_as_message(&self, number: u32) -> Option<&Part> {
        match &self.kind {
            PartKind::Multipart(_) => self.numbered(number),
            PartKind::Leaf | PartKind::Message(_) => (number == 1).then_some(self),
        }
    }
}

/// What stands after the part numbers in a FETCH section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// Nothing: `BODY[]` or `BODY[1.2]`.
    All,
    /// `HEADER` of the message or of an enclosed one.
    Header,
    /// `TEXT`: the body of the message or of an enclosed one.
    Text,
    /// `MIME`: the header of the part itself.
    Mime,
}

/// A message's MIME structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// The message itself.
    pub root: Part,
}

impl Structure {
    /// Walks over `raw` once. It never fails: what cannot be understood is a leaf.
    pub fn parse(raw: &[u8], limits: &MimeLimits) -> Self {
        Self { root: Walker::new(raw, limits).message() }
    }

    /// The part with these numbers; no numbers mean the message itself.
    pub fn part(&self, numbers: &[u32]) -> Option<&Part> {
        let Some((first, rest)) = numbers.split_first() else { return Some(&self.root) };
        rest.iter().try_fold(self.root.numbered_as_message(*first)?, |part, number| part.numbered(*number))
    }

    /// The octets which `BODY[<section>]` returns of a message of `raw_bytes` octets; nothing when there is no such section.
    pub fn section(&self, raw_bytes: usize, part: &[u32], kind: SectionKind) -> Option<Range<usize>> {
        let found = self.part(part)?;
        let range = match (kind, part, &found.kind) {
            (SectionKind::All, [], _) => 0..raw_bytes,
            (SectionKind::Header, [], _) => found.header.clone(),
            (SectionKind::Text, [], _) => found.body.clone(),
            // RFC 9051 §6.4.5.1: MIME must be prefixed by a part number.
            (SectionKind::Mime, [], _) => return None,
            (SectionKind::All, ..) => found.body.clone(),
            (SectionKind::Mime, ..) => found.header.clone(),
            (SectionKind::Header, _, PartKind::Message(message)) => message.header.clone(),
            (SectionKind::Text, _, PartKind::Message(message)) => message.body.clone(),
            // HEADER and TEXT of a part need an enclosed message.
            (SectionKind::Header | SectionKind::Text, ..) => return None,
        };
        (range.start <= range.end && range.end <= raw_bytes).then_some(range)
    }

    /// All parts in the order of the message, each before what it contains.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let mut waiting = vec![&self.root];
        std::iter::from_fn(move || {
            let part = waiting.pop()?;
            waiting.extend(part.children().iter().rev());
            Some(part)
        })
    }
}
