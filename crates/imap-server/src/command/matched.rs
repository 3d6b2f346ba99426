//! The messages that SORT and THREAD put in order: what a search found, beside the tables that tell what is compared.

use std::sync::Arc;

use postrider_imap_proto::{
    command::{Numbering, Search},
    encode::Code,
};
use postrider_store::{Account, SortDigest, SortTable, SortText, UidSet, rank_texts_by_octets};

use super::search::{Hit, asks_for_modseq};
use crate::{
    answer::Failure,
    session::{Session, Stream},
};

/// Up to so many messages are put in order where the session runs: that takes about a millisecond.
const INLINE_MESSAGES_MAX: usize = 8 * 1024;

/// Messages in the order of the mailbox, each named by its index in here.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// Sequence numbers or UIDs, as the command asks for.
    numbers: Vec<u32>,
    uids: Vec<u32>,
    /// INTERNALDATE, seconds since 1970 (UTC).
    received: Vec<i64>,
    sizes: Vec<u32>,
    /// Nothing where the command does not ask by mod-sequence.
    modseqs: Vec<u64>,
    /// Which table and which row of it.
    places: Vec<(u32, u16)>,
    tables: Vec<SortTable>,
}

impl Matched {
    fn new(hits: &[Hit], numbering: Numbering, by_modseq: bool, digests: &[Arc<SortDigest>]) -> Self {
        let mut places = Vec::with_capacity(hits.len());
        let mut tables: Vec<SortTable> = Vec::with_capacity(2 * digests.len());
        let (mut rest, mut start) = (hits, 1);
        for digest in digests {
            let end = start + digest.len() as u32;
            let (here, later) =
                rest.split_at_checked(rest.partition_point(|hit| hit.sequence < end)).unwrap_or_default();
            let first_table = tables.len() as u32;
            places.extend(here.iter().map(|hit| {
                let place = digest.place((hit.sequence - start) as usize);
                place.map_or((u32::MAX, 0), |(table, row)| (first_table + u32::from(table), row))
            }));
            tables.extend(digest.tables());
            (rest, start) = (later, end);
        }
        Self {
            numbers: match numbering {
                Numbering::Sequence => hits.iter().map(|hit| hit.sequence).collect(),
                Numbering::Uid => hits.iter().map(|hit| hit.entry.uid.0).collect(),
            },
            uids: hits.iter().map(|hit| hit.entry.uid.0).collect(),
            received: hits.iter().map(|hit| hit.entry.received).collect(),
            sizes: hits.iter().map(|hit| hit.entry.size).collect(),
            modseqs: hits.iter().filter(|_| by_modseq).map(|hit| hit.entry.modseq.0).collect(),
            places,
            tables,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// How the command names each message.
    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    pub(super) fn number(&self, index: u32) -> Option<u32> {
        self.numbers.get(index as usize).copied()
    }

    pub(super) fn uid(&self, index: u32) -> Option<u32> {
        self.uids.get(index as usize).copied()
    }

    pub(super) fn received(&self, index: u32) -> i64 {
        self.received.get(index as usize).copied().unwrap_or(0)
    }

    pub(super) fn size(&self, index: u32) -> i64 {
        self.sizes.get(index as usize).copied().unwrap_or(0).into()
    }

    /// The highest mod-sequence of messages, where the command asks for it.
    pub(super) fn highest_modseq(&self, indexes: impl Iterator<Item = u32>) -> Option<u64> {
        indexes.filter_map(|index| self.modseqs.get(index as usize).copied()).max()
    }

    /// The table that a message stands in, and its row there.
    fn place(&self, index: u32) -> Option<(&SortTable, u16)> {
        let (table, row) = self.places.get(index as usize)?;
        Some((self.tables.get(*table as usize)?, *row))
    }

    /// When a message was sent; INTERNALDATE where it does not tell (RFC 5256 §2.2).
    pub(super) fn sent(&self, index: u32) -> i64 {
        let sent = self.place(index).and_then(|(table, row)| table.sent(row));
        sent.unwrap_or_else(|| self.received(index))
    }

    /// A text in the form in which it is compared.
    pub(super) fn text(&self, text: SortText, index: u32) -> &[u8] {
        self.place(index).map_or(&[], |(table, row)| table.sort_text(text, row))
    }

    /// A number for each message that compares as its text does.
    pub(super) fn text_ranks(&self, account: &Account, text: SortText) -> Vec<u32> {
        match account.text_order(text, &self.tables, self.len()) {
            Some(order) => self.places.iter().map(|(table, row)| order.rank(*table, *row)).collect(),
            None => {
                let texts: Vec<&[u8]> = (0..self.len() as u32).map(|index| self.text(text, index)).collect();
                rank_texts_by_octets(&texts)
            }
        }
    }

    pub(super) fn is_reply(&self, index: u32) -> bool {
        self.place(index).is_some_and(|(table, row)| table.is_reply(row))
    }

    pub(super) fn message_id(&self, index: u32) -> Option<u64> {
        self.place(index).and_then(|(table, row)| table.message_id(row))
    }

    pub(super) fn references(&self, index: u32) -> &[u64] {
        self.place(index).map_or(&[], |(table, row)| table.references(row))
    }
}

impl<S: Stream> Session<S> {
    /// The messages that a SORT or THREAD is about.
    pub(super) async fn matched(&mut self, search: &Search) -> Result<Matched, Failure> {
        let by_modseq = asks_for_modseq(&search.keys);
        if by_modseq {
            self.enable_condstore().await?;
        }
        let hits = match self.find(search).await {
            Ok(hits) => hits,
            Err(failure) => {
                self.forget_saved(search, &failure);
                return Err(failure);
            }
        };
        let known = self.selected()?.known.clone();
        let digests = if hits.is_empty() { Vec::new() } else { self.account()?.sort_digests(&known).await? };
        Ok(Matched::new(&hits, search.numbering, by_modseq, &digests))
    }

    /// RFC 5182 §2.1: a search that fails leaves an empty result behind.
    fn forget_saved(&mut self, search: &Search, failure: &Failure) {
        let saves = search.returns.is_some_and(|returns| returns.save);
        if let (true, Some(selected)) = (saves && matches!(failure, Failure::No(..)), &mut self.selected) {
            selected.saved = UidSet::new();
        }
    }

    /// Runs what may take some milliseconds: for many messages on a thread where no other session waits for it.
    pub(super) async fn put_in_order<T: Send + 'static>(
        &self,
        messages: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        if messages <= INLINE_MESSAGES_MAX {
            return Ok(work());
        }
        let joined = tokio::task::spawn_blocking(work).await;
        joined.map_err(|_| Failure::no(Code::ServerBug, "The messages could not be put in order"))
    }
}
