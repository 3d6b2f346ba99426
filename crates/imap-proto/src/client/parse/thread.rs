//! THREAD (RFC 5256 §4).

use super::cursor::Cursor;
use crate::client::response::ThreadMember;

impl Cursor<'_> {
    /// `"THREAD" [SP 1*thread-list]`; spaces may stand anywhere. Nothing here recurses: a thread may be as deep as the
    /// mailbox has messages.
    pub(super) fn threads(&mut self) -> Option<Vec<ThreadMember>> {
        let mut members = Vec::new();
        // The depth at which each open list began.
        let mut open = Vec::new();
        let mut depth = 0;
        // Whether a list was opened just before.
        let mut is_first = false;
        loop {
            self.spaces();
            match self.peek() {
                None => return open.is_empty().then_some(members),
                Some(b'(') => {
                    // `thread-nested` without a message before it: they have a parent that is missing.
                    if is_first {
                        members.push(ThreadMember { depth, number: None });
                        depth += 1;
                    }
                    self.eat(b'(');
                    open.push(depth);
                    is_first = true;
                    continue;
                }
                Some(b')') => {
                    self.eat(b')');
                    depth = open.pop()?;
                }
                Some(_) if open.is_empty() => return None,
                Some(_) => {
                    members.push(ThreadMember { depth, number: Some(self.number()?) });
                    depth += 1;
                }
            }
            is_first = false;
        }
    }
}
