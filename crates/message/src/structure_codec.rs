//! The compact form of a [`Structure`]: one table in order of the message, numbers as base-128 varints.
//!
//! Reading it back must survive a damaged store, so lengths are checked before anything is taken or reserved.

use std::ops::Range;

use crate::derived_view::DerivedError;
use crate::parameter::Parameter;
use crate::structure::{Disposition, MimeLimits, Part, PartKind, Structure};

const LEAF: u8 = 0;
const MULTIPART: u8 = 1;
const MESSAGE: u8 = 2;

/// Appends the compact form of `structure`.
pub(crate) fn encode_structure(structure: &Structure, bytes: &mut Vec<u8>) {
    encode_part(&structure.root, bytes);
}

fn encode_part(part: &Part, bytes: &mut Vec<u8>) {
    bytes.push(match part.kind {
        PartKind::Leaf => LEAF,
        PartKind::Multipart(_) => MULTIPART,
        PartKind::Message(_) => MESSAGE,
    });
    encode_range(&part.header, bytes);
    encode_range(&part.body, bytes);
    encode_number(part.lines, bytes);
    for text in [&part.media_type, &part.subtype, &part.encoding] {
        encode_text(text, bytes);
    }
    encode_parameters(&part.parameters, bytes);
    for text in [&part.id, &part.description, &part.md5, &part.location] {
        encode_optional(text.as_deref(), bytes);
    }
    encode_optional(part.disposition.as_ref().map(|disposition| disposition.kind.as_str()), bytes);
    if let Some(disposition) = &part.disposition {
        encode_parameters(&disposition.parameters, bytes);
    }
    encode_number(part.languages.len() as u64, bytes);
    for language in &part.languages {
        encode_text(language, bytes);
    }
    if part.kind != PartKind::Leaf {
        encode_number(part.children().len() as u64, bytes);
    }
    for child in part.children() {
        encode_part(child, bytes);
    }
}

fn encode_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn encode_range(range: &Range<usize>, bytes: &mut Vec<u8>) {
    encode_number(range.start as u64, bytes);
    encode_number(range.len() as u64, bytes);
}

fn encode_text(text: &str, bytes: &mut Vec<u8>) {
    encode_number(text.len() as u64, bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// A missing text has length 0, all others one more than their length.
fn encode_optional(text: Option<&str>, bytes: &mut Vec<u8>) {
    encode_number(text.map_or(0, |text| text.len() as u64 + 1), bytes);
    bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn encode_parameters(parameters: &[Parameter], bytes: &mut Vec<u8>) {
    encode_number(parameters.len() as u64, bytes);
    for parameter in parameters {
        encode_text(&parameter.name, bytes);
        encode_text(&parameter.value, bytes);
    }
}

/// Reads the compact form, which must fill `bytes`.
pub(crate) fn decode_structure(bytes: &[u8]) -> Result<Structure, DerivedError> {
    let mut reader = Reader { bytes };
    let root = reader.part(0)?;
    if reader.bytes.is_empty() { Ok(Structure { root }) } else { Err(DerivedError::Damaged) }
}

/// What a walk over the compact form tells of a part.
pub(crate) struct SkimmedPart<'a> {
    pub(crate) enclosed: Enclosed,
    pub(crate) is_leaf: bool,
    pub(crate) header: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) media_type: &'a [u8],
    pub(crate) subtype: &'a [u8],
    pub(crate) encoding: &'a [u8],
    /// The parameter `charset`, as [`Part::parameter`] finds it, but with encoded words as they are.
    pub(crate) charset: Option<&'a [u8]>,
}

/// In what a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enclosed {
    /// It is the message itself.
    Nowhere,
    InMultipart,
    /// It is an enclosed message.
    InMessage,
}

/// Walks over the compact form, which must fill `bytes`, without copying anything: `visit` gets each part before what it
/// contains.
pub(crate) fn skim_structure<'a>(bytes: &'a [u8], visit: &mut impl FnMut(SkimmedPart<'a>)) -> Result<(), DerivedError> {
    let mut reader = Reader { bytes };
    reader.skim_part(Enclosed::Nowhere, 0, visit)?;
    if reader.bytes.is_empty() { Ok(()) } else { Err(DerivedError::Damaged) }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DerivedError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(DerivedError::Damaged)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, DerivedError> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(number).map_err(|_| DerivedError::Damaged);
            }
        }
        Err(DerivedError::Damaged)
    }

    fn range(&mut self) -> Result<Range<usize>, DerivedError> {
        let start = self.number()?;
        let end = start.checked_add(self.number()?).ok_or(DerivedError::Damaged)?;
        Ok(start..end)
    }

    fn text_of(&mut self, length: usize) -> Result<String, DerivedError> {
        std::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| DerivedError::Damaged)
    }

    fn text(&mut self) -> Result<String, DerivedError> {
        let length = self.number()?;
        self.text_of(length)
    }

    fn optional(&mut self) -> Result<Option<String>, DerivedError> {
        self.number()?.checked_sub(1).map(|length| self.text_of(length)).transpose()
    }

    /// Reads a count and that many items; each item takes at least one octet, so the loop ends with the bytes.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, DerivedError>) -> Result<Vec<T>, DerivedError> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, DerivedError> {
        self.list(|reader| Ok(Parameter { name: reader.text()?, value: reader.text()? }))
    }

    fn part(&mut self, depth: usize) -> Result<Part, DerivedError> {
        if depth > MimeLimits::NESTING_DEPTH_CEILING {
            return Err(DerivedError::Damaged);
        }
        let kind = self.take(1)?.first().copied().unwrap_or_default();
        let mut part = Part::plain(self.range()?, self.range()?);
        part.lines = self.number()? as u64;
        part.media_type = self.text()?;
        part.subtype = self.text()?;
        part.encoding = self.text()?;
        part.parameters = self.parameters()?;
        part.id = self.optional()?;
        part.description = self.optional()?;
        part.md5 = self.optional()?;
        part.location = self.optional()?;
        if let Some(kind) = self.optional()? {
            part.disposition = Some(Disposition { kind, parameters: self.parameters()? });
        }
        part.languages = self.list(Self::text)?;
        part.kind = self.kind(kind, depth)?;
        Ok(part)
    }

    fn octets(&mut self) -> Result<&'a [u8], DerivedError> {
        let length = self.number()?;
        self.take(length)
    }

    fn skip_optional(&mut self) -> Result<bool, DerivedError> {
        let length = self.number()?;
        self.take(length.saturating_sub(1))?;
        Ok(length > 0)
    }

    /// Passes over parameters and answers that which tells the charset.
    fn skim_parameters(&mut self) -> Result<Option<&'a [u8]>, DerivedError> {
        let (mut plain, mut extended) = (None, None);
        for _ in 0..self.number()? {
            let (name, value) = (self.octets()?, self.octets()?);
            let slot = match name {
                b"charset" => &mut plain,
                b"charset*" => &mut extended,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        Ok(extended.or(plain))
    }

    fn skim_part(
        &mut self,
        enclosed: Enclosed,
        depth: usize,
        visit: &mut impl FnMut(SkimmedPart<'a>),
    ) -> Result<(), DerivedError> {
        if depth > MimeLimits::NESTING_DEPTH_CEILING {
            return Err(DerivedError::Damaged);
        }
        let kind = self.take(1)?.first().copied().unwrap_or_default();
        let (header, body) = (self.range()?, self.range()?);
        let _lines = self.number()?;
        let (media_type, subtype, encoding) = (self.octets()?, self.octets()?, self.octets()?);
        let charset = self.skim_parameters()?;
        let is_leaf = kind == LEAF;
        visit(SkimmedPart { enclosed, is_leaf, header, body, media_type, subtype, encoding, charset });
        for _id_description_md5_location in 0..4 {
            self.skip_optional()?;
        }
        if self.skip_optional()? {
            self.skim_parameters()?;
        }
        for _language in 0..self.number()? {
            self.octets()?;
        }
        if is_leaf {
            return Ok(());
        }
        let children = self.number()?;
        let enclosed = match (kind, children) {
            (MULTIPART, _) => Enclosed::InMultipart,
            (MESSAGE, 1) => Enclosed::InMessage,
            _ => return Err(DerivedError::Damaged),
        };
        (0..children).try_for_each(|_| self.skim_part(enclosed, depth + 1, visit))
    }

    fn kind(&mut self, kind: u8, depth: usize) -> Result<PartKind, DerivedError> {
        if kind == LEAF {
            return Ok(PartKind::Leaf);
        }
        let mut children = self.list(|reader| reader.part(depth + 1))?;
        match (kind, children.len()) {
            (MULTIPART, _) => Ok(PartKind::Multipart(children)),
            (MESSAGE, 1) => {
                children.pop().map(|message| PartKind::Message(Box::new(message))).ok_or(DerivedError::Damaged)
            }
            _ => Err(DerivedError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_damaged_table_is_an_error() {
        let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Disposition: \
            attachment; filename=x\r\nContent-Type: message/rfc822\r\n\r\n\r\n--b--\r\n";
        let structure = Structure::parse(raw, &MimeLimits::default());
        let mut bytes = Vec::new();
        encode_structure(&structure, &mut bytes);
        assert_eq!(decode_structure(&bytes).unwrap(), structure);
        for length in 0..bytes.len() {
            assert!(decode_structure(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert!(decode_structure(&bytes).is_err());
        assert!(decode_structure(&[MULTIPART; 5000]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (decode_structure(&bytes).is_ok(), skim_structure(&bytes, &mut |_| ()));
        }
    }
}
