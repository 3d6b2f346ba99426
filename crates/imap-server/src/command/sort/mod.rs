//! SORT (RFC 5256 §3, RFC 5267 §3, RFC 5957, RFC 7162 §3.1.9).
//!
//! A search, whose result is put in order by what the digests hold; no message is read for it.

mod order;

use postrider_imap_proto::{
    command::{Search, SearchReturn, Sort, SortCriterion, SortKey},
    encode::{self, EsearchResponse},
};
use postrider_store::{Account, SortText, Uid};

pub(super) use self::order::{mailbox_order, order_by_number};
use super::matched::Matched;
use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn sort(&mut self, tag: &str, sort: Sort) -> Result<Answer, Failure> {
        let Sort { criteria, search } = sort;
        let matched = self.matched(&search).await?;
        let account = self.account()?;
        let (matched, order) = self
            .put_in_order(matched.len(), move || {
                let order = in_order(&account, &matched, &criteria);
                (matched, order)
            })
            .await?;
        if let (Some(returns), Some(selected)) = (search.returns.filter(|returns| returns.save), &mut self.selected) {
            selected.saved = saved(&order, returns).filter_map(|index| matched.uid(index)).map(Uid).collect();
        }
        self.tell_sorted(tag, &search, &matched, &order);
        self.flush_if_large().await?;
        Ok(Answer::ok("Sorted"))
    }

    fn tell_sorted(&mut self, tag: &str, search: &Search, matched: &Matched, order: &[u32]) {
        let number = |index: &u32| matched.number(*index);
        let numbers = order.iter().filter_map(number);
        let Some(returns) = search.returns else {
            return encode::encode_sort(&mut self.out, numbers, matched.highest_modseq(order.iter().copied()));
        };
        // RFC 5182 §2.2: SAVE alone is not answered.
        if returns.save && !(returns.min || returns.max || returns.all || returns.count) {
            return;
        }
        let all = if returns.all { ranges(numbers) } else { Vec::new() };
        let response = EsearchResponse {
            tag: Some(tag),
            numbering: search.numbering,
            // RFC 5267 §3.1: the first and the last of the sorted messages.
            min: order.first().and_then(number).filter(|_| returns.min),
            max: order.last().and_then(number).filter(|_| returns.max),
            all: returns.all.then_some(&all),
            count: returns.count.then_some(order.len() as u32),
            modseq: matched.highest_modseq(told(order, returns)),
        };
        encode::encode_esearch(&mut self.out, &response);
    }
}

/// The messages in the order of the criteria.
fn in_order(account: &Account, matched: &Matched, criteria: &[SortCriterion]) -> Vec<u32> {
    let mut order = mailbox_order(matched.len());
    let mut later = criteria;
    while let Some((criterion, before)) = later.split_last() {
        later = before;
        // Where a key stands twice the first decides.
        if before.iter().any(|earlier| earlier.key == criterion.key) {
            continue;
        }
        let by_text = |order, text| {
            let ranks = matched.text_ranks(account, text);
            order_by_number(order, criterion.direction, |index| ranks.get(index as usize).copied().unwrap_or(0).into())
        };
        let by_number = |order, value: &dyn Fn(u32) -> i64| order_by_number(order, criterion.direction, value);
        order = match criterion.key {
            SortKey::Arrival => by_number(order, &|index| matched.received(index)),
            SortKey::Date => by_number(order, &|index| matched.sent(index)),
            SortKey::Size => by_number(order, &|index| matched.size(index)),
            SortKey::Cc => by_text(order, SortText::Cc),
            SortKey::From => by_text(order, SortText::From),
            SortKey::To => by_text(order, SortText::To),
            SortKey::Subject => by_text(order, SortText::Subject),
            SortKey::DisplayFrom => by_text(order, SortText::FromDisplay),
            SortKey::DisplayTo => by_text(order, SortText::ToDisplay),
        };
    }
    order
}

/// The messages that `$` will stand for (RFC 5182 §2.1, RFC 9051 §6.4.4.1).
fn saved(order: &[u32], returns: SearchReturn) -> impl Iterator<Item = u32> {
    let is_everything = returns.all || returns.count || !(returns.min || returns.max);
    part(order, is_everything, returns)
}

/// The messages that the response tells of (RFC 7162 §3.1.10).
fn told(order: &[u32], returns: SearchReturn) -> impl Iterator<Item = u32> {
    part(order, returns.all || returns.count, returns)
}

fn part(order: &[u32], is_everything: bool, returns: SearchReturn) -> impl Iterator<Item = u32> {
    let all = if is_everything { order } else { &[] };
    let first = order.first().filter(|_| returns.min && !is_everything);
    let last = order.last().filter(|_| returns.max && !is_everything);
    all.iter().chain(first).chain(last).copied()
}

/// Numbers as ranges, in their order; only ascending ones are joined (RFC 5267 §3.2).
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(number) => *high = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}
