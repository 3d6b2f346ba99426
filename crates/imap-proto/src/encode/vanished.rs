//! The VANISHED response, which takes the place of EXPUNGE once QRESYNC is enabled (RFC 7162 §3.2.10).

use super::uid_set::encode_uid_set;

/// When the messages went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vanished {
    /// Now: sequence numbers shift.
    Now,
    /// `(EARLIER)`: before this session saw the mailbox; sequence numbers stay.
    Earlier,
}

/// Appends `* VANISHED …`; nothing where no message vanished, since a set cannot be empty.
pub fn encode_vanished(out: &mut Vec<u8>, when: Vanished, uids: &[(u32, u32)]) {
    if uids.is_empty() {
        return;
    }
    out.extend_from_slice(match when {
        Vanished::Now => b"* VANISHED ".as_slice(),
        Vanished::Earlier => b"* VANISHED (EARLIER) ",
    });
    encode_uid_set(out, uids);
    out.extend_from_slice(b"\r\n");
}
