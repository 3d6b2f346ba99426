//! Reading the stored form of [`Derived`](crate::Derived) in place.

use crate::date::SentDate;
use crate::derived::{
    FIXED_BYTES, FLAG_BARE_LINE_ENDS, FLAG_EIGHT_BIT, FLAG_HEADER_ASCII, FLAG_MESSAGE_ID, FLAG_NUL, FLAG_PREVIEW,
    FLAG_REPLY, FLAG_SEARCH_TEXTS, FLAG_SENT_DATE, HeaderText, SLOTS, Slot, VERSION,
};
use crate::searched::{SearchedPart, searched_parts_of};
use crate::structure::Structure;
use crate::structure_codec::decode_structure;

/// A stored value that cannot be read; the message itself is not concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerivedError {
    /// Written by another version of the program.
    #[error("derived data have version {0}, which this program does not read")]
    Version(u8),
    /// Cut off or inconsistent.
    #[error("derived data are damaged")]
    Damaged,
}

/// What is known of a field's text without a look at the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchText<'a> {
    /// The text of all fields of that name, decoded as [`decode_unstructured`](crate::decode_unstructured) does, folded as
    /// [`fold_case`](crate::fold_case) does, with a line feed between two fields. A text that is searched for and has
    /// line feeds itself could be found across two fields: for such a one look at the header.
    Text(&'a str),
    /// There is no such field.
    NoField,
    /// The texts were too long to be kept: look at the header.
    NotKept,
}

/// A view of the stored form; it copies nothing but what it returns by value.
#[derive(Debug, Clone, Copy)]
pub struct DerivedView<'a> {
    flags: u16,
    zone_minutes: i16,
    header_bytes: u32,
    unix_seconds: i64,
    ends: &'a [[u8; 4]; SLOTS],
    texts: &'a [u8],
}

impl<'a> DerivedView<'a> {
    /// Checks version and offsets.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DerivedError> {
        let version = *bytes.first().ok_or(DerivedError::Damaged)?;
        if version != VERSION {
            return Err(DerivedError::Version(version));
        }
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>().ok_or(DerivedError::Damaged)?;
        let (ends, texts) = rest.split_at_checked(4 * SLOTS).ok_or(DerivedError::Damaged)?;
        let ends: &[[u8; 4]; SLOTS] = ends.as_chunks().0.try_into().map_err(|_| DerivedError::Damaged)?;
        let [_, f0, f1, z0, z1, h0, h1, h2, h3, seconds @ ..] = *fixed;
        let view = Self {
            flags: u16::from_be_bytes([f0, f1]),
            zone_minutes: i16::from_be_bytes([z0, z1]),
            header_bytes: u32::from_be_bytes([h0, h1, h2, h3]),
            unix_seconds: i64::from_be_bytes(seconds),
            ends,
            texts,
        };
        let mut last = 0;
        let mut is_ascending = true;
        for end in ends {
            let end = u32::from_be_bytes(*end);
            is_ascending &= last <= end;
            last = end;
        }
        if is_ascending && last as usize == texts.len() { Ok(view) } else { Err(DerivedError::Damaged) }
    }

    fn end(&self, slot: usize) -> usize {
        self.ends.get(slot).map_or(0, |end| u32::from_be_bytes(*end) as usize)
    }

    fn slot(&self, slot: Slot) -> &'a [u8] {
        let slot = slot as usize;
        let start = slot.checked_sub(1).map_or(0, |before| self.end(before));
        self.texts.get(start..self.end(slot)).unwrap_or_default()
    }

    fn text(&self, slot: Slot) -> &'a str {
        std::str::from_utf8(self.slot(slot)).unwrap_or_default()
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// ENVELOPE
    pub fn envelope(&self) -> &'a [u8] {
        self.slot(Slot::Envelope)
    }

    /// BODYSTRUCTURE
    pub fn body_structure(&self) -> &'a [u8] {
        self.slot(Slot::BodyStructure)
    }

    /// BODY, without extension data.
    pub fn body(&self) -> &'a [u8] {
        self.slot(Slot::Body)
    }

    /// PREVIEW; nothing where there is no text to show.
    pub fn preview(&self) -> Option<&'a str> {
        self.has(FLAG_PREVIEW).then(|| self.text(Slot::Preview))
    }

    /// Length in octets of the message's header block with its blank line.
    pub fn header_bytes(&self) -> u32 {
        self.header_bytes
    }

    /// The Date field; nothing where INTERNALDATE has to stand in (RFC 5256 §2.2).
    pub fn sent_date(&self) -> Option<SentDate> {
        let date = SentDate { unix_seconds: self.unix_seconds, zone_minutes: self.zone_minutes };
        self.has(FLAG_SENT_DATE).then_some(date)
    }

    /// Days since 1970-01-01 of the Date field as written, for SENTON and its kind.
    pub fn sent_day(&self) -> Option<i64> {
        self.sent_date().map(SentDate::sent_day)
    }

    /// The base subject (RFC 5256 §2.1) in its original case.
    pub fn base_subject(&self) -> &'a str {
        self.text(Slot::BaseSubject)
    }

    /// True when marks of a reply or forward were removed from the subject.
    pub fn is_reply_or_forward(&self) -> bool {
        self.has(FLAG_REPLY)
    }

    /// Sort text for FROM
    pub fn from_key(&self) -> &'a str {
        self.text(Slot::FromKey)
    }

    /// Sort text for TO
    pub fn to_key(&self) -> &'a str {
        self.text(Slot::ToKey)
    }

    /// Sort text for CC
    pub fn cc_key(&self) -> &'a str {
        self.text(Slot::CcKey)
    }

    /// Sort text for DISPLAYFROM
    pub fn from_display(&self) -> &'a str {
        self.text(Slot::FromDisplay)
    }

    /// Sort text for DISPLAYTO
    pub fn to_display(&self) -> &'a str {
        self.text(Slot::ToDisplay)
    }

    /// The message's id without angle brackets.
    pub fn message_id(&self) -> Option<&'a str> {
        self.has(FLAG_MESSAGE_ID).then(|| self.text(Slot::MessageId))
    }

    /// The ids of the messages it answers, oldest first.
    pub fn references(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(Slot::References).split(' ').filter(|id| !id.is_empty())
    }

    /// True when the message's own header is pure ASCII.
    pub fn is_ascii_header(&self) -> bool {
        self.has(FLAG_HEADER_ASCII)
    }

    /// True when any octet of the message is above 127.
    pub fn has_eight_bit(&self) -> bool {
        self.has(FLAG_EIGHT_BIT)
    }

    /// True when the message contains NUL.
    pub fn has_nul(&self) -> bool {
        self.has(FLAG_NUL)
    }

    /// True when some CR or LF of the message stands alone.
    pub fn has_bare_line_ends(&self) -> bool {
        self.has(FLAG_BARE_LINE_ENDS)
    }

    /// Where the message's parts lie.
    pub fn structure(&self) -> Result<Structure, DerivedError> {
        decode_structure(self.slot(Slot::Structure))
    }

    /// Where a search for text looks, without the rest of the structure.
    pub fn searched_parts(&self) -> Result<Vec<SearchedPart>, DerivedError> {
        searched_parts_of(self.slot(Slot::Structure))
    }

    /// What searches of that field look at.
    pub fn search_text(&self, text: HeaderText) -> SearchText<'a> {
        match (self.has(FLAG_SEARCH_TEXTS), self.has(text.flag())) {
            (false, _) => SearchText::NotKept,
            (true, false) => SearchText::NoField,
            (true, true) => SearchText::Text(self.text(text.slot())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::derived::Derived;
    use crate::header_index::IndexedHeader;
    use crate::structure::MimeLimits;

    const MESSAGE: &[u8] = b"From: =?utf-8?q?J=C3=B6?= <joe@example.com>\r\nTo: team: a@b, c@d;\r\nCc: x@y\r\n\
        Subject: Re: [list] plan\r\nDate: Tue, 1 Feb 2000 23:30:00 -0500\r\nMessage-ID: <4@x>\r\n\
        References: <1@x>\r\n <2@x>\r\nIn-Reply-To: <3@x>\r\n\r\nHello there\r\n";

    #[test]
    fn a_view_returns_what_was_derived() {
        let derived = Derived::of(MESSAGE, &MimeLimits::default());
        let bytes = derived.encode();
        let view = DerivedView::parse(&bytes).unwrap();
        assert_eq!(view.envelope(), derived.envelope);
        assert_eq!(view.body_structure(), derived.body_structure);
        assert_eq!(view.body(), derived.body);
        assert_eq!(view.preview(), Some("Hello there"));
        assert_eq!(view.header_bytes() as usize, MESSAGE.len() - 13);
        assert_eq!(view.sent_date(), Some(SentDate { unix_seconds: 949_465_800, zone_minutes: -300 }));
        assert_eq!(view.sent_day(), crate::date::days_from_civil(2000, 2, 1));
        assert_eq!((view.base_subject(), view.is_reply_or_forward()), ("plan", true));
        assert_eq!((view.from_key(), view.to_key(), view.cc_key()), ("joe", "a", "x"));
        assert_eq!((view.from_display(), view.to_display()), ("Jö", "a@b"));
        assert_eq!(view.message_id(), Some("4@x"));
        assert_eq!(view.references().collect::<Vec<_>>(), ["1@x", "2@x"]);
        assert!(view.is_ascii_header() && !view.has_eight_bit() && !view.has_nul() && !view.has_bare_line_ends());
        assert_eq!(view.structure().unwrap(), derived.structure);
    }

    #[test]
    fn texts_for_searches_are_decoded_folded_and_joined() {
        let raw = b"Subject: =?utf-8?q?CAF=C3=89?=\r\n\tNow\r\nTo: One <a@b>\r\nCC:\r\nto: TWO@c\r\n\r\nBcc: x\r\n";
        let limits = MimeLimits { search_text_bytes_max: 27, ..MimeLimits::default() };
        let bytes = Derived::of(raw, &limits).encode();
        let view = DerivedView::parse(&bytes).unwrap();
        for (text, expected) in [
            (HeaderText::Subject, SearchText::Text("café\tnow")),
            (HeaderText::From, SearchText::NoField),
            (HeaderText::To, SearchText::Text("one <a@b>\ntwo@c")),
            (HeaderText::Cc, SearchText::Text("")),
            (HeaderText::Bcc, SearchText::NoField),
        ] {
            assert_eq!(view.search_text(text), expected, "{text:?}");
        }
        let limits = MimeLimits { search_text_bytes_max: 26, ..MimeLimits::default() };
        let bytes = Derived::of(raw, &limits).encode();
        let view = DerivedView::parse(&bytes).unwrap();
        assert!(HeaderText::ALL.into_iter().all(|text| view.search_text(text) == SearchText::NotKept));
    }

    #[test]
    fn a_header_within_the_bound_is_kept() {
        let header_bytes = MESSAGE.len() - 13;
        for (header_copy_bytes_max, is_kept) in [(header_bytes, true), (header_bytes - 1, false)] {
            let limits = MimeLimits { header_copy_bytes_max, ..MimeLimits::default() };
            let bytes = Derived::of(MESSAGE, &limits).header;
            let header = IndexedHeader::parse(&bytes).unwrap();
            assert_eq!(header.map(|header| header.block()), is_kept.then(|| &MESSAGE[..header_bytes]));
            assert_eq!(header.map(|header| header.blank_line()), is_kept.then_some(&b"\r\n"[..]));
        }
    }

    #[test]
    fn an_empty_message_has_no_derived_texts() {
        let bytes = Derived::of(b"", &MimeLimits::default()).encode();
        let view = DerivedView::parse(&bytes).unwrap();
        assert_eq!((view.preview(), view.sent_date(), view.message_id()), (None, None, None));
        assert_eq!(view.references().count(), 0);
        let header = Derived::of(b"", &MimeLimits::default()).header;
        assert_eq!(IndexedHeader::parse(&header).unwrap().map(|header| header.block()), Some(&b""[..]));
    }

    #[test]
    fn other_versions_and_damage_are_told_apart() {
        let mut bytes = Derived::of(MESSAGE, &MimeLimits::default()).encode();
        for length in 1..bytes.len() {
            assert_eq!(DerivedView::parse(&bytes[..length]).unwrap_err(), DerivedError::Damaged, "{length}");
        }
        bytes[0] = 9;
        assert_eq!(DerivedView::parse(&bytes).unwrap_err(), DerivedError::Version(9));
    }

    #[test]
    fn only_the_newest_references_are_kept() {
        let limits = MimeLimits { references_max: 2, ..MimeLimits::default() };
        let derived = Derived::of(b"References: <1@x> <2@x> <3@x>\r\n\r\n", &limits);
        assert_eq!(derived.references, ["2@x", "3@x"]);
        let derived = Derived::of(b"References: none\r\nIn-Reply-To: <1@x> <2@x>\r\n\r\n", &limits);
        assert_eq!(derived.references, ["1@x"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
            bytes[0] = VERSION;
            if let Ok(view) = DerivedView::parse(&bytes) {
                let _ = (view.envelope(), view.preview(), view.structure(), view.references().count());
                let _ = (view.search_text(HeaderText::Bcc), IndexedHeader::parse(&bytes));
            }
        }
    }
}
