//! Threads as links between messages, and how parents become them.

use postrider_imap_proto::encode::ThreadLinks;

/// No node.
pub(super) const NONE: u32 = ThreadLinks::NONE;

/// Threads. Nodes from the number of messages on are dummies: messages that are not there.
#[derive(Debug)]
pub(super) struct Forest {
    roots: Vec<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
}

impl Forest {
    /// Threads from the parent of each node, in an order of messages that becomes that of all siblings: roots stand where
    /// they come in it, dummies where their first child does. Dummies are no one's children.
    pub(super) fn from_parents(parents: &[u32], order: &[u32]) -> Self {
        let mut forest =
            Self { roots: Vec::new(), first_child: vec![NONE; parents.len()], next_sibling: vec![NONE; order.len()] };
        let parent = |node: u32| parents.get(node as usize).copied().unwrap_or(NONE);
        for &message in order.iter().rev() {
            let first = forest.first_child.get_mut(parent(message) as usize);
            if let (Some(first), Some(next)) = (first, forest.next_sibling.get_mut(message as usize)) {
                *next = std::mem::replace(first, message);
            }
        }
        for &message in order {
            let parent = parent(message);
            if parent == NONE {
                forest.roots.push(message);
            } else if parent as usize >= order.len() && forest.first_child.get(parent as usize) == Some(&message) {
                forest.roots.push(parent);
            }
        }
        forest
    }

    /// The first message of each thread, or a dummy.
    pub(super) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The links, with a name for each message.
    pub(super) fn links<'a>(&'a self, numbers: &'a [u32]) -> ThreadLinks<'a> {
        ThreadLinks { numbers, first_child: &self.first_child, next_sibling: &self.next_sibling }
    }
}
