//! THREAD=REFERENCES (RFC 5256 §3), in its steps.
//!
//! Nodes are numbers: messages come first, in the order of the mailbox, then dummies as they turn up. All that is kept
//! of the tree while it grows is the parent of each node. Siblings need no sorting of their own: they are linked in the
//! order of all messages by date.
//!
//! Whether a link would make a loop is found out by a walk to the root, which mail hardly ever needs. A mailbox could be
//! made so that the walks never end; their steps are counted, and beyond [`STEPS_PER_NODE`] for each node links
//! that need a walk are taken for loops.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

use super::{
    Messages,
    forest::{Forest, NONE},
};

/// Steps towards a root that looking for loops may take, on average.
const STEPS_PER_NODE: u64 = 256;

/// Threads the messages, which come in the order of their sent dates.
pub(super) fn threads(messages: &impl Messages, by_date: &[u32]) -> Forest {
    let mut tree = Tree::new(messages.count());
    tree.link_all(messages);
    tree.prune();
    let roots = tree.roots(by_date);
    tree.gather_subjects(messages, &roots);
    Forest::from_parents(&tree.parents, by_date)
}

/// The parents of all nodes.
struct Tree {
    parents: Vec<u32>,
    /// Whether the node was ever a parent.
    has_children: Vec<bool>,
    messages: usize,
    /// Steps that may still be taken in search of loops.
    steps: u64,
}

/// A child of the root: a message, or a dummy and the first of its children.
#[derive(Debug, Clone, Copy)]
struct Root {
    node: u32,
    first: u32,
}

impl Tree {
    fn new(messages: usize) -> Self {
        Self { parents: vec![NONE; messages], has_children: vec![false; messages], messages, steps: 0 }
    }

    fn parent(&self, node: u32) -> u32 {
        self.parents.get(node as usize).copied().unwrap_or(NONE)
    }

    fn set_parent(&mut self, node: u32, parent: u32) {
        if let Some(slot) = self.parents.get_mut(node as usize) {
            *slot = parent;
        }
        if let Some(slot) = self.has_children.get_mut(parent as usize) {
            *slot = true;
        }
    }

    fn add_dummy(&mut self) -> u32 {
        self.parents.push(NONE);
        self.has_children.push(false);
        self.steps += STEPS_PER_NODE;
        (self.parents.len() - 1) as u32
    }

    fn is_dummy(&self, node: u32) -> bool {
        node as usize >= self.messages
    }

    /// Step 1.
    fn link_all(&mut self, messages: &impl Messages) {
        self.steps = STEPS_PER_NODE * self.messages as u64;
        let mut nodes: HashMap<u64, u32, IdHashing> =
            HashMap::with_capacity_and_hasher(self.messages + self.messages / 4, IdHashing::default());
        for message in 0..self.messages as u32 {
            // Of messages with the same id the first has it; the others go without.
            if let Some(id) = messages.message_id(message) {
                nodes.entry(id).or_insert(message);
            }
        }
        for message in 0..self.messages as u32 {
            // (A)
            let mut before = NONE;
            for &id in messages.references(message) {
                let node = match nodes.entry(id) {
                    Entry::Occupied(node) => *node.get(),
                    Entry::Vacant(vacant) => *vacant.insert(self.add_dummy()),
                };
                if before != NONE && self.parent(node) == NONE && !self.makes_loop(node, before) {
                    self.set_parent(node, before);
                }
                before = node;
            }
            // (B): what others say of its parent does not count.
            if self.parent(message) != before {
                self.set_parent(message, NONE);
                if before != NONE && !self.makes_loop(message, before) {
                    self.set_parent(message, before);
                }
            }
        }
    }

    /// Whether a link between `child` and `parent` would make a loop.
    fn makes_loop(&mut self, child: u32, parent: u32) -> bool {
        if child == parent {
            return true;
        }
        if !self.has_children.get(child as usize).is_some_and(|has| *has) {
            return false;
        }
        let mut node = self.parent(parent);
        while node != NONE {
            if node == child || self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            node = self.parent(node);
        }
        false
    }

    /// Steps 2 and 3: the parent of each message becomes the nearest message above it; without one the topmost dummy,
    /// unless the message would be its only child.
    fn prune(&mut self) {
        let mut children = vec![0_u32; self.parents.len() - self.messages];
        for message in 0..self.messages as u32 {
            let direct = self.parent(message);
            if direct == NONE || !self.is_dummy(direct) {
                continue;
            }
            let mut above = direct;
            while self.is_dummy(above) && self.parent(above) != NONE {
                above = self.parent(above);
            }
            // Nobody goes this way twice.
            let mut passed = direct;
            while passed != above && self.is_dummy(passed) {
                let next = self.parent(passed);
                self.set_parent(passed, above);
                passed = next;
            }
            self.set_parent(message, above);
            if let Some(count) = (above as usize).checked_sub(self.messages).and_then(|dummy| children.get_mut(dummy)) {
                *count += 1;
            }
        }
        for parent in self.parents.iter_mut().take(self.messages) {
            let dummy = (*parent as usize).checked_sub(self.messages);
            if dummy.and_then(|dummy| children.get(dummy)) == Some(&1) {
                *parent = NONE;
            }
        }
    }

    /// Step 4: the children of the root by date.
    fn roots(&self, by_date: &[u32]) -> Vec<Root> {
        let mut is_listed = vec![false; self.parents.len() - self.messages];
        let mut roots = Vec::new();
        for &first in by_date {
            let parent = self.parent(first);
            if parent == NONE {
                roots.push(Root { node: first, first });
                continue;
            }
            let dummy = (parent as usize).checked_sub(self.messages);
            if let Some(is_listed) = dummy.and_then(|dummy| is_listed.get_mut(dummy))
                && !std::mem::replace(is_listed, true)
            {
                roots.push(Root { node: parent, first });
            }
        }
        roots
    }

    /// Step 5: threads of the same base subject become one.
    fn gather_subjects(&mut self, messages: &impl Messages, roots: &[Root]) {
        let (mut table, subjects) = self.subject_table(messages, roots);
        let is_reply = |tree: &Self, node: u32| !tree.is_dummy(node) && messages.is_reply(node);
        let mut merged = Vec::new();
        // (C)
        for (root, subject) in roots.iter().zip(subjects) {
            let Some(subject) = table.get_mut(subject as usize) else { continue };
            let (node, first) = (root.node, *subject);
            if node == first {
                continue;
            }
            match (self.is_dummy(node), self.is_dummy(first)) {
                (true, true) => merged.push((node, first)),
                (_, true) => self.set_parent(node, first),
                _ if is_reply(self, node) && !is_reply(self, first) => self.set_parent(node, first),
                _ => {
                    let dummy = self.add_dummy();
                    self.set_parent(node, dummy);
                    self.set_parent(first, dummy);
                    *subject = dummy;
                }
            }
        }
        self.move_children(&merged);
    }

    /// Steps 5.A and 5.B: a message for each subject, and for each root which subject it has; [`NONE`] for an empty one.
    fn subject_table(&self, messages: &impl Messages, roots: &[Root]) -> (Vec<u32>, Vec<u32>) {
        let mut numbers: HashMap<&[u8], u32> = HashMap::with_capacity(roots.len());
        let mut table: Vec<u32> = Vec::new();
        let mut subjects = Vec::with_capacity(roots.len());
        for root in roots {
            let text = messages.subject(root.first);
            if text.is_empty() {
                subjects.push(NONE);
                continue;
            }
            let number = *numbers.entry(text).or_insert(table.len() as u32);
            subjects.push(number);
            let Some(first) = table.get_mut(number as usize) else {
                table.push(root.node);
                continue;
            };
            if self.is_dummy(*first) {
                continue;
            }
            if self.is_dummy(root.node) || (messages.is_reply(*first) && !messages.is_reply(root.node)) {
                *first = root.node;
            }
        }
        (table, subjects)
    }

    /// Gives the children of dummies to others.
    fn move_children(&mut self, moves: &[(u32, u32)]) {
        for &(dummy, other) in moves {
            self.set_parent(dummy, other);
        }
        if moves.is_empty() {
            return;
        }
        for message in 0..self.messages as u32 {
            let parent = self.parent(message);
            if parent != NONE && self.is_dummy(parent) && self.parent(parent) != NONE {
                self.set_parent(message, self.parent(parent));
            }
        }
    }
}

/// Ids are hashes already. But they are the same on every machine: mail could be made whose ids meet in one place of a table.
/// So they are mixed with numbers of chance, by one multiplication.
#[derive(Clone, Copy)]
struct IdHashing {
    added: u64,
    factor: u64,
}

impl Default for IdHashing {
    fn default() -> Self {
        static CHANCE: LazyLock<IdHashing> = LazyLock::new(|| {
            let chance = RandomState::new();
            IdHashing { added: chance.hash_one(0), factor: chance.hash_one(1) | 1 }
        });
        *CHANCE
    }
}

impl BuildHasher for IdHashing {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { hashing: *self, id: 0 }
    }
}

struct IdHasher {
    hashing: IdHashing,
    id: u64,
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        let product = u128::from(self.id ^ self.hashing.added) * u128::from(self.hashing.factor);
        (product >> u64::BITS) as u64 ^ product as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.id = self.id.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.id = id;
    }
}
