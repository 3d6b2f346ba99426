//! The algorithms beside the textbook's, and where mailboxes are unusual.

use postrider_imap_proto::encode::encode_thread;
use proptest::prelude::*;

use super::{textbook::Node, *};

#[derive(Debug, Clone, Default)]
struct Message {
    id: Option<u64>,
    references: Vec<u64>,
    sent: i64,
    subject: &'static str,
    is_reply: bool,
}

impl Messages for Vec<Message> {
    fn count(&self) -> usize {
        self.len()
    }

    fn sent(&self, index: u32) -> i64 {
        self[index as usize].sent
    }

    fn subject(&self, index: u32) -> &[u8] {
        self[index as usize].subject.as_bytes()
    }

    fn is_reply(&self, index: u32) -> bool {
        self[index as usize].is_reply
    }

    fn message_id(&self, index: u32) -> Option<u64> {
        self[index as usize].id
    }

    fn references(&self, index: u32) -> &[u64] {
        &self[index as usize].references
    }
}

/// What the response says of the messages, which are numbered from 1.
fn told(algorithm: ThreadAlgorithm, messages: &Vec<Message>) -> String {
    let numbers: Vec<u32> = (1..=messages.len() as u32).collect();
    let forest = threads(algorithm, messages);
    let mut out = Vec::new();
    encode_thread(&mut out, forest.roots().iter().copied(), &forest.links(&numbers));
    String::from_utf8(out).unwrap().trim_start_matches("* THREAD").trim().to_owned()
}

fn references(messages: &[(Option<u64>, &[u64])]) -> String {
    let message = |(sent, (id, references)): (usize, &(Option<u64>, &[u64]))| Message {
        id: *id,
        references: references.to_vec(),
        sent: sent as i64,
        ..Message::default()
    };
    told(ThreadAlgorithm::References, &messages.iter().enumerate().map(message).collect())
}

fn by_subject(algorithm: ThreadAlgorithm, messages: &[(&'static str, bool, i64)]) -> String {
    let message = |&(subject, is_reply, sent): &(_, _, _)| Message { subject, is_reply, sent, ..Message::default() };
    told(algorithm, &messages.iter().map(message).collect())
}

/// The response as the grammar has it, from a tree.
fn written(nodes: &[Node]) -> String {
    fn members(node: &Node) -> String {
        let children = match node.children.as_slice() {
            [] => String::new(),
            [only] => members(only),
            several => written(several),
        };
        match node.message {
            Some(message) if children.is_empty() => (message + 1).to_string(),
            Some(message) => format!("{} {children}", message + 1),
            None => children,
        }
    }
    nodes.iter().map(|node| format!("({})", members(node))).collect()
}

#[test]
fn references_make_parents_and_children() {
    for (messages, threads) in [
        (&[(Some(1), &[][..]), (Some(2), &[1]), (Some(3), &[1, 2])][..], "(1 2 3)"),
        (&[(Some(1), &[]), (Some(2), &[1]), (Some(3), &[1]), (Some(4), &[1, 3])], "(1 (2)(3 4))"),
        // Answers before what they answer.
        (&[(Some(3), &[1, 2]), (Some(2), &[1]), (Some(1), &[])], "(3 2 1)"),
        // Two answers to a message that is not here, and one alone.
        (&[(Some(2), &[1]), (Some(3), &[1])], "((1)(2))"),
        (&[(Some(2), &[1])], "(1)"),
        // A message that is missing in the middle.
        (&[(Some(1), &[]), (Some(3), &[1, 2]), (Some(4), &[1, 2])], "(1 (2)(3))"),
        // What another message says of a parent counts until the message itself comes.
        (&[(Some(1), &[]), (Some(9), &[1, 2]), (Some(2), &[])], "(1)(3 2)"),
        (&[(Some(1), &[]), (Some(9), &[1, 2]), (Some(2), &[5])], "(1)(3 2)"),
        (&[(Some(1), &[]), (Some(9), &[1, 2])], "(1 2)"),
        // No ids, and one id twice: the first has it.
        (&[(None, &[]), (None, &[])], "(1)(2)"),
        (&[(Some(1), &[]), (Some(1), &[]), (Some(2), &[1])], "(1 3)(2)"),
        // Loops.
        (&[(Some(1), &[1])], "(1)"),
        (&[(Some(1), &[2]), (Some(2), &[1])], "(2 1)"),
        (&[(Some(1), &[3]), (Some(2), &[1]), (Some(3), &[2])], "(3 1 2)"),
        (&[], ""),
    ] {
        assert_eq!(references(messages), threads, "{messages:?}");
    }
}

#[test]
fn threads_of_one_subject_become_one() {
    for (messages, threads) in [
        (&[("A", false, 0), ("A", true, 1)][..], "(1 2)"),
        (&[("A", true, 0), ("A", false, 1)], "(2 1)"),
        (&[("A", false, 0), ("A", false, 1)], "((1)(2))"),
        (&[("A", true, 0), ("A", true, 1)], "((1)(2))"),
        (&[("A", false, 0), ("A", false, 1), ("A", true, 2)], "((1)(2)(3))"),
        (&[("A", false, 0), ("A", true, 1), ("A", false, 2)], "((1 2)(3))"),
        (&[("A", false, 5), ("B", false, 1), ("A", true, 9), ("A", true, 7)], "(2)(1 (4)(3))"),
        (&[("", false, 0), ("", true, 1)], "(1)(2)"),
    ] {
        assert_eq!(by_subject(ThreadAlgorithm::References, messages), threads, "{messages:?}");
    }
}

#[test]
fn an_ordered_subject_has_a_first_message_and_its_followers() {
    for (messages, threads) in [
        (&[("A", false, 0), ("B", false, 1), ("A", true, 2), ("A", true, 3)][..], "(1 (3)(4))(2)"),
        (&[("A", false, 9), ("B", false, 1), ("A", false, 2)], "(2)(3 1)"),
        (&[("", false, 1), ("", false, 1), ("A", false, 0)], "(3)(1 2)"),
        (&[], ""),
    ] {
        assert_eq!(by_subject(ThreadAlgorithm::OrderedSubject, messages), threads, "{messages:?}");
    }
}

/// A chain of so many answers, each of which names the message before it; in the order given.
fn chain(order: impl Iterator<Item = u64>) -> Vec<Message> {
    let message = |sent: u64| Message {
        id: Some(sent),
        references: Vec::from_iter(sent.checked_sub(1)),
        sent: sent as i64,
        ..Message::default()
    };
    order.map(message).collect()
}

#[test]
fn a_chain_of_a_hundred_thousand_messages_is_one_thread_in_whatever_order_they_came() {
    const LENGTH: u64 = 100_000;
    let forward = told(ThreadAlgorithm::References, &chain(0..LENGTH));
    assert!(forward.starts_with("(1 2 3 ") && forward.ends_with(" 99999 100000)") && !forward.contains(")("));
    let backward = told(ThreadAlgorithm::References, &chain((0..LENGTH).rev()));
    assert!(backward.starts_with("(100000 99999 ") && backward.ends_with(" 2 1)") && !backward.contains(")("));
    // A prime, so that every message has its turn.
    let mixed = told(ThreadAlgorithm::References, &chain((0..LENGTH).map(|step| step * 77_773 % LENGTH)));
    assert!(!mixed.contains(")(") && mixed.split(' ').count() as u64 == LENGTH);
}

#[test]
fn links_that_only_endless_walks_could_check_are_given_up() {
    // Every message of a long chain is to become a child of the chain's end, of which it is a parent or not at all.
    const LENGTH: u64 = 20_000;
    let mut messages = chain(0..LENGTH);
    for extra in 0..LENGTH {
        let references = vec![LENGTH - 1, extra];
        messages.push(Message { id: None, references, ..Message::default() });
        let pair = 3 * LENGTH + 2 * extra;
        messages.push(Message { id: Some(pair + 1), references: vec![pair], ..Message::default() });
        messages.push(Message { id: None, references: vec![LENGTH - 1, pair], ..Message::default() });
    }
    let threads = told(ThreadAlgorithm::References, &messages);
    let mut numbers: Vec<usize> = threads.split(['(', ')', ' ']).filter_map(|number| number.parse().ok()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=messages.len()));
}

fn mailboxes() -> impl Strategy<Value = Vec<Message>> {
    let id = 1..9_u64;
    let message = (
        prop::option::of(id.clone()),
        prop::collection::vec(id, 0..4),
        0..6_i64,
        prop_oneof![Just(""), Just("A"), Just("B"), Just("C")],
        any::<bool>(),
    );
    let message = message.prop_map(|(id, references, sent, subject, is_reply)| Message {
        id,
        references,
        sent,
        subject,
        is_reply,
    });
    prop::collection::vec(message, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn threads_are_those_of_the_textbook(messages in mailboxes()) {
        let expected = written(&textbook::references(&messages));
        let threads = told(ThreadAlgorithm::References, &messages);
        prop_assert_eq!(&threads, &expected);
        let expected = written(&textbook::ordered_subject(&messages));
        prop_assert_eq!(&told(ThreadAlgorithm::OrderedSubject, &messages), &expected);
        let mut numbers: Vec<usize> = threads.split(['(', ')', ' ']).filter_map(|number| number.parse().ok()).collect();
        numbers.sort_unstable();
        prop_assert!(numbers.into_iter().eq(1..=messages.len()), "each message once");
    }
}
