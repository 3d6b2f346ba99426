//! What a FETCH asks for, sorted by where it comes from.

use std::{borrow::Cow, ops::Range};

use postrider_imap_proto::{
    command::{Fetch, FetchAttribute, Partial, Section, SectionText},
    encode::{FetchWriter, LiteralForm, SectionName, encode_section_name},
};
use postrider_message::{DerivedView, Part, SectionKind, Selection, Structure, decoded_part, header_fields};
use postrider_store::Entry;

use super::{adds_uid, header::FromHeader};

/// The farthest place that must be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    Snapshot,
    Derived,
    Header,
    Content,
}

/// A FETCH, understood.
#[derive(Debug)]
pub(super) struct Plan {
    /// Attributes that need no content.
    pub(super) plain: Vec<FetchAttribute>,
    /// Attributes made of the message's bytes.
    content: Vec<Content>,
    /// The same, where the header that is stored apart has all that is asked for; else nothing.
    pub(super) from_header: Vec<FromHeader>,
    pub(super) needs: Needs,
    /// The derived answers are needed for attributes that need no content.
    pub(super) answers: bool,
    /// The derived answers are needed, if only to know where the content lies.
    pub(super) derived: bool,
    /// Thread ids are needed.
    pub(super) threads: bool,
    /// Some attribute sets `\Seen`.
    pub(super) marks_seen: bool,
}

/// An attribute made of the message's bytes.
#[derive(Debug)]
struct Content {
    name: Name,
    partial: Option<Partial>,
}

#[derive(Debug)]
enum Name {
    Section(Section),
    Binary(Vec<u32>),
    BinarySize(Vec<u32>),
    Rfc822,
    Rfc822Header,
    Rfc822Text,
}

impl Plan {
    pub(super) fn new(fetch: &Fetch) -> Self {
        let mut plain = Vec::new();
        let mut content = Vec::new();
        let mut marks_seen = false;
        if adds_uid(fetch) {
            plain.push(FetchAttribute::Uid);
        }
        for attribute in &fetch.attributes {
            let (name, partial, peek) = match attribute.clone() {
                FetchAttribute::Section { section, partial, peek } => (Name::Section(section), partial, peek),
                FetchAttribute::Binary { part, partial, peek } => (Name::Binary(part), partial, peek),
                FetchAttribute::BinarySize(part) => (Name::BinarySize(part), None, true),
                FetchAttribute::Rfc822 => (Name::Rfc822, None, false),
                FetchAttribute::Rfc822Header => (Name::Rfc822Header, None, true),
                FetchAttribute::Rfc822Text => (Name::Rfc822Text, None, false),
                attribute => {
                    if !plain.contains(&attribute) {
                        plain.push(attribute);
                    }
                    continue;
                }
            };
            marks_seen |= !peek;
            content.push(Content { name, partial });
        }
        // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for the mod-sequence too.
        if fetch.changed_since.is_some() && !plain.contains(&FetchAttribute::ModSeq) {
            plain.push(FetchAttribute::ModSeq);
        }
        let from_derived = |attribute: &FetchAttribute| {
            matches!(
                attribute,
                FetchAttribute::Envelope
                    | FetchAttribute::Body
                    | FetchAttribute::BodyStructure
                    | FetchAttribute::Preview { .. }
            )
        };
        let answers = plain.iter().any(from_derived);
        let derived = answers || content.iter().any(|content| !content.name.is_whole_message());
        let from_header: Option<Vec<FromHeader>> = content.iter().map(Content::of_header).collect();
        let needs = match (content.is_empty(), derived) {
            (false, _) if from_header.is_some() => Needs::Header,
            (false, _) => Needs::Content,
            (true, true) => Needs::Derived,
            (true, false) => Needs::Snapshot,
        };
        let threads = plain.contains(&FetchAttribute::ThreadId);
        let from_header = from_header.unwrap_or_default();
        Self { plain, content, from_header, needs, answers, derived, threads, marks_seen }
    }

    /// What has to be read of a message.
    pub(super) fn wanted<'a>(&'a self, entry: &Entry, view: Option<&DerivedView<'_>>) -> Vec<Wanted<'a>> {
        let structure = view.and_then(|view| view.structure().ok());
        self.content.iter().map(|content| content.wanted(entry, structure.as_ref())).collect()
    }
}

impl Name {
    /// The whole message needs no knowledge of its structure.
    fn is_whole_message(&self) -> bool {
        match self {
            Self::Section(section) => section.part.is_empty() && section.text == SectionText::All,
            Self::Rfc822 => true,
            _ => false,
        }
    }

    fn encoded(&self) -> SectionName<'_> {
        match self {
            Self::Section(section) => SectionName::Body(section),
            Self::Binary(part) | Self::BinarySize(part) => SectionName::Binary(part),
            Self::Rfc822 => SectionName::Rfc822,
            Self::Rfc822Header => SectionName::Rfc822Header,
            Self::Rfc822Text => SectionName::Rfc822Text,
        }
    }
}

impl Content {
    /// The attribute as it is made of the message's own header, if it is one of those.
    fn of_header(&self) -> Option<FromHeader> {
        let fields = match &self.name {
            Name::Rfc822Header => None,
            Name::Section(section) if section.part.is_empty() => match &section.text {
                SectionText::Header => None,
                SectionText::HeaderFields(names) => Some((names, Selection::Only)),
                SectionText::HeaderFieldsNot(names) => Some((names, Selection::Except)),
                _ => return None,
            },
            _ => return None,
        };
        let mut name = Vec::new();
        encode_section_name(&mut name, self.name.encoded(), self.partial.map(|partial| partial.offset));
        Some(FromHeader::new(name, fields, self.partial))
    }

    fn wanted<'a>(&'a self, entry: &Entry, structure: Option<&Structure>) -> Wanted<'a> {
        let size = entry.size as usize;
        let locate = |part: &[u32], kind| structure.and_then(|structure| structure.section(size, part, kind));
        let (range, made) = match &self.name {
            Name::Rfc822 => (Some(0..size), Made::AsIs),
            Name::Rfc822Header => (locate(&[], SectionKind::Header), Made::AsIs),
            Name::Rfc822Text => (locate(&[], SectionKind::Text), Made::AsIs),
            Name::Section(section) => match &section.text {
                SectionText::All if section.part.is_empty() => (Some(0..size), Made::AsIs),
                SectionText::All => (locate(&section.part, SectionKind::All), Made::AsIs),
                SectionText::Text => (locate(&section.part, SectionKind::Text), Made::AsIs),
                SectionText::Mime => (locate(&section.part, SectionKind::Mime), Made::AsIs),
                SectionText::Header => (locate(&section.part, SectionKind::Header), Made::AsIs),
                SectionText::HeaderFields(names) => {
                    (locate(&section.part, SectionKind::Header), Made::Fields(names, Selection::Only))
                }
                SectionText::HeaderFieldsNot(names) => {
                    (locate(&section.part, SectionKind::Header), Made::Fields(names, Selection::Except))
                }
            },
            Name::Binary(numbers) | Name::BinarySize(numbers) => {
                match structure.and_then(|structure| structure.part(numbers)) {
                    // The whole message has no encoding of its own to undo.
                    Some(_) if numbers.is_empty() => (Some(0..size), Made::Decoded(None)),
                    Some(part) => (locate(numbers, SectionKind::All), Made::Decoded(Some(Box::new(part.clone())))),
                    None => (None, Made::AsIs),
                }
            }
        };
        let exists = range.is_some();
        let range = range.unwrap_or(0..0);
        let mut range = range.start as u64..range.end as u64;
        if let (Made::AsIs, Some(partial)) = (&made, self.partial) {
            range = cut(range, partial);
        }
        Wanted { content: self, range, made, exists }
    }
}

pub(super) fn cut(range: Range<u64>, partial: Partial) -> Range<u64> {
    let start = range.start.saturating_add(partial.offset).min(range.end);
    start..start.saturating_add(partial.length).min(range.end)
}

/// How an attribute is made of the bytes that are read for it.
#[derive(Debug)]
pub(super) enum Made<'a> {
    AsIs,
    /// Some of the header's fields.
    Fields(&'a [Vec<u8>], Selection),
    /// The content without its transfer encoding; `None` where there is none to undo.
    Decoded(Option<Box<Part>>),
}

/// An attribute of one message and where its bytes lie.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    content: &'a Content,
    /// What to read.
    pub(super) range: Range<u64>,
    pub(super) made: Made<'a>,
    /// Whether the message has such a part at all.
    pub(super) exists: bool,
}

/// A part's content transfer encoding is not known (RFC 3516 §4.3).
#[derive(Debug)]
pub(super) struct CannotDecode;

impl Wanted<'_> {
    pub(super) fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    pub(super) fn name(&self) -> SectionName<'_> {
        self.content.name.encoded()
    }

    pub(super) fn origin(&self) -> Option<u64> {
        self.content.partial.map(|partial| partial.offset)
    }

    /// Whether the bytes that are read are the answer, so that they can be passed on piece by piece.
    pub(super) fn is_passed_on(&self) -> bool {
        self.exists && matches!(self.made, Made::AsIs)
    }

    /// Writes the attribute, made of the bytes of its range.
    pub(super) fn render(&self, writer: &mut FetchWriter<'_>, bytes: &[u8]) -> Result<(), CannotDecode> {
        let (name, origin) = (self.name(), self.origin());
        if !self.exists {
            match &self.content.name {
                Name::BinarySize(part) => writer.binary_size(part, 0),
                _ => writer.nil_section(name, origin),
            };
            return Ok(());
        }
        match &self.made {
            Made::AsIs => {
                writer.literal(name, origin, LiteralForm::Literal, &without_nul(bytes));
            }
            Made::Fields(names, selection) => {
                let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                let mut fields = Vec::new();
                for range in header_fields(bytes, &names, *selection) {
                    fields.extend_from_slice(bytes.get(range).unwrap_or_default());
                }
                // RFC 9051 §6.4.5.1: the blank line is always there, but for a message that ends without one.
                if ends_with_blank_line(bytes) {
                    fields.extend_from_slice(b"\r\n");
                }
                writer.literal(name, origin, LiteralForm::Literal, &without_nul(self.partial_of(&fields)));
            }
            Made::Decoded(part) => {
                let decoded = decode(part.as_deref(), bytes)?;
                if let Name::BinarySize(part) = &self.content.name {
                    writer.binary_size(part, decoded.len() as u64);
                    return Ok(());
                }
                let piece = self.partial_of(&decoded);
                // RFC 3516 §4.2: literal8 is for what a plain literal cannot hold.
                let form =
                    if memchr::memchr(0, piece).is_some() { LiteralForm::Literal8 } else { LiteralForm::Literal };
                writer.literal(name, origin, form, piece);
            }
        }
        Ok(())
    }

    fn partial_of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(partial) = self.content.partial else { return bytes };
        let range = cut(0..bytes.len() as u64, partial);
        bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// What an ordinary literal can carry of binary content: it holds no NUL (RFC 9051 §4.3.1), so a `?` stands in its place
/// and all offsets stay true. Encoding the content anew was refused, as sizes, structure and signatures would no longer
/// fit; BINARY tells the octets as they are.
fn without_nul(bytes: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(0, bytes) {
        None => Cow::Borrowed(bytes),
        Some(_) => {
            let mut masked = bytes.to_vec();
            mask_nul(&mut masked);
            Cow::Owned(masked)
        }
    }
}

/// Puts a `?` in place of every NUL.
pub(super) fn mask_nul(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some((_, from_nul)) = memchr::memchr(0, rest).and_then(|at| rest.split_at_mut_checked(at)) {
        let Some((nul, after)) = from_nul.split_first_mut() else { return };
        *nul = b'?';
        rest = after;
    }
}

/// Whether a header block has the blank line that ends it.
fn ends_with_blank_line(header: &[u8]) -> bool {
    let line = |bytes: &[u8]| bytes.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest).len());
    line(header).is_some_and(|length| length == 0 || header.get(..length).is_some_and(|rest| rest.ends_with(b"\n")))
}

fn decode<'b>(part: Option<&Part>, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, CannotDecode> {
    let Some(part) = part else { return Ok(Cow::Borrowed(bytes)) };
    let here = Part { body: 0..bytes.len(), ..part.clone() };
    match decoded_part(bytes, &here) {
        Ok(Cow::Borrowed(_)) => Ok(Cow::Borrowed(bytes)),
        Ok(Cow::Owned(decoded)) => Ok(Cow::Owned(decoded)),
        Err(_) => Err(CannotDecode),
    }
}
