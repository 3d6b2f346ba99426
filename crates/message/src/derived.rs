//! All that is computed from a message when it arrives, in one value that is stored beside it.
//!
//! FETCH, SORT and THREAD then copy bytes instead of parsing; the value can be rebuilt from the raw message at any
//! time, so its form may change with its version byte.
//!
//! | octets | content |
//! |---|---|
//! | 1 | version |
//! | 1 | flags |
//! | 2 | zone of the sent date, minutes east, signed |
//! | 4 | length of the header block |
//! | 8 | sent date, seconds since 1970, signed |
//! | 4 × 13 | where each text ends, counted from the end of this table |
//! | | the texts: see `Slot` |
//!
//! Numbers are big-endian.

use memchr::memchr;

use crate::address::{Address, Addresses};
use crate::body_structure::{render_body, render_bodystructure};
use crate::date::{SentDate, parse_date};
use crate::envelope::render_envelope;
use crate::header::{Fields, field_value, slice};
use crate::line_ends::has_bare_line_ends;
use crate::message_id::message_ids;
use crate::preview::preview;
use crate::structure::{MimeLimits, Structure};
use crate::structure_codec::encode_structure;
use crate::subject::{BaseSubject, base_subject};

/// The version this code writes, and the only one it reads.
pub(crate) const VERSION: u8 = 1;
/// Octets before the table of ends.
pub(crate) const FIXED_BYTES: usize = 16;

pub(crate) const FLAG_HEADER_ASCII: u8 = 1;
pub(crate) const FLAG_EIGHT_BIT: u8 = 1 << 1;
pub(crate) const FLAG_NUL: u8 = 1 << 2;
pub(crate) const FLAG_BARE_LINE_ENDS: u8 = 1 << 3;
pub(crate) const FLAG_SENT_DATE: u8 = 1 << 4;
pub(crate) const FLAG_PREVIEW: u8 = 1 << 5;
pub(crate) const FLAG_MESSAGE_ID: u8 = 1 << 6;
pub(crate) const FLAG_REPLY: u8 = 1 << 7;

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
}

/// Number of slots.
pub(crate) const SLOTS: usize = Slot::Structure as usize + 1;

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
        }
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut structure = Vec::new();
        encode_structure(&self.structure, &mut structure);
        let references = self.references.join(" ");
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
        ];
        let sent = self.sent_date.unwrap_or(SentDate { unix_seconds: 0, zone_minutes: 0 });
        let mut bytes =
            Vec::with_capacity(FIXED_BYTES + 4 * SLOTS + slots.iter().map(|slot| slot.len()).sum::<usize>());
        bytes.extend_from_slice(&[VERSION, self.flags()]);
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

    fn flags(&self) -> u8 {
        [
            (FLAG_HEADER_ASCII, self.is_ascii_header),
            (FLAG_EIGHT_BIT, self.has_eight_bit),
            (FLAG_NUL, self.has_nul),
            (FLAG_BARE_LINE_ENDS, self.has_bare_line_ends),
            (FLAG_SENT_DATE, self.sent_date.is_some()),
            (FLAG_PREVIEW, self.preview.is_some()),
            (FLAG_MESSAGE_ID, self.message_id.is_some()),
            (FLAG_REPLY, self.base_subject.is_reply_or_forward),
        ]
        .iter()
        .filter(|(_, is_set)| *is_set)
        .fold(0, |flags, (flag, _)| flags | flag)
    }
}

/// The first mailbox in the fields of that name, or the group when no mailbox is in it.
fn first_address(block: &[u8], name: &[u8]) -> Option<Address> {
    let addresses =
        || Fields::new(block).filter(move |field| field.is(name)).flat_map(|field| Addresses::new(field.value));
    addresses().find(|address| matches!(address, Address::Mailbox { .. })).or_else(|| addresses().next())
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
