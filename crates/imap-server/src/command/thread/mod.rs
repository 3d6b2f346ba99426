//! THREAD (RFC 5256 §3).
//!
//! A search, whose result is put together from what the digests hold: no message is read for it. The two algorithms know
//! messages by [`Messages`] alone. They make links between numbers rather than trees of values, so a mailbox of any shape
//! is threaded without recursion and with a handful of allocations.

mod forest;
mod ordered_subject;
mod references;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod textbook;

use postrider_imap_proto::{
    command::{SortDirection, Thread, ThreadAlgorithm},
    encode::encode_thread,
};
use postrider_store::SortText;

use self::forest::Forest;
use super::{
    matched::Matched,
    sort::{mailbox_order, order_by_number},
};
use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

/// What the algorithms ask of the messages that were found, each named by its index in the mailbox's order.
trait Messages {
    fn count(&self) -> usize;
    /// When it was sent, seconds since 1970 (UTC).
    fn sent(&self, index: u32) -> i64;
    /// Its base subject, folded so that equal ones are equal octets.
    fn subject(&self, index: u32) -> &[u8];
    /// Whether its subject is that of a reply or forward.
    fn is_reply(&self, index: u32) -> bool;
    /// A hash of its id.
    fn message_id(&self, index: u32) -> Option<u64>;
    /// Hashes of the ids of the messages before it, the oldest first.
    fn references(&self, index: u32) -> &[u64];
}

impl Messages for Matched {
    fn count(&self) -> usize {
        self.len()
    }

    fn sent(&self, index: u32) -> i64 {
        self.sent(index)
    }

    fn subject(&self, index: u32) -> &[u8] {
        self.text(SortText::Subject, index)
    }

    fn is_reply(&self, index: u32) -> bool {
        self.is_reply(index)
    }

    fn message_id(&self, index: u32) -> Option<u64> {
        self.message_id(index)
    }

    fn references(&self, index: u32) -> &[u64] {
        self.references(index)
    }
}

impl<S: Stream> Session<S> {
    pub(crate) async fn thread(&mut self, thread: Thread) -> Result<Answer, Failure> {
        let Thread { algorithm, search } = thread;
        let matched = self.matched(&search).await?;
        let out = std::mem::take(&mut self.out);
        self.out = self.put_in_order(matched.len(), move || tell(algorithm, &matched, out)).await?;
        self.flush_if_large().await?;
        Ok(Answer::ok("Threaded"))
    }
}

fn tell(algorithm: ThreadAlgorithm, matched: &Matched, mut out: Vec<u8>) -> Vec<u8> {
    let forest = threads(algorithm, matched);
    encode_thread(&mut out, forest.roots().iter().copied(), &forest.links(matched.numbers()));
    out
}

fn threads(algorithm: ThreadAlgorithm, messages: &impl Messages) -> Forest {
    // RFC 5256 §2.2: messages that were sent at the same moment stay in the mailbox's order.
    let by_date =
        order_by_number(mailbox_order(messages.count()), SortDirection::Ascending, |index| messages.sent(index));
    match algorithm {
        ThreadAlgorithm::OrderedSubject => ordered_subject::threads(messages, &by_date),
        ThreadAlgorithm::References => references::threads(messages, &by_date),
    }
}
