//! The order of the texts by which messages are sorted, and orders that were made before.
//!
//! Putting the texts of a mailbox in order takes longer than all else that a SORT does, and a mail program asks for the same
//! order again and again. So the order of all texts in some tables is kept as numbers, one for each row, beside the tables
//! that it is of: whoever sorts the same tables again compares numbers. Tables never change, so no order is ever out of
//! date; one of tables that are not asked for any more is the first to go. Orders count against the digests' budget.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    account::Account,
    digest::{Reservation, SortTable},
    digest_page::SortText,
};

/// Octets of a text that are compared at once: beside the place of the text they fill a number, and numbers are sorted
/// faster than pairs of them.
const WORD_BYTES: usize = size_of::<u32>();

/// Orders that an account keeps.
const ORDERS_MAX: usize = 4;

/// An order is made of whole tables if at least one in so many of their rows is wanted.
const ROWS_PER_WANTED_MAX: usize = 8;

/// The order of the texts in some tables.
#[derive(Debug)]
pub struct TextOrder {
    text: SortText,
    tables: Vec<SortTable>,
    /// For each table the numbers of its rows.
    ranks: Vec<Arc<[u32]>>,
    /// Of the budget; nothing if there was no room, so that it is not kept.
    reserved: Option<Reservation>,
}

impl TextOrder {
    fn of(text: SortText, tables: &[SortTable]) -> Self {
        let mut distinct: Vec<&SortTable> = Vec::new();
        let mut known: HashMap<usize, usize> = HashMap::new();
        let mut index_of = |table| {
            *known.entry(SortTable::identity(table)).or_insert_with(|| {
                distinct.push(table);
                distinct.len() - 1
            })
        };
        let indexes: Vec<usize> = tables.iter().map(&mut index_of).collect();
        let texts: Vec<&[u8]> = distinct.iter().flat_map(|table| table.texts(text)).collect();
        let ranks = rank_texts_by_octets(&texts);
        let mut rest = ranks.as_slice();
        let ranks: Vec<Arc<[u32]>> = distinct
            .iter()
            .map(|table| {
                let (here, later) = rest.split_at_checked(table.texts(text).count()).unwrap_or_default();
                rest = later;
                (0..table.rows()).map(|row| here.get(table.text_number(text, row)).copied().unwrap_or(0)).collect()
            })
            .collect();
        let ranks = indexes.iter().filter_map(|index| ranks.get(*index).cloned()).collect();
        Self { text, tables: tables.to_vec(), ranks, reserved: None }
    }

    fn is_of(&self, text: SortText, tables: &[SortTable]) -> bool {
        let same = |(a, b): (&SortTable, &SortTable)| a.identity() == b.identity();
        self.text == text && self.tables.len() == tables.len() && self.tables.iter().zip(tables).all(same)
    }

    fn bytes(&self) -> usize {
        let each = size_of::<SortTable>() + size_of::<Arc<[u32]>>();
        self.ranks.iter().map(|ranks| each + size_of_val(&**ranks)).sum::<usize>() + size_of::<Self>()
    }

    /// A number for the text of a row that compares as the text does; 0 for an empty one, and where there is no such row.
    pub fn rank(&self, table: u32, row: u16) -> u32 {
        self.ranks.get(table as usize).and_then(|ranks| ranks.get(usize::from(row))).copied().unwrap_or(0)
    }
}

/// The orders that an account keeps, the latest last.
#[derive(Debug, Default)]
pub(crate) struct TextOrders(Mutex<Vec<Arc<TextOrder>>>);

impl TextOrders {
    fn find(&self, text: SortText, tables: &[SortTable]) -> Option<Arc<TextOrder>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|order| order.is_of(text, tables))?;
        let order = kept.remove(found);
        kept.push(Arc::clone(&order));
        Some(order)
    }

    fn keep(&self, order: Arc<TextOrder>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ORDERS_MAX {
            kept.remove(0);
        }
        kept.push(order);
    }
}

impl Account {
    /// The order of the texts in tables of which `wanted` rows are to be sorted: one that was kept, or a new one if so many are
    /// wanted that it pays; else [`rank_texts_by_octets`] of the texts themselves are better. It may take some milliseconds.
    pub fn text_order(&self, text: SortText, tables: &[SortTable], wanted: usize) -> Option<Arc<TextOrder>> {
        if let Some(order) = self.orders.find(text, tables) {
            return Some(order);
        }
        let rows: usize = tables.iter().map(|table| usize::from(table.rows())).sum();
        if wanted.saturating_mul(ROWS_PER_WANTED_MAX) < rows {
            return None;
        }
        let mut order = TextOrder::of(text, tables);
        order.reserved = self.digests.reserve(order.bytes());
        let order = Arc::new(order);
        if order.reserved.is_some() {
            self.orders.keep(Arc::clone(&order));
        }
        Some(order)
    }
}

/// For each text a number that compares as the text does, octet by octet; 0 for an empty one. A NUL is taken for the end.
pub fn rank_texts_by_octets(texts: &[&[u8]]) -> Vec<u32> {
    let mut sorted: Vec<u64> = texts.iter().zip(0..).map(|(text, position)| packed(word(text, 0), position)).collect();
    let mut open = vec![(0, sorted.len(), 0)];
    let mut equal = Vec::new();
    while let Some((start, end, offset)) = open.pop() {
        let Some(run) = sorted.get_mut(start..end) else { continue };
        run.sort_unstable();
        let mut first = start;
        for same in run.chunk_by_mut(|a, b| word_of(*a) == word_of(*b)) {
            let last = first + same.len();
            let is_decided = same.first().is_none_or(|packed| word_of(*packed) & 0xff == 0);
            if same.len() > 1 && !is_decided {
                let next = offset + WORD_BYTES;
                for item in same.iter_mut() {
                    let position = *item as u32;
                    let text = texts.get(position as usize).copied().unwrap_or_default();
                    *item = packed(word(text, next), position);
                }
                open.push((first, last, next));
            } else if same.len() > 1 {
                equal.push((first, last));
            }
            first = last;
        }
    }
    let mut ranks = vec![0; texts.len()];
    let mut set = |item: &u64, rank: usize| {
        let position = *item as u32 as usize;
        if let (Some(slot), false) = (ranks.get_mut(position), texts.get(position).is_none_or(|text| text.is_empty())) {
            *slot = rank as u32 + 1;
        }
    };
    sorted.iter().enumerate().for_each(|(rank, item)| set(item, rank));
    for (first, last) in equal {
        sorted.get(first..last).unwrap_or_default().iter().for_each(|item| set(item, first));
    }
    ranks
}

/// A word of a text, and the place of the text in the low half.
fn packed(word: u32, position: u32) -> u64 {
    u64::from(word) << u32::BITS | u64::from(position)
}

fn word_of(packed: u64) -> u32 {
    (packed >> u32::BITS) as u32
}

/// The octets of a text from `offset` as a number that compares as they do, filled up with zeros.
fn word(text: &[u8], offset: usize) -> u32 {
    let rest = text.get(offset..).unwrap_or_default();
    if let Some(octets) = rest.first_chunk::<WORD_BYTES>() {
        return u32::from_be_bytes(*octets);
    }
    let mut octets = [0; WORD_BYTES];
    octets.iter_mut().zip(rest).for_each(|(octet, byte)| *octet = *byte);
    u32::from_be_bytes(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_compare_as_the_texts_do(texts in prop::collection::vec("(A|[AB]{0,3}|AAAAAAAA|É){0,5}", 0..60)) {
            let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let ranks = rank_texts_by_octets(&bytes);
            prop_assert_eq!(ranks.len(), texts.len());
            for (a, rank) in texts.iter().zip(&ranks) {
                prop_assert_eq!(*rank == 0, a.is_empty());
                for (b, other) in texts.iter().zip(&ranks) {
                    prop_assert_eq!(rank.cmp(other), a.cmp(b));
                }
            }
        }
    }
}
