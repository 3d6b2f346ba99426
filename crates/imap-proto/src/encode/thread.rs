//! THREAD responses (RFC 5256 §4).
//!
//! Threads are told from links between nodes, as whoever computed them has them: a tree of values would have to be
//! built first, and could be as deep as the mailbox has messages. Nothing here recurses.

use super::encode_number;

/// Threads as links between nodes, which are numbered from 0. A node with a number is a message; a node that lies beyond the
/// numbers is a message that was not found, of which only the children are told.
#[derive(Debug, Clone, Copy)]
pub struct ThreadLinks<'a> {
    /// The sequence number or UID of each message.
    pub numbers: &'a [u32],
    /// The first child of each node, or [`ThreadLinks::NONE`].
    pub first_child: &'a [u32],
    /// The next sibling of each node, or [`ThreadLinks::NONE`].
    pub next_sibling: &'a [u32],
}

impl ThreadLinks<'_> {
    /// No node.
    pub const NONE: u32 = u32::MAX;

    fn first_child(&self, node: u32) -> u32 {
        self.first_child.get(node as usize).copied().unwrap_or(Self::NONE)
    }

    fn next_sibling(&self, node: u32) -> u32 {
        self.next_sibling.get(node as usize).copied().unwrap_or(Self::NONE)
    }
}

/// Appends `* THREAD …` with the threads that begin at `roots`; siblings of those are not followed. The links must
/// form trees.
pub fn encode_thread(out: &mut Vec<u8>, roots: impl IntoIterator<Item = u32>, links: &ThreadLinks<'_>) {
    out.extend_from_slice(b"* THREAD");
    let mut separator: &[u8] = b" ";
    let mut open = Vec::new();
    for root in roots {
        out.extend_from_slice(separator);
        separator = b"";
        encode_tree(out, root, links, &mut open);
    }
    out.extend_from_slice(b"\r\n");
}

/// `thread-list`. `open` is empty before and after; it holds the nodes whose parenthesis is open.
fn encode_tree(out: &mut Vec<u8>, root: u32, links: &ThreadLinks<'_>, open: &mut Vec<u32>) {
    out.push(b'(');
    let mut node = root;
    loop {
        let number = links.numbers.get(node as usize);
        if let Some(&number) = number {
            encode_number(out, number);
        }
        let child = links.first_child(node);
        let is_alone = child == ThreadLinks::NONE || links.next_sibling(child) == ThreadLinks::NONE;
        if child != ThreadLinks::NONE {
            // `thread-members` separates by spaces; `thread-nested` has none between its lists.
            if number.is_some() {
                out.push(b' ');
            }
            if !is_alone {
                out.push(b'(');
                open.push(child);
            }
            node = child;
            continue;
        }
        out.push(b')');
        // The end of a chain ends the list it is in, and each that has no further sibling.
        loop {
            let Some(first) = open.pop() else { return };
            let next = links.next_sibling(first);
            if next != ThreadLinks::NONE {
                out.push(b'(');
                open.push(next);
                node = next;
                break;
            }
            out.push(b')');
        }
    }
}
