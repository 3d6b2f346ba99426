//! What is gathered of many messages at once for sorting, threading and searching, and the record it is stored as.
//!
//! A page holds the rows of [`PAGE_ROWS`] blobs whose ids follow each other, whichever mailboxes they are in. It says nothing
//! that the derived answers do not say, so it can be made of them at any time; but these lie kilobytes apart and a
//! mailbox has thousands of them. A page is written when the last of its blobs has come, and removed when one of
//! them goes or changes: no word of a message stays behind it. A page that is missed is written again ([`crate::change::digest`]).
//!
//! There are two kinds, as who sorts does not search: [`SortPage`] and [`SearchPage`]. Numbers are stored as columns
//! ([`crate::columns`]). Texts are stored once each, however many messages have them, and stay in memory as they are stored:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | length of what follows |
//! | 4 | number of different texts |
//! | | a column with the length of each |
//! | | a column with the number of each row's text |
//! | | the texts, a NUL behind each, so that nothing is found across two of them |

use std::{collections::HashMap, sync::OnceLock};

use bytes::Bytes;
use memchr::memmem::Finder;
use postrider_message::{DerivedView, HeaderText, SearchText, collation_key};

use crate::{
    columns::{Columns, encode_column, from_signed, to_signed},
    error::StoreError,
    identifier::BlobId,
};

/// Blobs of a page.
pub(crate) const PAGE_ROWS: u64 = 256;

const VERSION: u8 = 1;

/// Stands behind each text. No text holds it: it is cut out of those that do.
const BETWEEN: u8 = 0;

const HERE: u64 = 1;
const REPLY: u64 = 1 << 1;
const SENT: u64 = 1 << 2;

/// No message has this hash for an id.
const NO_ID: u64 = 0;

/// A text by which messages are sorted (RFC 5256 §3, RFC 5957).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortText {
    /// The base subject (RFC 5256 §2.1).
    Subject,
    /// The local part of the first address in From.
    From,
    /// The same of To.
    To,
    /// The same of Cc.
    Cc,
    /// The first name in From, or its address.
    FromDisplay,
    /// The same of To.
    ToDisplay,
}

const SORT_TEXTS: usize = SortText::ToDisplay as usize + 1;
const HEADER_TEXTS: usize = HeaderText::ALL.len();

/// Whether a message has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPresence {
    /// It has, and its text is here.
    Here,
    /// It has none.
    Absent,
    /// Only the message itself can tell: its header is too large to be kept.
    Unknown,
}

/// The page of a blob.
pub(crate) fn page_of(blob: BlobId) -> u64 {
    blob.0 / PAGE_ROWS
}

/// The row of a blob in its page.
pub(crate) fn row_of(blob: BlobId) -> u16 {
    (blob.0 % PAGE_ROWS) as u16
}

/// A kind of page.
pub(crate) trait Page: Sized + Send + Sync + 'static {
    /// Stands for the kind in keys.
    const KIND: u8;
    /// Gathers rows for such a page.
    type Rows: PageRows;
    /// Reads a stored page.
    fn parse(bytes: Bytes) -> Result<Self, StoreError>;
    /// Whether anything is known of a message.
    fn is_here(&self, row: u16) -> bool;
    /// What it takes in memory, in bytes.
    fn bytes(&self) -> usize;
}

/// Rows on their way into a page.
pub(crate) trait PageRows: Default + Send {
    /// Adds the next message; `None` if it is gone.
    fn push(&mut self, view: Option<&DerivedView<'_>>);
    /// The record.
    fn encode(self) -> Vec<u8>;
}

/// Texts on their way into a page.
#[derive(Default)]
struct TextRows {
    bytes: Vec<u8>,
    lengths: Vec<u64>,
    numbers: Vec<u64>,
    known: HashMap<Vec<u8>, u64>,
}

impl TextRows {
    fn push(&mut self, text: &[u8]) {
        if let Some(number) = self.known.get(text) {
            return self.numbers.push(*number);
        }
        let (start, number) = (self.bytes.len(), self.lengths.len() as u64);
        text.split(|byte| *byte == BETWEEN).for_each(|piece| self.bytes.extend_from_slice(piece));
        self.lengths.push((self.bytes.len() - start) as u64);
        self.bytes.push(BETWEEN);
        self.numbers.push(number);
        self.known.insert(text.to_vec(), number);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(self.lengths.len() as u32).to_be_bytes());
        encode_column(self.lengths.iter().copied(), out);
        encode_column(self.numbers.iter().copied(), out);
        out.extend_from_slice(&self.bytes);
        let length = (out.len() - start - 4) as u32;
        if let Some(head) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *head = length.to_be_bytes();
        }
    }
}

/// The texts of a page's rows.
#[derive(Debug, Default)]
struct Texts {
    bytes: Bytes,
    /// Where each different text ends, before [`BETWEEN`].
    ends: Vec<u32>,
    /// For each row which text it has.
    numbers: Vec<u16>,
}

impl Texts {
    fn parse(bytes: &Bytes, rows: usize) -> Result<Self, StoreError> {
        let (count, columns) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let count = u32::from_be_bytes(*count) as usize;
        if count > rows {
            return Err(damaged());
        }
        let mut lengths = Columns::new(columns, count, WHAT);
        let (mut ends, mut end) = (Vec::with_capacity(count), 0_u32);
        lengths.next(|_, length| {
            end = end.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
            ends.push(end);
            end = end.saturating_add(1);
        })?;
        let mut columns = Columns::new(lengths.rest(), rows, WHAT);
        let mut numbers = Vec::with_capacity(rows);
        columns.next(|_, number| numbers.push(u16::try_from(number).unwrap_or(u16::MAX)))?;
        let texts = bytes.slice_ref(columns.rest());
        let is_whole = end as usize == texts.len() && numbers.iter().all(|number| usize::from(*number) < count);
        if is_whole { Ok(Self { bytes: texts, ends, numbers }) } else { Err(damaged()) }
    }

    fn number(&self, row: u16) -> u16 {
        self.numbers.get(usize::from(row)).copied().unwrap_or(u16::MAX)
    }

    fn text(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends.get(before).map_or(0, |end| *end as usize + 1));
        let end = self.ends.get(number).map_or(start, |end| *end as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// For each different text whether it has the needle; nothing if none has.
    fn find(&self, needle: &Finder<'_>) -> Option<Vec<bool>> {
        let mut found: Option<Vec<bool>> = None;
        let mut from = 0;
        while let Some(place) = self.bytes.get(from..).and_then(|rest| needle.find(rest)) {
            let number = self.ends.partition_point(|end| (*end as usize) < from + place);
            let Some(end) = self.ends.get(number) else { break };
            if let Some(found) = found.get_or_insert_with(|| vec![false; self.ends.len()]).get_mut(number) {
                *found = true;
            }
            from = *end as usize + 1;
        }
        found
    }
}

/// Texts that are taken apart when first asked for: who sorts by subject needs no other.
#[derive(Debug)]
struct LateTexts {
    stored: Bytes,
    rows: usize,
    texts: OnceLock<Texts>,
}

impl LateTexts {
    fn texts(&self) -> &Texts {
        // A checksum stands behind what is stored; without it, a row of no texts is better than no answer at all.
        self.texts.get_or_init(|| Texts::parse(&self.stored, self.rows).unwrap_or_default())
    }
}

/// Reads what every page begins with: the version and the number of rows.
fn read_head(bytes: &[u8]) -> Result<(usize, &[u8]), StoreError> {
    match bytes.split_first_chunk::<3>() {
        Some(([VERSION, high, low], rest)) => Ok((u16::from_be_bytes([*high, *low]).into(), rest)),
        _ => Err(damaged()),
    }
}

fn head(rows: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(rows).unwrap_or(u16::MAX).to_be_bytes();
    vec![VERSION, high, low]
}

/// Divides texts from what follows them.
fn next_texts(bytes: &mut Bytes, rows: usize) -> Result<LateTexts, StoreError> {
    let length = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    if bytes.len() < length + 4 {
        return Err(damaged());
    }
    let mut stored = bytes.split_to(length + 4);
    let stored = stored.split_off(4);
    Ok(LateTexts { stored, rows, texts: OnceLock::new() })
}

const WHAT: &str = "digest";

fn damaged() -> StoreError {
    StoreError::Damaged("a digest is cut short or malformed".to_owned())
}

fn flags_of(view: Option<&DerivedView<'_>>) -> u64 {
    let Some(view) = view else { return 0 };
    let is_sent = view.sent_date().is_some();
    HERE | if view.is_reply_or_forward() { REPLY } else { 0 } | if is_sent { SENT } else { 0 }
}

/// What is compared by SORT and THREAD.
#[derive(Debug)]
pub(crate) struct SortPage {
    flags: Vec<u8>,
    sent: Vec<i64>,
    message_ids: Vec<u64>,
    references: Vec<u64>,
    reference_ends: Vec<u32>,
    texts: Vec<LateTexts>,
    stored_bytes: usize,
}

/// Rows of a [`SortPage`].
#[derive(Default)]
pub(crate) struct SortRows {
    flags: Vec<u64>,
    sent: Vec<i64>,
    message_ids: Vec<u64>,
    references: Vec<u64>,
    reference_counts: Vec<u64>,
    texts: [TextRows; SORT_TEXTS],
}

impl PageRows for SortRows {
    fn push(&mut self, view: Option<&DerivedView<'_>>) {
        self.flags.push(flags_of(view));
        self.sent.push(view.and_then(DerivedView::sent_date).map_or(0, |sent| sent.unix_seconds));
        self.message_ids.push(view.and_then(|view| view.message_id()).map_or(NO_ID, hash_of_id));
        let before = self.references.len();
        self.references.extend(view.into_iter().flat_map(DerivedView::references).map(hash_of_id));
        self.reference_counts.push((self.references.len() - before) as u64);
        let texts: [&str; SORT_TEXTS] = view.map_or([""; SORT_TEXTS], |view| {
            [view.base_subject(), view.from_key(), view.to_key(), view.cc_key(), view.from_display(), view.to_display()]
        });
        for (rows, text) in self.texts.iter_mut().zip(texts) {
            rows.push(collation_key(text).as_bytes());
        }
    }

    fn encode(self) -> Vec<u8> {
        let mut out = head(self.flags.len());
        encode_column(self.flags.iter().copied(), &mut out);
        encode_column(self.sent.iter().copied().map(from_signed), &mut out);
        encode_column(self.message_ids.iter().copied(), &mut out);
        encode_column(self.reference_counts.iter().copied(), &mut out);
        out.extend(self.references.iter().flat_map(|id| id.to_be_bytes()));
        self.texts.iter().for_each(|texts| texts.encode(&mut out));
        out
    }
}

impl Page for SortPage {
    const KIND: u8 = 0;
    type Rows = SortRows;

    fn parse(bytes: Bytes) -> Result<Self, StoreError> {
        let (rows, columns) = read_head(&bytes)?;
        let mut columns = Columns::new(columns, rows, WHAT);
        let (mut flags, mut sent) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let (mut message_ids, mut reference_ends) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        columns.next(|_, number| flags.push(number as u8))?;
        columns.next(|_, number| sent.push(to_signed(number)))?;
        columns.next(|_, number| message_ids.push(number))?;
        let mut end = 0_u32;
        columns.next(|_, number| {
            end = end.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
            reference_ends.push(end);
        })?;
        let (references, texts) = columns.rest().split_at_checked(end as usize * 8).ok_or_else(damaged)?;
        let references = references.as_chunks().0.iter().map(|id| u64::from_be_bytes(*id)).collect();
        let mut rest = bytes.slice_ref(texts);
        let texts = (0..SORT_TEXTS).map(|_| next_texts(&mut rest, rows)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(damaged());
        }
        let stored_bytes = bytes.len();
        Ok(Self { flags, sent, message_ids, references, reference_ends, texts, stored_bytes })
    }

    fn is_here(&self, row: u16) -> bool {
        self.has(row, HERE)
    }

    fn bytes(&self) -> usize {
        let each = 1 + 8 + 8 + 4 + SORT_TEXTS * (size_of::<u16>() + size_of::<u32>());
        size_of::<Self>() + self.stored_bytes + self.flags.len() * each + self.references.len() * 8
    }
}

impl SortPage {
    fn has(&self, row: u16, flag: u64) -> bool {
        self.flags.get(usize::from(row)).is_some_and(|flags| u64::from(*flags) & flag != 0)
    }

    pub(crate) fn sent(&self, row: u16) -> Option<i64> {
        if self.has(row, SENT) { self.sent.get(usize::from(row)).copied() } else { None }
    }

    pub(crate) fn is_reply(&self, row: u16) -> bool {
        self.has(row, REPLY)
    }

    pub(crate) fn message_id(&self, row: u16) -> Option<u64> {
        self.message_ids.get(usize::from(row)).copied().filter(|id| *id != NO_ID)
    }

    pub(crate) fn references(&self, row: u16) -> &[u64] {
        let row = usize::from(row);
        let start =
            row.checked_sub(1).and_then(|before| self.reference_ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.reference_ends.get(row).map_or(start, |end| *end as usize);
        self.references.get(start..end).unwrap_or_default()
    }

    pub(crate) fn rows(&self) -> u16 {
        self.flags.len() as u16
    }

    /// The different texts of all rows.
    pub(crate) fn texts(&self, text: SortText) -> impl Iterator<Item = &[u8]> {
        let texts = self.texts.get(text as usize).map(LateTexts::texts);
        texts.into_iter().flat_map(|texts| (0..texts.ends.len()).map(|number| texts.text(number)))
    }

    /// Which of these a row has.
    pub(crate) fn text_number(&self, text: SortText, row: u16) -> usize {
        self.texts.get(text as usize).map_or(usize::MAX, |texts| texts.texts().number(row).into())
    }

    pub(crate) fn text(&self, text: SortText, row: u16) -> &[u8] {
        let Some(texts) = self.texts.get(text as usize).map(LateTexts::texts) else { return &[] };
        texts.text(texts.number(row).into())
    }
}

/// A hash of an id; the same at any time, as it is stored. Whoever makes two ids of one hash has gained nothing: the one id
/// in both messages would have done.
fn hash_of_id(id: &str) -> u64 {
    let hash = blake3::hash(id.as_bytes());
    hash.as_bytes().first_chunk().map_or(NO_ID, |head| u64::from_be_bytes(*head)).max(NO_ID + 1)
}

/// What is compared by SEARCH.
#[derive(Debug)]
pub(crate) struct SearchPage {
    flags: Vec<u8>,
    sent_days: Vec<i32>,
    /// Two bits for each field.
    presence: Vec<u16>,
    texts: Vec<LateTexts>,
    stored_bytes: usize,
}

/// Rows of a [`SearchPage`].
#[derive(Default)]
pub(crate) struct SearchRows {
    flags: Vec<u64>,
    sent_days: Vec<i64>,
    presence: Vec<u64>,
    texts: [TextRows; HEADER_TEXTS],
}

const PRESENCE_BITS: usize = 2;
const PRESENCE_HERE: u64 = 1;
const PRESENCE_UNKNOWN: u64 = 2;

impl PageRows for SearchRows {
    fn push(&mut self, view: Option<&DerivedView<'_>>) {
        self.flags.push(flags_of(view));
        self.sent_days.push(view.and_then(DerivedView::sent_day).unwrap_or(0));
        let mut presence = 0;
        for (index, (rows, field)) in self.texts.iter_mut().zip(HeaderText::ALL).enumerate() {
            let (text, found) = match view.map(|view| view.search_text(field)) {
                Some(SearchText::Text(text)) => (text, PRESENCE_HERE),
                Some(SearchText::NotKept) => ("", PRESENCE_UNKNOWN),
                Some(SearchText::NoField) | None => ("", 0),
            };
            rows.push(text.as_bytes());
            presence |= found << (index * PRESENCE_BITS);
        }
        self.presence.push(presence);
    }

    fn encode(self) -> Vec<u8> {
        let mut out = head(self.flags.len());
        encode_column(self.flags.iter().copied(), &mut out);
        encode_column(self.sent_days.iter().copied().map(from_signed), &mut out);
        encode_column(self.presence.iter().copied(), &mut out);
        self.texts.iter().for_each(|texts| texts.encode(&mut out));
        out
    }
}

impl Page for SearchPage {
    const KIND: u8 = 1;
    type Rows = SearchRows;

    fn parse(bytes: Bytes) -> Result<Self, StoreError> {
        let (rows, columns) = read_head(&bytes)?;
        let mut columns = Columns::new(columns, rows, WHAT);
        let (mut flags, mut sent_days) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut presence = Vec::with_capacity(rows);
        columns.next(|_, number| flags.push(number as u8))?;
        columns.next(|_, number| {
            let day = to_signed(number);
            sent_days.push(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }));
        })?;
        columns.next(|_, number| presence.push(number as u16))?;
        let mut rest = bytes.slice_ref(columns.rest());
        let texts = (0..HEADER_TEXTS).map(|_| next_texts(&mut rest, rows)).collect::<Result<_, _>>()?;
        let stored_bytes = bytes.len();
        if rest.is_empty() { Ok(Self { flags, sent_days, presence, texts, stored_bytes }) } else { Err(damaged()) }
    }

    fn is_here(&self, row: u16) -> bool {
        self.has(row, HERE)
    }

    fn bytes(&self) -> usize {
        let each = 1 + 4 + 2 + HEADER_TEXTS * (size_of::<u16>() + size_of::<u32>());
        size_of::<Self>() + self.stored_bytes + self.flags.len() * each
    }
}

impl SearchPage {
    fn has(&self, row: u16, flag: u64) -> bool {
        self.flags.get(usize::from(row)).is_some_and(|flags| u64::from(*flags) & flag != 0)
    }

    pub(crate) fn sent_day(&self, row: u16) -> Option<i64> {
        if self.has(row, SENT) { self.sent_days.get(usize::from(row)).map(|day| i64::from(*day)) } else { None }
    }

    pub(crate) fn field(&self, field: HeaderText, row: u16) -> FieldPresence {
        let presence = self.presence.get(usize::from(row)).copied().unwrap_or(0);
        match u64::from(presence) >> (field as usize * PRESENCE_BITS) & ((1 << PRESENCE_BITS) - 1) {
            PRESENCE_HERE => FieldPresence::Here,
            PRESENCE_UNKNOWN => FieldPresence::Unknown,
            _ => FieldPresence::Absent,
        }
    }

    /// Seeks a text in a field of all messages; answers which rows have it, nothing if none has.
    pub(crate) fn find(&self, field: HeaderText, needle: &Finder<'_>) -> Option<impl Fn(u16) -> bool + use<'_>> {
        let texts = self.texts.get(field as usize)?.texts();
        let found = texts.find(needle)?;
        Some(move |row| found.get(usize::from(texts.number(row))).is_some_and(|found| *found))
    }
}
