//! All that is computed from a message when it arrives, in two values that are stored beside it: the header (see
//! `header_index`), and everything else.
//!
//! FETCH, SORT and THREAD then copy bytes instead of parsing; the value can be rebuilt from the raw message at any
//! time, so its form may change with its version byte.
//!
//! | octets | content |
//! |---|---|
//! | 1 | version |
//! | 2 | flags |
//! | 2 | zone of the sent date, minutes east, signed |
//! | 4 | length of the header block |
//! | 8 | sent date, seconds since 1970, signed |
//! | 4 × 18 | where each text ends, counted from the end of this table |
//! | | the texts: see `Slot` |
//!
//! Numbers are big-endian.

use memchr::memchr;

use crate::address::{Address, Addresses};
use crate::body_structure::{render_body, render_bodystructure};
use crate::date::{SentDate, parse_date};
use crate::envelope::render_envelope;
use crate::header::{Fields, decode_unstructured, field_value, slice};
use crate::header_index::encode_header;
use crate::line_ends::has_bare_line_ends;
use crate::message_id::message_ids;
use crate::preview::preview;
use crate::search::fold_case;
use crate::structure::{MimeLimits, Structure};
use crate::structure_codec::encode_structure;
use crate::subject::{BaseSubject, base_subject};

/// The version this code writes, and the only one it reads.
pub(crate) const VERSION: u8 = 2;
/// Octets before the table of ends.
pub(crate) const FIXED_BYTES: usize = 17;

pub(crate) const FLAG_HEADER_ASCII: u16 = 1;
pub(crate) const FLAG_EIGHT_BIT: u16 = 1 << 1;
pub(crate) const FLAG_NUL: u16 = 1 << 2;
pub(crate) const FLAG_BARE_LINE_ENDS: u16 = 1 << 3;
pub(crate) const FLAG_SENT_DATE: u16 = 1 << 4;
pub(crate) const FLAG_PREVIEW: u16 = 1 << 5;
pub(crate) const FLAG_MESSAGE_ID: u16 = 1 << 6;
pub(crate) const FLAG_REPLY: u16 = 1 << 7;
/// The texts for searches are here.
pub(crate) const FLAG_SEARCH_TEXTS: u16 = 1 << 8;
/// There is a Subject field. The flags of the other [`HeaderText`]s follow in their order.
pub(crate) const FLAG_SUBJECT: u16 = 1 << 9;

/// The texts in the order of the table.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    Envelope,
    BodyStructure,
    Body,
    Preview,
    BaseSubject,
    FromKey,
    ToKey,
    CcKey,
    FromDisplay,
    ToDisplay,
    MessageId,
    /// Ids with one space between them.
    References,
    Structure,
    SubjectText,
    FromText,
    ToText,
    CcText,
    BccText,
}

/// Number of slots.
pub(crate) const SLOTS: usize = Slot::BccText as usize + 1;

/// A field whose text is kept for searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderText {
    /// Subject
    Subject,
    /// From
    From,
    /// To
    To,
    /// Cc
    Cc,
    /// Bcc
    Bcc,
}

impl HeaderText {
    /// All of them, in the order of their flags and slots.
    pub const ALL: [Self; 5] = [Self::Subject, Self::From, Self::To, Self::Cc, Self::Bcc];

    /// The one of that field name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|text| name.eq_ignore_ascii_case(text.name()))
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Subject => b"subject",
            Self::From => b"from",
            Self::To => b"to",
            Self::Cc => b"cc",
            Self::Bcc => b"bcc",
        }
    }

    pub(crate) fn flag(self) -> u16 {
        FLAG_SUBJECT << self as u16
    }

    pub(crate) fn slot(self) -> Slot {
        match self {
            Self::Subject => Slot::SubjectText,
            Self::From => Slot::FromText,
            Self::To => Slot::ToText,
            Self::Cc => Slot::CcText,
            Self::Bcc => Slot::BccText,
        }
    }
}

/// For each [`HeaderText`] the text of all its fields, nothing where there is none.
pub type SearchTexts = [Option<String>; HeaderText::ALL.len()];

/// What is known of a message without reading it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// ENVELOPE
    pub envelope: Vec<u8>,
    /// BODYSTRUCTURE
    pub body_structure: Vec<u8>,
    /// BODY
    pub body: Vec<u8>,
    /// PREVIEW; nothing where there is no text to show.
    pub preview: Option<String>,
    /// Length in octets of the header block with its blank line.
    pub header_bytes: u32,
    /// The Date field, where it can be read.
    pub sent_date: Option<SentDate>,
    /// For SORT SUBJECT and THREAD.
    pub base_subject: BaseSubject,
    /// For SORT FROM: the first address' local part. All sort texts are decoded, in their original case.
    pub from_key: String,
    /// For SORT TO
    pub to_key: String,
    /// For SORT CC
    pub cc_key: String,
    /// For SORT DISPLAYFROM (RFC 5957)
    pub from_display: String,
    /// For SORT DISPLAYTO
    pub to_display: String,
    /// The first id in Message-ID, without angle brackets.
    pub message_id: Option<String>,
    /// The ids in References, else the first one in In-Reply-To, oldest first.
    pub references: Vec<String>,
    /// True when the message's own header is pure ASCII.
    pub is_ascii_header: bool,
    /// True when any octet of the message is above 127.
    pub has_eight_bit: bool,
    /// True when the message contains NUL, which no IMAP literal can carry (RFC 9051 §9, CHAR8).
    pub has_nul: bool,
    /// True when some CR or LF stands alone.
    pub has_bare_line_ends: bool,
    /// Where the parts lie.
    pub structure: Structure,
    /// Texts for searches: decoded, case folded, fields of one name with line feeds between; `None` where they are
    /// together longer than [`MimeLimits::search_text_bytes_max`].
    pub search_texts: Option<SearchTexts>,
    /// The header with the table of its fields, as [`encode_header`] has it, up to [`MimeLimits::header_copy_bytes_max`].
    pub header: Vec<u8>,
}

impl Derived {
    /// Computes everything.
    pub fn of(raw: &[u8], limits: &MimeLimits) -> Self {
        let structure = Structure::parse(raw, limits);
        let header = structure.root.header.clone();
        let block = slice(raw, header.clone());
        let from = first_address(block, b"from");
        let to = first_address(block, b"to");
        let display = |address: &Option<Address>| address.as_ref().map(Address::display).unwrap_or_default();
        let key = |address: &Option<Address>| address.as_ref().map(Address::mailbox_key).unwrap_or_default();
        Self {
            envelope: render_envelope(raw, header.clone()),
            body_structure: render_bodystructure(&structure, raw),
            body: render_body(&structure, raw),
            preview: preview(raw, &structure),
            header_bytes: u32::try_from(header.end).unwrap_or(u32::MAX),
            sent_date: field_value(block, b"date").and_then(parse_date),
            base_subject: base_subject(field_value(block, b"subject").unwrap_or_default()),
            from_key: key(&from),
            to_key: key(&to),
            cc_key: key(&first_address(block, b"cc")),
            from_display: display(&from),
            to_display: display(&to),
            message_id: field_value(block, b"message-id").and_then(|value| message_ids(value).next()),
            references: references(block, limits),
            is_ascii_header: block.is_ascii(),
            has_eight_bit: !raw.is_ascii(),
            has_nul: memchr(0, raw).is_some(),
            has_bare_line_ends: has_bare_line_ends(raw),
            structure,
            search_texts: search_texts(block, limits.search_text_bytes_max),
            header: encode_header(block, limits.header_copy_bytes_max),
        }
    }

    /// The stored form of all but [`Self::header`], which is stored apart.
    pub fn encode(&self) -> Vec<u8> {
        let mut structure = Vec::new();
        encode_structure(&self.structure, &mut structure);
        let references = self.references.join(" ");
        let [subject, from, to, cc, bcc] =
            HeaderText::ALL.map(|text| self.search_text(text).unwrap_or_default().as_bytes());
        let slots: [&[u8]; SLOTS] = [
            &self.envelope,
            &self.body_structure,
            &self.body,
            self.preview.as_deref().unwrap_or_default().as_bytes(),
            self.base_subject.text.as_bytes(),
            self.from_key.as_bytes(),
            self.to_key.as_bytes(),
            self.cc_key.as_bytes(),
            self.from_display.as_bytes(),
            self.to_display.as_bytes(),
            self.message_id.as_deref().unwrap_or_default().as_bytes(),
            references.as_bytes(),
            &structure,
            subject,
            from,
            to,
            cc,
            bcc,
        ];
        let sent = self.sent_date.unwrap_or(SentDate { unix_seconds: 0, zone_minutes: 0 });
        let mut bytes =
            Vec::with_capacity(FIXED_BYTES + 4 * SLOTS + slots.iter().map(|slot| slot.len()).sum::<usize>());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.flags().to_be_bytes());
        bytes.extend_from_slice(&sent.zone_minutes.to_be_bytes());
        bytes.extend_from_slice(&self.header_bytes.to_be_bytes());
        bytes.extend_from_slice(&sent.unix_seconds.to_be_bytes());
        let mut end = 0usize;
        for slot in slots {
            end += slot.len();
            bytes.extend_from_slice(&u32::try_from(end).unwrap_or(u32::MAX).to_be_bytes());
        }
        slots.iter().for_each(|slot| bytes.extend_from_slice(slot));
        bytes
    }

    fn search_text(&self, text: HeaderText) -> Option<&str> {
        self.search_texts.as_ref()?.get(text as usize)?.as_deref()
    }

    fn flags(&self) -> u16 {
        let texts = HeaderText::ALL.into_iter().filter(|text| self.search_text(*text).is_some());
        let texts = texts.fold(0, |flags, text| flags | text.flag());
        [
            (FLAG_HEADER_ASCII, self.is_ascii_header),
            (FLAG_EIGHT_BIT, self.has_eight_bit),
            (FLAG_NUL, self.has_nul),
            (FLAG_BARE_LINE_ENDS, self.has_bare_line_ends),
            (FLAG_SENT_DATE, self.sent_date.is_some()),
            (FLAG_PREVIEW, self.preview.is_some()),
            (FLAG_MESSAGE_ID, self.message_id.is_some()),
            (FLAG_REPLY, self.base_subject.is_reply_or_forward),
            (FLAG_SEARCH_TEXTS, self.search_texts.is_some()),
        ]
        .iter()
        .filter(|(_, is_set)| *is_set)
        .fold(texts, |flags, (flag, _)| flags | flag)
    }
}

/// The first mailbox in the fields of that name, or the group when no mailbox is in it.
fn first_address(block: &[u8], name: &[u8]) -> Option<Address> {
    let addresses =
        || Fields::new(block).filter(move |field| field.is(name)).flat_map(|field| Addresses::new(field.value));
    addresses().find(|address| matches!(address, Address::Mailbox { .. })).or_else(|| addresses().next())
}

/// What searches of the fields in [`HeaderText`] look at, as long as it is not longer than `bytes_max`.
fn search_texts(block: &[u8], bytes_max: usize) -> Option<SearchTexts> {
    let mut texts = SearchTexts::default();
    let mut bytes = 0;
    for field in Fields::new(block) {
        let Some(text) = HeaderText::named(field.name).and_then(|text| texts.get_mut(text as usize)) else { continue };
        let folded = fold_case(&decode_unstructured(field.value));
        bytes += folded.len() + 1;
        if bytes > bytes_max {
            return None;
        }
        match text {
            Some(before) => {
                before.push('\n');
                before.push_str(&folded);
            }
            None => *text = Some(folded),
        }
    }
    Some(texts)
}

/// RFC 5256 §3 (THREAD=REFERENCES): In-Reply-To counts only where References says nothing, and only its first id.
fn references(block: &[u8], limits: &MimeLimits) -> Vec<String> {
    let mut ids: Vec<String> = field_value(block, b"references").into_iter().flat_map(message_ids).collect();
    if ids.is_empty() {
        ids = field_value(block, b"in-reply-to").into_iter().flat_map(message_ids).take(1).collect();
    }
    ids.drain(..ids.len().saturating_sub(limits.references_max));
    ids
}
