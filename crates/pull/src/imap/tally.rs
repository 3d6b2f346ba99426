//! Progress of mailboxes that are worked on side by side, told as one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::observer::Observer;

/// Sums up what is told of each mailbox.
pub(crate) struct Tally<'a> {
    observer: &'a dyn Observer,
    shares: Mutex<BTreeMap<usize, Share>>,
}

/// What was told of one mailbox.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    messages: u64,
    messages_total: u64,
    bytes: u64,
}

/// Whom one mailbox is told to.
pub(crate) struct ShareObserver<'a> {
    tally: &'a Tally<'a>,
    position: usize,
    /// What an earlier try at the same mailbox told.
    before: Share,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, shares: Mutex::default() }
    }

    /// Whom the mailbox at this position is told to.
    pub(crate) fn of(&'a self, position: usize) -> ShareObserver<'a> {
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        ShareObserver { tally: self, position, before: shares.get(&position).copied().unwrap_or_default() }
    }
}

impl Observer for ShareObserver<'_> {
    fn progress(&self, messages: u64, messages_total: Option<u64>, bytes: u64) {
        let mut shares = self.tally.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let share = Share {
            messages: self.before.messages + messages,
            messages_total: self.before.messages + messages_total.unwrap_or(messages),
            bytes: self.before.bytes + bytes,
        };
        shares.insert(self.position, share);
        let (mut all, mut all_total, mut all_bytes) = (0, 0, 0);
        for share in shares.values() {
            all += share.messages;
            all_total += share.messages_total;
            all_bytes += share.bytes;
        }
        drop(shares);
        self.tally.observer.progress(all, Some(all_total), all_bytes);
    }

    fn note(&self, note: String) {
        self.tally.observer.note(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Last(Mutex<(u64, Option<u64>, u64)>);

    impl Observer for Last {
        fn progress(&self, messages: u64, messages_total: Option<u64>, bytes: u64) {
            *self.0.lock().unwrap() = (messages, messages_total, bytes);
        }

        fn note(&self, _: String) {}
    }

    #[test]
    fn what_is_told_of_several_mailboxes_is_summed_up() {
        let last = Last::default();
        let tally = Tally::new(&last);
        let (one, other) = (tally.of(0), tally.of(1));
        one.progress(3, Some(10), 300);
        other.progress(2, Some(5), 20);
        one.progress(4, Some(10), 400);
        assert_eq!(*last.0.lock().unwrap(), (6, Some(15), 420));
        // Taken over by another connection, it goes on behind what came.
        tally.of(0).progress(6, Some(6), 600);
        assert_eq!(*last.0.lock().unwrap(), (12, Some(15), 1_020));
    }
}
