//! The FETCH response, written item by item (RFC 9051 §7.5.2).
//!
//! Large strings do not pass through here: [`FetchWriter::literal_header`] announces a length, and the caller then
//! sends exactly that many octets by whatever way it has, through [`FetchWriter::buffer`] or past it.

use super::date_time::{DateTimes, encode_date_time};
use super::flags::encode_flag;
use super::string::{Utf8Quoting, encode_astring, encode_literal_header, encode_nstring};
use super::{encode_number, encode_separated};
use crate::command::{DateTime, Flag, Section, SectionText};

/// What a fetched string is called in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionName<'a> {
    /// `BODY[…]`
    Body(&'a Section),
    /// `BINARY[…]` with the part's numbers
    Binary(&'a [u32]),
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
}

/// How a string of known length is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralForm {
    /// `{n}`
    Literal,
    /// `~{n}`, for content with NUL octets; only in answer to BINARY (RFC 3516 §4.2)
    Literal8,
}

/// A FETCH response begun, to be ended with [`FetchWriter::end`].
#[derive(Debug)]
pub struct FetchWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

/// A FETCH response that was begun and set aside, so that its buffer can be used by others in between.
#[derive(Debug)]
pub struct SuspendedFetch {
    empty: bool,
}

impl SuspendedFetch {
    /// Goes on with the response, at the end of the same buffer.
    pub fn resume(self, out: &mut Vec<u8>) -> FetchWriter<'_> {
        FetchWriter { out, empty: self.empty }
    }
}

impl<'a> FetchWriter<'a> {
    /// Sets the response aside.
    pub fn suspend(self) -> SuspendedFetch {
        SuspendedFetch { empty: self.empty }
    }

    /// Begins `* n FETCH (`.
    #[inline]
    pub fn begin(out: &'a mut Vec<u8>, sequence_number: u32) -> Self {
        out.extend_from_slice(b"* ");
        encode_number(out, sequence_number);
        out.extend_from_slice(b" FETCH (");
        Self { out, empty: true }
    }

    /// The buffer, for sending on what is in it and for the octets that a literal's header announced.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// `FLAGS (…)`; `\Recent` is told if it is among them.
    pub fn flags<'f>(&mut self, flags: impl IntoIterator<Item = &'f Flag>) -> &mut Self {
        self.item(b"FLAGS (");
        encode_separated(self.out, flags, encode_flag);
        self.out.push(b')');
        self
    }

    /// `FLAGS …`, already rendered, parentheses included.
    #[inline]
    pub fn flag_list(&mut self, rendered: &[u8]) -> &mut Self {
        self.rendered(b"FLAGS ", rendered)
    }

    /// `UID n`
    #[inline]
    pub fn uid(&mut self, uid: u32) -> &mut Self {
        self.numbered(b"UID ", uid.into())
    }

    /// `INTERNALDATE "…"`
    pub fn internal_date(&mut self, date: DateTime) -> &mut Self {
        self.internal_date_remembering(date, &mut DateTimes::default())
    }

    /// The same; `days` remembers the day from one message to the next.
    #[inline]
    pub fn internal_date_remembering(&mut self, date: DateTime, days: &mut DateTimes) -> &mut Self {
        self.item(b"INTERNALDATE ");
        days.encode(self.out, date);
        self
    }

    /// `RFC822.SIZE n`
    #[inline]
    pub fn size(&mut self, octets: u64) -> &mut Self {
        self.numbered(b"RFC822.SIZE ", octets)
    }

    /// `ENVELOPE …`, already rendered, parentheses included.
    #[inline]
    pub fn envelope(&mut self, rendered: &[u8]) -> &mut Self {
        self.rendered(b"ENVELOPE ", rendered)
    }

    /// `BODYSTRUCTURE …`, already rendered, parentheses included.
    #[inline]
    pub fn body_structure(&mut self, rendered: &[u8]) -> &mut Self {
        self.rendered(b"BODYSTRUCTURE ", rendered)
    }

    /// `BODY …`: the structure without extension data, already rendered, parentheses included.
    pub fn body(&mut self, rendered: &[u8]) -> &mut Self {
        self.rendered(b"BODY ", rendered)
    }

    /// `BODY[…]<origin> {length}` and the line end: the caller must follow with exactly `length` octets.
    pub fn literal_header(
        &mut self,
        name: SectionName<'_>,
        origin: Option<u64>,
        form: LiteralForm,
        length: u64,
    ) -> &mut Self {
        self.section(name, origin);
        if form == LiteralForm::Literal8 {
            self.out.push(b'~');
        }
        encode_literal_header(self.out, length);
        self
    }

    /// A string of `length` octets under a name that [`encode_section_name`] rendered once for many messages; `content`
    /// must append exactly so many.
    #[inline]
    pub fn named_literal(&mut self, name: &[u8], length: u64, content: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.item(name);
        encode_literal_header(self.out, length);
        content(self.out);
        self
    }

    /// `BODY[…]<origin>` with the whole content, always as a literal. The content must hold no NUL in the plain form.
    pub fn literal(
        &mut self,
        name: SectionName<'_>,
        origin: Option<u64>,
        form: LiteralForm,
        content: &[u8],
    ) -> &mut Self {
        self.literal_header(name, origin, form, content.len() as u64);
        self.out.extend_from_slice(content);
        self
    }

    /// `BODY[…] NIL`: the part does not exist.
    pub fn nil_section(&mut self, name: SectionName<'_>, origin: Option<u64>) -> &mut Self {
        self.section(name, origin);
        self.out.extend_from_slice(b"NIL");
        self
    }

    /// `BINARY.SIZE[part] n` (RFC 3516 §4.3)
    pub fn binary_size(&mut self, part: &[u32], octets: u64) -> &mut Self {
        self.item(b"BINARY.SIZE[");
        encode_part(self.out, part);
        self.out.extend_from_slice(b"] ");
        encode_number(self.out, octets);
        self
    }

    /// `MODSEQ (n)` (RFC 7162 §3.1.4)
    pub fn modseq(&mut self, modseq: u64) -> &mut Self {
        self.numbered(b"MODSEQ (", modseq);
        self.out.push(b')');
        self
    }

    /// `EMAILID (id)` (RFC 8474 §5.1)
    pub fn email_id(&mut self, id: &str) -> &mut Self {
        self.rendered(b"EMAILID (", id.as_bytes());
        self.out.push(b')');
        self
    }

    /// `THREADID (id)`, or `THREADID NIL` where the server knows no threads (RFC 8474 §5.2)
    pub fn thread_id(&mut self, id: Option<&str>) -> &mut Self {
        match id {
            Some(id) => {
                self.rendered(b"THREADID (", id.as_bytes());
                self.out.push(b')');
            }
            None => self.item(b"THREADID NIL"),
        }
        self
    }

    /// `SAVEDATE "…"`, or `SAVEDATE NIL` where the mailbox does not know it (RFC 8514 §4.2)
    pub fn save_date(&mut self, date: Option<DateTime>) -> &mut Self {
        self.item(b"SAVEDATE ");
        match date {
            Some(date) => encode_date_time(self.out, date),
            None => self.out.extend_from_slice(b"NIL"),
        }
        self
    }

    /// `PREVIEW …`; `None` is `NIL`: not computed (RFC 8970 §3.1).
    pub fn preview(&mut self, text: Option<&str>, quoting: Utf8Quoting) -> &mut Self {
        self.item(b"PREVIEW ");
        encode_nstring(self.out, text.map(str::as_bytes), quoting);
        self
    }

    /// Whether no item was written yet; a response without any must not be sent.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Ends the response.
    #[inline]
    pub fn end(self) {
        self.out.extend_from_slice(b")\r\n");
    }

    #[inline]
    fn item(&mut self, name: &[u8]) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(name);
    }

    #[inline]
    fn numbered(&mut self, name: &[u8], number: u64) -> &mut Self {
        self.item(name);
        encode_number(self.out, number);
        self
    }

    #[inline]
    fn rendered(&mut self, name: &[u8], rendered: &[u8]) -> &mut Self {
        self.item(name);
        self.out.extend_from_slice(rendered);
        self
    }

    fn section(&mut self, name: SectionName<'_>, origin: Option<u64>) {
        self.item(b"");
        encode_section_name(self.out, name, origin);
    }
}

/// Appends what a fetched string is called, and the space behind it: `BODY[…]<origin> `.
pub fn encode_section_name(out: &mut Vec<u8>, name: SectionName<'_>, origin: Option<u64>) {
    match name {
        SectionName::Body(section) => {
            out.extend_from_slice(b"BODY[");
            encode_section(out, section);
            out.push(b']');
        }
        SectionName::Binary(part) => {
            out.extend_from_slice(b"BINARY[");
            encode_part(out, part);
            out.push(b']');
        }
        SectionName::Rfc822 => out.extend_from_slice(b"RFC822"),
        SectionName::Rfc822Header => out.extend_from_slice(b"RFC822.HEADER"),
        SectionName::Rfc822Text => out.extend_from_slice(b"RFC822.TEXT"),
    }
    if let Some(origin) = origin {
        out.push(b'<');
        encode_number(out, origin);
        out.push(b'>');
    }
    out.push(b' ');
}

/// Appends what stands between the brackets of `BODY[…]`.
pub fn encode_section(out: &mut Vec<u8>, section: &Section) {
    encode_part(out, &section.part);
    let (word, fields): (&[u8], Option<&[Vec<u8>]>) = match &section.text {
        SectionText::All => return,
        SectionText::Header => (b"HEADER", None),
        SectionText::HeaderFields(fields) => (b"HEADER.FIELDS", Some(fields)),
        SectionText::HeaderFieldsNot(fields) => (b"HEADER.FIELDS.NOT", Some(fields)),
        SectionText::Text => (b"TEXT", None),
        SectionText::Mime => (b"MIME", None),
    };
    if !section.part.is_empty() {
        out.push(b'.');
    }
    out.extend_from_slice(word);
    if let Some(fields) = fields {
        out.extend_from_slice(b" (");
        encode_separated(out, fields, |out, field| encode_astring(out, field, Utf8Quoting::LiteralOnly));
        out.push(b')');
    }
}

fn encode_part(out: &mut Vec<u8>, part: &[u32]) {
    for (index, &number) in part.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        encode_number(out, number);
    }
}
