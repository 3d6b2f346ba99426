//! A header block with a table of its fields, so that HEADER.FIELDS and searches of headers need not read it again.
//!
//! It is stored in a value of its own beside the derived answers, as mail programs ask for the one or the other:
//!
//! | octets | content |
//! |---|---|
//! | 1 | version |
//! | 1 | flags: the block is here, it holds NUL |
//! | 2 | number of fields, big-endian |
//! | 3 × fields | the table |
//! | | the block |
//!
//! For each field the table has a number for its name and where it ends; it begins where the one before it ended, as a
//! block is nothing but fields and a blank line. Which fields a command wants is compiled once into a table of 256
//! answers, and each field is then one look-up; only names that are not well known are compared. Neighbours that are
//! both wanted are handed out as one piece.

use std::ops::Range;

use memchr::memchr;

use crate::derived_view::DerivedError;
use crate::header::{Field, Fields, Selection, slice, split_field, trim_line_end};

/// Names with a number, from 1, in lower case. Stored data hold the numbers: names may only be added, at the end, and
/// that needs a new version of the derived data.
const NAMES: [&[u8]; 96] = [
    b"return-path",
    b"received",
    b"delivered-to",
    b"x-original-to",
    b"envelope-to",
    b"date",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"subject",
    b"comments",
    b"keywords",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-bcc",
    b"resent-message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"content-id",
    b"content-description",
    b"content-disposition",
    b"content-language",
    b"content-location",
    b"content-length",
    b"lines",
    b"status",
    b"x-status",
    b"dkim-signature",
    b"domainkey-signature",
    b"arc-seal",
    b"arc-message-signature",
    b"arc-authentication-results",
    b"authentication-results",
    b"received-spf",
    b"list-id",
    b"list-help",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"list-subscribe",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"mailing-list",
    b"precedence",
    b"priority",
    b"importance",
    b"sensitivity",
    b"x-priority",
    b"x-msmail-priority",
    b"x-mailer",
    b"x-mimeole",
    b"user-agent",
    b"organization",
    b"auto-submitted",
    b"autocrypt",
    b"errors-to",
    b"newsgroups",
    b"followup-to",
    b"mail-followup-to",
    b"mail-reply-to",
    b"return-receipt-to",
    b"disposition-notification-to",
    b"feedback-id",
    b"thread-topic",
    b"thread-index",
    b"accept-language",
    b"x-spam-flag",
    b"x-spam-status",
    b"x-spam-level",
    b"x-spam-score",
    b"x-spam-checker-version",
    b"x-virus-scanned",
    b"x-originating-ip",
    b"x-received",
    b"x-forwarded-to",
    b"x-forwarded-for",
    b"x-forwarded-message-id",
    b"x-beenthere",
    b"x-mailman-version",
    b"x-loop",
    b"x-face",
    b"face",
    b"x-uidl",
    b"x-keywords",
    b"x-mozilla-status",
    b"x-auto-response-suppress",
];

/// The number of a field whose name is none of [`NAMES`].
const OTHER: u8 = 0;
/// The number of a line that is no field and has no name.
const NAMELESS: u8 = u8::MAX;
/// Octets for each field: its number and two for its end.
const ENTRY_BYTES: usize = 3;
/// The longest block whose offsets the table can hold, in octets.
const BLOCK_BYTES_MAX: usize = u16::MAX as usize;

/// For each hash of a name the numbers of the names that have it.
const BUCKETS: [[u8; 4]; 256] = {
    let mut buckets = [[0; 4]; 256];
    let mut at = 0;
    while at < NAMES.len() {
        let bucket = &mut buckets[hash(NAMES[at]) as usize];
        let mut place = 0;
        // A name too many for its bucket ends the build here.
        while bucket[place] != 0 {
            place += 1;
        }
        bucket[place] = at as u8 + 1;
        at += 1;
    }
    buckets
};

/// Of a name in any case: bit 5 is what ASCII letters differ in.
const fn hash(name: &[u8]) -> u8 {
    match name {
        [] => 0,
        [one] => *one | 0x20,
        [first, .., last] => {
            let middle = name.split_at(name.len() / 2).1;
            let middle = match middle {
                [middle, ..] => *middle | 0x20,
                [] => 0,
            };
            let sum = (*first | 0x20).wrapping_mul(7).wrapping_add((*last | 0x20).wrapping_mul(31));
            sum.wrapping_add(middle.wrapping_mul(13)).wrapping_add((name.len() as u8).wrapping_mul(5))
        }
    }
}

/// The number of a field's name.
fn number_of(name: &[u8]) -> u8 {
    if name.is_empty() {
        return NAMELESS;
    }
    let bucket = BUCKETS.get(usize::from(hash(name))).copied().unwrap_or_default();
    let known = |number: &u8| {
        number
            .checked_sub(1)
            .and_then(|at| NAMES.get(usize::from(at)))
            .is_some_and(|known| name.eq_ignore_ascii_case(known))
    };
    bucket.into_iter().find(known).unwrap_or(OTHER)
}

/// The version this code writes, and the only one it reads.
const VERSION: u8 = 1;
const FLAG_KEPT: u8 = 1;
const FLAG_NUL: u8 = 1 << 1;
const FIXED_BYTES: usize = 4;

/// The stored form of a header block; of one that is longer than `bytes_max` only that it is not kept.
pub fn encode_header(block: &[u8], bytes_max: usize) -> Vec<u8> {
    if block.len() > bytes_max.min(BLOCK_BYTES_MAX) {
        return vec![VERSION, 0, 0, 0];
    }
    let nul = if memchr(0, block).is_some() { FLAG_NUL } else { 0 };
    let mut bytes = vec![VERSION, FLAG_KEPT | nul, 0, 0];
    let mut fields = 0_u16;
    for field in Fields::new(block) {
        let [high, low] = u16::try_from(field.range.end).unwrap_or(u16::MAX).to_be_bytes();
        bytes.extend_from_slice(&[number_of(field.name), high, low]);
        fields = fields.saturating_add(1);
    }
    if let Some(count) = bytes.get_mut(2..FIXED_BYTES) {
        count.copy_from_slice(&fields.to_be_bytes());
    }
    bytes.extend_from_slice(block);
    bytes
}

/// Which fields a command wants, prepared once for any number of messages.
#[derive(Debug, Clone)]
pub struct FieldSelection {
    verdicts: [Verdict; 256],
    /// Names without a number, in lower case.
    others: Vec<Vec<u8>>,
    selection: Selection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Wanted,
    Unwanted,
    /// The name itself has to be looked at.
    Compare,
}

impl FieldSelection {
    /// Prepares what [`header_fields`](crate::header_fields) takes.
    pub fn new<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>, selection: Selection) -> Self {
        let (named, unnamed) = match selection {
            Selection::Only => (Verdict::Wanted, Verdict::Unwanted),
            Selection::Except => (Verdict::Unwanted, Verdict::Wanted),
        };
        let mut verdicts = [unnamed; 256];
        let mut others = Vec::new();
        for name in names {
            let number = match number_of(name.as_ref()) {
                // No field has an empty name.
                NAMELESS => continue,
                OTHER => {
                    others.push(name.as_ref().to_ascii_lowercase());
                    (OTHER, Verdict::Compare)
                }
                number => (number, named),
            };
            if let Some(verdict) = verdicts.get_mut(usize::from(number.0)) {
                *verdict = number.1;
            }
        }
        Self { verdicts, others, selection }
    }

    /// Whether it wants a field of that name; an empty name is that of a line that is no field.
    pub fn wants(&self, name: &[u8]) -> bool {
        match self.verdict(number_of(name)) {
            Verdict::Wanted => true,
            Verdict::Unwanted => false,
            Verdict::Compare => self.compare(name),
        }
    }

    fn verdict(&self, number: u8) -> Verdict {
        self.verdicts.get(usize::from(number)).copied().unwrap_or(Verdict::Compare)
    }

    fn wants_field(&self, number: u8, field: impl FnOnce() -> Range<usize>, block: &[u8]) -> bool {
        match self.verdict(number) {
            Verdict::Wanted => true,
            Verdict::Unwanted => false,
            Verdict::Compare => {
                let field = slice(block, field());
                let name = memchr(b':', field).and_then(|at| field.get(..at)).unwrap_or_default();
                self.compare(name.trim_ascii_end())
            }
        }
    }

    fn compare(&self, name: &[u8]) -> bool {
        self.others.iter().any(|other| name.eq_ignore_ascii_case(other)) == (self.selection == Selection::Only)
    }
}

/// A header block and the table of its fields, as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct IndexedHeader<'a> {
    block: &'a [u8],
    index: &'a [[u8; ENTRY_BYTES]],
    has_nul: bool,
}

impl<'a> IndexedHeader<'a> {
    /// Reads what [`encode_header`] made; nothing where the header was too long to be kept: read the message then.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, DerivedError> {
        let ([version, flags, high, low], rest) = bytes.split_first_chunk().ok_or(DerivedError::Damaged)?;
        if *version != VERSION {
            return Err(DerivedError::Version(*version));
        }
        if flags & FLAG_KEPT == 0 {
            return Ok(None);
        }
        let index_bytes = ENTRY_BYTES * usize::from(u16::from_be_bytes([*high, *low]));
        let (index, block) = rest.split_at_checked(index_bytes).ok_or(DerivedError::Damaged)?;
        Ok(Some(Self { block, index: index.as_chunks().0, has_nul: flags & FLAG_NUL != 0 }))
    }

    /// Whether the block holds a NUL, which no literal can.
    pub fn has_nul(&self) -> bool {
        self.has_nul
    }

    /// The block with its blank line.
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// What follows the last field: the blank line, or nothing where the message ends without one.
    pub fn blank_line(&self) -> &'a [u8] {
        let end = self.index.last().map_or(0, |&[_, high, low]| usize::from(u16::from_be_bytes([high, low])));
        self.block.get(end..).unwrap_or_default()
    }

    /// The octets of the fields that are wanted, in their order, folds and line ends included: what
    /// [`header_fields`](crate::header_fields) finds, but fields that stand side by side come as one piece. The caller
    /// adds the blank line (RFC 9051 §6.4.5.1).
    pub fn for_each_piece(&self, selection: &FieldSelection, mut visit: impl FnMut(&'a [u8])) {
        let mut piece = 0..0;
        let mut start = 0;
        for &[number, high, low] in self.index {
            let end = usize::from(u16::from_be_bytes([high, low]));
            if selection.wants_field(number, || start..end, self.block) {
                if piece.end != start {
                    visit(slice(self.block, piece));
                    piece = start..start;
                }
                piece.end = end;
            }
            start = end;
        }
        visit(slice(self.block, piece));
    }

    /// The fields that are wanted, in their order.
    pub fn fields(&self, selection: &FieldSelection) -> impl Iterator<Item = Field<'a>> {
        let block = self.block;
        let mut start = 0;
        self.index.iter().filter_map(move |&[number, high, low]| {
            let range = start..usize::from(u16::from_be_bytes([high, low]));
            start = range.end;
            selection.wants_field(number, || range.clone(), block).then(|| {
                let (name, value) = split_field(trim_line_end(slice(block, range.clone())));
                Field { name, value, range }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::{header_block_bytes, header_fields};

    fn parse(stored: &[u8]) -> IndexedHeader<'_> {
        IndexedHeader::parse(stored).unwrap().unwrap()
    }

    #[test]
    fn every_well_known_name_has_its_own_number_in_any_case() {
        for (number, name) in (1..).zip(NAMES) {
            assert_eq!(number_of(name), number);
            assert_eq!(number_of(&name.to_ascii_uppercase()), number);
        }
        for name in [&b"x-unknown"[..], b"t", b"\x12o", b"subjec\x14"] {
            assert_eq!(number_of(name), OTHER, "{name:?}");
        }
        assert_eq!(number_of(b""), NAMELESS);
    }

    #[test]
    fn fields_side_by_side_come_as_one_piece() {
        let block = b"From: a\r\nTo : b\r\n c\r\nX-A: d\r\nno field\r\nSubject: e\r\n\r\n";
        let stored = encode_header(block, 1000);
        let header = parse(&stored);
        for (names, selection, pieces) in [
            (vec!["TO", "from", "subject"], Selection::Only, vec!["From: a\r\nTo : b\r\n c\r\n", "Subject: e\r\n"]),
            (vec!["x-a", "None"], Selection::Only, vec!["X-A: d\r\n"]),
            (vec!["x-a", "from"], Selection::Except, vec!["To : b\r\n c\r\n", "no field\r\nSubject: e\r\n"]),
            (vec!["", "no field"], Selection::Only, vec![]),
        ] {
            let mut found = Vec::new();
            let selection = FieldSelection::new(&names, selection);
            header.for_each_piece(&selection, |piece| found.push(String::from_utf8_lossy(piece).into_owned()));
            found.retain(|piece| !piece.is_empty());
            assert_eq!(found, pieces, "{names:?}");
        }
        assert_eq!(header.blank_line(), b"\r\n");
    }

    fn blocks() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just("Subject: a\r\n"),
            Just("SUBJECT : b\r\n\tc\n"),
            Just("To:\n"),
            Just("X-Other: d\r\n"),
            Just("x-other2:e"),
            Just("From a@b\r\n"),
            Just(" folded\r\n"),
            Just(": nameless\r\n"),
            Just("\r\n"),
            Just("\r"),
            Just("Sub\0ject: f\n"),
        ];
        let lines = prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat().into_bytes());
        prop_oneof![lines, prop::collection::vec(any::<u8>(), 0..80)]
    }

    proptest! {
        #[test]
        fn the_table_finds_what_reading_the_block_finds(
            raw in blocks(),
            names in prop::collection::vec(prop::sample::select(vec!["subject", "TO", "x-other", "from", "", "cc", "Sub\0ject"]), 0..4),
            only: bool,
        ) {
            let block = &raw[..header_block_bytes(&raw)];
            let stored = encode_header(block, 1000);
            let header = parse(&stored);
            prop_assert_eq!((header.block(), header.has_nul()), (block, block.contains(&0)));
            let kind = if only { Selection::Only } else { Selection::Except };
            let selection = FieldSelection::new(&names, kind);
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let ranges = header_fields(block, &names, kind);
            let expected: Vec<u8> = ranges.iter().flat_map(|range| block[range.clone()].to_vec()).collect();
            let mut found = Vec::new();
            header.for_each_piece(&selection, |piece| found.extend_from_slice(piece));
            prop_assert_eq!(found, expected);
            let fields: Vec<Field<'_>> = header.fields(&selection).collect();
            let read: Vec<Field<'_>> = Fields::new(block).filter(|field| selection.wants(field.name)).collect();
            prop_assert_eq!(&fields, &read);
            prop_assert_eq!(fields.into_iter().map(|field| field.range).collect::<Vec<_>>(), ranges);
            let end = Fields::new(block).last().map_or(0, |field| field.range.end);
            prop_assert_eq!(header.blank_line(), &block[end..]);
        }

        #[test]
        fn damaged_bytes_are_read_without_panic(mut stored in prop::collection::vec(any::<u8>(), 4..80)) {
            (stored[0], stored[2]) = (VERSION, 0);
            if let Ok(Some(header)) = IndexedHeader::parse(&stored) {
                let selection = FieldSelection::new(["subject", "x-other"], Selection::Except);
                header.for_each_piece(&selection, |_| {});
                let _ = (header.fields(&selection).count(), header.blank_line());
            }
        }
    }
}
