//! What sorting, threading and searching look at, of the messages of one chunk of a snapshot.
//!
//! A digest says where each message of a chunk stands in pages ([`crate::digest_page`]): mostly one or two that are stored,
//! as messages that came one after the other stand in the same one, else one that is made of the derived answers
//! for it alone. It lies with the chunk it describes, which never changes: no digest is ever out of date. All pages in
//! memory together stay under a budget; beyond it they are read for one use.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use memchr::memmem::Finder;
use postrider_message::HeaderText;

use crate::digest_page::{FieldPresence, Page, SearchPage, SortPage, SortText};

/// A page in memory, and what of the budget it holds.
#[derive(Debug)]
pub(crate) struct HeldPage<P> {
    page: P,
    reserved: Option<Reservation>,
}

impl<P: Page> HeldPage<P> {
    pub(crate) fn new(page: P, budget: &Arc<DigestBudget>) -> Arc<Self> {
        let reserved = budget.reserve(page.bytes());
        Arc::new(Self { page, reserved })
    }
}

/// Where the messages of a chunk stand in pages. Rows count from 0 within the chunk.
#[derive(Debug)]
pub(crate) struct Places<P> {
    pages: Vec<Arc<HeldPage<P>>>,
    /// For each row which of the pages, and which row of it.
    rows: Vec<(u16, u16)>,
}

impl<P: Page> Places<P> {
    pub(crate) fn new(pages: Vec<Arc<HeldPage<P>>>, rows: Vec<(u16, u16)>) -> Self {
        Self { pages, rows }
    }

    /// Whether it may be kept: there is room in the budget, and every message is there. What cannot be read may be readable
    /// again after a repair.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.pages.iter().all(|page| page.reserved.is_some()) && (0..self.rows.len()).all(|row| !self.is_gone(row))
    }

    fn at(&self, row: usize) -> Option<(&P, u16)> {
        let (page, row) = self.rows.get(row)?;
        Some((&self.pages.get(usize::from(*page))?.page, *row))
    }

    fn is_gone(&self, row: usize) -> bool {
        !self.at(row).is_some_and(|(page, row)| page.is_here(row))
    }
}

/// What SORT and THREAD compare of the messages of one chunk. Rows count from 0 within the chunk.
#[derive(Debug)]
pub struct SortDigest(pub(crate) Places<SortPage>);

impl SortDigest {
    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// Whether the message was expunged meanwhile, so that nothing is known of it.
    pub fn is_gone(&self, row: usize) -> bool {
        self.0.is_gone(row)
    }

    /// The tables that the messages stand in.
    pub fn tables(&self) -> impl Iterator<Item = SortTable> + '_ {
        self.0.pages.iter().map(|page| SortTable(Arc::clone(page)))
    }

    /// Where a message stands: in which of the tables, and in which row there.
    pub fn place(&self, row: usize) -> Option<(u16, u16)> {
        self.0.rows.get(row).copied()
    }
}

/// What is compared of messages, by the rows that [`SortDigest::place`] tells.
#[derive(Debug, Clone)]
pub struct SortTable(Arc<HeldPage<SortPage>>);

impl SortTable {
    /// When the message was sent by its Date field, seconds since 1970 (UTC); nothing where INTERNALDATE has to stand in
    /// (RFC 5256 §2.2).
    pub fn sent(&self, row: u16) -> Option<i64> {
        self.0.page.sent(row)
    }

    /// Whether marks of a reply or forward were removed from the subject.
    pub fn is_reply(&self, row: u16) -> bool {
        self.0.page.is_reply(row)
    }

    /// A hash of the message's id.
    pub fn message_id(&self, row: u16) -> Option<u64> {
        self.0.page.message_id(row)
    }

    /// The hashes of the ids that it names as earlier ones of its thread, oldest first.
    pub fn references(&self, row: u16) -> &[u64] {
        self.0.page.references(row)
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> u16 {
        self.0.page.rows()
    }

    /// The same for the same table only, as long as there is it.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The different texts of the rows.
    pub(crate) fn texts(&self, text: SortText) -> impl Iterator<Item = &[u8]> {
        self.0.page.texts(text)
    }

    /// Which of these a row has.
    pub(crate) fn text_number(&self, text: SortText, row: u16) -> usize {
        self.0.page.text_number(text, row)
    }

    /// A text to sort by, in UTF-8: octets compare as `i;unicode-casemap` has it.
    pub fn sort_text(&self, text: SortText, row: u16) -> &[u8] {
        self.0.page.text(text, row)
    }
}

/// What SEARCH compares of the messages of one chunk. Rows count from 0 within the chunk.
#[derive(Debug)]
pub struct SearchDigest(pub(crate) Places<SearchPage>);

impl SearchDigest {
    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// Whether the message was expunged meanwhile, so that nothing is known of it.
    pub fn is_gone(&self, row: usize) -> bool {
        self.0.is_gone(row)
    }

    /// The day in the Date field as written, in days since 1970-01-01.
    pub fn sent_day(&self, row: usize) -> Option<i64> {
        self.0.at(row).and_then(|(page, row)| page.sent_day(row))
    }

    /// Whether the message has such a field.
    pub fn header_field(&self, field: HeaderText, row: usize) -> FieldPresence {
        self.0.at(row).map_or(FieldPresence::Absent, |(page, row)| page.field(field, row))
    }

    /// Seeks a text, folded by [`postrider_message::fold_case`], in a field of all messages: `found` gets the rows that have
    /// it, each once. Rows of which the field is [`FieldPresence::Unknown`] are not among them. The needle must not be empty.
    pub fn find(&self, field: HeaderText, needle: &Finder<'_>, mut found: impl FnMut(usize)) {
        for (index, held) in (0..).zip(&self.0.pages) {
            let Some(has) = held.page.find(field, needle) else { continue };
            for (row, (page, row_there)) in self.0.rows.iter().enumerate() {
                if *page == index && has(*row_there) {
                    found(row);
                }
            }
        }
    }
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

    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reservation { budget: Arc::clone(self), bytes })
    }
}

/// A part of the budget, given back when what it is for goes.
#[derive(Debug)]
pub(crate) struct Reservation {
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
    use bytes::Bytes;
    use postrider_message::{Derived, DerivedView, MimeLimits, collation_key};

    use super::*;
    use crate::digest_page::PageRows;

    fn pages<P: Page>(messages: &[Option<&str>], budget: &Arc<DigestBudget>) -> Places<P> {
        let mut rows = P::Rows::default();
        for message in messages {
            let derived = message.map(|raw| Derived::of(raw.as_bytes(), &MimeLimits::default()).encode());
            rows.push(derived.as_deref().and_then(|bytes| DerivedView::parse(bytes).ok()).as_ref());
        }
        let page = P::parse(Bytes::from(rows.encode())).unwrap();
        let places = (0..messages.len() as u16).map(|row| (0, row)).collect();
        Places::new(vec![HeldPage::new(page, budget)], places)
    }

    const FIRST: &str = "From: Zoë <zoe@example.org>\r\nSubject: Re: Grüße\r\nMessage-ID: <a@x>\r\n\
        Date: Tue, 1 Feb 2000 23:30:00 -0500\r\n\r\n";
    const SECOND: &str =
        "From: bob@example.org\r\nSubject: lunch\r\nMessage-ID: <b@x>\r\nReferences: <0@x> <a@x>\r\n\r\n";

    #[test]
    fn a_digest_tells_what_the_messages_say() {
        let budget = DigestBudget::new(1 << 20);
        let messages = [Some(FIRST), None, Some(SECOND)];
        let digest = SortDigest(pages(&messages, &budget));
        assert_eq!(digest.len(), 3);
        assert_eq!((0..3).map(|row| digest.is_gone(row)).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((digest.place(2), digest.place(3)), (Some((0, 2)), None));
        let table = digest.tables().next().unwrap();
        assert_eq!(table.sent(0), Some(949_465_800));
        assert_eq!(table.sent(2), None);
        assert!(table.is_reply(0) && !table.is_reply(2));
        assert_eq!(table.references(2).last().copied(), table.message_id(0));
        assert_eq!(table.references(2).len(), 2);
        assert_eq!((table.message_id(1), table.references(1).len()), (None, 0));
        assert!(table.sort_text(SortText::From, 2) < table.sort_text(SortText::From, 0));
        assert_eq!(table.sort_text(SortText::Subject, 2), collation_key("lunch").as_bytes());
        let digest = SearchDigest(pages(&messages, &budget));
        assert_eq!((digest.sent_day(0), digest.sent_day(2)), (Some(10_988), None));
        assert_eq!(digest.header_field(HeaderText::Cc, 0), FieldPresence::Absent);
        assert_eq!(digest.header_field(HeaderText::From, 0), FieldPresence::Here);
        assert!(!digest.0.may_be_kept(), "a message is gone");
    }

    #[test]
    fn a_text_is_found_in_each_message_that_has_it_and_across_none() {
        let messages = [Some(FIRST), None, Some(SECOND), Some(SECOND)];
        let digest = SearchDigest(pages(&messages, &DigestBudget::new(1 << 20)));
        let find = |field, needle: &str| {
            let mut rows = Vec::new();
            digest.find(field, &Finder::new(&postrider_message::fold_case(needle)), |row| rows.push(row));
            rows
        };
        assert_eq!(find(HeaderText::From, "example"), [0, 2, 3]);
        assert_eq!(find(HeaderText::Subject, "grüße"), [0]);
        assert_eq!(find(HeaderText::Subject, "n"), [2, 3], "a row is told once, however often it has the text");
        assert_eq!(find(HeaderText::Subject, "lunchgrüße"), [0_usize; 0]);
        assert_eq!(find(HeaderText::Cc, "a"), [0_usize; 0]);
    }

    #[test]
    fn the_budget_is_given_back_when_a_page_goes() {
        let budget = DigestBudget::new(8192);
        let make = || pages::<SortPage>(&[Some(FIRST), Some(SECOND)], &budget);
        let kept: Vec<_> = std::iter::repeat_with(make).take_while(Places::may_be_kept).take(1000).collect();
        assert!(!kept.is_empty() && kept.len() < 100);
        assert!(!make().may_be_kept());
        drop(kept);
        assert!(make().may_be_kept());
    }
}
