//! What sorting, threading and searching look at, of many messages at once.
//!
//! The derived answers of a message hold it all, but a mailbox has thousands of them, each some kilobytes away from the
//! next. A [`Digest`] gathers the few words of each that are compared, for the messages of one chunk, column by column:
//! a text is then sought in all of them as if they were one. It is made when first asked for and lies with the
//! chunk it describes, which never changes: no digest is ever out of date. All digests together stay under a budget;
//! beyond it they are made for one use.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use memchr::memmem::Finder;
use postrider_message::{DerivedView, HeaderText, SearchText, collation_key};

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

/// Stands behind each text, so that nothing is found across two of them. No text holds it: it is cut out of those that do.
const BETWEEN: u8 = 0;

const GONE: u8 = 1;
const REPLY: u8 = 1 << 1;
const SENT: u8 = 1 << 2;

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

/// The texts of some messages, one behind the other.
#[derive(Debug, Default)]
struct Texts {
    bytes: String,
    /// Where each text ends, before [`BETWEEN`].
    ends: Vec<u32>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        text.split(char::from(BETWEEN)).for_each(|piece| self.bytes.push_str(piece));
        self.ends.push(self.bytes.len() as u32);
        self.bytes.push(char::from(BETWEEN));
    }

    fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends.get(before).map_or(0, |end| *end as usize + 1));
        let end = self.ends.get(row).map_or(start, |end| *end as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Calls `found` once for each row whose text has the needle, in order.
    fn find(&self, needle: &Finder<'_>, found: &mut impl FnMut(usize)) {
        let mut from = 0;
        while let Some(place) = self.bytes.as_bytes().get(from..).and_then(|rest| needle.find(rest)) {
            let row = self.ends.partition_point(|end| (*end as usize) < from + place);
            found(row);
            let Some(end) = self.ends.get(row) else { return };
            from = *end as usize + 1;
        }
    }

    fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// What is compared of the messages of one chunk of a snapshot. Rows count from 0 within the chunk.
#[derive(Debug)]
pub struct Digest {
    flags: Vec<u8>,
    sent: Vec<i64>,
    sent_days: Vec<i32>,
    message_ids: Vec<u64>,
    references: Vec<u64>,
    reference_ends: Vec<u32>,
    sort_texts: [Texts; SORT_TEXTS],
    header_texts: [Texts; HEADER_TEXTS],
    presence: [Vec<FieldPresence>; HEADER_TEXTS],
    /// What of the budget it holds.
    reserved: Option<Reservation>,
}

impl Digest {
    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    fn has(&self, row: usize, flag: u8) -> bool {
        self.flags.get(row).is_some_and(|flags| flags & flag != 0)
    }

    /// Whether the message was expunged meanwhile, so that nothing is known of it.
    pub fn is_gone(&self, row: usize) -> bool {
        self.has(row, GONE)
    }

    /// When the message was sent by its Date field, seconds since 1970 (UTC); nothing where INTERNALDATE has to stand in
    /// (RFC 5256 §2.2).
    pub fn sent(&self, row: usize) -> Option<i64> {
        if self.has(row, SENT) { self.sent.get(row).copied() } else { None }
    }

    /// The day in the Date field as written, in days since 1970-01-01.
    pub fn sent_day(&self, row: usize) -> Option<i64> {
        if self.has(row, SENT) { self.sent_days.get(row).map(|day| i64::from(*day)) } else { None }
    }

    /// Whether marks of a reply or forward were removed from the subject.
    pub fn is_reply(&self, row: usize) -> bool {
        self.has(row, REPLY)
    }

    /// A hash of the message's id. Hashes are the same within one run of the program and in no other.
    pub fn message_id(&self, row: usize) -> Option<u64> {
        self.message_ids.get(row).copied().filter(|id| *id != NO_ID)
    }

    /// The hashes of the ids that it names as earlier ones of its thread, oldest first.
    pub fn references(&self, row: usize) -> &[u64] {
        let start =
            row.checked_sub(1).and_then(|before| self.reference_ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.reference_ends.get(row).map_or(start, |end| *end as usize);
        self.references.get(start..end).unwrap_or_default()
    }

    /// A text to sort by: bytes compare as `i;unicode-casemap` has it.
    pub fn sort_text(&self, text: SortText, row: usize) -> &str {
        self.sort_texts.get(text as usize).map_or("", |texts| texts.get(row))
    }

    /// Whether the message has such a field.
    pub fn header_field(&self, field: HeaderText, row: usize) -> FieldPresence {
        let presence = self.presence.get(field as usize).and_then(|rows| rows.get(row));
        presence.copied().unwrap_or(FieldPresence::Absent)
    }

    /// Seeks a text, folded by [`postrider_message::fold_case`], in a field of all messages: `found` gets the rows that have
    /// it, ascending, each once. Rows of which the field is [`FieldPresence::Unknown`] are not among them. The needle must
    /// not be empty.
    pub fn find(&self, field: HeaderText, needle: &Finder<'_>, mut found: impl FnMut(usize)) {
        if let Some(texts) = self.header_texts.get(field as usize) {
            texts.find(needle, &mut found);
        }
    }

    fn bytes(&self) -> usize {
        let texts = self.sort_texts.iter().chain(&self.header_texts).map(Texts::bytes).sum::<usize>();
        let each = 1 + size_of::<i64>() + size_of::<i32>() + size_of::<u64>() + size_of::<u32>() + HEADER_TEXTS;
        size_of::<Self>() + texts + self.references.capacity() * size_of::<u64>() + self.flags.capacity() * each
    }
}

/// Puts a digest together, message by message.
pub(crate) struct DigestBuilder {
    digest: Digest,
}

impl DigestBuilder {
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            digest: Digest {
                flags: Vec::with_capacity(rows),
                sent: Vec::with_capacity(rows),
                sent_days: Vec::with_capacity(rows),
                message_ids: Vec::with_capacity(rows),
                references: Vec::new(),
                reference_ends: Vec::with_capacity(rows),
                sort_texts: Default::default(),
                header_texts: Default::default(),
                presence: Default::default(),
                reserved: None,
            },
        }
    }

    /// Adds the next message; `None` if it is gone.
    pub(crate) fn push(&mut self, view: Option<&DerivedView<'_>>) {
        let digest = &mut self.digest;
        let sent = view.and_then(DerivedView::sent_date);
        let mut flags = if view.is_some() { 0 } else { GONE };
        flags |= if sent.is_some() { SENT } else { 0 };
        flags |= if view.is_some_and(DerivedView::is_reply_or_forward) { REPLY } else { 0 };
        digest.flags.push(flags);
        digest.sent.push(sent.map_or(0, |sent| sent.unix_seconds));
        let day = view.and_then(DerivedView::sent_day).unwrap_or(0);
        digest.sent_days.push(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }));
        digest.message_ids.push(view.and_then(|view| view.message_id()).map_or(NO_ID, hash_of_id));
        digest.references.extend(view.into_iter().flat_map(DerivedView::references).map(hash_of_id));
        digest.reference_ends.push(digest.references.len() as u32);
        let sort_texts: [&str; SORT_TEXTS] = view.map_or([""; SORT_TEXTS], |view| {
            [view.base_subject(), view.from_key(), view.to_key(), view.cc_key(), view.from_display(), view.to_display()]
        });
        for (texts, text) in digest.sort_texts.iter_mut().zip(sort_texts) {
            texts.push(&collation_key(text));
        }
        let columns = digest.header_texts.iter_mut().zip(&mut digest.presence);
        for ((texts, presence), field) in columns.zip(HeaderText::ALL) {
            let (text, found) = match view.map(|view| view.search_text(field)) {
                Some(SearchText::Text(text)) => (text, FieldPresence::Here),
                Some(SearchText::NotKept) => ("", FieldPresence::Unknown),
                Some(SearchText::NoField) | None => ("", FieldPresence::Absent),
            };
            texts.push(text);
            presence.push(found);
        }
    }

    /// The digest, and whether there was room for it in the budget: only then may it be kept.
    pub(crate) fn finish(self, budget: &Arc<DigestBudget>) -> (Arc<Digest>, bool) {
        let mut digest = self.digest;
        let texts = digest.sort_texts.iter_mut().chain(&mut digest.header_texts);
        texts.for_each(|texts| texts.bytes.shrink_to_fit());
        digest.references.shrink_to_fit();
        digest.reserved = budget.reserve(digest.bytes());
        let is_kept = digest.reserved.is_some();
        (Arc::new(digest), is_kept)
    }
}

/// No message has this hash for an id.
const NO_ID: u64 = 0;

/// Keyed by chance, so that nobody can write a message whose id has the hash of another's.
fn hash_of_id(id: &str) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(id).max(NO_ID + 1)
}

/// How much memory all digests together may take.
#[derive(Debug)]
pub(crate) struct DigestBudget {
    bytes_max: usize,
    bytes: AtomicUsize,
}

impl DigestBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, bytes: AtomicUsize::new(0) })
    }

    fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reservation { budget: Arc::clone(self), bytes })
    }
}

/// A part of the budget, given back when the digest goes.
#[derive(Debug)]
struct Reservation {
    budget: Arc<DigestBudget>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use postrider_message::{Derived, MimeLimits};

    use super::*;

    fn digest_of(messages: &[Option<&str>], budget: usize) -> (Arc<Digest>, bool) {
        let mut builder = DigestBuilder::new(messages.len());
        for message in messages {
            let derived = message.map(|raw| Derived::of(raw.as_bytes(), &MimeLimits::default()).encode());
            builder.push(derived.as_deref().and_then(|bytes| DerivedView::parse(bytes).ok()).as_ref());
        }
        builder.finish(&DigestBudget::new(budget))
    }

    const FIRST: &str = "From: Zoë <zoe@example.org>\r\nSubject: Re: Grüße\r\nMessage-ID: <a@x>\r\n\
        Date: Tue, 1 Feb 2000 23:30:00 -0500\r\n\r\n";
    const SECOND: &str =
        "From: bob@example.org\r\nSubject: lunch\r\nMessage-ID: <b@x>\r\nReferences: <0@x> <a@x>\r\n\r\n";

    #[test]
    fn a_digest_tells_what_the_messages_say() {
        let (digest, _) = digest_of(&[Some(FIRST), None, Some(SECOND)], 1 << 20);
        assert_eq!(digest.len(), 3);
        assert_eq!((0..3).map(|row| digest.is_gone(row)).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((digest.sent(0), digest.sent_day(0)), (Some(949_465_800), Some(10_988)));
        assert_eq!(digest.sent(2), None);
        assert!(digest.is_reply(0) && !digest.is_reply(2));
        assert_eq!(digest.references(2).last().copied(), digest.message_id(0));
        assert_eq!(digest.references(2).len(), 2);
        assert_eq!((digest.message_id(1), digest.references(1).len()), (None, 0));
        assert!(digest.sort_text(SortText::From, 2) < digest.sort_text(SortText::From, 0));
        assert_eq!(digest.sort_text(SortText::Subject, 2), collation_key("lunch"));
        assert_eq!(digest.header_field(HeaderText::Cc, 0), FieldPresence::Absent);
        assert_eq!(digest.header_field(HeaderText::From, 0), FieldPresence::Here);
    }

    #[test]
    fn a_text_is_found_in_each_message_that_has_it_and_across_none() {
        let (digest, _) = digest_of(&[Some(FIRST), None, Some(SECOND), Some(SECOND)], 1 << 20);
        let find = |field, needle: &str| {
            let mut rows = Vec::new();
            digest.find(field, &Finder::new(&postrider_message::fold_case(needle)), |row| rows.push(row));
            rows
        };
        assert_eq!(find(HeaderText::From, "example"), [0, 2, 3]);
        assert_eq!(find(HeaderText::Subject, "grüße"), [0]);
        assert_eq!(find(HeaderText::Subject, "n"), [2, 3], "a row is told once, however often it has the text");
        assert_eq!(find(HeaderText::Subject, "lunchlunch"), [0_usize; 0]);
        assert_eq!(find(HeaderText::Cc, "a"), [0_usize; 0]);
    }

    #[test]
    fn the_budget_is_given_back_when_a_digest_goes() {
        let budget = DigestBudget::new(4096);
        let make = || DigestBuilder::new(2).finish(&budget);
        let kept: Vec<_> = std::iter::repeat_with(make).take_while(|(_, is_kept)| *is_kept).take(1000).collect();
        assert!(!kept.is_empty() && kept.len() < 100);
        assert!(!make().1);
        drop(kept);
        assert!(make().1);
    }
}
