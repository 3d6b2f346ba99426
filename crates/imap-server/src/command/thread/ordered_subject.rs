//! THREAD=ORDEREDSUBJECT (RFC 5256 §3): the messages of a base subject, the first of them above the others.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    Messages,
    forest::{Forest, NONE},
};

/// Threads the messages, which come in the order of their sent dates. Those without a subject are one thread.
pub(super) fn threads(messages: &impl Messages, by_date: &[u32]) -> Forest {
    let mut firsts: HashMap<&[u8], u32> = HashMap::with_capacity(by_date.len());
    let mut parents = vec![NONE; by_date.len()];
    for &message in by_date {
        match firsts.entry(messages.subject(message)) {
            Entry::Vacant(vacant) => {
                vacant.insert(message);
            }
            Entry::Occupied(first) => {
                if let Some(parent) = parents.get_mut(message as usize) {
                    *parent = *first.get();
                }
            }
        }
    }
    Forest::from_parents(&parents, by_date)
}
