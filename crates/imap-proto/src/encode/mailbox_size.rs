//! How many messages a mailbox holds, and which left it: EXISTS, RECENT, EXPUNGE (RFC 9051 §7.4, RFC 3501 §7.3.2).

use super::encode_number;

/// Appends `* n EXISTS`.
pub fn encode_exists(out: &mut Vec<u8>, count: u32) {
    encode_numbered(out, count, b" EXISTS\r\n");
}

/// Appends `* n RECENT`, which only clients of IMAP4rev1 are told.
pub fn encode_recent(out: &mut Vec<u8>, count: u32) {
    encode_numbered(out, count, b" RECENT\r\n");
}

/// Appends `* n EXPUNGE`; `n` is the sequence number at the moment of this response.
pub fn encode_expunge(out: &mut Vec<u8>, sequence_number: u32) {
    encode_numbered(out, sequence_number, b" EXPUNGE\r\n");
}

fn encode_numbered(out: &mut Vec<u8>, number: u32, rest: &[u8]) {
    out.extend_from_slice(b"* ");
    encode_number(out, number);
    out.extend_from_slice(rest);
}
