//! RFC 5256 word by word, for comparison: recursive, slow and without a thought for large mailboxes.

use std::collections::HashMap;

use super::Messages;

/// A node of the tree: a message or a dummy, and its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) message: Option<u32>,
    pub(super) children: Vec<Node>,
}

/// The containers of step 1, by number.
#[derive(Default)]
struct Containers {
    messages: Vec<Option<u32>>,
    parents: Vec<Option<usize>>,
}

impl Containers {
    fn add(&mut self, message: Option<u32>) -> usize {
        self.messages.push(message);
        self.parents.push(None);
        self.messages.len() - 1
    }

    fn is_descendant(&self, of: usize, node: usize) -> bool {
        let mut next = Some(node);
        while let Some(node) = next {
            if node == of {
                return true;
            }
            next = self.parents[node];
        }
        false
    }

    fn tree(&self, node: usize) -> Node {
        let children = (0..self.parents.len()).filter(|&child| self.parents[child] == Some(node));
        Node { message: self.messages[node], children: children.map(|child| self.tree(child)).collect() }
    }
}

pub(super) fn references(messages: &impl Messages) -> Vec<Node> {
    // (1)
    let mut containers = Containers::default();
    let mut by_id: HashMap<u64, usize> = HashMap::new();
    for message in 0..messages.count() as u32 {
        let container = containers.add(Some(message));
        if let Some(id) = messages.message_id(message) {
            by_id.entry(id).or_insert(container);
        }
    }
    for message in 0..messages.count() as u32 {
        let line: Vec<usize> = messages
            .references(message)
            .iter()
            .map(|id| *by_id.entry(*id).or_insert_with(|| containers.add(None)))
            .collect();
        for pair in line.windows(2) {
            if containers.parents[pair[1]].is_none() && !containers.is_descendant(pair[1], pair[0]) {
                containers.parents[pair[1]] = Some(pair[0]);
            }
        }
        let message = message as usize;
        containers.parents[message] = None;
        if let Some(&last) = line.last()
            && !containers.is_descendant(message, last)
        {
            containers.parents[message] = Some(last);
        }
    }
    // (2)
    let heads = (0..containers.parents.len()).filter(|&node| containers.parents[node].is_none());
    let heads: Vec<Node> = heads.map(|node| containers.tree(node)).collect();
    // (3)
    let mut roots = Vec::new();
    for mut head in heads {
        head.children = head.children.into_iter().flat_map(pruned).collect();
        match (head.message, head.children.len()) {
            (None, 0) => {}
            (None, 1) => roots.append(&mut head.children),
            _ => roots.push(head),
        }
    }
    // (4)
    sort_siblings(&mut roots, messages);
    // (5)
    let mut roots = gathered(roots, messages);
    // (6)
    sort_siblings(&mut roots, messages);
    roots
}

/// Below the root: a dummy's children take its place.
fn pruned(mut node: Node) -> Vec<Node> {
    node.children = node.children.into_iter().flat_map(pruned).collect();
    if node.message.is_none() { node.children } else { vec![node] }
}

fn sort_siblings(siblings: &mut [Node], messages: &impl Messages) {
    for node in &mut *siblings {
        sort_siblings(&mut node.children, messages);
    }
    siblings.sort_by_key(|node| (messages.sent(first(node)), first(node)));
}

/// The message, or a dummy's first child.
fn first(node: &Node) -> u32 {
    node.message.or_else(|| node.children.first()?.message).expect("a dummy has children")
}

fn gathered(roots: Vec<Node>, messages: &impl Messages) -> Vec<Node> {
    // Places of the roots that are left; a dummy that is made takes the place of what was in the table.
    let mut places: Vec<Option<Node>> = roots.into_iter().map(Some).collect();
    let is_reply = |node: &Node| node.message.is_some_and(|message| messages.is_reply(message));
    let subjects: Vec<Vec<u8>> = places.iter().flatten().map(|root| messages.subject(first(root)).to_owned()).collect();
    let mut table: HashMap<&[u8], usize> = HashMap::new();
    for (place, subject) in subjects.iter().enumerate().filter(|(_, subject)| !subject.is_empty()) {
        let current = places[place].as_ref().expect("not merged yet");
        let entry = table.entry(subject).or_insert(place);
        let there = places[*entry].as_ref().expect("not merged yet");
        if there.message.is_some() && (current.message.is_none() || (is_reply(there) && !is_reply(current))) {
            *entry = place;
        }
    }
    for (place, subject) in subjects.iter().enumerate().filter(|(_, subject)| !subject.is_empty()) {
        let target = table[subject.as_slice()];
        if target == place {
            continue;
        }
        let current = places[place].take().expect("each is merged once");
        let there = places[target].as_mut().expect("what is in the table is not merged");
        if there.message.is_none() && current.message.is_none() {
            there.children.extend(current.children);
        } else if there.message.is_none() || (is_reply(&current) && !is_reply(there)) {
            there.children.push(current);
        } else {
            let before = std::mem::take(there);
            there.children = vec![before, current];
        }
    }
    places.into_iter().flatten().collect()
}

pub(super) fn ordered_subject(messages: &impl Messages) -> Vec<Node> {
    let mut sorted: Vec<u32> = (0..messages.count() as u32).collect();
    sorted.sort_by_key(|&message| (messages.subject(message).to_owned(), messages.sent(message), message));
    let mut threads: Vec<Node> = Vec::new();
    for message in sorted {
        let node = Node { message: Some(message), children: Vec::new() };
        match threads.last_mut() {
            Some(thread) if messages.subject(first(thread)) == messages.subject(message) => thread.children.push(node),
            _ => threads.push(node),
        }
    }
    threads.sort_by_key(|thread| (messages.sent(first(thread)), first(thread)));
    threads
}
